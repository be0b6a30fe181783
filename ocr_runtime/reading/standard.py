"""A page, read right: the lines of the profile `standard`.

pixels --halftone--> pixels without screens --detection, crossings--> boxes, crops
       --orientation--> the page upright, boxes, crops again
       --orientation.read_lines--> readings --marks, words--> lines
"""

from dataclasses import dataclass

import numpy as np

from ocr_runtime.reading.crossings import divided
from ocr_runtime.reading.detection import detect
from ocr_runtime.reading.halftone import smoothed
from ocr_runtime.reading.marks import read_marks
from ocr_runtime.reading.orientation import (
    Turn,
    columns_on_their_side,
    find_orientation,
    read_lines,
    text_corners,
    turned,
)
from ocr_runtime.reading.page import Angle, Line, Word
from ocr_runtime.reading.recognition import RecognisedLine
from ocr_runtime.reading.scripts import is_wide
from ocr_runtime.reading.stages import Stages, cut
from ocr_runtime.reading.words import as_read, is_turned, levelled, place, split, whole


@dataclass(frozen=True, kw_only=True)
class HowToRead:
    """What is to be done with one page.

    Args:
        orientation: clockwise angle that brings the page upright; None: to be found.
        directions: whether lines that are upside down are looked for.
        recognise: whether lines are read; else they are only detected.
        text_score: least score of a line.
        words: whether lines get their words, as "words" or as "characters".
    """

    orientation: Angle | None
    directions: bool
    recognise: bool
    text_score: float
    words: str | None


def read_page(stages: Stages, pixels: np.ndarray, how: HowToRead) -> tuple[list[Line], Angle]:
    """Find and read the lines of a page.

    Args:
        stages: RapidOCR's.
        pixels: uint8, shape (H, W, 3), BGR.
        how: what is to be done.

    Returns:
        The lines, boxes in pixels of the upright page, in no order; and the angle that made the
        page upright.
    """
    pixels = smoothed(pixels)
    angle = how.orientation or 0
    boxes, scores, crops = _find(stages, turned(pixels, angle))
    if how.orientation is None:
        angle = find_orientation(boxes, crops, classify=stages.classify, read=stages.recognise)
        if angle:
            boxes, scores, crops = _find(stages, turned(pixels, angle))
    if not how.recognise:
        found = zip(boxes, scores, strict=True)
        return [Line(box=box.tolist(), score=float(score)) for box, score in found], angle
    readings = _readings(stages, boxes, crops, directions=how.directions)
    if how.orientation is None and columns_on_their_side(
        boxes, crops, [reading for reading, _ in readings], read=stages.recognise
    ):
        angle = _ANGLES[(angle + 90) % 360]
        boxes, scores, crops = _find(stages, turned(pixels, angle))
        readings = _readings(stages, boxes, crops, directions=how.directions)
    lines = [
        _line(reading, turn, box, how)
        for (reading, turn), box in zip(_mended(stages, boxes, crops, readings), boxes, strict=True)
        if reading.text.strip() and reading.score >= how.text_score
    ]
    return levelled(lines), angle


_ANGLES: dict[int, Angle] = {0: 0, 90: 90, 180: 180, 270: 270}


def _find(stages: Stages, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Find the boxes of an upright page, their scores and their crops."""
    boxes, scores = detect(
        stages.detect, pixels, max_pixels=stages.max_pixels, half_first=stages.half_first
    )
    boxes, scores = divided(pixels, boxes, scores)
    return boxes, scores, cut(pixels, boxes)


def find_angle(stages: Stages, pixels: np.ndarray) -> Angle:
    """Find the clockwise angle that brings a page upright."""
    boxes, _, crops = _find(stages, pixels)
    return find_orientation(boxes, crops, classify=stages.classify, read=stages.recognise)


def read_line(stages: Stages, pixels: np.ndarray, how: HowToRead) -> Line | None:
    """Read a page that is one line; None if it holds no text."""
    height, width = pixels.shape[:2]
    box = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    ((reading, turn),) = _readings(stages, box[None], [pixels], directions=how.directions)
    if not reading.text.strip() or reading.score < how.text_score:
        return None
    corners = as_read(box.tolist(), turned=False, flipped=turn == 180)
    words = _words(reading, corners, how)
    return Line(text=reading.text, score=reading.score, words=words)


def _readings(
    stages: Stages, boxes: np.ndarray, crops: list[np.ndarray], *, directions: bool
) -> list[tuple[RecognisedLine, Turn]]:
    if directions:
        return read_lines(boxes, crops, classify=stages.classify, read=stages.recognise)
    return [(reading, 0) for reading in stages.recognise(crops)]


def _mended(
    stages: Stages,
    boxes: np.ndarray,
    crops: list[np.ndarray],
    readings: list[tuple[RecognisedLine, Turn]],
) -> list[tuple[RecognisedLine, Turn]]:
    """Drop pieces of other lines, and read the marks in columns of upright characters."""
    turns = [turn for _, turn in readings]
    upright = [turned(crop, turn) for crop, turn in zip(crops, turns, strict=True)]
    found = [
        whole(reading, crop.shape[1] / crop.shape[0])
        for (reading, _), crop in zip(readings, upright, strict=True)
    ]
    columns = [line for line, each in enumerate(found) if _stands(boxes[line], turns[line], each)]
    marked = read_marks(
        [upright[line] for line in columns],
        [found[line] for line in columns],
        read=stages.recognise,
    )
    for line, reading in zip(columns, marked, strict=True):
        found[line] = reading
    return list(zip(found, turns, strict=True))


def _stands(box: np.ndarray, turn: Turn, reading: RecognisedLine) -> bool:
    """Whether a line is a column of upright characters."""
    return is_turned(box) and turn != 90 and is_wide(reading.text)


def _line(reading: RecognisedLine, turn: Turn, box: np.ndarray, how: HowToRead) -> Line:
    lying = is_turned(box) and turn != 90
    crop_corners = as_read(box.tolist(), turned=lying, flipped=turn == 180)
    return Line(
        text=reading.text,
        score=reading.score,
        box=text_corners(box, turn, reading.text).tolist(),
        words=_words(reading, crop_corners, how, column=_stands(box, turn, reading)),
    )


def _words(
    reading: RecognisedLine, corners: list[list[float]], how: HowToRead, *, column: bool = False
) -> list[Word] | None:
    if how.words is None:
        return None
    spans = split(reading) if how.words == "words" else reading.characters
    return [
        Word(text=span.text, score=span.score, box=place(span, corners, column=column))
        for span in spans
    ]
