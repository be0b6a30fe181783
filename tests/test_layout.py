"""The lines of a page in reading order: drawn pages, whose order is known, come back exactly."""

import os
import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from layouts import KINDS, Pen, as_detected, drawn

from ocr_runtime.reading.layout import arrange
from ocr_runtime.reading.page import Block, Line
from ocr_runtime.reading.stretches import Stretches

PAGES = int(os.environ.get("LAYOUT_PAGES", "20"))
"""How many pages of each kind are tried, half of them skewed."""


def lines_of(blocks: list[Block]) -> list[Line]:
    return [line for block in blocks for line in block.lines]


def shuffled(lines: list[Line], seed: int = 0) -> list[Line]:
    return random.Random(seed).sample(lines, len(lines))


def at(left: float, top: float, text: str, *, size: float = 20, width: float = 0) -> Line:
    right = left + (width or len(text) * size / 2)
    box = [[left, top], [right, top], [right, top + size], [left, top + size]]
    return Line(text=text, score=1, box=box)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_drawn_pages_come_back_in_the_order_in_which_they_are_read(kind):
    wrong = []
    for seed in range(PAGES):
        skew = random.Random(seed).uniform(-15, 15) if seed % 2 else 0
        page = drawn(kind, seed, skew)
        if list(map(id, lines_of(arrange(shuffled(page, seed))))) != list(map(id, page)):
            wrong.append((seed, skew))
    assert wrong == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_missing_and_broken_lines_disturb_little(kind):
    """A caption may break at the very gutter; a missing line looks like the end of a column."""
    for seed in range(PAGES):
        page = as_detected(drawn(kind, seed), seed)
        place = {id(line): number for number, line in enumerate(page)}
        order = [place[id(line)] for line in lines_of(arrange(shuffled(page, seed)))]
        follows = sum(after == before + 1 for before, after in pairwise(order))
        assert follows >= 0.8 * (len(page) - 1), seed


def test_cells_of_a_row_stand_in_one_row_of_a_table():
    cells = [["Item", "Pieces", "Price"], ["Nails", "100", "2.50"], ["Screws", "40", "12.00"]]
    page = [
        at(100 + 300 * x, 100 + 30 * y, text)
        for y, row in enumerate(cells)
        for x, text in enumerate(row)
    ]
    [table] = arrange(shuffled(page))
    assert table.kind == "table"
    assert [[line.text for line in row] for row in table.rows] == cells


def table_of(blocks):
    """The texts of the cells of the only table."""
    [table] = [block for block in blocks if block.kind == "table"]
    return [[[line.text for line in cell] for cell in row] for row in table.cells]


def sheet(*rules):
    """A white page with rules: left, top, right, bottom."""
    pixels = np.full((1000, 1400, 3), 250, np.uint8)
    for left, top, right, bottom in rules:
        pixels[top : bottom + 2, left : right + 2] = 60
    return pixels


def net(xs, ys):
    """The rules around all cells of a table."""
    return [(x, ys[0], x, ys[-1]) for x in xs] + [(xs[0], y, xs[-1], y) for y in ys]


def test_an_empty_cell_does_not_shift_those_after_it():
    page = [
        at(100, 100, "Item"), at(400, 100, "Pieces"), at(700, 100, "Price"),
        at(100, 130, "Delivery"), at(700, 130, "19.90"),
        at(100, 160, "Nails"), at(400, 160, "100"), at(700, 160, "2.50"),
        at(100, 190, "Discount for members"), at(690, 190, "-12.50"),
    ]  # fmt: skip
    assert table_of(arrange(shuffled(page))) == [
        [["Item"], ["Pieces"], ["Price"]],
        [["Delivery"], [], ["19.90"]],
        [["Nails"], ["100"], ["2.50"]],
        [["Discount for members"], [], ["-12.50"]],
    ]


RULED = [
    at(110, 110, "Article"), at(510, 110, "Remark"), at(910, 110, "Price"),
    at(110, 150, "Office chair"), at(510, 150, "Delivered in the"), at(510, 176, "first week"),
    at(910, 150, "189.00"),
    at(110, 210, "A bookshelf"), at(110, 236, "made of oak"), at(910, 223, "79.50"),
]  # fmt: skip
CELLS = [
    [["Article"], ["Remark"], ["Price"]],
    [["Office chair"], ["Delivered in the", "first week"], ["189.00"]],
    [["A bookshelf", "made of oak"], [], ["79.50"]],
]


def test_lines_of_one_cell_of_a_ruled_table_stay_together():
    pixels = sheet(*net([100, 500, 900, 1100], [100, 140, 200, 262]))
    blocks = arrange(shuffled(RULED), pixels)
    assert table_of(blocks) == CELLS
    assert lines_of(blocks) == RULED


def test_a_ruled_table_stands_between_what_is_above_and_below_it():
    above, below = at(100, 40, "A heading above the table"), at(100, 300, "A note below the table")
    pixels = sheet(*net([100, 500, 900, 1100], [100, 140, 200, 262]))
    blocks = arrange(shuffled([above, *RULED, below]), pixels)
    assert [block.kind for block in blocks] == ["text", "table", "text"]
    assert lines_of(blocks) == [above, *RULED, below]


def test_a_cell_that_spans_columns_begins_in_the_first_of_them():
    page = [
        at(110, 110, "Sizes and prices"), at(110, 150, "Small"), at(410, 150, "10"),
        at(710, 150, "2.50"), at(110, 190, "Large"), at(410, 190, "20"), at(710, 190, "4.50"),
    ]  # fmt: skip
    rules = [(x, 140, x, 220) for x in (400, 700)] + net([100, 900], [100, 140, 180, 220])
    assert table_of(arrange(shuffled(page), sheet(*rules))) == [
        [["Sizes and prices"], [], []],
        [["Small"], ["10"], ["2.50"]],
        [["Large"], ["20"], ["4.50"]],
    ]


def test_rows_of_text_between_two_rules_are_rows_of_the_table():
    page = [
        at(110 + 400 * x, 110 + 40 * (y > 0) + 26 * y, f"{word} {y}")
        for y in range(5)
        for x, word in enumerate(("Town", "Height", "Rain"))
    ]
    pixels = sheet(*net([100, 500, 900, 1200], [100, 150, 300]))
    assert table_of(arrange(shuffled(page), pixels)) == [
        [[f"Town {y}"], [f"Height {y}"], [f"Rain {y}"]] for y in range(5)
    ]


@pytest.mark.parametrize("shape", [(1, 12000), (12000, 1), (1, 1), (3, 40)])
def test_a_page_of_any_shape_is_searched_for_rules(shape):
    page = [at(0, 0, "a line", size=size) for size in (0.5, 20, 5000)]
    tilted = [Line(text="x", score=1, box=[[0, 0], [90, 30], [87, 39], [-3, 9]])] * 9
    for lines in (page, page + tilted):
        blocks = arrange(lines, np.full((*shape, 3), 200, np.uint8))
        assert len(lines_of(blocks)) == len(lines)


def test_a_frame_around_columns_is_no_table():
    left = [
        at(110, 110 + 30 * i, "a line of the left column of text", width=500) for i in range(12)
    ]
    right = [at(680, 118 + 30 * i, "a line of the other column", width=500) for i in range(12)]
    pixels = sheet(*net([90, 1200], [90, 500]), (645, 90, 645, 500))
    blocks = arrange(shuffled(left + right), pixels)
    assert {block.kind for block in blocks} == {"text"}
    assert lines_of(blocks) == left + right


def test_underlines_change_nothing():
    page = [at(100, 100 + 60 * i, "a line of a form that is underlined") for i in range(6)]
    pixels = sheet(*[(100, 124 + 60 * i, 600, 124 + 60 * i) for i in range(6)])
    assert arrange(page, pixels) == arrange(page)


def test_rows_of_a_form_are_read_one_by_one_where_rules_part_them():
    left = "Residence of the applicant and of family"
    right = "Telephone numbers by day and at night too"
    page = [
        at(x, 100 + 60 * i + shift * 8, text, width=500)
        for i in range(8)
        for x, shift, text in ((100, 0, left), (700, 1, right))
    ]
    pixels = sheet(*[(90, 138 + 60 * i, 1210, 138 + 60 * i) for i in range(8)])
    assert lines_of(arrange(shuffled(page), pixels)) == page


def test_a_cell_beside_two_rows_follows_the_first():
    page = [
        at(100, 100, "Ann Smith"), at(400, 100, "555-1234"), at(700, 113, "Media"),
        at(100, 126, "Bob Jones"), at(400, 126, "555-9876"),
    ]  # fmt: skip
    assert lines_of(arrange(shuffled(page))) == page


def test_rows_of_a_curled_receipt_are_followed_from_left_to_right():
    page = [
        at(100 + 250 * x, 100 + 28 * y + 6 * x, f"item {y}" if x == 0 else f"{x}.{y}0")
        for y in range(6)
        for x in range(3)
    ]
    assert lines_of(arrange(shuffled(page))) == page


def test_paragraphs_end_at_gaps_at_indentations_and_where_the_type_changes():
    heading = at(100, 100, "A heading", size=36)
    first = [
        at(100, 160 + 26 * i, "the first paragraph, a line of it", width=600) for i in range(3)
    ]
    second = [
        at(140, 238, "Another begins here, with an inden", width=560),
        at(100, 264, "and it goes on here to its end.", width=400),
    ]
    third = [at(100, 330, "The third, after a gap", width=500)]
    page = [heading, *first, *second, *third]
    assert [block.lines for block in arrange(shuffled(page))] == [
        [heading],
        first,
        second,
        third,
    ]


def vertical(right: float, top: float, text: str, size: float = 30) -> Line:
    bottom = top + size * len(text)
    box = [[right - size, top], [right, top], [right, bottom], [right - size, bottom]]
    return Line(text=text, score=1, box=box)


def test_vertical_text_is_read_from_the_right_between_a_heading_and_a_page_number():
    body = [vertical(1000 - 45 * i, 200, "春は曙やうやう白くなり行く") for i in range(15)]
    page = [at(400, 100, "枕草子", size=40), *body, at(600, 900, "12")]
    assert lines_of(arrange(shuffled(page))) == page


def test_the_corners_of_vertical_lines_may_begin_at_the_start_of_their_text_or_at_the_top_left():
    page = [vertical(1000 - 45 * i, 200, "春は曙やうやう白くなり行く") for i in range(6)]
    turned = [
        Line(text=line.text, score=1, box=line.box[1:] + line.box[:1]) for line in page
    ]  # clockwise from the top right
    assert lines_of(arrange(shuffled(page))) == page
    assert lines_of(arrange(shuffled(turned))) == turned


def test_vertical_lines_on_a_horizontal_page_are_read_from_the_right():
    aside = [vertical(1000 - 45 * i, 300, "副題は縦書") for i in range(2)]
    above = [at(100, 100 + 30 * i, "a line of the text above", width=1200) for i in range(5)]
    below = [at(100, 500 + 30 * i, "a line of the text below", width=1200) for i in range(5)]
    page = above + aside + below
    assert lines_of(arrange(shuffled(page))) == page


def test_a_note_that_stands_sideways_comes_last():
    page = [at(100, 100 + 30 * i, "a line of the text of the page", width=1000) for i in range(20)]
    stamp = Line(text="arXiv:2504", score=1, box=[[20, 600], [20, 200], [50, 200], [50, 600]])
    assert lines_of(arrange([stamp, *page])) == [*page, stamp]


def test_lines_without_a_box_come_first():
    whole = Line(text="whole page", score=1)
    line = at(100, 100, "a line")
    assert arrange([line, whole]) == [Block(rows=[[whole]]), Block(rows=[[line]])]


def test_no_lines_are_no_blocks():
    assert arrange([]) == []


def test_detected_boxes_without_text_are_arranged_too():
    pen = Pen(1)
    left, right = pen.text(100, 100, 760, 1500), pen.text(840, 100, 1500, 1500)
    page = [
        Line(score=1, box=at(*rect[:2], "", width=rect[2] - rect[0]).box) for rect in left + right
    ]
    assert lines_of(arrange(shuffled(page))) == page


numbers = st.floats(-100, 3000, width=32, allow_subnormal=False)  # a loaded model zeroes them
boxes = st.one_of(
    st.lists(st.tuples(numbers, numbers).map(list), min_size=4, max_size=4),
    st.builds(
        lambda x, y, w, h: [[x, y], [x + w, y], [x + w, y + h], [x, y + h]],
        st.integers(0, 40).map(lambda n: n * 40.0),
        st.integers(0, 60).map(lambda n: n * 20.0),
        st.sampled_from([0.0, 1.0, 20.0, 300.0, 1200.0]),
        st.sampled_from([0.0, 1.0, 18.0, 25.0, 400.0]),
    ),
)
found = st.builds(
    Line,
    text=st.none() | st.sampled_from(["", " ", "a", "12.50", "some words of it", "目的", "的"]),
    score=st.just(0.9),
    box=st.none() | boxes,
)


@settings(
    deadline=None,
    max_examples=int(os.environ.get("PROPERTY_EXAMPLES", "200")),
    derandomize="PROPERTY_EXAMPLES" not in os.environ,
    database=None,
)
@given(st.lists(found, max_size=60))
@example([Line(text="x", score=1, box=[[5, 5]] * 4)] * 30)
@example([Line(text="一二", score=1, box=[[5, 5], [5, 5], [5, 90], [5, 90]])] * 3)
def test_whatever_the_boxes_each_line_comes_back_once(lines):
    blocks = arrange(lines)
    assert sorted(map(id, lines_of(blocks))) == sorted(map(id, lines))
    assert all(block.rows and all(block.rows) for block in blocks)


def test_a_page_number_and_a_title_close_below_a_column_come_last():
    def line(text, left, top, width):
        right, bottom = left + width, top + 40
        box = [[left, top], [right, top], [right, bottom], [left, bottom]]
        return Line(text=text, score=1.0, box=box)

    columns = [
        line(f"{side} column, the words of line {row}", left, 100 + 50 * row, 900)
        for side, left in (("left", 100), ("right", 1100))
        for row in range(20)
    ]
    footers = {
        "number and title": [line("54", 100, 1120, 60), line("A MAGAZINE", 200, 1120, 650)],
        "number": [line("54", 100, 1120, 60)],
    }
    for footer in footers.values():
        blocks = arrange([*columns, *footer])
        read = [each.text for block in blocks for each in block.lines]
        assert read == [each.text for each in [*columns, *footer]]


def test_columns_that_take_too_much_work_to_find_are_read_row_by_row(monkeypatch):
    """Columns of all widths within one another: these were weighed 65,000 times."""
    weighed = 0
    weigh = Stretches.are_columns

    def counted(*arguments):
        nonlocal weighed
        weighed += 1
        return weigh(*arguments)

    monkeypatch.setattr(Stretches, "are_columns", counted)
    dice = random.Random(0)
    page = []
    for i in range(1000):
        columns = 2 ** (1 + i % 8)
        wide, high = 1600 / columns, 2200 / 1000
        left, top = wide * dice.randrange(columns), high * i
        right, bottom = left + 0.9 * wide, top + 3 * high
        box = [[left, top], [right, top], [right, bottom], [left, bottom]]
        page.append(Line(text="some words of it", score=1, box=box))
    blocks = arrange(page)
    assert sorted(map(id, lines_of(blocks))) == sorted(map(id, page))
    assert 1000 < weighed < 30_000
