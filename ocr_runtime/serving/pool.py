"""Who may compute now, who waits, and who is turned away.

work --run--> [at most max_queue wait, callers in turn] --> [at most threads compute] --> result
         │               └── Timeout (504),                   │  ↑ grant: so much memory,
         └── Busy (429)      before it starts                 ↓  │ so many cores
                                                         [each run of a model]
"""

import asyncio
import contextlib
import contextvars
import functools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from ocr_runtime.errors import Busy, Timeout

T = TypeVar("T")
Grant = Callable[[int], AbstractContextManager[int]]
"""Waits until a call may take so many bytes, holds them for it and says how many cores it may use;
raises `Timeout` once nobody waits for its result."""

_LOOK_SECONDS = 0.1
"""How often a call that waits for memory looks whether it is still waited for."""


class Pool:
    """Threads that compute, behind a queue with an end.

    Callers take turns: each waits behind its own calls and at most as many of every other caller's.
    In a full queue the caller with the most calls in it gives up its last one for another's
    (P. E. McKenney, Stochastic Fairness Queueing, 1990).

    Its methods are called in one event loop; the work and its grants run in threads.

    Args:
        threads: calls computed at once, and cores to be shared out among them.
        run_bytes: memory to be shared out among them; who needs more of it runs alone.
        max_queue: calls that may wait beside them.
        timeout_seconds: the longest a call may wait and compute.
    """

    def __init__(
        self, *, threads: int, run_bytes: int, max_queue: int, timeout_seconds: float
    ) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="ocr")
        self._threads = threads
        self._idle = threads
        self._max_queue = max_queue
        self._queue = _Queue()
        self._timeout_seconds = timeout_seconds
        self._run_bytes = run_bytes
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._computing = 0  # calls, without those that wait for memory
        self._held_bytes = 0
        self._for_memory: deque[object] = deque()  # who waits for it, first come first served
        self._mean_seconds = 0.0  # of the latest calls
        self._measured = 0

    @property
    def waiting(self) -> int:
        """Calls that wait for a thread."""
        return len(self._queue)

    @property
    def computing(self) -> int:
        """Calls that have a thread."""
        return self._threads - self._idle

    async def run(self, work: Callable[[Grant], T], *, caller: str = "") -> T:
        """Compute `work` on a thread of the pool.

        Work that is no longer waited for, after its time or when the task is cancelled, is
        dropped if it has not started; if it has, it keeps its thread until its next `grant`,
        so that abandoned work cannot pile up.

        Args:
            work: is given a `Grant`, to ask before each run of a model.
            caller: whose work it is; callers take turns.

        Raises:
            Busy: the queue is full, or so long that there would be no result in time.
            Timeout: there was no result in time.
        """
        abandoned = threading.Event()
        deadline = time.monotonic() + self._timeout_seconds

        def check() -> None:
            if abandoned.is_set() or time.monotonic() > deadline:
                raise Timeout

        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._turn(caller)
                return await self._compute(functools.partial(self._timed, work, check))
        except TimeoutError as exc:
            raise Timeout from exc
        finally:
            abandoned.set()

    def admit(self, caller: str) -> None:
        """Refuse a call that `run` would refuse now, before anything is done for it.

        Raises:
            Busy: as `run` does, which looks again.
        """
        if self._idle:
            return
        ahead_seconds = self._seconds(self._queue.before(caller) + self._threads)
        if ahead_seconds > self._timeout_seconds:
            raise self._busy(ahead_seconds)
        if len(self._queue) >= self._max_queue and not self._queue.is_shorter(caller):
            raise self._full()

    def shutdown(self) -> None:
        """Drop what waits; what computes may end."""
        self._queue.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _turn(self, caller: str) -> None:
        """Wait for a thread."""
        if self._idle:
            self._idle -= 1
            return
        self.admit(caller)
        if len(self._queue) >= self._max_queue:
            self._drop_one()
        place = self._queue.join(caller)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled() and place.exception() is None:  # its turn had come
                self._pass_on()
            raise
        finally:
            self._queue.leave(caller, place)
            del place  # or it, what it raised and this call would hold one another

    def _drop_one(self) -> None:
        place = self._queue.drop_last()
        if not place.done():  # or its task was cancelled in this turn of the loop
            place.set_exception(self._full())

    def _pass_on(self) -> None:
        """Give a thread that has become free to whose turn it is."""
        place = self._queue.next()
        if place is None:
            self._idle += 1
        else:
            place.set_result(None)

    async def _compute(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()

        def free(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended first
                loop.call_soon_threadsafe(self._pass_on)

        try:
            future = self._executor.submit(contextvars.copy_context().run, work)
        except RuntimeError:  # no thread can be started
            self._pass_on()
            raise
        future.add_done_callback(free)
        try:
            return await asyncio.wrap_future(future)
        finally:
            del future  # as above

    def _seconds(self, calls: int) -> float:
        return calls * self._mean_seconds / self._threads

    def _full(self) -> Busy:
        return self._busy(self._seconds(self._max_queue + self._threads))

    def _busy(self, seconds: float) -> Busy:
        return Busy(headers={"Retry-After": str(max(1, math.ceil(seconds)))})

    def _timed(self, work: Callable[[Grant], T], check: Callable[[], None]) -> T:
        check()
        start = time.monotonic()
        with self._lock:
            self._computing += 1
        try:
            return work(functools.partial(self._granted, check))
        finally:
            seconds = time.monotonic() - start
            with self._lock:
                self._computing -= 1
                self._measured += 1
                weight = max(0.1, 1 / self._measured)
                self._mean_seconds += weight * (seconds - self._mean_seconds)

    @contextmanager
    def _granted(self, check: Callable[[], None], needed: int) -> Iterator[int]:
        check()
        with self._freed:
            self._wait_for(needed, check)
            self._held_bytes += needed
            cores = max(1, self._threads // self._computing)
        try:
            yield cores
        finally:
            with self._freed:
                self._held_bytes -= needed
                self._freed.notify_all()

    def _wait_for(self, needed: int, check: Callable[[], None]) -> None:
        ticket = object()
        self._for_memory.append(ticket)
        self._computing -= 1
        try:
            while self._for_memory[0] is not ticket or (
                self._held_bytes and self._held_bytes + needed > self._run_bytes
            ):
                self._freed.wait(_LOOK_SECONDS)
                check()
        finally:
            self._computing += 1
            self._for_memory.remove(ticket)
            self._freed.notify_all()


class _Queue:
    """A line of places for each caller; the lines are served in turn.

    A place is a future: done without a result once it is left.
    """

    def __init__(self) -> None:
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def before(self, caller: str) -> int:
        """Count the places that are served before a new one of this caller."""
        own = len(self._lines.get(caller, ()))
        others = (line for name, line in self._lines.items() if name != caller)
        return own + sum(min(len(line), own + 1) for line in others)

    def join(self, caller: str) -> asyncio.Future[None]:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(caller, deque()).append(place)
        return place

    def leave(self, caller: str, place: asyncio.Future[None]) -> None:
        """Give up a place, if it is still held."""
        line = self._lines.get(caller, deque())
        if place in line:
            line.remove(place)
        if not line:
            self._lines.pop(caller, None)

    def next(self) -> asyncio.Future[None] | None:
        """Take the first place of the line whose turn it is; None if nobody waits."""
        while self._lines:
            caller, line = next(iter(self._lines.items()))
            place = line.popleft()
            del self._lines[caller]
            if line:
                self._lines[caller] = line  # behind the others
            if not place.done():
                return place
        return None

    def is_shorter(self, caller: str) -> bool:
        """Tell whether a caller's line with a place more is shorter than the longest."""
        own = len(self._lines.get(caller, ())) + 1
        return any(len(line) > own for line in self._lines.values())

    def drop_last(self) -> asyncio.Future[None]:
        """Take the last place of the longest line."""
        caller = max(self._lines, key=lambda name: len(self._lines[name]))
        place = self._lines[caller][-1]
        self.leave(caller, place)
        return place

    def cancel(self) -> None:
        for line in self._lines.values():
            for place in line:
                place.cancel()
