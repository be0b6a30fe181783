"""Pages -> JSON: all that was read and where it is.

    Page --entry--> PageEntry --> {"pages": [{"number", "width", "height", ..., "blocks"}, ...]}
    UnreadPage -----------------> {"pages": [{"number", "code", "error"}, ...]}
    PageEntry --page--> Page, for clients

Boxes and scores are those of the page model (`ocr_runtime/reading/page.py`), coordinates rounded
to hundredths of a pixel and scores to four decimals, as in `/ocr`.
"""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import BaseModel, Field

from ocr_runtime.documents.document import Document
from ocr_runtime.outputs.geometry import Frame
from ocr_runtime.reading.page import Angle, Block, Box, Kind, Line, Page, UnreadPage, Word

_Score = Annotated[float, Field(ge=0, le=1, description="Confidence, 0 to 1.")]
_Box = Annotated[
    Box,
    Field(
        description="Four corners [x, y] in pixels of the page as it was sent, clockwise from the "
        "top left of the text as it is read."
    ),
]
_Number = Annotated[int, Field(ge=1, description="Number of the page in its document.")]


class PageWord(BaseModel):
    """A word, or a single character of Chinese or Japanese."""

    text: str
    score: _Score
    box: _Box


class PageLine(BaseModel):
    """One line of text, or one cell of a table."""

    text: Annotated[str | None, Field(description="Null if recognition was not asked for.")]
    score: _Score
    box: Annotated[_Box | None, Field(description="Null if detection was not asked for.")]
    words: Annotated[
        list[PageWord] | None,
        Field(description="From left to right; null if they were not asked for."),
    ]


class PageBlock(BaseModel):
    """Lines that belong together: a paragraph, a heading, a table."""

    kind: Annotated[Kind, Field(description="`table` if the cells of its rows are in line.")]
    box: Annotated[_Box | None, Field(description="Around all of its lines.")]
    rows: Annotated[
        list[list[PageLine]],
        Field(
            description="From top to bottom. What stands on one baseline is a row, from left to "
            "right: mostly one line, in tables the cells."
        ),
    ]
    columns: Annotated[
        list[list[int]],
        Field(
            description="Of a table, for each line of each row the column of its cell, from 0; "
            "else empty."
        ),
    ]


class PageEntry(BaseModel):
    """A page that was read."""

    number: _Number
    width: Annotated[int, Field(description="Of the page as it was sent, in pixels.")]
    height: Annotated[int, Field(description="Of the page as it was sent, in pixels.")]
    dpi: Annotated[
        float | None, Field(description="Pixels per inch; null if the file does not say.")
    ]
    orientation: Annotated[
        Angle, Field(description="Clockwise angle that brings the page upright, in degrees.")
    ]
    skew: Annotated[
        float,
        Field(description="Clockwise angle of the lines on the upright page, in degrees."),
    ]
    blocks: Annotated[list[PageBlock], Field(description="In reading order.")]


class UnreadPageEntry(BaseModel):
    """A page that could not be read."""

    number: _Number
    code: Annotated[str, Field(description="As in the body of an error answer.")]
    error: Annotated[str, Field(description="As in the body of an error answer.")]


class PagesAnswer(BaseModel):
    """The pages that were asked for, in the order of the document."""

    pages: list[PageEntry | UnreadPageEntry]


def write_pages(pages: Iterable[Page | UnreadPage], _document: Document) -> Iterator[str]:
    """Write a `PagesAnswer` as JSON, page by page."""
    yield '{"pages":['
    for index, page in enumerate(pages):
        yield "," * (index > 0) + entry(page).model_dump_json()
    yield "]}"


def entry(page: Page | UnreadPage) -> PageEntry | UnreadPageEntry:
    """Write one page."""
    if isinstance(page, UnreadPage):
        return UnreadPageEntry(number=page.number, code=page.code, error=page.error)
    frame = Frame.of_page(page)
    return PageEntry(
        number=page.number,
        width=page.width,
        height=page.height,
        dpi=page.dpi,
        orientation=page.orientation,
        skew=round(page.skew, 2),
        blocks=[_block(block, frame) for block in page.blocks],
    )


def _block(block: Block, frame: Frame) -> PageBlock:
    boxes = [line.box for line in block.lines if line.box is not None]
    return PageBlock(
        kind=block.kind,
        box=_rounded(frame.box(frame.extent(boxes))) if boxes else None,
        rows=[[_line(line) for line in row] for row in block.rows],
        columns=block.columns,
    )


def _line(line: Line) -> PageLine:
    return PageLine(
        text=line.text,
        score=round(line.score, 4),
        box=None if line.box is None else _rounded(line.box),
        words=None if line.words is None else [_word(word) for word in line.words],
    )


def _word(word: Word) -> PageWord:
    return PageWord(text=word.text, score=round(word.score, 4), box=_rounded(word.box))


def _rounded(box: Box) -> Box:
    return [[round(x, 2), round(y, 2)] for x, y in box]


def page(entry: PageEntry) -> Page:
    """Read what `entry` wrote of a page."""
    return Page(
        number=entry.number,
        width=entry.width,
        height=entry.height,
        dpi=entry.dpi,
        orientation=entry.orientation,
        skew=entry.skew,
        blocks=[_block_of(block) for block in entry.blocks],
    )


def _block_of(block: PageBlock) -> Block:
    rows = [[_line_of(line) for line in row] for row in block.rows]
    return Block(kind=block.kind, rows=rows, columns=block.columns)


def _line_of(line: PageLine) -> Line:
    words = None if line.words is None else [Word(**vars(word)) for word in line.words]
    return Line(text=line.text, score=line.score, box=line.box, words=words)
