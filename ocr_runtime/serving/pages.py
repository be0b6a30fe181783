"""A page of an open document -> what was read from it, or why it was not."""

import logging
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ocr_runtime.documents.document import Document
from ocr_runtime.documents.images import PageImage
from ocr_runtime.errors import Internal, OCRError
from ocr_runtime.reading.document_pages import read_document_page
from ocr_runtime.reading.page import Page, ReadingOptions, UnreadPage
from ocr_runtime.serving import metrics
from ocr_runtime.serving.grants import Grant

if TYPE_CHECKING:  # the main process does not load the engine
    from ocr_runtime.reading.engine import Engine

logger = logging.getLogger("rapidocr")


def read_page(
    document: Document,
    number: int,
    options: ReadingOptions,
    *,
    engine: "Engine",
    grant: Grant,
    decoding: AbstractContextManager[None] | None = None,
) -> tuple[PageImage, Page]:
    """Decode or render a page, and read it; its stages are timed. See `read_document_page`."""
    return read_document_page(
        document,
        number,
        options,
        engine=engine,
        grant=grant,
        stage=metrics.stage,
        decoding=decoding,
    )


def unread_page(number: int, error: Exception, *, whose: str) -> UnreadPage:
    """Say why a page was not read; what is no `OCRError` is a fault of the service, and logged.

    Args:
        number: of the page, from 1.
        error: that was raised.
        whose: names the request or the job in the log.
    """
    if not isinstance(error, OCRError):
        logger.error("%s: page %d failed", whose, number, exc_info=error)
        error = Internal()
    return UnreadPage(number=number, code=error.code, error=str(error))
