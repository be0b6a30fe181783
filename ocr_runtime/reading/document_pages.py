"""A page of an open document -> what was read from it."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

from ocr_runtime.documents.document import Document
from ocr_runtime.documents.images import PageImage
from ocr_runtime.reading.page import Page, ReadingOptions

if TYPE_CHECKING:  # the main process does not load the engine
    from ocr_runtime.reading.bounded_rapidocr import Stage
    from ocr_runtime.reading.engine import Engine
    from ocr_runtime.reading.runtimes import Grant


def read_document_page(
    document: Document,
    number: int,
    options: ReadingOptions,
    *,
    engine: "Engine",
    grant: "Grant",
    stage: "Stage" = lambda _: nullcontext(),
    decoding: AbstractContextManager[None] | None = None,
) -> tuple[PageImage, Page]:
    """Decode or render a page, and read it.

    Args:
        document: an open one.
        number: of the page, from 1.
        options: how it is read.
        engine: reads it.
        grant: asked before each run of a model.
        stage: called with "decode" and the names of the engine's stages; each runs in the context
            that it returns.
        decoding: is entered while the document is used.

    Raises:
        OCRError: this page cannot be decoded; others may be.
    """
    with decoding or nullcontext(), stage("decode"):
        image = document.page(number)
    page = engine.read(image, options, grant=grant, stage=stage)
    return image, replace(page, number=number, dpi=image.dpi)
