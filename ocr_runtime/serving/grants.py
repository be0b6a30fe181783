"""A call in a thread of the pool asks before each run of a model -> memory, and cores to use.

call --Grant--> [waits until so much memory is free] --> cores --> [run of the model] --> given back
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

Grant = Callable[[int], AbstractContextManager[int]]
"""Asked before each run of a model, with the bytes that it needs: waits until that much memory is
free, reserves it for the length of a `with` block and yields the number of cores to use. Raises
`Timeout` once nobody waits for the result."""

_CHECK_SECONDS = 0.1
"""How often a call that waits checks whether its result is still wanted."""

Check = Callable[[], None]
"""Raises once nobody waits for the result."""


class Spare:
    """A call that computes only while a thread would be idle, until it is needed.

    Args:
        needed: set by the caller once the result cannot wait for an idle thread.
        paused_seconds: how long it has given way to others since it started.
    """

    def __init__(self) -> None:
        self.needed = threading.Event()
        self.paused_seconds = 0.0
        self.pausing = 0  # its threads that wait: a call may run several models side by side


class Grants:
    """Memory and cores that the calls of a pool share. Its methods are called in their threads.

    Args:
        threads: cores.
        run_bytes: memory in bytes; a run that needs more runs alone.
        idle: how many threads are left by calls that are not spare.
    """

    def __init__(self, *, threads: int, run_bytes: int, idle: Callable[[], int]) -> None:
        self._threads = threads
        self._run_bytes = run_bytes
        self._idle = idle
        self._freed = threading.Condition()
        self._computing = 0  # calls that have a thread, and wait neither for memory nor for others
        self._spares = 0  # those of them that are spare
        self._held_bytes = 0
        self._for_memory: deque[object] = deque()  # runs that wait for it, first come first served

    @contextmanager
    def computing(self, spare: Spare | None) -> Iterator[None]:
        """Count a call as one that computes."""
        with self._freed:
            self._count(spare, 1)
        try:
            yield
        finally:
            with self._freed:
                self._count(spare, -1)

    @contextmanager
    def granted(self, spare: Spare | None, check: Check, needed: int) -> Iterator[int]:
        """A `Grant`, once its first arguments are given.

        Args:
            spare: describes the call, if it is a spare one: it waits while others need all threads.
            check: called now and then while it waits.
            needed: bytes that it needs.
        """
        check()
        with self._freed:
            if spare is not None:
                self._pause(spare, check)
            self._wait_for(needed, check)
            self._held_bytes += needed
            cores = max(1, self._threads // max(1, self._computing))
        try:
            yield cores
        finally:
            with self._freed:
                self._held_bytes -= needed
                self._freed.notify_all()

    def _count(self, spare: Spare | None, number: int) -> None:
        self._computing += number
        self._spares += number * (spare is not None)

    def _pause(self, spare: Spare, check: Check) -> None:
        start = time.monotonic()
        spare.pausing += 1
        if spare.pausing == 1:
            self._count(spare, -1)
        try:
            while self._spares >= self._idle() and not spare.needed.is_set():
                self._freed.wait(_CHECK_SECONDS)
                check()
        finally:
            spare.pausing -= 1
            if not spare.pausing:
                self._count(spare, 1)
                spare.paused_seconds += time.monotonic() - start

    def _wait_for(self, needed: int, check: Check) -> None:
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
