"""The bytes of a PDF -> its pages in pixels, by PDFium.

Runs in the process of one document, `pdf_child`: PDFium is not thread-safe, and a PDF may make it
crash, hang or take much memory.
"""

import ctypes
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pypdfium2_raw as pdfium

from ocr_runtime.documents.pdf_objects import image_pixels, matrix, objects, product

POINTS_PER_INCH = 72
MIN_DPI, DEFAULT_DPI = 72, (200, 300)
"""Letters of 10 points are 28 pixels high at 200 dpi. Scans are rendered at their own density up to
300 dpi: more makes the detector slower, and no text clearer."""

_IMAGE_SHARE = 0.1
"""What share of the page an image covers at least whose density decides that of the page. A logo of
1,200 dpi does not."""


class PdfError(Exception):
    """A PDF or a page that cannot be read; `str(error)` is the kind of failure.

    `password`, `damaged`, `damaged page` or `too large`; further arguments say more.
    """


class Pdf:
    """An open PDF.

    Args:
        data: the file.
        password: for an encrypted one.

    Raises:
        PdfError: `password` or `damaged`.
    """

    def __init__(self, data: bytes, password: str | None) -> None:
        self._data = data  # PDFium reads from it as long as the document is open
        pdfium.FPDF_InitLibrary()
        secret = None if password is None else password.encode(errors="replace")
        self._document = pdfium.FPDF_LoadMemDocument64(data, len(data), secret)
        if not self._document:
            needs_password = pdfium.FPDF_GetLastError() == pdfium.FPDF_ERR_PASSWORD
            raise PdfError("password" if needs_password else "damaged")
        self._forms = None
        if pdfium.FPDF_GetFormType(self._document) != pdfium.FORMTYPE_NONE:
            self._filler = pdfium.FPDF_FORMFILLINFO(version=2)
            self._forms = pdfium.FPDFDOC_InitFormFillEnvironment(self._document, self._filler)

    def __len__(self) -> int:
        return max(0, int(pdfium.FPDF_GetPageCount(self._document)))

    @contextmanager
    def page(self, index: int) -> Iterator[Any]:
        """Load a page, counted from 0, and close it.

        Raises:
            PdfError: `damaged page`.
        """
        page = pdfium.FPDF_LoadPage(self._document, index)
        if not page:
            raise PdfError("damaged page")
        if self._forms:
            pdfium.FORM_OnAfterLoadPage(page, self._forms)
        try:
            yield page
        finally:
            if self._forms:
                pdfium.FORM_OnBeforeClosePage(page, self._forms)
            pdfium.FPDF_ClosePage(page)

    def render(self, page: Any, width: int, height: int) -> ctypes.Array[ctypes.c_char]:
        """Draw a page as a person sees it, with its annotations and what its form holds.

        Returns:
            The samples: uint8, height x width x 3, BGR.

        Raises:
            MemoryError: there is not enough for them.
        """
        samples = (ctypes.c_char * (width * height * 3))()
        bitmap = pdfium.FPDFBitmap_CreateEx(
            width, height, pdfium.FPDFBitmap_BGR, samples, width * 3
        )
        if not bitmap:
            raise MemoryError
        pdfium.FPDFBitmap_FillRect(bitmap, 0, 0, width, height, 0xFFFFFFFF)
        flags = pdfium.FPDF_ANNOT | pdfium.FPDF_RENDER_LIMITEDIMAGECACHE
        place = (0, 0, width, height, 0)
        pdfium.FPDF_RenderPageBitmap(bitmap, page, *place, flags)
        if self._forms:
            pdfium.FPDF_FFLDraw(self._forms, bitmap, page, *place, flags)
        pdfium.FPDFBitmap_Destroy(bitmap)
        return samples


def size_in_points(page: Any) -> tuple[float, float]:
    """Return the width and height of a page's crop box, turned as /Rotate says.

    PDFium does not know /UserUnit: a point is 1/72 inch.
    """
    return float(pdfium.FPDF_GetPageWidthF(page)), float(pdfium.FPDF_GetPageHeightF(page))


def own_dpi(page: Any) -> float:
    """Choose the density at which a page shows all that its images hold, within `DEFAULT_DPI`."""
    width, height = size_in_points(page)
    densest = 0.0
    for drawn in objects(page):
        if drawn.kind != pdfium.FPDF_PAGEOBJ_IMAGE:
            continue
        a, b, c, d, _, _ = product(matrix(drawn.handle), drawn.form)
        across, down = math.hypot(a, b), math.hypot(c, d)
        if across * down < _IMAGE_SHARE * width * height or not across or not down:
            continue
        pixels = image_pixels(drawn.handle)
        inches = across / POINTS_PER_INCH, down / POINTS_PER_INCH
        densest = max(densest, pixels[0] / inches[0], pixels[1] / inches[1])
    return min(max(densest, DEFAULT_DPI[0]), DEFAULT_DPI[1])


def pixel_size(
    points: tuple[float, float], *, dpi: float, max_pixels: int
) -> tuple[int, int, float]:
    """Return the width and height of a page in pixels, and its density.

    A page that would have more than `max_pixels` pixels is rendered at a lower density.

    Raises:
        PdfError: `too large`, with the page's inches, even at `MIN_DPI`.
    """
    width, height = points
    if not (0 < width < math.inf and 0 < height < math.inf):
        raise PdfError("damaged page")
    inches = width / POINTS_PER_INCH, height / POINTS_PER_INCH
    # A bit less than what fits: both sides are rounded up.
    fitting = math.sqrt(max_pixels / (inches[0] * inches[1]))
    dpi = min(dpi, fitting)
    wide, high = (max(1, math.ceil(side * dpi)) for side in inches)
    if wide * high > max_pixels:
        wide, high = (max(1, math.floor(side * dpi)) for side in inches)
    if dpi < MIN_DPI or wide * high > max_pixels:
        raise PdfError("too large", *inches)
    return wide, high, dpi
