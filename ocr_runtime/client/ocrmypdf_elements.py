"""Page -> a tree of OCRmyPDF's elements: page > paragraph > line > word.

What OCRmyPDF makes of it decides how it is built. It writes a line as one string of its words, from
where the line's baseline begins; between two words it writes a space, but never between two of
Chinese, Japanese or Korean. The size of the type is the distance from the top of the line's box to
the baseline at its left end.
"""

import math
import re
from collections.abc import Sequence

from ocrmypdf.hocrtransform import Baseline, BoundingBox, OcrClass, OcrElement

from ocr_runtime.outputs.geometry import Extent, Frame, page_box
from ocr_runtime.outputs.spacing import spaced_words
from ocr_runtime.reading.page import Block, Box, Line, Page, Word

_DESCENT = 0.18
"""How far above the bottom of a line's box its baseline is, by the height of the box. Of drawn
lines that hold letters with descenders it was 0.17 to 0.2, of one without 0.12."""
_JOINED = re.compile(r"[\u3000-\u303f\u3041-\u30ff\u4e00-\u9fff\uff01-\uffef]+")
"""Words between which OCRmyPDF writes no space."""
_MAY_BE_JOINED = re.compile(r"[\u1100-\U0010ffff]")
"""A character of words between which it may write none."""


def elements(page: Page, number: int) -> OcrElement:
    """Build the tree of a page; lines without text are left out.

    Args:
        page: what was read, with words.
        number: of the page in its document, from 0.
    """
    return OcrElement(
        ocr_class=OcrClass.PAGE,
        bbox=BoundingBox(0, 0, page.width, page.height),
        dpi=page.dpi,
        page_number=number,
        children=[
            paragraph for block in page.blocks if (paragraph := _paragraph(block, page)) is not None
        ],
    )


def _paragraph(block: Block, page: Page) -> OcrElement | None:
    lines = [_line(line, page) for line in block.lines if (line.text or "").strip()]
    boxes = [line.box or page_box(page) for line in block.lines]
    if not lines:
        return None
    return OcrElement(ocr_class=OcrClass.PARAGRAPH, bbox=_bounding(boxes), children=lines)


def _line(line: Line, page: Page) -> OcrElement:
    """Place a line: it is turned by quarters, and the rest is the slope of its baseline."""
    box = page_box(page) if line.box is None else line.box
    angle = Frame.of_row([line]).angle if line.box is not None else float(-page.orientation)
    turn = round(angle / 90) * 90
    words = [_word(word) for word in _words(line, box)]
    bbox, baseline = _placed(box, Frame(turn), math.radians(angle - turn))
    return OcrElement(
        ocr_class=OcrClass.LINE,
        bbox=bbox,
        baseline=baseline,
        textangle=float(-turn % 360),
        confidence=line.score,
        children=words,
    )


def _placed(box: Box, frame: Frame, slope: float) -> tuple[BoundingBox, Baseline]:
    """The bounding box of a line and its baseline.

    Where a line rises, the rectangle around it is higher than its type by as much as it rises. So
    the box begins at the top of its left end.

    Args:
        box: of the line.
        frame: turned by quarters, in which the line is nearly level.
        slope: in radians, clockwise.
    """
    around = frame.extent([box])
    left, _, right, bottom = around
    rise = math.tan(slope)
    height = around.height - abs(rise) * around.width
    if height <= 0:  # no box of a line
        rise, height = 0.0, around.height
    end = bottom - max(0.0, rise) * around.width  # of the box, at the left
    top = end - height
    base = end - _DESCENT * height
    bounding = _bounding([frame.box(Extent(left, top, right, bottom))])
    return bounding, Baseline(slope=rise, intercept=base - bottom)


def _words(line: Line, box: Box) -> list[Word]:
    """The words of a line, so that spaces are written where they are, and nowhere else."""
    spaced = spaced_words(line)
    if not spaced:
        return [Word(text=(line.text or "").strip(), score=line.score, box=box)]
    groups: list[list[Word]] = []
    for word, begins in spaced:
        if begins or not groups:
            groups.append([])
        groups[-1].append(word)
    words: list[Word] = []
    for number, group in enumerate(groups):
        whole = _one(group, "")
        if number and _unspaced(words[-1].text, whole.text):
            first = _first_of(groups[number - 1], words)
            words[first:] = [_one([_one(words[first:], ""), whole], " ")]
        elif all(_JOINED.fullmatch(word.text) for word in group):
            words += group
        else:
            words.append(whole)
    return words


def _unspaced(before: str, after: str) -> bool:
    """Whether OCRmyPDF may leave out the space between two words."""
    return bool(_MAY_BE_JOINED.search(before) and _MAY_BE_JOINED.search(after))


def _first_of(group: Sequence[Word], words: Sequence[Word]) -> int:
    """Where the words of the group before begin, which may be kept one by one."""
    kept = len(group) if list(words[-len(group) :]) == list(group) else 1
    return len(words) - kept


def _one(words: Sequence[Word], between: str) -> Word:
    """Put words together."""
    if len(words) == 1:
        return words[0]
    corners = _bounding([word.box for word in words])
    left, top, right, bottom = corners.left, corners.top, corners.right, corners.bottom
    return Word(
        text=between.join(word.text for word in words),
        score=sum(word.score for word in words) / len(words),
        box=[[left, top], [right, top], [right, bottom], [left, bottom]],
    )


def _word(word: Word) -> OcrElement:
    return OcrElement(
        ocr_class=OcrClass.WORD,
        bbox=_bounding([word.box]),
        text=word.text,
        confidence=word.score,
    )


def _bounding(boxes: Sequence[Box]) -> BoundingBox:
    return BoundingBox(*Frame().extent(boxes))
