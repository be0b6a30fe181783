"""A file with pages, whatever its format."""

from collections.abc import Sequence
from typing import Protocol

from ocr_runtime.documents.images import PageImage


class Document(Protocol):
    """A document whose pages are decoded one at a time.

    Args:
        data: the file as it was sent.
        format: "PDF", or the name of an image format as in `images.FORMATS`.
        numbers: the pages that were asked for, from 1, in the order of the document.
    """

    data: bytes
    format: str
    numbers: Sequence[int]

    def page(self, number: int) -> PageImage:
        """Decode or render one page.

        Raises:
            OCRError: this page cannot be decoded; others may be.
        """
