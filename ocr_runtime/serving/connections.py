"""HTTP connections: limits on time and number, and the error for bytes that are not HTTP.

bytes --Connection--> uvicorn's requests, or one error answer (400) and the end of the connection

A connection that has no request under way is in one of two states:

idle        none of the next request's bytes has arrived; closed after OCR_IDLE_SECONDS
in header   the request's header has begun; closed when it is not complete after 10 seconds

The connections without a request may take half of the files that the process may have open. When
there are more of them, the one that has been without a request longest is closed, so that silent
connections cannot use up the files that requests need. A connection with a request under way is
never closed for this. With TLS a connection is known here once its handshake is complete, for
which asyncio allows 60 seconds.
"""

import asyncio
import contextlib
import functools
import http
import json
import logging
import socket
import sys
import uuid
from typing import Any

import h11
import uvicorn.config
from uvicorn.protocols.http.h11_impl import H11Protocol

from ocr_runtime.errors import MalformedRequest

try:
    import resource
except ImportError:  # Windows has no such limit to read or raise
    resource = None  # type: ignore[assignment]

logger = logging.getLogger("rapidocr")

_HEADER_SECONDS = 10.0
"""Longest time for a request's header to arrive, from its first byte; uvicorn has no limit."""

_UNREAD_MILLISECONDS = 20_000
"""Longest time that an answer may stay unread before the system ends the connection. uvicorn
would wait forever, and would not shut down until then."""

_MOST_OPEN_FILES = 10_240
"""Asked for where the system states no limit (macOS accepts no more: OPEN_MAX)."""

_OPEN_FILES_ELSEWHERE = 512
"""Sockets that the event loop can watch on Windows (FD_SETSIZE of Python's `select`)."""

_MOST_IDLE = 4096
"""Cap where very many files may be open. Measured: 4 kB of memory for a connection that has had no
request yet, 30 kB for one that has."""


def install(*, idle_seconds: float = 75) -> None:
    """Have uvicorn use `Connection`, and raise the limit of open files as far as permitted.

    Args:
        idle_seconds: how long a connection may be idle. `bentoml serve --timeout-keep-alive`
            takes its place if given.
    """
    idle = Idle(seconds=idle_seconds, most=min(_MOST_IDLE, _open_files() // 2))
    protocol: Any = functools.partial(Connection, idle=idle)
    uvicorn.config.HTTP_PROTOCOLS["auto"] = protocol


def _open_files() -> int:
    """Raise the soft limit of open files to the hard limit; return the limit in force."""
    if resource is None:
        return _OPEN_FILES_ELSEWHERE
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, _MOST_OPEN_FILES) if hard == resource.RLIM_INFINITY else hard
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as exc:
        logger.warning("the limit of open files stays at %d: %s", soft, exc)
        return soft
    return wanted


@functools.cache  # once for each process
def _warn_of_unread(reason: str) -> None:
    logger.warning("an answer that is not read holds its connection without limit: %s", reason)


class Idle:
    """The connections of this process that have no request under way.

    Args:
        seconds: how long one may be idle.
        most: how many are kept.
    """

    def __init__(self, *, seconds: float, most: int) -> None:
        # BentoML passes the option to its workers only if the operator gave it.
        self.seconds = None if "--timeout-keep-alive" in sys.argv else seconds
        self._most = most
        self._connections: dict[Connection, None] = {}  # the longest idle first

    def add(self, connection: "Connection") -> None:
        """Add a connection, unless it is there; close the longest idle if there are too many."""
        self._connections.setdefault(connection)
        if len(self._connections) > self._most:
            oldest = next(iter(self._connections))
            del self._connections[oldest]
            oldest.close()

    def discard(self, connection: "Connection") -> None:
        self._connections.pop(connection, None)


class Connection(H11Protocol):
    """HTTP/1.1 with the limits of this module, whose every error is in our shape."""

    def __init__(self, *args: Any, idle: Idle, **options: Any) -> None:
        super().__init__(*args, **options)
        self._idle = idle
        self._header_timer: asyncio.TimerHandle | None = None
        if idle.seconds is not None:
            self.timeout_keep_alive = idle.seconds  # type: ignore[assignment]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_idle_timer()
        self._note_state()
        try:
            transport.get_extra_info("socket").setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MILLISECONDS
            )
        except (OSError, AttributeError) as exc:  # not TCP, or a system without the option
            _warn_of_unread(str(exc))

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._note_state()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._note_state()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_header_timer()
        self._unset_keepalive_if_required()
        self._idle.discard(self)
        super().connection_lost(exc)

    def timeout_keep_alive_handler(self) -> None:
        self.close()

    def shutdown(self) -> None:
        """Called by uvicorn's graceful shutdown, which then waits until no connection is left."""
        if self._is_busy():
            super().shutdown()
        else:
            self.close()

    def close(self) -> None:
        """Close once the last answer is sent, without waiting for the peer.

        With TLS, asyncio would wait 30 seconds for the peer's close_notify, which a client does
        not send while its connection lies in a pool.
        """
        # asyncio's TLS transport counts what it has not encrypted yet, the one below it the rest.
        below_tls = getattr(getattr(self.transport, "_ssl_protocol", None), "_transport", None)
        unsent_bytes = (below_tls or self.transport).get_write_buffer_size()
        self.transport.close()
        if not unsent_bytes:
            self.transport.abort()

    def _is_busy(self) -> bool:
        """Tell whether a request is under way."""
        return self.cycle is not None and not self.cycle.response_complete

    def _note_state(self) -> None:
        if self._is_busy():
            self._idle.discard(self)
            self._stop_header_timer()
        elif self.transport.is_closing():  # the answer was its last
            self.close()
        else:
            self._idle.add(self)
            header_begun, _ = self.conn.trailing_data
            if not header_begun and self.timeout_keep_alive_task is None:
                # uvicorn stops it for bytes of a body, even of one whose request was answered
                self._start_idle_timer()
            if header_begun and self._header_timer is None:
                self._header_timer = self.loop.call_later(_HEADER_SECONDS, self.close)

    def _start_idle_timer(self) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _stop_header_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

    def _should_upgrade(self) -> bool:
        return False  # no websockets here; BentoML would count each path asked for as a series

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
