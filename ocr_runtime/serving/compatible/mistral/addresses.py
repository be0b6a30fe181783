"""Mistral's OCR: a document, or a file that was sent before -> the Markdown of its pages.

    POST /v1/ocr, a `data:` URL or the id of a file --> {"pages", "model", "usage_info"}

The files are those of `files.py`. https://docs.mistral.ai/api/endpoint/ocr says what is
sent; it is tried with the package mistralai.
"""

import functools
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ocr_runtime.documents.document import Document
from ocr_runtime.errors import InvalidOption, MissingImage, OCRError, TooManyPages
from ocr_runtime.reading.page import Page, UnreadPage
from ocr_runtime.serving.bodies import whole_body
from ocr_runtime.serving.compatible.contract import Address, Contract
from ocr_runtime.serving.compatible.mistral import files
from ocr_runtime.serving.compatible.mistral.pages import by_page
from ocr_runtime.serving.compatible.reader import Reader
from ocr_runtime.serving.compatible.sent_file import decoded, file_form
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.forms import ParsedForm, json_object
from ocr_runtime.serving.requests import DocumentOptions, DocumentRequest, RequestOptions
from ocr_runtime.settings import Settings

_MODEL = "mistral-ocr-latest"
_MISSING = (
    "Send a document: its data: URL as document_url or image_url, or the id of a file as file_id."
)
_PAGES = "pages must be indices from 0, as [0, 1, 2], or text as 0-2,5."
_RANGE = re.compile(r"\s*(\d{1,8})\s*(?:-\s*(\d{1,8})\s*)?", re.ASCII)
_FROM_ONE = " These numbers count from 1; the indices of the request count from 0."


class Options(DocumentOptions):
    """The options of a document, and those of the answer."""

    clip_pages = True
    model: str = _MODEL
    include_blocks: bool = False


class OCRRequest(DocumentRequest):
    """A document with these options."""

    options = Options


def _write(
    pages: Iterable[Page | UnreadPage],
    document: Document,
    options: RequestOptions,
    _settings: Settings,
) -> Iterator[Any]:
    chosen = options if isinstance(options, Options) else Options()
    count = 0
    yield '{"pages":['
    for page in by_page(pages, with_blocks=chosen.include_blocks):
        yield "," * (count > 0) + page.model_dump_json()
        count += 1
    usage = {"pages_processed": count, "doc_size_bytes": len(document.data)}
    end = {"model": chosen.model, "document_annotation": None, "usage_info": usage}
    yield f"],{json.dumps(end)[1:]}"


_LARGEST_WITHOUT_FILE = 64 << 10
"""Bytes of a request that is parsed at once, to see whether it names a file, in a millisecond."""

_OCR = Endpoint(
    name="mistral",
    summary="Read the pages of a document as Mistral's OCR does.",
    request=OCRRequest,
    answer=bytes,
    answer_description="The pages.",
    example="",
    write=_write,
    streamed=False,
    keeps_late_pages=True,
)


async def _ocr(request: Request, reader: Reader) -> Response:
    body = await whole_body(request)
    file = await _stored_file(body, reader)
    parse = functools.partial(_parse, body, file)
    try:
        response: Response = await reader.read(_OCR, parse)
    except (InvalidOption, TooManyPages) as exc:
        raise type(exc)(str(exc) + _FROM_ONE * ("document has" in str(exc))) from exc
    return response


async def _stored_file(body: bytes, reader: Reader) -> bytes | None:
    """Fetch the file that was sent before, if a request names one.

    It is small then. Others, which hold a document in base64, are parsed in the pool.
    """
    if len(body) > _LARGEST_WITHOUT_FILE:
        return None
    document = json_object(body).get("document")
    if not isinstance(document, dict):
        return None
    for url in _urls(document).values():
        file = files.id_in(url)
        return await files.read(file, reader) if file else None
    file = document.get("file_id")
    return None if file is None else await files.read(file, reader)


def _parse(body: bytes, stored: bytes | None) -> ParsedForm:
    """Make the fields of a document.

    Args:
        body: of the request.
        stored: the file that it names.
    """
    content = json_object(body)
    return file_form(
        _sent_file(content.get("document")) if stored is None else stored,
        _MISSING,
        pages=_pages(content.get("pages")),
        model=content.get("model") or None,
        include_blocks=content.get("include_blocks") is True,
    )


def _sent_file(document: object) -> bytes:
    """Return the bytes of a document that the request itself holds.

    Raises:
        OCRError: there is none.
    """
    if not isinstance(document, dict):
        raise MissingImage(_MISSING)
    for field, url in _urls(document).items():
        return decoded(url, field)
    if document.get("file_id") is not None:
        raise InvalidOption(
            f"A request that names a file must be smaller than {_LARGEST_WITHOUT_FILE >> 10} KiB."
        )
    raise MissingImage(_MISSING)


def _urls(document: dict[str, Any]) -> dict[str, object]:
    """The URL of a document by its field, if it has one."""
    found = {}
    for field in ("document_url", "image_url"):
        url = document.get(field)
        if isinstance(url, dict):
            url = url.get("url")
        if url is not None:
            found[field] = url
    return found


def _pages(pages: object) -> str | None:
    """Return indices from 0 as the numbers and ranges from 1 that our option takes.

    Raises:
        InvalidOption: they are no indices.
    """
    if pages is None or pages in ("", []):
        return None
    parts = pages.split(",") if isinstance(pages, str) else pages
    if not isinstance(parts, list):
        raise InvalidOption(_PAGES)
    ranges: list[list[int]] = []
    for part in parts:
        found = _RANGE.fullmatch(str(part)) if isinstance(part, int | str) else None
        if found is None:
            raise InvalidOption(_PAGES)
        first, last = int(found[1]), int(found[2] or found[1])
        if ranges and not found[2] and first == ranges[-1][1] + 1:
            ranges[-1][1] = last  # so that a list of indices may go on after the last page
        else:
            ranges.append([first, last])
    return ",".join(_numbers(first + 1, last + 1) for first, last in ranges)


def _numbers(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}-{last}"


def _refusal(error: OCRError) -> Response:
    content = {
        "object": "error",
        "message": str(error),
        "type": error.code,
        "param": None,
        "code": None,
    }
    return JSONResponse(content, status_code=error.status, headers=error.headers)


CONTRACT = Contract(
    name="mistral",
    addresses=(
        Address(method="POST", path="/v1/ocr", handle=_ocr, output=_OCR),
        *files.ADDRESSES,
    ),
    refusal=_refusal,
)
