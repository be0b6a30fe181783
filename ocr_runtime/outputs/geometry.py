"""Boxes of a page -> angles, sizes and extents along the direction in which text is read.

Angles are in degrees clockwise, lengths in pixels of the page as it was sent, x before y.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

from ocr_runtime.reading.page import Box, Page


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
    def of_box(cls, box: Box) -> Self:
        """The frame of one line."""
        return cls(angle_of(box))

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


def angle_of(box: Box) -> float:
    """The angle at which the text of a box runs, from -180 to 180; 0 if the box has no width."""
    (left, top), (right, bottom) = (
        [(box[a][i] + box[b][i]) / 2 for i in (0, 1)] for a, b in ((0, 3), (1, 2))
    )
    return math.degrees(math.atan2(bottom - top, right - left))


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
