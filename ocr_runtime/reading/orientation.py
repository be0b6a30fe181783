"""Which way up is a page, and which way round each of its lines.

    boxes, crops --votes, readings--> clockwise angle that brings the page upright
    crops --read, doubtful ones another way too--> the better reading of each, and how it was turned

What costs nothing is asked first. Boxes say whether the lines stand on end. RapidOCR's direction
classifier, shown parts of lines in the shape that it was trained for, not whole lines squeezed to
it, says whether some are upside down. Only where these speak against the page as it is are a few
of its lines read in each way; the recogniser's own confidence decides.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

import cv2
import numpy as np

from ocr_runtime.reading.page import Angle
from ocr_runtime.reading.scripts import is_wide

Classify = Callable[[list[np.ndarray]], Sequence[float]]
"""Crops -> for each the probability that it is upside down."""

Turn = Literal[0, 90, 180]
"""By how many degrees clockwise a crop was turned before it was read."""


class Reading(Protocol):
    """What the recogniser makes of a crop: an empty text has the score 0."""

    @property
    def text(self) -> str: ...

    @property
    def score(self) -> float: ...


R = TypeVar("R", bound=Reading)

Read = Callable[[list[np.ndarray]], Sequence[R]]
"""Crops -> the reading of each."""

TALL = 1.5
"""Height by width from which RapidOCR turns a crop by 90 degrees counter-clockwise."""

VOTERS = 6
"""Lines that say which way up the page is."""

READERS = 5
"""Lines that are read in each way where the vote is against the page."""

CLASSIFIED = 4.0
"""Width by height of what the classifier was trained with: 192 x 48 pixels."""

READ = 320 / 48
"""Width by height of the smallest image that the recogniser takes: shorter ones cost as much."""

CONFIDENT = 0.97
"""Score from which a line stands as it was read: five of six lines of real upright pages have it,
and of 300 drawn lines read upside down none."""

FEW = 3.0
"""Height by width up to which a tall box may hold single characters, as the digit of a cell."""

FEWEST = 3
"""Lines of a page from which it is asked whether they are columns: of fewer it costs too much."""

GLANCE = 2
"""Lines that are looked at first where the others may then be left out."""

LEGIBLE = 0.8
"""Mean score of columns of upright characters: the first ones of three drawn and real pages have
0.94 to 0.99, upside down 0 to 0.7."""

SURE = 0.1
"""By so much a reading turned by 90 degrees must be more confident. Lines on their side were read
with a mean of 0.9 and more, those upside down with 0.3 to 0.8."""


def find_orientation(
    boxes: np.ndarray, crops: Sequence[np.ndarray], *, classify: Classify, read: Read[Reading]
) -> Angle:
    """Say by which clockwise angle a page becomes upright; 0 where that is unsure.

    Args:
        boxes: float32, shape (N, 4, 2), corners clockwise from the top left; pixels.
        crops: the N crops, uint8, BGR, those of tall boxes turned by 90 degrees counter-clockwise.
        classify: is called with at most `VOTERS` parts of lines.
        read: is called with at most `READERS` parts of lines in each of two or three ways, and only
            if the lines stand on end or the vote is against the page; where they stand on end with
            `GLANCE` of them before, which tell an upright page of columns.
    """
    widths, heights = _sides(boxes)
    lengths = np.maximum(widths, heights)
    tall = heights >= TALL * widths
    sideways = bool(lengths[tall].sum() > lengths.sum() / 2)
    voters = [
        crops[i]
        for i in np.argsort(-lengths, kind="stable")
        if tall[i] == sideways and crops[i].size
    ]
    if not voters:
        return 0
    windows = [window(crop, READ) for crop in voters[:READERS]]
    if sideways:
        return 0 if _upright_columns(windows[:GLANCE], read) else _side(windows, read)
    vote = float(np.mean(classify([window(crop, CLASSIFIED) for crop in voters[:VOTERS]])))
    if vote < 0.5:
        return 0
    as_cut, upside_down, _ = _both_ways(windows, read)
    return 180 if upside_down > as_cut + _gain_needed(vote) else 0


def _side(windows: list[np.ndarray], read: Read[Reading]) -> Angle:
    """Say on which side a page lies whose lines stand on end; 0 where that is unsure."""
    as_cut, upside_down, readings = _both_ways(windows, read)
    if abs(as_cut - upside_down) < SURE:
        return 0
    if as_cut > upside_down:
        return 0 if _columns(windows, readings[: len(windows)], read) else 270
    around = [turned(each, 180) for each in windows]
    return 180 if _columns(around, readings[len(windows) :], read) else 90


def _both_ways(
    windows: list[np.ndarray], read: Read[Reading]
) -> tuple[float, float, Sequence[Reading]]:
    """Mean score of lines as they were cut, that of the same upside down, and the readings."""
    readings = read(windows + [turned(each, 180) for each in windows])
    as_cut, upside_down = np.reshape([reading.score for reading in readings], (2, -1)).mean(1)
    return float(as_cut), float(upside_down), readings


def _upright_columns(crops: list[np.ndarray], read: Read[Reading]) -> bool:
    """Whether a page whose lines stand on end is upright: a page of columns, as most such are."""
    readings = read(crops)
    legible = np.mean([reading.score for reading in readings]) >= LEGIBLE
    return bool(legible) and _columns(crops, readings, read)


def _columns(crops: list[np.ndarray], readings: Sequence[Reading], read: Read[Reading]) -> bool:
    """Tell columns of upright characters from lines on their side.

    The recogniser reads either as they lie. So the characters are put in a row, each turned as it
    stands in the column: then they are read if they are upright, and hardly if they lie.
    """
    if not is_wide("".join(reading.text for reading in readings)):
        return False
    rows = [reading.score for reading in read([characters_in_row(crop) for crop in crops])]
    return bool(np.mean(rows) > 0.7 * np.mean([reading.score for reading in readings]))


def columns_on_their_side(
    boxes: np.ndarray,
    crops: Sequence[np.ndarray],
    readings: Sequence[Reading],
    *,
    read: Read[Reading],
) -> bool:
    """Whether what was read as lines are columns of a page that lies on its left side.

    Such characters are read as they lie, and only the order of the columns would be wrong. So the
    page is to be turned by 90 degrees more.

    Args:
        boxes: as for `find_orientation`, of the page as it was read.
        crops: as for `find_orientation`.
        readings: of the crops.
        read: is called at most twice, and not where the text is not of such a script.
    """
    widths, heights = _sides(boxes)
    lines = [i for i in np.argsort(-widths, kind="stable") if widths[i] >= FEW * heights[i]]
    if len(lines) < FEWEST or not is_wide("".join(reading.text for reading in readings)):
        return False
    windows = [window(crops[i], READ) for i in lines[:READERS]]
    as_read = [readings[i] for i in lines[:READERS]]
    return all(_columns(windows[part], as_read[part], read) for part in (slice(1), slice(1, None)))


def read_lines(
    boxes: np.ndarray,
    crops: Sequence[np.ndarray],
    *,
    classify: Classify,
    read: Read[R],
) -> list[tuple[R, Turn]]:
    """Read the lines of an upright page, each in the direction in which it reads best.

    A line read with confidence stands as it is. One that is not is read upside down too, and what
    is tall but holds only a character or two also as it stands on the page; the most confident
    reading is taken.

    Args:
        boxes: as for `find_orientation`.
        crops: as for `find_orientation`.
        classify: is called at most once, with parts of the lines that are hard to tell.
        read: is called at most twice.

    Returns:
        For each line its reading, and how its crop was turned for that.
    """
    first = list(read(list(crops)))
    scores = [reading.score for reading in first]
    others = _doubts(crops, first, classify)
    others += [
        (line, 90, SURE)
        for line, (width, height) in enumerate(zip(*_sides(boxes), strict=True))
        if TALL * width <= height <= FEW * width and scores[line] < CONFIDENT
    ]
    best: list[tuple[R, Turn]] = [(reading, 0) for reading in first]
    if others:
        again = read([turned(crops[line], turn) for line, turn, _ in others])
        for (line, turn, gain), reading in zip(others, again, strict=True):
            if reading.score > max(scores[line] + gain, best[line][0].score):
                best[line] = reading, turn
    return best


def _doubts(
    crops: Sequence[np.ndarray], readings: Sequence[Reading], classify: Classify
) -> list[tuple[int, Turn, float]]:
    """The lines that may be upside down: number, turn, gain of confidence that it must bring."""
    scores = [reading.score for reading in readings]
    short = [
        _is_too_short(reading.text, crop) for crop, reading in zip(crops, readings, strict=True)
    ]
    unsure = [line for line, score in enumerate(scores) if score < CONFIDENT or short[line]]
    if not unsure:
        return []
    votes = classify([window(crops[line], CLASSIFIED) for line in unsure])
    needed = [
        min(_gain_needed(vote), 0) if short[line] else _gain_needed(vote)
        for line, vote in zip(unsure, votes, strict=True)
    ]
    return [
        (line, 180, gain)
        for line, gain in zip(unsure, needed, strict=True)
        if scores[line] + gain < 1
    ]


def _is_too_short(text: str, crop: np.ndarray) -> bool:
    """Whether a line is four times as long as that many characters would be, each a square.

    Of 2,000 drawn lines one of eight characters was read upside down as one dash, with confidence.
    """
    height, width = crop.shape[:2]
    return bool(width > 4 * height * max(1, len(text)))


def _gain_needed(vote: float) -> float:
    """By how much a reading upside down must be more confident, given the classifier's vote.

    Measured on 900 drawn lines, read both ways, and on 2,400 of real pages. By the scores alone 15
    upright real lines were turned (a 9 became a 6); so only a few of one character or illegible
    ones. No upright drawn line was turned. Of those upside down one was missed, and two of 279
    others, all short and made of characters that are characters upside down too ("dgn99u").
    Of 2,000 further ones two such ("xqzuc", "gduqs") needed 0.055 instead of 0.06, which turned
    none of 3,385 lines of real and drawn pages that was not turned before.
    """
    likely = min(max(vote, 1e-6), 1 - 1e-6)
    return 0.055 - 0.01 * math.log(likely / (1 - likely))


def turned(pixels: np.ndarray, angle: int) -> np.ndarray:
    """Turn a page or a crop clockwise by a multiple of 90 degrees."""
    return np.ascontiguousarray(np.rot90(pixels, -angle // 90))


def boxes_as_sent(boxes: np.ndarray, angle: int, width: int, height: int) -> np.ndarray:
    """Bring boxes of a turned page into the frame of the page as it was sent.

    Args:
        boxes: float32, shape (..., 2), points in pixels of the turned page.
        angle: degrees clockwise by which the page was turned.
        width: of the page as it was sent.
        height: of the page as it was sent.
    """
    x, y = boxes[..., 0], boxes[..., 1]
    back = {0: (x, y), 90: (y, height - x), 180: (width - x, height - y), 270: (width - y, x)}
    return np.stack(back[angle], -1)


def text_corners(box: np.ndarray, turn: Turn, text: str) -> np.ndarray:
    """Order the corners of a line's box from the top left of its text as it was read.

    The side from the first to the second corner then is the direction of reading, but for columns
    of upright characters, which are read along that from the first to the last.

    Args:
        box: float32, shape (4, 2), corners clockwise from the top left.
        turn: how its crop was turned to be read.
        text: what was read.
    """
    if turn == 90:
        return box
    (width,), (height,) = _sides(box)
    lies = height >= TALL * width and not is_wide(text)
    return np.roll(box, -(lies + turn // 90), 0)


def _sides(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Widths and heights, float32, shape (N,)."""
    corners = boxes.reshape(-1, 4, 2)
    return (
        np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1),
        np.linalg.norm(corners[:, 3] - corners[:, 0], axis=1),
    )


def window(crop: np.ndarray, ratio: float) -> np.ndarray:
    """The middle of a line, at most `ratio` times as wide as it is high."""
    height, width = crop.shape[:2]
    kept = min(width, round(height * ratio))
    start = (width - kept) // 2
    return crop[:, start : start + kept]


def characters_in_row(crop: np.ndarray) -> np.ndarray:
    """Put the characters of a column upright in a row.

    Args:
        crop: the column, turned by 90 degrees counter-clockwise.

    Returns:
        Its parts between gaps, none much longer than the column is wide, each turned back.
    """
    gray = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)
    _, ink = cv2.threshold(gray, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    if ink.mean() > 0.5:  # dark on light
        ink = 1 - ink
    height, width = crop.shape[:2]
    across = ink.sum(0)
    filled = across > across.min() + height // 20  # lines ruled along the column do not fill a gap
    edges = np.flatnonzero(np.diff(np.concatenate([[False], filled, [False]]).astype(np.int8)))
    parts: list[list[int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if parts and end - parts[-1][0] <= height:
            parts[-1][1] = end
        else:
            parts.append([start, end])
    cuts = [0, *((left[1] + right[0]) // 2 for left, right in itertools.pairwise(parts)), width]
    pieces = [np.rot90(crop[:, start:end], -1) for start, end in itertools.pairwise(cuts)]
    highest = max(piece.shape[0] for piece in pieces)
    return np.hstack([_at_height(piece, highest) for piece in pieces])


def _at_height(piece: np.ndarray, height: int) -> np.ndarray:
    above = (height - piece.shape[0]) // 2
    below = height - piece.shape[0] - above
    return np.asarray(cv2.copyMakeBorder(piece, above, below, 0, 0, cv2.BORDER_REPLICATE))
