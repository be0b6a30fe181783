"""What the engine gives to OCRmyPDF: a tree of elements, hOCR, and the PDFs that are made of it."""

import io
import threading
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pypdfium2
import pytest
from conftest import DATA, TRUTH
from handmade import block, line, page, rect, table
from test_languages import ALPHABETS

pytest.importorskip("ocrmypdf.pluginspec", reason="scripts/ocrmypdf tests with OCRmyPDF")

from ocrmypdf.font import MultiFontManager
from ocrmypdf.fpdf_renderer import Fpdf2PdfRenderer
from ocrmypdf.hocrtransform import HocrParser

from ocr_runtime.client import ocrmypdf_plugin
from ocr_runtime.client.ocrmypdf_elements import elements
from ocr_runtime.client.ocrmypdf_plugin import RapidOCREngine
from ocr_runtime.client.ocrmypdf_reading import Place, reader
from ocr_runtime.outputs import pages
from ocr_runtime.reading.page import Block, Line, Word

OPTIONS = SimpleNamespace(ocr_engine="rapidocr", extra_attrs={"rapidocr_cores": 2})


def copied(read, tmp_path):
    """What is copied of OCRmyPDF's rendering of a page."""
    out = tmp_path / "out.pdf"
    Fpdf2PdfRenderer(elements(read, 0), 72, MultiFontManager()).render(out)
    with pypdfium2.PdfDocument(out) as document:
        text = document[0].get_textpage().get_text_range()
    return [line.strip() for line in text.splitlines() if line.strip()]


def characters(text, left=100, top=100, size=20):
    """A line whose words are single characters, but for its spaces."""
    words = [
        Word(
            text=each, score=0.9, box=rect(left + i * size, top, left + (i + 1) * size, top + size)
        )
        for i, each in enumerate(text)
        if each != " "
    ]
    box = rect(left, top, left + len(text) * size, top + size)
    return Line(text=text, score=0.9, box=box, words=words)


@pytest.mark.parametrize(
    "text",
    ["东京 大阪 京都", "东京 Osaka 京都", "在2026年11月23日", "第12章 OCR服务", "年月 2026 日"],
)
def test_spaces_are_those_of_the_text(text, tmp_path):
    read = page(Block(rows=[[characters(text)]]))
    assert copied(read, tmp_path) == [text]


def test_words_without_spaces_between_them_are_single_only_where_ocrmypdf_joins_them():
    read = page(Block(rows=[[characters("东京 OCR 大阪 京都")]]))
    words = [word.text for word in elements(read, 0).words]
    assert words == ["东", "京", "OCR", "大阪 京都"]


def test_lines_without_words_or_without_a_place_are_written_too(tmp_path):
    whole = Line(text="no words", score=1, box=rect(100, 100, 300, 140))
    nowhere = Line(text="nowhere", score=1)
    for each in (whole, nowhere):
        assert copied(page(Block(rows=[[each]])), tmp_path) == [each.text]
    assert copied(page(Block(rows=[[Line(text=None, score=1, box=whole.box)]])), tmp_path) == []


def test_a_tree_has_the_places_of_the_page():
    read = page(
        block("One line", "and another"), table(["a", "b"], xs=[100, 300], top=400), dpi=300
    )
    tree = elements(read, 3)
    assert (tree.page_number, tree.dpi, tree.bbox.right, tree.bbox.bottom) == (3, 300, 1000, 1000)
    assert [len(each.lines) for each in tree.paragraphs] == [2, 2]
    one, line_ = tree.words[0], tree.lines[0]
    assert (one.text, one.confidence) == ("One", 0.9)
    assert [one.bbox.left, one.bbox.top, one.bbox.right, one.bbox.bottom] == [100, 100, 130, 120]
    assert (line_.textangle, line_.baseline.slope) == (0.0, 0.0)
    assert line_.baseline.intercept == pytest.approx(-0.18 * 20)


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("slope", [0.0, 0.05, -0.05])
def test_type_is_as_large_as_it_is_however_the_line_lies(turn, slope, tmp_path):
    left, right, top, size = 300.0, 700.0, 500.0, 20.0
    rise = (right - left) * slope
    box = np.array(
        [[left, top], [right, top + rise], [right, top + rise + size], [left, top + size]]
    )
    middle = np.array([500.0, 500.0])
    cosine, sine = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[turn]  # clockwise
    turned = (box - middle) @ np.array([[cosine, sine], [-sine, cosine]]) + middle
    word = Word(text="horizontally", score=1, box=turned.tolist())
    read = page(Block(rows=[[Line(text=word.text, score=1, box=word.box, words=[word])]]))
    assert copied(read, tmp_path) == ["horizontally"]
    (found,) = elements(read, 0).lines
    assert found.textangle == -turn % 360
    assert found.baseline.slope == pytest.approx(slope)
    with pypdfium2.PdfDocument(tmp_path / "out.pdf") as document:
        text = document[0].get_textpage()
        boxes = np.array([text.get_charbox(i) for i in range(len("horizontally"))])
    centres = np.stack([boxes[:, ::2].mean(1), 1000 - boxes[:, 1::2].mean(1)], 1)
    ends = [(turned[0] + turned[3]) / 2, (turned[1] + turned[2]) / 2]
    assert np.linalg.norm(centres[0] - ends[0]) < 1.5 * size
    assert np.linalg.norm(centres[-1] - ends[1]) < 1.5 * size
    for (x, y), (other_x, other_y) in pairwise(centres):  # it runs along the line
        assert (other_x - x) * cosine + (other_y - y) * sine > 0


def test_hocr_and_pdf_are_those_of_the_page(tmp_path):
    hocr, pdf, text = (tmp_path / name for name in ("out.hocr", "out.pdf", "out.txt"))
    for write, out in (
        (RapidOCREngine.generate_hocr, hocr),
        (RapidOCREngine.generate_pdf, pdf),
    ):
        write(DATA / "latin.png", out, text, OPTIONS)
        assert [line for line in text.read_text().splitlines() if line] == TRUTH["latin.png"]
    tree = HocrParser(hocr).parse()
    assert [" ".join(word.text for word in line.words) for line in tree.lines] == TRUTH["latin.png"]
    width, height = tree.bbox.right, tree.bbox.bottom
    with pypdfium2.PdfDocument(io.BytesIO(pdf.read_bytes())) as document:
        assert document[0].get_size() == (width, height)  # the image says no density
        assert document[0].render().to_pil().convert("L").getextrema() == (255, 255)
        lines = document[0].get_textpage().get_text_range().splitlines()
    assert [line for line in lines if line] == TRUTH["latin.png"]


@pytest.mark.parametrize(
    ("name", "skew"), [("latin.png", 0), ("blank.png", 0), ("skewed_left.png", None)]
)
def test_a_level_page_is_not_turned(name, skew):
    found = RapidOCREngine.get_deskew(DATA / name, OPTIONS)
    assert found == skew if skew is not None else abs(found) > 1


def test_an_upright_page_is_not_read_to_say_so():
    assert RapidOCREngine.get_orientation(DATA / "latin.png", OPTIONS) == (0, 0.0)
    angle, confidence = RapidOCREngine.get_orientation(DATA / "line_upside_down.png", OPTIONS)
    assert angle == 180
    assert 14 < confidence <= 20


def test_a_process_has_one_engine():
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(reader(Place(cores=2)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({id(each) for each in found}) == 1


@pytest.mark.parametrize(
    ("jobs", "threads", "count", "cores"),
    [(8, True, 8, 4), (2, True, 8, 2), (8, False, 8, 1), (8, False, 2, 2), (2, False, 8, 1)],
)
def test_cores_are_divided_among_processes(jobs, threads, count, cores, monkeypatch):
    monkeypatch.setenv("OCR_THREADS", "4")
    options = SimpleNamespace(ocr_engine="rapidocr", jobs=jobs, use_threads=threads, extra_attrs={})
    ocrmypdf_plugin.validate(range(count), options)
    assert options.extra_attrs == {"rapidocr_cores": cores}


def test_pages_are_read_back_as_they_were_written():
    read = page(
        block("One line", "and another"), table(["a", "b"], xs=[100, 300], top=400), dpi=300
    )
    assert pages.page(pages.entry(read)) == read
    assert pages.page(pages.entry(page(Block(rows=[[line("x", 1, 2)]])))).lines[0].text == "x"


def test_languages_are_those_of_which_no_letter_is_missing():
    latin = {
        code for code in RapidOCREngine.languages(OPTIONS) if "_" not in code and code != "jpn"
    }
    assert len(latin) == len(set(ALPHABETS) - {"Greek", "Vietnamese", "Yoruba"}) + 1  # English
    assert RapidOCREngine.languages(OPTIONS) >= {"eng", "deu", "jpn", "chi_sim", "chi_tra"}
    assert not RapidOCREngine.languages(OPTIONS) & {"ell", "vie", "yor", "rus", "kor", "ara"}


def test_the_key_of_a_service_is_not_shown_with_its_place():
    place = Place(address="http://localhost", key="a secret")
    assert repr(place) == "Place(address='http://localhost', retries=5, cores=None)"
