"""Lines of a page's own text, and what OCR reads there -> whether the text is to be believed.

`documents.pdf_trust` looks at a page's own text without reading it. A file whose letters were
exchanged for others of the same shape, or Chinese characters for one another, passes there. Reading
two or three lines finds it out, at a small part of the cost of the page.
"""

from collections.abc import Sequence
from difflib import SequenceMatcher

from ocr_runtime.reading.page import Line
from ocr_runtime.reading.scripts import is_cjk

_MIN_CHARACTERS, _MAX_CHARACTERS = 8, 60
_MIN_KNOWN = 0.8
"""Share of the characters. Lines in alphabets that the models do not know say nothing."""

_MIN_ALIKE = 0.5
"""OCR of a line is right in more than nine characters of ten. Two random strings of 40 letters,
each as frequent as in English, are alike by 0.28 in the median, by 0.4 in one case of twenty."""


def lines_to_check(lines: Sequence[Line], *, most: int = 3) -> list[Line]:
    """Choose lines that OCR can read, from all over the page.

    Args:
        lines: of the page's own text.
        most: how many.

    Returns:
        Fewer where few lines are long enough, and consist of ASCII, Chinese and Japanese.
    """
    known = [line for line in lines if _is_known(line.text or "")]
    step = max(1, len(known) / most)
    return [known[int(i * step)] for i in range(min(most, len(known)))]


def agree(own: str, read: str) -> bool:
    """Whether the own text of a line and what OCR read there are the same line.

    Only letters and digits count: OCR confuses punctuation, and loses spaces.
    """
    first, second = _letters(own), _letters(read)
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= _MIN_ALIKE


def _letters(text: str) -> str:
    return "".join(each for each in text.casefold() if each.isalnum())


def _is_known(text: str) -> bool:
    letters = [each for each in text if each.isalnum()]
    known = sum(each.isascii() or is_cjk(each) for each in letters)
    long_enough = _MIN_CHARACTERS <= len(letters) <= _MAX_CHARACTERS
    return long_enough and known >= _MIN_KNOWN * len(letters)
