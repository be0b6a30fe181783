"""Valid files and request bodies of every kind, to be mutated."""

import base64
import io
import json
import struct
import zlib
from urllib.parse import urlencode

from PIL import Image

from tests.serving import ROOT

from .mutations import with_checksums

VARIANTS: dict[str, list[dict[str, object]]] = {
    "JPEG": [{}, {"progressive": True}],
    "WEBP": [{}, {"lossless": True}],
    "TIFF": [
        {"compression": name}
        for name in (None, "tiff_lzw", "tiff_deflate", "jpeg", "group4", "packbits")
    ],
}


def images() -> list[bytes]:
    """Return files of each format and mode that Pillow writes, and what it does not write."""
    page = Image.open(ROOT / "tests/data/line.png").convert("RGB").resize((75, 16))
    gray = page.convert("L")
    kinds = {
        "JPEG": [page, gray, page.convert("CMYK")],
        "PNG": [page, gray, gray.convert("1"), page.quantize(8), page.convert("RGBA")],
        "WEBP": [page, page.convert("RGBA")],
        "BMP": [page, gray, gray.convert("1"), page.quantize(8)],
        "GIF": [page.quantize(8), gray],
        "AVIF": [page, gray, page.convert("RGBA")],
        "TIFF": [page, gray, gray.convert("1"), page.quantize(8), page.convert("CMYK")],
    }
    exif = Image.Exif()
    exif[0x0112] = 6
    files = []
    for kind, images in kinds.items():
        for image in images:
            for options in VARIANTS.get(kind, [{}]):
                buffer = io.BytesIO()
                try:
                    image.save(buffer, kind, **({"exif": exif} if kind != "BMP" else {}), **options)
                except (OSError, ValueError, KeyError):  # this mode cannot be written like that
                    continue
                files.append(buffer.getvalue())
    return files + unusual_images(page)


def unusual_images(page: Image.Image) -> list[bytes]:
    """Return images with metadata, several frames, alpha masks, odd densities or without an end."""

    def saved(kind: str, **options: object) -> bytes:
        buffer = io.BytesIO()
        page.save(buffer, kind, **options)
        return buffer.getvalue()

    png, jpeg, webp = saved("PNG"), saved("JPEG"), saved("WEBP")
    frames = {"save_all": True, "append_images": [page.rotate(180), page.convert("L")]}
    text = b"key\0\0" + zlib.compress(bytes(1 << 20))
    exif = b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0" + bytes(4)
    bodies = [(b"zTXt", text), (b"iCCP", text), (b"eXIf", exif), (b"tRNS", bytes(6))]
    bodies += [(b"pHYs", struct.pack(">IIB", 204, 98, 0)), (b"tEXt", b"key\0text")]
    chunks = b"".join(
        struct.pack(">I", len(body)) + kind + body + bytes(4) for kind, body in bodies
    )
    alpha = page.convert("RGBA").tobytes("raw", "BGRA")
    bmp = struct.pack("<IiiHHIIiiII", 108, *page.size, 1, 32, 3, len(alpha), 8031, 3858, 0, 0)
    bmp += struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + bytes(52)
    profile = b"\xff\xe2" + struct.pack(">H", 34) + b"ICC_PROFILE\0\1\1" + bytes(18)
    return [
        with_checksums(png[:33] + chunks + png[33:]),
        png[:-20],  # without the checksum of its pixels and its end
        jpeg[:-2],
        saved("JPEG", progressive=True)[:-20],
        jpeg[:2] + profile + jpeg[2:] + b"\xff\xdarubbish",
        b"BM" + struct.pack("<IHHI", 122 + len(alpha), 0, 0, 122) + bmp + alpha,
        saved("TIFF", dpi=(204, 98), **frames),
        saved("TIFF", big_tiff=True, resolution_unit=3, x_resolution=80, y_resolution=38, **frames),
        webp[:4] + bytes(4) + webp[8:],
        *(saved(kind, **frames) for kind in ("GIF", "PNG", "WEBP", "MPO", "AVIF")),
    ]


def files_of_pages(page: Image.Image) -> list[bytes]:
    """Return TIFFs and GIFs of several pages and frames.

    Args:
        page: the first one.
    """
    gray, turned = page.convert("L"), page.transpose(Image.Transpose.ROTATE_90)
    turned.encoderinfo = {"tiffinfo": {274: 6}, "dpi": (204, 98)}
    fax = gray.convert("1")
    fax.encoderinfo = {"compression": "group4"}
    others = [gray, turned, page.convert("RGBA"), page.quantize(8)]
    moving = [page.rotate(20 * i).quantize(8) for i in range(1, 4)]
    files = []
    kinds = [{"compression": name} for name in ("tiff_lzw", "tiff_deflate", "packbits")]
    for options in (*kinds, {}, {"big_tiff": True}):
        buffer = io.BytesIO()
        more = others if options.get("big_tiff") else [*others, fax]
        page.save(buffer, "TIFF", save_all=True, append_images=more, **options)
        files.append(buffer.getvalue())
    for disposal in range(4):
        buffer = io.BytesIO()
        page.save(buffer, "GIF", save_all=True, append_images=moving, disposal=disposal)
        files.append(buffer.getvalue())
    return files


def bodies() -> dict[str, list[bytes]]:
    """Return request bodies of each content type."""
    image = (ROOT / "tests/data/blank.png").read_bytes()
    text = base64.b64encode(image).decode()
    options = {"use_det": "false", "use_cls": "", "text_score": "0.5", "return_word_box": "1"}
    line = b'Content-Disposition: form-data; name="%s"'
    kinds = [
        {line % b"image_file" + b'; filename="a b.png"\r\nContent-Type: image/png': image},
        {line % b"image_file" + b"; filename*=utf-8''%C3%A4;filename=a": image},
        {line % b"image_data" + b"\r\nContent-Transfer-Encoding: base64": text.encode()},
        {line % b"image_data" + b"\r\nContent-Transfer-Encoding: quoted-printable": b"aGk=3D"},
        {line % b"image_data": json.dumps(text).encode()},
    ]
    rest = {line % name.encode(): value.encode() for name, value in options.items()}
    return {
        "multipart": [
            b"".join(b"--b\r\n%s\r\n\r\n%s\r\n" % part for part in (kind | rest).items())
            + b"--b--\r\n"
            for kind in kinds
        ],
        "urlencoded": [
            urlencode({"image_data": each} | options).encode() for each in (text, "é+ ")
        ],
        "json": [
            json.dumps({"image_data": text} | options).encode(),
            json.dumps({"image_data": "\ud800", "use_rec": True, "box_thresh": 1e300}).encode(),
            json.dumps({"image_data": [[]], "text_score": 10**400, "x": {}}).encode("utf-16"),
        ],
    }
