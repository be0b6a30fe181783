"""A request's body -> its raw fields, in the three content types.

    multipart/form-data                 image_file as bytes, the others as text
    application/x-www-form-urlencoded   all as text
    application/json                    all as JSON gave them

BentoML's own parsing runs `json.loads` on every form field, caps them at 1 MiB and fetches what
looks like a URL; python-multipart, which it builds on, does none of this.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable
from typing import Any
from urllib.parse import unquote_to_bytes

from python_multipart import FormParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from ocr_runtime.errors import AmbiguousImage, MalformedRequest, UnsupportedMediaType

Fields = dict[str, Any]
_Parameters = dict[bytes, bytes]

# What it has to say of broken bodies is for the caller, who gets our error, not for the log.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

_MAX_FIELDS = 100
_MAX_VALUES = 10_000
_MAX_ESCAPES = 100_000
_ESCAPES_OF_BASE64 = {
    escape: bytes([character])
    for character in b"+/=\r\n:;,"
    for escape in (b"%%%02X" % character, b"%%%02x" % character)
}
_MAX_PART_HEADER_BYTES = 1 << 20  # a file name may be very long


def parse(content_type: str, body: bytes, *, names: Collection[str]) -> Fields:
    """Split a body into its fields; others than those of `names` are left out.

    Raises:
        UnsupportedMediaType: `content_type` is none of the three.
        MalformedRequest: the body is not what `content_type` says, or repeats an option.
        AmbiguousImage: the body repeats an image.
    """
    media_type, parameters = parse_options_header(content_type)
    if not media_type and not body:
        return {}
    try:
        read = READERS[media_type.strip().decode("latin-1")]
    except KeyError as exc:
        raise UnsupportedMediaType(f"Send the fields as one of: {', '.join(READERS)}.") from exc
    return read(body, parameters, names)


def _multipart(body: bytes, parameters: _Parameters, names: Collection[str]) -> Fields:
    pairs: list[tuple[str, Any]] = []
    ended: list[bool] = []

    def add(name: bytes, value: bytes) -> None:
        key = name.decode("utf-8", "replace")
        pairs.append((key, value if key == "image_file" else _text(value)))
        if len(pairs) > _MAX_FIELDS:
            raise FormParserError("too many fields")

    def add_file(part: Any) -> None:
        part.file_object.seek(0)
        add(part.field_name, part.file_object.read())

    try:
        parser = FormParser(
            "multipart/form-data",
            on_field=lambda part: add(part.field_name or b"", part.value or b""),
            on_file=add_file,
            on_end=lambda: ended.append(True),
            boundary=parameters.get(b"boundary"),
            config={
                "MAX_MEMORY_FILE_SIZE": len(body),  # never a temporary file
                "MAX_HEADER_SIZE": _MAX_PART_HEADER_BYTES,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as exc:
        raise MalformedRequest("The body is not valid multipart/form-data.") from exc
    if not ended:
        raise MalformedRequest("The multipart body ends before its last boundary.")
    return _unique(pairs, names)


def _urlencoded(body: bytes, _: _Parameters, names: Collection[str]) -> Fields:
    if body.count(b"&") >= _MAX_FIELDS:
        raise MalformedRequest("The form has too many fields.")
    pairs = [field.partition(b"=") for field in body.split(b"&") if field]
    unescaped = ((_unescaped(name), _text(_unescaped(value))) for name, _, value in pairs)
    fields = _unique(unescaped, names)
    image_data = fields.get("image_data", "")
    if image_data.strip() and b"%2B" not in body.upper():  # base64 whose "+" were not escaped
        fields["image_data"] = image_data.replace(" ", "+")
    return fields


def _unescaped(text: bytes) -> str:
    """Undo the escapes of a form, those of base64 first: one by one they cost a microsecond."""
    text = text.replace(b"+", b" ")
    for escape, character in _ESCAPES_OF_BASE64.items():
        text = text.replace(escape, character)
    if text.count(b"%") > _MAX_ESCAPES:
        raise MalformedRequest("The form has too many escapes.")
    return unquote_to_bytes(text).decode("utf-8", "replace")


def _json(body: bytes, _: _Parameters, names: Collection[str]) -> Fields:
    if body.count(b",") > _MAX_VALUES:  # base64 has none; a million take a second
        raise MalformedRequest("The JSON has too many values.")
    try:
        fields = json.loads(body or b"{}", object_pairs_hook=lambda pairs: _unique(pairs, names))
    except (ValueError, RecursionError) as exc:
        raise MalformedRequest("The body is not valid JSON.") from exc
    if not isinstance(fields, dict):
        raise MalformedRequest("The JSON body must be an object.")
    return fields


def _unique(pairs: Iterable[tuple[str, Any]], names: Collection[str]) -> Fields:
    fields: Fields = {}
    for name, value in pairs:
        if name not in names:
            continue
        if name in fields:
            if name.startswith("image_"):
                raise AmbiguousImage
            raise MalformedRequest("A field was sent more than once.")
        fields[name] = value
    return fields


def _text(value: bytes | str) -> str:
    """Read a form's text; BentoML's Python client writes every field of a form as JSON."""
    text = value if isinstance(value, str) else value.decode("utf-8", "replace")
    if text == "null":
        return ""
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text


READERS: dict[str, Callable[[bytes, _Parameters, Collection[str]], Fields]] = {
    "multipart/form-data": _multipart,
    "application/x-www-form-urlencoded": _urlencoded,
    "application/json": _json,
}
