"""AVIF images are read as a person sees them; what they really hold is counted before decoding."""

import struct

import numpy as np
import pytest
from conftest import bgr, encoded
from PIL import Image, features

from ocr_runtime.documents import avif
from ocr_runtime.documents.images import decode
from ocr_runtime.errors import ImageTooLarge, UnsupportedImage

pytestmark = pytest.mark.skipif(not features.check("avif"), reason="Pillow lacks AVIF")

MAX_PIXELS = 50_000_000


def seen(data: bytes) -> np.ndarray:
    return decode(data, max_pixels=MAX_PIXELS).pixels


def claiming(data: bytes, width: int, height: int) -> bytes:
    """The AVIF with another size in all of its `ispe` boxes."""
    changed, at = bytearray(data), 0
    while (at := data.find(b"ispe", at)) >= 0:
        changed[at + 8 : at + 16] = struct.pack(">II", width, height)
        at += 4
    return bytes(changed)


@pytest.mark.parametrize("options", [{}, {"quality": 100, "subsampling": "4:4:4"}, {"speed": 10}])
def test_an_avif_is_read(options, latin):
    assert np.abs(seen(encoded(latin, "AVIF", **options)).astype(int) - bgr(latin)).mean() < 3


def test_transparent_text_lies_on_a_background_that_shows_it():
    page = Image.new("RGBA", (64, 32), (255, 255, 255, 0))
    page.paste((255, 255, 255, 255), (16, 8, 48, 24))
    pixels = seen(encoded(page, "AVIF", quality=100))
    assert pixels[16, 32].min() > 250
    assert pixels[0, 0].max() < 5


def test_what_follows_an_avif_does_not_matter(latin):
    data = encoded(latin, "AVIF")
    assert np.array_equal(seen(data + b"\0\0\0\x0ffreerubbish"), seen(data))


def test_a_picture_that_holds_more_than_it_says_is_refused_before_it_is_decoded():
    data = encoded(Image.new("RGB", (3_000, 2_000)), "AVIF", speed=10)
    assert len(data) < 1_000
    with pytest.raises(ImageTooLarge, match="3000 x 2000"):
        decode(data, max_pixels=1_000_000)
    with pytest.raises(UnsupportedImage, match="holds more pixels than it says"):
        decode(claiming(data, 100, 100), max_pixels=1_000_000)


def test_the_pixels_of_colour_alpha_and_of_all_frames_are_counted():
    rgb, rgba = (encoded(Image.new(mode, (320, 200)), "AVIF") for mode in ("RGB", "RGBA"))
    assert avif.prepare(rgb).coded_pixels == 320 * 200
    assert avif.prepare(rgba).coded_pixels == 2 * 320 * 200
    (item,) = items(rgb)
    header, frame = (unit for unit in split(item) if unit[0] >> 3 in (1, 6))
    assert avif._coded_pixels(header + frame * 7) == 7 * 320 * 200
    assert avif._coded_pixels(frame + header) == 320 * 200
    with pytest.raises(ValueError):  # noqa: PT011 - no sentence, it is caught
        avif._coded_pixels(header + frame[:1] + b"\0" + b"\x32\0" * 10_001)


def items(data: bytes) -> list[bytes]:
    (meta,) = (box for box in avif._boxes(data, 0, len(data)) if box[0] == b"meta")
    return list(avif._items(data, meta))


def split(item: bytes) -> list[bytes]:
    """The units of an item, each with its header; none is longer than 127 bytes."""
    units = []
    while item:
        size = 2 + item[1]
        units.append(item[:size])
        item = item[size:]
    return units


@pytest.mark.parametrize("count", [2, 5])
def test_of_an_animation_the_still_picture_is_read_and_the_frames_are_counted(count):
    first, *others = (Image.new("RGB", (16, 16), (40 * i, 0, 0)) for i in range(count))
    data = encoded(first, "AVIF", save_all=True, append_images=others)
    page = decode(data, max_pixels=MAX_PIXELS)
    assert page.pages == count
    assert page.pixels.max() < 5


@pytest.mark.parametrize("end", range(0, 300, 7))
def test_an_avif_that_is_cut_off_is_refused(end, latin):
    with pytest.raises(UnsupportedImage):
        seen(encoded(latin, "AVIF")[:end])


def test_a_file_that_only_says_that_it_is_an_avif_is_called_damaged():
    for data in (
        b"\0\0\0\x1cftypavif\0\0\0\0",
        b"\0\0\0\x14ftypmif1\0\0\0\0avif",
        b"\0\0\0\x18ftypavis",
    ):
        with pytest.raises(UnsupportedImage, match="damaged or truncated"):
            seen(data)


def test_a_heic_is_not_taken_for_an_avif():
    with pytest.raises(UnsupportedImage, match="It looks like a HEIC image"):
        seen(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic")


def test_boxes_that_claim_thousands_of_items_are_refused(latin):
    data = bytearray(encoded(latin, "AVIF"))
    at = data.index(b"iloc")
    data[at + 10 : at + 12] = b"\xff\xff"
    with pytest.raises(UnsupportedImage, match="damaged or truncated"):
        seen(bytes(data))


def test_extents_that_repeat_the_file_are_refused():
    extents = struct.pack(">II", 0, 0) * 9_000
    location = struct.pack(">I4sIHHHHH", 0, b"iloc", 0, 0x4400, 1, 1, 0, 9_000) + extents
    location = struct.pack(">I", len(location)) + location[4:]
    meta = struct.pack(">I4sI", 12 + len(location), b"meta", 0) + location
    with pytest.raises(UnsupportedImage):
        avif.prepare(b"\0\0\0\x10ftypavif\0\0\0\0" + meta + bytes(1 << 20))


def test_the_fastest_header_is_understood():
    """A reduced header, as only still pictures have: 5.5.1 of the AV1 specification."""
    bits = "000" + "1" + "1" + "00000" + "0111" + "0110" + f"{199:08b}" + f"{99:07b}"
    header = int(bits.ljust(40, "0"), 2).to_bytes(5)
    assert avif._frame_size(header) == (200, 100)
