"""Pages made by hand, as the engine would return them, and a document of such pages."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ocr_runtime.documents.images import PageImage, decode
from ocr_runtime.reading.page import Block, Box, Kind, Line, Page, UnreadPage, Word

WHITE = PageImage.of(np.full((1000, 1000, 3), 255, np.uint8))
UNREAD = UnreadPage(number=7, code="image_too_large", error="The page is <too> large.")


@dataclass(frozen=True)
class Handmade:
    """A document of some pages, or of one image."""

    data: bytes = b""
    format: str = "PNG"
    numbers: Sequence[int] = (1,)
    password: str | None = None
    deadline: float | None = None

    def page(self, number: int) -> PageImage:
        assert number in self.numbers
        return decode(self.data, max_pixels=10**8) if self.data else WHITE


def rect(left: float, top: float, right: float, bottom: float) -> Box:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def line(text: str, left: float, top: float, *, size: float = 20, width: float | None = None,
         score: float = 0.9) -> Line:  # fmt: skip
    """A line whose characters are half as wide as high, and its words."""
    width = len(text) * size / 2 if width is None else width
    each, start, words = width / max(len(text), 1), left, []
    for word in text.split(" "):
        end = start + len(word) * each
        words.append(Word(text=word, score=score, box=rect(start, top, end, top + size)))
        start = end + each
    return Line(text=text, score=score, box=rect(left, top, left + width, top + size), words=words)


def block(*texts: str, left: float = 100, top: float = 100, size: float = 20) -> Block:
    """A block of lines below one another."""
    return Block(
        rows=[[line(text, left, top + 1.5 * size * i, size=size)] for i, text in enumerate(texts)]
    )


def table(*rows: Sequence[str], xs: Sequence[float], top: float = 100) -> Block:
    """A table whose columns begin at `xs`; an empty text is no cell."""
    cells = [
        [line(text, x, top + 30 * i) for x, text in zip(xs, row, strict=True) if text]
        for i, row in enumerate(rows)
    ]
    columns = [[i for i, text in enumerate(row) if text] for row in rows]
    kind: Kind = "table"
    return Block(rows=cells, kind=kind, columns=columns)


def page(*blocks: Block, **fields: Any) -> Page:
    return Page(**{"width": 1000, "height": 1000, "blocks": list(blocks)} | fields)
