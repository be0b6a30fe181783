"""The page model: what was read from a page, and how a page is to be read.

Coordinates are pixels of the page as it was sent (EXIF orientation applied), origin at the top
left, x before y. Scores are confidences from 0 to 1.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Box = list[list[float]]
"""Four corners [x, y], clockwise from the top left of the text as it is read."""

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
    return_single_char_box: bool | None = Field(
        default=None,
        description="Add `words` to each line, one for each character; implies `return_word_box`.",
    )


@dataclass(frozen=True, kw_only=True)
class Word:
    """A part of a line: a word, or a single character.

    Args:
        text: its characters.
        score: as RapidOCR assigns it: of the n-th word, the confidence of the line's n-th
            character, also where words have several characters.
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
    """Lines that belong together, such as a paragraph or a column."""

    lines: list[Line]


@dataclass(frozen=True, kw_only=True)
class Page:
    """What was read from one page.

    The order of blocks and lines is RapidOCR's, which is not claimed to be reading order: boxes
    are sorted by the y of their first corner; as long as each is less than 10 pixels below the
    one before (in the image that the detector was given), they count as one row and are sorted
    by x. So the lines of two columns alternate.

    Args:
        width, height: size of the page as it was sent, in pixels.
        blocks: its text; a single block as long as nothing divides the page into blocks.
    """

    width: int
    height: int
    blocks: list[Block]

    @property
    def lines(self) -> list[Line]:
        """The lines of all blocks, in the same order."""
        return [line for block in self.blocks for line in block.lines]

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

        def line_scaled(line: Line) -> Line:
            words = [replace(word, box=box_scaled(word.box)) for word in line.words or ()]
            return replace(
                line,
                box=line.box and box_scaled(line.box),
                words=None if line.words is None else words,
            )

        blocks = [Block(lines=list(map(line_scaled, block.lines))) for block in self.blocks]
        return Page(width=width, height=height, blocks=blocks)
