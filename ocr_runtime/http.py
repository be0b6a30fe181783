"""What stands around the door.

request --Frame--> [BentoML's routes --FromForm--> handler in `answering`] --Frame--> answer

Frame      counts the body's bytes, names and logs the request, gives every error the one shape
FromForm   reads the fields with `forms` where BentoML would guess at them
answering  turns what a handler raises into its answer
"""

import functools
import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from typing import Any

import anyio.to_thread
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import forms, logs
from .errors import (
    BodyTooLarge,
    Internal,
    MalformedRequest,
    OCRError,
    UnsupportedMediaType,
    by_status,
)

logger = logging.getLogger("rapidocr")

_request_id: ContextVar[str] = ContextVar("request_id", default="-")
_facts: ContextVar[dict[str, int]] = ContextVar("facts")
_UNLOGGED = {"/livez", "/readyz", "/healthz", "/metrics"}
_SAFE_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)


def error_response(error: OCRError) -> Response:
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers)


def note(**facts: int) -> None:
    """Add to the log line of the request that is being handled."""
    _facts.get({}).update(facts)


class Refused(BaseModel):
    """What `FromForm` hands to the handler when the request could not be read."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    refused: OCRError


class FromForm:
    """Mixin for an input model of BentoML: its fields are read by `forms` and left raw.

    BentoML answers what is raised here with a body of its own, so an error goes to the handler.
    """

    @classmethod
    async def from_http_request(cls, request: Request, _serde: object) -> Any:
        try:
            encoding = request.headers.get("content-encoding", "").strip().lower()
            if encoding not in ("", "identity"):
                raise UnsupportedMediaType("Send the body without a content encoding.")
            body = await request.body()
            content_type = request.headers.get("content-type", "")
            fields = await anyio.to_thread.run_sync(forms.parse, content_type, body)
        except OCRError as exc:
            return Refused(refused=exc)
        except ClientDisconnect:
            return Refused(refused=MalformedRequest("The body never came to its end."))
        known: Iterable[str] = cls.model_fields  # type: ignore[attr-defined]
        return cls.model_construct(**{name: fields.get(name) for name in known})  # type: ignore[attr-defined]


def answering(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Answer what a handler raises: `OCRError` as it says, all else as logged `Internal`."""

    @functools.wraps(handler)
    async def answered(*args: Any, refused: OCRError | None = None, **fields: Any) -> Any:
        try:
            if refused is not None:
                raise refused
            return await handler(*args, **fields)
        except OCRError as exc:
            return error_response(exc)
        except Exception:
            logger.exception("request %s failed", _request_id.get())
            return error_response(Internal())

    return answered


class Frame:
    """ASGI middleware around all of BentoML's routes."""

    def __init__(self, app: ASGIApp, *, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given_id = headers.get("x-request-id", "")
        request_id = given_id if _SAFE_ID.fullmatch(given_id) else uuid.uuid4().hex
        _request_id.set(request_id)
        facts: dict[str, int] = {}
        _facts.set(facts)
        start = time.monotonic()
        limited = self._limited(receive, headers.get("content-length", ""))
        uniform = _Uniform(send, request_id)
        try:
            await self._app(scope, limited, uniform.send)
        except Exception:
            if uniform.status is not None:
                raise
            logger.exception("request %s failed", request_id)
            await error_response(Internal())(scope, receive, uniform.send)
        finally:
            if scope["path"] not in _UNLOGGED:
                logs.request(
                    request_id=request_id,
                    method=scope["method"],
                    path=scope["path"],
                    status=uniform.status,
                    seconds=time.monotonic() - start,
                    **facts,
                )

    def _limited(self, receive: Receive, declared: str) -> Receive:
        """Refuse a body at once if it says that it is too large, else when it has become so."""
        received = 0
        refusal = BodyTooLarge(f"The body is larger than {self._max_body_bytes >> 20} MiB.")

        async def limited() -> Message:
            nonlocal received
            if declared.isdecimal() and int(declared) > self._max_body_bytes:
                raise refusal
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                raise refusal
            return message

        return limited


class _Uniform:
    """Sends an answer on with its request id; an error that is not in our shape, in our shape."""

    def __init__(self, send: Send, request_id: str) -> None:
        self.status: int | None = None
        self._send = send
        self._request_id = request_id
        self._error: Message | None = None  # an error's start, held until its body is known
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["X-Request-ID"] = self._request_id
            if message["status"] >= 400:
                self._error = message
                return
        elif self._error is not None:
            self._body += message.get("body", b"")
            if message.get("more_body"):
                return
            body = self._body if _is_ours(self._body) else _by_status(self._error["status"])
            headers = MutableHeaders(scope=self._error)
            headers.update({"content-type": "application/json", "content-length": str(len(body))})
            await self._send(self._error)
            message = {"type": "http.response.body", "body": body}
        await self._send(message)


def _by_status(status: int) -> bytes:
    """Write the error that a status alone stands for."""
    error = by_status().get(status, [Internal if status >= 500 else MalformedRequest])[0]
    return json.dumps(error().body()).encode()


def _is_ours(body: bytes) -> bool:
    try:
        return set(json.loads(body)) == {"error", "code"}
    except (ValueError, TypeError):
        return False
