"""What browsers read of broken or unusual image files is read; frames and densities are known."""

import struct
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from conftest import DATA, TRUTH, bgr, encoded
from PIL import Image

from ocr_runtime.documents import gif, jpeg, png, tiff
from ocr_runtime.documents.density import square_size
from ocr_runtime.documents.images import ACCEPTED, PageImage, decode
from ocr_runtime.errors import UnsupportedImage
from ocr_runtime.reading.page import ReadingOptions

MAX_PIXELS = 50_000_000


def page_of(data: bytes) -> PageImage:
    return decode(data, max_pixels=MAX_PIXELS)


def seen(data: bytes) -> np.ndarray:
    return page_of(data).pixels


def assert_refused(data: bytes, sentence: str = "damaged or truncated") -> None:
    with pytest.raises(UnsupportedImage, match=sentence):
        page_of(data)


# PNG


def chunk(kind: bytes, body: bytes, checksum: int | None = None) -> bytes:
    checksum = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def with_chunks(data: bytes, *chunks: bytes, before: bytes = b"IDAT") -> bytes:
    at = data.index(before) - 4
    return data[:at] + b"".join(chunks) + data[at:]


LARGE = zlib.compress(bytes(40 << 20), 9)


@pytest.mark.parametrize(
    "body",
    [
        (b"zTXt", b"workflow\0\0" + LARGE),
        (b"iTXt", b"workflow\0\1\0\0\0" + LARGE),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LARGE),
        (b"iCCP", b"scanner\0\0" + LARGE),
        (b"tEXt", b"workflow\0" + bytes(70 << 20)),
        (b"iCCP", b"scanner\0\5"),
        (b"gAMA", b"\0\0"),
    ],
    ids=lambda body: body[0].decode(),
)
@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_text_and_profiles_of_a_png_are_not_looked_at(body, before, latin, monkeypatch):
    monkeypatch.setattr(zlib, "decompressobj", None)  # what would inflate them
    data = with_chunks(encoded(latin), chunk(*body), before=before)
    assert np.array_equal(seen(data), bgr(latin))


@pytest.mark.parametrize("kind", [b"gAMA", b"tEXt", b"eXIf", b"pHYs", b"acTL", b"prVt", b"tRNS"])
@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_an_ancillary_chunk_with_a_wrong_checksum_is_ignored(kind, before):
    page = Image.new("L", (8, 4), 0)
    data = with_chunks(encoded(page), chunk(kind, bytes(16), checksum=1), before=before)
    assert np.array_equal(seen(data), bgr(page))


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE"])
def test_a_critical_chunk_with_a_wrong_checksum_is_refused(kind):
    data = bytearray(encoded(Image.new("P", (8, 4))))
    at = data.index(kind) - 4
    data[at + 8 + int.from_bytes(data[at : at + 4])] ^= 1
    assert_refused(bytes(data))


@pytest.mark.parametrize("body", [b"\0", b"\0\0\0\0"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_transparency_chunk_that_is_too_short_or_has_no_meaning_is_ignored(mode, body):
    page = Image.new(mode, (8, 4), "black")
    assert np.array_equal(seen(with_chunks(encoded(page), chunk(b"tRNS", body))), bgr(page))


def test_a_transparency_chunk_after_the_pixels_is_ignored():
    data = with_chunks(encoded(Image.new("L", (8, 4))), chunk(b"tRNS", b"\0\0"), before=b"IEND")
    assert seen(data).max() == 0


def test_a_png_turns_by_its_exif_chunk_only(latin):
    exif = b"MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0\6\0\0" + bytes(4)
    xmp = chunk(b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="3"/>')
    raw = chunk(b"tEXt", b"Raw profile type exif\0\nexif\n38\n" + exif.hex().encode())
    data = encoded(latin)
    assert np.array_equal(seen(with_chunks(data, xmp, raw)), bgr(latin))
    turned = bgr(latin.transpose(Image.Transpose.ROTATE_270))
    assert np.array_equal(seen(with_chunks(data, xmp, chunk(b"eXIf", exif))), turned)
    assert np.array_equal(seen(with_chunks(data, chunk(b"eXIf", exif), before=b"IEND")), turned)


def test_a_png_may_end_anywhere_after_its_pixels(latin):
    data = encoded(latin)
    end = data.rindex(b"IEND") - 4
    cut_text = struct.pack(">I", 99) + b"tEXtcut off"
    for ending in (b"", b"\0\0", data[end : end + 8], cut_text, data[end:] + b"rubbish" * 99):
        assert np.array_equal(seen(data[:end] + ending), bgr(latin))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA"])
def test_a_wrong_or_missing_checksum_of_the_pixels_does_not_matter(mode, interlaced, latin):
    data = encoded(latin.convert(mode))
    if interlaced:  # Pillow cannot write it: 1 x 1 pixel is its own interlaced form
        data = encoded(latin.convert(mode).crop((0, 0, 1, 1)))
        header = data[16:28] + b"\1"
        data = data[:8] + chunk(b"IHDR", header) + data[33:]
    at, end = data.index(b"IDAT") + 4, data.rindex(b"IEND") - 8
    expected = seen(data)
    pixels = data[at:end]
    for mended in (pixels[:-1] + bytes([pixels[-1] ^ 1]), pixels[:-1], pixels[:-4]):
        assert np.array_equal(seen(data[: at - 8] + chunk(b"IDAT", mended)), expected)


def test_of_damaged_or_endless_pixels_no_checksum_is_mended(latin):
    data = encoded(latin)
    at, end = data.index(b"IDAT") - 4, data.rindex(b"IEND") - 4
    endless = chunk(b"IDAT", zlib.compress(bytes(50 << 20))[:-1])
    assert png.with_right_checksum(data[:at] + endless) is None
    pixels = data[at + 8 : end - 4]
    assert_refused(data[:at] + chunk(b"IDAT", pixels[:1000] + bytes(100) + pixels[1100:]))
    assert_refused(data[:at] + chunk(b"IDAT", pixels[:1000]))


def test_a_png_of_millions_of_chunks_is_refused(latin):
    assert_refused(with_chunks(encoded(latin), chunk(b"teSt", b"") * 1_000_000), "too many chunks")


def test_an_animated_png_with_broken_frames_shows_its_default_image(latin):
    control, frame = struct.pack(">II", 3, 0), struct.pack(">I", 7) + bytes(22)
    data = with_chunks(encoded(latin), chunk(b"acTL", control), chunk(b"fcTL", frame))
    assert np.array_equal(seen(data), bgr(latin))


# JPEG


def with_segment(data: bytes, marker: int, body: bytes) -> bytes:
    return data[:2] + struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body + data[2:]


@pytest.mark.parametrize(
    ("marker", "body"),
    [
        (0xED, b"Photoshop 3.0\x008BIM\x04\x04"),
        (0xE0, b"JFIF\0\1"),
        (0xEE, b"Adobe"),
        (0xE1, b"Exif\0\0"),
        (0xE2, b"ICC_PROFILE\0"),
        (0xE2, b"MPF\0rubbish"),
        (0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
        (0xE2, b"MPF\0II*\0\x08\0\0\0\1\0\1\xb0\4\0\1\0\0\0\5\0\0\0" + bytes(4)),
        (0xFE, b""),
    ],
)
def test_broken_metadata_of_a_jpeg_is_ignored(marker, body, latin):
    data = encoded(latin, "JPEG")
    page = page_of(with_segment(data, marker, body))
    assert np.array_equal(page.pixels, seen(data))
    assert page.pages == 1


def test_what_follows_a_jpeg_does_not_matter_and_what_precedes_it_does(latin):
    data = encoded(latin.resize((2400, 800)), "JPEG")
    video = b"\xff\xda" * 10_000  # looks like scans
    assert np.array_equal(seen(data + video), seen(data))
    assert_refused(b"\n" + data, "accepted formats")


def test_a_jpeg_turns_by_its_exif_block_only(latin):
    data = encoded(latin, "JPEG")
    xmp = b'http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation="6"/>'
    assert np.array_equal(seen(with_segment(data, 0xE1, xmp)), seen(data))


JPEGS = [
    {},
    {"subsampling": 0},
    {"progressive": True},
    {"optimize": True},
    {"restart_marker_rows": 1},
]


@pytest.mark.parametrize("options", JPEGS, ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_jpeg_without_its_end_is_read(mode, options, latin):
    data = encoded(latin.convert(mode), "JPEG", **options)
    for ending in (b"", b"\xff", b"\xff\xfe\0\x10cut"):
        assert np.array_equal(seen(data[:-2] + ending), seen(data))


@pytest.mark.parametrize("options", JPEGS, ids=str)
@pytest.mark.parametrize("height", [272, 264])
def test_of_a_jpeg_the_last_row_of_blocks_may_be_missing_and_no_more(height, options):
    page = Image.effect_noise((400, height), 80).convert("RGB")
    data = encoded(page, "JPEG", quality=60, **options)
    whole = seen(data)
    outcomes = []
    for cut in range(3, 6000, 100):
        try:
            page = seen(data[:-cut])
        except UnsupportedImage:
            outcomes.append(False)
        else:
            outcomes.append(True)
            assert np.array_equal(page[: -jpeg.LAST_ROWS], whole[: -jpeg.LAST_ROWS])
    assert outcomes == sorted(outcomes, reverse=True)  # once refused, always refused
    assert 1 < sum(outcomes) < len(outcomes)


def test_a_progressive_jpeg_that_lacks_whole_scans_is_refused(latin):
    data = encoded(latin, "JPEG", progressive=True)
    starts = [i for i in range(len(data)) if data.startswith(b"\xff\xda", i)]
    assert len(starts) > 5
    for start in starts:
        assert_refused(data[:start])


def test_a_jpeg_of_a_million_segments_is_refused(latin):
    data = encoded(latin, "JPEG")
    assert_refused(data[:2] + b"\xff\xfe\0\2" * 1_000_000 + data[2:], "too many segments")


# The others


@pytest.mark.parametrize("kind", ["GIF", "BMP", "WEBP", "TIFF"])
def test_what_follows_an_image_does_not_matter(kind, latin):
    data = encoded(latin, kind)
    assert np.array_equal(seen(data + b"rubbish"), seen(data))


@pytest.mark.parametrize("size", [0, 1, 1 << 20, 0xFFFFFFFF])
def test_the_file_size_in_a_bmp_does_not_matter(size, latin):
    data = encoded(latin, "BMP")
    assert np.array_equal(seen(data[:2] + struct.pack("<I", size) + data[6:]), bgr(latin))


def test_a_gif_may_lack_its_trailer(latin):
    data = encoded(latin, "GIF")
    assert np.array_equal(seen(data[:-1]), seen(data))


@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": b"Exif\0\0II*\0" + bytes(9)}])
@pytest.mark.parametrize("error", [-10_000, -2, -1, 1, 2, 10_000, 0xF0000000])
def test_the_file_size_in_a_webp_does_not_matter(error, options, latin):
    data = encoded(latin, "WEBP", **options)
    size = struct.pack("<I", max(0, len(data) - 8 + error))
    for ending in (b"", b"rubbish"):
        assert np.array_equal(seen(data[:4] + size + data[8:] + ending), seen(data))


def test_a_webp_with_an_unknown_chunk_is_read(latin):
    data = encoded(latin, "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0" + bytes(6))
    data += b"hEhE\3\0\0\0abc\0"
    data = data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    assert np.array_equal(seen(data), seen(encoded(latin, "WEBP")))


COMMENT = b"!\xfe\4text\0"


@pytest.mark.parametrize(
    "before",
    [
        COMMENT * 100_000,
        b"\0" * 1_000_000,
        b"!\xf9\1\0\0",  # a graphic control extension that is too short
        b"!\xff\x0bNETSCAPE2.0\3\1\0\0\0",
    ],
    ids=["comments", "zeros", "broken control", "loop"],
)
def test_what_precedes_the_first_frame_of_a_gif_does_not_matter(before, latin):
    data = encoded(latin, "GIF")
    at = 13 + (3 << (data[10] & 7) + 1)
    assert np.array_equal(seen(data[:at] + before + data[at:]), seen(data))


@pytest.mark.parametrize("before", [COMMENT[:-1] + b"\1x" * 3_000_000 + b"\0", COMMENT * 1_000_000])
def test_a_gif_with_millions_of_blocks_before_its_first_frame_is_refused(before):
    assert_refused(GIF_SCREEN + before + GIF_FRAME)


@pytest.mark.parametrize("filler", [b"\xff", b"\xff\0", b"\xff\xd8", b"\0"])
def test_filler_between_the_segments_of_a_jpeg_is_skipped_at_once(filler, latin):
    data = encoded(latin, "JPEG")
    filled = data[:20] + filler * 100_000 + data[20:]
    assert np.array_equal(seen(filled), seen(data))
    assert jpeg.prepare(filled).data == data  # Pillow would go over it byte by byte


# EXIF


def exif(kind: int, value: int, *, count: int = 1, next_directory: int = 0) -> bytes:
    entry = struct.pack("<HHII", 0x0112, kind, count, value)
    return b"Exif\0\0II*\0\x08\0\0\0\1\0" + entry + struct.pack("<I", next_directory)


WITH_EXIF: dict[str, Callable[[Image.Image, bytes], bytes]] = {
    "JPEG": lambda page, block: with_segment(encoded(page, "JPEG"), 0xE1, block),
    "PNG": lambda page, block: with_chunks(encoded(page), chunk(b"eXIf", block[6:])),
    "WEBP": lambda page, block: encoded(page, "WEBP", exif=block),
}


@pytest.mark.parametrize("kind", WITH_EXIF)
@pytest.mark.parametrize(
    "block",
    [
        exif(3, 0),
        exif(3, 9),
        exif(3, 6, count=2),
        exif(4, 6),
        exif(2, 6),
        exif(5, 0xFFFFFFF),
        exif(3, 1, next_directory=0x7FFFFFFF),
        exif(0x8769, 0xFFFFFFFF),
        b"Exif\0\0II*\0\xff\xff\xff\x7f",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        b"Exif\0\0XX*\0\x08\0\0\0\1\0",
        b"Exif\0\0II+\0\x08\0\0\0" + b"\xff" * 8,
        b"Exif\0\0",
    ],
)
def test_exif_that_lies_turns_nothing(kind, block, latin):
    assert np.array_equal(seen(WITH_EXIF[kind](latin, block)), seen(encoded(latin, kind)))


@pytest.mark.parametrize("kind", WITH_EXIF)
def test_a_broken_thumbnail_does_not_keep_a_picture_from_being_turned(kind, latin):
    turned = seen(WITH_EXIF[kind](latin, exif(3, 3, next_directory=0x7FFFFFFF)))
    assert np.array_equal(turned, seen(encoded(latin, kind))[::-1, ::-1])


@pytest.mark.parametrize("orientation", [0, 9, 0xFFFF])
def test_a_tiff_with_an_orientation_that_does_not_exist_is_not_turned(orientation, latin):
    data = encoded(latin, "TIFF", tiffinfo={274: orientation})
    assert np.array_equal(seen(data), bgr(latin))


def test_a_tiff_turns_by_its_tag_only(latin):
    xmp = b'<x tiff:Orientation="6"/>'
    assert np.array_equal(seen(encoded(latin, "TIFF", tiffinfo={700: xmp})), bgr(latin))


@pytest.mark.parametrize(("kind", "offset"), [(9, -5), (4, 0x7FFFFFFF), (2, 5), (11, 3)])
def test_a_tiff_with_a_broken_pointer_to_its_exif_is_read(kind, offset, latin):
    data = encoded(latin, "TIFF", tiffinfo={0x8769: 100})
    at = data.index(struct.pack("<HHII", 0x8769, 4, 1, 100))
    entry = struct.pack("<HHIi", 0x8769, kind, 1, offset)
    assert np.array_equal(seen(data[:at] + entry + data[at + 12 :]), bgr(latin))


# Alpha that is 0 everywhere


def bmp_with_alpha(page: Image.Image) -> bytes:
    """A 32-bit BMP with masks for all four channels (BITMAPV4HEADER)."""
    pixels = np.asarray(page)[::-1, :, [2, 1, 0, 3]].tobytes()
    header = struct.pack("<IiiHHIIiiII", 108, *page.size, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    header += struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    return b"BM" + struct.pack("<IHHI", 122 + len(pixels), 0, 0, 122) + header + pixels


def tiff_with_alpha(samples: np.ndarray, extra: int | None, order: str, *, big: bool) -> bytes:
    """A TIFF or BigTIFF of one strip with gray or RGB and a last sample that means `extra`."""
    height, width, count = samples.shape
    bits = 8 * samples.itemsize
    strip = samples.astype(f"{order}u{samples.itemsize}").tobytes()
    offset, size = ("Q", 8) if big else ("I", 4)
    start = 2 * size
    tags = {
        256: [width],
        257: [height],
        258: [bits] * count,
        259: [1],
        262: [2 if count == 4 else 1],
        273: [start],
        277: [count],
        278: [height],
        279: [len(strip)],
        338: [] if extra is None else [extra],
    }
    bits_at = start + len(strip)
    body = strip + struct.pack(f"{order}{count}H", *[bits] * count)
    directory = struct.pack(order + ("Q" if big else "H"), sum(map(bool, tags.values())))
    for tag, values in tags.items():
        if not values:
            continue
        wide = tag in (273, 279)
        packed = struct.pack(f"{order}{len(values)}{'I' if wide else 'H'}", *values)
        if len(packed) > size:
            packed = struct.pack(order + offset, bits_at)
        directory += struct.pack(order + "HH" + offset, tag, 4 if wide else 3, len(values))
        directory += packed.ljust(size, b"\0")
    version = struct.pack(order + ("HHH" if big else "H"), *([43, 8, 0] if big else [42]))
    head = (b"II" if order == "<" else b"MM") + version
    return head + struct.pack(order + offset, start + len(body)) + body + directory + bytes(size)


def test_a_bmp_whose_alpha_is_0_everywhere_is_opaque(latin):
    page = latin.convert("RGBA")
    page.putalpha(0)
    assert np.array_equal(seen(bmp_with_alpha(page)), bgr(latin))


def test_a_bmp_whose_alpha_is_not_0_everywhere_is_transparent_there():
    page = Image.new("RGBA", (8, 4), (0, 0, 0, 0))
    page.putpixel((0, 0), (0, 0, 0, 255))
    assert seen(bmp_with_alpha(page))[:, :, 0].tolist()[0] == [0] + [255] * 7


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
@pytest.mark.parametrize("mode", ["LA", "RGBA", "deep RGBA"])
@pytest.mark.parametrize("extra", [None, 0, 1, 2])
def test_a_tiff_whose_alpha_is_0_everywhere_is_opaque(extra, mode, order, big, latin):
    if mode == "LA" and extra is None:
        pytest.skip("a second sample without a meaning is no format that Pillow knows")
    page = latin.convert("L").convert("LA") if mode == "LA" else latin.convert("RGBA")
    page.putalpha(0)
    samples = np.asarray(page)
    samples = samples.astype(np.uint16) * 257 if mode == "deep RGBA" else samples
    expected = latin.convert("L") if mode == "LA" else latin
    assert np.array_equal(seen(tiff_with_alpha(samples, extra, order, big=big)), bgr(expected))


@pytest.mark.parametrize("extra", [1, 2])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_a_tiff_with_some_alpha_shows_its_background(mode, extra):
    page = Image.new(mode, (8, 4), 0)
    page.putpixel((0, 0), (0, 255) if mode == "LA" else (0, 0, 0, 255))
    data = tiff_with_alpha(np.asarray(page), extra, "<", big=False)
    assert seen(data)[0, :, 0].tolist() == [0] + [255] * 7


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF"])
def test_a_wholly_transparent_image_of_the_web_is_a_white_page(kind, latin):
    page = latin.convert("RGBA")
    page.putalpha(0)
    assert seen(encoded(page, kind)).min() == 255


# Frames


def frames(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (16, 16), (40 * i, 0, 0)) for i in range(count)]


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "PNG", "WEBP", "MPO", "AVIF"])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_frames_are_counted(kind, count):
    first, *others = frames(count)
    data = encoded(first, kind, save_all=True, append_images=others)
    assert page_of(data).pages == count
    assert page_of(data + b"rubbish").pages == count


@pytest.mark.parametrize("kind", ["JPEG", "BMP"])
def test_formats_without_frames_have_one(kind, latin):
    assert page_of(encoded(latin, kind)).pages == 1


def test_a_png_default_image_counts_besides_the_animation():
    first, *others = frames(3)
    data = encoded(first, "PNG", save_all=True, append_images=others, default_image=True)
    assert page_of(data).pages == 3


def test_big_tiff_pages_are_counted():
    first, *others = frames(3)
    data = encoded(first, "TIFF", save_all=True, append_images=others, big_tiff=True)
    assert page_of(data).pages == 3


@pytest.mark.parametrize("subfile_type", [1, 4])
def test_thumbnails_and_masks_are_no_pages(subfile_type):
    first, second = frames(2)
    second.encoderinfo = {"tiffinfo": {254: subfile_type}}
    data = encoded(first, "TIFF", save_all=True, append_images=[second])
    assert struct.pack("<HHII", 254, 4, 1, subfile_type) in data
    assert page_of(data).pages == 1


@pytest.mark.parametrize("second", [0x010001, 0x010002], ids=["VGA thumbnail", "Full HD thumbnail"])
def test_a_thumbnail_in_a_multi_picture_jpeg_is_no_page(second):
    data = encoded(frames(1)[0], "MPO", save_all=True, append_images=frames(1))
    at = data.index(struct.pack("<I", 0x030000)) + 16  # the type of the first entry, the second's
    assert page_of(data).pages == 2
    assert page_of(data[:at] + struct.pack("<I", second) + data[at + 4 :]).pages == 1


@pytest.mark.parametrize(
    "segment",
    [
        (0xE1, b'http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version="1.0"/>'),
        (0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0"),
    ],
)
def test_the_gain_map_of_a_photo_is_no_page(segment):
    data = encoded(frames(1)[0], "MPO", save_all=True, append_images=frames(1))
    assert page_of(with_segment(data, *segment)).pages == 1


def test_claimed_frames_are_not_believed(latin):
    control = chunk(b"acTL", struct.pack(">II", 1 << 30, 0))
    frame = chunk(b"fcTL", struct.pack(">7I4s", 0, *latin.size, 0, 0, 0, 0, b""))
    assert page_of(with_chunks(encoded(latin), control, frame)).pages == 1


def test_counting_ends():
    header = b"II*\0\x08\0\0\0"
    chain = b"".join(struct.pack("<HI", 0, 8 + 6 * i) for i in range(1, 1_000_000))
    assert len(tiff.page_directories(header + chain)) == 10_000
    assert tiff.page_directories(header + struct.pack("<HI", 0, 8)) == [8]  # a circle


GIF_SCREEN = b"GIF89a\1\0\1\0\0\0\0"
GIF_FRAME = b",\0\0\0\0\1\0\1\0\0\2\0"


def test_counting_the_frames_of_a_gif_ends():
    assert gif.prepare(GIF_SCREEN + GIF_FRAME * 7).pages == 7
    assert gif.prepare(GIF_SCREEN + GIF_FRAME * 3_000_000).pages == 1_000_000
    assert gif.prepare(GIF_SCREEN + GIF_FRAME[:-1] + b"\1x" * 3_000_000).pages == 1


# Densities


@pytest.mark.parametrize(
    ("density", "size"),
    [
        ((204, 98), (800, 416)),
        ((204, 391), (1533, 200)),
        ((204, 196), (800, 200)),
        ((200, 100), (800, 400)),
        ((1200, 600), (800, 400)),
        ((100, 300), (2400, 200)),
        ((72, 72), (800, 200)),
        ((300, 72), (800, 200)),  # a ratio of more than 3
        ((204, 1), (800, 200)),
        ((20, 40), (800, 200)),
        ((0, 0), (800, 200)),
        ((float("nan"), 98), (800, 200)),
        ((float("inf"), 98), (800, 200)),
        ((9600, 4800), (800, 200)),
        ("72", (800, 200)),
        (None, (800, 200)),
    ],
)
def test_pixels_become_square_where_the_densities_are_plausible(density, size):
    info = {"dpi": density}
    assert square_size((800, 200), info, swapped=False, max_pixels=MAX_PIXELS) == size
    turned = square_size((200, 800), info, swapped=True, max_pixels=MAX_PIXELS)
    assert turned == size[::-1]


@pytest.mark.parametrize("size", [(800, 200), (1, 80_000), (160_000, 1), (399, 401)])
@pytest.mark.parametrize("density", [(204, 98), (98, 204)])
def test_stretching_stays_within_the_accepted_number_of_pixels(size, density):
    width, height = square_size(size, {"dpi": density}, swapped=False, max_pixels=160_000)
    assert 0 < width * height <= 160_000


def test_if_both_axes_are_scaled_the_pixels_are_square_too():
    width, height = square_size((800, 200), {"dpi": (200, 100)}, swapped=False, max_pixels=180_000)
    assert 179_000 < width * height <= 180_000
    assert width / height == pytest.approx(800 / 400, rel=0.01)


FAXES: dict[str, Callable[[Image.Image], bytes]] = {
    "TIFF": lambda page: encoded(page, "TIFF", compression="group4", dpi=(204, 98)),
    "TIFF in cm": lambda page: encoded(
        page, "TIFF", x_resolution=80.3, y_resolution=38.5, resolution_unit=3
    ),
    "TIFF without unit": lambda page: encoded(
        page, "TIFF", x_resolution=204, y_resolution=98, resolution_unit=1
    ),
    "PNG": lambda page: encoded(page, "PNG", dpi=(204, 98)),
    "PNG without unit": lambda page: with_chunks(
        encoded(page), chunk(b"pHYs", struct.pack(">IIB", 204, 98, 0))
    ),
    "BMP": lambda page: encoded(page, "BMP", dpi=(204, 98)),
    "JPEG": lambda page: encoded(page.convert("L"), "JPEG", dpi=(204, 98), quality=95),
}


def fax_of(page: Image.Image) -> Image.Image:
    """Scan a page of 204 dpi as a fax machine does, at 204 x 98."""
    low = page.convert("L").resize((page.width, page.height * 98 // 204), Image.Resampling.BICUBIC)
    return low.point(lambda shade: 255 * (shade >= 160)).convert("1")


@pytest.mark.parametrize("kind", FAXES)
def test_a_fax_is_stretched_and_knows_its_stored_size(kind):
    page = fax_of(Image.open(DATA / "table.png"))
    fax = page_of(FAXES[kind](page))
    assert fax.pixels.shape == (pytest.approx(340, abs=2), 700, 3)
    assert (fax.width, fax.height) == page.size == (700, 163)


@pytest.mark.parametrize("kind", ["TIFF", "PNG"])
def test_the_densities_of_a_turned_fax_are_those_of_the_stored_one(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    page = fax_of(Image.open(DATA / "table.png"))
    stored = page.transpose(Image.Transpose.ROTATE_90)
    fax = page_of(encoded(stored, kind, dpi=(98, 204), exif=exif))
    assert (fax.width, fax.height) == page.size
    assert np.array_equal(fax.pixels, seen(encoded(page, "PNG", dpi=(204, 98))))


def test_a_fax_is_read_with_boxes_in_stored_pixels(engine):
    page = Image.open(DATA / "table.png")
    fax = page_of(encoded(fax_of(page), "TIFF", compression="group4", dpi=(204, 98)))
    read = engine.read(fax, ReadingOptions())
    assert (read.width, read.height) == (700, 163)
    assert [line.text for line in read.lines] == TRUTH["table.png"]
    plain = engine.read(PageImage.of(bgr(page)), ReadingOptions())
    for line, twin in zip(read.lines, plain.lines, strict=True):
        expected = np.array(twin.box) * (1, 98 / 204)
        assert np.abs(np.array(line.box) - expected).max() < 6


# Sentences


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"%PDF-1.7\n", "a PDF"),
        (b"\n\n%PDF-1.7\n", "a PDF"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">', "an SVG image"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC image"),
        (encoded(Image.new("RGB", (16, 16)), "ICO"), "an icon"),
        (b"PK\3\4word/document.xml", "a ZIP archive or an Office document"),
    ],
)
def test_a_common_kind_of_file_is_named(data, kind):
    accepted = "the accepted formats: JPEG, PNG, WebP, BMP, TIFF, GIF or AVIF. "
    assert_refused(data, f"{accepted}It looks like {kind}.$")


def test_what_is_unknown_is_told_the_accepted_formats():
    assert_refused(b"plain text", f"one of the accepted formats: {ACCEPTED}.$")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF", "AVIF"])
def test_a_broken_file_of_an_accepted_format_is_called_damaged(kind, latin):
    assert_refused(encoded(latin, kind)[:12])
