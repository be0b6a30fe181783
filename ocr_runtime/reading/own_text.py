"""The text that a page itself holds -> its lines, with words, as if they had been read.

    OwnText --at line ends, gaps and turns--> runs of characters --at spaces--> Word, Line

`layout.arrange` puts the lines in order, as it does with lines that were recognised.
"""

import math
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np

from ocr_runtime.documents.images import PageImage
from ocr_runtime.documents.own_text import Mark, OwnText
from ocr_runtime.reading.accents import with_accents
from ocr_runtime.reading.orientation import boxes_as_sent
from ocr_runtime.reading.page import Angle, Block, Box, Line, Page, Word
from ocr_runtime.reading.scripts import is_cjk

_MAX_GAP = 1.2
"""Distance between two characters of a line, in heights of the font; a space has a quarter. What is
further apart stands in different columns or cells, which OCR also finds apart."""
_MAX_STEP_BACK, _MAX_STEP_ASIDE = 0.5, 0.5
"""The same, from the start of a character to that of the next: backwards, as for an accent that is
drawn over its letter; and across the line, as for a superscript."""
_MAX_TURN = 0.02  # 1 - cosine: 11 degrees

_ABOVE, _BELOW = 0.72, 0.2
"""How far a line's box reaches above and below the baseline, in heights of the font from its
descent to its ascent, which are about 1.17 times its size. A detector draws boxes about so."""
_LIGATURES = {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}
_UNSEEN = dict.fromkeys((0xAD, 0x200B, 0x200C, 0x200D, 0xFEFF), "")  # soft hyphen, zero widths


def upright_lines(
    image: PageImage, *, words: bool, most: int | None = None
) -> tuple[list[Line], Angle]:
    """Read the own text of a page.

    Args:
        image: a page with its own text.
        words: whether lines get their words.
        most: see `lines_of`.

    Returns:
        The lines, boxes in pixels of the upright page, and the clockwise angle that brings the
        page upright: that of most of its characters.
    """
    text = image.own_text or OwnText.empty()
    angle = _angle(text.directions)
    height, width = image.pixels.shape[:2]
    if angle in (90, 270):
        width, height = height, width

    def upright(box: Box) -> Box:
        # The page is the upright page turned back.
        return list(boxes_as_sent(np.array(box), (360 - angle) % 360, width, height).tolist())

    lines = lines_of(text, most=most)
    if angle:
        block = Block(rows=[[line] for line in lines])
        page = Page(width=width, height=height, blocks=[block])
        lines = page.mapped(upright, width=width, height=height).lines
    return [line if words else replace(line, words=None) for line in lines], angle


def _angle(directions: np.ndarray) -> Angle:
    """The clockwise angle that turns most of some directions to the right."""
    quarters = np.rint(np.arctan2(directions[:, 1], directions[:, 0]) / (math.pi / 2))
    turns = np.bincount(quarters.astype(int) % 4, minlength=4)
    angles: tuple[Angle, ...] = (0, 270, 180, 90)
    return angles[int(turns.argmax())]


def lines_of(text: OwnText, *, most: int | None = None) -> list[Line]:
    """Divide a page's own text into lines and words.

    Args:
        text: of the page. What has no meaning, as a control character, is left out.
        most: how many lines; further ones are not looked at. None: all.

    Returns:
        In the order of the file, each with the score 1 and its words; boxes in pixels of the page.
    """
    text = with_accents(text)
    frames = _Frames(text)
    found = (_line(text, frames, run) for run in _runs(text, frames))
    return list(islice((line for line in found if line), most))


class _Frames:
    """Where each character lies along its direction and across it: `u` and `v`, turned clockwise.

    Args:
        text: N characters.
    """

    def __init__(self, text: OwnText) -> None:
        self.u = text.directions
        self.v = np.stack([-self.u[:, 1], self.u[:, 0]], axis=1)
        self.base = _dot(text.origins, self.v)
        self.start, self.end, top, bottom = _extents(text.loose, self.u, self.v)
        slanted = np.abs(self.u).max(axis=1, initial=0) < 0.999
        self.height = bottom - top
        if slanted.any():
            self._measure_slanted(text, slanted)
        self.height = np.maximum(self.height, 1e-3)
        _, _, ink_top, ink_bottom = _extents(text.tight, self.u, self.v)
        ink_top, ink_bottom = (np.where(slanted, self.base, each) for each in (ink_top, ink_bottom))
        self.top = np.minimum(self.base - _ABOVE * self.height, ink_top)
        self.bottom = np.maximum(self.base + _BELOW * self.height, ink_bottom)

    def _measure_slanted(self, text: OwnText, slanted: np.ndarray) -> None:
        """Find the extents of characters whose level boxes are larger than they are.

        A character of the advance `a` and the height `h` that is turned by the angle t has a level
        box of a |cos t| + h |sin t| by a |sin t| + h |cos t|.
        """
        cos, sin = np.abs(self.u).T
        wide, high = (text.loose[:, 2:] - text.loose[:, :2]).T
        origin = _dot(text.origins, self.u)
        advance = np.append(np.diff(origin), 0)
        usual = (wide + high) / 2
        advance = np.where((advance > 0) & (advance < 1.5 * usual), advance, 0.4 * usual)
        by_height = (high - advance * sin) / np.maximum(cos, 1e-3)
        by_width = (wide - advance * cos) / np.maximum(sin, 1e-3)
        height = np.where(cos > sin, by_height, by_width)
        self.height = np.where(slanted, height, self.height)
        self.start = np.where(slanted, origin, self.start)
        self.end = np.where(slanted, origin + advance, self.end)


def _dot(points: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    product: np.ndarray = (points * vectors).sum(axis=1)
    return product


def _extents(boxes: np.ndarray, u: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return where level boxes begin and end along `u`, and along `v`."""
    corners = [boxes[:, [x, y]] for x in (0, 2) for y in (1, 3)]
    along = np.stack([_dot(each, u) for each in corners])
    across = np.stack([_dot(each, v) for each in corners])
    return along.min(axis=0), along.max(axis=0), across.min(axis=0), across.max(axis=0)


def _runs(text: OwnText, frames: _Frames) -> Iterator[list[int]]:
    """Yield the indices of the characters of each line, without line ends."""
    run: list[int] = []
    last: int | None = None
    ends = text.has(Mark.GENERATED)
    for i, character in enumerate(text.text):
        if ends[i]:
            if character.isspace() and character not in "\r\n":
                run.append(i)
                continue
            yield run
            run, last = [], None
            continue
        if last is not None and not _follows(frames, last, i):
            yield run
            run = []
        run.append(i)
        last = i
    yield run


def _follows(frames: _Frames, before: int, after: int) -> bool:
    """Whether a character stands on the same line as the one before it, and near it."""
    if frames.u[before] @ frames.u[after] < 1 - _MAX_TURN:
        return False
    height = max(frames.height[before], frames.height[after])
    forward = frames.start[after] - frames.start[before]
    gap = frames.start[after] - frames.end[before]
    aside = abs(frames.base[after] - frames.base[before])
    is_near = forward > -_MAX_STEP_BACK * height and gap < _MAX_GAP * height
    return bool(is_near and aside < _MAX_STEP_ASIDE * height)


def _line(text: OwnText, frames: _Frames, run: Sequence[int]) -> Line | None:
    words = [_word(text, frames, word) for word in _words(text, run)]
    if not words:
        return None
    solid = [i for i in run if not text.text[i].isspace()]
    whole = _plain("".join(text.text[i] for i in run))
    return Line(score=1.0, box=_box(frames, solid), text=" ".join(whole.split()), words=words)


def _words(text: OwnText, run: Sequence[int]) -> Iterator[list[int]]:
    """Yield the characters between spaces; each Chinese or Japanese one alone, as `words` does."""
    word: list[int] = []
    for i in run:
        character = text.text[i]
        alone = is_cjk(character) or (word and is_cjk(text.text[word[-1]]))
        if word and (character.isspace() or alone):
            yield word
            word = []
        if not character.isspace() and _plain(character):
            word.append(i)
    if word:
        yield word


def _word(text: OwnText, frames: _Frames, word: Sequence[int]) -> Word:
    characters = _plain("".join(text.text[i] for i in word))
    return Word(text=characters, score=1.0, box=_box(frames, word))


def _box(frames: _Frames, some: Sequence[int]) -> Box:
    """Return the box around some characters of a line, in the direction of the first one."""
    u, v = frames.u[some[0]], frames.v[some[0]]
    left, right = frames.start[some].min(), frames.end[some].max()
    top, bottom = frames.top[some].min(), frames.bottom[some].max()
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return [[float(each) for each in along * u + across * v] for along, across in corners]


def _plain(characters: str) -> str:
    """Take ligatures apart, join accents to their letters, leave out what is no text."""
    known = "".join(
        each if each.isspace() or unicodedata.category(each) not in ("Cc", "Cn", "Cs") else ""
        for each in characters.translate(_LIGATURES | _UNSEEN)
    )
    return unicodedata.normalize("NFC", known)
