"""Pages and their document -> PNGs of the upright pages with a numbered box around each line.

PageImage --upright--> pixels; Line.box --upright--> corners --draw--> PNG --ZipPieces--> ZIP
"""

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from ocr_runtime.documents.document import Document
from ocr_runtime.documents.images import PageImage
from ocr_runtime.errors import OCRError
from ocr_runtime.outputs.zip_file import ZipPieces
from ocr_runtime.reading.page import Line, Page, UnreadPage

_COLOURS = np.array([[0, 94, 213], [0, 159, 230], [115, 158, 0]], float)
"""BGR of a score of 0.5 or less, of 0.75 and of 1: vermilion, orange and bluish green. From the
palette of M. Okabe and K. Ito for colour-blind people too, https://jfly.uni-koeln.de/color."""
_LOWEST = 0.5
"""Lines with a lower score are left out by default."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_HEIGHT = 22
"""Height of its digits in pixels at scale 1: `cv2.getTextSize`."""
_DIGITS = 0.4, 8, 40
"""Height of a number as a share of that of the lines, and its bounds in pixels."""


def write_pages(pages: Iterable[Page | UnreadPage], document: Document) -> Iterator[bytes]:
    """Write the PNG of a single page, or a ZIP of many PNGs, page by page.

    The ZIP has an entry for each page, `page-0001.png` and so on. In place of a page that could not
    be read it has `page-0002.txt`, a line that says why.

    Args:
        pages: all pages in `document.numbers`, in this order.
        document: the file.

    Raises:
        OCRError: the single page cannot be decoded once more.
    """
    if len(document.numbers) == 1:
        for page in pages:
            if isinstance(page, Page):
                yield write(page, document.page(page.number))
        return
    file = ZipPieces()
    for page in pages:
        yield file.add(*_entry(page, document))
    yield file.end()


def _entry(page: Page | UnreadPage, document: Document) -> tuple[str, bytes]:
    """The name and the content of a page in the ZIP."""
    name = f"page-{page.number:04}"
    if isinstance(page, UnreadPage):
        return f"{name}.txt", f"{page.error}\n".encode()
    try:
        return f"{name}.png", write(page, document.page(page.number))
    except OCRError as exc:  # its image is rendered anew, which may fail
        return f"{name}.txt", f"{exc}\n".encode()


def write(page: Page, image: PageImage) -> bytes:
    """Draw the lines of a page, numbered from 1 in reading order.

    Boxes are coloured by score, from red (0.5 and less) over orange to green (1). The page is
    turned upright by quarters; its skew stays.

    Args:
        page: what was read from the image.
        image: the page as it was sent.

    Returns:
        An encoded PNG, RGB.
    """
    turns = -page.orientation // 90 % 4
    height, width = image.pixels.shape[:2]
    canvas = np.rot90(image.pixels, turns).copy()
    lines = [line for line in page.resized(width, height).lines if line.box is not None]
    shapes = [_upright(line, turns, width, height) for line in lines]
    size = float(np.median([_height(corners) for corners in shapes])) if shapes else 0
    thickness = max(1, round(size / 20))
    for line, corners in zip(lines, shapes, strict=True):
        points = np.round(corners).astype(np.int32)
        cv2.polylines(canvas, [points], True, _colour(line.score), thickness, cv2.LINE_AA)  # noqa: FBT003
    for number, (line, corners) in enumerate(zip(lines, shapes, strict=True), 1):
        _label(canvas, str(number), corners[0], size, _colour(line.score))
    return bytes(cv2.imencode(".png", canvas)[1])


def _upright(line: Line, turns: int, width: int, height: int) -> np.ndarray:
    """The corners of a line on the page after quarter turns counter-clockwise.

    Args:
        line: its box is in pixels of the page before.
        turns: how many.
        width: of the page before.
        height: of the page before.

    Returns:
        float64, shape (4, 2), x before y.
    """
    corners = np.array(line.box, float)
    for turn in range(turns):
        across = height if turn % 2 else width
        corners = np.stack([corners[:, 1], across - corners[:, 0]], 1)
    return corners


def _height(corners: np.ndarray) -> float:
    sides = np.linalg.norm(corners - np.roll(corners, -1, axis=0), axis=1)
    return float(min(sides[0] + sides[2], sides[1] + sides[3])) / 2


def _colour(score: float) -> tuple[float, ...]:
    share = np.clip((score - _LOWEST) / (1 - _LOWEST), 0, 1)
    return tuple(
        float(round(np.interp(share, [0, 0.5, 1], _COLOURS[:, channel]))) for channel in range(3)
    )


def _label(
    canvas: np.ndarray, number: str, corner: np.ndarray, size: float, colour: tuple[float, ...]
) -> None:
    """Write a number in white on the line's colour, before the line's first corner.

    Args:
        canvas: uint8, shape (H, W, 3), BGR; is drawn on.
        number: what is written.
        corner: x and y of the corner, in pixels.
        size: height of the page's lines, in pixels.
        colour: BGR.
    """
    share, least, most = _DIGITS
    scale = float(np.clip(share * size, least, most)) / _FONT_HEIGHT
    (width, height), _ = cv2.getTextSize(number, _FONT, scale, 1)
    margin = max(2, height // 3)
    shape = np.array([width, height]) + 2 * margin
    limit = np.maximum(np.array(canvas.shape[1::-1]) - shape, 0)
    # To the left of the line, where it hides no text, or as near to that as the page allows.
    left, top = np.clip(np.round(corner - [shape[0], 0]), 0, limit).astype(int).tolist()
    right, bottom = left + int(shape[0]) - 1, top + int(shape[1]) - 1
    cv2.rectangle(canvas, (left, top), (right, bottom), colour, cv2.FILLED)
    origin = left + margin, bottom - margin
    cv2.putText(canvas, number, origin, _FONT, scale, (255, 255, 255), 1, cv2.LINE_AA)
