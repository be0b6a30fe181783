"""Page -> its lines, each with what ends it, which together are its text: the `data` of Umi-OCR.

Page --lines--> [{"text", "score", "box", "end"}, ...] --plain_text--> text
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import BaseModel

from ocr_runtime.outputs import one_column
from ocr_runtime.outputs.geometry import page_box
from ocr_runtime.outputs.paragraphs import breaks, separator, text_of
from ocr_runtime.reading.page import Block, Box, Line, Page

Area = Sequence[Sequence[float]]
"""[[x, y] of its top left, [x, y] of its bottom right]."""


class UmiLine(BaseModel):
    """A line. Corners are whole pixels, clockwise from the top left of the text."""

    text: str
    score: float
    box: list[list[int]]
    end: str


def lines(page: Page, *, parser: str, ignored: Sequence[Area]) -> list[UmiLine]:
    """Write the lines of a page.

    Args:
        page: read with the layout that the parser asks for; see `layout_for`.
        parser: a value of `tbpu.parser`: the order of the lines, and where there are line breaks.
            Elsewhere rows are parted as their script asks for, and lines of one row by spaces.
        ignored: areas; lines wholly within one of them are left out.
    """
    order, _, breaking = parser.partition("_")
    blocks = one_column.blocks(page) if order == "single" else page.blocks
    rows = [row for block in blocks for row in _rows(block, page, ignored)]
    written = []
    for number, row in enumerate(rows):
        after = rows[number + 1 :][:1]
        if not after or breaking in ("", "line") or (breaking == "para" and row.is_broken):
            end = "\n"
        else:
            end = separator(text_of(row.lines), text_of(after[0].lines))
        ends = [" "] * (len(row.lines) - 1) + [end]
        written += [_written(*each, page) for each in zip(row.lines, ends, strict=True)]
    return written


def layout_for(parser: str) -> str:
    """Return the option `layout` with which a page is read for a parser."""
    return "auto" if parser.startswith("multi_") else "none"


def plain_text(written: Sequence[UmiLine]) -> str:
    """Join lines; what ends the last one is left out."""
    return "".join(line.text + line.end for line in written).removesuffix("\n")


@dataclass(frozen=True)
class _Row:
    """What stands on one baseline, and whether the page means a line break after it."""

    lines: Sequence[Line]
    is_broken: bool


def _rows(block: Block, page: Page, ignored: Sequence[Area]) -> list[_Row]:
    """The rows of a block, without what is ignored and what has no text."""
    kept = [
        [line for line in row if text_of([line]) and not _is_ignored(_box(line, page), ignored)]
        for row in block.rows
    ]
    rows = [row for row in kept if row]
    broken = [*breaks(rows), True] if block.kind == "text" else [True] * len(rows)
    return [_Row(*each) for each in zip(rows, broken, strict=False)]


def _box(line: Line, page: Page) -> Box:
    return line.box or page_box(page)


def _is_ignored(box: Box, ignored: Sequence[Area]) -> bool:
    return any(
        all(left <= x <= right and top <= y <= bottom for x, y in box)
        for (left, top), (right, bottom) in ignored
    )


def _written(line: Line, end: str, page: Page) -> UmiLine:
    return UmiLine(
        text=line.text or "",
        score=round(line.score, 4),
        box=[[round(x), round(y)] for x, y in _box(line, page)],
        end=end,
    )
