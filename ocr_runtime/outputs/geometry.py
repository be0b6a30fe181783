"""Boxes of a page -> angles, sizes and extents along the direction in which text is read.

Angles are in degrees clockwise, lengths in pixels of the page as it was sent, x before y.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from ocr_runtime.reading.page import Box, Line, Page
from ocr_runtime.reading.scripts import is_cjk

_VERTICAL = 1.5
"""How much higher than wide the box of a vertical line is at least: RapidOCR's own bound for
turning a crop, see `reading.words.is_turned`."""


class Extent(NamedTuple):
    """The smallest upright rectangle around some boxes, in the coordinates of a `Frame`."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


@dataclass(frozen=True)
class Frame:
    """Coordinates whose first axis runs along the text, the second from its top to its bottom.

    Both are pixels from the origin of the page as it was sent.

    Args:
        angle: of the text on the page; 0: from left to right, 90: downwards.
    """

    angle: float = 0.0

    @classmethod
    def of_page(cls, page: Page) -> Self:
        """The frame in which the page is upright and its lines are level."""
        return cls(page.skew - page.orientation)

    @classmethod
    def of_row(cls, lines: Sequence[Line]) -> Self:
        """The frame of what stands on one baseline; the longer a line, the more it counts.

        Args:
            lines: those with a box, at least one.
        """
        sides = [_side(line) for line in lines if line.box is not None]
        return cls(math.degrees(math.atan2(sum(y for _, y in sides), sum(x for x, _ in sides))))

    @property
    def along(self) -> tuple[float, float]:
        """The unit vector in which the text runs, on the page. Exact for quarter turns."""
        quarters, rest = divmod(self.angle, 90)
        cosine, sine = math.cos(math.radians(rest)), math.sin(math.radians(rest))
        for _ in range(int(quarters) % 4):
            cosine, sine = -sine, cosine
        return cosine, sine

    def extent(self, boxes: Iterable[Box]) -> Extent:
        """The rectangle around some boxes, at least one."""
        cosine, sine = self.along
        points = [(x * cosine + y * sine, y * cosine - x * sine) for box in boxes for x, y in box]
        across, down = zip(*points, strict=True)
        return Extent(min(across), min(down), max(across), max(down))

    def point(self, across: float, down: float) -> list[float]:
        """Where a point of this frame lies on the page."""
        cosine, sine = self.along
        return [across * cosine - down * sine, across * sine + down * cosine]

    def box(self, extent: Extent) -> Box:
        """The box on the page of a rectangle of this frame."""
        left, top, right, bottom = extent
        return [self.point(*corner) for corner in
                ((left, top), (right, top), (right, bottom), (left, bottom))]  # fmt: skip


def _side(line: Line) -> tuple[float, float]:
    """The vector from where a line begins to where it ends.

    Chinese whose characters stand upright below one another runs along the longer side of its box.
    """
    corners = line.box or []
    if not _is_vertical(line):
        return _middle(corners, 1, 2, 0, 3)
    return _middle(corners, 2, 3, 0, 1)


def _middle(box: Box, *corners: int) -> tuple[float, float]:
    """The vector between the middles of two sides, each given by its corners."""
    a, b, c, d = (box[corner] for corner in corners)
    return (a[0] + b[0] - c[0] - d[0]) / 2, (a[1] + b[1] - c[1] - d[1]) / 2


def _is_vertical(line: Line) -> bool:
    box, text = line.box or [], (line.text or "").strip()
    across, down = math.hypot(*_middle(box, 1, 2, 0, 3)), math.hypot(*_middle(box, 2, 3, 0, 1))
    return len(text) > 1 and is_cjk(text) and down >= _VERTICAL * across


def size_of(box: Box) -> float:
    """The size of a line's type: the shorter of its sides, each the mean of two."""
    sides = [math.dist(box[i], box[(i + 1) % 4]) for i in range(4)]
    return min(sides[0] + sides[2], sides[1] + sides[3]) / 2


def page_box(page: Page) -> Box:
    """The box of all of a page, its first corner the top left of the upright page."""
    width, height = page.width, page.height
    corners: Box = [[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]]
    first = -page.orientation // 90 % 4
    return corners[first:] + corners[:first]
