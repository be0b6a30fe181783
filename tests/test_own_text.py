"""A page's own text becomes lines and words, as if it had been read."""

import math

import numpy as np
import pikepdf
import pytest
from fpdf import FPDF
from pdfs import FONTS, drawn, with_page
from test_pdf_text import in_dejavu, mapped, own_text, page_of

from ocr_runtime.documents.own_text import OwnText
from ocr_runtime.reading.layout import arrange
from ocr_runtime.reading.own_text import lines_of
from ocr_runtime.reading.page import Box, Line


def lines(*draw, **options) -> list[Line]:
    return lines_of(own_text(drawn(*draw), **options))


def texts(found: list[Line]) -> list[str]:
    return [line.text for line in found]


def test_a_page_without_text_has_no_lines():
    assert lines_of(OwnText.empty()) == []
    assert lines(lambda _: None) == []


def test_lines_have_their_words_and_boxes():
    first, second = lines(
        lambda pdf: (pdf.text(60, 80, "Two words"), pdf.text(60, 100, "and three more.")), dpi=144
    )
    assert (first.text, second.text) == ("Two words", "and three more.")
    assert [word.text for word in second.words] == ["and", "three", "more."]
    assert {first.score, *(word.score for word in first.words)} == {1.0}
    (left, top), (right, _), (_, bottom), _ = first.box
    width = FPDF(unit="pt")
    width.set_font("helvetica", size=12)
    assert (left, right) == (
        120,
        pytest.approx(120 + 2 * width.get_string_width("Two words"), abs=1),
    )
    assert 130 < top < 146
    assert 160 < bottom < 172
    assert first.words[0].box[0] == first.box[0]
    assert first.words[-1].box[2] == pytest.approx(first.box[2])
    assert first.words[0].box[1][0] < first.words[1].box[0][0]


def inside(box: Box, point: tuple[float, float]) -> bool:
    """Whether a point lies in a box, whose corners go round clockwise."""
    corners = np.array(box)
    edges = np.roll(corners, -1, axis=0) - corners
    to_point = np.array(point) - corners
    return bool((edges[:, 0] * to_point[:, 1] - edges[:, 1] * to_point[:, 0] > -2).all())


@pytest.mark.parametrize("angle", [0, 5, 30, 45, 60, 90, 135, 180, 270, 315])
def test_boxes_of_turned_lines_begin_where_they_are_read_from_and_hold_their_ink(angle):
    def draw(pdf: FPDF) -> None:
        with pdf.rotation(angle, 300, 400):
            pdf.text(300, 400, "Turned line with gaps")

    page = page_of(drawn(draw), dpi=100)
    (line,) = lines_of(page.own_text)
    assert line.text == "Turned line with gaps"
    assert [word.text for word in line.words] == ["Turned", "line", "with", "gaps"]
    first, second, _, fourth = np.array(line.box)
    along, across = second - first, fourth - first
    assert np.allclose(along / np.hypot(*along), _turned(angle), atol=0.02)
    assert 12 < np.hypot(*across) < 24  # 12 points are 17 pixels
    rows, columns = np.nonzero(page.pixels.min(axis=2) < 128)
    within = [inside(line.box, point) for point in zip(columns, rows, strict=True)]
    assert np.mean(within) > 0.98


def _turned(angle: float) -> tuple[float, float]:
    return math.cos(math.radians(angle)), -math.sin(math.radians(angle))


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_lines_of_a_turned_page_are_those_of_the_upright_one(rotation):
    data = with_page(drawn(in_dejavu), Rotate=rotation)
    assert texts(lines_of(own_text(data))) == texts(lines_of(own_text(drawn(in_dejavu))))


def test_columns_and_cells_stand_apart():
    def draw(pdf: FPDF) -> None:
        for i in range(3):
            pdf.text(60, 80 + 16 * i, f"left {i}")
            pdf.text(300, 80 + 16 * i, f"right {i}")

    found = lines(draw)
    assert sorted(texts(found)) == [f"{side} {i}" for side in ("left", "right") for i in range(3)]


def test_two_columns_are_arranged_one_after_the_other():
    def draw(pdf: FPDF) -> None:
        for i in range(20):
            pdf.text(60, 80 + 15 * i, f"left column, line number {i}")
            pdf.text(320, 80 + 15 * i, f"right column, line number {i}")

    blocks = arrange(lines(draw))
    read = [line.text for block in blocks for line in block.lines]
    expected = [f"{side} column, line number {i}" for side in ("left", "right") for i in range(20)]
    assert read == expected


def test_paragraphs_of_usual_line_spacing_are_blocks():
    def draw(pdf: FPDF) -> None:
        for i in range(5):
            pdf.text(60, 80 + 14 * i, f"line number {i} of a paragraph that is wide enough")
            pdf.text(60, 250 + 14 * i, f"line number {i} of another paragraph that is so")

    assert [len(block.rows) for block in arrange(lines(draw))] == [5, 5]


def test_chinese_characters_are_words():
    found = lines_of(
        own_text(
            mapped(
                drawn(lambda pdf: in_dejavu(pdf, "abc 12", 1)),
                lambda each: {"a": "的", "b": "一", "c": "是"}.get(each, each),
            )
        )
    )
    assert [(line.text, [word.text for word in line.words]) for line in found] == [
        ("的一是 12", ["的", "一", "是", "12"])
    ]


def test_ligatures_accents_and_hyphens_are_plain_characters():
    def draw(pdf: FPDF) -> None:
        pdf.add_font("dj", "", str(FONTS / "DejaVuSans.ttf"))
        pdf.set_font("dj", size=12)
        pdf.text(60, 80, "e\ufb03cient na\u00efve soft\u00adware")
        pdf.text(60, 96, "cut hy-")
        pdf.text(60, 112, "phen")

    found = texts(lines(draw))
    assert found[0] in ("efficient naïve software", "efficient naïve soft-ware")
    assert found[1:] == ["cut hy-", "phen"]


def test_accents_that_are_drawn_over_letters_are_theirs():
    """As TeX does with its older fonts."""

    def draw(pdf: FPDF) -> None:
        pdf.set_font("times", size=12)
        x = 60.0
        for character in "r\u00b4egl\u00b4e `a 2, na\u00a8if, c\u00b8a":
            if character in "\u00b4`\u00a8":
                pdf.text(x + 1, 80, character)
            elif character == "\u00b8":
                pdf.text(x - 4.5, 80, character)
            else:
                pdf.text(x, 80, character)
                x += pdf.get_string_width(character)
        pdf.text(60, 110, "a ` quoted \u00b4 word~s")

    assert texts(lines(draw)) == ["réglé à 2, naïf, ça", "a ` quoted \u00b4 word~s"]


def test_a_superscript_stays_on_its_line():
    def draw(pdf: FPDF) -> None:
        pdf.text(60, 80, "Area in m")
        pdf.set_font("helvetica", size=7)
        pdf.text(60 + 51, 76, "2")

    assert texts(lines(draw)) == ["Area in m2"]


def test_letters_that_are_placed_one_by_one_are_words():
    """As word processors do for justified text: a gap is a space, or none."""

    def draw(pdf: FPDF) -> None:
        x = 60.0
        for character in "spaced  out":
            if character != " ":
                pdf.text(x, 80, character)
            x += pdf.get_string_width(character if character != " " else "  ")

    assert texts(lines(draw)) == ["spaced out"]


def test_controls_are_left_out():
    found = lines_of(
        own_text(mapped(drawn(in_dejavu), lambda each: "\x05" if each == "q" else each))
    )
    assert found[0].text.startswith("The uick brown")


def test_the_crop_box_moves_the_lines():
    data = with_page(
        drawn(lambda pdf: pdf.text(60, 80, "moved")), CropBox=pikepdf.Array([40, 0, 595, 792])
    )
    (line,) = lines_of(own_text(data, dpi=72))
    assert line.box[0][0] == pytest.approx(20, abs=1)
    assert line.box[3][1] == pytest.approx(80 - 50 + 3, abs=2)
