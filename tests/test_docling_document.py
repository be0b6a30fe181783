"""Pages as a DoclingDocument; docling-core reads one in `compatible/test_docling_client.py`."""

from dataclasses import replace

from handmade import Handmade, block, line, page, table

from ocr_runtime.outputs import elements
from ocr_runtime.outputs.docling_document import DoclingDocument
from ocr_runtime.reading.page import Block

PROSE = "The harbour lies below the old town, and every morning"
BODY = {"$ref": "#/body"}


def content(*pages, filename="a town.pdf", **document):
    written = DoclingDocument(Handmade(**document), filename)
    for each, blocks in elements.by_page(pages):
        written.add(each, blocks)
    return written.content()


def box(left, top, right, bottom):
    return {"l": left, "t": top, "r": right, "b": bottom, "coord_origin": "TOPLEFT"}


def text(number, label, parent, words, where, **fields):
    return {
        "self_ref": f"#/texts/{number}",
        "parent": {"$ref": parent},
        "children": [],
        "prov": [{"page_no": 1, "bbox": where, "charspan": [0, len(words)]}],
        "orig": words,
        "text": words,
        "label": label,
        **fields,
    }


def test_headings_texts_and_items_of_lists_say_where_they_stand():
    first = page(
        block("By the Sea", size=32),
        block("1) bread", "2) butter", top=200),
        block(*[PROSE] * 6, top=500),
    )
    prose = " ".join([PROSE] * 6)
    assert content(first, page(number=3, width=400), data=b"%PDF-", format="PDF") == {
        "schema_name": "DoclingDocument",
        "version": "1.5.0",
        "name": "a town",
        "origin": {
            "mimetype": "application/pdf",
            "binary_hash": 0x38523C087796E5D5,
            "filename": "a town.pdf",
        },
        "body": {
            "self_ref": "#/body",
            "children": [{"$ref": "#/texts/0"}, {"$ref": "#/groups/0"}, {"$ref": "#/texts/3"}],
            "name": "_root_",
            "label": "unspecified",
        },
        "groups": [
            {
                "self_ref": "#/groups/0",
                "parent": BODY,
                "children": [{"$ref": "#/texts/1"}, {"$ref": "#/texts/2"}],
                "name": "list",
                "label": "list",
            }
        ],
        "texts": [
            text(0, "section_header", "#/body", "By the Sea", box(100, 100, 260, 132), level=2),
            text(1, "list_item", "#/groups/0", "bread", box(100, 200, 180, 220),
                 enumerated=True, marker="1)"),
            text(2, "list_item", "#/groups/0", "butter", box(100, 230, 190, 250),
                 enumerated=True, marker="2)"),
            text(3, "text", "#/body", prose, box(100, 500, 640, 670)),
        ],
        "pictures": [],
        "tables": [],
        "key_value_items": [],
        "form_items": [],
        "pages": {
            "1": {"size": {"width": 1000, "height": 1000}, "page_no": 1},
            "3": {"size": {"width": 400, "height": 1000}, "page_no": 3},
        },
    }  # fmt: skip


def test_a_table_has_the_cells_that_hold_text():
    def cell(words, row, column, where):
        return {
            "bbox": where,
            "row_span": 1,
            "col_span": 1,
            "start_row_offset_idx": row,
            "end_row_offset_idx": row + 1,
            "start_col_offset_idx": column,
            "end_col_offset_idx": column + 1,
            "text": words,
        }

    assert content(page(table(["Tea", "1.20"], ["", "3"], xs=[100, 300])))["tables"] == [
        {
            "self_ref": "#/tables/0",
            "parent": BODY,
            "children": [],
            "label": "table",
            "prov": [{"page_no": 1, "bbox": box(100, 100, 340, 150), "charspan": [0, 0]}],
            "data": {
                "table_cells": [
                    cell("Tea", 0, 0, box(100, 100, 130, 120)),
                    cell("1.20", 0, 1, box(300, 100, 340, 120)),
                    cell("3", 1, 1, box(300, 130, 310, 150)),
                ],
                "num_rows": 2,
                "num_cols": 2,
            },
        }
    ]


def test_boxes_end_at_the_edges_of_the_page_and_may_be_missing():
    outside = replace(line("over the edge", 980.123, -4), text="over the edge")
    nowhere = replace(outside, box=None)
    texts = content(page(Block(rows=[[outside]]), Block(rows=[[nowhere]])))["texts"]
    assert [each["prov"] for each in texts] == [
        [{"page_no": 1, "bbox": box(980.12, 0, 1000, 16), "charspan": [0, 13]}],
        [],
    ]


def test_a_document_without_a_name_or_of_an_unusual_format_is_called_one():
    written = content(page(), filename="", format="WEBP")
    assert written["name"] == "document"
    assert written["origin"]["mimetype"] == "application/octet-stream"
