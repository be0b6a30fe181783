"""The crop of a line -> where its ink is, and where each character begins and ends.

The ink may be dark on light or light on dark, in any colour.
"""

import bisect
import functools
import math
from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np

_CONTRAST = 0.7
"""Ink differs from the paper by this share of Otsu's threshold: all of 868 gaps between drawn
words are free of ink with 0.5 to 1; spaces on 24 real receipts are told best with 0.7."""

_RULE = 2.0
"""Length of a horizontal rule, in heights of the crop: longer than any stroke of a letter."""

_UNDERLINE = 1.2
"""Length of a rule in the upper or lower quarter of the crop, where a tilted rule comes in pieces:
longer than the strokes of Chinese characters, which take up to 0.9 of the crop's height. Dashes
lie in the middle."""

_FLAT = 1 / 8
"""Greatest height of a piece of a horizontal rule, in heights of the crop."""

_UPRIGHT_RULE = 1 / 6
"""Widest vertical rule, in heights of the crop. It crosses the crop from top to bottom, as only the
side of a table's cell does."""

_SPECK = 1 / 24
"""Side of a speck of dirt, in heights of the crop; 1 / 16 takes dots of 14 pixel letters away."""

_OFF_MIDDLE = 1.0
"""What a column off the place where two characters should part is worth, for each pixel, in pixels
of a gap or of ink. With 0.8 to 1.0, 4 of 3,063 drawn words have a side more than 3 pixels and a
tenth of the crop's height away, with 1.2 6, with 2 16; of 13,145 characters 339 to 275."""

_BROAD = 1.5
"""Least breadth of characters that are parted by their strokes: mostly Chinese and Japanese ones,
of which each is a word."""

_OVER = 0.3
"""Greatest part of a stroke that lies on the other side of the column that parts two characters."""

_FOREIGN = 0.5
"""A gap this wide, in heights of the crop, parts a line's end from what else is in its crop."""


def find_ink(crop: np.ndarray) -> np.ndarray:
    """Tell ink from paper, without rules and specks.

    Args:
        crop: uint8 (height, width, 3).

    Returns:
        bool (height, width).
    """
    height = len(crop)
    contrast = functools.reduce(cv2.max, cv2.split(cv2.absdiff(crop, _paper(crop))))
    threshold, _ = cv2.threshold(contrast, 0, 255, cv2.THRESH_OTSU)
    ink = (contrast > _CONTRAST * threshold).astype(np.uint8)
    ruled = _erase_rules(ink, height)
    _, parts, sizes, _ = cv2.connectedComponentsWithStats(ink)
    tops, heights = sizes[:, cv2.CC_STAT_TOP], sizes[:, cv2.CC_STAT_HEIGHT]
    above = np.append(0, np.cumsum(ruled))
    rules = (heights == height) & (sizes[:, cv2.CC_STAT_WIDTH] <= _UPRIGHT_RULE * height)
    rules |= (above[tops + heights] - above[tops] == heights) & (heights <= _FLAT * height)
    shown = (sizes[:, cv2.CC_STAT_AREA] >= (_SPECK * height) ** 2) & ~rules
    shown[0] = False  # the paper
    found: np.ndarray = shown[parts]
    return found


def _paper(crop: np.ndarray) -> np.ndarray:
    """The colour of the paper in each column, so that a shadow on a part of the line is no ink.

    It is that of the crop's upper or lower edge, whichever is more like the whole crop's, smoothed
    over the width of a character or two.

    Args:
        crop: uint8 (height, width, 3).

    Returns:
        uint8, of the same shape.
    """
    height, width = crop.shape[:2]
    usual = np.median(crop[::2, ::2].reshape(-1, 3), axis=0)  # ink covers less than half
    edge = max(1, height // 16)
    edges = np.stack([np.median(part, axis=0) for part in (crop[:edge], crop[-edge:])])
    nearer = np.abs(edges - usual).max(axis=2).argmin(axis=0)
    paper = edges[nearer, np.arange(width)].astype(np.uint8)
    smooth = min(height, 127) | 1
    padded = np.pad(paper, ((smooth, smooth), (0, 0)), mode="edge")
    planes = [cv2.medianBlur(plane[None], smooth)[0, smooth:-smooth] for plane in padded.T]
    return np.broadcast_to(np.stack(planes, axis=1), crop.shape)


def _erase_rules(ink: np.ndarray, height: int) -> np.ndarray:
    """Take horizontal rules away.

    Args:
        ink: uint8 (height, width), 0 or 1; is changed.
        height: of the crop.

    Returns:
        bool (height,), the rows with a rule and the two above and below: of a rule that is tilted
        there may be pieces left.
    """
    found = np.zeros(height, bool)
    quarter = height // 4
    parts = (slice(None), _RULE), (slice(quarter), _UNDERLINE), (slice(-quarter, None), _UNDERLINE)
    for part, length in parts:
        kernel = np.ones((1, max(1, int(length * height))), np.uint8)
        if ink[part].size and ink.shape[1] > kernel.size:
            rules = cv2.morphologyEx(ink[part], cv2.MORPH_OPEN, kernel)
            ink[part] -= rules
            found[part] |= rules.any(axis=1)
    near: np.ndarray = np.convolve(found, np.ones(5), "full")[2 : height + 2] > 0
    return near


def rows(ink: np.ndarray, lefts: np.ndarray, rights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find where the ink between columns begins and ends.

    Args:
        ink: bool (height, width).
        lefts: int (characters,), first columns.
        rights: int (characters,), columns after the last.

    Returns:
        First row of each with ink, and the one after its last; all rows where there is none.
    """
    height, width = ink.shape
    some = ink.any(axis=0)
    first = np.append(np.where(some, ink.argmax(axis=0), height), height)
    last = np.append(np.where(some, height - ink[::-1].argmax(axis=0), 0), 0)
    ranges = np.stack([lefts.clip(0, width), rights.clip(0, width)], axis=1).ravel()
    tops = np.minimum.reduceat(first, ranges)[::2]
    bottoms = np.maximum.reduceat(last, ranges)[::2]
    none = tops >= bottoms
    return np.where(none, 0, tops), np.where(none, height, bottoms)


def extents(
    ink: np.ndarray, middles: np.ndarray, breadths: Sequence[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Find where the characters of a line begin and end.

    Two neighbours are parted by the gap between them that is wide and near where their breadths
    let expect it, or, where they touch, by a column with little ink.

    Args:
        ink: bool (height, width).
        middles: float (characters,), ascending columns near the characters' middles.
        breadths: of each character, in any unit.

    Returns:
        First column of each character, and the one after its last.
    """
    height, width = ink.shape
    depth = ink.sum(axis=0)
    edges = np.flatnonzero(np.diff(np.r_[1, depth, 1] == 0))
    begins, ends = edges[::2], edges[1::2]
    starts = begins.tolist()
    centre, value = np.arange(width) + 0.5, -depth.astype(float)
    for begin, end in zip(begins, ends, strict=True):
        centre[begin:end], value[begin:end] = (begin + end) / 2, end - begin
    middles = middles.clip(_first(depth), width - 1 - _first(depth[::-1]))
    lefts, rights = np.zeros(len(middles), int), np.zeros(len(middles), int)
    for i, (low, high) in enumerate(pairwise(middles)):
        start = min(int(max(low, lefts[i])), width - 1)
        columns = np.arange(start, max(start + 1, math.ceil(high)))
        share = breadths[i] / (breadths[i] + breadths[i + 1])
        apart = np.abs(columns + 0.5 - (low + share * (high - low)))
        outside = (centre[columns] < low) | (centre[columns] > high)
        cut = start + int(np.argmax(value[columns] - _OFF_MIDDLE * apart - height * outside))
        rights[i], lefts[i + 1] = cut, cut
        if not depth[cut] and not outside[cut - start]:
            run = bisect.bisect_right(starts, cut) - 1
            rights[i], lefts[i + 1] = begins[run], ends[run]
    _part_overlapping(ink, lefts, rights, breadths)
    wide = ends - begins >= _FOREIGN * height
    lefts[0] = max([*ends[wide & (ends <= middles[0])], _first(depth)])
    rights[-1] = min([*begins[wide & (begins >= middles[-1])], width - _first(depth[::-1])])
    return lefts, np.maximum(lefts, rights)


def _part_overlapping(
    ink: np.ndarray, lefts: np.ndarray, rights: np.ndarray, breadths: Sequence[float]
) -> None:
    """Where no column of paper parts two broad characters, part them by their connected strokes.

    Each stroke goes to the side on which its middle is; nothing is done if one goes through both.

    Args:
        ink: as for `extents`.
        lefts: first columns of the characters; are changed.
        rights: columns after the last; are changed.
        breadths: as for `extents`.
    """
    crossed = [
        i
        for i in range(len(lefts) - 1)
        if rights[i] == lefts[i + 1] and min(breadths[i], breadths[i + 1]) >= _BROAD
    ]
    for i in crossed:
        start, cut, end = lefts[i], rights[i], rights[i + 1] or ink.shape[1]
        if not start < cut < end:
            continue
        part = np.ascontiguousarray(ink[:, start:end]).astype(np.uint8)
        _, _, strokes, _ = cv2.connectedComponentsWithStats(part)
        begins = start + strokes[1:, cv2.CC_STAT_LEFT]
        ends = begins + strokes[1:, cv2.CC_STAT_WIDTH]
        first = begins + ends < 2 * cut
        smaller = np.minimum(cut - begins, ends - cut)
        if first.any() and not first.all() and (smaller <= _OVER * (ends - begins)).all():
            rights[i], lefts[i + 1] = ends[first].max(), begins[~first].min()


def _first(depth: np.ndarray) -> int:
    """The first column with ink; 0 if there is none."""
    return int(np.argmax(depth > 0))
