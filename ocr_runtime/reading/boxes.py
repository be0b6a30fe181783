"""Lines of a page -> their boxes on the page turned level, as arrays to compute with."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ocr_runtime.reading.page import Line

Ids = npt.NDArray[np.int64]
"""(k,): positions in a sequence of lines."""
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

_SLACK = 0.4
"""In sizes of the type; between the boxes of a newspaper's columns 0.6 were left."""
_FIRST_CJK = "\u2e80"
"""From this character on Unicode has the scripts of East Asia, which are also set vertically."""


@dataclass(frozen=True)
class Boxes:
    """Axis-parallel boxes of lines, one value for each line, in pixels of the page turned level.

    x runs to the right and y down.

    Args:
        left, top, right, bottom: float64 (n,).
        wordy: bool (n,), whether the line is made of words rather than of figures or codes.
        flowing: bool (n,), whether the line begins in the midst of a sentence.
        vertical: bool (n,), whether its characters stand below one another.
        sideways: bool (n,), whether it is a line turned by a quarter, like a note in a margin.
    """

    left: Floats
    top: Floats
    right: Floats
    bottom: Floats
    wordy: Flags
    flowing: Flags
    vertical: Flags
    sideways: Flags

    @classmethod
    def of(cls, lines: Sequence[Line]) -> "Boxes":
        """Place lines, all with a box, on the page turned by the median skew of its lines."""
        corners = np.array([line.box for line in lines], np.float64)  # (n, 4, 2)
        middle = corners.mean(1)
        sides = _sides(corners)
        turn = -_skew_of(sides)
        cosine, sine = math.cos(turn), math.sin(turn)
        rotated = np.array([[cosine, sine], [-sine, cosine]])
        x, y = (middle @ rotated).T
        lengths = np.hypot(sides[..., 0], sides[..., 1])
        steep = np.abs(sides[..., 1]) / np.maximum(lengths, 1e-9)
        swapped = steep[:, 0] > steep[:, 1]  # begins at another corner
        width = np.where(swapped, lengths[:, 1], lengths[:, 0])
        height = np.where(swapped, lengths[:, 0], lengths[:, 1])
        texts = [line.text for line in lines]
        vertical = np.array(list(map(_may_be_vertical, texts)), bool)
        several = np.array([text is not None and len(text) > 2 for text in texts], bool)
        return cls(
            left=x - width / 2,
            top=y - height / 2,
            right=x + width / 2,
            bottom=y + height / 2,
            wordy=np.array(list(map(_is_wordy, texts)), bool),
            flowing=np.array([text is not None and text[:1].islower() for text in texts], bool),
            vertical=vertical & (height >= 2 * width),
            sideways=~vertical & (height >= 3 * width) & several,
        )

    def __len__(self) -> int:
        return len(self.left)

    def __getitem__(self, ids: Ids | Flags | list[int] | slice) -> "Boxes":
        return Boxes(*(values[ids] for values in vars(self).values()))

    @property
    def middle(self) -> Floats:
        return (self.top + self.bottom) / 2

    @property
    def height(self) -> Floats:
        return self.bottom - self.top

    @property
    def width(self) -> Floats:
        return self.right - self.left

    @property
    def size(self) -> Floats:
        """Size of the type, whichever way the line runs."""
        return np.minimum(self.width, self.height)

    @property
    def slack(self) -> Floats:
        """How far a box may reach into a gutter; detectors enlarge their boxes."""
        return _SLACK * self.size

    def mirrored(self) -> "Boxes":
        """The page as it is seen from behind: right becomes left."""
        return replace(self, left=-self.right, right=-self.left)

    def transposed(self) -> "Boxes":
        """Vertical text as if it were horizontal: down becomes right, and leftwards down."""
        return Boxes(
            left=self.top,
            top=-self.right,
            right=self.bottom,
            bottom=-self.left,
            wordy=self.wordy,
            flowing=self.flowing,
            vertical=np.zeros_like(self.vertical),
            sideways=self.sideways,
        )


def joined(a: Boxes, b: Boxes) -> Boxes:
    """The lines of both, those of `b` last."""
    both = zip(vars(a).values(), vars(b).values(), strict=True)
    return Boxes(*(np.concatenate(pair) for pair in both))


def beside(a: Boxes, b: Boxes) -> Flags:
    """Whether two lines share a row: the middle of one lies within the height of the other.

    Returns:
        bool (len(a), len(b)).
    """
    middle_a, middle_b = a.middle[:, None], b.middle[None]
    shared = (a.top[:, None] < middle_b) & (middle_b < a.bottom[:, None])
    shared |= (b.top[None] < middle_a) & (middle_a < b.bottom[None])
    return np.asarray(shared, bool)


def quantile(values: np.ndarray, share: float) -> float:
    """The value below which that share of the values lies, one of them; 0 if there is none."""
    return float(np.sort(values)[int(share * (len(values) - 1))]) if len(values) else 0.0


def skew(lines: Sequence[Line]) -> float:
    """By how many degrees clockwise lines are turned, -45 to 45; 0 if none has a box."""
    corners = np.array([line.box for line in lines if line.box is not None], np.float64)
    return math.degrees(_skew_of(_sides(corners))) if len(corners) else 0.0


def _sides(corners: np.ndarray) -> np.ndarray:
    """Two neighbouring sides of each box as vectors: from left to right, from top to bottom.

    Args:
        corners: float64 (n, 4, 2).

    Returns:
        float64 (n, 2, 2).
    """
    across = corners[:, [1, 2]].mean(1) - corners[:, [0, 3]].mean(1)
    down = corners[:, [3, 2]].mean(1) - corners[:, [0, 1]].mean(1)
    return np.stack([across, down], 1)


def _skew_of(sides: np.ndarray) -> float:
    """The median angle of the longer sides, weighted by how much longer they are, in radians.

    Args:
        sides: float64 (n, 2, 2), two neighbouring sides of each box as vectors.
    """
    lengths = np.hypot(sides[..., 0], sides[..., 1])
    weight = np.abs(lengths[:, 0] - lengths[:, 1])
    longer = sides[np.arange(len(sides)), lengths.argmax(1)]
    angle = np.arctan2(longer[:, 1], longer[:, 0])
    skew = (angle + math.pi / 4) % (math.pi / 2) - math.pi / 4  # of vertical lines too
    order = np.argsort(skew)
    total = weight[order].cumsum()
    return float(skew[order][np.searchsorted(total, total[-1] / 2)])


def _is_wordy(text: str | None) -> bool:
    if text is None:
        return True
    solid = [char for char in text if not char.isspace()]
    words = len(text.split()) + sum(char >= _FIRST_CJK for char in solid)
    return words > 1 and sum(map(str.isalpha, solid)) > len(solid) / 2


def _may_be_vertical(text: str | None) -> bool:
    return text is None or (len(text) > 1 and any(char >= _FIRST_CJK for char in text))
