"""PDFs with each kind of thing that PDFium draws, uncompressed so that mutations reach it."""

import io
from collections.abc import Callable
from typing import Any

import pikepdf
from fpdf import FPDF
from PIL import Image

from tests.pdfs import FONTS, changed, drawn, encrypted, picture, square, text_page

Change = Callable[[pikepdf.Pdf], Any]


def pdfs(page: Image.Image) -> list[bytes]:
    """Return PDFs of one or two small pages.

    Args:
        page: a picture for them.
    """
    pages = [
        drawn(short_text, square),
        drawn(embedded_font),
        drawn(lambda pdf: (short_text(pdf), picture(page, 20, 40, 150, 30)(pdf)), size=(200, 100)),
        drawn(shapes),
        changed(drawn(short_text), add_form),
        *(changed(drawn(short_text), image_of(*kind)) for kind in encoded(page)),
        changed(drawn(short_text), nested_forms),
        changed(drawn(short_text), type3),
        changed(drawn(short_text), shading),
    ]
    plain = [changed(each, lambda _: None, **UNCOMPRESSED) for each in pages]
    return [
        *plain,
        encrypted(pages[0], user=""),
        encrypted(pages[0], user="", revision=3),
        changed(pages[0], lambda _: None, object_stream_mode=GENERATED),
    ]


GENERATED = pikepdf.ObjectStreamMode.generate
UNCOMPRESSED = {
    "stream_decode_level": pikepdf.StreamDecodeLevel.generalized,
    "compress_streams": False,
    "object_stream_mode": pikepdf.ObjectStreamMode.disable,
}


def short_text(pdf: FPDF) -> None:
    text_page(pdf, lines=3)


def embedded_font(pdf: FPDF) -> None:
    pdf.add_font("dj", "", str(FONTS / "DejaVuSans.ttf"))
    pdf.set_font("dj", size=12)
    text_page(pdf, 3, "Zwölf Boxkämpfer, ёжик, fi ffi")


def shapes(pdf: FPDF) -> None:
    pdf.set_fill_color(20, 40, 160)
    pdf.ellipse(50, 50, 200, 100, style="DF")
    with pdf.local_context(fill_opacity=0.5, blend_mode="Multiply"):
        pdf.rect(100, 60, 300, 200, style="F", round_corners=True, corner_radius=20)
    pdf.polygon([(10, 300), (200, 320), (90, 500)], style="DF")


def encoded(page: Image.Image) -> list[tuple[str, bytes, str]]:
    """Return pictures as their filters hold them, with the filter and the colour space."""

    def saved(kind: str, mode: str, **options: Any) -> bytes:
        buffer = io.BytesIO()
        page.convert(mode).save(buffer, kind, **options)
        return buffer.getvalue()

    return [
        ("DCTDecode", saved("JPEG", "RGB"), "DeviceRGB"),
        ("DCTDecode", saved("JPEG", "CMYK"), "DeviceCMYK"),
        ("JPXDecode", saved("JPEG2000", "RGB"), "DeviceRGB"),
        ("CCITTFaxDecode", b"\xff" * 40 + bytes(40), "DeviceGray"),
        ("RunLengthDecode", b"\x81\x40" * 100 + b"\x03abcd\x80", "DeviceGray"),
        ("LZWDecode", bytes.fromhex("800b6050220c0c8501"), "DeviceGray"),
        ("JBIG2Decode", bytes.fromhex("00000000300001000000130000004b000000100000000000000000010000"
                                      "00000001260001000000250000004b00000010000000000000000000"
                                      "03fffdff02fefefe04"), "DeviceGray"),
    ]  # fmt: skip


def image_of(name: str, data: bytes, space: str) -> Change:
    """Put an image of 75 x 16 pixels on the page."""

    def change(pdf: pikepdf.Pdf) -> None:
        one_bit = name in ("CCITTFaxDecode", "JBIG2Decode")
        image = pikepdf.Stream(pdf, data)
        entries = {
            "Type": pikepdf.Name.XObject,
            "Subtype": pikepdf.Name.Image,
            "Width": 75,
            "Height": 16,
            "BitsPerComponent": 1 if one_bit else 8,
            "ColorSpace": pikepdf.Name(f"/{space}"),
            "Filter": pikepdf.Name(f"/{name}"),
        }
        if name == "CCITTFaxDecode":
            entries["DecodeParms"] = pikepdf.Dictionary(K=-1, Columns=75, Rows=16)
        for key, value in entries.items():
            image[f"/{key}"] = value
        draw(pdf, image, b"q 300 0 0 64 60 400 cm /X Do Q")

    return change


def draw(pdf: pikepdf.Pdf, drawn_object: pikepdf.Object, content: bytes) -> None:
    page = pdf.pages[0].obj
    page.Resources.XObject = pikepdf.Dictionary(X=drawn_object)
    page.Contents = pdf.make_stream(pdf.pages[0].Contents.read_bytes() + b"\n" + content)


def form(pdf: pikepdf.Pdf, content: bytes, **entries: Any) -> pikepdf.Object:
    made = pdf.make_stream(content)
    made.Type, made.Subtype = pikepdf.Name.XObject, pikepdf.Name.Form
    made.BBox = pikepdf.Array([0, 0, 300, 300])
    for name, value in entries.items():
        made[f"/{name}"] = value
    return made


def nested_forms(pdf: pikepdf.Pdf) -> None:
    group = pikepdf.Dictionary(S=pikepdf.Name.Transparency, I=True)
    inner = form(pdf, b"1 0 0 rg 0 0 50 50 re f", Group=group)
    resources = pikepdf.Dictionary(XObject=pikepdf.Dictionary(X=inner))
    outer = form(
        pdf,
        b"q .5 .1 -.1 .5 9 9 cm /X Do Q /X Do",
        Resources=resources,
        Matrix=pikepdf.Array([1, 0, 0, 1, 30, 30]),
    )
    draw(pdf, outer, b"/X Do")


def type3(pdf: pikepdf.Pdf) -> None:
    (font,) = pdf.pages[0].Resources.Font.values()
    for name in list(font.keys()):
        del font[name]
    glyph = pdf.make_stream(b"600 0 0 0 600 700 d1 0 0 500 700 re f")
    font.Type, font.Subtype = pikepdf.Name.Font, pikepdf.Name.Type3
    font.FontBBox = pikepdf.Array([0, 0, 600, 700])
    font.FontMatrix = pikepdf.Array([0.001, 0, 0, 0.001, 0, 0])
    font.CharProcs = pikepdf.Dictionary(a=glyph)
    differences = pikepdf.Array([32, *[pikepdf.Name.a] * 90])
    font.Encoding = pikepdf.Dictionary(Differences=differences)
    font.FirstChar, font.LastChar, font.Widths = 32, 121, pikepdf.Array([600] * 90)


def shading(pdf: pikepdf.Pdf) -> None:
    function = pikepdf.Dictionary(
        FunctionType=2,
        Domain=pikepdf.Array([0, 1]),
        N=1,
        C0=pikepdf.Array([1, 0, 0]),
        C1=pikepdf.Array([0, 0, 1]),
    )
    made = pikepdf.Dictionary(
        ShadingType=2,
        ColorSpace=pikepdf.Name.DeviceRGB,
        Coords=pikepdf.Array([0, 0, 300, 300]),
        Function=function,
        Extend=pikepdf.Array([True, True]),
    )
    pdf.pages[0].Resources.Shading = pikepdf.Dictionary(S=made)
    draw(pdf, form(pdf, b""), b"q 60 60 200 200 re W n /S sh Q")


def add_form(pdf: pikepdf.Pdf) -> None:
    """Add a text field, a check box and a stamp with their appearances."""
    appearance = form(pdf, b"1 0 0 rg 0 0 50 50 re f")
    kinds = [("Widget", "Tx"), ("Widget", "Btn"), ("Stamp", None), ("FreeText", None)]
    made = []
    for i, (kind, field) in enumerate(kinds):
        annotation = pikepdf.Dictionary(
            Type=pikepdf.Name.Annot,
            Subtype=pikepdf.Name(f"/{kind}"),
            Rect=pikepdf.Array([60 + 100 * i, 300, 150 + 100 * i, 340]),
            AP=pikepdf.Dictionary(N=appearance),
            F=4,
        )
        if field:
            annotation.FT, annotation.T = pikepdf.Name(f"/{field}"), pikepdf.String(f"t{i}")
            annotation.V, annotation.DA = pikepdf.String("value"), pikepdf.String("/F1 9 Tf")
        made.append(pdf.make_indirect(annotation))
    pdf.pages[0].obj.Annots = pikepdf.Array(made)
    pdf.Root.AcroForm = pdf.make_indirect(pikepdf.Dictionary(Fields=pikepdf.Array(made[:2])))
