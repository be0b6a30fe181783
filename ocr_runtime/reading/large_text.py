"""Whether the text of a page is so large that the detector finds it on a page of half the size.

    pixels --looks_large--> worth trying? --detection at half the size--> boxes
    boxes, pixels --is_all_large--> kept, or is the whole size needed?

A page of half the size takes the detector a quarter of the time. The profile `fast` tries it.
"""

from typing import NamedTuple

import cv2
import numpy as np

MEDIAN = 16
"""Least median height of the boxes, in pixels of the run. At 15 the boxes of a drawn newspaper that
is skewed by 3 degrees run across its gutter. Of 39 real pages 23 have large text, mostly receipts;
of the characters of receipts 1.40 % were read wrong, with pages of the whole size 1.49. No other
kind was read worse."""

LEAST = 10
"""Least height of any box, in pixels of the run: lines of 24 px are still read alike where their
boxes have 10. Smaller ones may miss a part of their line, and hint at lines that were not found."""

SHORTEST = 200
"""Shortest side of a page of half the size, in pixels. Detection of smaller ones takes little time,
and in an advertisement of 323 x 430 pixels three pale lines of four characters were not found."""

_LETTER = 10
"""Height of the upper quarter of the letters on a page of half the size from which it is worth
trying. Of the pages with large text 86 % have it, of the others 6 %."""

_FEW = 4
"""With fewer letters than that, as in a photo with a sign, it is tried as well."""

_MISSED = 4
"""So many small letters side by side outside of all boxes are a line that was not found. Of drawn
lines of 7 to 14 px under headlines, as the detector misses them at half the size, 12 to 32 letters
are seen; of 19 real pages with large text seven have so many specks, of the drawn ones none."""

_AROUND = 4
"""So far from a box a letter still belongs to it, in pixels of the whole page's run."""


class _Ink(NamedTuple):
    """What counts as a letter: connected ink, of one letter or of several that touch.

    Args:
        ground: side of the window, in pixels, whose mean is the ground.
        contrast: difference from the ground, of 255, from which a pixel is ink.
        least: number of its pixels.
        lowest: its least height, in pixels.
        highest: its greatest height, in pixels.
        longest: how many times as wide as high it may be.
    """

    ground: int
    contrast: int
    least: int
    lowest: int
    highest: int
    longest: int


_ANY = _Ink(ground=51, contrast=24, least=6, lowest=3, highest=79, longest=6)
"""Letters of any size, on a page of half the size. Windows of 15 to 51 pixels and contrasts of 8
to 40 told large text from other text less well."""

_SMALL = _Ink(ground=25, contrast=40, least=6, lowest=4, highest=19, longest=3)
"""Letters of small print, on a page of the whole size. With less contrast the letters of a line
touch each other and the ground between them."""


def looks_large(pixels: np.ndarray, scale: float) -> bool:
    """Guess from the ink of a page whether its text is large.

    Takes some milliseconds for each million pixels at that scale.

    Args:
        pixels: uint8, shape (H, W, 3), BGR.
        scale: half of that at which the detector would be shown the page.
    """
    if min(pixels.shape[:2]) * scale < SHORTEST:
        return False
    letters = _letters(_scaled(pixels, scale), _ANY)
    heights = letters[:, cv2.CC_STAT_HEIGHT]
    return len(letters) < _FEW or float(np.percentile(heights, 75)) >= _LETTER


def is_all_large(pixels: np.ndarray, scale: float, boxes: np.ndarray) -> bool:
    """Tell from the boxes that were found, and the ink outside of them, whether all text is large.

    Args:
        pixels: uint8, shape (H, W, 3), BGR.
        scale: at which the detector was shown the page.
        boxes: float32, shape (N, 4, 2), corners [x, y] in pixels of the page.
    """
    if not len(boxes):
        return False
    heights = scale * np.linalg.norm(boxes[:, 1:3] - boxes[:, :2], axis=2).min(1)
    if heights.min() < LEAST or np.median(heights) < MEDIAN:
        return False
    return not _misses_small_print(_scaled(pixels, 2 * scale), 2 * scale * boxes)


def _misses_small_print(page: np.ndarray, boxes: np.ndarray) -> bool:
    """Whether `_MISSED` small letters stand side by side outside of the boxes."""
    letters = _letters(page, _SMALL)
    found = np.zeros(page.shape[:2], np.uint8)
    cv2.fillPoly(found, list(boxes.round().astype(np.int32)), 1)
    found = np.asarray(cv2.dilate(found, np.ones((2 * _AROUND + 1,) * 2, np.uint8)))
    middles = letters[:, :2] + letters[:, 2:4] // 2
    outside = found[middles[:, 1], middles[:, 0]] == 0
    rows = np.zeros_like(found)
    for x, y, width, height, _ in letters[outside].tolist():
        rows[y : y + height, x : x + width] = 1
    beside = np.ones((1, 13), np.uint8)  # letters of a line are up to 12 px apart
    _, row_of = cv2.connectedComponents(cv2.dilate(rows, beside))
    in_rows = row_of[middles[outside, 1], middles[outside, 0]]
    return bool(np.bincount(in_rows, minlength=1).max() >= _MISSED)


def _letters(page: np.ndarray, ink: _Ink) -> np.ndarray:
    """Find what may be letters.

    Returns:
        int32, shape (N, 5): OpenCV's statistics of each (left, top, width, height, area).
    """
    gray = cv2.cvtColor(page, cv2.COLOR_BGR2GRAY)
    inked = cv2.absdiff(gray, cv2.blur(gray, (ink.ground, ink.ground))) > ink.contrast
    _, _, parts, _ = cv2.connectedComponentsWithStats(inked.astype(np.uint8))
    heights, widths = parts[:, cv2.CC_STAT_HEIGHT], parts[:, cv2.CC_STAT_WIDTH]
    shown = (heights >= ink.lowest) & (heights <= ink.highest) & (widths <= ink.longest * heights)
    shown &= parts[:, cv2.CC_STAT_AREA] >= ink.least
    shown[0] = False  # the ground
    return np.asarray(parts[shown])


def _scaled(pixels: np.ndarray, scale: float) -> np.ndarray:
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    if (height, width) == pixels.shape[:2]:
        return pixels
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA))
