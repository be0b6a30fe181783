"""The page model: what is read from a page, and how it is to be read.

Coordinates are pixels of the page as it was sent (EXIF orientation applied), origin top left, x
before y. Scores are confidences from 0 to 1.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Box = list[list[float]]
"""Four corners [x, y], clockwise from the one that is top left of the text as it is read."""

Share = Annotated[float, Field(ge=0, le=1)]
Growth = Annotated[float, Field(ge=1, le=4)]


class ReadingOptions(BaseModel):
    """How one page is to be read; None takes the configured default."""

    model_config = ConfigDict(frozen=True)

    use_det: bool | None = Field(
        default=None,
        description="Detect text. If off, the whole image is taken as one line.",
    )
    use_cls: bool | None = Field(
        default=None, description="Classify the direction of each line, 0 or 180 degrees."
    )
    use_rec: bool | None = Field(default=None, description="Recognise the text of each line.")
    text_score: Share | None = Field(
        default=None, description="Lines recognised with a lower score are left out."
    )
    box_thresh: Share | None = Field(
        default=None, description="Detected boxes with a lower score are left out."
    )
    unclip_ratio: Growth | None = Field(
        default=None, description="How far a detected box is enlarged around its text."
    )
    return_word_box: bool | None = Field(
        default=None, description="Add `words` to each line: Chinese by character, Latin by word."
    )
    return_single_char_box: bool | None = Field(
        default=None, description="Add `words` to each line, one for every character."
    )


@dataclass(frozen=True, kw_only=True)
class Word:
    """A part of a line: a word, or a single character."""

    text: str
    score: float
    box: Box


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of text. A stage that did not run leaves its field None.

    Args:
        score: confidence of the last stage that ran.
        box: where it is; None if the whole page was taken as one line.
        text: what was recognised.
        direction: the classifier's label, where nothing but classification was asked for.
        words: the line's words from left to right, if they were asked for.
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

    Args:
        width, height: size of the page as it was sent, in pixels.
        blocks: its text in the order in which it was found.
    """

    width: int
    height: int
    blocks: list[Block]

    @property
    def lines(self) -> list[Line]:
        """The lines of all blocks, in their order."""
        return [line for block in self.blocks for line in block.lines]

    def resized(self, width: int, height: int) -> "Page":
        """Return the page with its boxes in pixels of an image of another size."""
        if (width, height) == (self.width, self.height):
            return self
        x_scale, y_scale = width / self.width, height / self.height

        def scaled(box: Box) -> Box:
            return [[x * x_scale, y * y_scale] for x, y in box]

        def line_scaled(line: Line) -> Line:
            words = [replace(word, box=scaled(word.box)) for word in line.words or ()]
            return replace(
                line,
                box=line.box and scaled(line.box),
                words=None if line.words is None else words,
            )

        blocks = [Block(lines=list(map(line_scaled, block.lines))) for block in self.blocks]
        return Page(width=width, height=height, blocks=blocks)
