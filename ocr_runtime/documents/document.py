"""A file with pages, whatever its format."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from ocr_runtime.documents.images import PageImage
from ocr_runtime.settings import Settings

_MORE_OPEN_PDFS = 2
"""How many PDFs may be open besides those that are being read: their requests go on soon."""

TextLayer = Literal["never", "auto", "only"]
"""Whether a PDF's own text is taken in place of OCR: where it can be trusted, or always."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much of a document is decoded.

    Args:
        max_pixels: largest accepted width x height of a page.
        max_pages: how many pages may be asked for.
        page_seconds: how long opening a PDF, or rendering one of its pages, may take.
        open_pdfs: how many processes of open PDFs are kept.
        deadline: when nobody waits for the document any more, as `time.monotonic` counts; None:
            never.
        clip_pages: whether a range of pages that is asked for may end after the last page.
    """

    max_pixels: int
    max_pages: int
    page_seconds: float
    open_pdfs: int = 4
    deadline: float | None = None
    clip_pages: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            max_pixels=settings.max_pixels,
            max_pages=settings.max_pages,
            page_seconds=settings.page_seconds,
            open_pdfs=settings.threads_per_worker + _MORE_OPEN_PDFS,
        )


class Document(Protocol):
    """A document whose pages are decoded one at a time; a context manager, which closes it.

    Its methods are called from one thread at a time.

    Args:
        data: the file as it was sent.
        format: "PDF", or the name of an image format as in `images.FORMATS`; empty if only the
            first page of an image was asked for.
        numbers: the pages that were asked for, from 1, in the order of the document.
        password: with which it was opened, if it is encrypted.
        deadline: see `Limits`.
        pages: how many pages the document has. Of animations that are no GIF only the first frame
            is a page; their `PageImage.pages` says how many frames they have.
    """

    data: bytes
    format: str
    numbers: Sequence[int]
    pages: int
    password: str | None
    deadline: float | None

    def page(self, number: int) -> PageImage:
        """Decode or render one page.

        Raises:
            OCRError: this page cannot be decoded; others may be.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...
