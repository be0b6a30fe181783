"""The parts of Azure's `analyzeResult`.

https://learn.microsoft.com/rest/api/aiservices/document-models/get-analyze-result says what each
field means. A polygon is the corners of a box one after the other: x, y, x, y ...
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A part of a result, whose fields are named in camel case."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    def written(self) -> str:
        """Write it as JSON, without what is None."""
        return self.model_dump_json(by_alias=True, exclude_none=True)


class Span(Model):
    """A part of the content."""

    offset: int
    length: int


class ReadWord(Model):
    """A word of a page."""

    content: str
    polygon: list[float]
    confidence: float
    span: Span


class ReadLine(Model):
    """A line of a page."""

    content: str
    polygon: list[float]
    spans: list[Span]


class ReadPage(Model):
    """A page. One that was not read has no size and no words."""

    page_number: int
    angle: float | None = None
    width: float | None = None
    height: float | None = None
    unit: Literal["pixel", "inch"] | None = None
    words: list[ReadWord] = []
    lines: list[ReadLine] = []
    spans: list[Span]


class Region(Model):
    """A part of a page."""

    page_number: int
    polygon: list[float]


class Placed(Model):
    """A text, and where it is."""

    content: str
    bounding_regions: list[Region]
    spans: list[Span]


class ReadParagraph(Placed):
    """A paragraph, a heading, or an item of a list."""

    role: Literal["title", "sectionHeading"] | None = None


class ReadCell(Placed):
    """A cell of a table."""

    row_index: int
    column_index: int


class ReadTable(Model):
    """A table."""

    row_count: int
    column_count: int
    cells: list[ReadCell]
    bounding_regions: list[Region]
    spans: list[Span]


class Warned(Model):
    """A page that was not read."""

    code: str
    message: str
    target: str
