"""A pool of threads that compute, with a bounded queue that is fair to callers.

work --run--> [queue: at most max_queue, callers in turn] --> [at most threads compute] --> result
         │               └── Timeout (504),                      │  ↑ grant: memory
         └── Busy (429)      before it starts                    ↓  │ and cores
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
from ocr_runtime.serving.turns import Turns

T = TypeVar("T")
Grant = Callable[[int], AbstractContextManager[int]]
"""Asked before each run of a model, with the bytes that it needs: waits until that much memory is
free, reserves it for the length of a `with` block and yields the number of cores to use. Raises
`Timeout` once nobody waits for the result."""

_CHECK_SECONDS = 0.1
"""How often a call that waits for memory checks whether its result is still wanted."""


class Pool:
    """Threads that compute, and a bounded queue in front of them.

    Callers take turns: a call waits behind the caller's own earlier calls and at most as many of
    every other caller. When the queue is full, the caller with the most waiting calls loses its
    newest one to a caller with fewer (P. E. McKenney, Stochastic Fairness Queueing, 1990).

    The methods belong to one event loop; the work and its grants run in threads.

    Args:
        threads: calls computed at once, and cores that they share.
        run_bytes: memory in bytes that their model runs share; a run that needs more runs alone.
        max_queue: calls that may wait for a thread.
        timeout_seconds: longest time for a call to wait and compute.
    """

    def __init__(
        self, *, threads: int, run_bytes: int, max_queue: int, timeout_seconds: float
    ) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="ocr")
        self._threads = threads
        self._idle = threads
        self._max_queue = max_queue
        self._queue = Turns()
        self._timeout_seconds = timeout_seconds
        self._run_bytes = run_bytes
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._computing = 0  # calls that have a thread and do not wait for memory
        self._held_bytes = 0
        self._for_memory: deque[object] = deque()  # runs that wait for it, first come first served
        self._mean_seconds = 0.0  # that a call took, weighted towards the latest
        self._measured = 0  # calls in that mean

    @property
    def waiting(self) -> int:
        """Calls that wait for a thread."""
        return len(self._queue)

    @property
    def computing(self) -> int:
        """Calls that have a thread."""
        return self._threads - self._idle

    async def run(
        self,
        work: Callable[[Grant], T],
        *,
        caller: str = "",
        admitted: bool = False,
        seconds: float | None = None,
    ) -> T:
        """Compute `work` on a thread of the pool.

        Work whose result nobody waits for, after the timeout or when the task is cancelled, is
        dropped if it has not started. If it has, it ends at its next `grant`; until then it keeps
        its thread, so that abandoned work cannot pile up.

        Args:
            work: called with a `Grant`, which it must ask before each run of a model.
            caller: name of the caller; callers take turns.
            admitted: whether this goes on with what was admitted before, so that it is queued
                even if the queue is full.
            seconds: longest time to wait and compute; None: that of the pool.

        Returns:
            what `work` returns.

        Raises:
            Busy: the queue is full, or so long that the result would come too late; or the call
                gave way to another caller.
            Timeout: there was no result in time.
        """
        abandoned = threading.Event()
        seconds = self._timeout_seconds if seconds is None else seconds
        deadline = time.monotonic() + seconds

        def check() -> None:
            if abandoned.is_set() or time.monotonic() > deadline:
                raise Timeout

        try:
            async with asyncio.timeout(seconds):
                await self._turn(caller, admitted=admitted)
                return await self._compute(functools.partial(self._timed, work, check))
        except TimeoutError as exc:
            raise Timeout from exc
        finally:
            abandoned.set()

    def admit(self, caller: str) -> None:
        """Check whether `run` would refuse a call now, before any work is done for it.

        Raises:
            Busy: as `run` does, which checks again.
        """
        if self._idle:
            return
        ahead_seconds = self._seconds(self._queue.before(caller) + self._threads)
        if ahead_seconds > self._timeout_seconds:
            raise self._busy(ahead_seconds)
        if len(self._queue) >= self._max_queue and not self._queue.is_shorter(caller):
            raise self._full()

    def shutdown(self) -> None:
        """Drop the calls that wait; those that compute may finish."""
        self._queue.cancel()
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def _turn(self, caller: str, *, admitted: bool) -> None:
        """Wait for a thread."""
        if self._idle:
            self._idle -= 1
            return
        if not admitted:
            self.admit(caller)
            if len(self._queue) >= self._max_queue:
                self._drop_one()
        place = self._queue.join(caller)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled() and place.exception() is None:  # it had been given a thread
                self._pass_on()
            raise
        finally:
            self._queue.leave(caller, place)
            del place  # breaks a reference cycle of the future, its exception and this frame

    def _drop_one(self) -> None:
        place = self._queue.drop_last()
        if not place.done():  # unless its task was cancelled in this iteration of the loop
            place.set_exception(self._full())

    def _pass_on(self) -> None:
        """Give a thread that has become free to the next call in the queue."""
        place = self._queue.next()
        if place is None:
            self._idle += 1
        else:
            place.set_result(None)

    async def _compute(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()

        def free(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the event loop is closed already
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
            del future  # breaks a reference cycle, as in `_turn`

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
                self._freed.wait(_CHECK_SECONDS)
                check()
        finally:
            self._computing += 1
            self._for_memory.remove(ticket)
            self._freed.notify_all()
