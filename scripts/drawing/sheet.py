"""Text to write -> a page as pixels, and its truth: rows of words with their boxes.

Words are written one by one, so that it is known where each is. In Chinese each character is one.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw, ImageFont

from .texts import MARKS

FONTS = Path("/usr/share/fonts")
FACES = {
    "sans": "truetype/liberation/LiberationSans-Regular.ttf",
    "bold": "truetype/liberation/LiberationSans-Bold.ttf",
    "narrow": "truetype/liberation/LiberationSansNarrow-Regular.ttf",
    "serif": "truetype/liberation/LiberationSerif-Regular.ttf",
    "mono": "truetype/liberation/LiberationMono-Regular.ttf",
    "hei": "opentype/noto/NotoSansCJK-Regular.ttc",
    "song": "opentype/noto/NotoSerifCJK-Regular.ttc",
}
SIMPLIFIED = 2
"""Number of the face for Chinese in the collections of Noto CJK."""

_CJK = "\u2e80-\u9fff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
WORD = re.compile(f"[{_CJK}]|[^\\s{_CJK}]+")
"""A character of Chinese or Japanese, or anything else between spaces."""

_INK = 64
"""What is less black than this, of 255, is the edge of a glyph and not seen as part of it."""

Rect = tuple[int, int, int, int]
"""left, top, right, bottom of the ink as it is read, in pixels of the upright page: left is greater
than right of a word that is upside down."""

Font = ImageFont.FreeTypeFont


def font(face: str, size: int) -> Font:
    index = SIMPLIFIED if FACES[face].endswith("ttc") else 0
    layout = ImageFont.Layout.BASIC
    return ImageFont.truetype(FONTS / FACES[face], size, index=index, layout_engine=layout)


@dataclass
class Row:
    """What stands on one baseline: its text, and its words with their boxes."""

    text: str = ""
    words: list[tuple[str, Rect]] = field(default_factory=list)


class Sheet:
    """A page to write on, in reading order.

    Args:
        width, height: in pixels.
        paper, ink: shades of grey, 0 to 255.
    """

    def __init__(self, width: int, height: int, *, paper: int = 255, ink: int = 0) -> None:
        self.image = Image.new("L", (width, height), paper)
        self.draw = ImageDraw.Draw(self.image)
        self.ink = ink
        self.rows: list[Row] = []

    def write(self, text: str, x: float, y: int, face: Font, *, goes_on: bool = False,
              space: float | None = None) -> float:  # fmt: skip
        """Write one line.

        Args:
            text: words with single spaces.
            x: where its first word begins.
            y: its baseline.
            face: its font.
            goes_on: it belongs to the row before, as the next cell of a table does.
            space: width of a space, in pixels; None: the font's.

        Returns:
            Where it ends.
        """
        row = self._row(text, goes_on=goes_on)
        space = face.getlength(" ") if space is None else space
        end = 0
        for found in WORD.finditer(text):
            x += space * (found.start() > end)
            end = found.end()
            row.words.append((found[0], self._put(found[0], round(x), y, face)))
            x += face.getlength(found[0])
        return x

    def stamp(self, text: str, x: int, y: int, face: Font) -> None:
        """Write one line upside down.

        Args:
            text: words with single spaces.
            x: where its first word begins, at the right.
            y: its baseline, at the top.
            face: its font.
        """
        width, height = self.image.size
        other = Sheet(width, height, ink=self.ink)
        other.write(text, width - x, height - y, face)
        self.image = ImageChops.darker(self.image, other.image.rotate(180))
        self.draw = ImageDraw.Draw(self.image)
        row = self._row(text, goes_on=False)
        for word, (left, top, right, bottom) in other.rows[0].words:
            row.words.append((word, (width - left, height - top, width - right, height - bottom)))

    def down(self, text: str, x: int, y: int, face: Font) -> None:
        """Write one column of Chinese, from the top.

        Args:
            text: without spaces. Its marks stand at the top right of their squares.
            x: left edge of the column, which is as wide as the type is high.
            y: where it begins.
            face: its font.
        """
        size = int(face.size)
        row = self._row(text, goes_on=False)
        for character in text:
            off = int(0.6 * size) if character in MARKS else 0
            baseline = y + int(0.88 * size) - off
            row.words.append((character, self._put(character, x + off, baseline, face)))
            y += size + 1

    def _row(self, text: str, *, goes_on: bool) -> Row:
        if goes_on:
            self.rows[-1].text += f" {text}"
        else:
            self.rows.append(Row(text))
        return self.rows[-1]

    def _put(self, word: str, x: int, y: int, face: Font) -> Rect:
        alone = Image.new("L", self.image.size)
        ImageDraw.Draw(alone).text((x, y), word, 255, face, anchor="ls")
        self.image.paste(self.ink, mask=alone)
        return alone.point(lambda value: value > _INK and 255).getbbox()

    def right(self, text: str, x: float, y: int, face: Font, *, goes_on: bool = False) -> None:
        """Write one line that ends at `x`."""
        self.write(text, x - face.getlength(text), y, face, goes_on=goes_on)

    def centre(self, text: str, x: float, y: int, face: Font) -> None:
        """Write one line on both sides of `x`."""
        self.write(text, x - face.getlength(text) / 2, y, face)

    def paragraph(self, text: str, x: int, y: int, width: int, face: Font, *,
                  flush: bool = True, indent: int = 0, pitch: float = 1.35) -> int:  # fmt: skip
        """Write lines below each other.

        Args:
            text: is broken into lines here.
            x: left edge.
            y: first baseline.
            width: of the lines.
            face: its font.
            flush: whether their right edges are in line too.
            indent: of the first line.
            pitch: distance of the baselines, by the size of the type.

        Returns:
            Baseline of the next line.
        """
        lines = list(_broken(text, width, face, indent))
        for number, line in enumerate(lines):
            left = x + indent * (not number)
            gaps, space = line.count(" "), None
            if flush and gaps and number < len(lines) - 1:
                space = face.getlength(" ")
                space += (x + width - left - face.getlength(line)) / gaps
            self.write(line, left, y, face, space=space)
            y += round(pitch * face.size)
        return y

    def rules(self, xs: list[int], ys: list[int]) -> None:
        """Draw the lines of a table with columns between `xs` and rows between `ys`."""
        for x in xs:
            self.draw.line((x, ys[0], x, ys[-1]), self.ink)
        for y in ys:
            self.draw.line((xs[0], y, xs[-1], y), self.ink)

    def table(self, cells: list[list[str]], xs: list[int], y: int, face: Font, *,
              pitch: int, ruled: bool) -> int:  # fmt: skip
        """Write a table; all but the first column are flush right.

        Args:
            cells: its rows; an empty text is a cell without any.
            xs: edges of its columns, one more than there are.
            y: its top.
            face: its font.
            pitch: height of a row.
            ruled: whether lines are drawn between the cells.

        Returns:
            Its bottom.
        """
        for number, row in enumerate(cells):
            baseline = y + number * pitch + round((pitch + 0.7 * face.size) / 2)
            self.write(row[0], xs[0] + 8, baseline, face)
            for (_, right), text in zip(list(pairwise(xs))[1:], row[1:], strict=True):
                if text:
                    self.right(text, right - 8, baseline, face, goes_on=True)
        bottom = y + len(cells) * pitch
        if ruled:
            self.rules(xs, list(range(y, bottom + 1, pitch)))
        return bottom


def _broken(text: str, width: int, face: Font, indent: int) -> Iterator[str]:
    """Break a paragraph: Latin at its spaces, Chinese anywhere but before a mark."""
    line, end = "", 0
    for found in WORD.finditer(text):
        word = (" " if found.start() > end else "") + found[0]
        end = found.end()
        if face.getlength(line + word) > width - indent and found[0] not in MARKS:
            yield line
            line, indent, word = "", 0, found[0]
        line += word
    yield line
