"""What the recogniser says of one line, and the line's crop -> its text, spaces and characters.

    probabilities (lines, frames, classes) --likeliest---> Likeliest
    Likeliest                              --CTCDecoder--> Frames of each line
    Frames, crop (height, width, 3)        --decode------> RecognisedLine

The characters are those of RapidOCR's greedy reading. Two things are used that RapidOCR drops:
the probability of a space where a space is not the likeliest, and the ink of the crop, which
says where a character ends and how far away the next one begins.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ocr_runtime.reading.ink import extents, find_ink, rows
from ocr_runtime.reading.scripts import is_cjk, is_cjk_mark, is_han

_LATE = 0.25
"""By how many frames a peak lies behind the middle of its character: 0.28 in the mean of 13,174
drawn characters (Latin, digits, Chinese; 95 fonts)."""

_SPACE = -1.0
"""Least evidence of a space, see `_evidence`. Of 100 spaces on 24 real receipts RapidOCR loses 7.5
and adds 1.2; with this 2.1 and 0.9, with -0.6 2.4 and 0.9, with -1.6 1.9 and 1.1, with -2.0 1.8
and 1.5. On 8 other Latin pages 1.2 are lost and 0.2 added with each of them."""

_GAP = 15.0
"""What a gap as wide as the crop is high is worth, as a logarithm of the probability: at a gap of
0.1 a space needs a probability of 0.08, at 0.2 of 0.02, at 0.3 of 0.004. Of 19,500 places between
characters on real pages the product of both, taken before, told fewer: beyond a gap of 0.25 even a
probability of 0.001 to 0.02 is a space in 8 places, and in 2 none."""

_WIDEST = 0.6
"""Gap, in heights of the crop, from which a wider one is no more evidence."""

_NO_GAP = 0.02
"""Widest gap, in heights of the crop, that is none: a pixel of a usual crop."""

_USUAL = 0.25
"""The quantile of a line's gaps that is its usual gap between the characters of a word. With the
median, short lines in which many spaces are lost keep losing them."""

_WITHIN = 3.5
"""How much more evidence a space takes within a number, date or hyphenated word: there a column of
a table may begin, but a narrow digit, and a comma in type of one width, also has wide sides. Seen
without a space: up to 2.2 more."""

_BESIDE_CJK = -1.4
"""How much less evidence a space takes between CJK and Latin, where the recogniser seldom knows
one. Of 310 drawn places with a space and 315 without one all are told right."""

_DATE_GAP = 0.1
"""Least gap between a date and a time, beyond the usual one, in heights of the crop."""

_UNITED = re.compile(r"(?:\d[.,:/']?(?=\d)|\w-(?=\w))+.")
_DATE_TIME = re.compile(r"\d{1,4}([-/.])\d{1,2}\1(?:\d{4}|\d\d)(?=\d{1,2}:\d\d)")

_NARROW, _WIDE = "iljtfI1.,:;|!()[]'\"-", "mwMW%@"
"""Half and one and a half times as wide as other letters; CJK is as wide as the widest."""

_SMALL_MARKS = "\u3001\u3002\uff01\uff0c\uff0e\uff1a\uff1b"
"""Chinese and Japanese ,.!:; whose ink fills a part of their square."""

_OPENING, _CLOSING = "([{", ")]},.;!?"
"""A gap after or before these is a matter of the type, not of the text."""


_PARTICLES = "をが"
"""Japanese particles that hardly end a word with a lengthened vowel, as others do: in "あのー" and
"おにー" U+30FC stands even before a Chinese character."""


class Likeliest(NamedTuple):
    """What is needed of a batch's probabilities, each of shape (lines, frames).

    Args:
        best: int, the likeliest class; class 0 is CTC's blank.
        chance: float32, the probability of that class.
        space: float32, the probability of a space.
    """

    best: np.ndarray
    chance: np.ndarray
    space: np.ndarray


def likeliest(probabilities: np.ndarray) -> Likeliest:
    """Reduce the recogniser's output to arrays of their own, so that its memory can be used again.

    Args:
        probabilities: float32 (lines, frames, classes); the last class is a space.
    """
    best = probabilities.argmax(axis=2)
    chance = np.take_along_axis(probabilities, best[..., None], axis=2)[..., 0]
    return Likeliest(best, chance, probabilities[..., -1].copy())


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The recogniser's answer for one line, reduced to what reading it needs.

    Args:
        best: int (frames,), the likeliest class of each frame; class 0 is CTC's blank.
        chance: float32 (frames,), the probability of that class.
        space: float32 (frames,), the probability of a space.
        on_crop: how many of the frames lie on the crop; the others lie on padding.
    """

    best: np.ndarray
    chance: np.ndarray
    space: np.ndarray
    on_crop: float


@dataclass(frozen=True)
class Span:
    """A piece of a line: a character or a word.

    Args:
        score: its probability; that of a word is the mean of its characters'.
        left, right: where its ink begins and ends, as shares of the crop's width.
        top, bottom: the same, as shares of its height.
        spaced: whether a space stands before it.
    """

    text: str
    score: float
    left: float
    right: float
    top: float
    bottom: float
    spaced: bool = field(kw_only=True)


@dataclass(frozen=True, kw_only=True)
class RecognisedLine:
    """A line as it reads.

    Args:
        score: mean probability of the characters and spaces that RapidOCR reads.
        characters: all but the spaces.
    """

    score: float
    characters: tuple[Span, ...]

    @property
    def text(self) -> str:
        """The characters, with the spaces between them."""
        return "".join(" " * each.spaced + each.text for each in self.characters)


class CTCDecoder:
    """Stands in for RapidOCR's `CTCLabelDecode`: the same texts and scores, and the frames.

    Args:
        character: the text of each class; first CTC's blank, last a space.
        height: of the images that the recogniser takes, in pixels.
    """

    def __init__(self, character: Sequence[str], *, height: int = 48) -> None:
        self.character = character
        self._height = height

    def __call__(
        self,
        preds: Likeliest,
        return_word_box: bool = True,  # noqa: ARG002, FBT001, FBT002 - RapidOCR's signature
        *,
        wh_ratio_list: Sequence[float],
        max_wh_ratio: float,
    ) -> tuple[list[tuple[str, float]], list[Frames]]:
        """Reduce a batch.

        Args:
            preds: what `likeliest` leaves of the recogniser's output.
            return_word_box: of no effect, the frames are always returned.
            wh_ratio_list: width by height of each crop.
            max_wh_ratio: width by height of the batch's images, to which crops are padded.

        Returns:
            Text and score of each line, as RapidOCR reads it, and each line's frames.
        """
        width = int(self._height * max_wh_ratio)
        frame_width = round(width / preds.best.shape[1])
        widths = [min(width, math.ceil(self._height * ratio)) for ratio in wh_ratio_list]
        lines = [
            Frames(best=b, chance=c, space=s, on_crop=on_crop / frame_width)
            for b, c, s, on_crop in zip(*preds, widths, strict=True)
        ]
        read = [_peaks(line) for line in lines]
        texts = ["".join(self.character[peak.label] for peak in peaks) for peaks in read]
        return list(zip(texts, map(_score, read), strict=True)), lines


def decode(line: Frames, character: Sequence[str], crop: np.ndarray) -> RecognisedLine:
    """Read a line.

    Args:
        line: the recogniser's answer for the crop.
        character: the text of each class.
        crop: uint8 (height, width, 3), BGR; its text runs from left to right.
    """
    peaks = _peaks(line)
    shown: list[_Peak] = []
    spaced: list[bool] = []
    after_space = False
    for peak in peaks:
        if character[peak.label].isspace():
            after_space = bool(shown)
        else:
            shown.append(peak)
            spaced.append(after_space)
            after_space = False
    if not shown:
        return RecognisedLine(score=_score(peaks), characters=())
    height, width = crop.shape[:2]
    middles = np.array([(peak.first + peak.last + 1) / 2 - _LATE for peak in shown])
    middles = (middles * (width / line.on_crop)).clip(0, width - 1)
    ink = find_ink(crop)
    texts = [character[peak.label] for peak in shown]
    lefts, rights = extents(ink, middles, [_breadth(text) for text in texts])
    found = _spaces(line, shown, texts, (lefts[1:] - rights[:-1]) / height, spaced)
    texts = _with_ones(texts, found)
    sides = np.array([lefts, rights, *rows(ink, lefts, rights)]).T / (width, width, height, height)
    return RecognisedLine(
        score=_score(peaks),
        characters=tuple(
            Span(text, peak.chance, *side, spaced=space)
            for text, peak, side, space in zip(texts, shown, sides.tolist(), found, strict=True)
        ),
    )


def _with_ones(texts: list[str], spaced: list[bool]) -> list[str]:
    """Take what was read as U+30FC for the number one (U+4E00) where it can hardly be the former.

    In most type both are a stroke of the same length. After a particle and before a Chinese
    character, as in "a cup of", the number is written.

    Args:
        texts: the characters of a line.
        spaced: before which of them a space stands.
    """
    found = list(texts)
    for i in range(1, len(texts) - 1):
        beside = not (spaced[i] or spaced[i + 1])
        if texts[i] == "\u30fc" and texts[i - 1] in _PARTICLES and is_han(texts[i + 1]) and beside:
            found[i] = "\u4e00"
    return found


def _breadth(text: str) -> float:
    if text in _NARROW or text in _SMALL_MARKS:
        return 0.5
    return 1.5 if text in _WIDE or is_cjk(text) else 1.0


class _Peak(NamedTuple):
    """A run of frames of the same class."""

    label: int
    chance: float
    first: int
    last: int


def _peaks(line: Frames) -> list[_Peak]:
    """Collapse the frames as CTC does: of equal neighbours the first counts, blanks are dropped.

    The chance is rounded as RapidOCR rounds it.
    """
    firsts = np.flatnonzero(np.r_[True, line.best[1:] != line.best[:-1]])
    lasts = np.r_[firsts[1:], len(line.best)] - 1
    runs = zip(line.best[firsts], line.chance[firsts], firsts, lasts, strict=True)
    return [
        _Peak(int(label), round(float(chance), 5), int(first), int(last))
        for label, chance, first, last in runs
        if label
    ]


def _score(peaks: Sequence[_Peak]) -> float:
    return float(np.mean([peak.chance for peak in peaks] or [0.0]).round(5))


def _spaces(
    line: Frames, shown: list[_Peak], texts: list[str], gaps: np.ndarray, read: list[bool]
) -> list[bool]:
    """Tell before which characters a space stands.

    It stands where RapidOCR reads one, and where there is enough evidence of one: the probability
    of a space between the two characters, and the gap beyond the line's usual gap.

    Args:
        line: the recogniser's answer.
        shown: the characters.
        texts: their text.
        gaps: between neighbours, in heights of the crop.
        read: before which characters RapidOCR reads a space.
    """
    close = sorted(gap for gap, space in zip(gaps, read[1:], strict=True) if not space)
    if not close:
        return read
    beyond = (gaps - close[int(_USUAL * len(close))]).tolist()
    text = "".join(each[0] for each in texts)
    chinese = any(is_cjk(each) and not is_cjk_mark(each) for each in text)
    within = {i for part in _UNITED.finditer(text) for i in range(part.start() + 1, part.end())}
    dates = {part.end() for part in _DATE_TIME.finditer(text)}
    known = [True, *read[1:], True]  # a character's own frames also tell of its other side
    spaced = list(read)
    for i in range(1, len(shown)):
        frames = slice(shown[i - 1].last + known[i - 1], shown[i].first + 1 - known[i + 1])
        evidence = _evidence(float(line.space[frames].max(initial=0)), beyond[i - 1])
        least = _needed(text[i - 1], text[i], within=i in within, chinese=chinese)
        spaced[i] |= evidence > least or (i in dates and beyond[i - 1] > _DATE_GAP)
    return spaced


def _evidence(chance: float, gap: float) -> float:
    """How much speaks for a space: the logarithm of its probability, and the gap times `_GAP`.

    Args:
        chance: the highest probability of a space between two characters.
        gap: between their ink beyond the usual one, in heights of the crop.
    """
    if chance <= 0 or gap < _NO_GAP:
        return -math.inf
    return math.log(chance) + _GAP * min(gap, _WIDEST)


def _needed(before: str, after: str, *, within: bool, chinese: bool) -> float:
    """The least evidence of a space between two characters."""
    if before in _OPENING or after in _CLOSING:
        return math.inf
    if chinese and (is_cjk(before) or is_cjk(after)):
        both = is_cjk(before) and is_cjk(after)
        own = both or is_cjk_mark(before) or is_cjk_mark(after)  # the gap is the character's own
        return math.inf if own else _SPACE + _BESIDE_CJK
    return _SPACE + _WITHIN if within else _SPACE
