"""The lines of a page as Umi-OCR orders and ends them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocr_runtime.reading.page import Block, Line, Page
from ocr_runtime.serving.compatible.umi_ocr.lines import lines, plain_text
from ocr_runtime.serving.compatible.umi_ocr.options import PARSERS


def at(left: float, top: float, text: str) -> Line:
    """A line of type of 20 pixels, of 10 pixels for each character."""
    right = left + 10 * len(text)
    box = [[left, top], [right, top], [right, top + 20], [left, top + 20]]
    return Line(text=text, score=0.9, box=box)


def text(page: Page, parser: str, ignored: tuple[list[list[float]], ...] = ()) -> str:
    return plain_text(lines(page, parser=parser, ignored=ignored))


LEFT = [
    at(0, 0, "Engineers measured the inter-"),
    at(0, 30, "national bridge at noon."),
    at(0, 60, "It fell."),
]
RIGHT = [at(400, 0, "The night train leaves the"), at(400, 30, "city at a quarter past nine")]
COLUMNS = Page(
    width=700,
    height=100,
    blocks=[Block(rows=[[line] for line in LEFT]), Block(rows=[[line] for line in RIGHT])],
)
FOUND = Page(
    width=700,
    height=100,
    blocks=[Block(rows=[[LEFT[0]], [RIGHT[0]], [LEFT[1]], [RIGHT[1]], [LEFT[2]]])],
)
"""The same as RapidOCR orders it."""


MULTI_PARA = """\
Engineers measured the inter-national bridge at noon.
It fell.
The night train leaves the city at a quarter past nine"""
MULTI_LINE = """\
Engineers measured the inter-
national bridge at noon.
It fell.
The night train leaves the
city at a quarter past nine"""
SINGLE_LINE = """\
Engineers measured the inter- The night train leaves the
national bridge at noon. city at a quarter past nine
It fell."""
NONE = """\
Engineers measured the inter-
The night train leaves the
national bridge at noon.
city at a quarter past nine
It fell."""


@pytest.mark.parametrize(
    ("parser", "page", "expected"),
    [
        ("multi_para", COLUMNS, MULTI_PARA),
        ("multi_line", COLUMNS, MULTI_LINE),
        ("multi_none", COLUMNS, MULTI_PARA.replace("\n", " ")),
        ("single_line", FOUND, SINGLE_LINE),
        ("single_none", FOUND, SINGLE_LINE.replace("\n", " ")),
        ("none", FOUND, NONE),
    ],
)
def test_a_parser_says_in_which_order_lines_come_and_what_ends_them(parser, page, expected):
    assert text(page, parser) == expected


@pytest.mark.parametrize("orientation", [0, 90, 180, 270])
def test_a_page_is_read_as_one_column_whichever_way_up_it_is(orientation):
    turns = orientation // 90

    def turned(box: list[list[float]]) -> list[list[float]]:
        """Turn a box counter-clockwise by quarters, so that the page has to be turned back."""
        for _ in range(turns):
            box = [[y, 1000 - x] for x, y in box]
        return box

    page = Page(width=1000, height=1000, blocks=FOUND.blocks, orientation=orientation)
    sent = page.mapped(turned, width=1000, height=1000)
    assert text(sent, "single_line") == text(FOUND, "single_line")
    assert [line.box for line in lines(sent, parser="none", ignored=())] == [
        line.box for line in sent.lines
    ]


def test_chinese_is_joined_without_spaces():
    rows = [[at(0, 30 * i, part)] for i, part in enumerate(("今天天气", "晴朗"))]
    page = Page(width=300, height=100, blocks=[Block(rows=rows)])
    assert text(page, "multi_para") == text(page, "single_none") == "今天天气晴朗"
    assert text(page, "multi_line") == "今天天气\n晴朗"


def test_the_rows_of_a_table_are_lines_of_text():
    rows = [[at(0, 30 * i, "Tea"), at(200, 30 * i, f"{i}.20")] for i in range(3)]
    table = Block(kind="table", rows=rows, columns=[[0, 1]] * 3)
    page = Page(width=300, height=100, blocks=[table])
    apart = Page(width=300, height=100, blocks=[Block(rows=[[line] for line in page.lines])])
    expected = "Tea 0.20\nTea 1.20\nTea 2.20"
    assert text(page, "multi_para") == text(apart, "single_para") == expected


def test_lines_wholly_within_an_area_are_left_out():
    kept = [
        line.text for line in lines(COLUMNS, parser="multi_line", ignored=[[[0, 30], [240, 50]]])
    ]
    assert kept == [line.text for line in COLUMNS.lines if line is not LEFT[1]]
    assert len(lines(COLUMNS, parser="multi_line", ignored=[[[0, 30], [239, 50]]])) == 5
    assert lines(COLUMNS, parser="multi_para", ignored=[[[0, 0], [700, 10**400]]]) == []


@given(
    st.sampled_from(sorted(PARSERS)),
    st.lists(
        st.tuples(st.integers(0, 999), st.integers(0, 999), st.text("a字- \u00ad", max_size=5)),
        max_size=12,
    ),
)
def test_every_line_with_text_is_there_once_whatever_a_page_holds(parser, places):
    found = [at(*place) for place in places]
    page = Page(width=1000, height=1000, blocks=[Block(rows=[[line] for line in found])])
    written = lines(page, parser=parser, ignored=())
    assert sorted(line.text for line in written) == sorted(
        line.text for line in found if line.text and line.text.strip()
    )
    assert {line.end for line in written} <= {"", " ", "\n"}
    assert all(line.end == "\n" for line in written[-1:])
