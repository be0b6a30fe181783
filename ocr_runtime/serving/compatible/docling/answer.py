"""Pages -> what docling-serve answers: the document in each format that was asked for.

    {"processing_time", "document": {"filename", "md_content", ...}, "status", "errors", "timings"}

It has the time first, so that the answer of a job can be given the right one; see `with_seconds`.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from pydantic import BaseModel

from ocr_runtime.documents.document import Document
from ocr_runtime.outputs import elements, html, markdown, text
from ocr_runtime.outputs.docling_document import DoclingDocument
from ocr_runtime.outputs.elements import Element
from ocr_runtime.reading.page import Page, UnreadPage
from ocr_runtime.serving.compatible.docling.form import (
    NOT_WRITTEN,
    WRITTEN,
    ConvertOptions,
    ConvertRequest,
)
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.requests import RequestOptions
from ocr_runtime.settings import Settings

MODULE = "rapidocr-bento"
"""The name of the module in all errors."""
Status = Literal["success", "partial_success", "failure"]


class ErrorItem(BaseModel):
    """What went wrong, with a page or with a format."""

    component_type: str
    module_name: str = MODULE
    error_message: str
    page_no: int | None = None


class ExportDocument(BaseModel):
    """The document in each format; null, where it was not asked for."""

    filename: str
    md_content: str | None = None
    json_content: dict[str, Any] | None = None
    html_content: str | None = None
    text_content: str | None = None
    doctags_content: None = None


class ConvertAnswer(BaseModel):
    """What docling-serve answers."""

    processing_time: float
    document: ExportDocument
    status: Status
    errors: list[ErrorItem]
    timings: dict[str, Any] = {}


class _Writer:
    """Writes the formats of a document, page by page.

    Args:
        document: the file.
        options: say which formats.
    """

    def __init__(self, document: Document, options: ConvertOptions) -> None:
        self._document = document
        self._options = options
        self._formats = frozenset(options.formats)
        self._json = DoclingDocument(document, options.filename)
        self._html = html.HtmlPages()
        self._parts: dict[str, list[str]] = {"md": [], "html": [], "text": []}
        self._unread: list[UnreadPage] = []

    def add(self, page: Page | UnreadPage, blocks: list[list[Element]]) -> None:
        """Write a page, whose elements these are."""
        if isinstance(page, UnreadPage):
            self._unread.append(page)
        elif "json" in self._formats:
            self._json.add(page, blocks)
        if self._formats & {"md", "html"}:
            written = markdown.write(page, blocks)
        if "md" in self._formats:
            self._parts["md"].append(self._page_break(page) + written)
        if "html" in self._formats:
            self._parts["html"].append(self._html.section(page.number, written))
        if "text" in self._formats:
            between = "\f" if self._parts["text"] else ""
            self._parts["text"].append(between + "".join(text.write_pages([page], self._document)))

    def answer(self, seconds: float) -> ConvertAnswer:
        """Return the whole answer, for which so many seconds were needed."""
        errors = [
            ErrorItem(
                component_type="document_backend",
                error_message=f"Page {page.number} was not read: {page.error}",
                page_no=page.number,
            )
            for page in self._unread
        ] + [
            ErrorItem(
                component_type="user_input",
                error_message=f"to_formats: {name} is not written by this service, but "
                f"{', '.join(WRITTEN)}.",
            )
            for name in self._options.formats
            if name in NOT_WRITTEN
        ]
        return ConvertAnswer(
            processing_time=round(seconds, 3),
            document=ExportDocument(
                filename=self._options.filename,
                md_content=self._joined("md"),
                json_content=self._json.content() if "json" in self._formats else None,
                html_content=self._html_content(),
                text_content=self._joined("text"),
            ),
            status=self._status(failed=bool(errors)),
            errors=errors,
        )

    def _status(self, *, failed: bool) -> Status:
        if len(self._unread) == len(self._document.numbers):
            return "failure"
        return "partial_success" if failed else "success"

    def _page_break(self, page: Page | UnreadPage) -> str:
        if not self._parts["md"]:
            return ""
        return f"\n{self._options.page_break or f'<!-- page {page.number} -->'}\n\n"

    def _html_content(self) -> str | None:
        sections = self._joined("html")
        return None if sections is None else html.document(self._options.filename, sections)

    def _joined(self, name: str) -> str | None:
        return "".join(self._parts[name]) if name in self._formats else None


def _write(
    pages: Iterable[Page | UnreadPage],
    document: Document,
    options: RequestOptions,
    _settings: Settings,
) -> Iterator[bytes]:
    start = time.monotonic()
    asked = options if isinstance(options, ConvertOptions) else ConvertOptions()
    writer = _Writer(document, asked)
    for page, blocks in elements.by_page(pages):
        writer.add(page, blocks)
        yield b""
    yield writer.answer(time.monotonic() - start).model_dump_json().encode()


def _endpoint(name: str) -> Endpoint:
    return Endpoint(
        name=name,
        summary="Convert a document to Markdown, HTML, text and a DoclingDocument.",
        request=ConvertRequest,
        answer=bytes,
        answer_description="The document in each format that was asked for.",
        example="",
        write=_write,
        streamed=False,
        keeps_late_pages=True,
    )


FILE = _endpoint("docling-file")
SOURCE = _endpoint("docling-source")


def with_seconds(beginning: bytes, seconds: float) -> bytes:
    """Give the beginning of a job's answer the seconds that the job took.

    When the answer is written, its pages have been read long since, by several workers maybe.
    """
    _, _, rest = beginning.partition(b",")
    return f'{{"processing_time":{seconds:.3f},'.encode() + rest
