"""A pool of threads that compute, with a bounded queue that is fair to callers.

work --run--> [queue: at most max_queue, callers in turn] --> [at most threads compute] --> result
         │               └── Timeout (504),                      │  ↑ grant: memory
         └── Busy (429)      before it starts                    ↓  │ and cores
                                                            [each run of a model]
work --run_spare--> [waits for a thread that would be idle] --> result
"""

import asyncio
import contextlib
import contextvars
import functools
import math
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ocr_runtime.errors import Busy, Timeout
from ocr_runtime.serving.grants import Check, Grant, Grants, Spare
from ocr_runtime.serving.turns import Turns

T = TypeVar("T")

_NICENESS = 10
"""Niceness of the pool's threads beyond that of the process, so that the event loop, and what
answers /metrics, need not wait behind them for a core. In four minutes of `scripts/soak` in turns,
on two cores with other work, /metrics took 60 and 79 ms at most with it and 136 and 157 without.
Threads and processes that they start inherit it, such as those that read PDF; threads that ONNX
Runtime and OpenVINO have started before do not."""


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
        # Spare calls that have started keep a thread while they are paused.
        self._executor = ThreadPoolExecutor(
            2 * threads, thread_name_prefix="ocr", initializer=_give_way
        )
        self._threads = threads
        self._idle = threads
        self._max_queue = max_queue
        self._queue = Turns()
        self._timeout_seconds = timeout_seconds
        self._grants = Grants(threads=threads, run_bytes=run_bytes, idle=lambda: self._idle)
        self._spares = 0  # spare calls that have started
        self._for_idle: deque[asyncio.Future[None]] = deque()  # spare calls that have not
        self._mean_seconds = 0.0  # that a call took, weighted towards the latest
        self._measured = 0  # calls in that mean
        self._lock = threading.Lock()  # of the two

    @property
    def threads(self) -> int:
        """Calls that are computed at once."""
        return self._threads

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
                timed = functools.partial(self._timed, work, check)
                return await self._compute(timed, then=self._pass_on)
        except TimeoutError as exc:
            raise Timeout from exc
        finally:
            abandoned.set()

    async def run_spare(self, work: Callable[[Grant], T], spare: Spare) -> T:
        """Compute `work` on a thread that would be idle.

        No call of `run` waits for it: when they need all threads, it goes on beside them only
        until its next `grant`, and pauses there until a thread is idle again or `spare.needed` is
        set. Work whose task is cancelled ends as that of `run` does.

        Args:
            work: called with a `Grant`, which it must ask before each run of a model.
            spare: describes this call; may be used again for a later one.

        Returns:
            what `work` returns.
        """
        abandoned = threading.Event()

        def check() -> None:
            if abandoned.is_set():
                raise Timeout

        try:
            await self._idle_thread()
            counted = functools.partial(self._counted, work, spare, check)
            return await self._compute(counted, then=self._end_spare)
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
        for place in self._for_idle:
            place.cancel()
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
            self._start_spares()
        else:
            place.set_result(None)

    async def _idle_thread(self) -> None:
        """Wait until a thread is idle that no spare call uses."""
        if self._idle > self._spares:
            self._spares += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._for_idle.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled():  # it had been given a thread
                self._end_spare()
            raise
        finally:
            if place in self._for_idle:
                self._for_idle.remove(place)

    def _start_spares(self) -> None:
        while self._for_idle and self._idle > self._spares:
            place = self._for_idle.popleft()
            if not place.done():  # unless its task was cancelled in this iteration of the loop
                self._spares += 1
                place.set_result(None)

    def _end_spare(self) -> None:
        self._spares -= 1
        self._start_spares()

    async def _compute(self, work: Callable[[], T], *, then: Callable[[], None]) -> T:
        """Compute on a thread; `then` is called in the loop once that has ended."""
        loop = asyncio.get_running_loop()

        def free(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the event loop is closed already
                loop.call_soon_threadsafe(then)

        try:
            future = self._executor.submit(contextvars.copy_context().run, work)
        except RuntimeError:  # no thread can be started
            then()
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

    def _timed(self, work: Callable[[Grant], T], check: Check) -> T:
        check()
        start = time.monotonic()
        try:
            return self._counted(work, None, check)
        finally:
            seconds = time.monotonic() - start
            with self._lock:
                self._measured += 1
                weight = max(0.1, 1 / self._measured)
                self._mean_seconds += weight * (seconds - self._mean_seconds)

    def _counted(self, work: Callable[[Grant], T], spare: Spare | None, check: Check) -> T:
        check()
        with self._grants.computing(spare):
            return work(functools.partial(self._grants.granted, spare, check))


def _give_way() -> None:
    """Have the system run other threads of this process before this one.

    Only Linux knows the niceness of a thread. Where it may not be set, all threads are equal.
    """
    if sys.platform == "linux" and hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            niceness = os.getpriority(os.PRIO_PROCESS, 0) + _NICENESS  # 0: this thread
            os.setpriority(os.PRIO_PROCESS, 0, min(19, niceness))
