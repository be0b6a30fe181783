"""The lines of an upright page -> its blocks in reading order.

lines -> boxes on the level page
pixels -> rules -> ruled tables, each taken as a paragraph in what follows
boxes, rules -> zones, column by column -> rows -> paragraphs and other tables
"""

from collections.abc import Iterator, Sequence

import numpy as np

from ocr_runtime.reading.boxes import Boxes, Ids, joined, quantile, skew
from ocr_runtime.reading.columns import zones
from ocr_runtime.reading.page import Block, Line
from ocr_runtime.reading.rows import Row, is_table, paragraphs, rows
from ocr_runtime.reading.rules import Rules, find_rules
from ocr_runtime.reading.tables import Cells, columns_of, ruled_tables

MOST_LINES = 3000
"""How many lines are put in order, which takes 3 seconds at most. A page of a newspaper has some
hundred; 20,000 letters that stand alone took 46 seconds."""

_PITCH = 1.3
"""Distance of the lines that stand for a table in the search for columns, in their heights."""


def arrange(lines: Sequence[Line], pixels: np.ndarray | None = None) -> list[Block]:
    """Put the lines of an upright page in reading order.

    Args:
        lines: with their boxes; a skew of less than 45 degrees is seen from these.
        pixels: uint8, shape (H, W, 3), BGR, of the upright page: its ruling lines part cells and
            articles. Without them only the positions of lines count.

    Returns:
        Blocks in reading order. Each line is in one of them; those without a box come first.
    """
    blocks = [Block(rows=[[line]]) for line in lines if line.box is None]
    placed = [line for line in lines if line.box is not None]
    if not placed:
        return blocks
    level = Boxes.of(placed)
    rules = Rules.none() if pixels is None else find_rules(pixels, level, skew(placed))
    for boxes, ids in _frames(level):
        parts = _arranged(boxes, ids, rules if boxes is level else Rules.none())
        for some in parts:
            if isinstance(some, Cells):
                cells = some
            elif is_table(boxes, some):
                cells = Cells(some, columns_of(boxes, some))
            else:
                blocks.append(Block(rows=[[placed[i] for i in row] for row in some]))
                continue
            in_rows = [[placed[i] for i in row] for row in cells.rows]
            blocks.append(Block(kind="table", rows=in_rows, columns=cells.columns))
    return blocks


def _arranged(boxes: Boxes, ids: Ids, rules: Rules) -> Iterator[list[Row] | Cells]:
    """Put some lines in reading order.

    In the search for columns a ruled table is a paragraph as large as the table.

    Yields:
        Rows that belong together, or a ruled table.
    """
    tables = ruled_tables(boxes, ids, rules)
    count = len(boxes)
    owner = np.empty(0, np.int64)  # which table each line stands for that is added to `boxes`
    for number, table in enumerate(tables):
        members = np.concatenate([np.array(row) for row in table.rows])
        ids = np.setdiff1d(ids, members)
        lines = _paragraph(boxes[members])
        boxes = joined(boxes, lines)
        owner = np.append(owner, np.full(len(lines), number))
    ids = np.append(ids, np.arange(count, len(boxes)))
    left = set(range(len(tables)))
    for zone in zones(boxes, ids, rules.horizontal):
        some: list[Row] = []
        for row in rows(boxes, zone):
            some += [real] if (real := [i for i in row if i < count]) else []
            for number in sorted(left & {int(owner[i - count]) for i in row if i >= count}):
                yield from paragraphs(boxes, some)
                yield tables[number]
                left.remove(number)
                some = []
        yield from paragraphs(boxes, some)


def _paragraph(cells: Boxes) -> Boxes:
    """Lines of text, flush on both sides, that fill the area of a table."""
    height = quantile(cells.height, 0.5)
    top, bottom = float(cells.top.min()), float(cells.bottom.max())
    count = max(1, round((bottom - top) / max(_PITCH * height, 1e-6)))
    middle = top + (np.arange(count) + 0.5) * (bottom - top) / count
    yes, no = np.ones(count, bool), np.zeros(count, bool)
    return Boxes(
        left=np.full(count, cells.left.min()),
        top=middle - height / 2,
        right=np.full(count, cells.right.max()),
        bottom=middle + height / 2,
        wordy=yes,
        flowing=yes,
        vertical=no,
        sideways=no,
    )


def _frames(boxes: Boxes) -> list[tuple[Boxes, Ids]]:
    """Tell which lines are read from left to right, and which from the top and from the right.

    On a page of vertical text this is in the middle, between headings and page numbers. On other
    pages lines that stand sideways come last.

    Returns:
        Lines in the order of reading, each group with the boxes as they are to be read.
    """
    vertical = boxes.vertical
    if boxes.height[vertical].sum() <= boxes.width[~vertical].sum():
        groups = [(boxes, ~boxes.sideways), (boxes, boxes.sideways)]
        return [(each, np.flatnonzero(group)) for each, group in groups if group.any()]
    above = ~vertical & (boxes.middle < boxes.top[vertical].min())
    below = ~vertical & (boxes.middle > boxes.bottom[vertical].max())
    groups = [
        (boxes, above),
        (boxes.transposed(), ~(above | below)),
        (boxes, below),
    ]
    return [(each, np.flatnonzero(group)) for each, group in groups if group.any()]
