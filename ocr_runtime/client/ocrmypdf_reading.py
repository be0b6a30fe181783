"""A page image of OCRmyPDF -> what is read there: here, or by a service.

    image, options --PageReader.read--> /pages as JSON --> Page

OCRmyPDF reads its pages in threads of one process, or in several processes, and calls functions
that wait. Each process has one reader: one engine, whose threads all its pages share, or
connections to a service. It is made when the first page is read, not before: processes are forked,
and threads do not survive that.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from pydantic import ValidationError

from ocr_runtime.client.errors import FileFailed, RunEnded
from ocr_runtime.client.readers import Reading
from ocr_runtime.client.reading_options import as_fields
from ocr_runtime.outputs import pages
from ocr_runtime.reading.page import Page
from ocr_runtime.serving.endpoints import PAGES
from ocr_runtime.serving.requests import DocumentOptions
from ocr_runtime.settings import Settings

_HELD_BYTES = 64 << 20
_TIMEOUT_SECONDS = 300
_RETRIES = 5

_Read = Callable[[bytes, IO[bytes], DocumentOptions], Awaitable[Reading]]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where pages are read.

    Args:
        address: of a service; None: in this process.
        key: API key of the service; empty: none.
        retries: how often a request without an answer is sent again.
        cores: how many this process may use; None: as the environment says.
    """

    address: str | None = None
    key: str = field(default="", repr=False)
    retries: int = _RETRIES
    cores: int | None = None


class PageReader:
    """Reads pages; any number of threads may call it at once.

    Args:
        place: where.

    Raises:
        SettingsError: a setting, a model or the configuration cannot be used.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._loop = asyncio.new_event_loop()
        self._read_into = _here(place.cores) if place.address is None else _over_http(place)
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="rapidocr-pages", daemon=True
        )
        self._thread.start()
        # OCRmyPDF shows what any logger says; httpx says each request.
        logging.getLogger("httpx").addFilter(self._is_not_ours)

    def read(self, data: bytes, options: DocumentOptions) -> Page:
        """Read a page.

        Args:
            data: an image of one page.
            options: how it is read.

        Raises:
            FileFailed: it was not read.
            RunEnded, UsageError: no page can be read.
        """
        answer = self._wait(self._answer(data, options))
        (entry,) = answer.pages
        if isinstance(entry, pages.UnreadPageEntry):
            raise FileFailed(entry.code, entry.error)
        return pages.page(entry)

    def close(self) -> None:
        """End the event loop, so that this process can be forked; nothing may be under way."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        logging.getLogger("httpx").removeFilter(self._is_not_ours)

    async def _answer(self, data: bytes, options: DocumentOptions) -> pages.PagesAnswer:
        with SpooledTemporaryFile(_HELD_BYTES) as into:
            await self._read_into(data, into, options)
            into.seek(0)
            try:
                return pages.PagesAnswer.model_validate_json(into.read())
            except ValidationError as exc:
                address = self._place.address
                raise RunEnded(f"{address} did not answer as this service does") from exc

    def _wait(self, work: Coroutine[Any, Any, pages.PagesAnswer]) -> pages.PagesAnswer:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _is_not_ours(self, record: logging.LogRecord) -> bool:
        return record.thread != self._thread.ident or record.levelno > logging.INFO


def settings(cores: int | None = None) -> Settings:
    """The settings of the environment, for one process.

    Args:
        cores: how many it may use; None: as the environment says.

    Raises:
        SettingsError: one is wrong.
    """
    environ = os.environ | {"OCR_WORKERS": "1"}
    return Settings.from_environ(
        environ if cores is None else environ | {"OCR_THREADS": str(cores)}
    )


def _here(cores: int | None) -> _Read:
    """Load the engine."""
    from ocr_runtime.client.in_process import InProcess  # noqa: PLC0415

    reader = InProcess(PAGES, DocumentOptions(), settings(cores))
    return lambda data, into, options: reader.read(data, into, options=options)


def _over_http(place: Place) -> _Read:
    from ocr_runtime.client.over_http import OverHTTP  # noqa: PLC0415
    from ocr_runtime.client.window import MOST_AT_ONCE  # noqa: PLC0415

    readers: dict[DocumentOptions, OverHTTP] = {}  # used in the event loop alone

    async def read(data: bytes, into: IO[bytes], options: DocumentOptions) -> Reading:
        if options not in readers:
            readers[options] = OverHTTP(
                place.address or "",
                PAGES.name,
                fields=as_fields(options),
                key=place.key,
                timeout_seconds=_TIMEOUT_SECONDS,
                retries=place.retries,
                most=MOST_AT_ONCE,
            )
        return await readers[options].read(data, into)

    return read


_readers: dict[tuple[int, Place], PageReader] = {}
_lock = threading.Lock()


def reader(place: Place) -> PageReader:
    """Return the reader of this process; the first call makes it.

    Raises:
        SettingsError: see `PageReader`.
    """
    with _lock:
        known = (os.getpid(), place)  # a forked process has not the threads of the other
        if known not in _readers:
            _readers[known] = PageReader(place)
        return _readers[known]
