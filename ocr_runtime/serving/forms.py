"""The body of a request -> its fields, unchecked.

multipart/form-data                 the file as bytes, all other fields as text
application/x-www-form-urlencoded   all fields as text
application/json                    the values as JSON gives them
image/*, application/pdf, other     the body is the file, the fields are query parameters

An endpoint may also take options from the query beside a form; `/ocr` does not.
"""

import json
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import unquote_to_bytes

from python_multipart import FormParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header

from ocr_runtime.documents.kinds import guess
from ocr_runtime.documents.opening import is_file
from ocr_runtime.errors import AmbiguousImage, MalformedRequest, UnsupportedMediaType

_T = TypeVar("_T")
_Parameters = dict[bytes, bytes]

# Its warnings about broken bodies concern the caller, who gets our error, not the operator.
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)

_MAX_FIELDS = 100
_MAX_VALUES = 10_000
"""Values in a JSON body, counted by its commas, of which base64 has none. Parsing a million takes
a second."""
_MAX_ESCAPES = 100_000
"""Escapes other than those of base64; decoding each takes about a microsecond."""
_ESCAPES_OF_BASE64 = {
    escape: bytes([character])
    for character in b"+/=\r\n:;,"
    for escape in (b"%%%02X" % character, b"%%%02x" % character)
}
_MAX_PART_HEADER_BYTES = 1 << 20
"""Of a multipart part: its header holds the file name, which may be very long."""


@dataclass(frozen=True)
class ParsedForm:
    """The fields of a request that the endpoint knows, and the names of all others."""

    fields: dict[str, Any]
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True)
class Part:
    """A part of a multipart body.

    Args:
        name: of its field.
        value: as it was sent.
        file_name: None of a part that is no file.
    """

    name: str
    value: bytes
    file_name: str | None = None


@dataclass(frozen=True, kw_only=True)
class Names:
    """The fields that an endpoint knows.

    Args:
        fields: names that a caller may use, each with the field that it names.
        file: the field that holds the bytes of a file.
        text: the field that holds a file as base64.
        verbatim: the fields whose values are taken as they are; of others, the quotes of JSON are
            taken away.
        in_query: whether options may be query parameters beside a form; else those are ignored.
    """

    fields: Mapping[str, str]
    file: str
    text: str
    verbatim: Collection[str] = ()
    in_query: bool = False

    def read(self, name: str, value: bytes | str) -> bytes | str:
        """Return the value of a field of a form: bytes of a file as they are, others as text."""
        field = self.fields.get(name)
        if isinstance(value, bytes):
            if field == self.file:
                return value
            value = value.decode("utf-8", "replace")
        return value if field in self.verbatim else unquoted(value)


def separated(fields: dict[str, Any], *, names: Names) -> ParsedForm:
    """Separate the fields that the endpoint knows from all others."""
    return _unique(fields.items(), names)


def parse(
    content_type: str, body: bytes, *, names: Names, query: Iterable[tuple[str, str]] = ()
) -> ParsedForm:
    """Split a body into its fields.

    Args:
        content_type: the header of the request.
        body: as it was sent.
        names: of the fields that the endpoint knows; all others are only named in the result.
        query: the parameters of the address. Options are read from them if the body itself is the
            file, or if `names` says so; files never.

    Raises:
        UnsupportedMediaType: `content_type` is none of the three, nor that of a file.
        MalformedRequest: the body is not what `content_type` says, or it repeats an option.
        AmbiguousImage: the body repeats a file.
    """
    media_type, parameters = parse_options_header(content_type)
    kind = media_type.strip().decode("latin-1")
    body_is_file = _is_file(kind, body)
    if body_is_file:
        form = ParsedForm({names.file: body})
    elif not kind and not body:
        form = ParsedForm({})
    elif kind in READERS:
        form = READERS[kind](body, parameters, names)
    else:
        raise UnsupportedMediaType(
            f"Send the fields as one of: {', '.join(READERS)}; or a PDF or an image itself, as "
            f"image/*, application/pdf or application/octet-stream.{guess(body)}"
        )
    options, ignored = [], list(form.ignored)
    for name, value in query:
        names_file = names.fields.get(name) in (names.file, names.text)
        if (body_is_file or names.in_query) and not names_file:
            options.append((name, value))
        else:
            ignored.append(name)
    both = _unique([*form.fields.items(), *options], names)
    return ParsedForm(both.fields, tuple(dict.fromkeys([*ignored, *both.ignored])))


def _is_file(kind: str, body: bytes) -> bool:
    """Whether a body is itself the file: by its content type, or as `curl --data-binary` sends it.

    curl -T states no content type; --data-binary states that of a form.
    """
    if kind.startswith("image/") or kind in _FILE_KINDS:
        return True
    return kind in ("", "application/x-www-form-urlencoded") and is_file(body)


_FILE_KINDS = ("application/pdf", "application/octet-stream")


def multipart_parts(content_type: str, body: bytes) -> list[Part]:
    """Split a multipart body into its parts, in their order; a field may be there repeatedly.

    Args:
        content_type: the header of the request.
        body: as it was sent.

    Raises:
        UnsupportedMediaType: `content_type` is another one.
        MalformedRequest: the body is not multipart.
    """
    media_type, parameters = parse_options_header(content_type)
    if media_type.strip() != b"multipart/form-data":
        raise UnsupportedMediaType("Send the fields as multipart/form-data.")
    return _parts(body, parameters)


def _parts(body: bytes, parameters: _Parameters) -> list[Part]:
    parts: list[Part] = []
    ended: list[bool] = []

    def add(name: bytes, value: bytes, file_name: bytes | None = None) -> None:
        shown = None if file_name is None else file_name.decode("utf-8", "replace")
        parts.append(Part(name.decode("utf-8", "replace"), value, shown))
        if len(parts) > _MAX_FIELDS:
            raise FormParserError("too many fields")

    def add_file(part: Any) -> None:
        part.file_object.seek(0)
        add(part.field_name, part.file_object.read(), part.file_name or b"")

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
    return parts


def _multipart(body: bytes, parameters: _Parameters, names: Names) -> ParsedForm:
    parts = _parts(body, parameters)
    return _unique(((part.name, names.read(part.name, part.value)) for part in parts), names)


def _urlencoded(body: bytes, _: _Parameters, names: Names) -> ParsedForm:
    if body.count(b"&") >= _MAX_FIELDS:
        raise MalformedRequest("The form has too many fields.")
    pairs = [field.partition(b"=") for field in body.split(b"&") if field]
    unescaped = ((_unescaped(name), _unescaped(value)) for name, _, value in pairs)
    form = _unique(((name, names.read(name, value)) for name, value in unescaped), names)
    base64 = form.fields.get(names.text, "")
    if base64.strip() and b"%2B" not in body.upper():  # base64 whose "+" were not escaped
        form.fields[names.text] = base64.replace(" ", "+")
    return form


def _unescaped(text: bytes) -> str:
    """Decode the percent escapes of a form; those of base64 all at once, since there are many."""
    text = text.replace(b"+", b" ")
    for escape, character in _ESCAPES_OF_BASE64.items():
        text = text.replace(escape, character)
    if text.count(b"%") > _MAX_ESCAPES:
        raise MalformedRequest("The form has too many escapes.")
    return unquote_to_bytes(text).decode("utf-8", "replace")


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that a body is, with all that is in it; of a name, the last value.

    Raises:
        MalformedRequest: it is none, or has too many values.
    """
    return _object(body, dict)


def _json(body: bytes, _: _Parameters, names: Names) -> ParsedForm:
    return _unique(_object(body, _Object), names)


def _object(body: bytes, made: type[_T]) -> _T:
    """Parse a JSON object; it and the objects within it are made of their pairs."""
    if body.count(b",") > _MAX_VALUES:
        raise MalformedRequest("The JSON has too many values.")
    try:
        content = json.loads(body or b"{}", object_pairs_hook=made)
    except (ValueError, RecursionError) as exc:
        raise MalformedRequest("The body is not valid JSON.") from exc
    if not isinstance(content, made):
        raise MalformedRequest("The JSON body must be an object.")
    return content


class _Object(list[tuple[str, Any]]):
    """The pairs of a JSON object, as they were sent: a name may be there twice."""


def _unique(pairs: Iterable[tuple[str, Any]], names: Names) -> ParsedForm:
    fields: dict[str, Any] = {}
    ignored: dict[str, None] = {}  # a set that keeps the order
    for name, value in pairs:
        field = names.fields.get(name)
        if field is None:
            ignored[name] = None
        elif field in fields:
            if field in (names.file, names.text):
                raise AmbiguousImage
            raise MalformedRequest(f"The field {name} was sent more than once.")
        else:
            fields[field] = value
    return ParsedForm(fields, tuple(ignored))


def unquoted(text: str) -> str:
    """Return the text that BentoML's Python client means, which writes the fields of forms as JSON.

    `null` is an empty text. What is no JSON text stays as it is.
    """
    if text == "null":
        return ""
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            return str(json.loads(text))
        except ValueError:
            return text
    return text


READERS: dict[str, Callable[[bytes, _Parameters, Names], ParsedForm]] = {
    "multipart/form-data": _multipart,
    "application/x-www-form-urlencoded": _urlencoded,
    "application/json": _json,
}
