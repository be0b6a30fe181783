"""Request bodies while they arrive: limits on their size, their time and their memory in all.

ASGI receive --Body.receive--> the next part of the body, or BodyTooLarge, SlowBody, Busy

A request may be answered before its body has arrived. What still comes is then read and dropped
for a while, since many clients read the answer only after they have sent everything.
"""

import asyncio
import contextlib
from typing import Self

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message, Receive

from ocr_runtime.errors import (
    BodyTooLarge,
    Busy,
    MalformedRequest,
    OCRError,
    SlowBody,
    UnsupportedMediaType,
)

_LARGEST_HELD = 8
"""Upper bound of the bytes held of all bodies, in units of the largest body."""

_LINGER_SECONDS = 5
"""How long the rest of a body is read after the answer, as nginx does (lingering_timeout)."""


async def whole_body(request: Request) -> bytes:
    """Receive a body to its end.

    Raises:
        UnsupportedMediaType: it is encoded, say compressed.
        MalformedRequest: its end never came.
        OCRError: it was refused while it arrived.
    """
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity"):
        raise UnsupportedMediaType("Send the body without a content encoding.")
    try:
        return await request.body()
    except ClientDisconnect as exc:
        raise MalformedRequest("The body never came to its end.") from exc


class Bodies:
    """The bodies of all requests of this process, and the memory that they share.

    Args:
        most_bytes: size of the largest accepted body.
        most_seconds: longest time for a body to arrive.
    """

    def __init__(self, *, most_bytes: int, most_seconds: float) -> None:
        self.most_bytes = most_bytes
        self.most_seconds = most_seconds
        self._held_bytes = 0
        self._arriving: set[Body] = set()

    def open(self, headers: Headers, receive: Receive) -> "Body":
        return Body(self, headers, receive)

    def hold(self, body: "Body", size: int) -> None:
        """Count `size` bytes more of a body; over the bound, refuse the largest incomplete one."""
        self._arriving.add(body)
        body.size += size
        self._held_bytes += size
        if self._held_bytes > _LARGEST_HELD * self.most_bytes:
            max(self._arriving, key=lambda body: body.size).refuse(
                Busy(headers={"Retry-After": "1"})
            )

    def hold_file(self, body: "Body", size: int) -> None:
        """Count a file that the request of a body has fetched, until it is answered.

        Raises:
            Busy: there is no room for it.
        """
        if self._held_bytes + size > _LARGEST_HELD * self.most_bytes:
            raise Busy(headers={"Retry-After": "1"})
        body.size += size
        self._held_bytes += size

    def arrived(self, body: "Body") -> None:
        """Note that a body is complete: it still counts, but is not refused any more."""
        self._arriving.discard(body)

    def drop(self, body: "Body") -> None:
        """Stop counting a body's bytes."""
        self.arrived(body)
        self._held_bytes -= body.size
        body.size = 0


class Body:
    """The body of one request. A context manager: at its end, the memory no longer counts.

    Args:
        bodies: those of all requests.
        headers: of the request.
        receive: ASGI's, of the request.
    """

    def __init__(self, bodies: Bodies, headers: Headers, receive: Receive) -> None:
        self.size = 0  # bytes that were received and count
        self._bodies = bodies
        self._receive = receive
        self._declared = headers.get("content-length", "")
        self._has_content = self._declared not in ("", "0") or "transfer-encoding" in headers
        self._expects_100 = "expect" in headers  # is sent only after the first call of `receive`
        self._refusal: OCRError | None = None
        self._deadline: float | None = None
        self._timer: asyncio.Timeout | None = None
        self._ended = asyncio.Event()  # the last part has arrived, or the caller has gone
        self._gone = asyncio.Event()  # the caller has closed the connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bodies.drop(self)
        self._refusal = None  # breaks a reference cycle through its traceback

    async def receive(self) -> Message:
        """Wait for the next part, or for the end of the connection once the body is complete.

        Raises:
            BodyTooLarge: the body, or its declared length, exceeds the limit.
            SlowBody: the body did not arrive in time.
            Busy: the bodies of all requests exceed their bound, and this is the largest.
        """
        if self._ended.is_set():
            await self._gone.wait()
            return {"type": "http.disconnect"}
        most = self._bodies.most_bytes
        too_large = BodyTooLarge(f"The body is larger than {most >> 20} MiB.")
        if self._declared.isdecimal() and int(self._declared) > most:
            raise too_large
        message = await self._next()
        if self.size > most:
            self._refusal = too_large
        if self._refusal:
            raise self._refusal
        return message

    async def skip(self) -> None:
        """Read and drop the body, for an answer that does not need it.

        Returns at once where the caller sends it only when asked (`Expect: 100-continue`).

        Raises:
            OCRError: as `receive` does.
        """
        while not (self._expects_100 or self._ended.is_set()):
            await self.receive()

    def refuse(self, refusal: OCRError) -> None:
        """Have `receive` raise this error, also where it waits now."""
        self._refusal = self._refusal or refusal
        if self._timer:
            with contextlib.suppress(RuntimeError):  # the timeout has expired already
                self._timer.reschedule(asyncio.get_running_loop().time())

    def hold_file(self, size: int) -> None:
        """Count a file of so many bytes that the request has fetched, until it is answered.

        Raises:
            Busy: there is no room for it.
        """
        self._bodies.hold_file(self, size)

    async def finish(self) -> bool:
        """Stop counting the body, as its request is answered, and read the rest for a while.

        Returns:
            whether its end was reached, so that the connection can take another request.
        """
        self._bodies.drop(self)
        if isinstance(self._refusal, SlowBody) or (self._expects_100 and not self._deadline):
            return False
        if self._has_content and not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_SECONDS):
                    while not self._ended.is_set():
                        self._note(await self._receive())
        return self._ended.is_set() or not self._has_content

    async def hung_up(self) -> None:
        """Wait until the body is complete and then until the caller closes the connection."""
        await self._ended.wait()
        while not self._gone.is_set():
            self._note(await self._receive())

    async def _next(self) -> Message:
        now = asyncio.get_running_loop().time()
        self._deadline = self._deadline or now + self._bodies.most_seconds
        try:
            async with asyncio.timeout_at(self._deadline) as self._timer:
                await asyncio.sleep(0)  # raises after the deadline, also if a part is there
                message = await self._receive()
        except TimeoutError as exc:
            self._refusal = self._refusal or SlowBody()
            raise self._refusal from exc
        finally:
            self._timer = None
        self._bodies.hold(self, len(message.get("body", b"")))
        self._note(message)
        return message

    def _note(self, message: Message) -> None:
        if message["type"] == "http.disconnect":
            self._gone.set()
        if not message.get("more_body"):
            self._ended.set()
            self._bodies.arrived(self)
