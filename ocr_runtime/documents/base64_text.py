"""Base64 in any spelling, or a data URL -> bytes."""

import base64
import binascii
import re

from ocr_runtime.errors import InvalidBase64, MissingImage

_DATA_URL = re.compile(r"\s*data:[^,]{0,256};base64,", re.IGNORECASE)
_TO_STANDARD = str.maketrans("-_", "+/", " \t\r\n\v\f")


def from_base64(text: str) -> bytes:
    """Return the bytes of base64 in any spelling, or of a data URL.

    Raises:
        InvalidBase64, MissingImage: text that is not base64, or that is base64 of nothing.
    """
    prefix = _DATA_URL.match(text)
    digits = text[prefix.end() if prefix else 0 :].translate(_TO_STANDARD).rstrip("=")
    if not digits:
        raise MissingImage
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError) as exc:
        raise InvalidBase64 from exc
