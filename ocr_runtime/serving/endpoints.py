"""One record for each endpoint that reads a document or an image.

           record --methods--> a method of the BentoML service
                  --openapi--> its part of the OpenAPI document
                  --middleware--> admission to the pool, its label in the metrics

A new output is one module in `outputs/` and one record here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from ocr_runtime.documents.document import Document
from ocr_runtime.errors import (
    OF_JOBS,
    EmptyDocument,
    NotAcceptable,
    OCRError,
    PageTooSlow,
    PasswordRequired,
    TooManyPages,
    UnsupportedDocument,
    WrongPassword,
)
from ocr_runtime.outputs import hocr, markdown, pdf, picture, rapidocr, text
from ocr_runtime.outputs import pages as json_pages
from ocr_runtime.reading.page import Page, UnreadPage
from ocr_runtime.serving.requests import DocumentRequest, OCRRequest, Request, RequestOptions
from ocr_runtime.settings import Settings

_ERRORS = tuple(each for each in OCRError.__subclasses__() if each not in (NotAcceptable, *OF_JOBS))
_OF_DOCUMENTS = (
    PasswordRequired,
    WrongPassword,
    TooManyPages,
    PageTooSlow,
    UnsupportedDocument,
    EmptyDocument,
)

Write = Callable[[Iterable[Page | UnreadPage], Document, RequestOptions, Settings], Iterator[Any]]


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An address to which a document is posted.

    Args:
        name: of the service's method; the route is the name after a slash.
        summary: one sentence that says what it does.
        request: the fields that a caller may send.
        answer: what it returns: a pydantic model, sent as JSON; `str`, sent as UTF-8; or `bytes`.
        media_type: of the answer, without a charset, which is added to text.
        media_type_of_many: of an answer of several pages, where it is another one.
        answer_description: what the answer holds.
        example: an answer.
        errors: all that a caller may get.
        write: makes the answer of the pages, with the options and the settings that concern its
            form. It takes one page, yields a part of the answer (which may be empty), takes the
            next one, and so on, since each part is computed as a task of its own in the pool.
        reading: reading options that the output needs, whatever the caller asks for.
        streamed: whether the parts are sent as they are made; otherwise all at the end.
        keeps_late_pages: whether an answer that is not streamed says at the deadline which pages
            were not read, and holds the others; otherwise there is no answer then.
    """

    name: str
    summary: str
    request: type[Request]
    answer: type[BaseModel] | type[str] | type[bytes]
    media_type: str = "application/json"
    media_type_of_many: str | None = None
    answer_description: str
    example: Any
    errors: tuple[type[OCRError], ...] = _ERRORS
    write: Write
    reading: Mapping[str, Any] = field(default_factory=dict)
    streamed: bool = True
    keeps_late_pages: bool = False

    @property
    def route(self) -> str:
        return f"/{self.name}"

    @property
    def media_types(self) -> tuple[str, ...]:
        """Those of all its answers."""
        many = () if self.media_type_of_many is None else (self.media_type_of_many,)
        return self.media_type, *many

    def media_type_for(self, pages: int) -> str:
        """Return the media type of an answer of so many pages."""
        return self.media_types[-1] if pages > 1 else self.media_type

    @property
    def is_output(self) -> bool:
        """Whether it reads documents, so that `/read` may choose it."""
        return self.request is DocumentRequest


def _of_first(write: Callable[[Page, Settings], Any]) -> Write:
    """Make an answer of a single page."""
    return lambda pages, _document, _options, settings: (
        write(page, settings) for page in pages if isinstance(page, Page)
    )


OCR = Endpoint(
    name="ocr",
    summary="Read the lines of text in one image.",
    request=OCRRequest,
    answer=rapidocr.OCRAnswer,
    answer_description="The lines, in the order that `layout` says; `{}` where there is no text.",
    example=rapidocr.EXAMPLE,
    errors=tuple(each for each in _ERRORS if each not in _OF_DOCUMENTS),
    write=_of_first(
        lambda page, settings: rapidocr.write(page, score_format=settings.score_format)
    ),
    streamed=False,
)

TEXT = Endpoint(
    name="text",
    summary="Read the text of a document.",
    request=DocumentRequest,
    answer=str,
    media_type="text/plain",
    answer_description="The text in UTF-8: a line for each row, an empty line between blocks, a "
    "form feed between pages; empty where there is no text.",
    example="One line of text\n",
    write=lambda pages, document, *_: text.write_pages(pages, document),
)

MARKDOWN = Endpoint(
    name="markdown",
    summary="Read a document as Markdown.",
    request=DocumentRequest,
    answer=str,
    media_type="text/markdown",
    answer_description="Headings, paragraphs, lists and tables, in UTF-8. From the second page on "
    "each begins with a comment that has its number.",
    example="# A heading\n\nA paragraph in one line.\n\n| Item | Price |\n| --- | --- |\n"
    "| Tea | 1.20 |\n",
    write=lambda pages, document, *_: markdown.write_pages(pages, document),
)

HOCR = Endpoint(
    name="hocr",
    summary="Read a document as hOCR.",
    request=DocumentRequest,
    answer=str,
    media_type="application/xhtml+xml",
    answer_description="hOCR 1.2 as XHTML: pages, areas, paragraphs, lines and words with their "
    "boxes and confidences.",
    example="<html>...</html>",
    write=lambda pages, document, *_: hocr.write_pages(pages, document),
    reading={"return_word_box": True},
)

PAGES = Endpoint(
    name="pages",
    summary="Read all that is known of the pages of a document.",
    request=DocumentRequest,
    answer=json_pages.PagesAnswer,
    answer_description="The pages, with their blocks, lines and words, or the error of each that "
    "could not be read. Boxes are in pixels of the page as it was sent.",
    example={"pages": [{"number": 2, "code": "page_too_slow", "error": PageTooSlow.sentence}]},
    write=lambda pages, document, *_: json_pages.write_pages(pages, document),
    reading={"return_word_box": True},
)

ANNOTATED = Endpoint(
    name="annotated",
    summary="Draw the lines that are read on the pictures of the pages.",
    request=DocumentRequest,
    answer=bytes,
    media_type="image/png",
    media_type_of_many="application/zip",
    answer_description="Of one page a PNG: the upright page with a numbered box around each line, "
    "coloured by its score. Of several pages a ZIP of such PNGs, `page-0001.png` and so on; in "
    "place of a page that could not be read it has a text that says why, as `page-0002.txt`.",
    example="",
    write=lambda pages, document, *_: picture.write_pages(pages, document),
)

PDF = Endpoint(
    name="pdf",
    summary="Make a PDF of a document in which text can be found and copied.",
    request=DocumentRequest,
    answer=bytes,
    media_type="application/pdf",
    answer_description="The pages as they were sent, with the text that was read in its place, "
    "invisible.",
    example="",
    write=lambda pages, document, *_: pdf.write_pages(pages, document),
    reading={"return_word_box": True},
    streamed=False,
)

ENDPOINTS = (OCR, TEXT, MARKDOWN, HOCR, PAGES, ANNOTATED, PDF)
