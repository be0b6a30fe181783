"""The text of a page and the lines from which it was written -> where in it each word stands.

plain text or Markdown, lines in the order of the text --Finder.find--> PlacedLine ...
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ocr_runtime.outputs.geometry import page_box
from ocr_runtime.outputs.spacing import spaced_words
from ocr_runtime.reading.page import Box, Line, Page, Word

_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~\n])")
"""An escape of Markdown, or its line break."""

_NEAR = 2000
"""How many characters of markup may stand between two words: of a table with many columns."""
_AHEAD, _SURE = 200, 4
"""After a word that is not in the text, how far ahead the next one may be found, and how many
characters it needs for that."""

_HYPHENS = "-\u00ad\u2010"


@dataclass(frozen=True, kw_only=True)
class PlacedWord:
    """A word, and from where to where it stands in the text of its page."""

    word: Word
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class PlacedLine:
    """A line with text, and from where to where it stands in the text of its page.

    Args:
        text: with single spaces.
        box: where it is on the page.
        words: of the line; a line without words is one.
    """

    text: str
    box: Box
    words: list[PlacedWord]

    @property
    def start(self) -> int:
        return min(word.start for word in self.words)

    @property
    def end(self) -> int:
        return max(word.end for word in self.words)


class Finder:
    """Finds the lines of a page in its text, one after the other.

    Args:
        page: whose lines they are.
        text: that was written of it.
        markdown: whether the text is Markdown.
    """

    def __init__(self, page: Page, text: str, *, markdown: bool) -> None:
        self._page = page
        self._plain, self._positions = (
            _unescaped(text) if markdown else (text, range(len(text) + 1))
        )
        self._cursor = 0

    def find(self, line: Line) -> PlacedLine | None:
        """Find the next line; None if it has no text.

        A word of which nothing is in the text, as the bullet of a list, has no length there.
        """
        text = " ".join((line.text or "").split())
        if not text:
            return None
        box = page_box(self._page) if line.box is None else line.box
        words = [word for word, _ in spaced_words(line)] or [
            Word(text=text, score=line.score, box=box)
        ]
        return PlacedLine(text=text, box=box, words=[self._placed(word) for word in words])

    def _placed(self, word: Word) -> PlacedWord:
        text = " ".join(word.text.split())
        for spelled in (text, text.rstrip(_HYPHENS)):  # Markdown joins divided words
            start = self._plain.find(spelled, self._cursor, self._cursor + _NEAR) if spelled else -1
            if start >= 0 and self._may_follow(start, spelled):
                self._cursor = start + len(spelled)
                end = self._position(self._cursor - 1) + 1
                return PlacedWord(word=word, start=self._position(start), end=end)
        here = self._position(self._cursor)
        return PlacedWord(word=word, start=here, end=here)

    def _may_follow(self, start: int, text: str) -> bool:
        between = self._plain[self._cursor : start]
        near = len(between) <= _AHEAD and len(text) >= _SURE
        return near or not any(map(str.isalnum, between))

    def _position(self, plain: int) -> int:
        return self._positions[plain]


def _unescaped(text: str) -> tuple[str, Sequence[int]]:
    """Return Markdown without its escapes, and where in it each character stood, and its end."""
    characters: list[str] = []
    positions: list[int] = []
    for part, first in _parts(text):
        characters.append(part)
        positions.extend(range(first, first + len(part)))
    return "".join(characters), [*positions, len(text)]


def _parts(text: str) -> Iterator[tuple[str, int]]:
    position = 0
    for escape in _ESCAPED.finditer(text):
        yield text[position : escape.start()], position
        yield escape[1], escape.start() + 1
        position = escape.end()
    yield text[position:], position
