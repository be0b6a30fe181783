"""The ASGI layers around BentoML's routes, each with one job.

`middleware.py` lists them in their order. What they know of one request is in `state.py`.
"""

import asyncio
import re
import time
import uuid
from collections.abc import Callable, Collection
from urllib.parse import parse_qsl

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ocr_runtime.errors import MalformedRequest, OCRError, UnsupportedMediaType
from ocr_runtime.serving import job_addresses, logs, metrics
from ocr_runtime.serving.access import Keys
from ocr_runtime.serving.bodies import Bodies
from ocr_runtime.serving.compatible.contracts import Contracts
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.error_shape import error_response
from ocr_runtime.serving.layer import Layer
from ocr_runtime.serving.pool import Pool
from ocr_runtime.serving.state import RequestState, begin_request, request_state

PROBES = ("/livez", "/readyz", "/healthz")
METRICS = ("/metrics",)
_PICKLE = "application/vnd.bentoml+pickle"
_SAFE_ID = re.compile(r"[\w.:/+=-]{1,128}", re.ASCII)
_CALLER_GONE = 499
"""Status of a request whose caller hung up before the answer began, as nginx counts it."""


class Untimed(Layer):
    """Takes the place of BentoML's layer that times each request; the pool limits their time.

    BentoML does not cancel its timer when a request is answered. Until it ends, minutes later, it
    keeps what belongs to the request, and asyncio keeps all timers that were cancelled meanwhile,
    as long as they are fewer than half. At 70 requests a second, Python's garbage collector went
    through what was left of thousands of them, again and again, while the whole process waited.

    Args:
        app: what BentoML would time.
        timeout: of BentoML, in seconds; not used.
    """

    def __init__(self, app: ASGIApp, timeout: float) -> None:  # noqa: ARG002
        super().__init__(app)


class TrailingSlash(Layer):
    """Answers `/ocr/` as `/ocr`."""

    def __init__(self, app: ASGIApp, *, routes: Collection[str]) -> None:
        super().__init__(app)
        self._routes = routes

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = scope["path"].removesuffix("/")
        if route in self._routes:
            scope = {**scope, "path": route, "raw_path": route.encode()}
        await self.app(scope, receive, send)


class PutAsPost(Layer):
    """Answers a PUT to an endpoint as a POST: that is how `curl -T` sends a file."""

    def __init__(self, app: ASGIApp, *, routes: Collection[str]) -> None:
        super().__init__(app)
        self._routes = routes

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "PUT" and scope["path"] in self._routes:
            scope = {**scope, "method": "POST"}
        await self.app(scope, receive, send)


class CrossOrigin(CORSMiddleware):
    """Answers for pages of other origins, and the preflight requests of browsers itself."""

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        super().__init__(
            app,
            allow_origins=sorted(origins),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["Authorization", "X-API-Key", "X-Request-ID"],
            expose_headers=[
                *("X-Request-ID", "Retry-After", "Location"),
                *("X-OCR-Ignored", "X-OCR-Orientation", "X-OCR-Pages", "X-OCR-Unread-Pages"),
            ],
        )
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._origins:
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code >= 400:
            response = error_response(MalformedRequest("This page may not call like that."))
        response.headers["X-Request-ID"] = uuid.uuid4().hex  # `RequestContext` is further in
        return response


class RequestContext(Layer):
    """Makes the state of a request, and adds to the answer the headers that are recorded there."""

    def __init__(
        self, app: ASGIApp, *, endpoints: dict[str, Endpoint], contracts: Contracts
    ) -> None:
        super().__init__(app)
        self._endpoints = endpoints
        self._contracts = contracts

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        endpoint = self._endpoints.get(scope["path"])
        state = RequestState(
            given if _SAFE_ID.fullmatch(given) else uuid.uuid4().hex,
            endpoint=endpoint,
            route=endpoint.route if endpoint else job_addresses.route_of(scope["path"]),
            query=tuple(query),
        )
        if matched := self._contracts.match(scope):
            matched.describe(state)
        begin_request(state)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update({"X-Request-ID": state.request_id} | state.headers)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class RequestLog(Layer):
    """Writes one log line for each request, but for those of probes and of Prometheus."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in PROBES + METRICS:
            await self.app(scope, receive, send)
            return
        start, status = time.monotonic(), None

        async def send_and_note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start" and message["status"] != _CALLER_GONE:
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        finally:
            logs.request(
                request_id=request_state().request_id,
                method=scope["method"],
                path=scope["path"],
                status=status,
                seconds=time.monotonic() - start,
                **request_state().facts,
            )


class Outcomes(Layer):
    """Counts the requests of endpoints and for jobs: those under way, and the outcome of each."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = request_state()
        if state.route is None:
            await self.app(scope, receive, send)
            return
        with metrics.in_flight(state.route) as count_outcome:
            try:
                await self.app(scope, receive, send)
            finally:
                count_outcome(state.outcome)


class RequestBody(Layer):
    """Counts and clocks the body while it arrives; see `bodies.py`."""

    def __init__(self, app: ASGIApp, *, bodies: Bodies) -> None:
        super().__init__(app)
        self._bodies = bodies

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._bodies.open(Headers(scope=scope), receive) as body:
            request_state().body = body

            async def send_after_body(message: Message) -> None:
                if message["type"] == "http.response.start" and not await body.finish():
                    MutableHeaders(scope=message)["Connection"] = "close"
                await send(message)

            await self.app(scope, body.receive, send_after_body)


class HangUp(Layer):
    """Cancels the work of a request when its caller has hung up."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, started = request_state().body, False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        async def cancel_when_gone(work: asyncio.Timeout) -> None:
            if body is not None:
                await body.hung_up()
                work.reschedule(0)  # its time is over

        try:
            async with asyncio.timeout(None) as work:
                watch = asyncio.create_task(cancel_when_gone(work))
                try:
                    await self.app(scope, receive, send_and_note)
                finally:
                    watch.cancel()
        except TimeoutError:
            if not work.expired():
                raise
        if not started:  # for the metrics, further out
            message = {"type": "http.response.start", "status": _CALLER_GONE, "headers": []}
            await send(message)


class Access(Layer):
    """Asks for an API key where keys are set, and records who calls."""

    def __init__(self, app: ASGIApp, *, keys: Keys) -> None:
        super().__init__(app)
        self._keys = keys

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        address = scope["client"][0] if scope["client"] else ""
        state, headers = request_state(), Headers(scope=scope)
        key = self._keys.admit(scope["path"], headers, more=state.key_headers)
        state.key = key or ""
        state.caller = key or address
        await self.app(scope, receive, send)


class NoPickle(Layer):
    """Refuses BentoML's pickle bodies; BentoML would too, but with a traceback in the log."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _PICKLE in Headers(scope=scope).get("content-type", "").lower():
            raise UnsupportedMediaType
        await self.app(scope, receive, send)


class Admission(Layer):
    """Refuses a request that the pool would refuse, before anything else is done for it."""

    def __init__(self, app: ASGIApp, *, pool: Callable[[], Pool]) -> None:
        super().__init__(app)
        self._pool = pool

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = request_state()
        if state.endpoint is not None and scope["method"] in ("POST", "PUT"):
            try:
                self._pool().admit(state.caller)
            except OCRError:
                if state.body is not None:
                    await state.body.skip()
                raise
        await self.app(scope, receive, send)
