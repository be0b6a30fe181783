"""Chunks -> what actors report of them, whatever becomes of an actor or its node.

    chunks that wait --one at a time--> each actor that is ready --> what became of its pieces
          ^--- chunks of an actor that was lost, pieces that were left ---'

Ray Data's `map_batches` keeps a pool of actors too. These are plain actors all the same:
- A chunk that was given to an actor stays with it. If its node is lost, Ray Data waits for Ray to
  start this actor again, for which there may be no core. Tried with Ray 2.60 on two nodes of one
  core, one of them killed: of 40 rows two were not there 23 seconds after the others, when the run
  was ended.
- What is left of a long document is found while its first pages are read; a data set that is being
  computed takes no further rows.
- The rows must appear under a name that follows from the chunk, so that a second attempt replaces
  the first; `Dataset.write_parquet` names files by its own run.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import ray
from ray.actor import ActorHandle
from ray.exceptions import RayActorError, RayError

from ocr_runtime.bulk.chunks import Chunk, chunks_of, divided
from ocr_runtime.bulk.outcomes import PieceOutcome
from ocr_runtime.bulk.reading_actor import StoreFailed

_LOOK_SECONDS = 5.0
"""How often it is looked whether the cluster has grown."""

_SAY_SECONDS = 30.0
"""How often it is said that actors have not started."""

_MOST_LOST = 20
"""So many actors lost one after the other, with no chunk read in between, end the run."""

_log = logging.getLogger("rapidocr")


class NotStarted(Exception):
    """No actor can be started; `str(error)` is one line that says why."""


class PoolFailed(Exception):
    """No actor can read any more; `str(error)` is one line that says why."""


@dataclass
class _Actor:
    """An actor and what it is doing.

    Args:
        handle: of Ray.
        reference: to the end of its start, or of the chunk that it reads; None: it has nothing to
            do.
        chunk: that it reads; None: it is starting, or has nothing to do.
    """

    handle: ActorHandle
    reference: ray.ObjectRef | None
    chunk: Chunk | None = None


class ActorPool:
    """Gives chunks to actors.

    Args:
        new_actor: asks for one more actor.
        room: says how many actors the cluster has room for.
        most_actors: how many are asked for at most; so many are asked for even where there is no
            room yet, which lets the cluster grow. None: as many as there is room for.
        most_pages: of a chunk.
        give_up: says what became of a chunk that no actor survived.
    """

    def __init__(
        self,
        *,
        new_actor: Callable[[], ActorHandle],
        room: Callable[[], int],
        most_actors: int | None,
        most_pages: int,
        give_up: Callable[[Chunk], list[PieceOutcome]],
    ) -> None:
        self._new_actor = new_actor
        self._room = room
        self._most_actors = most_actors
        self._most_pages = most_pages
        self._give_up = give_up
        self._actors: list[_Actor] = []
        self._lost = 0
        self._ever_started = False
        self._looked = -_LOOK_SECONDS
        self._waited = 0.0
        self._again: deque[Chunk] = deque()

    def read(self, chunks: Iterable[Chunk]) -> Iterator[PieceOutcome]:
        """Have chunks read, and what they leave; yield what becomes of each piece.

        Raises:
            NotStarted: the first actor that has models to load cannot.
            PoolFailed: all are lost again and again, or cannot fetch files or store rows.
        """
        waiting = iter(chunks)
        self._waited = time.monotonic()
        try:
            while True:
                self._hand_out(waiting)
                if not any(actor.chunk for actor in self._actors) and not self._pending(waiting):
                    return
                busy = {actor.reference: actor for actor in self._actors if actor.reference}
                if not busy:
                    time.sleep(_LOOK_SECONDS)
                    continue
                ready, _ = ray.wait(list(busy), timeout=_LOOK_SECONDS)
                for reference in ready:
                    yield from self._take(busy[reference])
                self._say_if_none_started()
        finally:
            for actor in self._actors:
                ray.kill(actor.handle)
            self._actors = []

    def _pending(self, waiting: Iterator[Chunk]) -> bool:
        """Whether there are chunks that no actor has."""
        if not self._again:
            self._again.extend(chunk for chunk in [next(waiting, None)] if chunk is not None)
        return bool(self._again)

    def _hand_out(self, waiting: Iterator[Chunk]) -> None:
        if self._pending(waiting) and time.monotonic() - self._looked >= _LOOK_SECONDS:
            self._looked = time.monotonic()
            self._grow()
        for actor in self._actors:
            if actor.reference is None and self._pending(waiting):
                actor.chunk = self._again.popleft()
                actor.reference = actor.handle.read.remote(actor.chunk)

    def _grow(self) -> None:
        wanted = self._room() if self._most_actors is None else self._most_actors
        while len(self._actors) < max(1, wanted):
            handle = self._new_actor()
            self._actors.append(_Actor(handle, handle.start.remote()))

    def _say_if_none_started(self) -> None:
        if any(actor.chunk or not actor.reference for actor in self._actors):
            self._waited = time.monotonic()
        elif time.monotonic() - self._waited >= _SAY_SECONDS:
            self._waited = time.monotonic()
            room = self._room()
            where = f"the nodes have room for {room}" if room else "no node has room for one"
            _log.warning("nothing is read, as no actor has started yet: %s", where)

    def _take(self, actor: _Actor) -> Iterator[PieceOutcome]:
        """Look at what an actor has done."""
        try:
            answer = ray.get(actor.reference)
        except RayError as exc:
            unusable = actor.chunk is None and not isinstance(exc, RayActorError)
            if unusable and not self._ever_started:
                raise NotStarted(_reason(exc)) from exc
            yield from self._lose(actor, exc)
            if unusable:  # perhaps the fault of one node, which is not tried all the time
                self._looked = time.monotonic()
            return
        started = actor.chunk is None
        actor.chunk = actor.reference = None
        if started:
            self._ever_started = True
            return
        self._lost = 0
        for outcome in answer:
            yield from self._with_rest(outcome)

    def _with_rest(self, outcome: PieceOutcome) -> Iterator[PieceOutcome]:
        """Have what a piece left read too."""
        if outcome.left is not None:
            pieces = divided(outcome.left, most_pages=self._most_pages)
            self._again.extend(chunks_of(pieces, most_pages=self._most_pages))
        yield outcome

    def _lose(self, actor: _Actor, error: RayError) -> Iterator[PieceOutcome]:
        """Give the chunks of an actor to others, and ask for another actor in its place."""
        reason = _reason(error)
        cause = getattr(error, "cause", None)
        cannot_write = actor.chunk is not None and isinstance(cause, OSError)
        if isinstance(cause, StoreFailed) or (cannot_write and self._lost):
            raise PoolFailed(reason)  # no other actor can either
        self._lost += 1
        _log.warning("an actor was lost, its chunks are read again: %s", reason)
        if self._lost >= _MOST_LOST:
            raise PoolFailed(f"{self._lost} actors were lost one after the other: {reason}")
        self._actors.remove(actor)
        ray.kill(actor.handle)
        self._looked = -_LOOK_SECONDS
        if actor.chunk is None:
            return
        again = actor.chunk.after_loss()
        self._again.extend(again)
        for outcome in [] if again else self._give_up(actor.chunk):
            yield from self._with_rest(outcome)


def _reason(error: RayError) -> str:
    """Say in a line what went wrong; the first lines of Ray name the process, and where it was."""
    lines = str(getattr(error, "cause", None) or error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
