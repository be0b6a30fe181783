"""The innermost layer: a request for a contract of another service -> its answer.

Every other request goes on to BentoML's routes. The layers around it have checked its key, admitted
it to the pool and limit its body, as they do for our own addresses.
"""

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ocr_runtime.serving.bodies import whole_body
from ocr_runtime.serving.compatible.contracts import Contracts
from ocr_runtime.serving.compatible.reader import Reader
from ocr_runtime.serving.layer import Layer
from ocr_runtime.serving.state import request_state


class Compatible(Layer):
    """Answers the requests for contracts of other services.

    Args:
        contracts: that are answered.
        reader: reads their documents.
    """

    def __init__(self, app: ASGIApp, *, contracts: Contracts, reader: Reader) -> None:
        super().__init__(app)
        self._contracts = contracts
        self._reader = reader

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        matched = self._contracts.match(scope)
        if matched is None and self._contracts.may_claim(scope) and _is_json(scope):
            body = await whole_body(Request(scope, receive))
            receive = _replayed(body, receive)
            matched = self._contracts.match(scope, body)
            del body  # whoever answers holds another one
        if matched is None:
            await self.app(scope, receive, send)
            return
        matched.describe(request_state())
        request = Request({**scope, "path_params": matched.path_params}, receive)
        response = await matched.address.handle(request, self._reader)
        await response(scope, receive, send)


def _is_json(scope: Scope) -> bool:
    return Headers(scope=scope).get("content-type", "").lower().startswith("application/json")


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return what receives a body that has been received already, and then what comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return messages.pop() if messages else await receive()

    return replay
