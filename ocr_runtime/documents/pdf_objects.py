"""A page of PDFium -> the images, texts and curves that are drawn on it, and where.

Runs in the process of one document: `pdf_child`.
"""

import ctypes
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import pypdfium2_raw as pdfium

Matrix = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f of PDF: x' = a x + c y + e, y' = b x + d y + f. Units: points."""

IDENTITY: Matrix = (1, 0, 0, 1, 0, 0)

_MAX_DEPTH = 6
"""Forms inside of forms; drawing programs nest two or three."""

MAX_OBJECTS = 50_000
"""How many objects of a page are looked at; 0.1 s in Python. A dense map has so many."""


class Drawn(NamedTuple):
    """An object of a page: its type `FPDF_PAGEOBJ_*`, PDFium's handle, the matrix of its form."""

    kind: int
    handle: Any
    form: Matrix


def product(first: Matrix, then: Matrix) -> Matrix:
    """Return the matrix that applies one after the other."""
    a, b, c, d, e, f = first
    p, q, r, s, t, u = then
    return (
        a * p + b * r,
        a * q + b * s,
        c * p + d * r,
        c * q + d * s,
        e * p + f * r + t,
        e * q + f * s + u,
    )


def objects(page: Any) -> Iterator[Drawn]:
    """Yield what is drawn on a page, in the order of drawing, without annotations."""
    yield from itertools.islice(_objects(page, IDENTITY, depth=0), MAX_OBJECTS)


def _objects(parent: Any, form: Matrix, *, depth: int) -> Iterator[Drawn]:
    """Yield what a page (depth 0) or a form draws."""
    count, get = pdfium.FPDFPage_CountObjects, pdfium.FPDFPage_GetObject
    if depth:
        count, get = pdfium.FPDFFormObj_CountObjects, pdfium.FPDFFormObj_GetObject
    for i in range(count(parent)):
        handle = get(parent, i)
        kind = pdfium.FPDFPageObj_GetType(handle)
        yield Drawn(kind, handle, form)
        if kind == pdfium.FPDF_PAGEOBJ_FORM and depth < _MAX_DEPTH:
            yield from _objects(handle, product(matrix(handle), form), depth=depth + 1)


def matrix(handle: Any) -> Matrix:
    """Return an object's own matrix, in its form."""
    found = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(handle, found):
        return IDENTITY
    return (found.a, found.b, found.c, found.d, found.e, found.f)


def image_pixels(handle: Any) -> tuple[int, int]:
    """Return the width and height of an image in its own pixels; (0, 0) if they are unknown."""
    width, height = ctypes.c_uint(), ctypes.c_uint()
    if not pdfium.FPDFImageObj_GetImagePixelSize(handle, width, height):
        return 0, 0
    return width.value, height.value
