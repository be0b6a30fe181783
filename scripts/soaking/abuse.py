"""Bad, slow and vanishing callers.

bad        must get the status and code of the contract, or 429
slow       send a byte a second, or nothing more: must get 408 or 429, or nothing
vanishing  send a good request and close the connection before the answer
"""

import asyncio
import itertools
import json
import random
import struct
import time
import zlib
from collections import Counter
from collections.abc import Iterator

from .pages import DATA, Question, multipart
from .wire import Wire, read

PAGE = (DATA / "chinese.png").read_bytes()
MEBIBYTE = bytes(1 << 20)
MAX_BODY_MB = 20
MAX_SLOW = 20
"""Slow callers at a time."""
GIVE_UP_SECONDS = 5


def bomb(side: int) -> bytes:
    """A PNG of few bytes and `side` x `side` white pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checked = kind + data
        return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    pixels = zlib.compress((b"\0" + b"\xff" * -(-side // 8)) * side, 9)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def bad_requests(wire: Wire) -> dict[str, tuple[str, tuple[bytes, ...]]]:
    """Each kind: the answer it must get, and its bytes."""

    def post(content_type: str, body: bytes) -> tuple[bytes, ...]:
        return wire.head("POST", "/ocr", Content_Type=content_type, Content_Length=len(body)), body

    def image(data: bytes, **fields: str) -> tuple[bytes, ...]:
        others = ((name, value.encode()) for name, value in fields.items())
        return post(*multipart(("image_file", data), *others))

    label, body = multipart(("image_file", PAGE))
    declared = wire.head("POST", "/ocr", Content_Type=label, Content_Length=(MAX_BODY_MB << 20) + 1)
    undeclared = wire.head("POST", "/ocr", Content_Type=label, Transfer_Encoding="chunked")
    chunk = b"%x\r\n" % len(MEBIBYTE) + MEBIBYTE + b"\r\n"
    not_base64 = json.dumps({"image_data": "not base64!"}).encode()
    return {
        "broken multipart": ("400 malformed_request", post(label, body[:-20])),
        "broken JSON": ("400 malformed_request", post("application/json", b'{"image_data": ')),
        "no image": ("400 missing_image", post(*multipart(("use_det", b"true")))),
        "two images": ("400 ambiguous_image", image(PAGE, image_data="aGk=")),
        "not base64": ("400 invalid_base64", post("application/json", not_base64)),
        "a bad option": ("400 invalid_option", image(PAGE, text_score="high")),
        "not an image": ("415 unsupported_image", image(b"%PDF-1.7\n")),
        "half an image": ("415 unsupported_image", image(PAGE[: len(PAGE) // 2])),
        "a pickle": (
            "415 unsupported_media_type",
            post("application/vnd.bentoml+pickle", b"\x80\x04N."),
        ),
        "a bomb": ("413 image_too_large", image(bomb(10_000))),
        "a body declared too large": ("413 body_too_large", (declared, MEBIBYTE)),
        "a body that becomes too large": (
            "413 body_too_large",
            (undeclared, *itertools.repeat(chunk, MAX_BODY_MB + 2), b"0\r\n\r\n"),
        ),
        "a wrong path": ("404 not_found", (wire.head("GET", "/.env"),)),
        "a wrong method": ("405 method_not_allowed", (wire.head("GET", "/ocr"),)),
    }


class Bad:
    """Callers of each bad kind in turn; `seen` counts the answers of each."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._requests = bad_requests(wire)
        self._kinds = itertools.cycle(self._requests)
        self.seen: dict[str, Counter[str]] = {kind: Counter() for kind in self._requests}

    @property
    def expected(self) -> dict[str, str]:
        return {kind: expected for kind, (expected, _) in self._requests.items()}

    async def ask(self) -> None:
        kind = next(self._kinds)
        answer = await self._wire.ask(*self._requests[kind][1])
        try:
            code = json.loads(answer.body)["code"]
        except (ValueError, TypeError, KeyError):
            code = ""
        self.seen[kind][f"{answer.outcome} {code}".strip()] += 1


class Slow:
    """Callers who take their time over a body; `seen` counts how each ended.

    Those that are left hang up at the time `until`.
    """

    KINDS = ("a byte a second", "a byte a second, gives up", "a head and no body")

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.until = 0.0
        self._kinds = itertools.cycle(self.KINDS)
        self._now = 0
        self.seen: dict[str, Counter[str]] = {kind: Counter() for kind in self.KINDS}

    async def ask(self) -> None:
        if self._now >= MAX_SLOW:
            return
        self._now += 1
        kind = next(self._kinds)
        end = self.until
        if kind.endswith("gives up"):
            end = min(end, time.monotonic() + GIVE_UP_SECONDS)
        try:
            reader, writer = await self._wire.connect()
            try:
                outcome = await self._dawdle(reader, writer, kind, end)
            finally:
                writer.close()
        except (OSError, EOFError, ValueError) as exc:
            outcome = f"no answer ({type(exc).__name__})"
        self._now -= 1
        self.seen[kind][outcome] += 1

    async def _dawdle(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        kind: str,
        end: float,
    ) -> str:
        """Send a byte each second until there is an answer or the time is over."""
        label, body = multipart(("image_file", PAGE))
        writer.write(self._wire.head("POST", "/ocr", Content_Type=label, Content_Length=len(body)))
        answering = asyncio.create_task(read(reader))
        try:
            for at in range(len(body)):
                left = end - time.monotonic()
                if left <= 0:
                    return "unanswered when it hung up"
                await asyncio.wait([answering], timeout=min(1, left))
                if answering.done():
                    return answering.result().outcome
                if kind.startswith("a byte"):
                    writer.write(body[at : at + 1])
            return (await answering).outcome
        finally:
            answering.cancel()


class Vanishing:
    """Callers who send a good request and leave; `gone` says how many."""

    def __init__(self, wire: Wire, questions: Iterator[Question], dice: random.Random) -> None:
        self._wire = wire
        self._questions = questions
        self._dice = dice
        self.gone: Counter[str] = Counter()

    async def ask(self) -> None:
        try:
            _, writer = await self._wire.connect()
            for part in next(self._questions).written(self._wire, "gone"):
                writer.write(part)
            await writer.drain()
            await asyncio.sleep(self._dice.uniform(0, 1))
        except OSError as exc:
            self.gone[type(exc).__name__] += 1
            return
        if self._dice.random() < 0.5:
            writer.close()
            self.gone["closed"] += 1
        else:
            writer.transport.abort()
            self.gone["aborted"] += 1
