"""Pages -> the answer of Mistral's OCR: the Markdown of each page, and the blocks in it.

    Page --> {"index", "markdown", "images", "dimensions", "blocks"}
    UnreadPage --> the same with a sentence that says so, and without dimensions

Its fields: https://docs.mistral.ai/api/endpoint/ocr. Boxes are upright, in pixels of the page.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from pydantic import BaseModel

from ocr_runtime.outputs import elements, markdown
from ocr_runtime.outputs.elements import Element, Heading, Item, Table
from ocr_runtime.outputs.geometry import Frame
from ocr_runtime.reading.page import Page, UnreadPage

_DPI = 96
"""Pixels per inch of an image that does not say, as CSS has it."""


class Dimensions(BaseModel):
    """The size of a page in pixels."""

    dpi: int
    height: int
    width: int


class Block(BaseModel):
    """A part of a page, in Markdown."""

    type: Literal["title", "text", "list", "table"]
    top_left_x: int
    top_left_y: int
    bottom_right_x: int
    bottom_right_y: int
    content: str


class ReadPage(BaseModel):
    """A page. Pictures on it are not taken out, and tables stay in the Markdown."""

    index: int
    markdown: str
    images: list[str] = []
    tables: list[str] = []
    hyperlinks: list[str] = []
    header: str | None = None
    footer: str | None = None
    dimensions: Dimensions | None = None
    blocks: list[Block] | None = None


def by_page(pages: Iterable[Page | UnreadPage], *, with_blocks: bool) -> Iterator[ReadPage]:
    """Yield what is answered of each page.

    Args:
        pages: as they were read.
        with_blocks: whether their blocks are answered, too.
    """
    for page, blocks in elements.by_page(pages):
        read = ReadPage(index=page.number - 1, markdown=markdown.write(page, blocks))
        if isinstance(page, Page):
            dpi = round(page.dpi or _DPI)
            read.dimensions = Dimensions(dpi=dpi, height=page.height, width=page.width)
            if with_blocks:
                read.blocks = [_block(page, block) for block in blocks]
        yield read


def _block(page: Page, block: Sequence[Element]) -> Block:
    boxes = [line.box for element in block for line in element.lines if line.box is not None]
    left, top, right, bottom = Frame().extent(boxes) if boxes else (0, 0, page.width, page.height)
    return Block(
        type=_type(block[0]),
        top_left_x=round(left),
        top_left_y=round(top),
        bottom_right_x=round(right),
        bottom_right_y=round(bottom),
        content=markdown.write(page, [block]).rstrip("\n"),
    )


def _type(element: Element) -> Literal["title", "text", "list", "table"]:
    if isinstance(element, Heading):
        return "title"
    if isinstance(element, Item):
        return "list"
    return "table" if isinstance(element, Table) else "text"
