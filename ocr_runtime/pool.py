"""Who may compute now, who waits, and who is turned away.

work --run--> [at most max_queue waiting] --> [at most threads computing] --> result
         │               └── Timeout (504),       │  ↑ grant: so much memory,
         └── Busy (429)      before it starts     ↓  │ so many cores
                                             [each run of a model]
"""

import asyncio
import functools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from .errors import Busy, Timeout

T = TypeVar("T")
Grant = Callable[[int], AbstractContextManager[int]]
"""Waits until a call may take so many bytes, holds them for it and says how many cores it may use;
raises `Timeout` once nobody waits for its result."""

_LOOK_SECONDS = 0.1
"""How often a call that waits for memory looks whether it is still waited for."""


class Pool:
    """Threads that compute, behind a queue with an end.

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
        self._places = threads + max_queue
        self._timeout_seconds = timeout_seconds
        self._run_bytes = run_bytes
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._taken = 0  # places taken, by calls that wait or compute
        self._computing = 0  # calls, without those that wait for memory
        self._held_bytes = 0
        self._for_memory: deque[object] = deque()  # who waits for it, first come first served
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

        def check() -> None:
            if abandoned.is_set() or time.monotonic() > deadline:
                raise Timeout

        self._take_place()
        future = self._executor.submit(self._timed, work, check)
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
                self._mean_seconds += 0.1 * (seconds - self._mean_seconds)

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
