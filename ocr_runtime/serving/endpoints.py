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
from ocr_runtime.errors import OF_JOBS, OCRError
from ocr_runtime.outputs import rapidocr, text
from ocr_runtime.reading.page import Page, UnreadPage
from ocr_runtime.serving.requests import DocumentRequest, OCRRequest, Request
from ocr_runtime.settings import Settings

Write = Callable[[Iterable[Page | UnreadPage], Document, Settings], Iterator[Any]]

_ERRORS = tuple(error for error in OCRError.__subclasses__() if error not in OF_JOBS)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An address to which a document is posted.

    Args:
        name: of the service's method; the route is the name after a slash.
        summary: one sentence that says what it does.
        request: the fields that a caller may send.
        answer: what it returns: a pydantic model, sent as JSON; `str`, sent as UTF-8; or `bytes`.
        media_type: of the answer, without a charset, which is added to text.
        answer_description: what the answer holds.
        example: an answer.
        errors: all that a caller may get.
        write: makes the answer of the pages, with the settings that concern its form. It takes one
            page, yields a part of the answer (which may be empty), takes the next one, and so on,
            since each part is computed as a task of its own in the pool.
        reading: reading options that the output needs, whatever the caller asks for.
        streamed: whether the parts are sent as they are made; otherwise all at the end.
    """

    name: str
    summary: str
    request: type[Request]
    answer: type[BaseModel] | type[str] | type[bytes]
    media_type: str = "application/json"
    answer_description: str
    example: Any
    errors: tuple[type[OCRError], ...] = _ERRORS
    write: Write
    reading: Mapping[str, Any] = field(default_factory=dict)
    streamed: bool = True

    @property
    def route(self) -> str:
        return f"/{self.name}"


def _of_first(write: Callable[[Page, Settings], Any]) -> Write:
    """Make an answer of a single page."""
    return lambda pages, _, settings: (
        write(page, settings) for page in pages if isinstance(page, Page)
    )


OCR = Endpoint(
    name="ocr",
    summary="Read the lines of text in one image.",
    request=OCRRequest,
    answer=rapidocr.OCRAnswer,
    answer_description="The lines, in the order that `layout` says; `{}` where there is no text.",
    example=rapidocr.EXAMPLE,
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
    write=lambda pages, document, _: text.write_pages(pages, document),
)

ENDPOINTS = (OCR, TEXT)
