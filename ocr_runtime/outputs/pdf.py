"""Pages and their document -> a PDF of its pages as they were, whose text can be found and copied.

an image: Page --pdf_layer--> text, image --pdf_images--> picture --PdfFile--> bytes
a PDF:    Page --pdf_layer--> text --PdfFile--> a PDF of text alone --pdf_overlay--> bytes
its text: Page --pdf_layer--> text --PdfFile--> bytes, for programs that lay it over the page
"""

from collections.abc import Iterable, Iterator

from ocr_runtime.documents.document import Document
from ocr_runtime.documents.images import PageImage
from ocr_runtime.errors import OCRError
from ocr_runtime.outputs import pdf_overlay
from ocr_runtime.outputs.pdf_file import PdfFile
from ocr_runtime.outputs.pdf_font import Codes
from ocr_runtime.outputs.pdf_images import embed
from ocr_runtime.outputs.pdf_layer import Layer
from ocr_runtime.reading.page import Page, UnreadPage

_POINTS_PER_INCH = 72
_A4 = 595.276, 841.89
"""Width and height in points."""
_LEAST_DPI = 96
"""Pixels per inch of an image that does not say: as CSS has it, and more if the image is so large
that it would not fit A4."""
_SIDES = 3, 14400
"""Least and largest width or height of a page in points: ISO 32000-1, annex C."""


def write_pages(pages: Iterable[Page | UnreadPage], document: Document) -> Iterator[bytes]:
    """Write a PDF of the pages that were asked for.

    An image is embedded as it is, or without loss; see `pdf_images`. The pages of a PDF stay as
    they are; see `pdf_overlay`. A page that was not read has no text; one that cannot even be
    decoded is an empty page of A4. Words have their places if they were asked for.

    The PDF of an image is yielded page by page, that of a PDF only after the last page was read.
    What is written of an encrypted PDF is not encrypted.

    Args:
        pages: all pages in `document.numbers`, in this order.
        document: the file.

    Raises:
        UnsupportedDocument: no text can be added to this PDF.
        Timeout: there is no time left for that.
    """
    codes = Codes()
    file = PdfFile(codes)
    if document.format == "PDF":
        layers = [*file.start()]
        for page in pages:
            layers += _layer(page, file, codes)
            yield b""
        layers += file.end()
        yield from pdf_overlay.overlaid(
            document.data,
            b"".join(layers),
            numbers=document.numbers,
            password=document.password,
            deadline=document.deadline,
        )
        return
    yield from file.start()
    for page in pages:
        yield from _image(page, document, file, codes)
    yield from file.end()


def write_text(page: Page, dpi: float) -> Iterator[bytes]:
    """Write a PDF of one page that is as large as the page that was read, and holds its text alone.

    Args:
        page: what was read.
        dpi: pixels per inch of the page.
    """
    codes = Codes()
    file = PdfFile(codes)
    scale = _POINTS_PER_INCH / dpi
    yield from file.start()
    yield from file.page(
        (page.width * scale, page.height * scale), Layer(page, codes).content, scale=(scale, scale)
    )
    yield from file.end()


def _layer(page: Page | UnreadPage, file: PdfFile, codes: Codes) -> Iterator[bytes]:
    """Write a page of nothing but text, in points that are pixels of the page as it was read."""
    if isinstance(page, UnreadPage):
        return file.page(_A4, b"")
    return file.page((page.width, page.height), Layer(page, codes).content)


def _image(
    page: Page | UnreadPage, document: Document, file: PdfFile, codes: Codes
) -> Iterator[bytes]:
    """Write a page of an image."""
    try:
        image = document.page(page.number)
        picture = embed(document, image)
    except OCRError:
        return file.page(_A4, b"")
    if isinstance(page, UnreadPage):
        return file.page(_size(image, None), b"", picture=picture)
    size = _size(image, page.dpi)
    scale = size[0] / page.width, size[1] / page.height
    return file.page(size, Layer(page, codes).content, scale=scale, picture=picture)


def _size(image: PageImage, dpi: float | None) -> tuple[float, float]:
    """The width and height of a page in points.

    Args:
        image: its page. If its pixels were made square, so is the page.
        dpi: pixels per inch across the image as it was sent; None: unknown.
    """
    down, across = image.pixels.shape[:2]
    if dpi is None:
        longest = max(image.width, image.width * down / across)
        dpi = max(_LEAST_DPI, longest * _POINTS_PER_INCH / max(_A4))
    width = image.width * _POINTS_PER_INCH / dpi
    height = width * down / across
    shrink = min(1, _SIDES[1] / max(width, height))
    return max(_SIDES[0], width * shrink), max(_SIDES[0], height * shrink)
