"""What a connection may do outside of its requests, and how long it may leave an answer unread.

bytes --Connection--> uvicorn's requests, or one answer and an end
"""

import asyncio
import contextlib
import http
import json
import resource
import socket
import uuid
from typing import Any

import h11
import uvicorn.config
from uvicorn.protocols.http.h11_impl import H11Protocol

from ocr_runtime.errors import MalformedRequest

_HEADER_SECONDS = 10.0
"""How long a connection may be silent, or its request's header may take: uvicorn has no limit."""

_UNREAD_MILLISECONDS = 20_000
"""How long an answer may lie unread before the system ends the connection; uvicorn would wait for
ever, also when it is to stop."""


def install() -> None:
    """Have uvicorn use `Connection`, and as many of them as the system lets this process have."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{Connection.__name__}"
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # not ours to raise
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Connection(H11Protocol):
    """HTTP/1.1 whose header must arrive in time, and whose every error is in our shape."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._clock_header()
        with contextlib.suppress(OSError, AttributeError):  # no TCP, or another system
            transport.get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MILLISECONDS
            )

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._clock_header()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_clock()
        super().connection_lost(exc)

    def _clock_header(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:  # there is a request
            self._stop_clock()
        elif self._header_timer is None:
            self._header_timer = self.loop.call_later(_HEADER_SECONDS, self.transport.close)

    def _stop_clock(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _should_upgrade(self) -> bool:
        return False  # to a websocket: there is none, and BentoML would count each path asked for

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002, uvicorn's sentence
        body = json.dumps(MalformedRequest("This is not HTTP.").body()).encode()
        response = h11.Response(
            status_code=400,
            reason=http.HTTPStatus.BAD_REQUEST.phrase,
            headers=[
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("connection", "close"),
                ("x-request-id", uuid.uuid4().hex),
            ],
        )
        with contextlib.suppress(h11.LocalProtocolError):  # an answer has begun, or none may come
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
