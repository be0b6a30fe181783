"""Images of all formats and modes are decoded as a person sees them, or refused with an error."""

import base64
import struct
import zlib

import numpy as np
import pytest
from conftest import bgr, encoded
from PIL import Image, ImageOps

from ocr_runtime.documents.images import FORMATS, decode
from ocr_runtime.errors import ImageTooLarge, InvalidBase64, UnsupportedImage

MAX_PIXELS = 50_000_000
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def decoded(image: bytes | str) -> np.ndarray:
    return decode(image, max_pixels=MAX_PIXELS).pixels


def distance(page: np.ndarray, twin: Image.Image) -> float:
    """Mean difference by channel, 0 to 255."""
    assert page.shape == (twin.height, twin.width, 3)
    return float(np.abs(page.astype(int) - bgr(twin)).mean())


@pytest.fixture
def gray(latin) -> Image.Image:
    return latin.convert("L")


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_is_read(kind, latin):
    if kind == "GIF":
        latin = latin.convert("P").convert("RGB")
    assert distance(decoded(encoded(latin, kind)), latin) < 3


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_a_lossless_colour_page_keeps_every_pixel(kind, latin):
    latin.paste((200, 40, 90), (10, 10, 60, 60))
    assert np.array_equal(decoded(encoded(latin, kind)), bgr(latin))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF"])
def test_1_bit(kind, gray):
    page = gray.convert("1")
    assert np.array_equal(decoded(encoded(page, kind)), bgr(page))


def test_1_bit_fax(gray):
    page = gray.convert("1")
    data = encoded(page, "TIFF", compression="group4")
    assert np.array_equal(decoded(data), bgr(page))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "WEBP", "AVIF"])
def test_gray(kind, gray):
    assert distance(decoded(encoded(gray, kind)), gray) < 2


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP", "TIFF"])
def test_palette(kind, latin):
    page = latin.quantize(16)
    assert np.array_equal(decoded(encoded(page, kind)), bgr(page))


def test_palette_with_a_transparent_colour():
    page = Image.new("P", (8, 4), 0)
    page.putpalette([0, 0, 0, 10, 20, 30])
    page.paste(1, (0, 0, 4, 4))
    data = encoded(page, "PNG", transparency=0)
    assert decoded(data)[0, 0].tolist() == [30, 20, 10]
    assert decoded(data)[0, 7].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("ink", "background"), [(BLACK, WHITE), (WHITE, BLACK), ((250, 240, 90), BLACK)]
)
def test_transparent_text_lies_on_a_background_that_shows_it(ink, background):
    page = Image.new("RGBA", (40, 20), (*ink, 0))
    page.paste((*ink, 255), (10, 5, 30, 15))
    seen = decoded(encoded(page))[:, :, ::-1]
    assert tuple(seen[10, 20]) == ink
    assert tuple(seen[0, 0]) == background


def test_a_wholly_transparent_image_is_a_white_page():
    assert decoded(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0)))).min() == 255


def test_half_transparent_pixels_are_blended():
    page = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert decoded(encoded(page))[0, 0].tolist() == [127, 127, 127]


def test_gray_with_alpha():
    page = Image.new("LA", (4, 4), (0, 0))
    page.putpixel((1, 1), (0, 255))
    seen = decoded(encoded(page))
    assert seen[1, 1].tolist() == [0, 0, 0]
    assert seen[0, 0].tolist() == [255, 255, 255]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind, latin):
    latin.paste((200, 40, 90), (10, 10, 60, 60))
    assert distance(decoded(encoded(latin.convert("CMYK"), kind)), latin) < 3


def test_ycck(latin):
    """Pillow cannot write YCCK: mislabel a CMYK JPEG whose planes hold it."""
    latin.paste((200, 40, 90), (10, 10, 60, 60))
    cyan, magenta, yellow, black = latin.convert("CMYK").split()
    planes = Image.merge("RGB", (cyan, magenta, yellow)).convert("YCbCr").split()
    page = Image.merge("CMYK", (*map(ImageOps.invert, planes), black))
    data = encoded(page, "JPEG", quality=95, subsampling=0)
    marker = data.index(b"Adobe\x00d")
    data = data[: marker + 11] + b"\x02" + data[marker + 12 :]
    assert distance(decoded(data), latin) < 3


def test_16_bit_gray_png(gray):
    deep = Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)
    assert np.array_equal(decoded(encoded(deep)), bgr(gray))


@pytest.mark.parametrize("byte_order", ["<", ">"])
def test_16_bit_gray_tiff(byte_order, gray):
    deep = Image.fromarray((np.asarray(gray).astype(np.uint16) * 257).astype(f"{byte_order}u2"))
    assert np.array_equal(decoded(encoded(deep, "TIFF")), bgr(gray))


def tiff(pixels: np.ndarray, **tags: int) -> bytes:
    """A minimal little-endian TIFF of one gray strip."""
    entries = {
        256: pixels.shape[1],
        257: pixels.shape[0],
        258: 16,
        259: 1,
        262: 1,
        273: 8,
        277: 1,
        278: pixels.shape[0],
        279: pixels.nbytes,
    } | {int(tag[1:]): value for tag, value in tags.items()}
    ifd = struct.pack("<H", len(entries))
    for tag, value in sorted(entries.items()):
        ifd += struct.pack("<HHIHH", tag, 3, 1, value, 0)
    strip = pixels.tobytes()
    return struct.pack("<2sHI", b"II", 42, 8 + len(strip)) + strip + ifd + bytes(4)


def test_16_bit_gray_tiff_where_white_is_0():
    pixels = np.array([[0, 0xFFFF]], "<u2")
    assert decoded(tiff(pixels))[0, :, 0].tolist() == [0, 255]
    assert decoded(tiff(pixels, t262=0))[0, :, 0].tolist() == [255, 0]


def test_12_bit_gray_tiff_uses_the_whole_range():
    packed = np.frombuffer(bytes([0xFF, 0xF0, 0x00]), np.uint8).reshape(1, 3)
    assert decoded(tiff(packed, t256=2, t258=12, t279=3))[0, :, 0].tolist() == [255, 0]


def test_16_bit_colour_png():
    rows = b"".join(b"\0" + struct.pack(">6H", 0xFFFF, 0x8000, 0, 0, 0x8000, 0xFFFF) for _ in "ab")
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks
    )
    assert decoded(data)[0].tolist() == [[0, 128, 255], [255, 128, 0]]


def test_lab_tiff():
    page = Image.new("LAB", (2, 2), (255, 128, 128))
    assert decoded(encoded(page, "TIFF")).min() > 250


@pytest.mark.parametrize("mode", ["F", "I"])
def test_samples_without_an_agreed_brightness_are_refused(mode):
    with pytest.raises(UnsupportedImage, match="samples"):
        decoded(encoded(Image.new(mode, (4, 4), 1), "TIFF"))


STORED = {  # what a camera held this way has stored, by EXIF orientation
    1: lambda page: page,
    2: ImageOps.mirror,
    3: lambda page: page.rotate(180),
    4: ImageOps.flip,
    5: lambda page: page.transpose(Image.Transpose.TRANSPOSE),
    6: lambda page: page.rotate(90, expand=True),
    7: lambda page: page.transpose(Image.Transpose.TRANSVERSE),
    8: lambda page: page.rotate(-90, expand=True),
}


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_exif_orientation_is_applied(kind, orientation, latin):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(STORED[orientation](latin), kind, exif=exif, **options)
    assert distance(decoded(data), latin) < 3


def test_16_bit_gray_png_with_a_transparent_shade():
    deep = Image.fromarray(np.array([[0x0000, 0x1000]], np.uint16))
    data = encoded(deep, "PNG")
    colour_key = b"tRNS\0\0"
    chunk = struct.pack(">I", 2) + colour_key + struct.pack(">I", zlib.crc32(colour_key))
    at = data.index(b"IDAT") - 4
    assert decoded(data[:at] + chunk + data[at:])[0, :, 0].tolist() == [255, 16]


def test_a_jpeg_that_repeats_its_scans_is_refused():
    page = Image.effect_noise((64, 64), 80).resize((3000, 3000))
    data = encoded(page, "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    assert decoded(data[:-2] + scan * 3 + data[-2:]).shape == (3000, 3000, 3)
    with pytest.raises(UnsupportedImage, match="too many scans"):
        decoded(data[:-2] + scan * 200 + data[-2:])


def test_a_jpeg_that_hides_scans_behind_a_restart_marker_is_refused():
    """A decoder looks for the next marker there, and decodes the scans that follow."""
    data = encoded(Image.new("L", (3000, 3000), 128), "JPEG", progressive=True)
    first = data.index(b"\xff\xda")
    (length,) = struct.unpack_from(">H", data, first + 2)
    scan = data[first : first + 2 + length]
    hidden = (scan + b"\0") * 500
    restart = b"\xff\xdd\0\4\0\1"
    skipped = b"\xff\2" + struct.pack(">H", len(hidden) + 2) + hidden
    with pytest.raises(UnsupportedImage, match="too many scans"):
        decoded(data[:first] + restart + scan + b"UU" + skipped + b"\xff\xd9")


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_that_is_cut_off_is_called_damaged(kind, latin):
    data = encoded(latin, kind)
    with pytest.raises(UnsupportedImage, match="damaged or truncated"):
        decoded(data[: len(data) // 2])


def test_orientation_is_applied_to_16_bit_and_transparent_pages(gray):
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = Image.fromarray(np.asarray(STORED[6](gray)).astype(np.uint16) * 257)
    assert np.array_equal(decoded(encoded(deep, "PNG", exif=exif)), bgr(gray))


def test_damaged_exif_turns_nothing(latin):
    assert distance(decoded(encoded(latin, "JPEG", exif=b"Exif\0\0II*\0rubbish")), latin) < 3


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG", "AVIF"])
def test_of_several_frames_the_first_is_read(kind):
    first, second = (Image.new("RGB", (16, 16), colour) for colour in (WHITE, BLACK))
    data = encoded(first, kind, save_all=True, append_images=[second])
    assert decoded(data).min() > 250


@pytest.mark.parametrize("kind", FORMATS)
def test_a_truncated_file_is_refused(kind, latin):
    data = encoded(latin, kind)
    with pytest.raises(UnsupportedImage):
        decoded(data[: len(data) // 2])


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"plain text",
        b"https://example.com/page.png",
        b"%PDF-1.7",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        encoded(Image.new("RGB", (4, 4)), "PPM"),
        encoded(Image.new("RGB", (32, 32)), "ICO"),
        encoded(Image.new("RGB", (4, 4)), "TGA"),
    ],
)
def test_what_is_no_accepted_image_is_refused(data):
    with pytest.raises(UnsupportedImage):
        decoded(data)


def png_header(width: int, height: int) -> bytes:
    body = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + body
    return (
        b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    )


def test_too_many_pixels_are_refused_by_the_header_alone():
    with pytest.raises(ImageTooLarge, match="65535 x 65535"):
        decoded(png_header(65535, 65535) + b"\0\0\0\0IDAT")


def test_the_limit_is_the_last_accepted_size():
    page = encoded(Image.new("L", (100, 100)))
    assert decode(page, max_pixels=10_000).pixels.shape == (100, 100, 3)
    with pytest.raises(ImageTooLarge):
        decode(page, max_pixels=9_999)


def wrapped(digits: str) -> str:
    return "\r\n".join(digits[i : i + 76] for i in range(0, len(digits), 76))


@pytest.mark.parametrize(
    "write",
    [
        lambda data: base64.b64encode(data).decode(),
        lambda data: base64.b64encode(data).decode().rstrip("="),
        lambda data: base64.urlsafe_b64encode(data).decode(),
        lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
        lambda data: base64.encodebytes(data).decode(),
        lambda data: wrapped(base64.b64encode(data).decode()) + "\r\n",
        lambda data: "data:image/png;base64," + base64.b64encode(data).decode(),
        lambda data: " DATA:IMAGE/PNG;charset=utf-8;base64,\n" + base64.b64encode(data).decode(),
    ],
)
@pytest.mark.parametrize("size", [(31, 7), (32, 7), (33, 7)])
def test_base64_is_read_in_all_its_variants(write, size):
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    data = encoded(Image.fromarray(noise))
    assert np.array_equal(decoded(write(data)), noise[:, :, ::-1])


@pytest.mark.parametrize(
    "text",
    ["!", "a", "ab=c", "abc*", "data:image/png,abcd", "aGVsbG8=aGVsbG8=", "á", "\ud800", "\0"],
)
def test_text_that_is_not_base64_is_refused(text):
    with pytest.raises(InvalidBase64):
        decoded(text)


def test_the_page_cannot_be_written_to(latin):
    page = decoded(encoded(latin))
    with pytest.raises(ValueError, match="read-only"):
        page[0, 0] = 0
