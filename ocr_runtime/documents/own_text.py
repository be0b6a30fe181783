"""The text that a page of a PDF itself holds: its characters, and where they are."""

from dataclasses import dataclass, replace
from enum import IntFlag
from typing import Self

import numpy as np


class Mark(IntFlag):
    """What PDFium says of a character, besides what and where it is."""

    GENERATED = 1
    """A space or line end that is not in the file; PDFium concludes it from a gap."""
    UNMAPPED = 2
    """The file does not say which character the glyph stands for."""
    INVISIBLE = 4
    """Drawn without filling and stroke, as OCR programs do over a scan, or wholly transparent."""
    TYPE3 = 8
    """Its font is of Type 3: each glyph is any drawing, often a picture."""
    NOT_EMBEDDED = 16
    """The file does not bring its font; PDFium has Latin ones in place of those."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnText:
    """The characters of a page in the order of PDFium, which is mostly that of the file.

    Coordinates are pixels of the rendered page, origin at the top left, x before y; a box is left,
    top, right, bottom, level whichever way the text runs.

    Args:
        text: N characters; those that PDFium cannot name are control characters or U+FFFD.
        tight: float32, shape (N, 4): the boxes of the glyphs' outlines. Empty for spaces.
        loose: float32, shape (N, 4): from one character's origin to the next one's, and from the
            font's descent to its ascent.
        origins: float32, shape (N, 2): where the glyphs stand on their baseline.
        directions: float32, shape (N, 2): unit vectors in which the text runs.
        fonts: int32, shape (N,): the same number for the same font.
        orders: int32, shape (N,): when each is drawn; -1 for generated ones.
        marks: uint8, shape (N,): of `Mark`.
        pictures: float32, shape (M, 4): the boxes of images, and of paths with many curves, which
            may be letters that were turned into outlines.
        picture_orders: int32, shape (M,): when each is drawn.
        opaque: bool, shape (M,): whether nothing below such a picture is seen.
        annotations: float32, shape (K, 4): the boxes of annotations and form fields, whose text is
            not in `text`.
    """

    text: str
    tight: np.ndarray
    loose: np.ndarray
    origins: np.ndarray
    directions: np.ndarray
    fonts: np.ndarray
    orders: np.ndarray
    marks: np.ndarray
    pictures: np.ndarray
    picture_orders: np.ndarray
    opaque: np.ndarray
    annotations: np.ndarray

    @classmethod
    def empty(cls) -> Self:
        """The text of a page that has none, as that of an image."""
        boxes, points = np.empty((0, 4), np.float32), np.empty((0, 2), np.float32)
        numbers = np.empty(0, np.int32)
        return cls(
            text="",
            tight=boxes,
            loose=boxes,
            origins=points,
            directions=points,
            fonts=numbers,
            orders=numbers,
            marks=np.empty(0, np.uint8),
            pictures=boxes,
            picture_orders=numbers,
            opaque=np.empty(0, bool),
            annotations=boxes,
        )

    def only(self, chosen: np.ndarray) -> Self:
        """Return the text with some of its characters; `chosen` is bool, shape (N,)."""
        return replace(
            self,
            text="".join(each for each, kept in zip(self.text, chosen, strict=True) if kept),
            tight=self.tight[chosen],
            loose=self.loose[chosen],
            origins=self.origins[chosen],
            directions=self.directions[chosen],
            fonts=self.fonts[chosen],
            orders=self.orders[chosen],
            marks=self.marks[chosen],
        )

    def replaced(self, text: str) -> Self:
        """Return it with other characters in the same places, as many."""
        return replace(self, text=text)

    def has(self, mark: Mark) -> np.ndarray:
        """Tell which characters have a mark: bool, shape (N,)."""
        found: np.ndarray = (self.marks & mark) != 0
        return found
