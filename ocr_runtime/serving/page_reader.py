"""Pages of an open document -> what was read from them, in several threads at once."""

import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, TypeVar

from ocr_runtime.documents.document import Document
from ocr_runtime.errors import InvalidOption, Timeout
from ocr_runtime.reading.page import Page, ReadingOptions, UnreadPage
from ocr_runtime.serving import metrics
from ocr_runtime.serving.grants import Grant, Spare
from ocr_runtime.serving.job_database import Lost
from ocr_runtime.serving.pages import read_page, unread_page

if TYPE_CHECKING:  # the main process does not load the engine
    from ocr_runtime.reading.engine import Engine

T = TypeVar("T")


class PageReader:
    """Reads pages of a document, in several threads; only one of them decodes at a time.

    Args:
        document: an open one.
        options: how pages are read.
        engine: reads them.
        page_seconds: how long one may take.
        job: its id, for the log.
        only: whether the job has no other page, so that what is wrong with it is raised.
    """

    def __init__(
        self,
        document: Document,
        options: ReadingOptions,
        *,
        engine: "Engine",
        page_seconds: float,
        job: str,
        only: bool,
    ) -> None:
        self.document = document
        self._options = options
        self._engine = engine
        self._page_seconds = page_seconds
        self._job = job
        self._only = only
        self._stopped = threading.Event()
        self._document_lock = threading.Lock()

    def stop(self) -> None:
        """Have the pages at hand end at their next run of a model, with `Lost`."""
        self._stopped.set()

    def until_stopped(self, parts: Iterator[T]) -> Iterator[T]:
        """Yield parts that are made of the document, until `stop`, which raises `Lost`."""
        while True:
            with self._using_document():
                try:
                    part = next(parts)
                except StopIteration:
                    return
            yield part

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise Lost

    def close(self) -> None:
        """Close the document, once no thread uses it."""
        self.stop()
        with self._document_lock, self.document:
            pass

    def read(self, number: int, grant: Grant, spare: Spare) -> Page | UnreadPage:
        """Read a page.

        Args:
            number: of the page, from 1.
            grant: asked before each run of a model.
            spare: says for how long the page has paused, which does not count.

        Raises:
            Lost: it was stopped.
            InvalidOption: no page can be read with these options.
            OCRError: the only page cannot be read.
        """
        deadline = time.monotonic() - spare.paused_seconds + self._page_seconds

        def granted(needed: int) -> AbstractContextManager[int]:
            self._check_stopped()
            if time.monotonic() - spare.paused_seconds > deadline:
                raise Timeout
            return grant(needed)

        try:
            image, page = read_page(
                self.document,
                number,
                self._options,
                engine=self._engine,
                grant=granted,
                decoding=self._using_document(),
            )
        except (Lost, InvalidOption):  # an option holds for every page
            raise
        except Exception as exc:
            self._check_stopped()
            if self._only:
                raise
            return unread_page(number, exc, whose=f"job {self._job}")
        metrics.count_page(pixels=image.width * image.height, lines=len(page.lines))
        return page

    @contextmanager
    def _using_document(self) -> Iterator[None]:
        with self._document_lock:
            self._check_stopped()
            yield
