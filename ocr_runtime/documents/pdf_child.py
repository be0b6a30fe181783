"""The process that reads one PDF: requests on standard input, pages on standard output.

    {"bytes": N, "password": null, ...} and the file --> {"ready": true}
    {} --> {"pages": 12}
    {"index": 0, "dpi": null, "text": false} --> {"width": W, "height": H, "dpi": D, ...}
        and W x H x 3 bytes, BGR; and where its text is asked for, "text" and `pdf_characters`'s
        arrays, "more" bytes

Each message is a line of JSON, and what follows it. A failure is answered `{"failure": [kind]}`.
`pdf_process` starts one for each document, so that no document meets another, and ends it if it
hangs. Before it looks at the file it gives up, where the system lets it, all that it does not need:
further files and connections, processes, memory and processor time beyond its limits.
"""

import contextlib
import json
import math
import sys
import time
from typing import Any, BinaryIO

from ocr_runtime.documents.pdf_characters import characters
from ocr_runtime.documents.pdf_pages import Pdf, PdfError, own_dpi, pixel_size, size_in_points

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

Reply = tuple[dict[str, Any], list[Any]]
"""A line of JSON, and what is sent after it."""


def main() -> None:
    """Answer requests until standard input ends."""
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    opening = json.loads(requests.readline())
    _give_up_rights(opening["memory_bytes"])
    _send(({"ready": True}, []), replies)
    child = _Child(opening, requests)
    for line in requests:
        request = json.loads(line)
        _allow_seconds(request["seconds"])
        _send(child.answer(request), replies)


class _Child:
    """What answers the requests about one document."""

    def __init__(self, opening: dict[str, Any], requests: BinaryIO) -> None:
        self._data = requests.read(opening["bytes"])
        self._password = opening["password"]
        self._max_pixels = opening["max_pixels"]
        self._pdf: Pdf | None = None

    def answer(self, request: dict[str, Any]) -> Reply:
        try:
            if self._pdf is None:
                self._pdf = Pdf(self._data, self._password)
                return {"pages": len(self._pdf)}, []
            return self._page(self._pdf, request)
        except PdfError as error:
            return {"failure": error.args}, []
        except MemoryError:
            return {"failure": ["memory"]}, []

    def _page(self, pdf: Pdf, request: dict[str, Any]) -> Reply:
        with pdf.page(request["index"]) as page:
            dpi = request["dpi"] or own_dpi(page)
            points = size_in_points(page)
            width, height, dpi = pixel_size(points, dpi=dpi, max_pixels=self._max_pixels)
            samples = pdf.render(page, width, height)
            reply = {"width": width, "height": height, "dpi": dpi}
            if not request["text"]:
                return reply, [samples]
            text, arrays = characters(page)
            more = sum(len(part) * part.itemsize for part in arrays)
            return reply | {"text": text, "more": more}, [samples, *arrays]


def _send(reply: Reply, replies: BinaryIO) -> None:
    line, parts = reply
    replies.write(json.dumps(line).encode() + b"\n")
    replies.writelines(parts)
    replies.flush()


def _give_up_rights(memory_bytes: int) -> None:
    """Bound this process before it reads a byte of the file.

    Without new file descriptors it can open no file and no connection; the three that it has
    remain. What was imported so far is all that it needs.
    """
    if resource is None:
        return
    for name, most in {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": 0,
        "RLIMIT_NPROC": 0,
        "RLIMIT_AS": memory_bytes,
    }.items():
        _limit(name, most, most)


def _allow_seconds(seconds: float) -> None:
    """Let the next answer take so much processor time, should nobody be left to end it."""
    if resource is not None:
        most = math.ceil(time.process_time() + seconds) + 1
        _limit("RLIMIT_CPU", most, None)


def _limit(name: str, soft: int, hard: int | None) -> None:
    kind = getattr(resource, name, None)
    if kind is None:
        return
    most = resource.getrlimit(kind)[1]
    # macOS has no limit of memory, and an administrator may have set lower ones.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (soft, most if hard is None else hard))


if __name__ == "__main__":
    main()
