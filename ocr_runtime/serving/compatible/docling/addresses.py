"""docling-serve: a document -> Markdown, HTML, text and a DoclingDocument.

    POST /v1/convert/file, /v1/convert/source --> the document
    POST /v1/convert/file/async, /v1/convert/source/async --> a task, which is one of our jobs
    GET /v1/status/poll/{id} --> its status        GET /v1/result/{id} --> the document

What is sent is in `form.py`, what is answered in `answer.py`. The contract:
https://github.com/docling-project/docling-serve/blob/main/docs/usage.md
"""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from ocr_runtime import __version__
from ocr_runtime.errors import InvalidOption, JobNotFound, JobUnfinished, OCRError, TooManyPages
from ocr_runtime.serving.bodies import whole_body
from ocr_runtime.serving.compatible.contract import SENTENCES, Address, Contract
from ocr_runtime.serving.compatible.docling import answer, form
from ocr_runtime.serving.compatible.reader import Reader
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.forms import ParsedForm
from ocr_runtime.serving.job_store import Job

_NO_TASK = "Task not found."
_NO_RESULT = "Task result not found. Please wait for a completion status."
"""By these words docling's client tells the two cases."""

_STATES = {
    "queued": "pending",
    "running": "started",
    "done": "success",
    "failed": "failure",
    "cancelled": "failure",
}
_ENDED = ("done", "failed", "cancelled")
_OUTPUTS = {each.name for each in (answer.FILE, answer.SOURCE)}
_LOOK_SECONDS = 0.05, 1.0
"""First and longest time between two looks at a job that a caller waits for."""


async def _parse_file(request: Request) -> Callable[[], ParsedForm]:
    body = await whole_body(request)
    content_type = request.headers.get("content-type", "")
    return functools.partial(form.from_multipart, content_type, body)


async def _parse_source(request: Request) -> Callable[[], ParsedForm]:
    return functools.partial(form.from_json, await whole_body(request))


async def _file(request: Request, reader: Reader) -> Response:
    return await _converted(answer.FILE, await _parse_file(request), reader)


async def _source(request: Request, reader: Reader) -> Response:
    return await _converted(answer.SOURCE, await _parse_source(request), reader)


async def _converted(output: Endpoint, parse: Callable[[], ParsedForm], reader: Reader) -> Response:
    response: Response = await reader.read(output, parse)
    return response


async def _file_later(request: Request, reader: Reader) -> Response:
    reader.jobs.check_on()
    return _status(await reader.jobs.make(answer.FILE, await _parse_file(request)))


async def _source_later(request: Request, reader: Reader) -> Response:
    reader.jobs.check_on()
    return _status(await reader.jobs.make(answer.SOURCE, await _parse_source(request)))


async def _poll(request: Request, reader: Reader) -> Response:
    """Say how far a task is; with `wait`, not before it has ended or so many seconds are over."""
    await whole_body(request)  # so that it is noticed if the caller hangs up
    seconds = min(_seconds(request.query_params.get("wait", "")), reader.settings.timeout_seconds)
    deadline = time.monotonic() + seconds
    pause, longest = _LOOK_SECONDS
    while True:
        job = await _task(request, reader)
        left = deadline - time.monotonic()
        if job.state in _ENDED or left <= 0:
            return _status(job)
        await asyncio.sleep(min(pause, left))
        pause = min(2 * pause, longest)


def _seconds(text: str) -> float:
    try:
        seconds = float(text or 0)
    except ValueError:
        seconds = -1
    if not seconds >= 0:
        raise InvalidOption("wait must be a number of seconds, 0 or more.")
    return seconds


async def _result(request: Request, reader: Reader) -> Response:
    job = await _task(request, reader)
    if job.state in ("failed", "cancelled"):
        return JSONResponse({"kind": "TaskFailureResult", "failure": _failure(job)})
    parts = reader.jobs.result(job)
    stored = await anext(parts, b"")
    first = answer.with_seconds(stored, (job.finished or 0.0) - job.created)

    async def all_parts() -> AsyncIterator[bytes]:
        yield first
        async for part in parts:
            yield part

    return StreamingResponse(
        all_parts(),
        headers={"Content-Length": str(job.result_bytes + len(first) - len(stored))},
        media_type="application/json",
    )


async def _task(request: Request, reader: Reader) -> Job:
    job = await reader.jobs.get(str(request.path_params["id"]))
    if job.output not in _OUTPUTS:
        raise JobNotFound
    return job


def _status(job: Job) -> Response:
    ended, done = job.state in _ENDED, job.state == "done"
    return JSONResponse(
        {
            "task_id": job.id,
            "task_type": "convert",
            "task_status": _STATES[job.state],
            "task_position": job.place,
            "task_meta": {
                "num_docs": 1,
                "num_processed": int(ended),
                "num_succeeded": int(done and not job.unread),
                "num_partially_succeeded": int(done and bool(job.unread)),
                "num_failed": int(ended and not done),
            },
            "error_message": _failure(job)["message"] if ended and not done else None,
            "failure": _failure(job) if ended and not done else None,
        }
    )


def _failure(job: Job) -> dict[str, Any]:
    return {
        "category": "unknown",
        "message": job.error or "The task was cancelled.",
        "retryable": False,
        "phase": "execution",
    }


async def _health(_request: Request, _reader: Reader) -> Response:
    return JSONResponse({"status": "ok"})


async def _version(_request: Request, _reader: Reader) -> Response:
    return JSONResponse({answer.MODULE: __version__})


def _refusal(error: OCRError) -> Response:
    status, sentence = error.status, str(error)
    if isinstance(error, JobNotFound):
        sentence = _NO_TASK
    elif isinstance(error, JobUnfinished):
        status, sentence = 404, _NO_RESULT
    return JSONResponse({"detail": sentence}, status_code=status, headers=error.headers)


_TOO_MANY_PAGES = "The document has too many pages: ask for some of them with page_range."

CONTRACT = Contract(
    name="docling",
    addresses=(
        Address(method="POST", path="/v1/convert/file", handle=_file, output=answer.FILE),
        Address(method="POST", path="/v1/convert/source", handle=_source, output=answer.SOURCE),
        Address(method="POST", path="/v1/convert/file/async", handle=_file_later),
        Address(method="POST", path="/v1/convert/source/async", handle=_source_later),
        Address(method="GET", path="/v1/status/poll/{id}", handle=_poll),
        Address(method="GET", path="/v1/result/{id}", handle=_result),
        Address(method="GET", path="/health", handle=_health),
        Address(method="GET", path="/version", handle=_version),
    ),
    refusal=_refusal,
    sentences={**SENTENCES, TooManyPages: _TOO_MANY_PAGES},
    outputs=(answer.FILE, answer.SOURCE),
)
