"""What a connection may do before there is a request.

bytes --Connection--> uvicorn's requests, or one answer and an end
"""

import asyncio
import http
import json
import resource
from typing import Any

import h11
import uvicorn.config
from uvicorn.protocols.http.h11_impl import H11Protocol

from .errors import MalformedRequest

_HEADER_SECONDS = 10.0
"""How long a connection may be silent, or its request's header may take: uvicorn has no limit."""


def install() -> None:
    """Have uvicorn use `Connection`, and as many of them as the system lets this process have."""
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{Connection.__name__}"
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Connection(H11Protocol):
    """HTTP/1.1 whose header must arrive in time, and whose every error is in our shape."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._clock_header()

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

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002, uvicorn's sentence
        body = json.dumps(MalformedRequest("This is not HTTP.").body()).encode()
        response = h11.Response(
            status_code=400,
            reason=http.HTTPStatus.BAD_REQUEST.phrase,
            headers=[
                ("content-type", "application/json"),
                ("content-length", str(len(body))),
                ("connection", "close"),
            ],
        )
        for event in (response, h11.Data(data=body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
