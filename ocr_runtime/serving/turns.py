"""Who waits for a thread of the pool: a queue of places for each caller, served in turn."""

import asyncio
from collections import deque


class Turns:
    """A queue of places for each caller; the callers are served in turn.

    A place is a future. Its result is set when it is given a thread, its exception when it is
    dropped.
    """

    def __init__(self) -> None:
        self._by_caller: dict[str, deque[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_caller.values()))

    def before(self, caller: str) -> int:
        """Count the places that are served before a new one of this caller."""
        own = len(self._by_caller.get(caller, ()))
        others = (places for name, places in self._by_caller.items() if name != caller)
        return own + sum(min(len(places), own + 1) for places in others)

    def join(self, caller: str) -> asyncio.Future[None]:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._by_caller.setdefault(caller, deque()).append(place)
        return place

    def leave(self, caller: str, place: asyncio.Future[None]) -> None:
        """Remove a place, if it is still in the queue."""
        places = self._by_caller.get(caller, deque())
        if place in places:
            places.remove(place)
        if not places:
            self._by_caller.pop(caller, None)

    def next(self) -> asyncio.Future[None] | None:
        """Remove and return the first place of the caller whose turn it is; None if empty."""
        while self._by_caller:
            caller, places = next(iter(self._by_caller.items()))
            place = places.popleft()
            del self._by_caller[caller]
            if places:
                self._by_caller[caller] = places  # behind the other callers
            if not place.done():
                return place
        return None

    def is_shorter(self, caller: str) -> bool:
        """Tell whether a caller would have fewer places than another, with one more."""
        own = len(self._by_caller.get(caller, ())) + 1
        return any(len(places) > own for places in self._by_caller.values())

    def drop_last(self) -> asyncio.Future[None]:
        """Remove and return the newest place of the caller with the most places."""
        caller = max(self._by_caller, key=lambda name: len(self._by_caller[name]))
        place = self._by_caller[caller][-1]
        self.leave(caller, place)
        return place

    def cancel(self) -> None:
        for places in self._by_caller.values():
            for place in places:
                place.cancel()
