"""Reading some lines of a page tells whether its own text is what is seen there."""

import random
from dataclasses import replace

import numpy as np
import pytest
from conftest import read_lines
from pdfs import drawn
from test_pdf_text import in_dejavu, mapped, page_of, reason_to_doubt, shuffled

from ocr_runtime.documents.images import PageImage
from ocr_runtime.documents.own_text import OwnText
from ocr_runtime.reading.agreement import agree, lines_to_check
from ocr_runtime.reading.layout import MOST_LINES
from ocr_runtime.reading.own_text import lines_of
from ocr_runtime.reading.page import Line, ReadingOptions

LOW, TALL = "acenorsuvxz", "bdhk"


def exchanged(character: str) -> str:
    """Another letter of the same shape: what `pdf_trust` cannot see."""
    for group in (LOW, TALL, "gpqy"):
        if character in group:
            return group[(group.index(character) + 1) % len(group)]
    return character


def agreements(engine, data: bytes) -> list[bool]:
    page = page_of(data)
    found = []
    for line in lines_to_check(lines_of(page.own_text)):
        left, top = np.floor(np.min(line.box, axis=0)).astype(int)
        right, bottom = np.ceil(np.max(line.box, axis=0)).astype(int)
        crop = page.pixels[top - 2 : bottom + 2, left - 4 : right + 4]
        (read,) = read_lines(engine, np.ascontiguousarray(crop), use_det=False)
        found.append(agree(line.text, read.text))
    return found


def test_text_that_is_what_is_seen_agrees(engine):
    assert agreements(engine, drawn(in_dejavu)) == [True] * 3


@pytest.mark.parametrize("character", [shuffled, exchanged], ids=["shuffled", "same shapes"])
def test_text_with_exchanged_letters_does_not(character, engine):
    assert agreements(engine, mapped(drawn(in_dejavu), character)) == [False] * 3


def test_what_the_trust_in_a_page_cannot_see_is_why_lines_are_read():
    page = page_of(mapped(drawn(in_dejavu), exchanged))
    assert reason_to_doubt(page.own_text, page.pixels) is None


@pytest.mark.slow
def test_a_page_whose_own_text_is_not_what_is_seen_is_read(standard):
    true = drawn(in_dejavu)
    taken, checked = (
        standard.read(page_of(data, text_layer="auto"), ReadingOptions())
        for data in (true, mapped(true, exchanged))
    )
    assert {line.score for line in taken.lines} == {1.0}
    assert max(line.score for line in checked.lines) < 1.0
    assert [line.text for line in checked.lines] == [line.text for line in taken.lines]


def test_own_text_that_is_asked_for_is_taken_unchecked(standard):
    page = page_of(mapped(drawn(in_dejavu), exchanged), text_layer="only")
    assert {line.score for line in standard.read(page, ReadingOptions()).lines} == {1.0}


def test_ocr_errors_are_no_disagreement():
    assert agree("The quick brown fox, 0123.", "Thequickbrovvn f0x,O123")
    assert agree("高效的文字识别服务", "高效的文宇识别服务。")
    assert not agree("The quick brown fox", "")


def test_unrelated_lines_do_not_agree():
    dice = random.Random(0)
    letters = "eeeeetttaaaooiinnsshhrrdlu"
    alike = [agree(*("".join(dice.choices(letters, k=40)) for _ in range(2))) for _ in range(300)]
    assert sum(alike) < 15


def test_lines_are_chosen_from_all_over_the_page_and_in_known_alphabets():
    lines = [Line(score=1, text=text) for text in ("short", "Съешь же ещё этих", "x" * 99)]
    assert lines_to_check(lines) == []
    good = [Line(score=1, text=f"line number {i}") for i in range(30)]
    assert [line.text for line in lines_to_check(lines + good)] == [
        "line number 0",
        "line number 10",
        "line number 20",
    ]
    assert lines_to_check(good[:2], most=5) == good[:2]


def letters_apart(count: int, *, checked: bool) -> PageImage:
    """An empty page whose own text is single letters, in no order."""
    places = np.random.default_rng(0).permutation(count)
    corners = np.stack([places % 60, places // 60], axis=1).astype(np.float32) * 20
    boxes = np.hstack([corners, corners + 5])
    text = replace(
        OwnText.empty(),
        text="".join(chr(0x4E00 + i) for i in range(count)),
        tight=boxes,
        loose=boxes,
        origins=corners + np.float32([0, 5]),
        directions=np.tile(np.float32([1, 0]), (count, 1)),
        fonts=np.zeros(count, np.int32),
        orders=np.zeros(count, np.int32),
        marks=np.zeros(count, np.uint8),
    )
    white = PageImage.of(np.full((1100, 1200, 3), 255, np.uint8))
    return replace(white, own_text=text, check_own_text=checked)


def test_own_text_of_too_many_lines_is_read_by_ocr_or_left_in_the_order_of_the_file(standard):
    """20,000 letters that stand alone took 46 seconds to be put in order."""
    many, few = MOST_LINES + 1, MOST_LINES
    options = ReadingOptions()
    assert standard.read(letters_apart(many, checked=True), options).lines == []
    page = standard.read(letters_apart(many, checked=False), options)
    assert "".join(line.text for line in page.lines) == "".join(
        chr(0x4E00 + i) for i in range(many)
    )
    arranged = standard.read(letters_apart(few, checked=True), options)
    tops = [line.box[0][1] for line in arranged.lines]
    assert (len(tops), tops) == (few, sorted(tops))
