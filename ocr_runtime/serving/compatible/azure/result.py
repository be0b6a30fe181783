"""Pages -> the JSON of Azure's `analyzeResult`, page by page.

    start --> {"apiVersion", ..., "pages": [      page --> one of its pages
    end --> ], "paragraphs", "tables", "styles", "warnings", "content"}

Its fields: https://learn.microsoft.com/rest/api/aiservices/document-models/get-analyze-result.
"""

import json
from collections.abc import Sequence

from ocr_runtime.outputs import markdown
from ocr_runtime.outputs.elements import Element, Heading, Table
from ocr_runtime.outputs.paragraphs import text_of
from ocr_runtime.reading.page import Page, UnreadPage
from ocr_runtime.serving.compatible.azure.models import ReadPage, ReadParagraph, Span, Warned
from ocr_runtime.serving.compatible.azure.offsets import StringIndexType, offsets
from ocr_runtime.serving.compatible.azure.placing import Placing

_PAGE_BREAK = "\n<!-- PageBreak -->\n\n"
"""Between two pages of Markdown, as Azure writes it."""


class ResultWriter:
    """Writes one result.

    Args:
        api_version, model_id: as the caller named them.
        counted: how offsets are counted.
        as_markdown: whether the content is Markdown.
        in_inches: whether lengths are in inches, as of a PDF; else in pixels.
    """

    def __init__(
        self,
        *,
        api_version: str,
        model_id: str,
        counted: StringIndexType,
        as_markdown: bool,
        in_inches: bool,
    ) -> None:
        self._head = {
            "apiVersion": api_version,
            "modelId": model_id,
            "stringIndexType": counted,
            "contentFormat": "markdown" if as_markdown else "text",
        }
        self._counted: StringIndexType = counted
        self._as_markdown = as_markdown
        self._in_inches = in_inches
        self._with_layout = model_id == "prebuilt-layout"
        self._contents: list[str] = []
        self._offset = 0
        self._paragraphs: list[str] = []
        self._tables: list[str] = []
        self._warnings: list[str] = []

    def start(self) -> str:
        """Write what stands before the first page."""
        head = ",".join(f'"{name}":{_text(value)}' for name, value in self._head.items())
        return f'{{{head},"pages":['

    def page(self, page: Page | UnreadPage, blocks: Sequence[Sequence[Element]]) -> str:
        """Write the next page.

        Args:
            page: as it was read.
            blocks: its elements; see `elements.by_page`.
        """
        comma = "," if self._contents else ""
        if self._contents:
            self._add(_PAGE_BREAK if self._as_markdown else "\n")
        if isinstance(page, UnreadPage):
            warned = Warned(code=page.code, message=page.error, target=str(page.number))
            self._warnings.append(warned.written())
            text = markdown.write(page, blocks) if self._as_markdown else ""
            number = page.number
            return comma + ReadPage(page_number=number, spans=[self._add(text)]).written()
        text = markdown.write(page, blocks) if self._as_markdown else _rows(page)
        placing = Placing(
            page,
            text,
            offset=self._offset,
            counted=self._counted,
            as_markdown=self._as_markdown,
            per_inch=(page.dpi or 72.0) if self._in_inches else None,
        )
        span = self._add(text)
        for block in blocks:
            for element in block:
                self._element(element, placing)
        return comma + placing.page(span).written()

    def end(self) -> str:
        """Write what stands after the last page."""
        content = _text("".join(self._contents))
        tables = f'"tables":[{",".join(self._tables)}],' if self._with_layout else ""
        warnings = f'"warnings":[{",".join(self._warnings)}],' if self._warnings else ""
        paragraphs = ",".join(self._paragraphs)
        return f'],"paragraphs":[{paragraphs}],{tables}"styles":[],{warnings}"content":{content}}}'

    def _add(self, text: str) -> Span:
        """Add to the content."""
        self._contents.append(text)
        span = Span(offset=self._offset, length=offsets(text, self._counted)[-1])
        self._offset += span.length
        return span

    def _element(self, element: Element, placing: "Placing") -> None:
        if isinstance(element, Table):
            table = placing.table(element)
            self._paragraphs += [
                ReadParagraph.model_validate(cell, from_attributes=True).written()
                for cell in table.cells
                if cell.content
            ]
            self._tables.append(table.written())
            return
        paragraph = placing.paragraph(element.lines)
        if isinstance(element, Heading) and self._with_layout:
            paragraph.role = "title" if element.level == 1 else "sectionHeading"
        self._paragraphs.append(paragraph.written())


def _rows(page: Page) -> str:
    """The text of a page, a line for each row."""
    rows = (text_of(row) for block in page.blocks for row in block.rows)
    return "\n".join(row for row in rows if row)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
