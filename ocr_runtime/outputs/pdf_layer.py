"""Page -> the operators of PDF that write its text where it stands, unseen.

    row of lines --_pieces--> words and spaces, each from where to where --_shown--> operators

The unit is a pixel of the page as it was sent, the origin its bottom left, y runs upwards.
"""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from ocr_runtime.outputs.geometry import Extent, Frame, page_box
from ocr_runtime.outputs.pdf_font import Codes
from ocr_runtime.outputs.spacing import spaced_words
from ocr_runtime.reading.page import Box, Line, Page, Word

FONT = "F1"
"""Name of the font among the resources of the page; OCRmyPDF looks for no other."""

_THIN = 0.05
"""Width of a space between words whose boxes touch, by the size of the type."""
_CELL_SPACE = 0.25
"""Width of a space after a cell of a table, by the size of the type."""
_LEVEL = 1.6
"""How much higher than its lines a row is at most that is written as one."""


class _Piece(NamedTuple):
    """A word or a space, from where to where along its row, in pixels of the row's frame."""

    text: str
    left: float
    right: float


class Layer:
    """The text of one page, in reading order.

    Each word is as wide as its box, and as high as the words of its row. Where a word follows
    without a space, as in Chinese, it begins where the one before it ends, so that programs which
    guess spaces from gaps find none. A line whose words are unknown is written as one word, and
    one without a box over all of the page.

    Args:
        page: what was read.
        codes: of the document's font.
    """

    def __init__(self, page: Page, codes: Codes) -> None:
        self._page, self._codes = page, codes
        self._operators = ["q 3 Tr"]
        self._before: list[float] | None = None
        for block in page.blocks:
            for row in block.rows:
                self._add([self._placed(line) for line in row if (line.text or "").strip()])

    @property
    def content(self) -> bytes:
        return "\n".join([*self._operators, "Q\n"]).encode("ascii")

    def _placed(self, line: Line) -> Line:
        """The line with a box and with words."""
        box = page_box(self._page) if line.box is None else line.box
        words = [word for word, _ in spaced_words(line)]
        whole = Word(text=line.text or "", score=line.score, box=box)
        return replace(line, box=box, words=words or [whole])

    def _add(self, row: Sequence[Line]) -> None:
        """Write a row as one string, or, if its lines stand at different heights, as several.

        PDFium takes strings that begin at one height for a row and sorts them from left to right,
        even if the page is upside down or the text runs downwards. It cannot part what is one.
        """
        if not row:
            return
        frame = Frame.of_row(row)
        extents = [frame.extent(_boxes(line)) for line in row]
        around = _around(extents)
        usual = statistics.median(extent.height for extent in extents)
        if len(row) > 1 and around.height > _LEVEL * max(usual, 1):
            for line in row:
                self._add([line])
            return
        size = max(around.height, 1.0)
        pieces = [
            piece
            for number, line in enumerate(row, 1)
            for piece in _pieces(line, frame, size, goes_on=number < len(row))
        ]
        self._show(pieces, frame, around.bottom, size)

    def _show(self, pieces: Sequence[_Piece], frame: Frame, baseline: float, size: float) -> None:
        """Write words and spaces as one string.

        Args:
            pieces: from left to right.
            frame: of the row.
            baseline: where it is in this frame.
            size: of the type, in pixels.
        """
        along_x, along_y = frame.along
        turn = " ".join(map(_number, (along_x, -along_y, along_y, along_x)))
        x, y = frame.point(pieces[0].left, baseline)
        y = self._page.height - y
        self._part(x, y, size)
        string = "".join(self._string(pieces, size))
        self._operators.append(
            f"BT /{FONT} {size:.2f} Tf {turn} {x:.2f} {y:.2f} Tm [{string}] TJ ET"
        )

    def _part(self, x: float, y: float, size: float) -> None:
        """Write a space at another height between strings that PDFium would sort.

        Args:
            x: where the next string begins.
            y: the same.
            size: of its type.
        """
        before, self._before = self._before, [x, y]
        if before and x < before[0] and abs(y - before[1]) < size:
            code, _ = self._codes.code(" ", _CELL_SPACE)
            self._operators.append(
                f"BT /{FONT} {size:.2f} Tf 1 0 0 1 {before[0]:.2f} {y - 2 * size:.2f} Tm "
                f"<{code.hex().upper()}> Tj ET"
            )

    def _string(self, pieces: Sequence[_Piece], size: float) -> Iterator[str]:
        """Yield the operands of TJ: codes, and by how much they are moved together.

        The widths of codes come in steps. What they are off is made up for before each character.
        """
        pen = pieces[0].left
        for text, left, right in pieces:
            width = (right - left) / len(text)
            for number, character in enumerate(text):
                code, wide = self._codes.code(character, width / size)
                moved = round(1000 * (pen - (left + number * width)) / size)
                if moved:
                    yield f"{moved}"
                yield f"<{code.hex().upper()}>"
                pen += wide * size - moved * size / 1000


def _number(value: float) -> str:
    """Write a number without an exponent, which PDF has not: ISO 32000-1, 7.3.3."""
    return f"{value:.5f}".rstrip("0").rstrip(".")


def _boxes(line: Line) -> list[Box]:
    return [word.box for word in line.words or ()]


def _around(extents: Sequence[Extent]) -> Extent:
    lefts, tops, rights, bottoms = zip(*extents, strict=True)
    return Extent(min(lefts), min(tops), max(rights), max(bottoms))


def _pieces(line: Line, frame: Frame, size: float, *, goes_on: bool) -> Iterator[_Piece]:
    """Yield the words of a line and the spaces between them, none of which overlap.

    Args:
        line: has words.
        frame: of its row.
        size: of the type.
        goes_on: another line follows in the row, so that a space stands after it.
    """
    words = spaced_words(line) or [(word, True) for word in line.words or ()]
    extents = [frame.extent([word.box]) for word, _ in words]
    thin = _THIN * size
    lefts = [extents[0].left]
    for extent in extents[1:]:  # boxes of neighbours may overlap, or even swap
        lefts.append(max(extent.left, lefts[-1] + 2 * thin))
    ends = [*lefts[1:], max(extents[-1].right, lefts[-1] + thin)]
    spaces = [*(spaced for _, spaced in words[1:]), False]
    for number, (word, _) in enumerate(words):
        left, end = lefts[number], ends[number]
        right = max(min(extents[number].right, end - thin), left + thin) if spaces[number] else end
        yield _Piece(" ".join(word.text.split()), left, right)
        if spaces[number]:
            yield _Piece(" ", right, end)
    if goes_on:
        yield _Piece(" ", ends[-1], ends[-1] + _CELL_SPACE * size)
