"""Who may compute now, who waits, and who is turned away.

work --run--> [at most max_queue waiting] --> [at most threads computing] --> result
         └── Busy (429)          └── Timeout (504), dropped before it starts
"""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from .errors import Busy, Timeout

T = TypeVar("T")
Grant = Callable[[], int]
"""Says how many cores a call may use now; raises `Timeout` once nobody waits for its result."""


class Pool:
    """Threads that compute, behind a queue with an end.

    Args:
        threads: calls computed at once, and cores to be shared out among them.
        max_queue: calls that may wait beside them.
        timeout_seconds: the longest a call may wait and compute.
    """

    def __init__(self, *, threads: int, max_queue: int, timeout_seconds: float) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="ocr")
        self._threads = threads
        self._places = threads + max_queue
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._taken = 0  # places taken, by calls that wait or compute
        self._computing = 0
        self._mean_seconds = 1.0  # of the latest calls

    async def run(self, work: Callable[[Grant], T]) -> T:
        """Compute `work` on a thread of the pool.

        Work that is no longer waited for, after its time or when the caller is cancelled, is
        dropped if it has not started; if it has, it keeps its thread until its next `grant`,
        so that abandoned work cannot pile up.

        Raises:
            Busy: the queue is full.
            Timeout: there was no result in time.
        """
        abandoned = threading.Event()
        deadline = time.monotonic() + self._timeout_seconds

        def grant() -> int:
            if abandoned.is_set() or time.monotonic() > deadline:
                raise Timeout
            return max(1, self._threads // max(1, self._computing))

        self._take_place()
        future = self._executor.submit(self._timed, work, grant)
        future.add_done_callback(self._free_place)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await asyncio.wrap_future(future)
        except TimeoutError as exc:
            raise Timeout from exc
        finally:
            abandoned.set()

    def shutdown(self) -> None:
        """Drop what waits; what computes may end."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _take_place(self) -> None:
        with self._lock:
            if self._taken >= self._places:
                ahead = self._taken * self._mean_seconds / self._threads
                raise Busy(headers={"Retry-After": str(max(1, math.ceil(ahead)))})
            self._taken += 1

    def _free_place(self, _: Future[T]) -> None:
        with self._lock:
            self._taken -= 1

    def _timed(self, work: Callable[[Grant], T], grant: Grant) -> T:
        grant()
        start = time.monotonic()
        with self._lock:
            self._computing += 1
        try:
            return work(grant)
        finally:
            seconds = time.monotonic() - start
            with self._lock:
                self._computing -= 1
                self._mean_seconds += 0.1 * (seconds - self._mean_seconds)
