"""The field of a JSON body that holds a file as base64 -> its text, or an error that names it."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ocr_runtime.errors import InvalidBase64, MissingImage

_URL = re.compile(r"\s*(?!data:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def text_in(fields: Mapping[str, Any], name: str) -> str:
    """Return what a field holds.

    Raises:
        MissingImage: nothing.
        InvalidBase64: something else than text, or a URL.
    """
    text = fields.get(name)
    if text is None or (isinstance(text, str) and not text.strip()):
        raise MissingImage(f"There is no file: the field {name} must hold its base64.")
    if not isinstance(text, str):
        raise InvalidBase64(f"The field {name} must be text: the base64 of a file.")
    if _URL.match(text):
        raise InvalidBase64(
            f"The field {name} holds a URL. URLs are never fetched: send the base64 of the file."
        )
    return text


@contextmanager
def named(name: str) -> Iterator[None]:
    """Name the field in the error for text that is not base64, which is raised while it is read."""
    try:
        yield
    except (InvalidBase64, MissingImage) as exc:
        if str(exc) != exc.sentence:  # says already what is wrong
            raise
        wrong = "is not base64" if isinstance(exc, InvalidBase64) else "holds base64 of nothing"
        raise type(exc)(f"The field {name} {wrong}.") from exc
