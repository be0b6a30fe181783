"""A request's body while it arrives: counted, clocked, and never left unread.

receive --Body.receive--> the next part, or BodyTooLarge, SlowBody, Busy
"""

import asyncio
import contextlib
from typing import Self

from starlette.datastructures import Headers
from starlette.types import Message, Receive

from ocr_runtime.errors import BodyTooLarge, Busy, OCRError, SlowBody

_LARGEST_HELD = 8
"""All bodies together may take the memory of so many of the largest."""

_LINGER_SECONDS = 5
"""How long a caller is listened to that is refused before it has ended; clients that only listen
once they have sent all would not see their answer (lingering_timeout of nginx)."""


class Bodies:
    """The bodies of all requests.

    Args:
        most_bytes: largest body.
        most_seconds: longest time that a body may take to arrive.
    """

    def __init__(self, *, most_bytes: int, most_seconds: float) -> None:
        self.most_bytes = most_bytes
        self.most_seconds = most_seconds
        self._held_bytes = 0
        self._arriving: set[Body] = set()

    def open(self, headers: Headers, receive: Receive) -> "Body":
        return Body(self, headers, receive)

    def hold(self, body: "Body", size: int) -> None:
        """Keep a part; for want of room, the largest of those that still arrive is refused."""
        self._arriving.add(body)
        body.size += size
        self._held_bytes += size
        if self._held_bytes > _LARGEST_HELD * self.most_bytes:
            max(self._arriving, key=lambda body: body.size).refuse(
                Busy(headers={"Retry-After": "1"})
            )

    def arrived(self, body: "Body") -> None:
        self._arriving.discard(body)

    def drop(self, body: "Body") -> None:
        self.arrived(body)
        self._held_bytes -= body.size
        body.size = 0


class Body:
    """One body; a context, at whose end its memory no longer counts."""

    def __init__(self, bodies: Bodies, headers: Headers, receive: Receive) -> None:
        self.size = 0  # bytes held of it
        self._bodies = bodies
        self._receive = receive
        self._declared = headers.get("content-length", "")
        self._sent = self._declared not in ("", "0") or "transfer-encoding" in headers
        self._withheld = "expect" in headers  # until we ask for it
        self._refusal: OCRError | None = None
        self._deadline: float | None = None
        self._timer: asyncio.Timeout | None = None
        self._ended = asyncio.Event()
        self._gone = asyncio.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bodies.drop(self)
        self._refusal = None  # which holds the calls that it was raised through, and they this

    async def receive(self) -> Message:
        """Wait for the next part.

        Raises:
            BodyTooLarge: there are more bytes, or it says that there will be.
            SlowBody: it takes too long.
            Busy: too many bodies are held.
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
        """Read to the end, if it is under way: some clients only listen once they have sent all.

        Raises:
            OCRError: as `receive` does.
        """
        while not (self._withheld or self._ended.is_set()):
            await self.receive()

    def refuse(self, refusal: OCRError) -> None:
        """Have `receive` raise it, now."""
        self._refusal = self._refusal or refusal
        if self._timer:
            with contextlib.suppress(RuntimeError):  # its time is up already
                self._timer.reschedule(asyncio.get_running_loop().time())

    async def finish(self) -> bool:
        """Read on for a while, and forget it; tell whether the end was reached."""
        self._bodies.drop(self)
        if isinstance(self._refusal, SlowBody) or (self._withheld and not self._deadline):
            return False
        if self._sent and not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LINGER_SECONDS):
                    while not self._ended.is_set():
                        self._note(await self._receive())
        return self._ended.is_set() or not self._sent

    async def hung_up(self) -> None:
        """Return when the caller has gone, after the end of the body."""
        await self._ended.wait()
        while not self._gone.is_set():
            self._note(await self._receive())

    async def _next(self) -> Message:
        now = asyncio.get_running_loop().time()
        self._deadline = self._deadline or now + self._bodies.most_seconds
        try:
            async with asyncio.timeout_at(self._deadline) as self._timer:
                await asyncio.sleep(0)  # where the time is up, also if the next part is there
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
