"""The lines of an upright page -> zones in reading order: columns are taken apart, tables are not.

A zone is a set of lines that is read row by row. Zones come from a recursive cut along vertical
gutters. What lies across a gutter (a heading, a table, a rule) divides it into stretches, from top
to bottom; along each stretch the lines on both sides tell whether they are columns of text or cells
of one table:

    columns of text hold long lines that fill their width at a regular distance; cells are short,
    ragged or figures, and each stands on a baseline with one beyond the gutter.

It is an XY-cut (Nagy and Seth, 1984) that sets aside what spans columns, as XY-Cut++ does (arXiv
2504.10258). Its thresholds were set on 38 real pages (columns, forms, tables, receipts, a
newspaper), and tried on those of tests/layouts.py.

Frame: that of `Boxes`. Vertical text is transposed by the caller, so that it is horizontal here.
"""

from collections.abc import Iterator

import numpy as np

from ocr_runtime.reading.boxes import Boxes, Flags, Floats, Ids, beside, quantile
from ocr_runtime.reading.gutters import Side, gutters, neighbours
from ocr_runtime.reading.prose import continues, is_text
from ocr_runtime.reading.stretches import Stretches, TooMuchWork, Work

_MOST_BREAKS = 4
"""How many gaps between an upper and a lower part are tried, the widest first."""
_MOST_WORK = 300_000_000
"""In comparisons of two lines, see `Work`: 2.5 seconds. The hardest of 800 pages that
tests/layouts.py draws takes a tenth; 500 lines that overlap in columns of all widths took more."""


def zones(boxes: Boxes, ids: Ids, rules: Floats) -> Iterator[Ids]:
    """Divide lines into zones, in reading order.

    Args:
        boxes: the lines of a page.
        ids: those to divide.
        rules: float64 (k, 3), the horizontal rules of the page: y, left end, right end.

    Yields:
        The lines of one zone, in no order; each line comes once. Where it takes too much work to
        divide on, the zones are as large as they are then.
    """
    left, work = [ids], Work(_MOST_WORK)
    while left:
        ids = left.pop()
        try:
            parts = _Region(boxes[ids], rules, work).cut()
        except TooMuchWork:
            yield from [ids, *reversed(left)]
            return
        if len(parts) == 1:
            yield ids
        else:
            left += [ids[part] for part in reversed(parts)]


class _Region:
    """Some lines of a page.

    Args:
        rules: see `zones`.
        work: what may still be spent on the page.
        order: the lines from top to bottom.
        pieces, gaps: the same, divided where nothing stands for more than the height of a line,
            and how high these gaps are.
        headings: lines alone on their rows, of larger type than most.
        sides: the lines as they are seen from the left and, mirrored, from the right.
        gutters: x of each.
    """

    def __init__(self, boxes: Boxes, rules: Floats, work: Work) -> None:
        work.spend(len(boxes) ** 2)
        self.boxes = boxes
        self.rules = rules
        self.work = work
        self.order = np.lexsort((boxes.left, boxes.middle))
        after, before = neighbours(boxes)
        self.sides = (
            Side(boxes, inward=after, outward=before),
            Side(boxes.mirrored(), inward=before, outward=after),
        )
        self.gutters = gutters(boxes, after)
        self.stretches = Stretches(boxes, self.sides, self.gutters, work)
        self.height = self.stretches.height
        self.pieces, self.gaps = self.stretches.pieces(self.order)
        alone = (after == len(boxes)) & (before == len(boxes))
        larger = (boxes.height > 1.2 * self.height) & (boxes.width > boxes.height)
        self.headings = np.flatnonzero(alone & larger)

    def cut(self) -> list[Ids]:
        """Cut into columns, or first into an upper and a lower part if that parts more lines.

        Returns:
            The parts in reading order, a single one if there are no columns.
        """
        best, most = self.best_cut()
        most *= 1.1  # columns go on across a gap unless there are better ones above and below
        for last in np.argsort(-self.gaps, kind="stable")[:_MOST_BREAKS]:
            if most >= len(self.boxes):
                break
            halves = [np.concatenate(half) for half in _split(self.pieces, last + 1)]
            regions = (_Region(self.boxes[half], self.rules, self.work) for half in halves)
            parted = sum(region.best_cut()[1] for region in regions)
            if parted > most:
                best, most = halves, parted
        return best

    def best_cut(self) -> tuple[list[Ids], float]:
        """Cut along the gutter that parts the most lines.

        Returns:
            As `_divide`; a single part if there is no gutter.
        """
        best, most = [np.arange(len(self.boxes))], 0.0
        for x in self.gutters:
            parts, parted = self._divide(x)
            if parted > most:
                best, most = parts, parted
        return best, most

    def _divide(self, x: float) -> tuple[list[Ids], float]:
        """Divide at a gutter, from top to bottom, where its sides are columns.

        Returns:
            The parts in reading order, and the number of lines in columns; a division that tears a
            column apart above or below counts less.
        """
        boxes = self.boxes
        self.work.spend(100 * len(boxes))
        slack = np.minimum(boxes.slack, 1.5 * quantile(boxes.slack, 0.5))
        left = boxes.right <= x + slack
        right = (boxes.left >= x - slack) & ~left
        if min(left.sum(), right.sum()) < 2:
            return [], 0.0
        barrier = self._barriers(left, right)[self.order]
        parts: list[Ids] = []
        loose: list[Ids] = []
        parted, torn, was_cut = 0.0, 0, False
        above = boxes[:0]
        ruled = self._ruled(x)
        ends = np.union1d(np.flatnonzero(np.diff(barrier)) + 1, ruled)
        for stretch, start in zip(np.split(self.order, ends), [0, *ends], strict=True):
            columns = None if barrier[start] else self.stretches.columns_of(stretch, left, right)
            below = boxes[stretch[(left | right)[stretch]]]
            differs = was_cut != (columns is not None) and start not in ruled
            if differs:
                self.work.spend(len(above) * len(below))
                torn += continues(above, below)
            above, was_cut = below, columns is not None
            if columns is None:
                loose.append(stretch)
                continue
            weight, head, sides, foot = columns
            parts += _joined([*loose, head]) + sides
            loose = [foot]
            parted += weight * sum(map(len, sides))
        return parts + _joined(loose), parted / (1 + torn)

    def _ruled(self, x: float) -> Ids:
        """Find where a horizontal rule lies across a gutter: no column goes on across it.

        Returns:
            How many of the lines, from top to bottom, are above each such rule.
        """
        y, left, right = self.rules.T
        across = (left < x - 2 * self.height) & (right > x + 2 * self.height)
        above = np.searchsorted(self.boxes.middle[self.order], y[across])
        return np.unique(above[(above > 0) & (above < len(self.order))])

    def _barriers(self, left: Flags, right: Flags) -> Flags:
        """Tell which lines end a stretch of a gutter: tables, headings, and what lies across it.

        An inset is none: something between two columns of text that go on beside it.

        Returns:
            bool (n,).
        """
        boxes = self.boxes
        barrier = np.zeros(len(boxes), bool)
        for piece in self.pieces:
            barrier[piece] = self._is_table(piece[left[piece]], piece[right[piece]])
        for heading in self.headings:
            barrier[heading] |= all(self._is_headed(heading, side) for side in (left, right))
        insets = []
        for group in self._across(left | right):
            rows = boxes.middle > boxes.top[group].min()
            rows &= boxes.middle < boxes.bottom[group].max()
            if all(
                self._goes_on(rows, side, view)
                for side, view in zip((left, right), self.sides, strict=True)
            ):
                insets.append((group, rows))
            else:
                barrier |= beside(boxes[group], boxes).any(0)
                barrier[group] = True
        for group, rows in insets:
            if not self._is_given_way(group, left & ~rows, right & ~rows, barrier):
                barrier |= rows
        return barrier

    def _across(self, sides: Flags) -> list[Ids]:
        """Group the lines that are on neither side, from top to bottom."""
        across = np.flatnonzero(~sides)
        if not len(across):
            return []
        across = across[np.argsort(self.boxes.top[across], kind="stable")]
        bottoms = np.maximum.accumulate(self.boxes.bottom[across])
        apart = self.boxes.top[across][1:] - bottoms[:-1] > 2 * self.height
        return np.split(across, np.flatnonzero(apart) + 1)

    def _goes_on(self, rows: Flags, side: Flags, view: Side) -> bool:
        """Whether a column of text goes on from above in some rows."""
        inside = view.edge(np.flatnonzero(rows & side), reach=self.height)
        return len(inside) >= 3 and is_text(inside) and continues(view.boxes[~rows & side], inside)

    def _is_given_way(self, inset: Ids, left: Flags, right: Flags, barrier: Flags) -> bool:
        """Whether columns above or below an inset, as far as barriers, reach into its width."""
        boxes, middle = self.boxes, self.boxes.middle
        above = middle[barrier & (middle < middle[inset].min())].max(initial=-np.inf)
        below = middle[barrier & (middle > middle[inset].max())].min(initial=np.inf)
        near = (middle > above) & (middle < below)
        return bool(
            boxes.right[left & near].max(initial=-np.inf) > boxes.left[inset].min()
            and boxes.left[right & near].min(initial=np.inf) < boxes.right[inset].max()
        )

    def _is_headed(self, heading: np.int64, side: Flags) -> bool:
        """Whether a heading alone on its row has smaller lines of a side close above and below."""
        boxes = self.boxes
        side = side.copy()
        side[heading] = False
        above = boxes.bottom[side & (boxes.middle < boxes.middle[heading])]
        below = boxes.top[side & (boxes.middle > boxes.middle[heading])]
        height = boxes.height[heading]
        if not len(above) or not len(below) or height < 1.2 * quantile(boxes.height[side], 0.5):
            return False
        return bool(below.min() - above.max() < height + 8 * self.height)

    def _is_table(self, left: Ids, right: Ids) -> bool:
        if min(len(left), len(right)) < 4 or self.stretches.are_columns(left, right):
            return False
        sides = zip(self.sides, (left, right), strict=True)
        return not all(is_text(view.edge(ids, reach=self.height)) for view, ids in sides)


def _split(pieces: list[Ids], place: int) -> tuple[list[Ids], list[Ids]]:
    return pieces[:place], pieces[place:]


def _joined(pieces: list[Ids]) -> list[Ids]:
    joined = np.concatenate(pieces) if pieces else np.empty(0, np.int64)
    return [joined] if len(joined) else []
