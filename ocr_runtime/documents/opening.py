"""The bytes of an untrusted file -> a document, whatever its format."""

from ocr_runtime.documents.base64_text import from_base64
from ocr_runtime.documents.document import Document, Limits, TextLayer
from ocr_runtime.documents.image_document import FirstPage, ImageDocument
from ocr_runtime.documents.images import ACCEPTED, UnknownFormat, is_image
from ocr_runtime.documents.kinds import PDF, guess
from ocr_runtime.documents.pdf import PdfDocument
from ocr_runtime.errors import UnsupportedDocument


def open_document(
    data: bytes | str,
    *,
    limits: Limits,
    pages: str | None = None,
    dpi: int | None = None,
    password: str | None = None,
    text_layer: TextLayer = "never",
) -> Document:
    """Open a document; to be closed by `with`.

    Args:
        data: a PDF, or an image in one of `images.FORMATS`; as text: its base64. Its content
            decides which format it is.
        limits: how much of it is decoded.
        pages: which pages, as "1-3,7" or "3-"; None: all.
        dpi: of a PDF, the density at which its pages are rendered, 72 to 600; None: that of the
            page's own images, 200 to 300.
        password: of an encrypted PDF.
        text_layer: "auto": of a PDF, pages bring their own text where it can be trusted; "only":
            always, and pages of images an empty one; "never": none does.

    Raises:
        InvalidBase64, MissingImage: text that is not base64, or that is base64 of nothing.
        UnsupportedDocument: neither a PDF nor an image; or a PDF that is damaged.
        UnsupportedImage: an image that is damaged before its first page.
        PasswordRequired, WrongPassword: an encrypted PDF.
        EmptyDocument: a PDF without pages.
        PageTooSlow: opening the PDF takes too long.
        InvalidOption: `pages` names no pages of this document.
        TooManyPages: more pages than are read at once.
    """
    file = from_base64(data) if isinstance(data, str) else data
    if PDF.match(file) and not is_image(file):
        return PdfDocument(
            file,
            limits=limits,
            pages=pages,
            dpi=dpi,
            password=password,
            text_layer=text_layer,
        )
    try:
        return ImageDocument(file, limits=limits, pages=pages, text_layer=text_layer)
    except UnknownFormat as exc:
        raise UnsupportedDocument(
            "This is neither a PDF nor an image in one of the accepted formats: "
            f"{ACCEPTED}.{guess(file)}"
        ) from exc


def open_image(data: bytes | str, *, limits: Limits) -> Document:
    """Open an image as a document of its first page; see `images.decode` for what it raises."""
    return FirstPage(from_base64(data) if isinstance(data, str) else data, limits=limits)


def is_file(data: bytes) -> bool:
    """Whether bytes begin as a PDF or an image does, whatever follows."""
    return is_image(data) or bool(PDF.match(data))
