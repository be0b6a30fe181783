"""PDFs whose text can be found and copied: of images."""

import io
import subprocess
from dataclasses import replace
from functools import cache

import cv2
import numpy as np
import pikepdf
import pypdfium2
import pytest
from conftest import DATA, encoded
from fontTools.ttLib import TTFont
from handmade import UNREAD, Handmade, block, page, rect, table
from PIL import Image, ImageCms
from serving import program

from ocr_runtime.documents import jpeg
from ocr_runtime.documents.images import decode
from ocr_runtime.outputs import pdf, pdf_font, text
from ocr_runtime.reading.page import Block, Line, ReadingOptions, Word
from scripts.measuring.samples import drawn

SAMPLES = {sample.name: sample for sample in drawn()}
QUICK = ["mixed", "vertical", "form 2°", "receipt 270°", "plain_table 180°"]


def every_page(test):
    marks = [[] if name in QUICK else [pytest.mark.slow] for name in SAMPLES]
    names = [pytest.param(name, marks=mark) for name, mark in zip(SAMPLES, marks, strict=True)]
    return pytest.mark.parametrize("name", names)(test)


def png(sample):
    return cv2.imencode(".png", sample.page.pixels)[1].tobytes()


def written(*pages, **document):
    return b"".join(pdf.write_pages(pages, Handmade(**document)))


@pytest.fixture(scope="module")
def searchable(standard):
    """Reads a drawn page and writes it as a PDF, once."""

    @cache
    def write(name):
        sample = SAMPLES[name]
        read = standard.read(sample.page, ReadingOptions(return_word_box=True))
        return read, written(read, data=png(sample))

    return write


def copied(data, number=1):
    """What is copied from a page in Chromium."""
    with pypdfium2.PdfDocument(data) as document:
        return document[number - 1].get_textpage().get_text_range()


def extracted(data):
    """What Poppler finds, in the order of the file."""
    command = [program("pdftotext"), "-raw", "-", "-"]
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout.decode()


def solid(words):
    return "".join(words.split())


def places(data, number=1):
    """Words in Chromium, and left, bottom, right, top of each, in points."""
    with pypdfium2.PdfDocument(data) as document:
        found = document[number - 1].get_textpage()
        words, boxes = found.get_text_range().split(" "), []
        start = 0
        for word in words:
            each = [found.get_charbox(start + i) for i in range(len(word))]
            sides = np.array(each).T
            boxes.append([*sides[:2].min(1).tolist(), *sides[2:].max(1).tolist()])
            start += len(word) + 1
        return dict(zip(words, boxes, strict=True))


def shown(data, number=1, *, width):
    """A page as Chromium shows it, RGB, so many pixels wide."""
    with pypdfium2.PdfDocument(data) as document:
        sheet = document[number - 1]
        bitmap = sheet.render(scale=width / sheet.get_width(), no_smoothimage=True)
        return np.asarray(bitmap.to_pil().convert("RGB")).astype(int)


@pytest.mark.slow
@every_page
def test_what_is_copied_in_chromium_is_the_text_of_the_page(name, searchable):
    read, data = searchable(name)
    assert copied(data).split() == text.write(read).split()


@pytest.mark.slow
@every_page
def test_what_poppler_extracts_is_the_text_of_the_page(name, searchable):
    read, data = searchable(name)
    found = extracted(data)
    assert solid(found) == solid(text.write(read))
    if read.orientation == 0 and "vertical" not in name and name not in ("tiers", "narrow_receipt"):
        assert found.split() == text.write(read).split()


@pytest.mark.parametrize("name", ["one_column", "form"])
def test_selected_words_lie_on_their_ink(name, searchable):
    """Chromium marks what lies in the boxes of characters; they are PDFium's own."""
    read, data = searchable(name)
    points = 72 / max(96, 72 * max(read.width, read.height) / 841.89)
    ink = SAMPLES[name].page.pixels.min(2) < 128
    found = places(data)
    words = [word for each in read.lines for word in each.words if word.text in found]
    once = [word for word in words if [other.text for other in words].count(word.text) == 1]
    assert len(once) > 20
    for word in once:
        left, bottom, right, top = np.array(found[word.text]) / points
        columns = np.flatnonzero(ink[int(read.height - top) : int(read.height - bottom)].any(0))
        inside = columns[(columns > left - 3) & (columns < right + 3)]
        assert abs(inside.min() - left) <= 3, word.text
        assert abs(inside.max() - right) <= 3, word.text


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (rect(100, 200, 300, 240), [100, 760, 300, 800]),
        ([[140, 200], [140, 400], [100, 400], [100, 200]], [100, 600, 140, 800]),
        ([[300, 240], [100, 240], [100, 200], [300, 200]], [100, 760, 300, 800]),
        ([[100, 400], [100, 200], [140, 200], [140, 400]], [100, 600, 140, 800]),
    ],
)
def test_a_word_has_the_place_of_its_box(box, expected):
    words = [Word(text="word", score=1, box=box)]
    read = page(Block(rows=[[Line(text="word", score=1, box=box, words=words)]]), dpi=72)
    assert (
        np.abs(np.subtract(places(written(read))["word"], expected)).max() <= 2
    )  # widths come in steps


def test_spaces_are_those_of_the_text():
    spans = ("a", 0, 10), ("illi", 30, 42), ("WWW", 45, 135), ("茶", 200, 220), ("树", 240, 260)
    words = [Word(text=word, score=1, box=rect(x, 0, end, 20)) for word, x, end in spans]
    row = [Line(text="a illiWWW 茶树", score=1, box=rect(0, 0, 260, 20), words=words)]
    cells = table(["one", "two"], xs=[100, 105], top=200)
    data = written(page(Block(rows=[row]), cells))
    assert copied(data) == "a illiWWW 茶树\r\none two"


def test_a_line_that_is_level_but_for_rounding_can_be_copied():
    box = [[100, 100], [300, 100 + 1e-12], [300, 140], [100, 140]]
    words = [Word(text="level", score=1, box=box)]
    data = written(page(Block(rows=[[Line(text="level", score=1, box=box, words=words)]])))
    assert copied(data) == "level"
    with pikepdf.open(io.BytesIO(data)) as document:
        operators = pikepdf.parse_content_stream(document.pages[0])
    (place,) = (each.operands for each in operators if str(each.operator) == "Tm")
    assert len(place) == 6


def test_lines_without_words_or_without_a_place_are_written_too():
    whole = Line(text="no words", score=1, box=rect(100, 100, 300, 140))
    nowhere = Line(text="nowhere", score=1)
    misread = replace(whole, text="other words", words=[Word(text="a", score=1, box=whole.box)])
    for each in (whole, nowhere, misread):
        assert copied(written(page(Block(rows=[[each]])))) == each.text
    assert copied(written(page(Block(rows=[[replace(whole, text=None)]])))) == ""


def test_every_character_can_be_copied():
    characters = "Ωж字あ한ñﬁ€𠀋😀\u0301"
    data = written(page(block(characters), block("a\0b", top=300)))
    expected = [characters.replace("ﬁ", "fi"), "a\ufffdb"]
    assert copied(data).split("\r\n") == expected


def test_poppler_knows_characters_beyond_the_first_plane():
    assert solid(extracted(written(page(block("𠀋😀 a"))))) == "𠀋😀a"


def test_a_file_is_valid_and_small():
    several = [page(block(*["The harbour lies below"] * 30), number=number) for number in (1, 2)]
    data = b"".join(pdf.write_pages(several, Handmade(numbers=[1, 2])))
    with pikepdf.open(io.BytesIO(data)) as document:
        assert document.check_pdf_syntax() == []
        assert len(document.pages) == 2
    assert len(data) < 12_000


def test_the_font_is_as_wide_as_the_pdf_says():
    codes = pdf_font.Codes()
    for character, width in (("a", 0.001), ("b", 0.5), ("c", 1.02), ("d", 99)):
        codes.code(character, width)
    font = TTFont(io.BytesIO(pdf_font.FONT_FILE))
    glyphs = np.frombuffer(codes.glyphs(), ">u2")[1:]
    names = [font.getGlyphName(int(glyph)) for glyph in glyphs]
    assert [font["hmtx"][name][0] for name in names] == codes.widths() == [52, 513, 1000, 6116]


def test_codes_do_not_run_out():
    codes = pdf_font.Codes()
    for number in range(0xFFFF + 10):
        code, _ = codes.code(chr(0x10000 + number), 1)
    assert code == b"\xff\xff"
    assert codes.code("\U00010000", 2)[0] == b"\0\1"
    codes.to_unicode()


@pytest.mark.parametrize(
    ("dpi", "size"),
    [(72, (1000, 500)), (300, (240, 120)), (None, (750, 375)), (2, (14400, 7200))],
)
def test_a_page_is_as_large_as_its_file_says(dpi, size):
    image = encoded(Image.new("L", (1000, 500)))
    with pypdfium2.PdfDocument(written(page(height=500, dpi=dpi), data=image)) as document:
        assert document[0].get_size() == pytest.approx(size)


def test_a_large_image_that_does_not_say_its_density_fits_a4():
    image = encoded(Image.new("L", (4000, 3000)))
    with pypdfium2.PdfDocument(written(page(width=4000, height=3000), data=image)) as document:
        assert document[0].get_size() == pytest.approx((841.89, 631.4175))


def test_pixels_that_are_not_square_are_shown_as_they_are_meant():
    image = encoded(Image.new("1", (204, 98)), "TIFF", dpi=(204, 98))
    fax = page(block("fax", left=10, top=10), width=204, height=98, dpi=204)
    data = written(fax, data=image, format="TIFF")
    with pypdfium2.PdfDocument(data) as document:
        assert document[0].get_size() == pytest.approx((72, 72), abs=0.5)
    assert places(data)["fax"] == pytest.approx([3.5, 50, 14.1, 64.7], abs=0.5)


def photo(mode):
    with Image.open(DATA / "on_photo.jpg") as image:
        return image.convert("RGB").crop((0, 0, 240, 160)).convert(mode)


def kinds():
    colours = photo("RGB")
    yield "baseline", "JPEG", encoded(colours, "JPEG", quality=90)
    yield "progressive", "JPEG", encoded(colours, "JPEG", progressive=True)
    yield "gray", "JPEG", encoded(photo("L"), "JPEG")
    yield "cmyk", "JPEG", encoded(photo("CMYK"), "JPEG")
    yield "rgb components", "JPEG", encoded(colours, "JPEG", keep_rgb=True)
    for number in range(2, 9):
        exif = Image.Exif()
        exif[0x0112] = number
        yield f"turned {number}", "JPEG", encoded(colours, "JPEG", exif=exif)
        yield f"turned {number}", "PNG", encoded(colours, "PNG", exif=exif)
    for mode in ("1", "L", "P", "RGB"):
        yield mode, "PNG", encoded(photo(mode))
    yield "4 bits", "PNG", encoded(colours.quantize(16), "PNG", bits=4)
    yield "several chunks", "PNG", encoded(photo("RGB").resize((2000, 1000)))


@pytest.mark.parametrize(
    ("format_", "data"),
    [pytest.param(format_, data, id=f"{format_} {name}") for name, format_, data in kinds()],
)
def test_an_image_is_embedded_as_it_is(format_, data):
    image = decode(data, max_pixels=10**8)
    out = written(page(width=image.width, height=image.height), data=data, format=format_)
    with pikepdf.open(io.BytesIO(out)) as document:
        raw = document.pages[0].Resources.XObject.I.read_raw_bytes()
    if format_ == "JPEG":
        assert raw == jpeg.prepare(data).data
    else:
        assert raw[:1000] in data
    pixels = shown(out, width=image.width)
    assert pixels.shape == image.pixels.shape
    # Another decoder of JPEG, and other formulas from CMYK to RGB, give other roundings.
    near = 25 if b"Adobe" in data else 4
    assert np.abs(pixels - image.pixels[..., ::-1]).mean() < near


def others():
    alpha = photo("RGBA")
    alpha.putalpha(photo("L"))
    yield "alpha", "PNG", encoded(alpha)
    yield "bits", "TIFF", encoded(photo("1"), "TIFF", compression="group4")
    yield "gray", "TIFF", encoded(photo("L"), "TIFF", compression="tiff_lzw")
    yield "colours", "BMP", encoded(photo("RGB"), "BMP")
    yield "palette", "GIF", encoded(photo("P"), "GIF")
    yield "lossless", "WEBP", encoded(photo("RGB"), "WEBP", lossless=True)
    yield "lossy", "WEBP", encoded(photo("RGB"), "WEBP")
    yield "transparent colour", "PNG", encoded(photo("L"), transparency=3)
    yield "damaged", "PNG", damaged(encoded(photo("L")))


def damaged(data):
    """A PNG whose pixels have a wrong checksum at their end."""
    at = data.index(b"IEND") - 4 - 4 - 4
    return data[:at] + b"\0\0\0\0" + data[at + 4 :]


@pytest.mark.parametrize(
    ("format_", "data"),
    [pytest.param(format_, data, id=f"{format_} {name}") for name, format_, data in others()],
)
def test_other_images_are_embedded_without_loss(format_, data):
    image = decode(data, max_pixels=10**8)
    out = written(page(width=image.width, height=image.height), data=data, format=format_)
    assert np.array_equal(shown(out, width=image.width), image.pixels[..., ::-1])


def test_black_and_white_takes_a_bit_for_each_pixel():
    data = written(page(), data=encoded(photo("1"), "TIFF"), format="TIFF")
    with pikepdf.open(io.BytesIO(data)) as document:
        assert document.pages[0].Resources.XObject.I.BitsPerComponent == 1


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_colour_profiles_are_kept_if_they_fit(format_):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for mode, kept in (("RGB", True), ("L", False)):
        data = encoded(photo(mode), format_, icc_profile=profile)
        with pikepdf.open(io.BytesIO(written(page(), data=data, format=format_))) as document:
            colours = document.pages[0].Resources.XObject.I.ColorSpace
            assert isinstance(colours, pikepdf.Array) == kept
            if kept:
                assert colours[1].read_bytes() == profile


def test_a_page_that_was_not_read_is_there_without_text():
    data = encoded(photo("RGB"), "JPEG")
    unread = replace(UNREAD, number=1)
    out = written(unread, data=data, format="JPEG")
    assert copied(out) == ""
    assert shown(out, width=240).std() > 10
    broken = written(unread, data=data[:300], format="JPEG")
    with pypdfium2.PdfDocument(broken) as document:
        assert document[0].get_size() == pytest.approx((595.276, 841.89))


def test_pages_are_written_as_they_come():
    read = []

    def arriving():
        for number in (1, 2, 3):
            read.append(number)
            yield page(block(f"page {number}"), number=number)

    sent = [len(read) for part in pdf.write_pages(arriving(), Handmade(numbers=[1, 2, 3]))]
    assert set(sent) == {0, 1, 2, 3}
