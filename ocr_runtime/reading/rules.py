"""The pixels of an upright page -> its ruling lines: those of tables, and between articles.

Ink is what is darker than its surroundings; a rule is a straight run of ink that is longer than any
stroke of a letter (morphological opening; Gatos et al., "Automatic table detection in document
images", ICAPR 2005). Rules are looked for on a reduced page, turned level.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ocr_runtime.reading.boxes import Boxes, Flags, Floats, quantile

_LONG_SIDE = 1500
"""Most pixels of the longer side of the reduced page."""
_BLOCK = 31
"""Side of the square whose mean a pixel is compared with, in pixels of the reduced page."""
_DARKER = 12
"""By how much ink is darker than that, in grey values of 255."""
_HORIZONTAL = 0.04
"""Least length of a horizontal rule, as all lengths below in longer sides of the page: about five
letters of small type."""
_VERTICAL = 0.027
"""Least length of a vertical rule: about two rows of a table."""
_THICK = 0.012
"""Greatest thickness; the edge of a dark area looks like a rule of half a square."""
_BREAK = 0.006
"""Widest break in a rule: less than between two columns, each with a rule."""
_STEEP = 8
"""How many times longer than thick a rule is, at least."""
_MOST = 200
"""How many runs of each direction are kept, the longest first: photos have thousands."""


@dataclass(frozen=True)
class Rules:
    """Ruling lines in the frame of `Boxes`: pixels of the page turned level.

    Args:
        horizontal: float64 (k, 3): y, left end, right end.
        vertical: float64 (k, 3): x, upper end, lower end.
    """

    horizontal: Floats
    vertical: Floats

    @classmethod
    def none(cls) -> "Rules":
        return cls(np.empty((0, 3)), np.empty((0, 3)))


def find_rules(pixels: np.ndarray, boxes: Boxes, skew: float) -> Rules:
    """Find the ruling lines of a page.

    Args:
        pixels: uint8, shape (H, W, 3), BGR, of the upright page.
        boxes: the lines of the page; what looks like a rule in the midst of one is part of its
            letters, or strikes them through.
        skew: by how many degrees clockwise the lines of the page are turned.
    """
    ink, scale, origin = _ink(pixels, skew)
    type_size = quantile(boxes.size, 0.5) * scale
    horizontal = _runs(ink, _HORIZONTAL, 2.5 * type_size) / scale
    vertical = _runs(ink.T, _VERTICAL, 1.5 * type_size) / scale
    horizontal += [origin[1], origin[0], origin[0]]
    vertical += [origin[0], origin[1], origin[1]]
    margin = 0.2 * boxes.height
    struck = _within(horizontal, boxes.top + margin, boxes.bottom - margin, boxes.left, boxes.right)
    strokes = _within(vertical, boxes.left, boxes.right, boxes.top, boxes.bottom)
    return Rules(horizontal[~struck], vertical[~strokes])


def _ink(pixels: np.ndarray, skew: float) -> tuple[np.ndarray, float, tuple[float, float]]:
    """Reduce a page, turn it level, and tell what is ink.

    Returns:
        uint8, shape (h, w), 255 where there is ink; pixels of it for each of the page; and where
        its top left corner lies in the frame of `Boxes`.
    """
    height, width = pixels.shape[:2]
    step = math.ceil(max(height, width) / _LONG_SIDE)
    grey = cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY)
    if step > 1:  # the darkest of each square, so that a thin rule stays
        grey = cv2.erode(grey, np.ones((step, step), np.uint8))[::step, ::step]
    turn = -math.radians(skew)
    left = top = 0.0
    if abs(skew) > 0.1:
        cosine, sine = math.cos(turn), math.sin(turn)
        rotation = np.array([[cosine, -sine], [sine, cosine]])
        rows, columns = grey.shape
        corners = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]]) @ rotation.T
        left, top = corners.min(0)
        size = np.ceil(np.ptp(corners, axis=0)).astype(int)
        matrix = np.column_stack([rotation, [-left, -top]])
        grey = cv2.warpAffine(grey, matrix, size.tolist(), borderMode=cv2.BORDER_REPLICATE)
    ink = cv2.adaptiveThreshold(
        np.ascontiguousarray(grey),
        255,
        cv2.ADAPTIVE_THRESH_MEAN_C,
        cv2.THRESH_BINARY_INV,
        _BLOCK,
        _DARKER,
    )
    return ink, 1 / step, (left * step, top * step)


def _runs(ink: np.ndarray, share: float, least: float) -> Floats:
    """Find horizontal runs of ink, those on one line joined.

    Args:
        ink: as from `_ink`.
        share: length of the shortest, in longer sides of the page.
        least: the same in pixels; the larger of both counts.

    Returns:
        float64 (k, 3): y, left end, right end.
    """
    side = max(ink.shape)
    kernel = np.ones((1, round(max(_STEEP, share * side, least))), np.uint8)
    runs = cv2.morphologyEx(np.ascontiguousarray(ink), cv2.MORPH_OPEN, kernel)
    _, _, stats, _ = cv2.connectedComponentsWithStats(runs)
    left, top, width, height = stats[1:, :4].T.astype(np.float64)
    thin = (height <= max(3, _THICK * side)) & (width >= _STEEP * height)
    found = np.stack([top + height / 2, left, left + width], 1)[thin]
    found = found[np.argsort(-width[thin], kind="stable")[:_MOST]]
    return _joined(found, across=max(2, _THICK * side / 4), along=_BREAK * side)


def _joined(runs: Floats, *, across: float, along: float) -> Floats:
    """Join runs that are off by less than `across`, with a break of less than `along`."""
    joined = runs[:0]
    for run in runs[np.argsort(runs[:, 1], kind="stable")]:
        goes_on = np.abs(joined[:, 0] - run[0]) < across
        goes_on &= run[1] - joined[:, 2] < along
        if goes_on.any():
            rule = joined[goes_on.argmax()]
            rule[2] = max(rule[2], run[2])
        else:
            joined = np.concatenate([joined, run[None]])
    return joined


def _within(rules: Floats, low: Floats, high: Floats, start: Floats, end: Floats) -> Flags:
    """Tell which rules are for the most part within lines.

    Args:
        rules: as those of `Rules`.
        low: of each line, where it begins across the rules.
        high: where it ends across the rules.
        start: where it begins along the rules.
        end: where it ends along the rules.
    """
    place, begin, finish = rules.T[:, :, None]
    inside = (place > low) & (place < high)
    lap = np.clip(np.minimum(finish, end) - np.maximum(begin, start), 0, None) * inside
    return np.asarray(lap.sum(1) > 0.5 * (finish - begin)[:, 0], bool)
