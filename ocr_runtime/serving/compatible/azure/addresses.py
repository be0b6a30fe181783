"""Azure Document Intelligence, models read and layout: a document -> a result to ask for.

    POST .../documentModels/{modelId}:analyze --> 202 and the address of the result
    GET .../analyzeResults/{resultId} --> its status; once it is "succeeded", `analyzeResult`
    GET .../analyzeResults/{resultId}/pdf --> the PDF with text, if `output=pdf` was asked for

Each is a job. https://learn.microsoft.com/rest/api/aiservices/document-models/analyze-document
says what is sent; it is tried with the package azure-ai-documentintelligence.
"""

import functools
import json
import re
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ocr_runtime.documents.document import Document
from ocr_runtime.errors import InvalidOption, JobNotFound, MissingImage, NotFound
from ocr_runtime.outputs import elements, pdf
from ocr_runtime.reading.page import Page, UnreadPage
from ocr_runtime.serving.bodies import whole_body
from ocr_runtime.serving.compatible.azure.errors import code_of, refusal
from ocr_runtime.serving.compatible.azure.offsets import StringIndexType
from ocr_runtime.serving.compatible.azure.parts import only, piece
from ocr_runtime.serving.compatible.azure.result import ResultWriter
from ocr_runtime.serving.compatible.contract import Address, Contract
from ocr_runtime.serving.compatible.own_address import own_address
from ocr_runtime.serving.compatible.reader import Reader
from ocr_runtime.serving.compatible.sent_file import decoded, file_form
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.forms import ParsedForm, json_object
from ocr_runtime.serving.job_store import Job
from ocr_runtime.serving.requests import DocumentOptions, DocumentRequest, RequestOptions
from ocr_runtime.serving.state import request_state
from ocr_runtime.settings import Settings

_MODELS = "/documentintelligence/documentModels/{modelId}"
_RESULT = f"{_MODELS}/analyzeResults/{{resultId}}"
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?", re.ASCII)
_LATEST = "2024-11-30"
_POLL = {"Retry-After": "1"}
"""After how many seconds to ask again; its clients wait for 30 if they are not told."""

_MISSING = "Send a PDF or an image as the body, or JSON with its base64 as base64Source."
_STATUSES = {
    "queued": "notStarted",
    "running": "running",
    "done": "succeeded",
    "failed": "failed",
    "cancelled": "canceled",
}


class Options(DocumentOptions):
    """The options of a document, and those of its result."""

    model_id: Literal["prebuilt-read", "prebuilt-layout"] = "prebuilt-read"
    api_version: str = _LATEST
    string_index_type: StringIndexType = "textElements"
    content_format: Literal["text", "markdown"] = "text"


class AnalyzeRequest(DocumentRequest):
    """A document with these options."""

    options = Options


def _write(
    pages: Iterable[Page | UnreadPage],
    document: Document,
    options: RequestOptions,
    *,
    with_pdf: bool,
) -> Iterator[bytes]:
    chosen = options if isinstance(options, Options) else Options()
    writer = ResultWriter(
        api_version=chosen.api_version,
        model_id=chosen.model_id,
        counted=chosen.string_index_type,
        as_markdown=chosen.content_format == "markdown",
        in_inches=document.format == "PDF",
    )
    pieces = [piece(b"J", writer.start().encode())]

    def described() -> Iterator[Page | UnreadPage]:
        for page, blocks in elements.by_page(pages):
            pieces.append(piece(b"J", writer.page(page, blocks).encode()))
            yield page

    written = pdf.write_pages(described(), document) if with_pdf else (b"" for _ in described())
    for part in written:
        pieces.extend([piece(b"P", part)] if part else [])
        yield b"".join(pieces)
        pieces.clear()
    yield b"".join([*pieces, piece(b"J", writer.end().encode())])


def _output(name: str, *, with_pdf: bool) -> Endpoint:
    def write(
        pages: Iterable[Page | UnreadPage],
        document: Document,
        options: RequestOptions,
        _settings: Settings,
    ) -> Iterator[Any]:
        return _write(pages, document, options, with_pdf=with_pdf)

    return Endpoint(
        name=name,
        summary="Read a document as Azure Document Intelligence does.",
        request=AnalyzeRequest,
        answer=bytes,
        media_type="application/octet-stream",
        answer_description="Pieces of an `analyzeResult`, and of a PDF if one is asked for.",
        example="",
        write=write,
        reading={"return_word_box": True},
        streamed=False,
    )


_ANALYSIS = _output("azure", with_pdf=False)
_ANALYSIS_AND_PDF = _output("azure-pdf", with_pdf=True)


async def _analyze(request: Request, reader: Reader) -> Response:
    reader.jobs.check_on()
    query = dict(request_state().query)
    output = _ANALYSIS_AND_PDF if "pdf" in query.get("output", "").split(",") else _ANALYSIS
    options = _options(request.path_params["modelId"], query)
    parse = functools.partial(_parse, request, await whole_body(request), options)
    job = await reader.jobs.make(output, parse)
    version = options["api_version"]
    result = _RESULT.format(modelId=options["model_id"], resultId=job.id)
    location = own_address(request, f"{result}?api-version={version}")
    return Response(status_code=202, headers=_POLL | {"Operation-Location": location})


def _options(model: str, query: dict[str, str]) -> dict[str, Any]:
    """Check the parameters of an address.

    Raises:
        NotFound: there is no such model.
        InvalidOption: a parameter is wrong.
    """
    if model not in ("prebuilt-read", "prebuilt-layout"):
        raise NotFound("There is no such model here: ask for prebuilt-read or prebuilt-layout.")
    counted = query.get("stringIndexType") or "textElements"
    if counted not in ("textElements", "unicodeCodePoint", "utf16CodeUnit"):
        raise InvalidOption(
            "stringIndexType must be textElements, unicodeCodePoint or utf16CodeUnit."
        )
    content_format = query.get("outputContentFormat") or "text"
    if content_format not in ("text", "markdown"):
        raise InvalidOption("outputContentFormat must be text or markdown.")
    version = query.get("api-version", "")
    return {
        "model_id": model,
        "api_version": version if _VERSION.fullmatch(version) else _LATEST,
        "string_index_type": counted,
        "content_format": content_format,
        "pages": query.get("pages"),
    }


def _parse(request: Request, body: bytes, options: dict[str, Any]) -> ParsedForm:
    if not request.headers.get("content-type", "").lower().startswith("application/json"):
        return file_form(body, _MISSING, **options)
    content = json_object(body)
    if content.get("base64Source") is not None:
        return file_form(decoded(content["base64Source"], "base64Source"), _MISSING, **options)
    if content.get("urlSource") is not None:
        raise InvalidOption(
            "URLs are never fetched: send the file itself, or its base64 as base64Source."
        )
    raise MissingImage(_MISSING)


async def _show(request: Request, reader: Reader) -> Response:
    job = await _job(request, reader)
    shown: dict[str, Any] = {
        "status": _STATUSES[job.state],
        "createdDateTime": _time(job.created),
        "lastUpdatedDateTime": _time(job.finished or job.created),
    }
    if job.state == "failed":
        shown["error"] = {"code": code_of(job.code), "message": job.error or ""}
    if job.state != "done":
        return JSONResponse(shown, headers=_POLL if job.finished is None else None)
    start = f'{json.dumps(shown)[:-1]}, "analyzeResult": '
    pieces = only(b"J", reader.jobs.result(job))

    async def parts() -> AsyncIterator[bytes]:
        yield start.encode()
        async for part in pieces:
            yield part
        yield b"}"

    return StreamingResponse(parts(), media_type="application/json")


async def _show_pdf(request: Request, reader: Reader) -> Response:
    job = await _job(request, reader)
    if job.output != _ANALYSIS_AND_PDF.name:
        raise NotFound("There is no PDF of this document: ask for one with output=pdf.")
    pieces = only(b"P", reader.jobs.result(job))
    return StreamingResponse(pieces, media_type="application/pdf")


async def _delete(request: Request, reader: Reader) -> Response:
    job = await _job(request, reader)
    if await reader.jobs.delete(job.id) is not None:  # it is cancelled, and not forgotten yet
        with suppress(JobNotFound):
            await reader.jobs.delete(job.id)
    return Response(status_code=204)


async def _job(request: Request, reader: Reader) -> Job:
    """Look up the job of a result.

    Raises:
        JobNotFound: there is none, it is another's, or it was not made at these addresses.
    """
    job = await reader.jobs.get(str(request.path_params["resultId"]))
    if job.output not in (_ANALYSIS.name, _ANALYSIS_AND_PDF.name):
        raise JobNotFound
    return job


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


CONTRACT = Contract(
    name="azure",
    addresses=(
        Address(
            method="POST",
            path=f"{_MODELS}:analyze",
            handle=_analyze,
        ),
        Address(method="GET", path=_RESULT, handle=_show),
        Address(method="DELETE", path=_RESULT, handle=_delete),
        Address(
            method="GET",
            path=f"{_RESULT}/pdf",
            handle=_show_pdf,
        ),
    ),
    refusal=refusal,
    outputs=(_ANALYSIS, _ANALYSIS_AND_PDF),
    key_headers=("Ocp-Apim-Subscription-Key",),
)
