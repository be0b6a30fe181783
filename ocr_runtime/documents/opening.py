"""The bytes of an untrusted file -> a document, whatever its format."""

from ocr_runtime.documents.document import Document, Limits
from ocr_runtime.documents.image_document import ImageDocument
from ocr_runtime.documents.images import from_base64


def open_document(data: bytes | str, *, limits: Limits, pages: str | None = None) -> Document:
    """Open a document; to be closed by `with`.

    Args:
        data: an image in one of `images.FORMATS`; as text: its base64. Its content decides which
            format it is.
        limits: how much of it is decoded.
        pages: which pages, as "1-3,7" or "3-"; None: all.

    Raises:
        InvalidBase64, MissingImage: text that is not base64, or that is base64 of nothing.
        UnsupportedImage: not an image, or damaged before its first page.
        InvalidOption: `pages` names no pages of this document.
        TooManyPages: more pages than are read at once.
    """
    file = from_base64(data) if isinstance(data, str) else data
    return ImageDocument(file, limits=limits, pages=pages)
