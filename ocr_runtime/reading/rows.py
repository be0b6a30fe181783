"""The lines of a zone -> its rows from top to bottom -> paragraphs and tables.

A row is what stands on one baseline: a line of text, or the cells of a table. A line of vertical
text among horizontal ones is a row of its own.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ocr_runtime.reading.boxes import Boxes, Flags, Floats, Ids

Row = list[int]
"""Positions of lines, from left to right."""

_LAP = 0.5
"""Share of the lower line's height from which on two lines overlap enough to share a row."""


def rows(boxes: Boxes, zone: Ids) -> list[Row]:
    """Chain the lines of a zone into rows, and sort these.

    A line goes on with the row whose last line it overlaps most in height, so that rows may climb
    and curl as on photos. Between two rows it goes with the upper one.
    """
    vertical = boxes.vertical[zone]
    found = _chained(boxes, zone[~vertical])
    keys = [(_baseline(boxes, row), float(boxes.left[row[0]])) for row in found]
    for key, line in _from_the_right(boxes, zone[vertical]):
        found.append([line])
        keys.append(key)
    return [found[i] for i in sorted(range(len(found)), key=keys.__getitem__)]


def _baseline(boxes: Boxes, row: Row) -> float:
    """Where a row stands: at the middle of its lowest line, a higher one may span several rows."""
    return float(boxes.middle[row[int(boxes.height[row].argmin())]])


def _chained(boxes: Boxes, lines: Ids) -> list[Row]:
    chains: list[Row] = []
    last = np.empty(len(lines), np.int64)  # of each chain
    height, width = np.maximum(boxes.height, 1e-6), np.maximum(boxes.width, 1e-6)
    for line in lines[np.argsort(boxes.left[lines], kind="stable")]:
        ends = last[: len(chains)]
        lap = np.minimum(boxes.bottom[ends], boxes.bottom[line])
        lap = lap - np.maximum(boxes.top[ends], boxes.top[line])
        lap /= np.minimum(height[ends], height[line])
        behind = boxes.right[ends] - boxes.left[line]
        lap[behind > np.minimum(width[ends], width[line]) / 2] = 0
        best = lap.max(initial=0)
        if best > _LAP:
            close = np.flatnonzero(lap >= best - 0.2)
            chain = int(close[boxes.middle[ends[close]].argmin()])
            chains[chain].append(int(line))
        else:
            chain = len(chains)
            chains.append([int(line)])
        last[chain] = line
    return chains


def _from_the_right(boxes: Boxes, lines: Ids) -> Iterator[tuple[tuple[float, float], int]]:
    """Order vertical lines: those beside one another begin together, and are read from the right.

    Yields:
        A key to sort by, and a line.
    """
    lines = lines[np.argsort(boxes.top[lines], kind="stable")]
    bottom = -np.inf
    key = 0.0
    for line in lines:
        if boxes.top[line] >= bottom:
            key, bottom = float(boxes.top[line] + boxes.width[line] / 2), -np.inf
        bottom = max(bottom, boxes.bottom[line])
        yield (key, -float(boxes.right[line])), int(line)


def paragraphs(boxes: Boxes, all_rows: list[Row]) -> Iterator[list[Row]]:
    """Divide rows where a gap, another size of type, an indentation or a table begins or ends."""
    if not all_rows:
        return
    top = np.array([boxes.top[row].min() for row in all_rows])
    bottom = np.array([boxes.bottom[row].max() for row in all_rows])
    left = np.array([boxes.left[row[0]] for row in all_rows])
    size = np.array([np.median(boxes.size[row]) for row in all_rows])
    tabular = _tabular(boxes, all_rows)
    gap = top[1:] - bottom[:-1]
    usual = np.median(gap) if len(gap) else 0.0
    start = 0
    for i, (before, after) in enumerate(pairwise(range(len(all_rows)))):
        type_size = min(size[before], size[after])
        ends = tabular[before] != tabular[after]
        ends |= gap[i] > max(usual, 0.0) + 0.5 * type_size
        ends |= max(size[before], size[after]) > 1.3 * type_size and not tabular[after]
        ends |= not tabular[after] and _is_indented(left, start, after, type_size)
        if ends:
            yield all_rows[start:after]
            start = after
    yield all_rows[start:]


def _is_indented(left: Floats, start: int, row: int, by: float) -> bool:
    """Whether a row begins a paragraph: further right than the rows before it and after it.

    Hanging items of a list are not: there the first row is the one that stands out.
    """
    before, after = left[max(start, row - 2) : row], left[row + 1 : row + 2]
    return bool((before < left[row] - by).all() and (after < left[row] - by).all())


def is_table(boxes: Boxes, some: list[Row]) -> bool:
    """Whether rows are those of a table: three and more, of cells in line with one another."""
    return len(some) >= 3 and bool(_tabular(boxes, some).all())


def _tabular(boxes: Boxes, all_rows: list[Row]) -> Flags:
    """Tell which rows have several cells, most of which are in line with cells of a neighbour.

    Returns:
        bool (len(all_rows),).
    """
    found = np.zeros(len(all_rows), bool)
    for above, below in pairwise(range(len(all_rows))):
        a, b = all_rows[above], all_rows[below]
        if min(len(a), len(b)) > 1 and _in_line(boxes, a, b):
            found[[above, below]] = True
    return found


def _in_line(boxes: Boxes, a: Row, b: Row) -> bool:
    tolerance = float(np.median(boxes.size[a + b]))
    edges = (boxes.left, (boxes.left + boxes.right) / 2, boxes.right)
    distance = np.min([np.abs(edge[a][:, None] - edge[b][None]) for edge in edges], 0)
    few = distance if len(a) <= len(b) else distance.T
    return bool((few.min(1) < tolerance).mean() > 0.5)
