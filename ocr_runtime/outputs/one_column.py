"""Page -> its blocks in the order in which they are read if the page has a single column."""

from ocr_runtime.outputs.geometry import Frame
from ocr_runtime.reading.boxes import Boxes
from ocr_runtime.reading.layout import MOST_LINES
from ocr_runtime.reading.page import Block, Box, Page
from ocr_runtime.reading.rows import is_table, paragraphs, rows
from ocr_runtime.reading.tables import columns_of


def blocks(page: Page) -> list[Block]:
    """Put all lines of a page into rows from top to bottom, and divide these into paragraphs.

    Lines without a box come first. Of more than `MOST_LINES` each is a row, in the given order.
    """
    found = [Block(rows=[[line]]) for line in page.lines if line.box is None]
    placed = [line for line in page.lines if line.box is not None]
    if not placed:
        return found
    if len(placed) > MOST_LINES:
        return [*found, Block(rows=[[line] for line in placed])]
    boxes = Boxes.of([line for line in _upright(page).lines if line.box is not None])
    everything = boxes.left.argsort(kind="stable")
    for some in paragraphs(boxes, rows(boxes, everything)):
        lines = [[placed[i] for i in row] for row in some]
        if is_table(boxes, some):
            found.append(Block(kind="table", rows=lines, columns=columns_of(boxes, some)))
        else:
            found.append(Block(rows=lines))
    return found


def _upright(page: Page) -> Page:
    """The page with its boxes where they are when it is upright and its lines are level."""
    cosine, sine = Frame.of_page(page).along

    def moved(box: Box) -> Box:
        return [[x * cosine + y * sine, y * cosine - x * sine] for x, y in box]

    return page.mapped(moved, width=page.width, height=page.height)
