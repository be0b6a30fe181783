"""The process that reads pages: files on standard input, rows on standard output.

    {"outputs": ["text"], "cores": 1, ...}   --> {"ready": true}, once the models are loaded
    {"bytes": N, "first": 1, "last": null, "most": 64} and the file
        --> {"pages": 12}, then for each page {"row": {...}} or {"failure": [code, sentence]}
        --> or, where it cannot be opened, {"failure": [code, sentence]}

Each message is a line of JSON. `reader_process` starts one for each actor. What a file does to it,
be it a crash in a decoder or an endless loop, ends this process alone: the actor starts another one
and goes on with the next page.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, BinaryIO

from ocr_runtime.bulk.rows import NEED_WORDS, Row, row
from ocr_runtime.documents.child_limits import allow_seconds
from ocr_runtime.documents.document import Document, Limits
from ocr_runtime.documents.opening import open_document
from ocr_runtime.errors import Internal, OCRError, Timeout
from ocr_runtime.reading.engine import Engine
from ocr_runtime.reading.page import ReadingOptions
from ocr_runtime.settings import Settings, SettingsError

_MOST_PAGES = 10_000_000
"""Of a document; how many of them are read at once is the chunk's business."""

logger = logging.getLogger("rapidocr")


def main() -> None:
    """Answer requests until standard input ends."""
    requests = sys.stdin.buffer
    # Whatever a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s")
    child = _Child(json.loads(requests.readline()), answers)
    for line in requests:
        child.answer(json.loads(line), requests)


class _Child:
    """What answers the requests.

    Args:
        opening: the first message.
        answers: where they are written to.
    """

    def __init__(self, opening: dict[str, Any], answers: BinaryIO) -> None:
        self._answers = answers
        self._opening = opening
        try:
            settings = Settings.from_environ(os.environ)
            self._engine = Engine(settings)
        except SettingsError as exc:
            self._send({"failure": ["settings", str(exc)]})
            sys.exit()
        self._limits = replace(Limits.of(settings), max_pages=_MOST_PAGES)
        self._seconds = settings.timeout_seconds
        words = bool(NEED_WORDS.intersection(opening["outputs"]))
        self._options = ReadingOptions(return_word_box=words or None)
        self._send({"ready": True})

    def answer(self, request: dict[str, Any], requests: BinaryIO) -> None:
        data = requests.read(request["bytes"])
        self._allow_time()
        try:
            document = open_document(
                data,
                limits=self._limits,
                dpi=self._opening["dpi"],
                text_layer=self._opening["text_layer"],
            )
        except Exception as exc:  # noqa: BLE001, what is no OCRError is a fault of ours; it is logged
            self._send(_failure(exc))
            return
        with document:
            self._send({"pages": document.pages})
            for number in _numbers(request, document.pages):
                self._send(self._page(document, number))

    def _page(self, document: Document, number: int) -> Row:
        self._allow_time()
        deadline = time.monotonic() + self._seconds

        def grant(_needed: int) -> AbstractContextManager[int]:
            if time.monotonic() > deadline:
                raise Timeout
            return nullcontext(self._opening["cores"])

        try:
            image = document.page(number)
            page = self._engine.read(image, self._options, grant=grant)
            page = replace(page, number=number, dpi=image.dpi)
            return {"row": row(page, document, self._opening["outputs"])}
        except Exception as exc:  # noqa: BLE001, as above
            return _failure(exc)

    def _allow_time(self) -> None:
        """End an endless loop even where the actor is gone that would end it."""
        allow_seconds(self._opening["cores"] * self._seconds)

    def _send(self, answer: Row) -> None:
        try:
            self._answers.write(json.dumps(answer).encode() + b"\n")
            self._answers.flush()
        except BrokenPipeError:  # the actor is gone, and nobody waits for the other pages
            os._exit(0)


def _numbers(request: dict[str, Any], pages: int) -> Iterator[int]:
    first = request["first"]
    last = min(request["last"] or pages, pages, first + request["most"] - 1)
    yield from range(first, last + 1)


def _failure(error: Exception) -> Row:
    if not isinstance(error, OCRError):
        logger.error("a page failed", exc_info=error)
        error = Internal("Reading this page failed; the log of its actor says why.")
    return {"failure": [error.code, str(error)]}


if __name__ == "__main__":
    main()
