"""The lines of an upright page -> its blocks in reading order.

lines -> boxes on the level page -> zones, column by column -> rows -> paragraphs and tables
"""

from collections.abc import Sequence

import numpy as np

from ocr_runtime.reading.boxes import Boxes, Ids
from ocr_runtime.reading.columns import zones
from ocr_runtime.reading.page import Block, Kind, Line
from ocr_runtime.reading.rows import is_table, paragraphs, rows


def arrange(lines: Sequence[Line]) -> list[Block]:
    """Put the lines of an upright page in reading order.

    Args:
        lines: with their boxes; a skew of less than 45 degrees is seen from these.

    Returns:
        Blocks in reading order. Each line is in one of them; those without a box come first.
    """
    blocks = [Block(rows=[[line]]) for line in lines if line.box is None]
    placed = [line for line in lines if line.box is not None]
    if not placed:
        return blocks
    for boxes, ids in _frames(Boxes.of(placed)):
        for zone in zones(boxes, ids):
            for some in paragraphs(boxes, rows(boxes, zone)):
                lines_of = [[placed[i] for i in row] for row in some]
                kind: Kind = "table" if is_table(boxes, some) else "text"
                blocks.append(Block(kind=kind, rows=lines_of))
    return blocks


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
