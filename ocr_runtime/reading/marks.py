"""A column of upright characters and its reading -> the reading with the column's marks.

    crops, readings --find marks, put the characters in a row, read again--> readings

RapidOCR reads a column turned by 90 degrees counter-clockwise. So lie its characters, which the
recogniser knows; but a comma at the right of its square is then one at the top and read as a quote,
and a full stop is mostly not read at all. In a row, each character upright and the marks where they
stand in horizontal text, both are read.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ocr_runtime.reading.ink import find_ink
from ocr_runtime.reading.recognition import RecognisedLine, Span
from ocr_runtime.reading.scripts import is_cjk, is_cjk_mark

_SMALL = 0.45
"""Longest side of a mark, in sizes of the type: commas and full stops of Noto CJK have up to 0.42.
Larger marks are read as they lie."""

_ALONE = 0.75
"""Least distance between the characters before and after a mark, in sizes of the type: a mark has a
square of its own, a dot of a character is nearer to the rest of it."""

_NEXT = 1.0
"""Farthest end of a mark from the last character that was read, in sizes of the type."""

_LONGEST = 1.05
"""Longest character along the column, in sizes of the type."""

_CELL = 1.1
"""Side of the square of a character in the row, in sizes of the type."""

_SURE = 0.9
"""Least score of a row whose marks are taken: 23 drawn columns have 0.998, ink beside one 0.8."""

_FULL_WIDTH = {",": "\uff0c", ".": "\u3002"}


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """Ink of a column between two gaps, in pixels of its crop: a character, a part of one, a mark.

    Args:
        start, end: first column of the crop, and the one after the last.
        top, bottom: the same of its rows.
        mark: whether it is as small as a mark and as far from other ink.
    """

    start: int
    end: int
    top: int
    bottom: int
    mark: bool


def read_marks(
    crops: Sequence[np.ndarray],
    readings: Sequence[RecognisedLine],
    *,
    read: Callable[[list[np.ndarray]], Sequence[RecognisedLine]],
) -> list[RecognisedLine]:
    """Read the marks of columns.

    Args:
        crops: the columns, uint8, BGR, turned so that they run from left to right.
        readings: of the crops.
        read: is called at most once, and not where nothing looks like a mark.
    """
    pieces = [
        _pieces(find_ink(crop), reading) for crop, reading in zip(crops, readings, strict=True)
    ]
    marked = [i for i, column in enumerate(pieces) if any(piece.mark for piece in column)]
    rows = read([_row(crops[i], pieces[i]) for i in marked]) if marked else []
    found = list(readings)
    for i, row in zip(marked, rows, strict=True):
        if row.score >= _SURE:
            found[i] = _with_marks(readings[i], row, pieces[i], crops[i].shape[:2])
    return found


def _pieces(ink: np.ndarray, reading: RecognisedLine) -> list[_Piece]:
    """Part a column at its gaps; parts of characters are joined.

    Args:
        ink: bool (height, width).
        reading: of the column. What is further from its characters than a mark can be is left out.
    """
    height, width = ink.shape
    sides = [
        ((each.right - each.left) * width, (each.bottom - each.top) * height)
        for each in reading.characters
    ]
    size = float(np.median([max(side) for side in sides]))
    filled = np.append(ink.any(axis=0), False)
    filled[: round(reading.characters[0].left * width)] = False
    filled[round(reading.characters[-1].right * width + _NEXT * size) :] = False
    runs = np.flatnonzero(np.diff(filled.astype(np.int8), prepend=0)).reshape(-1, 2).tolist()
    found: list[_Piece] = []
    for i, (start, end) in enumerate(runs):
        rows = np.flatnonzero(ink[:, start:end].any(axis=1))
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        after = runs[i + 1][0] if i + 1 < len(runs) else width + size
        small = max(end - start, bottom - top) <= _SMALL * size
        mark = bool(i and small and after - runs[i - 1][1] >= _ALONE * size)
        piece = _Piece(start=start, end=end, top=top, bottom=bottom, mark=mark)
        last = found[-1] if found else piece
        if found and not mark and not last.mark and end - last.start <= _LONGEST * size:
            found[-1] = replace(
                last, end=end, top=min(last.top, top), bottom=max(last.bottom, bottom)
            )
        else:
            found.append(piece)
    return found


def _row(crop: np.ndarray, pieces: Sequence[_Piece]) -> np.ndarray:
    """Put the characters of a column upright in a row, each in its square.

    Args:
        crop: the column.
        pieces: of it.
    """
    top, bottom = min(piece.top for piece in pieces), max(piece.bottom for piece in pieces)
    longest = max(piece.end - piece.start for piece in pieces)
    side = round(_CELL * max(bottom - top, longest))
    row = np.empty((side, len(pieces) * side, 3), np.uint8)
    row[:] = np.median(crop[::2, ::2].reshape(-1, 3), axis=0)
    for number, piece in enumerate(pieces):
        rows = slice(piece.top, piece.bottom) if piece.mark else slice(top, bottom)
        upright = np.rot90(crop[rows, piece.start : piece.end], -1)
        height, width = upright.shape[:2]
        margin = round((_CELL - 1) / 2 * side)
        x, y = (side - width) // 2, (side - height) // 2
        if piece.mark:
            x, y = margin, side - margin - height
        x += number * side
        row[y : y + height, x : x + width] = upright
    return row


def _with_marks(
    reading: RecognisedLine, row: RecognisedLine, pieces: Sequence[_Piece], shape: tuple[int, ...]
) -> RecognisedLine:
    """Put the marks that were read in the row into the reading of the column."""
    height, width = shape
    characters = list(reading.characters)
    for number, piece in enumerate(pieces):
        seen = [
            each
            for each in row.characters
            if int((each.left + each.right) / 2 * len(pieces)) == number
        ]
        text = _FULL_WIDTH.get(seen[0].text, seen[0].text) if len(seen) == 1 else ""
        if not piece.mark or not text or not is_cjk_mark(text):
            continue
        start, end = piece.start / width, piece.end / width
        mark = Span(
            text, seen[0].score, start, end, piece.top / height, piece.bottom / height, spaced=False
        )
        before, after = pieces[number - 1], pieces[number + 1 : number + 2]
        begin = after[0].start / width if after else 1.0
        characters = [
            *(_cut(each, right=before.end / width) for each in characters if _middle(each) < start),
            mark,
            *(_cut(each, left=begin) for each in characters if _middle(each) >= end),
        ]
    return replace(reading, characters=tuple(characters))


def _middle(character: Span) -> float:
    return (character.left + character.right) / 2


def _cut(character: Span, *, left: float = 0.0, right: float = 1.0) -> Span:
    """Bound a character to one side of a mark; beside the mark there is no space."""
    beside = character.left <= left
    return replace(
        character,
        left=max(character.left, left),
        right=min(character.right, right),
        spaced=character.spaced and not (beside and left > 0 and is_cjk(character.text)),
    )
