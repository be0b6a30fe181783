"""What stands around the door.

request --Frame--> [BentoML's routes --FromForm--> handler in `answering`] --Frame--> answer

surround   puts all of this around the service
Frame      names, admits and logs the request, stops its work if the caller hangs up, and gives
           every error the one shape
FromForm   takes the body as it is where BentoML would guess at its fields
answering  turns what a handler raises into its answer
"""

import contextlib
import functools
import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import anyio
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ocr_runtime.errors import Internal, MalformedRequest, OCRError, UnsupportedMediaType, by_status
from ocr_runtime.serving import connections, forms, logs, metrics
from ocr_runtime.serving.access import Keys
from ocr_runtime.serving.bodies import Bodies, Body
from ocr_runtime.serving.pool import Pool
from ocr_runtime.settings import Settings

logger = logging.getLogger("rapidocr")

_request_id: ContextVar[str] = ContextVar("request_id", default="-")
_caller: ContextVar[str] = ContextVar("caller", default="")
_facts: ContextVar[dict[str, int]] = ContextVar("facts")
_OCR = "/ocr"
_PROBES = ("/livez", "/readyz", "/healthz")
_METRICS = ("/metrics",)
_DOCS = ("/", "/docs", "/docs.json", "/schema.json", "/static_content/")
_PICKLE = "application/vnd.bentoml+pickle"
"""BentoML refuses it too, but with a traceback in the log."""
_SAFE_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)


def surround(service: Any, settings: Settings, *, pool: Callable[[], Pool]) -> None:
    """Put all that is here around a service of BentoML.

    Args:
        service: of BentoML, with one API, /ocr.
        settings: what the operator set.
        pool: returns the worker's; whom it would turn away does not come to BentoML's routes.
    """
    connections.install()
    service.mount_asgi_app(metrics.app())
    open_to_all = _PROBES + _DOCS * settings.public_docs + _METRICS * settings.public_metrics
    if settings.cors_origins:
        service.add_asgi_middleware(
            _Origins,
            allow_origins=sorted(settings.cors_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "X-API-Key", "X-Request-ID"],
            expose_headers=["X-Request-ID", "Retry-After"],
        )
    service.add_asgi_middleware(metrics.Traffic, paths=[_OCR])
    service.add_asgi_middleware(
        Frame,
        keys=Keys(settings.keys, open_to_all=open_to_all),
        bodies=Bodies(most_bytes=settings.max_body_mb << 20, most_seconds=settings.timeout_seconds),
        watched=_OCR,
        pool=pool,
    )


def error_response(error: OCRError) -> Response:
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers)


def note(*, pixels: int, lines: int) -> None:
    """Tell what the image of the request that is being handled held: for its log line, counted."""
    metrics.read(pixels=pixels, lines=lines)
    _facts.get({}).update(pixels=pixels, lines=lines)


def caller() -> str:
    """Tell whose request is being handled: by its API key, or else by its address."""
    return _caller.get()


class _Origins(CORSMiddleware):
    """Answers the preflights of browsers, which come no further, as everything else is answered."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code >= 400:
            response = error_response(MalformedRequest("This page may not call like that."))
        response.headers["X-Request-ID"] = uuid.uuid4().hex
        return response


class Sent(BaseModel):
    """What `FromForm` hands to the handler: how to get at the fields, or why there are none."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    parse: Callable[[], forms.Fields] | None = None
    refused: OCRError | None = None


class FromForm:
    """Mixin for an input model of BentoML, whose fields `forms` is to read.

    They are read where the work is done, since it takes time too. BentoML answers what is raised
    here with a body of its own, so an error goes to the handler.
    """

    @classmethod
    async def from_http_request(cls, request: Request, _serde: object) -> Sent:
        try:
            encoding = request.headers.get("content-encoding", "").strip().lower()
            if encoding not in ("", "identity"):
                raise UnsupportedMediaType("Send the body without a content encoding.")
            body = await request.body()
        except OCRError as exc:
            return Sent(refused=exc)
        except ClientDisconnect:
            return Sent(refused=MalformedRequest("The body never came to its end."))
        content_type = request.headers.get("content-type", "")
        names = frozenset(cls.model_fields)  # type: ignore[attr-defined]
        return Sent(parse=functools.partial(forms.parse, content_type, body, names=names))


def answering(handler: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """Answer what a handler raises: `OCRError` as it says, all else as logged `Internal`.

    The handler is given a function that returns the raw fields, or raises an `OCRError`.
    """

    @functools.wraps(handler)
    async def answered(
        self: object,
        *,
        parse: Callable[[], forms.Fields] | None = None,
        refused: OCRError | None = None,
        **fields: Any,  # called in process
    ) -> Any:
        if refused is not None:  # raised once more, it and this call would hold one another
            return error_response(refused)
        try:
            return await handler(self, parse or (lambda: fields))
        except OCRError as exc:
            return error_response(exc)
        except Exception:
            logger.exception("request %s failed", _request_id.get())
            return error_response(Internal())

    return answered


class Frame:
    """ASGI middleware around all of BentoML's routes.

    Args:
        app: what it stands around.
        keys: who is let in.
        bodies: what their bodies may take.
        watched: the path whose outcomes are counted, and to which the pool admits callers.
        pool: returns the worker's.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: Keys,
        bodies: Bodies,
        watched: str,
        pool: Callable[[], Pool],
    ) -> None:
        self._app = app
        self._keys = keys
        self._bodies = bodies
        self._watched = watched
        self._pool = pool

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
        watch = metrics.in_flight if scope["path"] == self._watched else _unwatched
        with self._bodies.open(headers, receive) as body, watch() as ended:
            uniform = _Uniform(send, request_id, body)
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_until_gone, body, tasks.cancel_scope)
                    await self._answer(scope, headers, body, uniform)
                    tasks.cancel_scope.cancel()
                if uniform.status is None:  # BentoML's timer waits for an answer
                    await send({"type": "http.response.start", "status": 499, "headers": []})
            finally:
                ended(uniform.outcome)
                if scope["path"] not in _PROBES + _METRICS:
                    logs.request(
                        request_id=request_id,
                        method=scope["method"],
                        path=scope["path"],
                        status=uniform.status,
                        seconds=time.monotonic() - start,
                        **facts,
                    )

    async def _answer(self, scope: Scope, headers: Headers, body: Body, to: "_Uniform") -> None:
        try:
            address = scope["client"][0] if scope["client"] else ""
            name = self._keys.admit(scope["path"], headers) or address
            _caller.set(name)
            if _PICKLE in headers.get("content-type", "").lower():
                raise UnsupportedMediaType
            if (scope["method"], scope["path"]) == ("POST", self._watched):
                await self._admit(name, body)
            await self._app(scope, body.receive, to.send)
        except OCRError as exc:
            await error_response(exc)(scope, body.receive, to.send)
        except Exception:
            logger.exception("request %s failed", _request_id.get())
            if to.started:
                raise
            await error_response(Internal())(scope, body.receive, to.send)

    async def _admit(self, caller: str, body: Body) -> None:
        """Turn away whom the pool would, before BentoML's routes have had work with it."""
        try:
            self._pool().admit(caller)
        except OCRError:
            await body.skip()
            raise


async def _until_gone(body: Body, work: anyio.CancelScope) -> None:
    """Stop work that nobody waits for any more."""
    await body.hung_up()
    work.cancel()


@contextlib.contextmanager
def _unwatched() -> Iterator[Callable[[str], None]]:
    yield lambda _: None


class _Uniform:
    """Sends an answer on with its request id; an error that is not in our shape, in our shape."""

    def __init__(self, send: Send, request_id: str, request_body: Body) -> None:
        self.status: int | None = None
        self.started = False
        self.outcome = "gone"  # "ok" or the code of an error, once it has been sent
        self._send = send
        self._request_id = request_id
        self._request_body = request_body
        self._error: Message | None = None  # an error's start, held until its body is known
        self._body = b""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["X-Request-ID"] = self._request_id
            if not await self._request_body.finish():
                headers["Connection"] = "close"
            self.status = message["status"]
            if message["status"] >= 400:
                self._error = message
                return
        elif self._error is not None:
            self._body += message.get("body", b"")
            if message.get("more_body"):
                return
            body = _ours(self._body) or _by_status(self._error["status"])
            content = json.dumps(body, ensure_ascii=False).encode()
            headers = MutableHeaders(scope=self._error)
            headers.update(
                {"content-type": "application/json", "content-length": str(len(content))}
            )
            self.started = True
            await self._send(self._error)
            message = {"type": "http.response.body", "body": content}
            await self._send(message)
            self.outcome = body["code"]
            return
        self.started = True
        await self._send(message)
        self.outcome = "ok"


def _by_status(status: int) -> dict[str, str]:
    """Write the error that a status alone stands for."""
    error = by_status().get(status, [Internal if status >= 500 else MalformedRequest])[0]
    return error().body()


def _ours(body: bytes) -> dict[str, str] | None:
    """Read an error in our shape; None if it is in another."""
    try:
        content = json.loads(body)
        return content if set(content) == {"error", "code"} else None
    except (ValueError, TypeError):
        return None
