"""Elements of pages -> a DoclingDocument, as its JSON has it.

    Heading --> texts, "section_header"       Paragraph --> texts, "text"
    Item ... --> groups, "list", with texts, "list_item"       Table --> tables, with cells

Sizes and boxes are in pixels of the pages as they were sent; boxes are upright, with the origin at
the top left. https://docling-project.github.io/docling/concepts/docling_document
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

from ocr_runtime.documents.document import Document
from ocr_runtime.outputs.elements import Cell, Element, Heading, Item, Table
from ocr_runtime.outputs.geometry import Frame
from ocr_runtime.reading.page import Line, Page

_VERSION = "1.5.0"
"""Of the schema: the oldest that docling-core 2 knows, so that all its versions read it."""

_MEDIA_TYPES = {
    "BMP": "image/bmp",
    "GIF": "image/gif",
    "JPEG": "image/jpeg",
    "PDF": "application/pdf",
    "PNG": "image/png",
    "TIFF": "image/tiff",
}
"""Those that docling-core knows of the formats that are read."""

_BODY = "#/body"


class DoclingDocument:
    """A document of which pages are added one after the other.

    Args:
        document: the file.
        filename: its name.
    """

    def __init__(self, document: Document, filename: str) -> None:
        self._name = PurePath(filename).stem or "document"
        self._origin = {
            "mimetype": _MEDIA_TYPES.get(document.format, "application/octet-stream"),
            "binary_hash": int.from_bytes(hashlib.sha256(document.data).digest()[:8]),
            "filename": filename,
        }
        self._pages: dict[str, Any] = {}
        self._body: list[str] = []
        self._texts: list[dict[str, Any]] = []
        self._groups: list[dict[str, Any]] = []
        self._tables: list[dict[str, Any]] = []

    def add(self, page: Page, blocks: Iterable[Sequence[Element]]) -> None:
        """Add a page.

        Args:
            page: that was read.
            blocks: its elements, as `elements.by_page` yields them.
        """
        size = {"width": page.width, "height": page.height}
        self._pages[str(page.number)] = {"size": size, "page_no": page.number}
        for block in blocks:
            items = [element for element in block if isinstance(element, Item)]
            if items:
                self._add_list(page, items)
                continue
            for element in block:
                if isinstance(element, Table):
                    self._body.append(self._add_table(page, element))
                else:
                    self._body.append(self._add_text(page, element, parent=_BODY))

    def content(self) -> dict[str, Any]:
        """The document, as its JSON has it."""
        return {
            "schema_name": "DoclingDocument",
            "version": _VERSION,
            "name": self._name,
            "origin": self._origin,
            "body": {
                "self_ref": _BODY,
                "children": _refs(self._body),
                "name": "_root_",
                "label": "unspecified",
            },
            "groups": self._groups,
            "texts": self._texts,
            "pictures": [],
            "tables": self._tables,
            "key_value_items": [],
            "form_items": [],
            "pages": self._pages,
        }

    def _add_text(self, page: Page, element: Element, *, parent: str) -> str:
        """Add a text; return the reference to it."""
        text, fields = _text(element)
        ref = f"#/texts/{len(self._texts)}"
        self._texts.append(
            {
                "self_ref": ref,
                "parent": {"$ref": parent},
                "children": [],
                "prov": _provenance(page, element.lines, length=len(text)),
                "orig": text,
                "text": text,
                **fields,
            }
        )
        return ref

    def _add_list(self, page: Page, items: Sequence[Item]) -> None:
        ref = f"#/groups/{len(self._groups)}"
        children = [self._add_text(page, item, parent=ref) for item in items]
        self._groups.append(
            {
                "self_ref": ref,
                "parent": {"$ref": _BODY},
                "children": _refs(children),
                "name": "list",
                "label": "list",
            }
        )
        self._body.append(ref)

    def _add_table(self, page: Page, table: Table) -> str:
        """Add a table; return the reference to it."""
        ref = f"#/tables/{len(self._tables)}"
        cells = [
            _cell(page, cell, row, column)
            for row, of_row in enumerate(table.rows)
            for column, cell in enumerate(of_row)
            if cell.text
        ]
        self._tables.append(
            {
                "self_ref": ref,
                "parent": {"$ref": _BODY},
                "children": [],
                "label": "table",
                "prov": _provenance(page, table.lines, length=0),
                "data": {
                    "table_cells": cells,
                    "num_rows": len(table.rows),
                    "num_cols": len(table.rows[0]),
                },
            }
        )
        return ref


def _text(element: Element) -> tuple[str, dict[str, Any]]:
    """The text of an element, and the fields that its label asks for."""
    if isinstance(element, Heading):
        return element.text, {"label": "section_header", "level": element.level}
    if isinstance(element, Table):
        return "", {}
    text = "\n".join(element.texts)
    if isinstance(element, Item):
        marker = element.number or "-"
        return text, {
            "label": "list_item",
            "enumerated": element.number is not None,
            "marker": marker,
        }
    return text, {"label": "text"}


def _cell(page: Page, cell: Cell, row: int, column: int) -> dict[str, Any]:
    return {
        "bbox": _box(page, cell.lines),
        "row_span": 1,
        "col_span": 1,
        "start_row_offset_idx": row,
        "end_row_offset_idx": row + 1,
        "start_col_offset_idx": column,
        "end_col_offset_idx": column + 1,
        "text": cell.text,
    }


def _provenance(page: Page, lines: Iterable[Line], *, length: int) -> list[dict[str, Any]]:
    """Say where on which page an element stands; nothing, if its lines have no boxes.

    Args:
        page: it stands on.
        lines: from which it is.
        length: of its text, in characters.
    """
    box = _box(page, lines)
    if box is None:
        return []
    return [{"page_no": page.number, "bbox": box, "charspan": [0, length]}]


def _box(page: Page, lines: Iterable[Line]) -> dict[str, Any] | None:
    """The rectangle around lines, within their page; None, if they have no boxes."""
    boxes = [line.box for line in lines if line.box is not None]
    if not boxes:
        return None
    left, top, right, bottom = Frame().extent(boxes)
    return {
        "l": _within(left, page.width),
        "t": _within(top, page.height),
        "r": _within(right, page.width),
        "b": _within(bottom, page.height),
        "coord_origin": "TOPLEFT",
    }


def _within(position: float, size: int) -> float:
    return round(min(max(position, 0.0), size), 2)


def _refs(refs: Iterable[str]) -> list[dict[str, str]]:
    return [{"$ref": ref} for ref in refs]
