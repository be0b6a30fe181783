"""Files, and which of their pages are missing -> chunks, each the work of an actor for a while.

    pieces --chunks_of--> chunks --an actor reads them--> rows, and the pieces that are left

How many pages a file has is not known before it is opened, and that is work for an actor: a
stranger's file may crash what opens it. So a chunk names files, an actor reads as many pages of
them as a chunk may have, and what it did not get to comes back as pieces for further chunks.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Pages of one file that follow one another.

    Args:
        source: name of the file, as in the results.
        first: number of the first page, from 1.
        last: number of the last page; None: of the last one that the file has.
    """

    source: str
    first: int = 1
    last: int | None = None


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What an actor reads before it writes rows.

    Args:
        pieces: are read in this order, each page once.
        most_pages: after so many pages the rest is left for other chunks.
        attempts: how often it was given to an actor that did not live to answer.
    """

    pieces: tuple[Piece, ...]
    most_pages: int
    attempts: int = 0

    @property
    def name(self) -> str:
        """The name of its file of rows: the same for each attempt, another for any other chunk."""
        pages = [[piece.source, piece.first, piece.last] for piece in self.pieces]
        text = json.dumps([self.most_pages, pages])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def after_loss(self) -> "list[Chunk]":
        """Return what to try after its actor was lost: at first the same once more.

        A file that ends every actor that reads it must not keep the others in its chunk from being
        read, so after some attempts each piece becomes a chunk of its own; empty: give up.
        """
        if self.attempts + 1 < MOST_ATTEMPTS:
            return [replace(self, attempts=self.attempts + 1)]
        if len(self.pieces) == 1:
            return []
        return [replace(self, pieces=(piece,), attempts=0) for piece in self.pieces]


MOST_ATTEMPTS = 4
"""How many actors a chunk may lose: nodes fail seldom, and a fault of a file shows each time."""


def chunks_of(pieces: Iterable[Piece], *, most_pages: int) -> Iterator[Chunk]:
    """Put pieces together to chunks.

    Args:
        pieces: of any files.
        most_pages: of a chunk; a piece whose end is not known counts as one page.
    """
    chosen: list[Piece] = []
    pages = 0
    for piece in pieces:
        size = 1 if piece.last is None else piece.last - piece.first + 1
        if chosen and pages + size > most_pages:
            yield Chunk(pieces=tuple(chosen), most_pages=most_pages)
            chosen, pages = [], 0
        chosen.append(piece)
        pages += size
    if chosen:
        yield Chunk(pieces=tuple(chosen), most_pages=most_pages)


def divided(piece: Piece, *, most_pages: int) -> Iterator[Piece]:
    """Divide a piece whose end is known into some of at most so many pages."""
    if piece.last is None:
        yield piece
        return
    for first in range(piece.first, piece.last + 1, most_pages):
        yield replace(piece, first=first, last=min(piece.last, first + most_pages - 1))


def runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Return the first and last of each run of numbers that follow one another."""
    first = last = None
    for number in sorted(numbers):
        if first is None or last is None:
            first = number
        elif number != last + 1:
            yield first, last
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last
