"""Pages -> Markdown, as GitHub understands it: headings, paragraphs, lists and tables.

    Block --_block--> "## Heading", "A paragraph in one line", "- item" or "| a | b |"

The text itself is escaped, so that a reader sees what stands on the page. From the second page on
each begins with `<!-- page 2 -->`, with the page's number in its document.
"""

import re
from collections.abc import Iterable, Iterator

from ocr_runtime.documents.document import Document
from ocr_runtime.outputs.geometry import size_of
from ocr_runtime.outputs.paragraphs import broken, joined, text_of
from ocr_runtime.reading.page import Block, Line, Page, UnreadPage

_LEVELS = ((2.0, "#"), (1.55, "##"), (1.25, "###"))
"""How much larger than the body's its type is at least, and the mark of such a heading. On the
drawn pages (tests/data/pages) headings measure 1.32 to 2.15, but for one of 1.0 in bold type, and
no other block more than 1.2."""
_MAX_HEADING = 3, 200
"""How many rows and characters a heading has at most."""

_MARKUP = re.compile(r"[\\`*_\[\]<>~$]|&(?=#?\w+;)")
_AT_START = re.compile(r"(?P<number>\d{1,9}(?=[.)](?:\s|$)))|(?=[#+=|:-])")
"""What makes a line a heading, list, table or rule; quotes and fences are in `_MARKUP`."""

_MARKER = re.compile(r"(?:[•·‣◦▪■□●○∙⁃*–—-]|(?P<number>\d{1,3}[.)]))\s+(?=\S)")  # noqa: RUF001
"""A bullet or a number in front of an item of a list."""

_BREAK = "\\\n"
"""A line break within a paragraph."""


def write_pages(pages: Iterable[Page | UnreadPage], _document: Document) -> Iterator[str]:
    """Write pages one after the other, an empty line between blocks."""
    for index, (page, text) in enumerate(by_page(pages)):
        yield (f"\n<!-- page {page.number} -->\n\n" if index else "") + text


def by_page(pages: Iterable[Page | UnreadPage]) -> Iterator[tuple[Page | UnreadPage, str]]:
    """Yield each page with its Markdown, an empty line between blocks.

    Headings are what is set larger than most text of the page, or, if there is little on it, of the
    one before. A page that could not be read is a quoted line that says so.
    """
    body: float | None = None
    for page in pages:
        if isinstance(page, UnreadPage):
            yield page, f"> {_escaped(f'page {page.number} was not read: {page.error}')}\n"
            continue
        body = _body(page, body)
        blocks = [_block(block, page, body) for block in page.blocks]
        yield page, "\n".join(f"{block}\n" for block in blocks if block)


_ENOUGH = 200
"""How many characters a page has at least whose type is compared with its own: some lines."""


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


def _block(block: Block, page: Page, body: float | None) -> str:
    if block.kind == "table":
        return _table(_cells(block))
    rows = [row for row in block.rows if text_of(row)]
    texts = [text_of(row) for row in rows]
    level = _level(block.lines, texts, body and body * _upright_width(page))
    if level:
        return f"{level} {_escaped(joined(texts))}"
    if rows and _MARKER.match(texts[0]):
        return "\n".join(_item(item) for item in _items(rows))
    return _BREAK.join(map(_line, broken(rows)))


def _level(lines: list[Line], rows: list[str], body: float | None) -> str:
    """The mark of a heading; empty for anything else."""
    sizes = sorted(size_of(line.box) for line in lines if line.box)
    text = "".join(rows)
    fits = len(rows) <= _MAX_HEADING[0] and len(text) <= _MAX_HEADING[1]
    if not sizes or not body or not fits or not any(map(str.isalpha, text)):
        return ""
    size = sizes[len(sizes) // 2] / body
    return next((mark for least, mark in _LEVELS if size >= least), "")


def _items(rows: list[list[Line]]) -> list[list[list[Line]]]:
    """Begin an item at each row with a bullet or a number; other rows go on with the one before."""
    items: list[list[list[Line]]] = []
    for row in rows:
        if _MARKER.match(text_of(row)) or not items:
            items.append([])
        items[-1].append(row)
    return items


def _item(rows: list[list[Line]]) -> str:
    """Write an item of a list; its further lines are indented, so that they stay in it."""
    first, *others = broken(rows)
    marker = _MARKER.match(first)
    text = first[marker.end() :] if marker else first
    number = marker and marker["number"]
    start = f"{number} " if number else "- "
    return start + f"{_BREAK}{' ' * len(start)}".join(map(_line, [text, *others]))


def _cells(block: Block) -> list[list[str]]:
    """The text of each cell of a table; an empty one where there is no cell."""
    rows = [[joined([line.text or "" for line in cell]) for cell in row] for row in block.cells]
    return [row for row in rows if any(row)]


def _table(rows: list[list[str]]) -> str:
    """Write a table, whose first row is its head, as Markdown has no table without."""
    if not rows:
        return ""
    texts = [[_escaped(text).replace("|", r"\|") for text in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in texts]
    return "\n".join([lines[0], f"|{' --- |' * len(rows[0])}", *lines[1:]])


def _line(text: str) -> str:
    """Escape text that begins a line."""
    escaped = _escaped(text)
    return _AT_START.sub(r"\g<number>\\", escaped, count=1) if _AT_START.match(escaped) else escaped


def _escaped(text: str) -> str:
    """Escape text within a line.

    https://spec.commonmark.org/0.31.2/#backslash-escapes, and what GitHub adds: ~ and $.
    """
    return _MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
