"""Pages -> Markdown, as GitHub understands it: headings, paragraphs, lists and tables.

    Element --_element--> "## Heading", "A paragraph in one line", "- item" or "| a | b |"

The text itself is escaped, so that a reader sees what stands on the page. From the second page on
each begins with `<!-- page 2 -->`, with the page's number in its document.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from ocr_runtime.documents.document import Document
from ocr_runtime.outputs import elements
from ocr_runtime.outputs.elements import Cell, Element, Heading, Item, Table
from ocr_runtime.reading.page import Page, UnreadPage

_MARKUP = re.compile(r"[\\`*_\[\]<>~$]|&(?=#?\w+;)")
_AT_START = re.compile(r"(?P<number>\d{1,9}(?=[.)](?:\s|$)))|(?=[#+=|:-])")
"""What makes a line a heading, list, table or rule; quotes and fences are in `_MARKUP`."""

_CLOSING = re.compile(r"(?<!\S)(?=#+$)")
"""In front of number signs that end a heading, which are not seen unless they are escaped."""

_BREAK = "\\\n"
"""A line break within a paragraph."""


def write_pages(pages: Iterable[Page | UnreadPage], _document: Document) -> Iterator[str]:
    """Write pages one after the other, an empty line between blocks."""
    for index, (page, text) in enumerate(by_page(pages)):
        yield (f"\n<!-- page {page.number} -->\n\n" if index else "") + text


def by_page(pages: Iterable[Page | UnreadPage]) -> Iterator[tuple[Page | UnreadPage, str]]:
    """Yield each page with its Markdown; see `elements.by_page` and `write`."""
    for page, blocks in elements.by_page(pages):
        yield page, write(page, blocks)


def write(page: Page | UnreadPage, blocks: Iterable[Iterable[Element]]) -> str:
    """Write a page, an empty line between blocks.

    A page that could not be read is a quoted line that says so.

    Args:
        page: that is written.
        blocks: its elements, as `elements.by_page` yields them.
    """
    if isinstance(page, UnreadPage):
        return f"> {_escaped(f'page {page.number} was not read: {page.error}')}\n"
    return "\n".join("\n".join(map(_element, block)) + "\n" for block in blocks)


def _element(element: Element) -> str:
    if isinstance(element, Heading):
        text = _CLOSING.sub(r"\\", _escaped(element.text))
        return f"{'#' * element.level} {text}"
    if isinstance(element, Table):
        return _table(element.rows)
    if isinstance(element, Item):
        return _item(element)
    return _BREAK.join(map(_line, element.texts))


def _item(item: Item) -> str:
    """Write an item of a list; its further lines are indented, so that they stay in it."""
    start = f"{item.number} " if item.number else "- "
    return start + f"{_BREAK}{' ' * len(start)}".join(map(_line, item.texts))


def _table(rows: Sequence[Sequence[Cell]]) -> str:
    """Write a table, whose first row is its head, as Markdown has no table without."""
    texts = [[_escaped(cell.text).replace("|", r"\|") for cell in row] for row in rows]
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
