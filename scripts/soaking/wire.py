"""HTTP/1.1 over raw connections: a request out, an answer back.

Bytes that no HTTP library would send can be sent, and little is computed: the callers share their
cores with the service.
"""

import asyncio
import time
from dataclasses import dataclass
from urllib.parse import urlsplit

PATIENCE_SECONDS = 90
"""How long a caller waits: longer than the service may take."""
_IDLE_SECONDS = 1
"""How long a kept connection is used again; the service closes it later than that."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True)
class Answer:
    """The status is 0, and the body says why, where there was no answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def outcome(self) -> str:
        return str(self.status) if self.status else f"no answer ({self.body.decode()})"


class Wire:
    """Connections to one address, those of good callers kept for the next request."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.host = parts.hostname or "localhost"
        self._tls = parts.scheme == "https"
        self._port = parts.port or (443 if self._tls else 80)
        self._kept: list[tuple[float, Connection]] = []

    def head(self, method: str, path: str, **headers: object) -> bytes:
        """Write a request's head; a header's `_` stands for `-`."""
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self._port}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()

    async def connect(self) -> Connection:
        return await asyncio.open_connection(self.host, self._port, ssl=self._tls)

    async def ask(self, *parts: bytes, keep: bool = False) -> Answer:
        """Send a request and read its answer, which may come before the last part is sent.

        Args:
            parts: the request's bytes.
            keep: use a kept connection, and keep it.
        """
        connection = None
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                connection = (self._take() if keep else None) or await self.connect()
                sending = asyncio.create_task(_send(connection[1], parts))
                try:
                    answer = await read(connection[0])
                finally:
                    sent = not sending.cancel()
        except (OSError, EOFError, ValueError) as exc:  # TimeoutError is an OSError
            if connection:
                connection[1].close()
            return Answer(0, {}, type(exc).__name__.encode())
        closes = answer.headers.get("connection", "").lower() == "close"
        if keep and sent and not closes:
            self._kept.append((time.monotonic(), connection))
        else:
            connection[1].close()
        return answer

    def close(self) -> None:
        for _, (_, writer) in self._kept:
            writer.close()
        self._kept.clear()

    def _take(self) -> Connection | None:
        """Take the connection kept last, if it is fresh; close those that are not."""
        fresh = time.monotonic() - _IDLE_SECONDS
        while self._kept and self._kept[0][0] < fresh:
            self._kept.pop(0)[1][1].close()
        return self._kept.pop()[1] if self._kept else None


async def read(reader: asyncio.StreamReader) -> Answer:
    """Read one answer; EOFError if there is none, ValueError if it is no HTTP."""
    first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in rest if line)
    }
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    elif headers.get("transfer-encoding") == "chunked":
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readexactly(2)
    else:
        body = await reader.read()
    return Answer(int(first[9:12]), headers, body)


async def _send(writer: asyncio.StreamWriter, parts: tuple[bytes, ...]) -> None:
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
    except OSError:
        pass  # the answer that ended it may still be read
