"""Where Azure's result says that words stand in its content."""

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from conftest import DATA

from ocr_runtime.documents.images import PageImage, decode
from ocr_runtime.outputs import elements
from ocr_runtime.reading.page import Block, Line, Page, ReadingOptions, UnreadPage, Word
from ocr_runtime.serving.compatible.azure.offsets import offsets
from ocr_runtime.serving.compatible.azure.parts import only, piece
from ocr_runtime.serving.compatible.azure.result import ResultWriter


def result(*pages: Page | UnreadPage, **options: Any) -> Any:
    chosen = {
        "api_version": "2024-11-30",
        "model_id": "prebuilt-layout",
        "counted": "unicodeCodePoint",
        "as_markdown": False,
        "in_inches": False,
    }
    writer = ResultWriter(**chosen | options)
    read = [writer.page(page, blocks) for page, blocks in elements.by_page(pages)]
    return json.loads(writer.start() + "".join(read) + writer.end())


def line(text: str, top: int = 0, *, words: bool = True) -> Line:
    """A line whose words, as long as they are, stand below `top`."""
    boxes, left = [], 0
    for word in text.split():
        right = left + 10 * len(word)
        corners = [[left, top], [right, top], [right, top + 10], [left, top + 10]]
        boxes.append(Word(text=word, score=0.9, box=corners))
        left = right + 10
    width = max(1, left - 10)
    box = [[0, top], [width, top], [width, top + 10], [0, top + 10]]
    return Line(text=text, score=0.8, box=box, words=boxes if words else None)


def paragraph(*lines: Line) -> Page:
    return Page(width=900, height=600, blocks=[Block(rows=[[each] for each in lines])])


def shown(found: Any, kind: str = "words") -> list[tuple[str, str]]:
    """What each word or line is, and what stands in the content where it should."""
    content = found["content"]
    pairs = []
    for page in found["pages"]:
        for each in page[kind]:
            span = each["span"] if "span" in each else each["spans"][0]
            start = span["offset"]
            pairs.append((each["content"], content[start : start + span["length"]]))
    return pairs


@pytest.mark.parametrize(
    ("text", "counted", "expected"),
    [
        ("", "textElements", [0]),
        ("ab", "textElements", [0, 1, 2]),
        ("a\r\nb", "textElements", [0, 1, 2, 2, 3]),
        ("e\u0301a", "textElements", [0, 1, 1, 2]),
        ("\u0301a", "textElements", [0, 1, 2]),
        ("\n\u0301a", "textElements", [0, 1, 2, 3]),
        ("👩\u200d🚀!", "textElements", [0, 1, 1, 1, 2]),
        ("👍🏽!", "textElements", [0, 1, 1, 2]),
        ("🇩🇪🇫🇷", "textElements", [0, 1, 1, 2, 2]),
        ("가\u1100\u1161\u11a8", "textElements", [0, 1, 2, 2, 2]),
        ("नि", "textElements", [0, 1, 1]),
        ("e\u0301👍🏽", "unicodeCodePoint", [0, 1, 2, 3, 4]),
        ("e\u0301👍🏽", "utf16CodeUnit", [0, 1, 2, 4, 6]),
    ],
)
def test_offsets_are_counted_as_the_caller_asks(text, counted, expected):
    assert offsets(text, counted) == expected


@pytest.mark.parametrize("as_markdown", [False, True])
@pytest.mark.parametrize("name", ["latin.png", "table.png", "japanese.png", "coloured.png"])
def test_each_word_and_line_stands_where_its_span_says(name, as_markdown, standard):
    image = PageImage.of(decode((DATA / name).read_bytes(), max_pixels=10**8).pixels)
    page = standard.read(image, ReadingOptions(return_word_box=True))
    found = result(page, page, as_markdown=as_markdown)
    assert len(shown(found)) >= 8
    for kind in ("words", "lines"):
        for content, there in shown(found, kind):
            assert re.sub(r"\\(?=\W)|\s", "", there) == re.sub(r"\s", "", content)


def test_what_markdown_escapes_joins_and_leaves_out_is_still_found():
    page = paragraph(
        line("• An *example* of a long-", 0),
        line("ish item_name with [marks]", 20),
        line("1. # no heading, 😀 e\u0301", 40),
    )
    found = result(page, as_markdown=True)
    assert shown(found) == [
        ("•", ""),
        ("An", "An"),
        ("*example*", r"*example\*"),
        ("of", "of"),
        ("a", "a"),
        ("long-", "long"),
        ("ish", "ish"),
        ("item_name", r"item\_name"),
        ("with", "with"),
        ("[marks]", r"[marks\]"),
        ("1.", "1."),
        ("#", "#"),
        ("no", "no"),
        ("heading,", "heading,"),
        ("😀", "😀"),
        ("e\u0301", "e\u0301"),
    ]


def test_a_line_whose_words_are_unknown_is_one_word():
    page = paragraph(line("Two  words", words=False), line(" "), line("More", 20))
    found = result(page)
    assert found["content"] == "Two words\nMore"
    assert shown(found) == [("Two words", "Two words"), ("More", "More")]


def test_a_table_has_its_cells_and_a_heading_its_role():
    head = Line(text="Big", score=1.0, box=[[0, 0], [90, 0], [90, 30], [0, 30]])
    rows = [[line("a", 40), line("b", 40)], [line("c", 60)]]
    page = Page(
        width=900,
        height=600,
        blocks=[
            Block(rows=[[head]]),
            Block(rows=rows, kind="table", columns=[[0, 1], [1]]),
            Block(rows=[[line("Much text " * 30, 80)]]),
        ],
    )
    found = result(page)
    assert found["content"].split("\n")[:3] == ["Big", "a b", "c"]
    roles = [(each["content"][:9], each.get("role")) for each in found["paragraphs"]]
    assert roles == [("Big", "title"), ("a", None), ("b", None), ("c", None), ("Much text", None)]

    def cell(row: int, column: int, text: str, offset: int, top: int) -> Any:
        region = {"pageNumber": 1, "polygon": [0, top, 10, top, 10, top + 10, 0, top + 10]}
        spans = [{"offset": offset, "length": 1}]
        where = {"rowIndex": row, "columnIndex": column}
        return where | {"content": text, "boundingRegions": [region], "spans": spans}

    empty = {"rowIndex": 1, "columnIndex": 0, "content": "", "boundingRegions": [], "spans": []}
    assert found["tables"] == [
        {
            "rowCount": 2,
            "columnCount": 2,
            "cells": [
                cell(0, 0, "a", 4, 40),
                cell(0, 1, "b", 6, 40),
                empty,
                cell(1, 1, "c", 8, 60),
            ],
            "boundingRegions": [{"pageNumber": 1, "polygon": [0, 40, 10, 40, 10, 70, 0, 70]}],
            "spans": [{"offset": 4, "length": 5}],
        }
    ]
    assert "tables" not in result(page, model_id="prebuilt-read")


BREAK = "\n\n<!-- PageBreak -->\n\n"
NAMED = f"One{BREAK}> page 2 was not read: Too slow.{BREAK}Two\n"


@pytest.mark.parametrize(("as_markdown", "content"), [(False, "One\n\nTwo"), (True, NAMED)])
def test_a_page_that_was_not_read_is_named(as_markdown, content):
    unread = UnreadPage(number=2, code="page_too_slow", error="Too slow.")
    found = result(paragraph(line("One")), unread, paragraph(line("Two")), as_markdown=as_markdown)
    assert found["content"] == content
    assert found["pages"][1]["words"] == []
    assert found["warnings"] == [{"code": "page_too_slow", "message": "Too slow.", "target": "2"}]
    assert shown(found) == [("One", "One"), ("Two", "Two")]


def test_the_angle_is_that_of_the_text_on_the_page_as_it_was_sent():
    def angle(orientation: Any, skew: float) -> float:
        page = Page(width=9, height=9, blocks=[], orientation=orientation, skew=skew)
        return float(result(page)["pages"][0]["angle"])

    found = [angle(0, 1.5), angle(90, 0), angle(180, 0), angle(180, 2), angle(270, -1.25)]
    assert found == [1.5, -90, 180, -178, 88.75]


def test_lengths_are_in_inches_of_a_pdf_and_in_pixels_of_an_image():
    page = Page(width=850, height=1100, blocks=[], dpi=100)
    inches = {"width": 8.5, "height": 11, "unit": "inch"}
    pixels = {"width": 850, "height": 1100, "unit": "pixel"}
    assert inches.items() <= result(page, in_inches=True)["pages"][0].items()
    assert pixels.items() <= result(page)["pages"][0].items()


@pytest.mark.parametrize("size", [1, 4, 5, 7, 1000])
def test_pieces_are_told_apart_however_they_are_divided(size):
    written = b"".join(
        [piece(b"J", b"{"), piece(b"P", b"%PDF"), piece(b"J", b""), piece(b"J", b"}")]
    )

    async def parts() -> AsyncIterator[bytes]:
        stream = io.BytesIO(written)
        while part := stream.read(size):
            yield part

    async def joined(kind: Any) -> bytes:
        return b"".join([part async for part in only(kind, parts())])

    assert asyncio.run(joined(b"J")) == b"{}"
    assert asyncio.run(joined(b"P")) == b"%PDF"
