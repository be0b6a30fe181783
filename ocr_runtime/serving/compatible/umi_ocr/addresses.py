"""Umi-OCR's HTTP interface for images: an image as base64 in JSON -> its lines, or its text.

    POST /api/ocr             --> {"code": 100, "data": lines or text, "score", "time", "timestamp"}
    GET /api/ocr/get_options  --> the options that are honoured, and their defaults

Every answer has the status 200; `code` says how it went: 100 with text, 101 without, or an error.
Documentation: https://github.com/hiroi-sora/Umi-OCR, `docs/http/api_ocr.md`. The codes of errors
are those of `UmiOCR-data/py_src/server/ocr_server.py` there, and of its engine PaddleOCR-json.
"""

import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ocr_runtime.documents.document import Document
from ocr_runtime.errors import (
    ImageTooLarge,
    InvalidBase64,
    InvalidOption,
    MalformedRequest,
    MissingImage,
    OCRError,
    UnsupportedImage,
)
from ocr_runtime.reading.page import Page, UnreadPage
from ocr_runtime.serving.bodies import whole_body
from ocr_runtime.serving.compatible.contract import Address, Contract
from ocr_runtime.serving.compatible.reader import Reader
from ocr_runtime.serving.compatible.sent_file import decoded, file_form
from ocr_runtime.serving.compatible.umi_ocr.lines import UmiLine, layout_for, plain_text
from ocr_runtime.serving.compatible.umi_ocr.lines import lines as umi_lines
from ocr_runtime.serving.compatible.umi_ocr.options import CLS, FORMAT, IGNORED, PARSER, checked
from ocr_runtime.serving.compatible.umi_ocr.options import options as known_options
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.forms import ParsedForm, json_object
from ocr_runtime.serving.requests import OCRRequest, RequestOptions
from ocr_runtime.settings import Settings

_FOUND, _NO_TEXT = 100, 101


class _EmptyRequest(MalformedRequest):
    """The body is empty, or an empty object."""


class _OptionsNoObject(InvalidOption):
    """`options` is something else than an object."""


_CODES: tuple[tuple[type[OCRError], int], ...] = (
    (_EmptyRequest, 801),
    (MalformedRequest, 800),
    (MissingImage, 802),
    (_OptionsNoObject, 803),
    (InvalidOption, 804),
    (InvalidBase64, 300),
    (UnsupportedImage, 301),
    (ImageTooLarge, 301),
)
"""The codes of Umi-OCR; of other errors the code is our status."""


class Options(RequestOptions):
    """How an image is to be read, the options of Umi-OCR, and when it was received."""

    umi: dict[str, Any] = Field(default_factory=dict)
    received: float = 0.0


class UmiRequest(OCRRequest):
    """An image, and how it is to be read."""

    options = Options


class UmiAnswer(BaseModel):
    """What was read.

    `data`: lines, text, or a sentence where there is none. `score`: the mean of all lines. `time`:
    how many seconds it took. `timestamp`: when it began, in seconds since 1970.
    """

    code: int
    data: list[UmiLine] | str
    score: float | None = None
    time: float
    timestamp: float


def _write(
    pages: Iterable[Page | UnreadPage],
    _document: Document,
    options: RequestOptions,
    _settings: Settings,
) -> Iterator[str]:
    for page in pages:
        if isinstance(page, Page) and isinstance(options, Options):
            yield _answer(page, options).model_dump_json(exclude_none=True)


def _answer(page: Page, options: Options) -> UmiAnswer:
    umi, begun = options.umi, options.received
    lines = umi_lines(page, parser=umi[PARSER], ignored=umi[IGNORED])
    seconds = max(0.0, time.time() - begun)
    if not lines:
        data = "No text was found in the image."
        return UmiAnswer(code=_NO_TEXT, data=data, time=seconds, timestamp=begun)
    return UmiAnswer(
        code=_FOUND,
        data=plain_text(lines) if umi[FORMAT] == "text" else lines,
        score=round(sum(line.score for line in lines) / len(lines), 4),
        time=seconds,
        timestamp=begun,
    )


_LINES = Endpoint(
    name="umi-ocr",
    summary="Read an image, as Umi-OCR answers it.",
    request=UmiRequest,
    answer=UmiAnswer,
    answer_description="The lines of the image, or its text.",
    example={},
    write=_write,
    streamed=False,
)


def _form(body: bytes, settings: Settings, *, received: float) -> ParsedForm:
    content = json_object(body)
    if not content:
        raise _EmptyRequest("The request is empty.")
    options = content.get("options")
    if options is not None and not isinstance(options, dict):
        raise _OptionsNoObject("options must be an object.")
    umi = checked(options or {}, settings)
    return file_form(
        decoded(content.get("base64"), "base64"),
        field="image_file",
        use_cls=umi[CLS],
        layout=layout_for(umi[PARSER]),
        umi=umi,
        received=received,
    )


async def _ocr(request: Request, reader: Reader) -> Response:
    received = time.time()
    body = await whole_body(request)
    response: Response = await reader.read(
        _LINES, lambda: _form(body, reader.settings, received=received)
    )
    return response


async def _get_options(_request: Request, reader: Reader) -> Response:
    return JSONResponse(known_options(reader.settings))


def _refusal(error: OCRError) -> Response:
    code = next((code for kind, code in _CODES if isinstance(error, kind)), error.status)
    # In ASCII, since a sentence may hold what the caller sent.
    content = json.dumps({"code": code, "data": str(error)})
    return Response(content, media_type="application/json", headers=error.headers)


CONTRACT = Contract(
    name="umi-ocr",
    addresses=(
        Address(method="POST", path="/api/ocr", handle=_ocr, output=_LINES),
        Address(method="GET", path="/api/ocr/get_options", handle=_get_options),
    ),
    refusal=_refusal,
)
