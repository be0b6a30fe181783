"""Detected boxes -> the same, those that reach across a gutter divided there.

Where two columns are close, or the page is skewed, the detector puts some of their lines that stand
beside one another in one box, which would be read as one line; or a box takes in the first letter
of the next column. That a gutter is there is known from the boxes above and below: they begin at
one x, and others end left of it. The pixels tell whether there is a gap in this line too.
"""

import numpy as np

from ocr_runtime.reading.boxes import Boxes, Floats, beside, quantile
from ocr_runtime.reading.gutters import neighbours
from ocr_runtime.reading.page import Line
from ocr_runtime.reading.stages import cut

_REACH = 8.0
"""How far above and below lines are looked at, in heights of the line. This and what follows were
set on the pages of scripts/drawing and on 38 real ones."""
_FEWEST = 3
"""How many lines must begin at one x."""
_SPREAD = 0.5
"""How far apart they may begin, in heights of the line."""
_GAP = 0.6
"""Least width of a gap between columns, in heights of the box: spaces have 0.2 to 0.4."""
_EDGE = 0.7
"""How far a box may reach into the next column at most, in its heights, to be only trimmed."""


def divided(
    pixels: np.ndarray, boxes: np.ndarray, scores: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Divide the boxes of a page that reach across a gutter.

    Args:
        pixels: uint8, shape (H, W, 3), BGR.
        boxes: float32, shape (N, 4, 2), corners clockwise from the top left, in pixels.
        scores: float32, shape (N,).

    Returns:
        Boxes and scores; both parts of a box have its score.
    """
    if len(boxes) <= _FEWEST:
        return boxes, scores
    placed = Boxes.of([Line(score=1, box=box.tolist()) for box in boxes])
    _, before = neighbours(placed)
    follows = before < len(boxes)
    parts, kept = [], np.ones(len(boxes), bool)
    for number in np.flatnonzero(placed.width > 4 * placed.height):
        starts = _starts(placed, follows, int(number))
        if len(starts):
            crop = cut(pixels, boxes[number : number + 1])[0]
            found = _parts(boxes[number], crop, starts)
            if found:
                kept[number] = False
                parts += [(part, scores[number]) for part in found]
    if not parts:
        return boxes, scores
    return (
        np.concatenate([boxes[kept], np.array([part for part, _ in parts], boxes.dtype)]),
        np.concatenate([scores[kept], np.array([score for _, score in parts], scores.dtype)]),
    )


def _starts(boxes: Boxes, follows: np.ndarray, number: int) -> Floats:
    """Find where columns begin inside of a line.

    Others above or below it begin there, and have a line to their left.

    Returns:
        float64 (k,): how far right of the line's left end, in widths of the line, from left to
        right.
    """
    line = boxes[[number]]
    height, width = float(line.height[0]), float(line.width[0])
    near = follows & (np.abs(boxes.middle - line.middle) < _REACH * height)
    near &= ~beside(line, boxes)[0]
    near &= (boxes.left > line.left + 2 * height) & (boxes.left < line.right - 0.1 * height)
    lefts = np.sort(boxes.left[near])
    found = []
    while len(lefts) >= _FEWEST:
        group = lefts[lefts < lefts[0] + _SPREAD * height]
        if len(group) >= _FEWEST:
            found.append((quantile(group, 0.5) - float(line.left[0])) / width)
        lefts = lefts[len(group) :]
    return np.array(found)


def _parts(box: np.ndarray, crop: np.ndarray, starts: Floats) -> list[np.ndarray]:
    """Divide a box at the gaps of its ink that are where columns begin; none if there are none."""
    height, width = crop.shape[:2]
    empty = _empty(crop)
    edges = np.flatnonzero(np.diff(empty, prepend=False, append=False)).reshape(-1, 2)
    sections = [0.0]
    for start in starts * width:
        for begin, end in edges:
            reaches = begin <= start - 0.3 * height and end >= start - 0.05 * height
            if reaches and end - begin >= _GAP * height and begin > 0:
                sections += [float(begin), float(end)]
                break
    if len(sections) == 1:
        return []
    sections.append(float(width))
    margin = 0.1 * height
    parts = []
    for left, right in zip(sections[::2], sections[1::2], strict=True):
        if right - left > _EDGE * height or left == 0:
            shares = max(left - margin, 0) / width, min(right + margin, width) / width
            parts.append(_between(box, *shares))
    return parts


def _empty(crop: np.ndarray) -> np.ndarray:
    """Tell which columns of a crop hold no ink, away from its upper and lower edge.

    Returns:
        bool (W,).
    """
    height = len(crop)
    grey = crop[height // 6 : height - height // 6].mean(2)
    low, paper, high = np.quantile(grey, [0.01, 0.5, 0.99])
    ink = np.abs(grey - paper) > 0.35 * max(paper - low, high - paper, 20.0)
    return np.asarray(~ink.any(0), bool)


def _between(box: np.ndarray, start: float, end: float) -> np.ndarray:
    """The part of a box from one share of its width to another."""
    top_left, top_right, bottom_right, bottom_left = box
    across, along = top_right - top_left, bottom_right - bottom_left
    return np.array(
        [
            top_left + start * across,
            top_left + end * across,
            bottom_left + end * along,
            bottom_left + start * along,
        ]
    )
