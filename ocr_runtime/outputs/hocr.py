"""Pages -> hOCR 1.2, as XHTML.

    Page --> div.ocr_page --> div.ocr_carea > p.ocr_par > span.ocr_line > span.ocrx_word
    UnreadPage --> an empty div.ocr_page, with the reason in a comment

Boxes are upright rectangles in pixels of the page as it was sent. So lines of a page that lies on
its side have a `textangle`, those of a skewed page a sloping `baseline`. https://kba.github.io/hocr-spec/1.2
"""

import math
import re
from collections.abc import Iterable, Iterator
from html import escape

from ocr_runtime import __version__
from ocr_runtime.documents.document import Document
from ocr_runtime.outputs.geometry import Extent, Frame, size_of
from ocr_runtime.outputs.spacing import spaced_words
from ocr_runtime.reading.page import Block, Box, Line, Page, UnreadPage, Word

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" \
"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">
<head>
<title></title>
<meta http-equiv="Content-Type" content="text/html; charset=utf-8"/>
<meta name="ocr-system" content="rapidocr-bento {version}"/>
<meta name="ocr-capabilities" \
content="ocr_page ocr_carea ocr_par ocr_line ocrx_word ocrp_wconf"/>
<meta name="ocr-langs" content="unknown"/>
<meta name="ocr-scripts" content="unknown"/>
<meta name="ocr-number-of-pages" content="{pages}"/>
</head>
<body>
"""
_TAIL = "</body>\n</html>\n"

_FORBIDDEN = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow, https://www.w3.org/TR/xml/#charsets"""

_QUARTER = 45
"""From how many degrees on a line is turned rather than skewed."""


def write_pages(pages: Iterable[Page | UnreadPage], document: Document) -> Iterator[str]:
    """Write a whole hOCR file, page by page. Words are there if they were asked for."""
    yield _HEAD.format(version=__version__, pages=len(document.numbers))
    image = f"document.{document.format.lower()}"
    for page in pages:
        yield _unread(page, image) if isinstance(page, UnreadPage) else _page(page, image)
    yield _TAIL


def _unread(page: UnreadPage, image: str) -> str:
    # A comment may neither contain nor end in two hyphens.
    reason = _text(f"{page.code}: {page.error}").replace("-", "&#45;")
    return (
        f'<div class="ocr_page" id="page_{page.number}" title="{_image(image, page.number)}; '
        f'bbox 0 0 0 0"><!-- page {page.number} was not read: {reason} --></div>\n'
    )


def _image(image: str, number: int) -> str:
    """The file and which of its pages, counted from 0."""
    return f"image {escape(chr(34) + image + chr(34))}; ppageno {number - 1}"


def _page(page: Page, image: str) -> str:
    title = f"{_image(image, page.number)}; bbox 0 0 {page.width} {page.height}"
    if page.dpi is not None:
        title += f"; scan_res {round(page.dpi)} {round(page.dpi)}"
    lines = [f'<div class="ocr_page" id="page_{page.number}" title="{title}">']
    ids = _Ids(page.number)
    for block in page.blocks:
        lines += _block(block, ids)
    return "\n".join([*lines, "</div>\n"])


class _Ids:
    """Gives the elements of a page their ids: line_2_15 is the fifteenth line of the page 2."""

    def __init__(self, page: int) -> None:
        self._page = page
        self._last: dict[str, int] = {}

    def new(self, kind: str) -> str:
        self._last[kind] = self._last.get(kind, 0) + 1
        return f'id="{kind}_{self._page}_{self._last[kind]}"'


def _block(block: Block, ids: _Ids) -> Iterator[str]:
    """Write a block as a column area with one paragraph; lines without a box have no place."""
    lines = [line for line in block.lines if line.box is not None]
    if not lines:
        return
    box = _bbox(line.box for line in lines if line.box is not None)
    yield f'<div class="ocr_carea" {ids.new("carea")} title="{box}">'
    yield f'<p class="ocr_par" {ids.new("par")} title="{box}">'
    for line in lines:
        yield from _line(line, ids)
    yield "</p>"
    yield "</div>"


def _line(line: Line, ids: _Ids) -> Iterator[str]:
    """Write a line; only where it has spaces is there white space between its words."""
    box = line.box or []
    title = "; ".join([_bbox([box]), *_slope(line, box), f"x_size {size_of(box):.1f}"])
    words = "".join(
        "\n" * spaced + _word(word, ids) for word, spaced in spaced_words(line)
    ) or _text(line.text or "")
    yield f'<span class="ocr_line" {ids.new("line")} title="{title}">{words}</span>'


def _word(word: Word, ids: _Ids) -> str:
    title = f"{_bbox([word.box])}; x_wconf {round(100 * word.score)}"
    return f'<span class="ocrx_word" {ids.new("word")} title="{title}">{_text(word.text)}</span>'


def _bbox(boxes: Iterable[Box]) -> str:
    left, top, right, bottom = _extent(boxes)
    return f"bbox {math.floor(left)} {math.floor(top)} {math.ceil(right)} {math.ceil(bottom)}"


def _extent(boxes: Iterable[Box]) -> Extent:
    """The rectangle around boxes; coordinates in hOCR are not negative."""
    return Extent(*(max(0.0, side) for side in Frame().extent(boxes)))


def _slope(line: Line, box: Box) -> list[str]:
    """Say how a line lies: its baseline, or its angle if it is turned.

    A baseline is a slope and how far below the bottom left of the bounding box it begins, in
    pixels. The bottom of the line's box is taken for it. The angle is counter-clockwise.
    """
    angle = (Frame.of_row([line]).angle + 180) % 360 - 180
    if abs(angle) > _QUARTER:
        return [f"textangle {round(-angle, 1) % 360:g}"]
    slope = math.tan(math.radians(angle))
    left, _, _, bottom = _extent([box])
    corner_x, corner_y = box[3]
    start = corner_y + (math.floor(left) - corner_x) * slope
    return [f"baseline {slope:.3f} {min(0, round(start - math.ceil(bottom)))}"]


def _text(text: str) -> str:
    return escape(_FORBIDDEN.sub("\ufffd", text))
