"""A PDF -> a process that reads it and nothing else, and can be ended at any time.

PDFium is not thread-safe, and a PDF may make it crash, hang or take much memory. So each document
has a process of its own, `pdf_child`, for as long as it is open: no document meets another, and
documents are rendered at the same time. Opening a PDF takes 50 ms, mostly to start Python and to
import the bindings; the pixels of an A4 page at 200 dpi take 5 ms through the pipe, and rendering
them 10 to 150. After 1,000 pages the process had taken 41 MB. Children that are used again would
save the 50 ms, and let one document attack the next.
"""

import contextlib
import json
import logging
import subprocess
import threading
import weakref
from typing import Any, NamedTuple, cast

import numpy as np

from ocr_runtime.documents.child_start import command, environment

_CHILD = "ocr_runtime.documents.pdf_child"

_PIPE_BYTES = 1 << 20
_MAX_LINE = 1 << 16
_MAX_MORE = 16 << 20
"""A page's characters and pictures have 61 and 21 bytes each, and are bounded in number."""
_START_SECONDS = 30
"""How long starting Python may take on a busy machine; it does not depend on the document."""

_PROCESS_BYTES = 256 << 20
"""Address space of Python, PDFium, and what a page takes besides its pixels: fonts and images."""
_BYTES_PER_PIXEL = 12
"""The samples that are sent, and layers of 4 bytes that PDFium draws for transparency."""

_log = logging.getLogger(__name__)


class Answer(NamedTuple):
    """The answer to a request.

    Args:
        reply: the message; see `pdf_child`.
        pixels: of a page, uint8, shape (H, W, 3), BGR; else empty.
        more: bytes that follow them.
    """

    reply: dict[str, Any]
    pixels: np.ndarray
    more: bytes


class PdfCrash(Exception):
    """The process ended by itself: PDFium crashed, or ran out of memory or processor time."""


class PdfTimeout(Exception):
    """The process did not answer in time, and was ended."""


class PdfProcess:
    """The process of one document.

    Args:
        data: the file.
        password: for an encrypted one.
        max_pixels: largest width x height of a page.

    Raises:
        RuntimeError: no process can be started; this is not the fault of the file.
    """

    def __init__(self, data: bytes, *, password: str | None, max_pixels: int) -> None:
        opening = {
            "bytes": len(data),
            "password": password,
            "max_pixels": max_pixels,
            "memory_bytes": _PROCESS_BYTES + 2 * len(data) + _BYTES_PER_PIXEL * max_pixels,
        }
        self._max_pixels = max_pixels
        self._timed_out = threading.Event()
        self._process = _start()
        self.end = weakref.finalize(self, _end, self._process)
        timer = self._timer(_START_SECONDS)
        try:
            self._write(opening, data)
            ready = self._read_line()
        except PdfCrash as exc:
            raise RuntimeError("the process that reads PDFs did not start") from exc
        finally:
            timer.cancel()
        if not ready.get("ready"):
            raise RuntimeError("the process that reads PDFs did not start")

    @property
    def ended(self) -> bool:
        """Whether it can answer no more."""
        return self._timed_out.is_set() or not self.end.alive

    def ask(self, request: dict[str, Any], *, seconds: float) -> Answer:
        """Have one request answered, see `pdf_child`.

        Args:
            request: what is asked.
            seconds: how long the answer may take.

        Returns:
            The answer, and what follows it.

        Raises:
            PdfTimeout, PdfCrash: there is no answer, and there will be none to later requests.
        """
        timer = self._timer(seconds)
        try:
            self._write(request | {"seconds": seconds}, b"")
            reply = self._read_line()
            width, height = int(reply.get("width", 0)), int(reply.get("height", 0))
            pixels = self._read_pixels(width, height)
            return Answer(reply, pixels, self._read_more(int(reply.get("more", 0))))
        except PdfCrash:
            self.end()
            if self._timed_out.is_set():
                raise PdfTimeout from None
            _log.warning("the process of a PDF ended with code %s", self._process.returncode)
            raise
        finally:
            timer.cancel()

    def _timer(self, seconds: float) -> threading.Timer:
        """End the process after some time; so what is read from it ends too."""
        timer = threading.Timer(seconds, _expire, [self._process, self._timed_out])
        timer.daemon = True
        timer.start()
        return timer

    def _write(self, message: dict[str, Any], data: bytes) -> None:
        stdin = self._process.stdin
        try:
            stdin.write(json.dumps(message).encode() + b"\n")  # type: ignore[union-attr]
            stdin.write(data)  # type: ignore[union-attr]
            stdin.flush()  # type: ignore[union-attr]
        except (OSError, ValueError) as exc:
            raise PdfCrash from exc

    def _read_line(self) -> dict[str, Any]:
        line = self._process.stdout.readline(_MAX_LINE)  # type: ignore[union-attr]
        try:
            message = json.loads(line)
        except ValueError as exc:
            raise PdfCrash from exc
        if not isinstance(message, dict):
            raise PdfCrash
        return cast("dict[str, Any]", message)

    def _read_pixels(self, width: int, height: int) -> np.ndarray:
        if not 0 <= width * height <= self._max_pixels:
            raise PdfCrash
        pixels = np.empty((height, width, 3), np.uint8)
        left = memoryview(pixels.reshape(-1))  # type: ignore[arg-type]
        while left:
            read = self._process.stdout.readinto(left)  # type: ignore[union-attr]
            if not read:
                raise PdfCrash
            left = left[read:]
        pixels.flags.writeable = False
        return pixels

    def _read_more(self, size: int) -> bytes:
        if not 0 <= size <= _MAX_MORE:
            raise PdfCrash
        more = self._process.stdout.read(size)  # type: ignore[union-attr]
        if len(more) < size:
            raise PdfCrash
        return cast("bytes", more)


def _start() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - our own module, its arguments are paths of our own
        command(_CHILD, "pypdfium2_raw"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        pipesize=_PIPE_BYTES,
    )


def _expire(process: "subprocess.Popen[bytes]", timed_out: threading.Event) -> None:
    timed_out.set()
    process.kill()


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    for stream in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):  # what was not written yet
            stream.close()  # type: ignore[union-attr]
    process.wait()
