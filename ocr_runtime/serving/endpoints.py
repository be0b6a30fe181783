"""One record for each endpoint that reads an image.

    record --methods--> a method of the BentoML service
           --openapi--> its part of the OpenAPI document
           --middleware--> admission to the pool, its label in the metrics

A new output is one module in `outputs/` and one record here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from ocr_runtime.errors import OCRError
from ocr_runtime.outputs import rapidocr, text
from ocr_runtime.reading.page import Page
from ocr_runtime.serving.requests import OCRRequest
from ocr_runtime.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An address to which an image is posted.

    Args:
        name: of the service's method; the route is the name after a slash.
        summary: one sentence that says what it does.
        request: the fields that a caller may send.
        answer: what it returns: a pydantic model, sent as JSON, or `str`, sent as UTF-8.
        media_type: of the answer, without a charset, which is added to text.
        answer_description: what the answer holds.
        example: an answer.
        errors: all that a caller may get.
        write: makes the answer of a page, with the settings that concern its form; is called in
            a thread of the pool.
    """

    name: str
    summary: str
    request: type[BaseModel]
    answer: type[BaseModel] | type[str]
    media_type: str = "application/json"
    answer_description: str
    example: Any
    errors: tuple[type[OCRError], ...] = tuple(OCRError.__subclasses__())
    write: Callable[[Page, Settings], Any]

    @property
    def route(self) -> str:
        return f"/{self.name}"


OCR = Endpoint(
    name="ocr",
    summary="Read the lines of text in one image.",
    request=OCRRequest,
    answer=rapidocr.OCRAnswer,
    answer_description="The lines, in the order that `layout` says; `{}` where there is no text.",
    example=rapidocr.EXAMPLE,
    write=lambda page, settings: rapidocr.write(page, score_format=settings.score_format),
)

TEXT = Endpoint(
    name="text",
    summary="Read the text of one image.",
    request=OCRRequest,
    answer=str,
    media_type="text/plain",
    answer_description="The text in UTF-8: a line for each row, an empty line between blocks; "
    "empty where there is no text.",
    example="One line of text\n",
    write=lambda page, _: text.write(page),
)

ENDPOINTS = (OCR, TEXT)
