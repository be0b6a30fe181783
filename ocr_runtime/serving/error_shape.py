"""An error, whoever answered with it or raised it -> the one shape of all errors.

OCRError, any other exception, an answer of BentoML or Starlette --> {"error", "code"}

Only what is sent to the contract of another service (`compatible/`) is worded as that one does.
"""

import json
import logging

from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from ocr_runtime.errors import Internal, JobsUnavailable, MalformedRequest, OCRError, by_status
from ocr_runtime.serving.job_database import cause
from ocr_runtime.serving.layer import Layer
from ocr_runtime.serving.state import RequestState, request_state

logger = logging.getLogger("rapidocr")


def log_cause(error: OCRError) -> None:
    """Say in the log why the store of the jobs does not answer, if that is the error."""
    if isinstance(error, JobsUnavailable):
        logger.warning("request %s: %s", request_state().request_id, cause(error))


def error_response(error: OCRError) -> Response:
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers)


class ErrorShape(Layer):
    """Gives every error one shape, `{"error", "code"}`, whoever answered with it or raised it."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _ShapedAnswer(send, request_state())
        try:
            await self.app(scope, receive, answer.send)
        except OCRError as exc:
            await _refused(exc)(scope, receive, answer.send)
        except Exception:
            logger.exception("request %s failed", request_state().request_id)
            if answer.started:
                raise
            await _refused(Internal())(scope, receive, answer.send)


def _refused(error: OCRError) -> Response:
    state = request_state()
    state.refused = error.code
    log_cause(error)
    return (state.refusal or error_response)(error)


class _ShapedAnswer:
    """One answer, whose outcome is recorded; the start of an error is held until its body came."""

    def __init__(self, send: Send, state: RequestState) -> None:
        self.started = False
        self._send = send
        self._state = state
        self._error: Message | None = None
        self._body = b""

    async def send(self, message: Message) -> None:
        is_start = message["type"] == "http.response.start"
        if is_start and message["status"] >= 400 and self._state.refusal is None:
            self._error = message
        elif self._error is None:
            self.started = True
            await self._send(message)
            self._state.outcome = self._state.refused or "ok"
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body"):
                await self._send_error(self._error)

    async def _send_error(self, start: Message) -> None:
        body = _error_body(self._body) or _body_by_status(start["status"])
        content = json.dumps(body, ensure_ascii=False).encode()
        MutableHeaders(scope=start).update(
            {"content-type": "application/json", "content-length": str(len(content))}
        )
        self.started = True
        await self._send(start)
        await self._send({"type": "http.response.body", "body": content})
        self._state.outcome = body["code"]


def _error_body(body: bytes) -> dict[str, str] | None:
    """Parse an error in our shape; None if it is in another."""
    try:
        content = json.loads(body)
        return content if set(content) == {"error", "code"} else None
    except (ValueError, TypeError):
        return None


def _body_by_status(status: int) -> dict[str, str]:
    """Make the body of an error of which only the status is known."""
    fallback = Internal if status >= 500 else MalformedRequest
    return by_status().get(status, [fallback])[0]().body()
