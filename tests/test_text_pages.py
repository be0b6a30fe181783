"""Several pages as plain text and as JSON."""

import json

import pytest
from handmade import UNREAD, Handmade, block, line, page, rect, table

from ocr_runtime.outputs import markdown, pages, text
from ocr_runtime.outputs.pages import PagesAnswer
from ocr_runtime.reading.page import Block, Line

DOCUMENT = Handmade()


def write(*several):
    return "".join(text.write_pages(several, DOCUMENT))


def as_json(*several):
    return json.loads("".join(pages.write_pages(several, DOCUMENT)))["pages"]


def test_pages_stand_between_form_feeds():
    first, second = page(block("one", "two"), block("three")), page(block("four"), number=3)
    assert write(first) == text.write(first) == "one\ntwo\n\nthree\n"
    assert write(first, page(), second) == "one\ntwo\n\nthree\n\f\ffour\n"
    assert write() == ""


def test_a_page_that_was_not_read_is_said_in_its_place():
    assert write(page(block("one")), UNREAD, page(block("two"))) == (
        "one\n\f[page 7 was not read: The page is <too> large.]\n\ftwo\n"
    )


@pytest.mark.parametrize("module", [text, pages, markdown])
def test_pages_are_written_as_they_come(module):
    read = []

    def arriving():
        for number in (1, 2, 3):
            read.append(number)
            yield page(block(f"page number {number}"), number=number)

    for part in module.write_pages(arriving(), DOCUMENT):
        if "page number" in part:
            assert f"page number {read[-1]}" in part
    assert read == [1, 2, 3]


def test_json_has_all_that_was_read():
    read = page(
        Block(rows=[[line("a b", 10, 20)], [Line(score=0.98765, text=None, box=None)]]),
        number=2,
        dpi=300.0,
        skew=0.1234,
    )
    words = [
        {"text": "a", "score": 0.9, "box": rect(10, 20, 20, 40)},
        {"text": "b", "score": 0.9, "box": rect(30, 20, 40, 40)},
    ]
    entry = {"text": "a b", "score": 0.9, "box": rect(10, 20, 40, 40), "words": words}
    without = {"text": None, "score": 0.9877, "box": None, "words": None}
    (answer,) = as_json(read)
    (found,) = answer.pop("blocks")
    assert found.pop("box") == [[10.0, 19.94], [40.04, 20.0], [40.0, 40.06], [9.96, 40.0]]
    assert found == {"kind": "text", "rows": [[entry], [without]], "columns": []}
    assert answer == {
        "number": 2, "width": 1000, "height": 1000, "dpi": 300.0, "orientation": 0, "skew": 0.12,
    }  # fmt: skip


def test_json_says_which_pages_were_not_read():
    answer = as_json(page(table(["a", "b"], xs=[10, 200])), UNREAD, page(number=8))
    assert [entry["number"] for entry in answer] == [1, 7, 8]
    assert answer[0]["blocks"][0]["kind"] == "table"
    assert answer[1] == {
        "number": 7, "code": "image_too_large", "error": "The page is <too> large.",
    }  # fmt: skip
    assert as_json() == []


def test_json_is_what_the_model_says():
    several = page(block("a")), UNREAD
    PagesAnswer.model_validate({"pages": as_json(*several)}, strict=True)


def test_the_box_of_a_block_lies_as_its_text_does():
    box = [[50, 10], [50, 90], [30, 90], [30, 10]]
    turned = page(Block(rows=[[Line(score=1, text="down", box=box)]]), orientation=270)
    (answer,) = as_json(turned)
    assert answer["blocks"][0]["box"] == box
