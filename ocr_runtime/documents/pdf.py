"""The bytes of a PDF -> a document, each of its pages rendered in the process of this document."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Self

from ocr_runtime.documents.document import Limits, TextLayer
from ocr_runtime.documents.images import PageImage
from ocr_runtime.documents.open_pdfs import OpenPdfs
from ocr_runtime.documents.own_text import OwnText
from ocr_runtime.documents.page_numbers import select
from ocr_runtime.documents.pdf_process import Answer, PdfCrash, PdfProcess, PdfTimeout
from ocr_runtime.documents.pdf_text import received
from ocr_runtime.documents.pdf_trust import trusted
from ocr_runtime.errors import (
    EmptyDocument,
    ImageTooLarge,
    OCRError,
    PageTooSlow,
    PasswordRequired,
    UnsupportedDocument,
    WrongPassword,
)

_MAX_PASSWORD = 1000
"""Characters of a password that are looked at: more than any has, and hashed in no time."""

_MAX_ENDED = 3
"""How many pages of a document may crash or hang before no further one is tried."""


_open_pdfs = OpenPdfs()


class PdfDocument:
    """A PDF as a `Document`.

    Its process is started anew for the page after one that ended it, or if it was ended while other
    documents were read, see `OpenPdfs`.

    Args:
        data: the file.
        limits: how much of it is rendered.
        pages: which pages, as in `page_numbers.select`; None: all.
        dpi: density of the pages; None: that of their images, 200 to 300. A page that would have
            too many pixels is rendered at a lower one, down to 72.
        password: for an encrypted file.
        text_layer: whether the pages' own text is taken: "auto", where it can be trusted; "only",
            always.

    Raises:
        PasswordRequired, WrongPassword: it is encrypted.
        UnsupportedDocument: it is damaged beyond repair, or PDFium fails on it.
        EmptyDocument: it has no pages.
        PageTooSlow: it takes too long to open.
        InvalidOption, TooManyPages: see `page_numbers.select`.
    """

    format = "PDF"

    def __init__(
        self,
        data: bytes,
        *,
        limits: Limits,
        pages: str | None = None,
        dpi: int | None = None,
        password: str | None = None,
        text_layer: TextLayer = "never",
    ) -> None:
        self.data = data
        self._text_layer = text_layer
        self._limits, self._dpi, self.password = (
            limits,
            dpi,
            (password or "")[:_MAX_PASSWORD] or None,
        )
        self.deadline = limits.deadline
        self._ended = 0
        self.pages = 0
        self._process: PdfProcess | None = None
        try:
            with self._opened():
                if not self.pages:
                    raise EmptyDocument
                self.numbers: Sequence[int] = select(
                    pages, count=self.pages, most=limits.max_pages, clip=limits.clip_pages
                )
        except OCRError:
            self.close()
            raise

    def page(self, number: int) -> PageImage:
        """Render one page.

        Raises:
            UnsupportedDocument: this page is damaged, or PDFium fails on it.
            ImageTooLarge: it has more than the accepted pixels even at 72 dpi.
            PageTooSlow: it takes too long.
        """
        if self._ended >= _MAX_ENDED:
            raise UnsupportedDocument(f"Page {number} was not tried, as others failed.")
        try:
            with self._opened() as process:
                asked = {"index": number - 1, "dpi": self._dpi, "text": self._text_layer != "never"}
                answer = process.ask(asked, seconds=self._limits.page_seconds)
        except PdfTimeout as exc:
            self._ended += 1
            seconds = f"{self._limits.page_seconds:g} seconds"
            raise PageTooSlow(f"Rendering page {number} takes longer than {seconds}.") from exc
        except PdfCrash as exc:
            self._ended += 1
            raise UnsupportedDocument(f"Page {number} cannot be rendered.") from exc
        if "failure" in answer.reply:
            raise self._failure(number, *answer.reply["failure"])
        return self._page_image(number, answer)

    @contextmanager
    def _opened(self) -> Iterator[PdfProcess]:
        """Use the process, or a new one if that was ended."""
        usable = _open_pdfs.take(self._process, most=self._limits.open_pdfs)
        try:
            if self._process is None or not usable:
                self._process = None
                self._process, self.pages = self._open()
            yield self._process
        finally:
            _open_pdfs.leave(self._process)

    def _open(self) -> tuple[PdfProcess, int]:
        """Start a process; return it with the number of pages."""
        limits = self._limits
        process = PdfProcess(self.data, password=self.password, max_pixels=limits.max_pixels)
        try:
            reply = process.ask({}, seconds=limits.page_seconds).reply
        except PdfTimeout as exc:
            seconds = f"{limits.page_seconds:g} seconds"
            raise PageTooSlow(f"Opening the PDF takes longer than {seconds}.") from exc
        except PdfCrash as exc:
            raise UnsupportedDocument from exc
        if "failure" not in reply:
            return process, int(reply["pages"])
        process.end()
        if reply["failure"] == ["password"]:
            raise WrongPassword if self.password else PasswordRequired
        raise UnsupportedDocument

    def _failure(self, number: int, kind: str, *more: Any) -> OCRError:
        if kind == "too large":
            width, height = more
            return ImageTooLarge(
                f"Page {number} measures {width:.0f} x {height:.0f} inches, which is more than "
                f"{self._limits.max_pixels} pixels at 72 dpi."
            )
        if kind == "memory":
            return UnsupportedDocument(f"Page {number} takes too much memory to render.")
        return UnsupportedDocument(f"Page {number} is damaged.")

    def _page_image(self, number: int, answer: Answer) -> PageImage:
        height, width = answer.pixels.shape[:2]
        return PageImage(
            pixels=answer.pixels,
            width=width,
            height=height,
            pages=self.pages,
            dpi=float(answer.reply["dpi"]),
            own_text=self._own_text(number, answer),
            check_own_text=self._text_layer == "auto",
        )

    def _own_text(self, number: int, answer: Answer) -> OwnText | None:
        counts = answer.reply.get("text")
        if counts is None:
            return None
        height, width = answer.pixels.shape[:2]
        text = received(counts, answer.more, size=(width, height))
        if self._text_layer == "only":
            if counts["cut_off"]:
                raise UnsupportedDocument(f"Page {number} has too many characters.")
            return text
        return None if counts["cut_off"] else trusted(text, answer.pixels)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
