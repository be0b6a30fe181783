"""Pages as hOCR; a validator of the format says whether they are."""

import io
from xml.etree import ElementTree as ET

import pytest
from handmade import UNREAD, Handmade, block, line, page, rect
from hocr_spec import HocrValidator

from ocr_runtime.outputs import hocr
from ocr_runtime.reading.page import Block, Line, ReadingOptions, Word
from scripts.measuring.samples import drawn

DOCUMENT = Handmade(format="TIFF", numbers=[1, 7, 8])
SAMPLES = {sample.name: sample for sample in drawn()}


def write(*pages):
    return "".join(hocr.write_pages(pages, DOCUMENT))


def elements(source):
    """Class, title and text of each element with a title."""
    root = ET.fromstring(source)
    return [
        (element.get("class"), element.get("title"), "".join(element.itertext()))
        for element in root.iter()
        if element.get("title")
    ]


def faults(source):
    """What the validator finds, but that it knows neither us nor Tesseract's `x_size`."""
    report = HocrValidator("standard").validate(io.BytesIO(source.encode()), filename="page")
    found = report.format("text").splitlines()
    known = '"x_size"', "Unknown ocr-system"
    return [fault for fault in found if not any(part in fault for part in known)]


def test_a_page_is_written_whole():
    words = [
        Word(text="a", score=0.876, box=rect(10.4, 20.6, 19.6, 40)),
        Word(text="<b>", score=1.0, box=rect(30, 20, 40, 40)),
    ]
    one = Line(text="a <b>", score=0.9, box=rect(10, 20, 40, 40), words=words)
    two = line("茶树", 10, 50, width=40)
    source = write(page(Block(rows=[[one], [two]]), number=2, dpi=300.0))
    assert elements(source) == [
        ("ocr_page", 'image "document.tiff"; ppageno 1; bbox 0 0 1000 1000; scan_res 300 300',
         "\n\n\na\n<b>\n茶树\n\n\n"),
        ("ocr_carea", "bbox 10 20 50 70", "\n\na\n<b>\n茶树\n\n"),
        ("ocr_par", "bbox 10 20 50 70", "\na\n<b>\n茶树\n"),
        ("ocr_line", "bbox 10 20 40 40; baseline 0.000 0; x_size 20.0", "a\n<b>"),
        ("ocrx_word", "bbox 10 20 20 40; x_wconf 88", "a"),
        ("ocrx_word", "bbox 30 20 40 40; x_wconf 100", "<b>"),
        ("ocr_line", "bbox 10 50 50 70; baseline 0.000 0; x_size 20.0", "茶树"),
        ("ocrx_word", "bbox 10 50 50 70; x_wconf 90", "茶树"),
    ]  # fmt: skip
    assert faults(source) == []


@pytest.mark.parametrize(
    ("box", "title"),
    [
        ([[100, 100], [300, 120], [298, 140], [98, 120]],
         "bbox 98 100 300 140; baseline 0.100 -20; x_size 20.1"),
        ([[100, 120], [300, 100], [302, 120], [102, 140]],
         "bbox 100 100 302 140; baseline -0.100 0; x_size 20.1"),
        ([[50, 10], [50, 90], [30, 90], [30, 10]], "bbox 30 10 50 90; textangle 270; x_size 20.0"),
        ([[30, 90], [30, 10], [50, 10], [50, 90]], "bbox 30 10 50 90; textangle 90; x_size 20.0"),
        ([[90, 50], [10, 50], [10, 30], [90, 30]], "bbox 10 30 90 50; textangle 180; x_size 20.0"),
        (rect(-3, -2, 10, 10), "bbox 0 0 10 10; baseline 0.000 0; x_size 12.0"),
    ],
)  # fmt: skip
def test_a_line_says_how_it_lies(box, title):
    source = write(page(Block(rows=[[Line(text="a", score=1, box=box)]])))
    assert elements(source)[-1] == ("ocr_line", title, "a")
    assert faults(source) == []


def test_a_page_that_was_not_read_is_empty_and_says_why():
    source = write(page(block("one")), UNREAD, page(number=8))
    assert [entry[:2] for entry in elements(source) if entry[0] == "ocr_page"] == [
        ("ocr_page", 'image "document.tiff"; ppageno 0; bbox 0 0 1000 1000'),
        ("ocr_page", 'image "document.tiff"; ppageno 6; bbox 0 0 0 0'),
        ("ocr_page", 'image "document.tiff"; ppageno 7; bbox 0 0 1000 1000'),
    ]
    reason = "page 7 was not read: image_too_large: The page is &lt;too&gt; large."
    assert f"<!-- {reason} -->" in source
    assert faults(source) == []


def test_what_xml_does_not_allow_is_replaced():
    source = write(page(block("a\0b\ud800 -->")))
    assert elements(source)[-2][2] == "a\ufffdb\ufffd"
    unread = type(UNREAD)(number=1, code="internal", error="-->\x08--")
    ET.fromstring(write(unread))


def test_lines_without_a_place_are_left_out():
    assert len(elements(write(page(Block(rows=[[Line(text="a", score=1)]]))))) == 1


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("mixed", "form 2°") else [pytest.mark.slow])
        for name in SAMPLES
    ],
)
def test_a_drawn_page_is_valid_and_has_its_text(name, standard):
    read = standard.read(SAMPLES[name].page, ReadingOptions(return_word_box=True))
    source = write(read)
    assert faults(source) == []
    lines = [content for kind, _, content in elements(source) if kind == "ocr_line"]
    assert [line.split() for line in lines] == [line.text.split() for line in read.lines]
