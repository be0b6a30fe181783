"""The lines of an upright page -> zones in reading order: columns are taken apart, tables are not.

A zone is a set of lines that is read row by row. Zones come from a recursive cut along vertical
gutters. What lies across a gutter (a heading, a table) divides it into stretches, from top to
bottom; along each stretch the lines on both sides tell whether they are columns of text or cells of
one table:

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
from ocr_runtime.reading.prose import aligned, continues, is_text

_MOST_BREAKS = 4
"""How many gaps between an upper and a lower part are tried, the widest first."""
_ALIGNED = 0.75
"""Share of baselines in common from which on lines beside text are its cells."""
_ALIGNED_CELLS = 0.4
"""The same where neither side is text: a form, a receipt, a table of figures."""
_FEWEST_CELLS = 6
"""How many lines it takes to tell that."""


def zones(boxes: Boxes, ids: Ids) -> Iterator[Ids]:
    """Divide lines into zones, in reading order.

    Args:
        boxes: the lines of a page.
        ids: those to divide.

    Yields:
        The lines of one zone, in no order; each line comes once.
    """
    left = [ids]
    while left:
        ids = left.pop()
        parts = _Region(boxes[ids]).cut()
        if len(parts) == 1:
            yield ids
        else:
            left += [ids[part] for part in reversed(parts)]


class _Region:
    """Some lines of a page.

    Args:
        order: the lines from top to bottom.
        pieces, gaps: the same, divided where nothing stands for more than the height of a line,
            and how high these gaps are.
        headings: lines alone on their rows, of larger type than most.
        after: see `neighbours`.
        sides: the lines as they are seen from the left and, mirrored, from the right.
    """

    def __init__(self, boxes: Boxes) -> None:
        self.boxes = boxes
        self.height = quantile(boxes.height, 0.5)
        self.order = np.lexsort((boxes.left, boxes.middle))
        self.pieces, self.gaps = self._pieces(self.order)
        self.after, before = neighbours(boxes)
        alone = (self.after == len(boxes)) & (before == len(boxes))
        larger = (boxes.height > 1.2 * self.height) & (boxes.width > boxes.height)
        self.headings = np.flatnonzero(alone & larger)
        self.sides = (
            Side(boxes, inward=self.after, outward=before),
            Side(boxes.mirrored(), inward=before, outward=self.after),
        )

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
            parted = sum(_Region(self.boxes[half]).best_cut()[1] for half in halves)
            if parted > most:
                best, most = halves, parted
        return best

    def best_cut(self) -> tuple[list[Ids], float]:
        """Cut along the gutter that parts the most lines.

        Returns:
            As `_divide`; a single part if there is no gutter.
        """
        best, most = [np.arange(len(self.boxes))], 0.0
        for x in gutters(self.boxes, self.after):
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
        left = boxes.right <= x + boxes.slack
        right = (boxes.left >= x - boxes.slack) & ~left
        if min(left.sum(), right.sum()) < 2:
            return [], 0.0
        barrier = self._barriers(left, right)[self.order]
        parts: list[Ids] = []
        loose: list[Ids] = []
        parted, torn, was_cut = 0.0, 0, False
        above = boxes[:0]
        for stretch in np.split(self.order, np.flatnonzero(np.diff(barrier)) + 1):
            columns = None if barrier[0] else self._columns_of(stretch, left, right)
            barrier = barrier[len(stretch) :]
            below = boxes[stretch[(left | right)[stretch]]]
            torn += was_cut != (columns is not None) and continues(above, below)
            above, was_cut = below, columns is not None
            if columns is None:
                loose.append(stretch)
                continue
            weight, head, sides, foot = columns
            parts += _joined([*loose, head]) + sides
            loose = [foot]
            parted += weight * sum(map(len, sides))
        return parts + _joined(loose), parted / (1 + torn)

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
        if min(len(left), len(right)) < 4 or self._are_columns(left, right):
            return False
        sides = zip(self.sides, (left, right), strict=True)
        return not all(is_text(view.edge(ids, reach=self.height)) for view, ids in sides)

    def _pieces(self, stretch: Ids) -> tuple[list[Ids], Floats]:
        """Split lines, sorted from top to bottom, at gaps higher than a line.

        Returns:
            The pieces, and the heights of the gaps between them.
        """
        boxes = self.boxes[stretch]
        gaps = np.minimum.accumulate(boxes.top[::-1])[::-1][1:]
        gaps = gaps - np.maximum.accumulate(boxes.bottom)[:-1]
        breaks = np.flatnonzero(gaps > self.height)
        return np.split(stretch, breaks + 1), gaps[breaks]

    def _columns_of(
        self, stretch: Ids, left: Flags, right: Flags
    ) -> tuple[float, Ids, list[Ids], Ids] | None:
        """Take a stretch apart into what runs above its columns, the columns, and what is below.

        Returns:
            The weight of the evidence, and the parts; None if there are no columns.
        """
        pieces, gaps = self._pieces(stretch)
        first, last = 0, len(pieces)
        while first < last - 1 and self._stands_apart(pieces[first], gaps[first], left, right):
            first += 1
        while first < last - 1 and self._stands_apart(
            pieces[last - 1], gaps[last - 2], left, right
        ):
            last -= 1
        head, body, foot = (
            np.concatenate([stretch[:0], *some])
            for some in (pieces[:first], pieces[first:last], pieces[last:])
        )
        sides = [body[left[body]], body[right[body]], body[~(left | right)[body]]]
        weight = self._are_columns(*sides[:2])
        if not weight:
            return None
        return weight, head, [side for side in sides if len(side)], foot

    def _stands_apart(self, piece: Ids, gap: float, *sides: Flags) -> bool:
        """Whether the first or last piece is a running title or a page number.

        It is if it has lines on both sides, on one row or on a few that are no columns; and a
        single line if it is larger than the text, or less wide than a column.
        """
        row, members = self.boxes[piece], [piece[side[piece]] for side in sides]
        on_both = all(map(len, members))
        if not beside(row, row[[int(row.height.argmax())]]).all():
            few = on_both and len(piece) <= 8 and gap > 1.5 * quantile(self.boxes.height, 0.9)
            return few and not self._are_columns(*members)
        if on_both or row.height.max() > 1.2 * self.height:
            return True
        return not any(
            row.width.max() > 0.7 * quantile(self.boxes.width[side], 0.75)
            for side, found in zip(sides, members, strict=True)
            if len(found)
        )

    def _are_columns(self, left: Ids, right: Ids) -> float:
        """Weigh whether what stands on both sides of a gutter is columns, not cells of rows.

        Returns:
            0 if it is not, up to 1 the less their baselines agree.
        """
        if min(len(left), len(right)) < 2:
            return 0.0
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


def _split(pieces: list[Ids], place: int) -> tuple[list[Ids], list[Ids]]:
    return pieces[:place], pieces[place:]


def _joined(pieces: list[Ids]) -> list[Ids]:
    joined = np.concatenate(pieces) if pieces else np.empty(0, np.int64)
    return [joined] if len(joined) else []
