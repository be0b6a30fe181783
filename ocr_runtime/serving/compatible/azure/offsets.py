"""A text and how offsets in it are counted -> the offset of each of its characters.

Azure counts what a person sees as one character (`textElements`), code points of Unicode, or units
of UTF-16: `stringIndexType` says which.
"""

import unicodedata
from itertools import accumulate
from typing import Literal

StringIndexType = Literal["textElements", "unicodeCodePoint", "utf16CodeUnit"]

_JOINER = "\u200d"
_GO_ON = frozenset(f"\u200c{_JOINER}\u0e33\u0eb3")
"""Go on with what is before them, besides all marks: two joiners, and vowels of Thai and Lao."""
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)
_LATER_JAMO = range(0x1160, 0x1200)
"""Vowels and finals of a syllable of Hangul that is written in single letters."""


def offsets(text: str, counted: StringIndexType) -> list[int]:
    """Return how much is before each character of a text, and, last, before its end."""
    if counted == "unicodeCodePoint" or (text.isascii() and "\r" not in text):
        return list(range(len(text) + 1))
    if counted == "utf16CodeUnit":
        return list(accumulate((1 + (character > "\uffff") for character in text), initial=0))
    return list(accumulate(_begins(text), initial=0))


def _begins(text: str) -> list[int]:
    """For each character 1 if it begins a text element, else 0.

    These are the rules of https://unicode.org/reports/tr29/ for extended grapheme clusters, but
    for those about Indic conjuncts and prepended marks.
    """
    found: list[int] = []
    before, flags = "", 0
    for character in text:
        code = ord(character)
        flags = flags + 1 if code in _FLAG_LETTERS else 0
        goes_on = (
            unicodedata.category(character).startswith("M")
            or character in _GO_ON
            or code in _SKIN_TONES
            or code in _LATER_JAMO
            or (before == _JOINER and unicodedata.category(character) == "So")
            or (flags > 0 and flags % 2 == 0)
        )
        after_break = before in ("", "\r", "\n")
        found.append(0 if (goes_on and not after_break) or before + character == "\r\n" else 1)
        before = character
    return found
