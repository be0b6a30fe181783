"""The lines and rules of a page -> its ruled tables; the rows of any table -> columns of its cells.

A ruled table is a net of rules that cross or touch one another. Each mesh is a cell; meshes between
which there is no rule are one cell. As in "Nurminen, Algorithmic extraction of data in tables in
PDF documents, 2013", but for cells that are no rectangles, which count from their top left mesh.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ocr_runtime.reading.boxes import Boxes, Flags, Floats, Ids, quantile
from ocr_runtime.reading.rows import Row, rows
from ocr_runtime.reading.rules import Rules

_COVERED = 0.6
"""Share of a mesh's side from which on a rule along it is its wall."""
_MOST_CROSSED = 0.1
"""Share of lines that may lie across rules; in patterns and pictures most do."""
_MOST_LINES = 6
"""Most lines of a cell on average: frames around articles hold more, and are no table."""
_MOST_MESHES = 4000
"""What has more is a pattern."""
_FILLED = 0.75
"""Share of the rows of text in which a column has a line, to be counted as filled row by row."""


@dataclass(frozen=True)
class Cells:
    """A table.

    Args:
        rows: positions of lines: those of a row, cell by cell.
        columns: of each line the column in which its cell begins, from 0.
    """

    rows: list[Row]
    columns: list[list[int]]


@dataclass(frozen=True)
class Net:
    """Rules that cross or touch one another.

    Args:
        xs, ys: float64, where its meshes begin and end.
        horizontal, vertical: as those of `Rules`.
    """

    xs: Floats
    ys: Floats
    horizontal: Floats
    vertical: Floats

    def cells(self, reach: float) -> Ids:
        """Number the meshes of each cell by the first of them.

        Args:
            reach: how far a rule may be off, in pixels.

        Returns:
            int64 (rows, columns).
        """
        walls = _walls(self.xs, self.ys, self.vertical, reach)  # (columns + 1, rows)
        floors = _walls(self.ys, self.xs, self.horizontal, reach)  # (rows + 1, columns)
        cells = np.arange(walls[0].size * floors[0].size).reshape(walls[0].size, floors[0].size)
        open_beside, open_below = ~walls[1:-1].T, ~floors[1:-1]
        before = np.empty_like(cells)
        while (cells != before).any():
            before = cells.copy()
            for a, b, is_open in (
                (cells[:, :-1], cells[:, 1:], open_beside),
                (cells[:-1], cells[1:], open_below),
            ):
                least = np.minimum(a, b)
                a[is_open] = least[is_open]
                b[is_open] = least[is_open]
        return cells


def ruled_tables(boxes: Boxes, ids: Ids, rules: Rules) -> list[Cells]:
    """Find the tables whose cells are parted by rules, in both directions.

    Args:
        boxes: the lines of the page, level.
        ids: those that may stand in tables.
        rules: its rules, in the same frame.
    """
    reach = 0.5 * quantile(boxes.size, 0.5)
    found = []
    for net in _nets(rules, reach):
        table = _table(boxes, ids, net, reach)
        if table is not None:
            found.append(table)
            ids = np.setdiff1d(ids, np.concatenate([np.array(row) for row in table.rows]))
    return found


def _nets(rules: Rules, reach: float) -> Iterator[Net]:
    """Group rules that touch one another, where there are two rows and two columns at least."""
    y, left, right = rules.horizontal.T[:, :, None]
    x, top, bottom = rules.vertical.T[:, None]
    touch = (x > left - reach) & (x < right + reach) & (y > top - reach) & (y < bottom + reach)
    free = np.ones(len(touch), bool)
    for first in range(len(touch)):
        if not free[first]:
            continue
        members = np.zeros(len(touch), bool)
        members[first] = True
        while True:
            crossing = touch[members].any(0)
            grown = members | touch[:, crossing].any(1)
            if (grown == members).all():
                break
            members = grown
        free &= ~members
        horizontal, vertical = rules.horizontal[members], rules.vertical[crossing]
        if not len(vertical):
            continue
        xs = _places([*vertical[:, 0], horizontal[:, 1].min(), horizontal[:, 2].max()], reach)
        ys = _places([*horizontal[:, 0], vertical[:, 1].min(), vertical[:, 2].max()], reach)
        if min(len(xs), len(ys)) > 2 and len(xs) * len(ys) < _MOST_MESHES:
            yield Net(xs, ys, horizontal, vertical)


def _places(values: list[float], reach: float) -> Floats:
    """The middles of groups of values that are closer than `reach` to one another."""
    values = sorted(values)
    groups = np.split(values, np.flatnonzero(np.diff(values) > reach) + 1)
    return np.array([group.mean() for group in groups])


def _walls(places: Floats, ends: Floats, rules: Floats, reach: float) -> Flags:
    """Tell which sides of meshes have a rule along them.

    Returns:
        bool (len(places), len(ends) - 1).
    """
    place, start, end = rules.T[:, :, None, None]
    near = np.abs(place - places[:, None]) <= reach
    lap = np.minimum(end, ends[1:]) - np.maximum(start, ends[:-1])
    covered = (np.clip(lap, 0, None) * near).sum(0)
    return np.asarray(covered >= _COVERED * np.diff(ends), bool)


def _table(boxes: Boxes, ids: Ids, net: Net, reach: float) -> Cells | None:
    """Put lines in the cells of a net; None if it is no table."""
    x = (boxes.left + boxes.right) / 2
    inside = (x > net.xs[0]) & (x < net.xs[-1])
    inside &= (boxes.middle > net.ys[0]) & (boxes.middle < net.ys[-1])
    lines = ids[inside[ids]]
    if len(lines) < 4 or np.mean(_crossed(boxes[lines], net, reach)) > _MOST_CROSSED:
        return None
    cells = net.cells(reach)
    mesh = (
        np.searchsorted(net.ys, boxes.middle[lines]) - 1,
        np.searchsorted(net.xs, x[lines]) - 1,
    )
    row, column = np.divmod(cells[mesh], len(net.xs) - 1)
    filled = len({*zip(row.tolist(), column.tolist(), strict=True)})
    if min(len(np.unique(row)), len(np.unique(column))) < 2 or len(lines) > _MOST_LINES * filled:
        return None
    column = np.unique(column, return_inverse=True)[1]
    found = Cells([], [])
    for number in np.unique(row):
        here = row == number
        for some, columns in _rows_of_text(boxes, lines[here], column[here]):
            found.rows.append(some)
            found.columns.append(columns)
    return found


def _crossed(boxes: Boxes, net: Net, reach: float) -> Flags:
    """Tell which lines lie across a vertical rule."""
    x, top, bottom = net.vertical.T[:, :, None]
    crossed = (x > boxes.left + reach) & (x < boxes.right - reach)
    crossed &= (boxes.middle > top) & (boxes.middle < bottom)
    return np.asarray(crossed.any(0), bool)


def _rows_of_text(boxes: Boxes, lines: Ids, column: Ids) -> Iterator[tuple[Row, list[int]]]:
    """Divide a row between two rules into rows of text, if its columns are filled row by row.

    Else the lines of each cell stay together.
    """
    column_of = dict(zip(lines.tolist(), column.tolist(), strict=True))
    texts = rows(boxes, lines)
    if len(texts) > 2 and _is_filled(boxes, lines, column, len(texts)):
        yield from ((text, [column_of[line] for line in text]) for text in texts)
        return
    order = [line for text in texts for line in text]
    order.sort(key=column_of.__getitem__)
    yield order, [column_of[line] for line in order]


def _is_filled(boxes: Boxes, lines: Ids, column: Ids, count: int) -> bool:
    """Whether most columns have a line in most rows of text, and these are no sentences."""
    columns, filled = np.unique(column, return_counts=True)
    full = np.count_nonzero(filled >= _FILLED * count)
    flowing = np.count_nonzero(boxes.flowing[lines]) / len(lines)
    return bool(len(columns) > 1 and full >= 0.6 * len(columns) and flowing < 0.3)


def columns_of(boxes: Boxes, some: list[Row]) -> list[list[int]]:
    """Number the columns of a table without rules, by the gaps between its cells.

    The fewest places are taken that part all cells which stand side by side. A gap that is found in
    a single row of many parts no columns.

    Args:
        boxes: the lines of the page.
        some: the rows of the table.

    Returns:
        Of each line of each row the column of its cell, from 0.
    """
    inset = np.minimum(boxes.slack, 0.3 * boxes.width)
    gaps = [
        (
            boxes.right[a] - inset[a],
            max(boxes.left[b] + inset[b], boxes.right[a] - inset[a]),
            number,
        )
        for number, row in enumerate(some)
        for a, b in pairwise(row)
    ]
    gutters = []
    left = sorted(gaps, key=lambda gap: gap[1])
    while left:
        end = left[0][1]
        parted = [gap for gap in left if gap[0] <= end]
        if len({number for *_, number in parted}) > (len(some) > 4):
            gutters.append((max(gap[0] for gap in parted) + end) / 2)
        left = [gap for gap in left if gap[0] > end]
    begins = boxes.left + np.minimum(0.3 * boxes.width, 2 * boxes.size)
    numbers = [np.searchsorted(gutters, begins[row]) for row in some]
    used = np.unique(np.concatenate(numbers))
    return [np.searchsorted(used, each).tolist() for each in numbers]
