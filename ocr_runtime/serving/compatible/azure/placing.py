"""A page and its text in the content -> its words, lines, paragraphs and tables, as Azure has them.

elements of a page, in their order --paragraph, table--> placed --page--> the page with its lines
"""

from collections.abc import Iterable, Sequence

from ocr_runtime.outputs.elements import Cell, Table
from ocr_runtime.outputs.geometry import Frame
from ocr_runtime.outputs.paragraphs import joined
from ocr_runtime.reading.page import Box, Line, Page
from ocr_runtime.serving.compatible.azure.models import (
    ReadCell,
    ReadLine,
    ReadPage,
    ReadParagraph,
    ReadTable,
    ReadWord,
    Region,
    Span,
)
from ocr_runtime.serving.compatible.azure.offsets import StringIndexType, offsets
from ocr_runtime.serving.compatible.azure.spans import Finder, PlacedLine, PlacedWord


class Placing:
    """A page, and where in the content its elements are.

    Args:
        page: as it was read.
        text: that is in the content of it.
        offset: of the page in the content.
        counted: how offsets are counted.
        as_markdown: whether the text is Markdown.
        per_inch: pixels per inch, where lengths are in inches.
    """

    def __init__(
        self,
        page: Page,
        text: str,
        *,
        offset: int,
        counted: StringIndexType,
        as_markdown: bool,
        per_inch: float | None,
    ) -> None:
        self._page = page
        self._per_inch = per_inch
        self._offset = offset
        self._offsets = offsets(text, counted)
        self._finder = Finder(page, text, markdown=as_markdown)
        self._lines: list[PlacedLine] = []

    def page(self, span: Span) -> ReadPage:
        """The page, once all of its elements have been placed."""
        angle = Frame.of_page(self._page).angle
        return ReadPage(
            page_number=self._page.number,
            angle=round(180 - (180 - angle) % 360, 2),
            width=self._length(self._page.width),
            height=self._length(self._page.height),
            unit="pixel" if self._per_inch is None else "inch",
            words=[self._word(word) for line in self._lines for word in line.words],
            lines=[self._line(line) for line in self._lines],
            spans=[span],
        )

    def paragraph(self, lines: Iterable[Line]) -> ReadParagraph:
        """A paragraph, whose lines are the next ones in the text."""
        found = [placed for placed in map(self._finder.find, lines) if placed is not None]
        self._lines += found
        return ReadParagraph(
            content=joined([line.text for line in found]),
            bounding_regions=self._regions(found),
            spans=self._spans(found),
        )

    def table(self, table: Table) -> ReadTable:
        """A table, whose lines are the next ones in the text."""
        first = len(self._lines)
        cells = [
            self._cell(cell, row, column)
            for row, cells in enumerate(table.rows)
            for column, cell in enumerate(cells)
        ]
        lines = self._lines[first:]
        return ReadTable(
            row_count=len(table.rows),
            column_count=len(table.rows[0]),
            cells=cells,
            bounding_regions=self._regions(lines),
            spans=self._spans(lines),
        )

    def _cell(self, cell: Cell, row: int, column: int) -> ReadCell:
        text = self.paragraph(cell.lines)
        return ReadCell(
            row_index=row,
            column_index=column,
            content=text.content,
            bounding_regions=text.bounding_regions,
            spans=text.spans,
        )

    def _line(self, line: PlacedLine) -> ReadLine:
        spans = self._spans([line])
        return ReadLine(content=line.text, polygon=self._polygon(line.box), spans=spans)

    def _word(self, placed: PlacedWord) -> ReadWord:
        return ReadWord(
            content=" ".join(placed.word.text.split()),
            polygon=self._polygon(placed.word.box),
            confidence=round(placed.word.score, 4),
            span=self._span(placed.start, placed.end),
        )

    def _regions(self, lines: Sequence[PlacedLine]) -> list[Region]:
        """Around some lines; none if there are none."""
        if not lines:
            return []
        frame = Frame.of_page(self._page)
        box = frame.box(frame.extent([line.box for line in lines]))
        return [Region(page_number=self._page.number, polygon=self._polygon(box))]

    def _spans(self, lines: Sequence[PlacedLine]) -> list[Span]:
        if not lines:
            return []
        return [self._span(min(line.start for line in lines), max(line.end for line in lines))]

    def _span(self, start: int, end: int) -> Span:
        first = self._offsets[start]
        return Span(offset=self._offset + first, length=self._offsets[end] - first)

    def _polygon(self, box: Box) -> list[float]:
        return [self._length(coordinate) for point in box for coordinate in point]

    def _length(self, pixels: float) -> float:
        """A length in the unit of the page, rounded to what is read: pixels, thousandths of it."""
        return round(pixels, 1) if self._per_inch is None else round(pixels / self._per_inch, 4)
