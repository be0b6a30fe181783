"""The page model: what was read from a page, and how a page is to be read.

Coordinates are pixels of the page as it was sent (EXIF orientation applied), origin at the top
left, x before y. Scores are confidences from 0 to 1.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Box = list[list[float]]
"""Four corners [x, y], clockwise from the top left of the text as it is read."""

Angle = Literal[0, 90, 180, 270]
"""Degrees clockwise."""

Kind = Literal["text", "table"]

Share = Annotated[float, Field(ge=0, le=1)]
Growth = Annotated[float, Field(ge=1, le=4)]


class ReadingOptions(BaseModel):
    """How one page is to be read; None takes the configured default.

    Every field must be applied by `ocr_runtime.reading.engine` or by a module that it names: see
    `OPTIONS_OF_OTHER_MODULES` there. Otherwise `Engine` does not start.
    """

    model_config = ConfigDict(frozen=True)

    use_det: bool | None = Field(
        default=None,
        description="Detect where text is. If false, the whole image is read as one line.",
    )
    use_cls: bool | None = Field(
        default=None,
        description="Classify each line as upright or upside down, and turn it before it is "
        "recognised.",
    )
    use_rec: bool | None = Field(
        default=None,
        description="Recognise the text of each line. If false, only boxes or directions are "
        "returned.",
    )
    text_score: Share | None = Field(
        default=None,
        description="Leave out lines whose text was recognised with a lower score.",
    )
    box_thresh: Share | None = Field(
        default=None,
        description="Leave out detected boxes with a lower detection score.",
    )
    unclip_ratio: Growth | None = Field(
        default=None,
        description="How far each detected box is enlarged around its text: the detector's outline "
        "is moved outwards by this number times its area divided by its perimeter.",
    )
    return_word_box: bool | None = Field(
        default=None,
        description="Add `words` to each line: a line without Chinese characters is divided at "
        "its spaces, any other into single characters.",
    )
    orientation: Literal["auto", "0", "90", "180", "270"] | None = Field(
        default=None,
        description="Angle in degrees by which the page is turned clockwise before it is read, so "
        "that it is upright; `auto`: found from its text. Boxes stay in the frame of the image as "
        "it was sent.",
    )
    layout: Literal["auto", "none"] | None = Field(
        default=None,
        description="`auto`: lines in reading order, columns one after the other, tables row by "
        "row; `none`: in the order of RapidOCR, by their top edges. Of a page with more than 3,000 "
        "lines, `none` is taken, and the own text of a PDF stays in the order of the file.",
    )
    return_single_char_box: bool | None = Field(
        default=None,
        description="Add `words` to each line, one for each character; implies `return_word_box`.",
    )


@dataclass(frozen=True, kw_only=True)
class Word:
    """A part of a line: a word, or a single character.

    Args:
        text: its characters.
        score: mean of its characters' scores. With the profile `exact` as RapidOCR assigns it: of
            the n-th word the confidence of the line's n-th character.
        box: where it is.
    """

    text: str
    score: float
    box: Box


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of text. A field is None if the stage that fills it did not run.

    Args:
        score: confidence of the last stage that ran.
        box: where the line is; None if the whole page was read as one line.
        text: the recognised text.
        direction: whether the page is upright ("0") or upside down ("180"); only if nothing but
            classification was asked for.
        words: the line's words from left to right; only if they were asked for.
    """

    score: float
    box: Box | None = None
    text: str | None = None
    direction: Literal["0", "180"] | None = None
    words: list[Word] | None = None


@dataclass(frozen=True, kw_only=True)
class Block:
    """Lines that belong together.

    Args:
        rows: its lines from top to bottom. What stands on one baseline is a row, from left to
            right: mostly one line, in tables the cells. Between the rules of a table a row may hold
            several lines of one cell, one after the other.
        kind: "table" if its rows hold cells: parted by rules, or in line with those of other rows;
            else "text": a paragraph, a heading, a caption.
        columns: of a table, for each line of each row the column in which its cell begins, from 0.
            An empty cell has no line; lines of one cell have the same number.
    """

    rows: list[list[Line]]
    kind: Kind = "text"
    columns: list[list[int]] = field(default_factory=list)

    @property
    def lines(self) -> list[Line]:
        """The lines of all rows, in their order."""
        return [line for row in self.rows for line in row]

    @property
    def cells(self) -> list[list[list[Line]]]:
        """Of a table, the lines of each cell: row by row, all of as many cells."""
        width = 1 + max((column for row in self.columns for column in row), default=-1)
        grid: list[list[list[Line]]] = []
        for row, columns in zip(self.rows, self.columns, strict=False):
            grid.append([[] for _ in range(width)])
            for line, column in zip(row, columns, strict=True):
                grid[-1][column].append(line)
        return grid


@dataclass(frozen=True, kw_only=True)
class Page:
    """What was read from one page.

    With `layout` "auto" blocks and lines are in reading order. With "none" there is one block,
    whose order is RapidOCR's: boxes are sorted by the y of their first corner; as long as each is
    less than 10 pixels below the one before, they count as one row and are sorted by x. So the
    lines of two columns alternate.

    Args:
        width, height: size of the page as it was sent, in pixels.
        blocks: its text.
        orientation: clockwise angle that brings the page as it was sent upright, in degrees.
        skew: by how many degrees clockwise the lines of the upright page are turned, -45 to 45;
            found from their boxes, within half a degree on the drawn pages.
        number: of the page in its document, from 1.
        dpi: pixels per inch of the page as it was sent; None if the file does not say.
    """

    width: int
    height: int
    blocks: list[Block]
    orientation: Angle = 0
    skew: float = 0.0
    number: int = 1
    dpi: float | None = None

    @property
    def lines(self) -> list[Line]:
        """The lines of all blocks, in the same order."""
        return [line for block in self.blocks for line in block.lines]

    def mapped(self, move: Callable[[Box], Box], *, width: int, height: int) -> "Page":
        """Return the page with all boxes moved into the frame of another image.

        Args:
            move: a box in pixels of this page -> the box in pixels of the other image.
            width: of the other image, in pixels.
            height: of the other image, in pixels.
        """

        def line_moved(line: Line) -> Line:
            words = [replace(word, box=move(word.box)) for word in line.words or ()]
            return replace(
                line,
                box=line.box and move(line.box),
                words=None if line.words is None else words,
            )

        blocks = [
            replace(block, rows=[list(map(line_moved, row)) for row in block.rows])
            for block in self.blocks
        ]
        return replace(self, width=width, height=height, blocks=blocks)

    def resized(self, width: int, height: int) -> "Page":
        """Return the page with all boxes scaled to an image of another size.

        Args:
            width: of that image, in pixels.
            height: of that image, in pixels.
        """
        if (width, height) == (self.width, self.height):
            return self
        x_scale, y_scale = width / self.width, height / self.height

        def box_scaled(box: Box) -> Box:
            return [[x * x_scale, y * y_scale] for x, y in box]

        return self.mapped(box_scaled, width=width, height=height)


@dataclass(frozen=True, kw_only=True)
class UnreadPage:
    """A page of a document that could not be read.

    Args:
        number: of the page in its document, from 1.
        code, error: as in the body of an error answer.
    """

    number: int
    code: str
    error: str
