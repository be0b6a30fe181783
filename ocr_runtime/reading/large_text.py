"""Whether the text of a page is so large that the detector finds it on a page of half the size.

    pixels --looks_large--> worth trying? --detection of half the size--> boxes --is_large--> kept?

A page of half the size takes the detector a quarter of the time. The profile `fast` tries it.
"""

import cv2
import numpy as np

MEDIAN = 16
"""Least median height of the boxes, in pixels of the run. At 15 the boxes of a drawn newspaper that
is skewed by 3 degrees run across its gutter. Of 39 real pages and 37 drawn ones 36 have large text;
in them 1.30 % of the characters of receipts were read wrong, with pages of the whole size 1.49, and
no other page was read worse."""

LEAST = 10
"""Least height of any box, in pixels of the run: lines of 24 px are still read alike where their
boxes have 10. Smaller ones may miss a part of their line, and hint at lines that were not found."""

SHORTEST = 48
"""Shortest side of a page of half the size, in pixels: of smaller ones the margin is the most."""

_GROUND = 51
"""Side of the window, in pixels of the page of half the size, whose mean is the ground."""

_CONTRAST = 24
"""Difference from the ground, of 255, from which a pixel is ink."""

_LETTER = 10
"""Height of the upper quarter of the letters from which it is worth trying. Of the pages with large
text 86 % have it, of the others 6 %. Windows of 15 to 51, contrasts of 8 to 40, and the median in
place of the quarter told fewer."""

_FEW = 4
"""With fewer letters than that, as in a photo with a sign, it is tried as well."""

_SMALLEST, _HIGHEST, _LONGEST = 6, 80, 6
"""Connected ink is a letter, or several that touch, with at least so many pixels, less than so many
rows, and less than so many times as wide as it is high."""


def looks_large(pixels: np.ndarray, scale: float) -> bool:
    """Guess from the ink of a page whether its text is large; takes some milliseconds.

    Args:
        pixels: uint8, shape (H, W, 3), BGR.
        scale: at which the detector would be shown the page.
    """
    height, width = (round(side * scale) for side in pixels.shape[:2])
    if min(height, width) < SHORTEST:
        return False
    shown = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
    gray = cv2.cvtColor(shown, cv2.COLOR_BGR2GRAY)
    ink = cv2.absdiff(gray, cv2.blur(gray, (_GROUND, _GROUND))) > _CONTRAST
    _, _, parts, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8))
    heights, widths = parts[1:, cv2.CC_STAT_HEIGHT], parts[1:, cv2.CC_STAT_WIDTH]
    letters = heights[
        (parts[1:, cv2.CC_STAT_AREA] >= _SMALLEST)
        & (heights < _HIGHEST)
        & (widths < _LONGEST * heights)
    ]
    return len(letters) < _FEW or float(np.percentile(letters, 75)) >= _LETTER


def is_large(heights: np.ndarray) -> bool:
    """Tell from the boxes that were found whether the text is large.

    Args:
        heights: of the boxes, float32, shape (N,), in pixels of the run.
    """
    return bool(len(heights)) and bool(heights.min() >= LEAST and np.median(heights) >= MEDIAN)
