"""The process that puts text on the pages of one PDF; see `pdf_overlay`.

a line of JSON, the PDF, the PDF of text --standard input--> the new PDF --standard output-->
"""

import io
import json
import re
import sys
from collections.abc import Sequence

from pikepdf import Dictionary, Name, Object, Page, Pdf, StreamDecodeLevel

from ocr_runtime.documents.child_limits import allow_seconds, give_up_rights
from ocr_runtime.outputs.pdf_own_text import inherited, remove_invisible, visible_characters

_CHARACTER = re.compile(rb"<[0-9A-F]{4}>")
"""A character in the operators of `pdf_layer`."""

_MAX_FILES = 16
"""qpdf reads /dev/urandom when it decrypts a file with AES-256."""

_LETTER = 0.0, 0.0, 612.0, 792.0
"""The page of a PDF that does not say, to PDFium."""

Rect = tuple[float, float, float, float]
"""left, bottom, right, top in points."""


def main() -> None:
    """Read the files, write the new one; any failure ends the process with an error."""
    opening = json.loads(sys.stdin.buffer.readline())
    give_up_rights(opening["memory_bytes"], max_files=_MAX_FILES)
    allow_seconds(opening["seconds"])
    data, text = sys.stdin.buffer.read(opening["bytes"]), sys.stdin.buffer.read()
    numbers, password = opening["numbers"], opening["password"] or ""
    with (
        Pdf.open(io.BytesIO(data), password=password) as document,
        Pdf.open(io.BytesIO(text)) as layers,
    ):
        overlay(document, layers, numbers)
        kept = document if len(numbers) == len(document.pages) else _only(document, numbers)
        written = io.BytesIO()
        # What is compressed stays as it is.
        kept.save(written, stream_decode_level=StreamDecodeLevel.none)
        sys.stdout.buffer.write(written.getbuffer())


def overlay(document: Pdf, layers: Pdf, numbers: Sequence[int]) -> None:
    """Put pages of text on pages of a document, which is changed.

    Args:
        document: a PDF.
        layers: a PDF with a page for each number; its text is in one font, /F1.
        numbers: of pages of the document, from 1.
    """
    font = None
    for number, layer in zip(numbers, layers.pages, strict=True):
        text = layer.obj.Contents.read_bytes()
        if text:
            font = font or document.copy_foreign(layer.obj.Resources.Font.F1)
            left, bottom, right, top = _rect(layer.obj.MediaBox) or _LETTER
            _add_text(document, number, text, size=(right - left, top - bottom), font=font)


def _add_text(
    document: Pdf, number: int, text: bytes, *, size: tuple[float, float], font: Object
) -> None:
    """Put text on a page, unless most of it is there already.

    Unseen text, which an earlier OCR put there, is taken away: else all would be found twice. A
    page with visible text of its own, half of what was read or more, keeps just that.

    The text goes before what is on the page: the operators that come first find the state that a
    page begins with, whatever the others leave behind.

    Args:
        document: the PDF.
        number: of the page, from 1.
        text: operators, with the font /F1.
        size: width and height of the whole page in the units of these operators.
        font: an object of this document.
    """
    page = document.pages[number - 1]
    if 2 * visible_characters(page) >= len(_CHARACTER.findall(text)):
        return
    remove_invisible(document, page)
    # Pages may share their resources, or have those of their parent: each gets its own.
    resources = Dictionary(dict(inherited(page, "/Resources", {})))
    fonts = Dictionary(dict(resources.get("/Font", {})))
    name = next(name for i in range(len(fonts) + 1) if (name := f"/OCR{i}") not in fonts)
    fonts[name] = font
    resources[Name.Font] = fonts
    page.obj[Name.Resources] = resources
    matrix = " ".join(f"{value:.8f}" for value in _matrix(page, size))
    operators = text.replace(b"BT /F1 ", f"BT {name} ".encode())
    page.contents_add(b"q %b cm\n%bQ\n" % (matrix.encode(), operators), prepend=True)


def _matrix(page: Page, size: tuple[float, float]) -> tuple[float, ...]:
    """The matrix from a page as it is shown, turned and cropped, to its own coordinates.

    Args:
        page: the page.
        size: the width and height at which it is shown, in units whose origin is at the bottom
            left.

    Returns:
        a, b, c, d, e, f of PDF: x' = a x + c y + e, y' = b x + d y + f.
    """
    left, bottom, right, top = _shown(page)
    turns = int(inherited(page, "/Rotate", 0)) // 90 % 4
    sides = (right - left, top - bottom)[:: -1 if turns % 2 else 1]
    across, up = sides[0] / size[0], sides[1] / size[1]
    return (
        (across, 0, 0, up, left, bottom),
        (0, across, -up, 0, right, bottom),
        (-across, 0, 0, -up, right, top),
        (0, -across, up, 0, left, top),
    )[turns]


def _shown(page: Page) -> Rect:
    """The part of a page that is shown: PDFium, CPDF_Page, of which the pages were read."""
    media = _rect(inherited(page, "/MediaBox", None)) or _LETTER
    crop = _rect(inherited(page, "/CropBox", None)) or media
    both = (*map(max, media[:2], crop[:2]), *map(min, media[2:], crop[2:]))
    return _rect(both) or media


def _rect(corners: object) -> Rect | None:
    """A rectangle given by two opposite corners; None if it is none, or empty."""
    try:
        x, y, other_x, other_y = (float(value) for value in corners)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return None
    left, right = sorted((x, other_x))
    bottom, top = sorted((y, other_y))
    return (left, bottom, right, top) if left < right and bottom < top else None


def _only(document: Pdf, numbers: Sequence[int]) -> Pdf:
    """A new document of some pages, with what says which of their layers are shown."""
    some = Pdf.new()
    for number in numbers:
        some.pages.append(document.pages[number - 1])
    if Name.OCProperties in document.Root:
        shown = document.make_indirect(document.Root.OCProperties)
        some.Root[Name.OCProperties] = some.copy_foreign(shown)
    return some


if __name__ == "__main__":
    main()
