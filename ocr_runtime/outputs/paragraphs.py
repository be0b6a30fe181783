"""The rows of a paragraph -> its text, with line breaks only where the page means them."""

from collections.abc import Sequence
from itertools import pairwise

from ocr_runtime.outputs.geometry import Frame
from ocr_runtime.reading.page import Line
from ocr_runtime.reading.scripts import is_cjk

_HYPHENS = "-\u00ad\u2010"
"""Hyphen-minus, soft hyphen, hyphen."""

_SLACK = 1.5
"""How many more characters than the next word a row has room for if it ends on purpose. On the
drawn pages, rows whose end is no line break, but the first of a paragraph, have up to 1.3; those
that are a line break 1.8 to 27, but for some in Chinese with less."""


def text_of(row: Sequence[Line]) -> str:
    """The text of what stands on one baseline, with single spaces."""
    return " ".join(" ".join(line.text or "" for line in row).split())


def broken(rows: Sequence[Sequence[Line]]) -> list[str]:
    """Join the rows of a paragraph to lines that end where the page means it; see `breaks`."""
    rows = [row for row in rows if text_of(row)]
    if not rows:
        return []
    lines = [[text_of(rows[0])]]
    for breaks_here, row in zip(breaks(rows), rows[1:], strict=True):
        if breaks_here:
            lines.append([])
        lines[-1].append(text_of(row))
    return [joined(line) for line in lines]


def breaks(rows: Sequence[Sequence[Line]]) -> list[bool]:
    """Tell for each row of a paragraph but the last whether the page means its end.

    It does after a row on which the first word of the next one would have had room: the lines of
    an address or of a poem, the last line of a paragraph.

    Args:
        rows: all with text.
    """
    lengths = [_length(row) for row in rows]
    longest = max(lengths, default=0.0)
    found = []
    for (row, after), length in zip(pairwise(rows), lengths, strict=False):
        text, word = text_of(row), _first_word(text_of(after))
        character = length / len(text)
        found.append(length + (1 + len(word) + _SLACK) * character < longest)
    return found


def joined(rows: Sequence[str]) -> str:
    """Join rows: with a space, without one in Chinese and Japanese, without a hyphen at their ends.

    A hyphen at the end of a row is taken for one that only parts a word if a letter stands before
    it and the next row goes on with a small letter. A compound ("long-" / "term") loses its
    hyphen by this; telling it from a divided word takes a dictionary.
    """
    text = ""
    for row in rows:
        if not text or not row:
            text += row
        elif _is_divided(text, row) and row[0].islower():
            text = text[:-1] + row
        elif is_cjk(text[-1]) and is_cjk(row[0]):
            text += row
        else:
            text = f"{text} {row}"
    return text


def separator(row: str, after: str) -> str:
    """Return what stands between two rows of a paragraph in one line that leaves both as they are.

    That is a space, but nothing in Chinese and Japanese, and nothing after the hyphen of a word.
    """
    parts = not row or not after or _is_divided(row, after)
    return "" if parts or (is_cjk(row[-1]) and is_cjk(after[0])) else " "


def _is_divided(row: str, after: str) -> bool:
    """Whether a row ends with the hyphen of a word that goes on in the next one."""
    return row[-1] in _HYPHENS and row[-2:-1].isalpha() and after[0].isalpha()


def _length(row: Sequence[Line]) -> float:
    """How far a row reaches in the direction in which it is read, in pixels; 0 without boxes."""
    boxes = [line.box for line in row if line.box is not None]
    return Frame.of_row(row).extent(boxes).width if boxes else 0.0


def _first_word(text: str) -> str:
    return text[0] if is_cjk(text[0]) else text.split(maxsplit=1)[0]
