"""The pages of a job that are left -> each read, as many at once as the pool has threads.

One page at a time waits for its turn in the pool, as the page of a request does. Beside it further
pages are read on threads that would be idle; they pause while other calls need all threads.
"""

import asyncio
import functools
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable

from ocr_runtime.serving.grants import Grant, Spare
from ocr_runtime.serving.pool import Pool


class JobPages:
    """The pages of a job that are left.

    Args:
        left: their numbers, in the order in which they are read.
        read: reads and stores a page; called in threads.
        turn: waits for a turn of the job in the pool, and calls a function there.
        pool: whose idle threads are used.
    """

    def __init__(
        self,
        left: Iterable[int],
        *,
        read: Callable[[int, Grant, Spare], None],
        turn: Callable[[Callable[[Grant], None]], Awaitable[None]],
        pool: Pool,
    ) -> None:
        self._left = deque(left)
        self._read = read
        self._turn = turn
        self._pool = pool
        self._lock = threading.Lock()
        self._ending = False

    async def read(
        self, *, alone: int, gives_way: Callable[[], Awaitable[bool]], stop: Callable[[], None]
    ) -> bool:
        """Read the pages; whatever a thread raises ends it.

        Args:
            alone: how many pages are read one at a time, before several are.
            gives_way: asked after each turn whether to end after the pages at hand.
            stop: called before pages at hand are abandoned.

        Returns:
            whether all pages are read.
        """
        beside: list[_SpareCall] = []
        try:
            while self._left:
                if not beside and alone <= 0:
                    number = min(self._pool.threads, len(self._left)) - 1
                    beside = [_SpareCall(self._read_beside) for _ in range(number)]
                await self._turn(self._read_next)
                alone -= 1
                for call in beside:
                    if call.task.done():
                        call.task.result()
                if await gives_way():
                    break
            await self._finish(beside)
        except BaseException:
            stop()
            raise
        finally:
            for call in beside:
                call.task.cancel()
            await asyncio.gather(*(call.task for call in beside), return_exceptions=True)
        return not self._left

    async def _finish(self, beside: "list[_SpareCall]") -> None:
        """Wait for the pages at hand. One of them at a time goes on even if no thread is idle."""
        with self._lock:
            self._ending = True
        for call in beside:
            if call.reading or call.task.done():
                call.spare.needed.set()
                await call.task

    async def _read_beside(self, call: "_SpareCall") -> None:
        while self._left and not self._ending:
            await self._pool.run_spare(functools.partial(self._read_spare, call), call.spare)

    def _read_next(self, grant: Grant) -> None:
        number = self._take()
        if number is not None:
            self._read(number, grant, Spare())

    def _read_spare(self, call: "_SpareCall", grant: Grant) -> None:
        number = self._take(call)
        if number is None:
            return
        try:
            self._read(number, grant, call.spare)
        finally:
            call.reading = False

    def _take(self, call: "_SpareCall | None" = None) -> int | None:
        with self._lock:
            if self._ending or not self._left:
                return None
            if call is not None:
                call.reading = True
            return self._left.popleft()


class _SpareCall:
    """A task that reads pages on idle threads, one after the other.

    Args:
        read: what it does; called with itself.
    """

    def __init__(self, read: "Callable[[_SpareCall], Awaitable[None]]") -> None:
        self.spare = Spare()
        self.reading = False
        self.task = asyncio.ensure_future(read(self))
