"""Pages as Markdown; an independent parser says what a reader sees."""

import re

import pytest
from handmade import UNREAD, Handmade, block, line, page, table
from markdown_it import MarkdownIt

from ocr_runtime.outputs import markdown, paragraphs, text
from ocr_runtime.reading.page import Block, Line, ReadingOptions
from scripts.measuring.samples import drawn

GITHUB = MarkdownIt("commonmark").enable(["table", "strikethrough"])
PROSE = block(*["The harbour lies below the old town, and every morning"] * 6, top=500)
SAMPLES = {sample.name: sample for sample in drawn()}


def write(*pages):
    return "".join(markdown.write_pages(pages, Handmade()))


def kinds(source):
    """What a parser finds: the tags that open, in their order."""
    return [token.tag for token in GITHUB.parse(source) if token.nesting == 1]


def seen(source):
    """The text that a reader of Markdown sees."""
    texts = []
    for token in GITHUB.parse(source):
        for child in token.children or ():
            assert child.type in ("text", "text_special", "hardbreak"), child
            texts.append(child.content or " ")
        texts.append(" ")
    return " ".join("".join(texts).split())


def test_headings_are_larger_than_the_text():
    prose = "The harbour lies below the old town, and every morning " * 6
    assert write(
        page(
            block("A Town", size=44),
            block("By the", "Sea", top=160, size=32),
            block("In winter", top=300, size=26),
            block("Not much larger", top=350, size=24),
            PROSE,
        )
    ) == (
        "# A Town\n\n## By the Sea\n\n### In winter\n\nNot much larger\n\n" + prose.rstrip() + "\n"
    )


def test_a_page_with_little_text_is_compared_with_the_one_before():
    pages = page(PROSE), page(block("The End", size=40), number=2)
    assert write(*pages).endswith("\n<!-- page 2 -->\n\n# The End\n")
    assert write(pages[1]) == "The End\n"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a sentence that is conti-", "nued on the next line"],
         "a sentence that is continued on the next line"),
        (["the years from 1914-", "1918 were those of a war"],
         "the years from 1914- 1918 were those of a war"),
        (["the road from Paris-", "Nord leads to the sea"],
         "the road from Paris- Nord leads to the sea"),
        (["茶树原产于中国", "西南地区已有"], "茶树原产于中国西南地区已有"),
        (["使用 Python", "编写代码"], "使用 Python 编写代码"),
        (["나는 학교에", "갔습니다"], "나는 학교에 갔습니다"),
    ],
)  # fmt: skip
def test_the_lines_of_a_paragraph_are_joined(lines, expected):
    assert write(page(block(*lines))) == f"{expected}\n"


def test_lines_that_end_on_purpose_are_kept():
    address = "Anna Lindqvist", "17 Garden Road", "# 4", "Ashford by the northern sea"
    assert write(page(block(*address))) == (
        "Anna Lindqvist\\\n17 Garden Road\\\n\\# 4\\\nAshford by the northern sea\n"
    )


def test_lists_have_bullets_or_numbers():
    bullets = block("• bread and", "butter for", "• 3. milk * 2", "\u2013 cheese")
    numbers = block("1. Open the door.", "2) Close it.")
    source = write(page(bullets, numbers))
    assert source == (
        "- bread and butter for\n- 3\\. milk \\* 2\n- cheese\n\n1. Open the door.\n2) Close it.\n"
    )
    assert kinds(source) == ["ul", *["li", "p"] * 3, "ol", "li", "p", "ol", "li", "p"]


def test_tables_have_a_cell_in_each_column():
    rows = [
        ["Article", "Price|Sum", "*"],
        ["Desk lamp, black", "", "2"],
        ["Chair", "189.00", ""],
    ]
    source = write(page(table(*rows, xs=[100, 400, 600])))
    assert source == (
        "| Article | Price\\|Sum | \\* |\n| --- | --- | --- |\n"
        "| Desk lamp, black |  | 2 |\n| Chair | 189.00 |  |\n"
    )
    assert kinds(source) == ["table", "thead", "tr", *["th"] * 3, "tbody", *["tr", *["td"] * 3] * 2]


def test_a_cell_over_several_columns_stands_in_the_first():
    over = [line("All prices in euros", 100, 70, width=500)]
    cells = table(["a", "b"], ["c", "d"], xs=[100, 400])
    wide = Block(rows=[over, *cells.rows], kind="table", columns=[[0], *cells.columns])
    assert write(page(wide)).splitlines()[0::2] == ["| All prices in euros |  |", "| a | b |"]


def test_tables_and_text_without_boxes_are_written_too():
    rows = [[Line(score=1, text=text) for text in row] for row in (["a", "b"], ["c", "d"])]
    columns = [[0, 1], [0, 1]]
    table = Block(rows=rows, kind="table", columns=columns)
    assert write(page(table)) == "| a | b |\n| --- | --- |\n| c | d |\n"
    assert write(page(Block(rows=rows))) == "a b c d\n"
    assert write(page(Block(rows=[[Line(score=1)]]))) == ""


def test_a_page_that_was_not_read_is_said_in_its_place():
    assert write(page(block("one")), UNREAD, page(block("two"), number=8)) == (
        "one\n\n<!-- page 7 -->\n\n> page 7 was not read: The page is \\<too\\> large.\n"
        "\n<!-- page 8 -->\n\ntwo\n"
    )


@pytest.mark.parametrize(
    "words",
    [
        "# no heading", "## none", "+ no item", "- none", "1986. A year", "1) none", "> no quote",
        "---", "* * *", "___", "===", "~~~", "```", "~~gone~~", "*a* __b__ `c`", "[a](b)",
        "![a](b)", "<b>bold</b>", "<!-- none -->", "&amp; &#65; & so on", "a \\* b \\", "| a | b |",
        "|---|", "[^1]: note", ":---", "$a$", "    indented", "<https://a.b>", "[a]: b",
        "snake_case_name",
    ],
)  # fmt: skip
def test_text_is_not_taken_for_markup(words):
    expected = " ".join(words.split())
    for place in (block(words), block("text", words), block(words, words)):
        source = write(page(place))
        assert set(kinds(source)) <= {"p", "ul", "ol", "li"}
        lost = r"^([-*+]|\d+[.)]) " if kinds(source) != ["p"] else "$^"
        assert re.sub(lost, "", expected) in seen(source)
    cells = write(page(table([words, "b"], ["c", words], xs=[100, 600])))
    assert kinds(cells)[:1] == ["table"]
    assert seen(cells) == f"{expected} b c {expected}"
    heading = write(page(PROSE, block(f"A {words}", size=60)))
    assert seen(heading).endswith(f"A {expected}")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[] if name in ("mixed", "ruled_table") else [pytest.mark.slow])
        for name in SAMPLES
    ],
)
def test_a_reader_sees_the_text_of_the_page(name, standard):
    read = standard.read(SAMPLES[name].page, ReadingOptions())
    assert "".join(seen(write(read)).split()) == "".join(text.write(read).split())


def test_a_drawn_invoice_is_a_paragraph_and_a_table(standard):
    read = standard.read(SAMPLES["ruled_table"].page, ReadingOptions())
    assert write(read).split("\n\n")[1].splitlines()[:3] == [
        "| Article | Quantity | Price | Amount |",
        "| --- | --- | --- | --- |",
        "| Desk lamp, black | 2 | 34.90 | 69.80 |",
    ]


def test_the_rows_of_a_long_paragraph_are_not_all_compared_with_all(monkeypatch):
    """30,000 rows took 15 seconds."""
    compared = 0

    class Counted(float):
        def __gt__(self, other):
            nonlocal compared
            compared += 1
            return float(self) > float(other)

    monkeypatch.setattr(paragraphs, "_length", lambda row: Counted(len(row[0].text)))
    rows = [[line(f"row {i:03}", 0, 10 * i)] for i in range(200)]
    assert len(paragraphs.broken(rows)) == 1
    assert compared < 3 * len(rows)
