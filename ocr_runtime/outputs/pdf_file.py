"""Pages -> the bytes of a PDF, one page after the other: https://pdfa.org/resource/iso-32000-2.

    PdfFile.start, PdfFile.page for each page, PdfFile.end --> bytes

Only the positions of the objects are kept, so a document of any length takes no memory.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from ocr_runtime import __version__
from ocr_runtime.outputs.pdf_font import FONT_FILE, Codes
from ocr_runtime.outputs.pdf_layer import FONT

_CATALOG, _PAGES, _INFO, _FONT, _FIRST_FREE = range(1, 6)
"""Numbers of the objects that are written last but named before."""

_PLACES = {
    1: "{w} 0 0 {h} 0 0",
    2: "-{w} 0 0 {h} {w} 0",
    3: "-{w} 0 0 -{h} {w} {h}",
    4: "{w} 0 0 -{h} 0 {h}",
    5: "0 -{h} -{w} 0 {w} {h}",
    6: "0 -{h} {w} 0 0 {h}",
    7: "0 {h} {w} 0 0 0",
    8: "0 {h} -{w} 0 {w} 0",
}
"""By EXIF orientation: the matrix that brings an image, which is a square of 1 x 1 with its first
row at the top, upright on a page of w x h. https://exiftool.org/TagNames/EXIF.html, 0x0112"""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image as a PDF holds it.

    Args:
        width, height: as it is stored, in pixels.
        colours: its colour space; `{device}` stands for that of the profile, or its own.
        device: /DeviceGray, /DeviceRGB or /DeviceCMYK.
        profile: an ICC profile that says which colours these are, or None.
        entries: further entries of its dictionary: bits, filter, decoding.
        data: its encoded pixels.
        orientation: of EXIF, 1 to 8.
    """

    width: int
    height: int
    colours: str = "{device}"
    device: str
    profile: bytes | None = None
    entries: str
    data: bytes
    orientation: int = 1


class PdfFile:
    """Writes one PDF; each method yields bytes that belong behind those before.

    Args:
        codes: of the font of its text; are asked at the end which characters there are.
    """

    def __init__(self, codes: Codes) -> None:
        self._codes = codes
        self._position = 0
        self._positions: dict[int, int] = {}
        self._next = _FIRST_FREE
        self._kids: list[int] = []

    def start(self) -> Iterator[bytes]:
        # A comment of bytes beyond 127 tells programs that the file is binary.
        yield from self._count(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")

    def page(
        self,
        size: tuple[float, float],
        layer: bytes,
        *,
        scale: tuple[float, float] = (1, 1),
        picture: Picture | None = None,
    ) -> Iterator[bytes]:
        """Write a page.

        Args:
            size: width and height in points.
            layer: operators of its text; empty if it has none.
            scale: points across and down of a unit of the layer.
            picture: what is seen, over the whole page.
        """
        width, height = (f"{side:.3f}" for side in size)
        resources = f"/Font << /{FONT} {_FONT} 0 R >>"
        drawing = b""
        if picture:
            image = self._new()
            yield from self._picture(image, picture)
            resources += f" /XObject << /I {image} 0 R >>"
            place = _PLACES[picture.orientation].format(w=width, h=height)
            drawing = f"q {place} cm /I Do Q\n".encode()
        if layer:
            drawing += b"q %.8f 0 0 %.8f 0 0 cm\n%bQ\n" % (*scale, layer)
        content, page = self._new(), self._new()
        yield from self._stream(content, "", drawing)
        yield from self._object(
            page,
            f"<< /Type /Page /Parent {_PAGES} 0 R /MediaBox [0 0 {width} {height}] "
            f"/Resources << {resources} >> /Contents {content} 0 R >>",
        )
        self._kids.append(page)

    def end(self) -> Iterator[bytes]:
        yield from self._font()
        kids = " ".join(f"{page} 0 R" for page in self._kids)
        yield from self._object(
            _PAGES, f"<< /Type /Pages /Count {len(self._kids)} /Kids [{kids}] >>"
        )
        yield from self._object(_CATALOG, f"<< /Type /Catalog /Pages {_PAGES} 0 R >>")
        yield from self._object(_INFO, f"<< /Producer (rapidocr-bento {__version__}) >>")
        table = self._position
        rows = [f"{self._positions[number]:010} 00000 n \n" for number in range(1, self._next)]
        yield f"xref\n0 {self._next}\n0000000000 65535 f \n{''.join(rows)}".encode()
        root = f"<< /Size {self._next} /Root {_CATALOG} 0 R /Info {_INFO} 0 R >>"
        yield f"trailer\n{root}\nstartxref\n{table}\n%%EOF\n".encode()

    def _new(self) -> int:
        self._next += 1
        return self._next - 1

    def _count(self, data: bytes) -> Iterator[bytes]:
        self._position += len(data)
        yield data

    def _object(self, number: int, body: str | bytes) -> Iterator[bytes]:
        self._positions[number] = self._position
        body = body.encode("ascii") if isinstance(body, str) else body
        yield from self._count(b"%d 0 obj\n%b\nendobj\n" % (number, body))

    def _stream(
        self, number: int, entries: str, data: bytes, *, encoded: bool = False
    ) -> Iterator[bytes]:
        """Write a stream, compressed here unless its entries say how it is encoded."""
        if not encoded:
            entries, data = f"{entries} /Filter /FlateDecode", zlib.compress(data)
        head = f"<< {entries} /Length {len(data)} >>\nstream\n".encode("ascii")
        yield from self._object(number, b"%b%b\nendstream" % (head, data))

    def _picture(self, number: int, picture: Picture) -> Iterator[bytes]:
        device = picture.device
        if picture.profile:
            profile = self._new()
            channels = {"/DeviceGray": 1, "/DeviceRGB": 3, "/DeviceCMYK": 4}[device]
            entries = f"/N {channels} /Alternate {device}"
            yield from self._stream(profile, entries, picture.profile)
            device = f"[/ICCBased {profile} 0 R]"
        entries = (
            f"/Type /XObject /Subtype /Image /Width {picture.width} /Height {picture.height} "
            f"/ColorSpace {picture.colours.format(device=device)} {picture.entries}"
        )
        yield from self._stream(number, entries, picture.data, encoded=True)

    def _font(self) -> Iterator[bytes]:
        unicode, descendant, descriptor, file, glyphs = (self._new() for _ in range(5))
        yield from self._object(
            _FONT,
            "<< /Type /Font /Subtype /Type0 /BaseFont /Blank /Encoding /Identity-H "
            f"/DescendantFonts [{descendant} 0 R] /ToUnicode {unicode} 0 R >>",
        )
        yield from self._object(
            descendant,
            "<< /Type /Font /Subtype /CIDFontType2 /BaseFont /Blank "
            "/CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >> "
            f"/W [1 [{' '.join(map(str, self._codes.widths()))}]] "
            f"/FontDescriptor {descriptor} 0 R /CIDToGIDMap {glyphs} 0 R >>",
        )
        yield from self._object(
            descriptor,
            "<< /Type /FontDescriptor /FontName /Blank /Flags 5 /ItalicAngle 0 /StemV 80 "
            "/FontBBox [0 0 6116 1000] /Ascent 1000 /CapHeight 1000 /Descent 0 "
            f"/FontFile2 {file} 0 R >>",
        )
        yield from self._stream(file, f"/Length1 {len(FONT_FILE)}", FONT_FILE)
        yield from self._stream(glyphs, "", self._codes.glyphs())
        yield from self._stream(unicode, "", self._codes.to_unicode())
