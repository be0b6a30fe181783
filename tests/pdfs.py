"""PDFs that the tests draw: pages of text and images, and what is broken about them."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pikepdf
from fpdf import FPDF
from PIL import Image

FONTS = Path(mpl.get_data_path()) / "fonts/ttf"
"""DejaVu, which Matplotlib brings along."""

LINE = "The quick brown fox jumps over the lazy dog, 0123456789."


def drawn(*draw: Callable[[FPDF], Any], size: tuple[float, float] = (595, 842)) -> bytes:
    """A PDF with a page for each function that draws one; units are points from the top left."""
    pdf = FPDF(unit="pt", format=size)
    pdf.set_auto_page_break(auto=False)
    pdf.set_margin(0)
    pdf.set_font("helvetica", size=12)
    for each in draw:
        pdf.add_page()
        each(pdf)
    return bytes(pdf.output())


def text_page(pdf: FPDF, lines: int = 40, text: str = LINE) -> None:
    for i in range(lines):
        pdf.text(60, 80 + 16 * i, text)


def square(pdf: FPDF, x: float = 100, y: float = 200, side: float = 50) -> None:
    """A red square, its top left corner at x and y."""
    pdf.set_fill_color(255, 0, 0)
    pdf.rect(x, y, side, side, style="F")


def picture(
    image: Image.Image, x: float = 0, y: float = 0, w: float = 595, h: float = 842
) -> Callable[[FPDF], Any]:
    return lambda pdf: pdf.image(image, x, y, w, h)


def changed(data: bytes, change: Callable[[pikepdf.Pdf], Any], **options: Any) -> bytes:
    """The PDF after a change; `options` are those of `pikepdf.Pdf.save`."""
    with pikepdf.open(io.BytesIO(data)) as pdf:
        change(pdf)
        buffer = io.BytesIO()
        pdf.save(buffer, **options)
        return buffer.getvalue()


def in_ascii(data: bytes) -> bytes:
    """The PDF with nothing in it but ASCII: no compressed streams, no binary comment."""
    plain = changed(
        data,
        lambda _: None,
        compress_streams=False,
        stream_decode_level=pikepdf.StreamDecodeLevel.generalized,
        object_stream_mode=pikepdf.ObjectStreamMode.disable,
    )
    start, comment, rest = plain.split(b"\n", 2)
    return b"\n".join([start, b"%" * len(comment), rest])


def with_page(data: bytes, **entries: Any) -> bytes:
    """The PDF with entries of its first page set."""

    def change(pdf: pikepdf.Pdf) -> None:
        for name, value in entries.items():
            pdf.pages[0].obj[f"/{name}"] = value

    return changed(data, change)


def with_content(content: bytes, *, size: tuple[float, float] = (595, 842)) -> bytes:
    """A PDF of one page with this content stream."""

    def change(pdf: pikepdf.Pdf) -> None:
        pdf.pages[0].obj.Contents = pdf.make_stream(content)

    return changed(drawn(lambda _: None, size=size), change)


def encrypted(data: bytes, *, user: str = "", owner: str = "owner", revision: int = 6) -> bytes:
    encryption = pikepdf.Encryption(user=user, owner=owner, R=revision, aes=revision > 4)
    if revision <= 4:
        encryption = pikepdf.Encryption(
            user=user, owner=owner, R=revision, aes=False, metadata=False
        )
    return changed(data, lambda _: None, encryption=encryption)
