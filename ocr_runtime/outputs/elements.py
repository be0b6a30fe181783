"""Blocks of pages -> what they are to a reader: headings, paragraphs, items of lists, tables.

    Block --by_page--> [Heading], [Paragraph], [Table], or [Item, Item, ...]

Their texts are plain; the outputs that show structure write them, each in its format.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ocr_runtime.outputs.geometry import size_of
from ocr_runtime.outputs.paragraphs import broken, joined, text_of
from ocr_runtime.reading.page import Block, Line, Page, UnreadPage

_LEVELS = ((2.0, 1), (1.55, 2), (1.25, 3))
"""How much larger than the body's its type is at least, and the level of such a heading. On the
drawn pages (tests/data/pages) headings measure 1.32 to 2.15, but for one of 1.0 in bold type, and
no other block more than 1.2."""
_MAX_HEADING = 3, 200
"""How many rows and characters a heading has at most."""

_MARKER = re.compile(r"(?:[•·‣◦▪■□●○∙⁃*–—-]|(?P<number>\d{1,3}[.)]))\s+(?=\S)")  # noqa: RUF001
"""A bullet or a number in front of an item of a list."""

_ENOUGH = 200
"""How many characters a page has at least whose type is compared with its own: some lines."""


@dataclass(frozen=True, kw_only=True)
class Heading:
    """What is set larger than most text.

    Args:
        level: 1 to 3, the largest first.
        text: in one line.
        lines: from which it is.
    """

    level: int
    text: str
    lines: Sequence[Line]


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """Running text.

    Args:
        texts: its lines, where the page means them; mostly one.
        lines: from which it is.
    """

    texts: Sequence[str]
    lines: Sequence[Line]


@dataclass(frozen=True, kw_only=True)
class Item:
    """An item of a list.

    Args:
        number: in front of it, as "1." or "1)"; None after a bullet.
        texts: its lines without that, where the page means them; mostly one.
        lines: from which it is.
    """

    number: str | None
    texts: Sequence[str]
    lines: Sequence[Line]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell of a table.

    Args:
        text: in one line; empty where there is none.
        lines: from which it is.
    """

    text: str
    lines: Sequence[Line]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Args:
        rows: of cells, all of as many; at least one.
        lines: from which it is.
    """

    rows: Sequence[Sequence[Cell]]
    lines: Sequence[Line]


Element = Heading | Paragraph | Item | Table


def by_page(
    pages: Iterable[Page | UnreadPage],
) -> Iterator[tuple[Page | UnreadPage, list[list[Element]]]]:
    """Yield each page with its elements, those of one block together, if it has text.

    Headings are what is set larger than most text of the page, or, if there is little on it, of the
    one before. A page that could not be read has no elements.
    """
    body: float | None = None
    for page in pages:
        if isinstance(page, UnreadPage):
            yield page, []
            continue
        body = _body(page, body)
        blocks = [_elements(block, body and body * _upright_width(page)) for block in page.blocks]
        yield page, [block for block in blocks if block]


def _body(page: Page, before: float | None) -> float | None:
    """The size of the type in which most characters are set, as a share of the page's width.

    Args:
        page: its lines are looked at.
        before: the same of the page before; None: there is none.
    """
    sizes = sorted((size_of(line.box), len(line.text or "")) for line in page.lines if line.box)
    total = sum(count for _, count in sizes)
    if not total or (total < _ENOUGH and before is not None):
        return before
    half = 0
    for size, count in sizes:
        half += count
        if 2 * half >= total:
            return size / _upright_width(page)
    return before


def _upright_width(page: Page) -> int:
    return page.height if page.orientation in (90, 270) else page.width


def _elements(block: Block, body: float | None) -> list[Element]:
    """What a block is.

    Args:
        block: of a page.
        body: the size of the type of most text, in pixels.
    """
    if block.kind == "table":
        cells = [[_cell(lines) for lines in row] for row in block.cells]
        rows = [row for row in cells if any(cell.text for cell in row)]
        return [Table(rows=rows, lines=block.lines)] if rows else []
    rows_of_text = [row for row in block.rows if text_of(row)]
    texts = [text_of(row) for row in rows_of_text]
    level = _level(block.lines, texts, body)
    if level is not None:
        return [Heading(level=level, text=joined(texts), lines=block.lines)]
    if texts and _MARKER.match(texts[0]):
        return [_item(item) for item in _items(rows_of_text)]
    return [Paragraph(texts=broken(rows_of_text), lines=block.lines)] if texts else []


def _level(lines: list[Line], rows: list[str], body: float | None) -> int | None:
    """The level of a heading; None for anything else."""
    sizes = sorted(size_of(line.box) for line in lines if line.box)
    text = "".join(rows)
    fits = len(rows) <= _MAX_HEADING[0] and len(text) <= _MAX_HEADING[1]
    if not sizes or not body or not fits or not any(map(str.isalpha, text)):
        return None
    size = sizes[len(sizes) // 2] / body
    return next((level for least, level in _LEVELS if size >= least), None)


def _items(rows: list[list[Line]]) -> list[list[list[Line]]]:
    """Begin an item at each row with a bullet or a number; other rows go on with the one before."""
    items: list[list[list[Line]]] = []
    for row in rows:
        if _MARKER.match(text_of(row)) or not items:
            items.append([])
        items[-1].append(row)
    return items


def _item(rows: list[list[Line]]) -> Item:
    first, *others = broken(rows)
    marker = _MARKER.match(first)
    return Item(
        number=marker and marker["number"],
        texts=[first[marker.end() :] if marker else first, *others],
        lines=[line for row in rows for line in row],
    )


def _cell(lines: list[Line]) -> Cell:
    return Cell(text=joined([line.text or "" for line in lines]), lines=lines)
