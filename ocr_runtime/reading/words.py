"""A recognised line and its box -> its words, each with its own box.

    RecognisedLine --split--> words, or characters --place--> Word with a box on the page

A word is what stands between spaces; in Chinese and Japanese, which have none, each character is
one. So Latin words and numbers inside a Chinese line are whole.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ocr_runtime.reading.page import Box
from ocr_runtime.reading.recognition import RecognisedLine, Span
from ocr_runtime.reading.scripts import is_cjk, is_wide


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
