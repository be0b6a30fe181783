"""Answers and refusals of a service -> how many files are at hand at once.

The number grows by one a file until the service refuses one for the first time, then by one a round
of as many files as are at hand, and is cut to three quarters by a refusal: additive increase and
multiplicative decrease, as TCP does it (RFC 5681, section 3.1).
"""

import asyncio

MOST_AT_ONCE = 128
"""Files that are in memory at once, and connections to a service."""


class Window:
    """How many files may be at hand.

    Args:
        start: how many at first.
        most: how many at most; `start`: the number does not change.
    """

    def __init__(self, *, start: int, most: int) -> None:
        self.most = most
        self.limit = float(min(start, most))
        self.at_hand = 0
        self._refused = False
        self._cuts = 0
        self._freed = asyncio.Event()

    async def enter(self) -> None:
        """Wait until there is room for one more, and take it."""
        while self.at_hand >= int(self.limit):
            self._freed.clear()
            await self._freed.wait()
        self.at_hand += 1

    def leave(self) -> None:
        """Give the place back."""
        self.at_hand -= 1
        self._freed.set()

    def sent(self) -> int:
        """Return what `refused` is to be told of a request that is sent now."""
        return self._cuts

    def answered(self) -> None:
        """Count a request that was answered: the number grows, if all of it was needed."""
        if self.at_hand < int(self.limit):
            return
        step = 1 / self.limit if self._refused else 1.0
        self.limit = min(self.limit + step, float(self.most))
        self._freed.set()

    def refused(self, sent: int) -> None:
        """Count a request that was refused: the number shrinks.

        Args:
            sent: what `sent` returned for it; requests of one round cut the number once.
        """
        self._refused = True
        if sent == self._cuts:
            self._cuts += 1
            self.limit = max(1.0, min(self.limit, float(self.at_hand)) * 0.75)
