"""A few threads that callers use in turn: whoever asks for much waits behind the others.

call --run--> waits for the caller's turn --> a thread
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from ocr_runtime.serving.turns import Turns

T = TypeVar("T")


class CallerTurns:
    """Threads for short work that does not belong into the pool.

    Args:
        threads: how many.
        name: of the threads.
    """

    def __init__(self, threads: int, *, name: str) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._turns = Turns()
        self._free = threads

    async def start(self, caller: str, work: Callable[[], T]) -> Future[T]:
        """Wait for the caller's turn, and start the work in a thread."""
        if self._free:
            self._free -= 1
        else:
            place = self._turns.join(caller)
            try:
                await place
            except asyncio.CancelledError:
                self._turns.leave(caller, place)
                if place.done() and not place.cancelled():
                    self._pass_on()
                raise
        loop = asyncio.get_running_loop()
        started = self._executor.submit(contextvars.copy_context().run, work)
        started.add_done_callback(lambda _: _call_soon(loop, self._pass_on))
        return started

    def soon(self, work: Callable[[], object]) -> None:
        """Do something for nobody in particular.

        Raises:
            RuntimeError: the threads are closed.
        """
        self._executor.submit(work)

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _pass_on(self) -> None:
        """Give a thread that is free to whose turn it is."""
        place = self._turns.next()
        if place is None:
            self._free += 1
        else:
            place.set_result(None)


def _call_soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call)
