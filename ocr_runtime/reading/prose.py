"""Lines that stand below one another -> whether they are a column of text, or cells of a table.

Shares are compared with what is found by chance: of cells with ragged widths about one in two is
as long as its neighbours, of lines on unrelated baselines about one in four agrees.
"""

import math

import numpy as np

from ocr_runtime.reading.boxes import Boxes, quantile

_LONG = 7.0
"""Width of a line of text in its heights: the narrowest column measured, beside a photo, has 10."""
_FULL = 0.8
"""Share of the width of its neighbours from which on a line fills its column."""
_FLUSH = 0.96
"""The same for a line that is set flush on both sides."""
_MOST = 0.55
"""Share of the lines of a text that are full, and of those that hold words."""
_FLOWING = 0.4
"""Share of lines that begin with a small letter: 0.46 to 0.73 in English text, 0.01 on receipts."""


def is_text(side: Boxes, *, sure: bool = False) -> bool:
    """Whether lines are sentences that fill a column at a regular distance.

    Args:
        side: the lines, in any order.
        sure: whether to ask for more: lines set flush on both sides, lines that begin in the midst
            of a sentence, or more full ones than two standard deviations above chance.
    """
    count = len(side)
    if count < 2 + sure or np.count_nonzero(side.wordy) <= _MOST * count:
        return False
    order = np.argsort(side.middle, kind="stable")
    width, pitch = side.width[order], np.diff(side.middle[order])
    if quantile(width, 0.5) < _LONG * quantile(side.height, 0.5):
        return False
    neighbour = np.empty(count)
    neighbour[1:-1] = np.maximum(width[2:], width[:-2])
    neighbour[[0, -1]] = width[[1, -2]]
    full = np.count_nonzero(width >= _FULL * neighbour) / count
    usual = quantile(pitch, 0.5)
    regular = np.count_nonzero(np.abs(pitch - usual) < 0.15 * usual)
    if full < _MOST or 2 * regular < len(pitch):
        return False
    flush = np.count_nonzero(width >= _FLUSH * neighbour) / count
    deviation = 0.5 / math.sqrt(count)
    flowing = np.count_nonzero(side.flowing) / count
    return not sure or bool(
        flush >= 0.5 + deviation or flowing >= _FLOWING or full >= 0.5 + 2 * deviation
    )


def aligned(a: Boxes, b: Boxes, *, shifted: bool = False) -> float:
    """Share of the baselines in common, of the lines that have another beside them.

    Lines that stand between two of the other side, as on some receipts, say nothing.

    Args:
        a: lines that stand below one another on one side of a gutter.
        b: those on the other side.
        shifted: whether baselines may also differ by some height, the same for all: the paper is
            curled, or more skewed here than elsewhere.

    Returns:
        0 to 1; 1 if fewer than two lines have another beside them.
    """
    few, many = sorted((a, b), key=len)
    middles = np.sort(many.middle)
    place = np.searchsorted(middles, few.middle)
    below = few.middle - middles[np.maximum(place - 1, 0)]
    above = few.middle - middles[np.minimum(place, len(middles) - 1)]
    distance = np.where(np.abs(below) < np.abs(above), below, above)
    height = quantile(few.height, 0.5)
    distance = distance[np.abs(distance) < 0.8 * height]
    if len(distance) < 2:
        return 1.0
    if shifted:
        distance = distance - quantile(distance, 0.5)
    return np.count_nonzero(np.abs(distance) < 0.2 * height) / len(distance)


def continues(above: Boxes, below: Boxes) -> bool:
    """Whether some line is followed by one close below it."""
    distance = below.middle[None] - above.middle[:, None]
    lap = np.minimum(below.right[None], above.right[:, None])
    lap -= np.maximum(below.left[None], above.left[:, None])
    height = np.minimum(below.height[None], above.height[:, None])
    narrower = np.minimum(below.width[None], above.width[:, None])
    near = (distance > 0) & (distance < 2.2 * height)  # a paragraph may end between them
    return bool((near & (lap > narrower / 2)).any())
