"""Files with several pages are opened as documents, each page decoded by itself."""

import base64
import io
import struct

import numpy as np
import pytest
from conftest import bgr, encoded
from pdfs import drawn, in_ascii, text_page
from PIL import Image

from ocr_runtime.documents import tiff
from ocr_runtime.documents.document import Document, Limits
from ocr_runtime.documents.images import FORMATS, decode
from ocr_runtime.documents.kinds import is_text
from ocr_runtime.documents.opening import open_document
from ocr_runtime.documents.page_numbers import select
from ocr_runtime.errors import (
    ImageTooLarge,
    InvalidBase64,
    InvalidOption,
    MissingImage,
    OCRError,
    TooManyPages,
    UnsupportedImage,
)

LIMITS = Limits(max_pixels=50_000_000, max_pages=100, page_seconds=20)


def opened(data: bytes | str, **options: object) -> Document:
    return open_document(data, **{"limits": LIMITS} | options)


def outcomes(document: Document) -> list[object]:
    """Of each page the colour of its first pixel in BGR, or the code of its error."""
    found: list[object] = []
    for number in document.numbers:
        try:
            found.append(document.page(number).pixels[0, 0].tolist())
        except OCRError as error:
            found.append(error.code)
    return found


def plain(*colours: str) -> list[Image.Image]:
    return [Image.new("RGB", (16 + i, 12), colour) for i, colour in enumerate(colours)]


def multi_page(kind: str, pages: list[Image.Image], **options: object) -> bytes:
    return encoded(pages[0], kind, save_all=True, append_images=pages[1:], **options)


RED, LIME, BLUE = [0, 0, 255], [0, 255, 0], [255, 0, 0]


# Page numbers


@pytest.mark.parametrize(
    ("pages", "numbers"),
    [
        (None, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (" ", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("1-3,7", [1, 2, 3, 7]),
        ("7,1-3", [1, 2, 3, 7]),
        ("2, 2 ,1 - 2", [1, 2]),
        ("8-", [8, 9]),
        ("9", [9]),
        ("1-9", [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ("0003", [3]),
    ],
)
def test_pages_are_chosen_by_numbers_and_ranges(pages, numbers):
    assert select(pages, count=9, most=9) == numbers


@pytest.mark.parametrize(
    ("pages", "sentence"),
    [
        ("0", "pages asks for 0. The document has 9 pages."),
        ("10", "pages asks for 10. The document has 9 pages."),
        ("3-12", "pages asks for 3-12. The document has 9 pages."),
        ("3-999999999", "pages asks for 3-999999999. The document has 9 pages."),
        ("10-", "pages asks for 10-. The document has 9 pages."),
        ("3-2", "pages asks for 3-2, which ends before it begins. The document has 9 pages."),
        ("a", "as 1-3,7 or 3-, not 'a'. The document has 9 pages."),
        ("1,,2", "as 1-3,7 or 3-, not ''. The document has 9 pages."),
        ("-3", "not '-3'"),
        ("1-2-3", "not '1-2-3'"),
        ("1.5", "not '1.5'"),
        ("\u0661", "as 1-3,7 or 3-"),
        ("1" * 5000, "not '11111111111111111111'"),
        ("1," * 20_000 + "1", "too many"),
        ("1\n2\x00", "as 1-3,7 or 3-. The"),
    ],
)
def test_a_wrong_choice_of_pages_is_named_with_the_number_that_there_are(pages, sentence):
    with pytest.raises(InvalidOption) as error:
        select(pages, count=9, most=9)
    assert sentence in str(error.value)


def test_more_pages_than_are_read_at_once_are_refused():
    assert select("1-5", count=9, most=5) == [1, 2, 3, 4, 5]
    with pytest.raises(TooManyPages, match=r"has 9 pages. At most 5 .*pages, as 1-5\.$"):
        select(None, count=9, most=5)
    with pytest.raises(TooManyPages, match="pages asks for 6 pages of 9; at most 5"):
        select("1-6", count=9, most=5)


@pytest.mark.parametrize(
    ("pages", "numbers"), [("1-99", [1, 2, 3]), ("2-3", [2, 3]), ("3-9,1", [1, 3]), ("2-", [2, 3])]
)
def test_a_range_may_be_clipped_to_the_pages_that_there_are(pages, numbers):
    assert select(pages, count=3, most=9, clip=True) == numbers


@pytest.mark.parametrize("pages", ["4-9", "4", "3-2", "0-9"])
def test_what_is_not_there_at_all_is_not_clipped(pages):
    with pytest.raises(InvalidOption):
        select(pages, count=3, most=9, clip=True)


# Images of one page


@pytest.mark.parametrize("kind", FORMATS)
def test_an_image_is_a_document_of_one_page(kind, latin):
    data = encoded(latin, kind)
    with opened(data) as document:
        assert (document.format, document.data) == (kind, data)
        assert (document.pages, document.numbers) == (1, [1])
        expected = decode(data, max_pixels=LIMITS.max_pixels)
        assert np.array_equal(document.page(1).pixels, expected.pixels)


def test_base64_is_a_document_too(latin):
    text = base64.b64encode(encoded(latin)).decode()
    assert np.array_equal(opened(text).page(1).pixels, bgr(latin))
    with pytest.raises(InvalidBase64):
        opened("!")
    with pytest.raises(MissingImage):
        opened("data:image/png;base64,")


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_other_animations_the_first_frame_is_the_page(kind):
    data = multi_page(kind, [page.resize((16, 12)) for page in plain("red", "lime")])
    document = opened(data)
    assert (document.pages, document.numbers) == (1, [1])
    assert document.page(1).pages == 2


# TIFF


@pytest.mark.parametrize("options", [{}, {"big_tiff": True}, {"compression": "tiff_lzw"}], ids=str)
def test_all_pages_of_a_tiff_are_read(options):
    document = opened(multi_page("TIFF", plain("red", "lime", "blue"), **options))
    assert (document.format, document.pages, document.numbers) == ("TIFF", 3, [1, 2, 3])
    assert outcomes(document) == [RED, LIME, BLUE]
    sizes = [document.page(number).width for number in (3, 1, 2)]  # in any order
    assert sizes == [18, 16, 17]
    assert document.page(2).pages == 3


def test_the_pages_of_a_tiff_may_be_of_any_mode_density_and_orientation(latin):
    gray, fax = latin.convert("L"), latin.convert("1")
    fax.encoderinfo = {"compression": "group4", "dpi": (204, 98)}
    turned = latin.transpose(Image.Transpose.ROTATE_90)
    turned.encoderinfo = {"tiffinfo": {274: 6}, "dpi": (300, 300)}
    data = multi_page("TIFF", [gray, fax, turned, latin.convert("CMYK")])
    first, second, third, fourth = (opened(data).page(number) for number in (1, 2, 3, 4))
    assert np.array_equal(first.pixels, bgr(gray))
    assert (second.width, second.height) == latin.size
    assert second.pixels.shape[0] > 2 * latin.height
    assert np.array_equal(third.pixels, bgr(latin))
    assert [page.dpi for page in (first, second, third)] == [None, 204, 300]
    assert np.abs(fourth.pixels.astype(int) - bgr(latin)).mean() < 3


def test_some_pages_are_chosen_in_the_order_of_the_document():
    document = opened(multi_page("TIFF", plain("red", "lime", "blue")), pages="3,1")
    assert document.numbers == [1, 3]
    assert outcomes(document) == [RED, BLUE]
    with pytest.raises(InvalidOption, match="The document has 3 pages"):
        opened(document.data, pages="4")
    with pytest.raises(TooManyPages):
        opened(document.data, limits=Limits(max_pixels=99, max_pages=2, page_seconds=1))


def test_a_broken_page_of_a_tiff_spoils_no_other():
    data = bytearray(multi_page("TIFF", plain("red", "lime", "blue"), compression="tiff_deflate"))
    second = tiff.page_directories(bytes(data))[1]
    entries = range(second + 2, second + 2 + 12 * data[second], 12)
    (strips,) = (at for at in entries if data[at : at + 2] == struct.pack("<H", 273))
    data[strips + 8 : strips + 12] = struct.pack("<I", len(data) - 3)
    assert outcomes(opened(bytes(data))) == [RED, "unsupported_image", BLUE]
    data[second + 2 + 2] = 99  # the type of the first entry, the width
    assert outcomes(opened(bytes(data))) == [RED, "unsupported_image", BLUE]


def test_a_page_that_a_tiff_points_to_and_lacks_is_an_error_and_not_forgotten():
    data = multi_page("TIFF", plain("red", "lime", "blue"))
    third = tiff.page_directories(data)[2]
    assert outcomes(opened(data[:third])) == [RED, LIME, "unsupported_image"]
    assert outcomes(opened(data[: third + 20])) == [RED, LIME, "unsupported_image"]


def test_a_huge_page_of_a_tiff_is_refused_and_the_others_are_read():
    pages = [*plain("red", "lime"), Image.new("RGB", (100, 100), "blue")]
    limits = Limits(max_pixels=9_999, max_pages=9, page_seconds=1)
    document = opened(multi_page("TIFF", pages, compression="tiff_lzw"), limits=limits)
    assert outcomes(document) == [RED, LIME, "image_too_large"]
    with pytest.raises(ImageTooLarge, match="100 x 100"):
        document.page(3)


# GIF


def gif(frames: list[Image.Image], **options: object) -> bytes:
    return multi_page("GIF", frames, **options)


def expected_frames(data: bytes, count: int) -> list[np.ndarray]:
    """What Pillow sees, on white: the independent truth."""
    with Image.open(io.BytesIO(data)) as image:
        seen = []
        for i in range(count):
            image.seek(i)
            frame = image.convert("RGBA")
            page = Image.new("RGB", frame.size, "white")
            page.paste(frame, mask=frame.getchannel("A"))
            seen.append(bgr(page))
        return seen


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_all_frames_of_a_gif_are_seen_as_on_a_screen(disposal):
    frames = [Image.new("RGBA", (40, 30), (0, 0, 0, 0)) for _ in range(5)]
    for i, frame in enumerate(frames):
        frame.paste((50 * i, 20, 0, 255), (5 * i, 3 * i, 5 * i + 12, 3 * i + 9))
    data = gif(frames, disposal=disposal)
    document = opened(data)
    assert (document.format, document.numbers) == ("GIF", [1, 2, 3, 4, 5])
    for number, expected in zip(document.numbers, expected_frames(data, 5), strict=True):
        assert np.array_equal(document.page(number).pixels, expected), number
    assert np.array_equal(document.page(2).pixels, expected_frames(data, 2)[1])  # backwards
    assert document.page(2).pages == 5


def test_a_broken_frame_of_a_gif_spoils_no_other():
    colours = [Image.new("RGB", (16, 12), colour) for colour in ("red", "lime", "blue")]
    data = bytearray(gif(colours))
    document = opened(bytes(data))
    assert outcomes(document) == [RED, LIME, BLUE]
    frame = document._frames[1]
    at = frame.end - 4
    data[at - 6 : at] = b"\xff" * 6
    assert outcomes(opened(bytes(data)))[::2] == [RED, BLUE]


def test_frames_outside_of_the_screen_and_huge_ones_are_bounded():
    screen = b"GIF89a\x10\0\x10\0\x80\0\0" + bytes(3) + b"\xff\xff\xff"
    small = b",\0\0\0\0\1\0\1\0\0\2\2L\1\0"
    huge = b",\0\0\0\0\xff\xff\xff\xff\0\2\2L\1\0"
    outside = b",\x40\0\x40\0\1\0\1\0\0\2\2L\1\0"
    document = opened(screen + small + huge + outside + small + b";")
    assert document.pages == 4
    assert [type(each).__name__ for each in outcomes(document)] == ["list", "str", "list", "list"]
    with pytest.raises(ImageTooLarge, match="65535 x 65535"):
        document.page(2)


def test_a_gif_that_takes_too_much_work_until_a_frame_is_refused():
    frame = gif([Image.new("L", (100, 100), 7)])
    header, body = frame[: frame.index(b",")], frame[frame.index(b",") : -1]
    limits = Limits(max_pixels=10_000, max_pages=9, page_seconds=1)
    document = opened(header + body * 30 + b";", limits=limits, pages="20,30")
    document.page(20)
    with pytest.raises(UnsupportedImage, match="too many large frames"):
        document.page(30)


# Densities


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize(("stated", "dpi"), [((300, 300), 300), ((204, 98), 204), ((1, 1), None)])
def test_the_density_of_a_page_is_told_where_the_file_states_it(kind, stated, dpi, latin):
    page = opened(encoded(latin, kind, dpi=stated)).page(1)
    assert page.dpi == (None if dpi is None else pytest.approx(dpi, abs=0.1))
    assert opened(encoded(latin, "GIF")).page(1).dpi is None


def test_the_density_of_a_turned_page_is_that_across_the_upright_one(latin):
    data = encoded(latin, "TIFF", tiffinfo={274: 6}, dpi=(204, 98))
    assert opened(data).page(1).dpi == 98


def test_a_pdf_in_ascii_is_no_text():
    pdf = in_ascii(drawn(text_page))
    assert pdf.isascii()
    files = (pdf, b"\r\n " + pdf, encoded(Image.new("RGB", (9, 9))))
    assert [is_text(file) for file in files] == [False, False, False]
    texts = (b"a letter", b"a letter about %PDF-1.7", b" " * 2000 + b"%PDF-1.7")
    assert [is_text(text) for text in texts] == [True, True, True]
