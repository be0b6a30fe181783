"""Files -> rows of their pages, by a process that may crash or hang on any of them.

    piece, file --reader_child--> rows; the page that ended the process is a failed row

Starting the process takes some seconds, most of it to load the models. A process for each file
would be simpler, and cost that much each time.
"""

import contextlib
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ocr_runtime.bulk.chunks import Piece
from ocr_runtime.bulk.rows import CHANGED, CRASHED, NOT_TRIED, Failure, PieceResult
from ocr_runtime.errors import Timeout
from ocr_runtime.settings import Settings, SettingsError

_CHILD = "ocr_runtime.bulk.reader_child"
_ROOT = Path(__file__).parents[2]
_KEPT_VARIABLES = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "SYSTEMROOT", "TMPDIR")
"""Besides the settings; not those that give access to an object store."""

_SET_VARIABLES = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 20),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
    "ORT_DISABLE_TELEMETRY": "1",
}
"""As in `service.py`: mapping large blocks again is cheap, and nothing is reported."""

_START_SECONDS = 120
"""How long loading the models may take, on a machine where many actors start at once."""

_GRACE_SECONDS = 5
"""A page has its time limit checked between runs of the models; so much later it is ended."""

_MOST_ENDED = 3
"""How many pages of a file may end the process before no further one is tried."""

_PIPE_BYTES = 1 << 20

_log = logging.getLogger("rapidocr")


class ReaderEnded(Exception):
    """The process ended by itself, or was ended as it took too long.

    Args:
        failure: what is to be said of the page that it was reading.
        seconds: how long it had been reading it.
    """

    def __init__(self, failure: Failure, seconds: float) -> None:
        super().__init__(failure.error)
        self.failure = failure
        self.seconds = seconds


class ReaderProcess:
    """Reads files one after the other, in a process that is started anew when it has ended.

    Args:
        outputs: keys of `rows.OUTPUTS`.
        cores: threads of the models.
        text_layer: "auto", "never" or "only", see `opening.open_document`.
        dpi: of PDFs; None: that of their images.
        environ: the settings, as environment variables.
        only_on: numbers of the processors that it may use; None: those of this process.

    Raises:
        SettingsError: the settings or a model cannot be used.
    """

    def __init__(
        self,
        *,
        outputs: Sequence[str],
        cores: int,
        text_layer: str,
        dpi: int | None,
        environ: Mapping[str, str],
        only_on: set[int] | None = None,
    ) -> None:
        self._opening = {
            "outputs": list(outputs),
            "cores": cores,
            "text_layer": text_layer,
            "dpi": dpi,
        }
        self._environ = {**environ, "OCR_THREADS": str(cores), "OCR_WORKERS": "1"}
        self._page_seconds = Settings.from_environ(self._environ).timeout_seconds
        self._only_on = only_on
        self._process: subprocess.Popen[bytes] | None = None
        self._expired = threading.Event()
        self._asked = 0.0
        self._start()

    def read(self, data: bytes, piece: Piece, *, most: int) -> PieceResult:
        """Read pages of a file.

        Args:
            data: the file.
            piece: which of its pages.
            most: how many of them at most; the rest is left.

        Raises:
            SettingsError: the process does not start any more.
        """
        result = PieceResult(piece=piece)
        for _ in range(_MOST_ENDED):
            try:
                self._read_rest(data, result, most)
                break
            except ReaderEnded as exc:
                self._start()
                if result.pages is None:
                    result.unopened(exc.failure, most)
                    break
                result.failed_row(result.following, exc.failure, exc.seconds)
        else:
            result.fail_rest(NOT_TRIED, most)
        result.leave_rest(most)
        return result

    def _read_rest(self, data: bytes, result: PieceResult, most: int) -> None:
        """Read the pages of a piece that have no row yet."""
        first, last = result.following, result.last(most)
        if result.pages is not None and first > last:
            return
        request = {
            "bytes": len(data),
            "first": first,
            "last": result.piece.last,
            "most": most - len(result.rows),
        }
        opened = self._ask(request, data)
        if "failure" in opened:
            result.unopened(Failure(*opened["failure"]), most)
            return
        result.pages = int(opened["pages"])
        for number in range(first, min(result.pages, result.last(most)) + 1):
            start = time.monotonic()
            answer = self._receive()
            seconds = round(time.monotonic() - start, 4)
            if "failure" in answer:
                result.failed_row(number, Failure(*answer["failure"]), seconds)
            else:
                result.rows.append(answer["row"] | {"seconds": seconds})
        result.fail_rest(CHANGED, most)

    def _start(self) -> None:
        self.close()
        self._expired = threading.Event()
        self._process = _started(self._environ)
        if self._only_on:
            with contextlib.suppress(OSError):  # it has ended already, which `_ask` finds
                os.sched_setaffinity(self._process.pid, self._only_on)
        try:
            answer = self._ask(self._opening, b"", seconds=_START_SECONDS)
        except ReaderEnded as exc:
            self.close()
            raise SettingsError("the process that reads pages does not start") from exc
        if "failure" in answer:
            self.close()
            raise SettingsError(answer["failure"][1])

    def _ask(self, request: dict[str, Any], data: bytes, seconds: float = 0) -> dict[str, Any]:
        process = self._running()
        with self._timed(seconds):
            try:
                process.stdin.write(json.dumps(request).encode() + b"\n")  # type: ignore[union-attr]
                process.stdin.write(data)  # type: ignore[union-attr]
                process.stdin.flush()  # type: ignore[union-attr]
            except OSError as exc:
                raise self._ended() from exc
            return self._line()

    def _receive(self) -> dict[str, Any]:
        with self._timed(0):
            return self._line()

    def _line(self) -> dict[str, Any]:
        try:
            answer = json.loads(self._running().stdout.readline())  # type: ignore[union-attr]
        except ValueError as exc:
            raise self._ended() from exc
        if not isinstance(answer, dict):
            raise self._ended()
        return answer

    def _ended(self) -> ReaderEnded:
        process = self._running()
        process.kill()
        code = process.wait()
        _log.warning("the process that reads pages ended with code %s", code)
        late = self._expired.is_set()
        failure = Failure(Timeout.code, Timeout.sentence) if late else CRASHED
        return ReaderEnded(failure, time.monotonic() - self._asked)

    @contextmanager
    def _timed(self, seconds: float) -> Iterator[None]:
        """End the process after so many seconds, or those of a page; so reading from it ends."""
        process, expired = self._running(), self._expired

        def expire() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(seconds or self._page_seconds + _GRACE_SECONDS, expire)
        timer.daemon = True
        timer.start()
        self._asked = time.monotonic()
        try:
            yield
        finally:
            timer.cancel()

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise RuntimeError("this reader is closed")
        return self._process

    @property
    def pid(self) -> int:
        return self._running().pid

    def close(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):  # what was not written yet
                stream.close()  # type: ignore[union-attr]
        self._process.wait()
        self._process = None


def _started(environ: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    path = os.pathsep.join(filter(None, [str(_ROOT), kept.get("PYTHONPATH")]))
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", _CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**kept, "PYTHONPATH": path, **_SET_VARIABLES, **environ},
        pipesize=_PIPE_BYTES,
    )
