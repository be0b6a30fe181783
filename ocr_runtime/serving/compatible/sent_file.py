"""A file as the request of a contract holds it -> the fields that our endpoints take.

Errors name the fields of that contract, in which the caller looks for them.
"""

import re

from ocr_runtime.documents.base64_text import from_base64
from ocr_runtime.documents.images import ACCEPTED, NOT_ACCEPTED
from ocr_runtime.documents.kinds import guess, is_text
from ocr_runtime.errors import InvalidBase64, MissingImage, UnsupportedDocument, UnsupportedImage
from ocr_runtime.serving.forms import ParsedForm

_URL = re.compile(r"\s*(?!data:)[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def file_form(
    data: bytes, missing: str = "", *, field: str = "file", **options: object
) -> ParsedForm:
    """Make the fields of a document.

    Args:
        data: the file.
        missing: what to send, where it is empty.
        field: of ours, that takes it.
        options: further fields; None stands for a missing one.

    Raises:
        MissingImage: the file is empty.
        UnsupportedImage, UnsupportedDocument: it is text.
    """
    if not data:
        raise MissingImage(missing)
    if is_text(data):
        if field == "image_file":
            raise UnsupportedImage(f"{NOT_ACCEPTED}{guess(data)}")
        raise UnsupportedDocument(
            "This is neither a PDF nor an image in one of the accepted formats: "
            f"{ACCEPTED}.{guess(data)}"
        )
    chosen = {name: value for name, value in options.items() if value is not None}
    return ParsedForm({field: data, **chosen})


def decoded(text: object, field: str) -> bytes:
    """Return the bytes of base64, or of a `data:` URL.

    Args:
        text: as it was sent.
        field: that holds it.

    Raises:
        InvalidBase64: it is none; or it is the URL of something, which is never fetched.
        MissingImage: there is nothing in it.
    """
    if text is None:
        raise MissingImage(f"There is no {field}: send the base64 of a file.")
    if not isinstance(text, str):
        raise InvalidBase64(f"{field} must be text: the base64 of a file.")
    if _URL.match(text[:100]):
        raise InvalidBase64(f"{field} holds a URL. URLs are never fetched: send the file itself.")
    try:
        return from_base64(text)
    except InvalidBase64 as exc:
        raise InvalidBase64(f"{field} is not base64.") from exc
    except MissingImage as exc:
        raise MissingImage(f"{field} is empty: send the base64 of a file.") from exc
