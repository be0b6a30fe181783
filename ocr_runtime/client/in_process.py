"""The bytes of a file -> its output, read by the engine in threads of this process."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import IO, Any

from pydantic import BaseModel

from ocr_runtime.client.errors import FileFailed, RunEnded
from ocr_runtime.client.readers import Reading, write
from ocr_runtime.client.window import Window
from ocr_runtime.documents.document import Document, Limits
from ocr_runtime.errors import OCRError
from ocr_runtime.reading.document_pages import read_document_page
from ocr_runtime.reading.engine import Engine
from ocr_runtime.reading.page import Page, ReadingOptions, UnreadPage
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.grants import Grants
from ocr_runtime.serving.requests import DocumentOptions, Sent
from ocr_runtime.settings import Settings

logger = logging.getLogger("rapidocr")

_INTERNAL = "internal"


class _Stopped(Exception):
    """The reader is being closed."""


class InProcess:
    """Reads files with the engine, as many at once as there are cores.

    Args:
        endpoint: whose output is written, as the service does.
        options: how pages are read.
        settings: of the engine; as many pages are read as of a job.

    Raises:
        SettingsError: a model or the configuration cannot be used.
    """

    def __init__(self, endpoint: Endpoint, options: DocumentOptions, settings: Settings) -> None:
        threads = settings.threads_per_worker
        self.window = Window(start=threads + 1, most=threads + 1)  # one is loaded meanwhile
        self._endpoint = endpoint
        self._options = options
        self._settings = settings
        self._limits = replace(Limits.of(settings), max_pages=settings.jobs_max_pages)
        self._engine = Engine(settings)
        self._grants = Grants(threads=threads, run_bytes=settings.run_bytes, idle=lambda: 0)
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="read")
        self._stopped = threading.Event()

    async def read(
        self, data: bytes, into: IO[bytes], *, options: DocumentOptions | None = None
    ) -> Reading:
        """Read a file as `Reader.read` does; `options` stand for those of the reader."""
        loop = asyncio.get_running_loop()
        asked = self._options if options is None else options
        try:
            return await loop.run_in_executor(self._threads, self._read, data, into, asked)
        except asyncio.CancelledError:  # the run ends, and closes the output
            self._stopped.set()
            raise

    async def close(self) -> None:
        """End at the next run of a model."""
        self._stopped.set()
        await asyncio.to_thread(self._threads.shutdown, wait=True, cancel_futures=True)

    def _read(self, data: bytes, into: IO[bytes], asked: DocumentOptions) -> Reading:
        options = asked.model_copy(update=dict(self._endpoint.reading))
        unread: list[int] = []
        try:
            self._engine.check(options)
            with (
                self._grants.computing(None),
                Sent(data=data, options=options).open(self._limits) as document,
            ):
                pages = self._pages(document, options, unread)
                for part in self._endpoint.write(pages, document, options, self._settings):
                    write(into, encoded(part))
                return Reading(pages=len(document.numbers), unread=unread)
        except OCRError as exc:
            raise FileFailed(exc.code, str(exc)) from exc
        except (_Stopped, RunEnded):
            raise
        except Exception as exc:
            self._check()
            logger.exception("a file was not read")
            raise FileFailed(_INTERNAL, f"{type(exc).__name__}: {exc}") from exc

    def _pages(
        self, document: Document, options: ReadingOptions, unread: list[int]
    ) -> Iterator[Page | UnreadPage]:
        """Read the pages one after the other; what is wrong with the only one is raised."""
        for number in document.numbers:
            try:
                _, page = read_document_page(
                    document, number, options, engine=self._engine, grant=self._grant
                )
            except OCRError as exc:
                if len(document.numbers) == 1:
                    raise
                unread.append(number)
                yield UnreadPage(number=number, code=exc.code, error=str(exc))
            else:
                yield page

    def _grant(self, needed: int) -> AbstractContextManager[int]:
        return self._grants.granted(None, self._check, needed)

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _Stopped


def encoded(part: Any) -> bytes:
    """Return a part of an output as bytes, as it is sent over HTTP."""
    if isinstance(part, BaseModel):
        return part.model_dump_json().encode()
    return part.encode() if isinstance(part, str) else bytes(part)
