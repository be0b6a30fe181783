"""Lines of a page -> their neighbours, the gutters between these, what stands along a gutter."""

import numpy as np

from ocr_runtime.reading.boxes import Boxes, Floats, Ids, beside, quantile

_MOST_GUTTERS = 16
"""How many gutters of a set of lines are tried, those with the most gaps first."""
_CHUNK = 64
"""How many lines, from top to bottom, are compared at once with those at the same height."""
_LAP = 0.25
"""Share of a line's height from which on lines overlap enough to be neighbours."""
_FEWEST_GAPS = 0.04
"""How many gaps a gutter must have, as a share of the lines."""


def neighbours(boxes: Boxes) -> tuple[Ids, Ids]:
    """Find for each line the nearest on its row.

    Lines beside one another that share no row, since they are half a line apart, are neighbours
    too; those that hardly overlap, if there are no others.

    Returns:
        Of each line the nearest to the right, and to the left; where there is none, `len(boxes)`.
    """
    return _followers(boxes), _followers(boxes.mirrored())


def _followers(boxes: Boxes) -> Ids:
    """Find for each line the nearest to the right."""
    count = len(boxes)
    centre = boxes.left + boxes.right
    by_left = np.argsort(boxes.left, kind="stable")
    by_middle = np.argsort(boxes.middle, kind="stable")
    following = np.full(count, count)
    for start in range(0, count, _CHUNK):
        some = by_middle[start : start + _CHUNK]
        line = boxes[some]
        near = boxes.top[by_left] <= line.bottom.max()
        near &= boxes.bottom[by_left] >= line.top.min()
        order = by_left[near]
        others = boxes[order]
        later = np.greater_equal(others.left[None], (line.right - line.slack)[:, None])
        later &= np.greater(centre[order][None], centre[some][:, None])
        found = np.logical_and(beside(line, others), later)
        lap = np.minimum(others.bottom[None], line.bottom[:, None])
        lap -= np.maximum(others.top[None], line.top[:, None])
        found |= later & (lap > _LAP * np.minimum(others.height[None], line.height[:, None]))
        found |= later & (lap > 0) & ~found.any(1, keepdims=True)
        following[some] = np.where(found.any(1), order[found.argmax(1)], count)
    return following


def gutters(boxes: Boxes, after: Ids) -> Floats:
    """Find where many gaps between neighbours lie one above the other.

    A ragged line may reach further than all that have a neighbour: so a gutter is also looked for
    where the lines to its right begin.

    Args:
        boxes: the lines.
        after: the neighbour of each line to the right.

    Returns:
        float64 (k,): x of each, those with the most gaps first.
    """
    followed = np.flatnonzero(after < len(boxes))
    if len(followed) < 2:
        return np.empty(0)
    starts = boxes.right[followed]
    ends = np.maximum(boxes.left[after[followed]], starts)
    edges = np.concatenate([starts, ends])
    steps = np.repeat([1, -1], len(starts))
    by_x = np.lexsort((-steps, edges))
    edges, count = edges[by_x], steps[by_x].cumsum()
    peaks = np.flatnonzero((np.diff(count, prepend=0) > 0) & (np.diff(count, append=0) < 0))
    peaks = peaks[count[peaks] >= max(2, _FEWEST_GAPS * len(boxes))]
    peaks = peaks[np.argsort(-count[peaks], kind="stable")][:_MOST_GUTTERS]
    found = []
    for x in (edges[peaks] + edges[peaks + 1]) / 2:
        within = ends[(starts <= x) & (x <= ends)]
        beginning = quantile(within, 0.5) - quantile(boxes.slack, 0.5) / 2
        found += [x, beginning] if beginning > x + quantile(boxes.slack, 0.5) else [x]
    return np.array(found)


class Side:
    """The lines of a region as they are seen from one side: the gutter is to the right.

    Args:
        inward, outward: of each line the nearest on its row, towards the gutter and away from it;
            `len(boxes)` where there is none.
    """

    def __init__(self, boxes: Boxes, *, inward: Ids, outward: Ids) -> None:
        self.boxes = boxes
        self.inward = inward
        self.outward = outward

    def edge(self, ids: Ids, *, reach: float = 0) -> Boxes:
        """Those of some lines that are next to the gutter.

        Args:
            ids: the lines of this side.
            reach: each is joined with what follows on its row at a lesser distance, in pixels, such
                as a line with its number.
        """
        boxes, member = self.boxes, np.zeros(len(self.boxes) + 1, bool)
        member[ids] = True
        near = ids[~member[self.inward[ids]]]
        # A line of the next column may be seen through a gap between two paragraphs.
        near = near[boxes.right[near] >= quantile(boxes.left[near], 0.5)]
        if reach <= 0:
            return boxes[near]
        last = widest = near
        for _ in range(3):
            following = np.minimum(self.outward[last], len(boxes) - 1)
            joins = member[self.outward[last]]
            joins &= boxes.left[last] - boxes.right[following] < reach
            last = np.where(joins, following, last)
            widest = np.where(boxes.width[last] > boxes.width[widest], last, widest)
        return Boxes(
            left=boxes.left[last],
            top=boxes.top[near],
            right=boxes.right[near],
            bottom=boxes.bottom[near],
            wordy=boxes.wordy[widest],
            flowing=boxes.flowing[widest],
            vertical=boxes.vertical[near],
            sideways=boxes.sideways[near],
        )
