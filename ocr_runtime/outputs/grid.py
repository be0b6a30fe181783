"""A block of kind "table" -> its cells in rows and columns.

Columns are found from where the cells stand on the page turned upright.
"""

from collections.abc import Sequence
from typing import NamedTuple

from ocr_runtime.outputs.geometry import Frame
from ocr_runtime.reading.page import Block, Line


class _Span(NamedTuple):
    """From where to where something reaches across the page, in pixels."""

    left: float
    right: float

    def shares(self, other: "_Span") -> bool:
        """Whether it stands above or below the other."""
        return self.left < other.right and other.left < self.right

    def common(self, other: "_Span") -> float:
        return min(self.right, other.right) - max(self.left, other.left)


def cells(block: Block, frame: Frame) -> list[list[str]]:
    """Lay out a table.

    Args:
        block: the table.
        frame: of its page.

    Returns:
        The texts of its rows, all with one text for each column; empty where there is no cell.
    """
    rows = [[line for line in row if line.text] for row in block.rows]
    rows = [row for row in rows if row]
    spans = [[_span(line, index, frame) for index, line in enumerate(row)] for row in rows]
    columns = _columns(spans)
    table = []
    for row, row_spans in zip(rows, spans, strict=True):
        texts = [""] * len(columns)
        for line, span in zip(row, row_spans, strict=True):
            column = max(range(len(columns)), key=lambda i: columns[i].common(span))
            texts[column] = f"{texts[column]} {line.text}".strip()
        table.append(texts)
    return table


def _span(line: Line, index: int, frame: Frame) -> _Span:
    """Where a cell stands; by its place in its row if it has no box."""
    if line.box is None:
        return _Span(index, index + 1)
    extent = frame.extent([line.box])
    return _Span(extent.left, extent.right)


def _columns(rows: Sequence[Sequence[_Span]]) -> list[_Span]:
    """Join what stands above one another.

    A cell that reaches over several cells of another row says nothing of where columns are, unless
    all cells do.
    """
    spans = [span for row in rows for span in row if not _reaches_over_several(span, rows)]
    columns: list[_Span] = []
    for span in sorted(spans or [span for row in rows for span in row]):
        if columns and columns[-1].shares(span):
            columns[-1] = _Span(columns[-1].left, max(columns[-1].right, span.right))
        else:
            columns.append(span)
    return columns


def _reaches_over_several(span: _Span, rows: Sequence[Sequence[_Span]]) -> bool:
    return any(sum(span.shares(other) for other in row) > 1 for row in rows)
