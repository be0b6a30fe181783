"""Accents that a page's own text draws over letters -> the letters with their accents.

TeX's older fonts have no `é`: a file holds an acute and an `e`, drawn at the same place. PDFium
gives both, the acute first.
"""

import unicodedata

import numpy as np

from ocr_runtime.documents.own_text import OwnText

_COMBINING = {
    "`": "\u0300",
    "\u00b4": "\u0301",
    "^": "\u0302",
    "\u02c6": "\u0302",
    "~": "\u0303",
    "\u02dc": "\u0303",
    "\u00af": "\u0304",
    "\u02d8": "\u0306",
    "\u02d9": "\u0307",
    "\u00a8": "\u0308",
    "\u02da": "\u030a",
    "\u02dd": "\u030b",
    "\u02c7": "\u030c",
    "\u00b8": "\u0327",
}
_DOTTED = {"\u0131": "i", "\u0237": "j"}

_MAX_APART = 0.35
"""Distance of the middles of accent and letter, in heights of the letter's font. A letter that
follows an accent in a word is at least half a height away."""


def with_accents(text: OwnText) -> OwnText:
    """Join each spacing accent with the letter that it is drawn over, the next or the last one."""
    if not any(each in _COMBINING for each in text.text):
        return text
    characters = list(text.text)
    kept = np.ones(len(characters), bool)
    for i, accent in enumerate(text.text):
        for other in (i + 1, i - 1) if accent in _COMBINING else ():
            if not 0 <= other < len(characters) or not _lies_over(text, i, other):
                continue
            letter = _DOTTED.get(characters[other], characters[other])
            joined = unicodedata.normalize("NFC", letter + _COMBINING[accent])
            if len(joined) == 1:
                characters[other], kept[i] = joined, False
                break
    return text.replaced("".join(characters)).only(kept)


def _lies_over(text: OwnText, accent: int, letter: int) -> bool:
    """Whether the middles of two glyphs lie at the same place along the line."""
    along = text.directions[letter]
    first, second = ((text.tight[i, :2] + text.tight[i, 2:]) / 2 @ along for i in (accent, letter))
    across = np.array([-along[1], along[0]])
    extent = np.abs(text.loose[letter, 2:] - text.loose[letter, :2])
    return bool(abs(first - second) < _MAX_APART * (extent @ np.abs(across)))
