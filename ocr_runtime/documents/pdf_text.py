"""What `pdf_characters` sends of a page -> its `OwnText`, in pixels."""

from typing import Any, NamedTuple

import numpy as np

from ocr_runtime.documents.own_text import OwnText

_PLACES = 12
"""Numbers of each character: the tight and the loose box, the origin, the direction."""

_BULLETS = {  # of Symbol and Wingdings, where word processors take them from
    0xF0B7: "•",
    0xF06C: "●",
    0xF06E: "■",
    0xF06F: "□",
    0xF076: "❖",
    0xF0A7: "▪",
    0xF0A8: "□",
    0xF0D8: "➢",
    0xF0E0: "→",
    0xF0FC: "✓",
}


class _View(NamedTuple):
    """How points of a page become pixels: x' = m00 x + m01 y + t0, y' = m10 x + m11 y + t1."""

    linear: np.ndarray
    shift: np.ndarray

    @classmethod
    def of(cls, box: list[float], rotation: int, size: tuple[int, int]) -> "_View":
        """Make the view of a page.

        Args:
            box: left, bottom, right, top of what is shown, in points.
            rotation: clockwise quarter turns.
            size: width and height of the picture in pixels.
        """
        left, bottom, right, top = box
        wide, high = right - left, top - bottom
        width, height = size
        if rotation % 2:
            x, y = width / high, height / wide
        else:
            x, y = width / wide, height / high
        linear, shift = {
            0: ([[x, 0], [0, -y]], [-left * x, top * y]),
            1: ([[0, x], [y, 0]], [-bottom * x, -left * y]),
            2: ([[-x, 0], [0, y]], [right * x, -bottom * y]),
            3: ([[0, -x], [-y, 0]], [top * x, right * y]),
        }[rotation % 4]
        return cls(np.array(linear, np.float32), np.array(shift, np.float32))

    def points(self, points: np.ndarray) -> np.ndarray:
        """Move points, shape (N, 2)."""
        moved: np.ndarray = points @ self.linear.T + self.shift
        return moved

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Move boxes (left, bottom, right, top), shape (N, 4), to left, top, right, bottom."""
        corners = np.stack([self.points(boxes[:, :2]), self.points(boxes[:, 2:])])
        return np.hstack([corners.min(axis=0), corners.max(axis=0)])

    def directions(self, vectors: np.ndarray) -> np.ndarray:
        """Move vectors, shape (N, 2), and give them the length 1; (1, 0) where they have none."""
        moved: np.ndarray = vectors @ self.linear.T
        length = np.hypot(moved[:, 0], moved[:, 1])
        usable = np.isfinite(length) & (length > 0)
        moved[~usable], length[~usable] = (1, 0), 1
        moved /= length[:, None]
        return moved


def received(counts: dict[str, Any], data: bytes, *, size: tuple[int, int]) -> OwnText:
    """Take apart what was sent, and move it into the picture.

    Args:
        counts: see `pdf_characters.characters`.
        data: its arrays.
        size: width and height of the rendered page in pixels.

    Returns:
        The characters that lie on the page. The bullets of word processors are real ones.

    Raises:
        ValueError: they do not fit together.
    """
    n, m, k = (int(counts[name]) for name in ("characters", "pictures", "annotations"))
    layout = [("u4", n), ("u1", n), ("f4", _PLACES * n), ("i4", n), ("i4", n)]
    layout += [("f4", 4 * m), ("i4", m), ("u1", m), ("f4", 4 * k)]
    parts, at = [], 0
    for kind, number in layout:
        parts.append(np.frombuffer(data, kind, number, at))
        at += parts[-1].nbytes
    codes, marks, places, fonts, orders, pictures, picture_orders, opaque, annotations = parts
    view = _View.of([float(each) for each in counts["box"]], int(counts["rotation"]), size)
    place = np.nan_to_num(places.reshape(n, _PLACES), posinf=0, neginf=0)
    text = OwnText(
        text="".join(map(_character, codes)),
        tight=view.boxes(place[:, :4]),
        loose=view.boxes(place[:, 4:8]),
        origins=view.points(place[:, 8:10]),
        directions=view.directions(place[:, 10:12]),
        fonts=fonts,
        orders=orders,
        marks=marks,
        pictures=view.boxes(np.nan_to_num(pictures.reshape(m, 4))),
        picture_orders=picture_orders,
        opaque=opaque != 0,
        annotations=view.boxes(np.nan_to_num(annotations.reshape(k, 4))),
    )
    middles = (text.loose[:, :2] + text.loose[:, 2:]) / 2
    return text.only(((middles >= 0) & (middles <= size)).all(axis=1))


def _character(code: int) -> str:
    """Return the character of a number, U+FFFD for one that is none."""
    if code in _BULLETS:
        return _BULLETS[code]
    if code > 0x10FFFF or 0xD800 <= code < 0xE000:
        return "\ufffd"
    return chr(code)
