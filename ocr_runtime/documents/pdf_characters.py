"""A page of PDFium -> its characters, pictures and annotations, as arrays in points.

Runs in the process of one document, `pdf_child`; `pdf_text` receives what it sends.
"""

import ctypes
from array import array
from typing import Any, NamedTuple

import pypdfium2_raw as pdfium

from ocr_runtime.documents.pdf_objects import Matrix, objects

MAX_CHARACTERS = 100_000
"""A page of a newspaper has 30,000."""

_GENERATED, _UNMAPPED, _INVISIBLE, _TYPE3, _NOT_EMBEDDED = 1, 2, 4, 8, 16
"""Those of `own_text.Mark`, which is in a module that needs NumPy: the child does not load it."""
_HIDDEN_MODES = (3, 7)
"""Text rendering modes that draw nothing: PDF 32000-1, table 106."""
_HYPHEN = 2  # in place of a hyphen at the end of a line

_OUTLINE_CURVES = 12
"""A path with so many may be letters: an `o` has 8. Boxes with round corners have 4 or 8."""
_MAX_SEGMENTS = 50_000

_ANNOTATIONS_WITHOUT_TEXT = (
    pdfium.FPDF_ANNOT_LINK,
    pdfium.FPDF_ANNOT_POPUP,
    pdfium.FPDF_ANNOT_TEXT,
    pdfium.FPDF_ANNOT_HIGHLIGHT,
    pdfium.FPDF_ANNOT_UNDERLINE,
    pdfium.FPDF_ANNOT_SQUIGGLY,
    pdfium.FPDF_ANNOT_STRIKEOUT,
)


class _Run(NamedTuple):
    """What the characters of one text object have in common."""

    marks: int
    font: int
    order: int
    direction: tuple[float, float]


class _Characters:
    """Collects the characters of a page.

    Args:
        page: PDFium's.
        orders: when each text object is drawn, by the address of its handle.
    """

    def __init__(self, page: Any, orders: dict[int, int]) -> None:
        self.codes, self.marks = array("I"), array("B")
        self.places, self.fonts, self.orders = array("f"), array("i"), array("i")
        self.cut_off = False
        self._drawn = orders
        self._runs: dict[int, _Run] = {}
        self._fonts: dict[int, int] = {}
        self._text = pdfium.FPDFText_LoadPage(page)
        if not self._text:
            return
        count = max(0, pdfium.FPDFText_CountChars(self._text))
        self.cut_off = count > MAX_CHARACTERS
        for i in range(min(count, MAX_CHARACTERS)):
            self._add(i)
        pdfium.FPDFText_ClosePage(self._text)

    def _add(self, i: int) -> None:
        code = pdfium.FPDFText_GetUnicode(self._text, i)
        if code == _HYPHEN and pdfium.FPDFText_IsHyphen(self._text, i) == 1:
            code = ord("-")
        generated = pdfium.FPDFText_IsGenerated(self._text, i) == 1
        run = _Run(_GENERATED, -1, -1, (1, 0)) if generated else self._run(i)
        unmapped = pdfium.FPDFText_HasUnicodeMapError(self._text, i) == 1
        self.codes.append(code)
        self.marks.append(run.marks | (_UNMAPPED if unmapped else 0))
        self.fonts.append(run.font)
        self.orders.append(run.order)
        self.places.extend((*self._boxes(i), *run.direction))

    def _boxes(self, i: int) -> tuple[float, ...]:
        """Return the tight box, the loose box (left, bottom, right, top) and the origin."""
        left, right, bottom, top, x, y = (ctypes.c_double() for _ in range(6))
        loose = pdfium.FS_RECTF()
        pdfium.FPDFText_GetCharBox(self._text, i, left, right, bottom, top)
        pdfium.FPDFText_GetLooseCharBox(self._text, i, loose)
        pdfium.FPDFText_GetCharOrigin(self._text, i, x, y)
        tight = (left.value, bottom.value, right.value, top.value)
        return (*tight, loose.left, loose.bottom, loose.right, loose.top, x.value, y.value)

    def _run(self, i: int) -> _Run:
        handle = pdfium.FPDFText_GetTextObject(self._text, i)
        address = _address(handle)
        run = self._runs.get(address)
        if run is None:
            run = self._runs[address] = self._look_at(i, handle)
        return run

    def _look_at(self, i: int, handle: Any) -> _Run:
        if not handle:
            return _Run(0, -1, -1, (1, 0))
        matrix = pdfium.FS_MATRIX()
        pdfium.FPDFText_GetMatrix(self._text, i, matrix)
        font = pdfium.FPDFTextObj_GetFont(handle)
        number = self._fonts.setdefault(_address(font), len(self._fonts))
        red, green, blue, alpha = (ctypes.c_uint() for _ in range(4))
        marks = 0
        if pdfium.FPDFTextObj_GetTextRenderMode(handle) in _HIDDEN_MODES or (
            pdfium.FPDFPageObj_GetFillColor(handle, red, green, blue, alpha) and not alpha.value
        ):
            marks |= _INVISIBLE
        if font and pdfium.FPDFFont_GetBaseFontName(font, None, 0) <= 1:  # only Type 3 lacks one
            marks |= _TYPE3
        if font and pdfium.FPDFFont_GetIsEmbedded(font) == 0:
            marks |= _NOT_EMBEDDED
        order = self._drawn.get(_address(handle), -1)
        return _Run(marks, number, order, (matrix.a, matrix.b))


class _Pictures:
    """Collects the images and curved paths of a page, and when its texts are drawn."""

    def __init__(self, page: Any) -> None:
        self.boxes, self.orders, self.opaque = array("f"), array("i"), array("B")
        self.texts: dict[int, int] = {}
        self._segments = _MAX_SEGMENTS
        for order, drawn in enumerate(objects(page)):
            if drawn.kind == pdfium.FPDF_PAGEOBJ_TEXT:
                self.texts[_address(drawn.handle)] = order
                continue
            is_image = drawn.kind == pdfium.FPDF_PAGEOBJ_IMAGE
            is_path = drawn.kind == pdfium.FPDF_PAGEOBJ_PATH
            if is_image or (is_path and self._has_curves(drawn.handle)):
                self.boxes.extend(_bounds(drawn.handle, drawn.form))
                self.orders.append(order)
                transparent = pdfium.FPDFPageObj_HasTransparency(drawn.handle)
                self.opaque.append(is_image and not transparent)

    def _has_curves(self, path: Any) -> bool:
        """Whether a path may be letters; one that takes too long to look at counts as such."""
        curves = 0
        for i in range(max(0, pdfium.FPDFPath_CountSegments(path))):
            self._segments -= 1
            segment = pdfium.FPDFPath_GetPathSegment(path, i)
            curves += pdfium.FPDFPathSegment_GetType(segment) == pdfium.FPDF_SEGMENT_BEZIERTO
            if curves >= 3 * _OUTLINE_CURVES or self._segments < 0:  # a curve has three segments
                return True
        return False


def characters(page: Any) -> "tuple[dict[str, Any], list[array[Any]]]":
    """Collect what a page holds besides its pixels.

    Returns:
        The number of characters, pictures and annotations, whether there are more characters, the
        page's box in points and its rotation by quarter turns; and the arrays that `pdf_text`
        takes apart.
    """
    pictures = _Pictures(page)
    found = _Characters(page, pictures.texts)
    annotations = _annotations(page)
    box = pdfium.FS_RECTF()
    pdfium.FPDF_GetPageBoundingBox(page, box)
    counts = {
        "characters": len(found.codes),
        "pictures": len(pictures.orders),
        "annotations": len(annotations) // 4,
        "cut_off": found.cut_off,
        "box": [box.left, box.bottom, box.right, box.top],
        "rotation": int(pdfium.FPDFPage_GetRotation(page)),
    }
    arrays: tuple[array[Any], ...] = (
        *(found.codes, found.marks, found.places, found.fonts, found.orders),
        *(pictures.boxes, pictures.orders, pictures.opaque, annotations),
    )
    return counts, list(arrays)


def _annotations(page: Any) -> "array[float]":
    boxes = array("f")
    for i in range(min(10_000, max(0, pdfium.FPDFPage_GetAnnotCount(page)))):
        annotation = pdfium.FPDFPage_GetAnnot(page, i)
        if not annotation:
            continue
        box = pdfium.FS_RECTF()
        kind = pdfium.FPDFAnnot_GetSubtype(annotation)
        if kind not in _ANNOTATIONS_WITHOUT_TEXT and pdfium.FPDFAnnot_GetRect(annotation, box):
            boxes.extend((box.left, box.bottom, box.right, box.top))
        pdfium.FPDFPage_CloseAnnot(annotation)
    return boxes


def _bounds(handle: Any, form: Matrix) -> tuple[float, float, float, float]:
    """Return the box of an object on the page: left, bottom, right, top."""
    left, bottom, right, top = (ctypes.c_float() for _ in range(4))
    pdfium.FPDFPageObj_GetBounds(handle, left, bottom, right, top)
    a, b, c, d, e, f = form
    corners = [(x, y) for x in (left.value, right.value) for y in (bottom.value, top.value)]
    across = [a * x + c * y + e for x, y in corners]
    down = [b * x + d * y + f for x, y in corners]
    return min(across), min(down), max(across), max(down)


def _address(handle: Any) -> int:
    return ctypes.cast(handle, ctypes.c_void_p).value or 0
