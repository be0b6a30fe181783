"""The files that Mistral's callers send before they ask for their OCR.

    POST /v1/files --> {"id", ...}      GET /v1/files/{id} --> the same
    GET /v1/files/{id}/url --> {"url"}: of GET /v1/files/{id}/content, which needs the same key
    DELETE /v1/files/{id}

https://docs.mistral.ai/api/endpoint/files says what is sent.
"""

import asyncio
import functools
import re
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ocr_runtime.errors import InvalidOption, MissingImage, NotFound
from ocr_runtime.serving.bodies import whole_body
from ocr_runtime.serving.compatible.contract import Address
from ocr_runtime.serving.compatible.own_address import own_address
from ocr_runtime.serving.compatible.reader import Reader
from ocr_runtime.serving.forms import multipart_parts
from ocr_runtime.serving.state import request_state
from ocr_runtime.serving.stored_files import StoredFile

_ID = re.compile(r"[0-9a-f]{32}")
_LONGEST_URL = 2048
_OWN_URL = re.compile(r"https?://[^\s?#]*/v1/files/([^/?#\s]+)/content(\?.*)?")


def id_in(url: object) -> str | None:
    """Return the id of the file whose content is at a URL of ours; None for any other URL.

    Which host it names does not matter, since nothing is fetched from there.
    """
    if not isinstance(url, str) or len(url) > _LONGEST_URL:
        return None
    found = _OWN_URL.fullmatch(url)
    return found[1] if found else None


async def read(file: object, reader: Reader) -> bytes:
    """Return the bytes of a file.

    Raises:
        JobsOff: no files are stored.
        NotFound: there is none with this id, or it is another's.
        Busy, Timeout: see `Jobs.fetch`.
    """
    return await reader.jobs.fetch(_checked(file))


async def _send(request: Request, reader: Reader) -> Response:
    reader.jobs.check_on()
    content_type = request.headers.get("content-type", "")
    parse = functools.partial(_parse, content_type, await whole_body(request))
    return JSONResponse(_shown(await reader.jobs.keep(parse)))


def _parse(content_type: str, body: bytes) -> tuple[str, bytes]:
    """Return the name of a file, and its bytes.

    Raises:
        InvalidOption: it is sent for another purpose.
        MissingImage: there is none.
    """
    parts = multipart_parts(content_type, body)
    purposes = {part.value for part in parts if part.name == "purpose"}
    if purposes - {b"ocr", b""}:
        raise InvalidOption("purpose must be ocr.")
    file = next((part for part in parts if part.name == "file"), None)
    if file is None or not file.value:
        raise MissingImage("Send a file as the part file.")
    return file.file_name or "file", file.value


async def _show(request: Request, reader: Reader) -> Response:
    return JSONResponse(_shown(await _file(request, reader)) | {"deleted": False})


async def _show_url(request: Request, reader: Reader) -> Response:
    file = await _file(request, reader)
    return JSONResponse({"url": own_address(request, f"/v1/files/{file.id}/content")})


async def _show_content(request: Request, reader: Reader) -> Response:
    file = await _file(request, reader)
    pieces = reader.jobs.files.content(file.id, request_state().key)

    async def parts() -> AsyncIterator[bytes]:
        while part := await asyncio.to_thread(lambda: next(pieces, b"")):
            yield part

    return StreamingResponse(
        parts(),
        headers={"Content-Length": str(file.bytes)},
        media_type="application/octet-stream",
    )


async def _delete(request: Request, reader: Reader) -> Response:
    file = _checked(request.path_params["id"])
    await asyncio.to_thread(reader.jobs.files.delete, file, request_state().key)
    return JSONResponse({"id": file, "object": "file", "deleted": True})


async def _file(request: Request, reader: Reader) -> StoredFile:
    files, file = reader.jobs.files, _checked(request.path_params["id"])
    return await asyncio.to_thread(files.get, file, request_state().key)


def _checked(file: object) -> str:
    if not isinstance(file, str) or not _ID.fullmatch(file):
        raise NotFound("There is no file with such an id.")
    return file


def _shown(file: StoredFile) -> dict[str, Any]:
    return {
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": int(file.created),
        "filename": file.name,
        "purpose": "ocr",
        "sample_type": "ocr_input",
        "source": "upload",
    }


ADDRESSES = (
    Address(method="POST", path="/v1/files", handle=_send),
    Address(method="GET", path="/v1/files/{id}", handle=_show),
    Address(method="DELETE", path="/v1/files/{id}", handle=_delete),
    Address(method="GET", path="/v1/files/{id}/url", handle=_show_url),
    Address(method="GET", path="/v1/files/{id}/content", handle=_show_content),
)
