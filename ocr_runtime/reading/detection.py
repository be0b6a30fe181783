"""Page pixels -> boxes around its lines: what the detector is shown, and what becomes of its boxes.

    pixels --scale, tiles, margin--> images for the detector --> boxes of each
           --merge, order of corners--> boxes in pixels of the page

RapidOCR enlarges the short side of every image to 736 pixels and shrinks the long one to 2000. So a
cropped word is shown as large as a headline that touches the borders, and of a long screenshot
nothing legible is left. Here the text is to have a size that the detector knows, on some ground:
large pages are shrunk to 1280 pixels, none is enlarged, long ones are cut into tiles that overlap,
and where the text that was found is small, its page is shown larger.
"""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import cv2
import numpy as np

from ocr_runtime.reading.large_text import is_all_large, looks_large

Run = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""One run of the detector: an image (uint8, BGR, sides are multiples of 32) -> boxes (float32,
shape (N, 4, 2), corners in any order, pixels of that image) and scores (float32, shape (N,))."""

MULTIPLE = 32
"""The detector halves its input five times."""

TILE = 1600
"""Side of a square tile, in pixels of the run. A page whose sides are no longer is shown as it is:
a newspaper page of 992 x 1419 with lines of 10 px was read with 4.7 % of its characters wrong,
shrunk to 1280 with 5.8, enlarged to 1900 with 5.9."""

SHRUNK = 1280
"""Longest side to which a longer page is shrunk, in pixels. Of 16 real pages nine were read with
0.73 % of their characters wrong, shrunk to 1600 with 0.76, the other seven, tables and forms, with
1.29 and 1.31. Detection took 0.45 and 0.7 of RapidOCR's time."""

NARROWEST = 640
"""To this a short side may be shrunk, in pixels; what is longer than a tile then is cut into
several, each with as many pixels as a square one at most."""

RUNS = 4
"""Most runs of the largest size that a page may take at one scale; else it is shrunk further."""

LEAST = 3
"""Shortest side of a box, in pixels of the run, as with RapidOCR."""

OVERLAP = 192
"""Of neighbouring tiles, in pixels of the run: higher than a line."""

MARGIN = 16
"""Ground around the page, in pixels of the run."""

AROUND = 2 * MARGIN + MULTIPLE
"""By so much a side is longer at most when it is shown, in pixels of the run."""

SMALL = 15
"""Median height of the boxes, in pixels of the run, below which a shrunk page is shown larger.

Lines of 24 px were read alike at any scale from 1 to 0.29, where their boxes have 10; lines of 5 px
have boxes of 10 to 16 that miss them. Of 34 real pages the shrunk ones have 19 and more. What is
small on the page itself is not enlarged: lines of 6 to 8 px were read with 12, 7 and 3 % of errors
as they are, with 20, 9 and 3 % enlarged two times."""

ENOUGH = 24
"""Median height of the boxes at which it then is shown."""

LARGE = 160
"""Median height of the boxes above which a page is shown smaller: of letters of 300 px and more
each was a box of its own, or none."""

CUT = 3
"""A box that comes so near to the edge of its tile may be cut there, in pixels of the run."""


class _Tile(NamedTuple):
    """A part of the page, in its pixels."""

    left: int
    top: int
    right: int
    bottom: int


def detect(
    run: Run, pixels: np.ndarray, *, max_pixels: int, half_first: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Find the lines of a page.

    Args:
        run: runs the detector once.
        pixels: uint8, shape (H, W, 3), BGR.
        max_pixels: most pixels of one run.
        half_first: whether a page whose text looks large is shown at half the size first. The whole
            size follows unless all text that is found there is large and none seems to be missed.

    Returns:
        Boxes, float32, shape (N, 4, 2): corners [x, y] in pixels of the page, clockwise from the
        top left of the text as `upright_corners` takes it; and their scores, float32, shape (N,),
        in the same order, which is no reading order.
    """
    height, width = pixels.shape[:2]
    short, long = sorted((height, width))
    most = RUNS * max_pixels / ((width + AROUND) * (height + AROUND))
    whole = 1.0 if long <= TILE else min(1.0, max(SHRUNK / long, NARROWEST / short))
    whole = min(whole, most)
    scale = whole / 2 if half_first and looks_large(pixels, whole / 2) else whole
    boxes, scores = _detect_at(run, pixels, scale, max_pixels=max_pixels)
    if scale < whole and not is_all_large(pixels, scale, boxes):
        scale = whole
        boxes, scores = _detect_at(run, pixels, scale, max_pixels=max_pixels)
    better = min(most, _better_scale(boxes, scale))
    if better != scale:
        boxes, scores = _detect_at(run, pixels, better, max_pixels=max_pixels)
    return boxes, scores


def _better_scale(boxes: np.ndarray, scale: float) -> float:
    """The scale at which most lines of a page have a size that the detector knows."""
    if not len(boxes):
        return scale
    heights = scale * np.linalg.norm(boxes[:, 1:3] - boxes[:, :2], axis=2).min(1)
    most = float(np.median(heights))
    if most < SMALL:
        return min(1.0, scale * ENOUGH / most)
    if most > LARGE:
        return scale * min(1.0, max(LARGE / 2 / most, SMALL / float(heights.min())))
    return scale


def _detect_at(
    run: Run, pixels: np.ndarray, scale: float, *, max_pixels: int
) -> tuple[np.ndarray, np.ndarray]:
    height, width = pixels.shape[:2]
    area = min((TILE + AROUND) ** 2, max_pixels)
    short = min(math.isqrt(area), round(min(width, height) * scale) + AROUND)
    side = (area / short - AROUND) / scale + 1  # of rounding
    tiles = [
        _Tile(left, top, right, bottom)
        for top, bottom in _cuts(height, side, OVERLAP / scale)
        for left, right in _cuts(width, side, OVERLAP / scale)
    ]
    found = [_detect_in(run, pixels, tile, scale) for tile in tiles]
    boxes, scores = (
        _merged(found, tiles, (width, height), CUT / scale) if len(tiles) > 1 else found[0]
    )
    return upright_corners(boxes), scores


def _detect_in(
    run: Run, pixels: np.ndarray, tile: _Tile, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    part = pixels[tile.top : tile.bottom, tile.left : tile.right]
    sides = part.shape[1], part.shape[0]
    size = [max(1, round(side * scale)) for side in sides]
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    shown = part if tuple(size) == sides else cv2.resize(part, size, interpolation=how)
    boxes, scores = run(_on_ground(shown))
    corners = (boxes - MARGIN) * np.divide(sides, size)
    corners = corners.reshape(-1, 4, 2).clip(0, sides)
    lengths = np.linalg.norm(corners[:, 1:3] - corners[:, :2], axis=2)
    kept = lengths.min(1) * scale >= LEAST  # not those of the margin
    placed = corners[kept] + np.array([tile.left, tile.top])
    return placed.astype(np.float32), np.asarray(scores, np.float32)[kept]


def _merged(
    found: list[tuple[np.ndarray, np.ndarray]],
    tiles: list[_Tile],
    page: tuple[int, int],
    nearest: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Have each line once: unite what neighbouring tiles found of it.

    A line may be whole in both tiles, whole in one and cut in the other, or longer than a tile and
    cut in both. In each case the rectangle around both parts is the line.
    """
    boxes = np.concatenate([boxes for boxes, _ in found])
    scores = np.concatenate([scores for _, scores in found])
    tile_of = np.repeat(np.arange(len(tiles)), [len(boxes) for boxes, _ in found])
    low, high = boxes.min(1), boxes.max(1)
    edges = np.array(tiles, np.float32)[tile_of]
    inner = (edges > 0) & (edges < np.array([*page, *page]))
    near = np.abs(np.hstack([low, high]) - edges) <= nearest
    cut = np.any(near & inner, axis=1)
    parent = list(range(len(boxes)))

    def root(box: int) -> int:
        while parent[box] != box:
            box = parent[box]
        return box

    left_top, right_bottom = np.hsplit(np.array(tiles, np.float32), 2)
    seen = (low[:, None] < right_bottom).all(2) & (high[:, None] > left_top).all(2)
    shared = np.flatnonzero(seen.sum(1) > 1)  # those that another tile may have found too
    for one in shared.tolist():
        touching = (low[shared] < high[one]).all(1) & (high[shared] > low[one]).all(1)
        for other in shared[touching & (tile_of[shared] > tile_of[one])].tolist():
            common = _common(edges[one], edges[other])
            if _same_line(boxes[one], boxes[other], common, cut=bool(cut[one] or cut[other])):
                parent[root(other)] = root(one)
    groups: dict[int, list[int]] = {}
    for box in range(len(boxes)):
        groups.setdefault(root(box), []).append(box)
    united = [
        boxes[group[0]] if len(group) == 1 else _around(boxes[group].reshape(-1, 2), page)
        for group in groups.values()
    ]
    best = [scores[group].max() for group in groups.values()]
    return np.array(united, np.float32).reshape(-1, 4, 2), np.array(best, np.float32)


def _common(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The rectangle that two tiles have in common, as four corners."""
    left, top = np.maximum(one[:2], other[:2])
    right, bottom = np.minimum(one[2:], other[2:])
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)


def _same_line(one: np.ndarray, other: np.ndarray, common: np.ndarray, *, cut: bool) -> bool:
    """Whether two boxes are of one line, by what of them lies where both tiles look."""
    first, part = cv2.intersectConvexConvex(one, common)
    second, counterpart = cv2.intersectConvexConvex(other, common)
    if not first or not second:
        return False
    both, _ = cv2.intersectConvexConvex(part, counterpart)
    whole = min(first, second) if cut else first + second - both
    return bool(both > 0.5 * whole)


def _around(points: np.ndarray, page: tuple[int, int]) -> np.ndarray:
    return np.asarray(cv2.boxPoints(cv2.minAreaRect(points))).clip(0, page)


def _cuts(length: int, side: float, overlap: float) -> Iterator[tuple[int, int]]:
    """Equal parts of a length, each at most `side`, that overlap at least so far."""
    count = 1 if length <= side else math.ceil((length - overlap) / (side - overlap))
    part = length if count == 1 else (length + (count - 1) * overlap) / count
    for number in range(count):
        start = 0 if count == 1 else number * (length - part) / (count - 1)
        yield math.floor(start), min(length, math.ceil(start + part))


def _on_ground(part: np.ndarray) -> np.ndarray:
    """Surround a part of a page with a margin of its ground, to sides that the detector takes."""
    height, width = part.shape[:2]
    ring = np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]])
    right, bottom = (MARGIN + -(length + 2 * MARGIN) % MULTIPLE for length in (width, height))
    color = np.median(ring, 0).tolist()
    how = cv2.BORDER_CONSTANT
    return np.asarray(cv2.copyMakeBorder(part, MARGIN, bottom, MARGIN, right, how, value=color))


def upright_corners(boxes: np.ndarray) -> np.ndarray:
    """Order the corners of boxes clockwise, from the left end of the side nearest to horizontal.

    That is the top left of a line that is skewed by less than 45 degrees, and of a column that
    leans so far. RapidOCR takes the two leftmost corners for the left side, so that a column that
    leans by 5 degrees begins at its right, or at its foot (RapidAI/RapidOCR#706).

    Args:
        boxes: shape (N, 4, 2), corners of rectangles in any order; x to the right, y down.
    """
    from_middle = boxes - boxes.mean(1, keepdims=True)
    angles = np.arctan2(from_middle[:, :, 1], from_middle[:, :, 0])
    clockwise = np.take_along_axis(boxes, np.argsort(angles, 1)[:, :, None], 1)
    sides = np.roll(clockwise, -1, 1) - clockwise
    lengths = np.maximum(np.linalg.norm(sides, axis=2), 1e-6)
    first = np.argmax(sides[:, :, 0] / lengths, 1)
    return np.take_along_axis(clockwise, (first[:, None] + np.arange(4))[:, :, None] % 4, 1)
