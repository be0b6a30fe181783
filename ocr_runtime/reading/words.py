"""A recognised line and its box -> its words, each with its own box.

    RecognisedLine --whole, split--> words, or characters --place--> Word with a box on the page
    lines --levelled--> lines whose words lie as the lines of the page do

A word is what stands between spaces; in Chinese and Japanese, which have none, each character is
one. So Latin words and numbers inside a Chinese line are whole.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ocr_runtime.reading.page import Box, Line
from ocr_runtime.reading.recognition import RecognisedLine, Span
from ocr_runtime.reading.scripts import is_cjk, is_wide

_APART = 1.0
"""Least gap between a line and a piece of another one in its crop, in heights of the crop; of 2,080
lines of real pages none has a character that reaches the crop's edge behind a gap of 0.5."""

_SHORT = 6.0
"""Length of a line, in heights, up to which its box may be tilted against the text: of a word whose
one end is low and whose other end is high, as of "Reykjav\u00edk", by 2 degrees."""

_TILT = math.radians(5)
"""Greatest such tilt; what is turned by more is set at an angle."""

_SAME = math.radians(0.5)
"""By how much lines of one direction differ: of those on drawn pages 93 in 100 differ by less from
the median of their page."""

_OFF = 2.0
"""By how many pixels one end of a box may be too low or too high: of the words of a drawn table it
mostly is by 1 or 2."""

_MOST = 0.7
"""Least share of lines, by length, that have the direction of the page; a page with fewer is curled
or has none."""


def whole(line: RecognisedLine, length: float) -> RecognisedLine:
    """Drop a character at an end of a line that its crop cuts off: it is of another line.

    Args:
        line: of a detected box, whose edges go around the ink of its own text.
        length: of the crop, in its heights.
    """
    kept = line.characters
    if len(kept) > 1:
        before, last = kept[-2:]
        if last.left < last.right >= 1 and (last.left - before.right) * length >= _APART:
            kept = kept[:-1]
    if len(kept) > 1:
        first, after = kept[:2]
        if first.right > first.left <= 0 and (after.left - first.right) * length >= _APART:
            kept = kept[1:]
    return replace(line, characters=kept)


def split(line: RecognisedLine) -> list[Span]:
    """Part a line into words, in the order in which they are read."""
    words: list[list[Span]] = []
    for character in line.characters:
        alone = is_cjk(character.text) or (words and is_cjk(words[-1][-1].text))
        if character.spaced or alone or not words:
            words.append([])
        words[-1].append(character)
    return [_joined(word) for word in words]


def _joined(word: Sequence[Span]) -> Span:
    return Span(
        text="".join(character.text for character in word),
        score=sum(character.score for character in word) / len(word),
        left=min(character.left for character in word),
        right=max(character.right for character in word),
        top=min(character.top for character in word),
        bottom=max(character.bottom for character in word),
        spaced=word[0].spaced,
    )


def place(span: Span, box: Box, *, column: bool = False) -> Box:
    """Find the box of a part of a line.

    Args:
        span: the part.
        box: the line's box. Its first corner is the crop's top left, whichever way it lies on
            the page: see `as_read`.
        column: whether the line is a column of upright characters, whose crop was turned by 90
            degrees counter-clockwise. Latin words in it lie on their side.

    Returns:
        The part's box, its first corner the top left as read.
    """
    project = _projection(np.asarray(box, float))
    left, right = span.left, span.right
    corners = ((left, span.top), (right, span.top), (right, span.bottom), (left, span.bottom))
    placed = [project(*corner).tolist() for corner in corners]
    upright = column and is_wide(span.text)
    return [placed[-1], *placed[:-1]] if upright else placed


def _projection(box: np.ndarray) -> Callable[[float, float], np.ndarray]:
    """Map shares of a crop's width and height to the page.

    The inverse of the perspective by which the crop was cut: in a box of 450 x 35 pixels that is
    two pixels higher at one end, the middle of the crop lies 6 pixels off that of the box.
    Heckbert, Fundamentals of Texture Mapping and Image Warping, 1989, 2.2.3, square to quad.
    """
    first, second, third, fourth = box
    bend, right, bottom = first - second + third - fourth, second - third, fourth - third
    area = right[0] * bottom[1] - bottom[0] * right[1]
    g = (bend[0] * bottom[1] - bottom[0] * bend[1]) / area if area else 0.0
    h = (right[0] * bend[1] - bend[0] * right[1]) / area if area else 0.0
    x, y = second - first + g * second, fourth - first + h * fourth
    return lambda across, down: (x * across + y * down + first) / (g * across + h * down + 1)


def as_read(box: Box, *, turned: bool, flipped: bool) -> Box:
    """Begin a box at the corner that is the top left of its crop.

    Args:
        box: corners clockwise from the top left of the page, as detection gives them.
        turned: the crop was tall and turned by 90 degrees counter-clockwise, so that its left is
            the box's top: see `is_turned`.
        flipped: the crop was then turned by 180 degrees.
    """
    first = turned + 2 * flipped
    return [*box[first:], *box[:first]]


def is_turned(box: np.ndarray) -> bool:
    """Tell whether RapidOCR's `get_rotate_crop_image` turns the crop of a box.

    Args:
        box: float (4, 2), in pixels of the image that the crop is cut from.
    """
    sides = np.linalg.norm(box - np.roll(box, -1, axis=0), axis=1)
    width, height = int(max(sides[0], sides[2])), int(max(sides[1], sides[3]))
    return height >= 1.5 * width


def levelled(lines: Sequence[Line]) -> list[Line]:
    """Turn the words of short lines, each about its middle, into the direction of the page's lines.

    Args:
        lines: with their boxes.
    """
    if not lines:
        return []
    boxes = np.array([line.box for line in lines], float)
    sides = np.stack([boxes[:, 1] - boxes[:, 0], boxes[:, 3] - boxes[:, 0]], axis=1)
    lengths = np.linalg.norm(sides, axis=2)
    angles = np.arctan2(sides[:, 0, 1], sides[:, 0, 0])
    angles = (angles + math.pi / 4) % (math.pi / 2) - math.pi / 4  # of columns too
    length = lengths.max(axis=1)
    order = np.argsort(angles)
    total = np.cumsum(length[order])
    page = angles[order][np.searchsorted(total, total[-1] / 2)]
    tilts = angles - page
    same = np.abs(tilts) <= np.maximum(_SAME, _OFF / length.clip(1))
    if length[same].sum() < _MOST * total[-1]:
        return list(lines)
    tilted = (np.abs(tilts) <= _TILT) & (length <= _SHORT * lengths.min(axis=1))
    return [
        _turned(line, -tilts[i]) if tilted[i] and line.words else line
        for i, line in enumerate(lines)
    ]


def _turned(line: Line, angle: float) -> Line:
    """Turn the words of a line about their middles, by an angle clockwise, in radians."""
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    words = []
    for word in line.words or ():
        box = np.array(word.box)
        middle = box.mean(axis=0)
        words.append(replace(word, box=((box - middle) @ turn + middle).tolist()))
    return replace(line, words=words)
