"""A stretch of a gutter -> what runs above its columns, the columns, and what is below them.

A stretch is the lines along a part of a gutter that nothing lies across.
"""

import numpy as np

from ocr_runtime.reading.boxes import Boxes, Flags, Floats, Ids, beside, quantile
from ocr_runtime.reading.gutters import Side
from ocr_runtime.reading.prose import aligned, continues, is_text

_ALIGNED = 0.75
"""Share of baselines in common from which on lines beside text are its cells."""
_ALIGNED_CELLS = 0.4
"""The same where neither side is text: a form, a receipt, a table of figures."""
_FEWEST_CELLS = 6
"""How many lines it takes to tell that."""
_FOOTER_GAP = 0.5
"""Least gap above a footer that is close below its column, in heights of a line: of a magazine 0.7,
where the lines of the column are 0.1 apart."""
_ONE_A_ROW = 1.2
"""How many lines a row of a column of text has at most, in the mean."""
_MOST_SPANNING = 8
"""How many lines above the columns are looked at as headings of several columns."""

_WORK_OF_A_CALL = 20_000
"""How long a look at some lines takes, whatever their number, in comparisons of two."""


class TooMuchWork(Exception):
    """The columns of a page take more work to find than may be spent on it."""


class Work:
    """What may still be spent on a page.

    Args:
        left: how many comparisons of two lines.
    """

    def __init__(self, left: int) -> None:
        self._left = left

    def spend(self, comparisons: int) -> None:
        """Account for some work.

        Raises:
            TooMuchWork: there is not so much left.
        """
        self._left -= comparisons
        if self._left < 0:
            raise TooMuchWork


class Stretches:
    """Stretches of the gutters of a region. All methods may raise `TooMuchWork`.

    Args:
        boxes: the lines of the region.
        sides: the lines as they are seen from the left and, mirrored, from the right.
        gutters: float64 (k,): x of the region's gutters.
        work: what may still be spent on the page.
    """

    def __init__(self, boxes: Boxes, sides: tuple[Side, Side], gutters: Floats, work: Work) -> None:
        self.boxes = boxes
        self.work = work
        self.sides = sides
        self.gutters = gutters
        self.height = quantile(boxes.height, 0.5)

    def pieces(self, stretch: Ids) -> tuple[list[Ids], Floats]:
        """Split lines, sorted from top to bottom, at gaps higher than a line.

        Returns:
            The pieces, and the heights of the gaps between them.
        """
        boxes = self.boxes[stretch]
        gaps = np.minimum.accumulate(boxes.top[::-1])[::-1][1:]
        gaps = gaps - np.maximum.accumulate(boxes.bottom)[:-1]
        breaks = np.flatnonzero(gaps > self.height)
        return np.split(stretch, breaks + 1), gaps[breaks]

    def columns_of(
        self, stretch: Ids, left: Flags, right: Flags
    ) -> tuple[float, Ids, list[Ids], Ids] | None:
        """Take a stretch apart into what runs above its columns, the columns, and what is below.

        Args:
            stretch: its lines from top to bottom.
            left: bool (n,), which lines of the region are left of the gutter.
            right: bool (n,), which are right of it.

        Returns:
            The weight of the evidence, and the parts; None if there are no columns.
        """
        self.work.spend(_WORK_OF_A_CALL)
        spanning = self._spanning(stretch, left, right)
        pieces, gaps = self.pieces(stretch[spanning:])
        first, last = 0, len(pieces)
        while first < last - 1 and self._stands_apart(pieces[first], gaps[first], left, right):
            first += 1
        while first < last - 1 and self._stands_apart(
            pieces[last - 1], gaps[last - 2], left, right
        ):
            last -= 1
        if last == len(pieces):
            pieces = [*pieces[:-1], *self._without_footer(pieces[-1], left, right)]
        head, body, foot = (
            np.concatenate([stretch[:0], *some])
            for some in ([stretch[:spanning], *pieces[:first]], pieces[first:last], pieces[last:])
        )
        sides = [body[left[body]], body[right[body]], body[~(left | right)[body]]]
        weight = self.are_columns(*sides[:2])
        if not weight:
            return None
        return weight, head, [side for side in sides if len(side)], foot

    def _without_footer(self, piece: Ids, *sides: Flags) -> list[Ids]:
        """Split off a last row, close below a column, that is no line of it.

        It is a page number, or a number and a title side by side, while the column has one line a
        row.
        """
        boxes = self.boxes[piece]
        last = int(boxes.middle.argmax())
        row = beside(boxes, boxes[[last]])[:, 0]
        row[last] = True  # where it has no height too
        own = next((side[piece] for side in sides if side[piece][row].all()), None)
        if own is None or not (own & ~row).any():
            return [piece]
        gap = boxes.top[row].min() - boxes.bottom[~row].max()
        column, found = boxes[own & ~row], boxes[row]
        self.work.spend(len(column) ** 2)
        several = len(found) > 1 and beside(column, column).sum(1).mean() < _ONE_A_ROW
        number = len(found) == 1 and not found.wordy[0] and found.width[0] < 3 * found.height[0]
        if gap < _FOOTER_GAP * self.height or not (several or number):
            return [piece]
        return [piece[~row], piece[row]]

    def _spanning(self, stretch: Ids, left: Flags, right: Flags) -> int:
        """Count the first lines that are a heading of several columns, but not of all of them.

        Such as a newspaper's title over its second and third column: on the one side of the first
        gutter, above all that is on its other side, and across the next gutter.
        """
        boxes = self.boxes[stretch]
        own, other = left[stretch], right[stretch]
        if not (own.any() and other.any()):
            return 0
        if boxes.top[own].min() > boxes.top[other].min():
            own, other = other, own
        begins = float(boxes.top[other].min())
        above = int(np.searchsorted(boxes.middle, begins))
        for place in reversed(range(min(above, _MOST_SPANNING))):
            line, below = boxes[[place]], stretch[place + 1 :][own[place + 1 :]]
            if own[place] and self._heads_columns(line, below):
                row = beside(line, boxes)[0] & own
                row[place] = False
                return 0 if continues(boxes[row], self.boxes[below]) else place + 1
        return 0

    def _heads_columns(self, line: Boxes, below: Ids) -> bool:
        """Whether a line lies across a gutter between columns of text below it."""
        boxes, slack = self.boxes[below], self.boxes.slack[below]
        inside = (self.gutters > line.left + line.slack) & (self.gutters < line.right - line.slack)
        return any(
            self.are_columns(below[boxes.right <= x + slack], below[boxes.left >= x - slack])
            for x in self.gutters[inside]
        )

    def _stands_apart(self, piece: Ids, gap: float, *sides: Flags) -> bool:
        """Whether the first or last piece is a running title or a page number.

        It is if it has lines on both sides, on one row or on a few that are no columns; and a
        single line if it is larger than the text, or less wide than a column.
        """
        row, members = self.boxes[piece], [piece[side[piece]] for side in sides]
        on_both = all(map(len, members))
        if not beside(row, row[[int(row.height.argmax())]]).all():
            few = on_both and len(piece) <= 8 and gap > 1.5 * quantile(self.boxes.height, 0.9)
            return few and not self.are_columns(*members)
        if on_both or row.height.max() > 1.2 * self.height:
            return True
        return not any(
            row.width.max() > 0.7 * quantile(self.boxes.width[side], 0.75)
            for side, found in zip(sides, members, strict=True)
            if len(found)
        )

    def are_columns(self, left: Ids, right: Ids) -> float:
        """Weigh whether what stands on both sides of a gutter is columns, not cells of rows.

        Returns:
            0 if it is not, up to 1 the less their baselines agree.
        """
        if min(len(left), len(right)) < 2:
            return 0.0
        self.work.spend(_WORK_OF_A_CALL + 10 * len(self.boxes))
        sides = list(zip(self.sides, (left, right), strict=True))
        near = [view.edge(ids) for view, ids in sides]
        gutter = -sum(quantile(edge.right, 0.9) for edge in near)
        level = aligned(*near)
        sure = level >= _ALIGNED
        texts = [
            is_text(edge, sure=sure) or is_text(view.edge(ids, reach=gutter), sure=sure)
            for edge, (view, ids) in zip(near, sides, strict=True)
        ]
        if not all(texts):
            shared = max(level, aligned(*near, shifted=True))
            few = min(map(len, near)) < _FEWEST_CELLS
            if shared >= (_ALIGNED if any(texts) else _ALIGNED_CELLS) or (few and not any(texts)):
                return 0.0
        return 1 - 0.1 * level
