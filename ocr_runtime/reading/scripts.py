"""A character -> does its script write without spaces between words, and in columns."""

import unicodedata

_CJK = (
    (0x2E80, 0x312F),  # radicals, marks, kana, bopomofo
    (0x3190, 0x4DBF),  # annotations, strokes, enclosed, Han extension A
    (0x4E00, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han, compatibility
    (0xFE30, 0xFE4F),  # vertical forms
    (0xFF00, 0xFFEF),  # full and half width forms
    (0x1F200, 0x1F2FF),  # enclosed
    (0x20000, 0x3FFFF),  # Han extensions
)
"""Without Hangul, whose words are spaced. https://www.unicode.org/charts"""

_MARKS = ((0x3000, 0x3020), (0xFF01, 0xFF0F), (0xFF1A, 0xFF20), (0xFF3B, 0xFF40), (0xFF5B, 0xFF65))
"""Punctuation as wide as a character."""


def is_cjk(character: str) -> bool:
    """Chinese or Japanese, its punctuation too."""
    return any(first <= ord(character[0]) <= last for first, last in _CJK)


def is_han(character: str) -> bool:
    """Of the Chinese script, which Japanese uses too."""
    return unicodedata.name(character[0], "").startswith("CJK UNIFIED IDEOGRAPH")


def is_cjk_mark(character: str) -> bool:
    """Chinese or Japanese punctuation, which carries its own space."""
    return any(first <= ord(character[0]) <= last for first, last in _MARKS)


def is_wide(text: str) -> bool:
    """Whether most characters are of scripts that are written in columns too (UAX #11)."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return 2 * wide > len(text)
