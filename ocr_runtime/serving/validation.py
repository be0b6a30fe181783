"""The fields of a parsed form -> a checked request, or a sentence that says what is wrong.

ParsedForm --validate_request--> Sent
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ocr_runtime.documents.images import ACCEPTED
from ocr_runtime.documents.kinds import is_text
from ocr_runtime.errors import (
    AmbiguousImage,
    InvalidBase64,
    InvalidOption,
    MissingImage,
    UnknownField,
    UnsupportedDocument,
    UnsupportedImage,
)
from ocr_runtime.serving.forms import ParsedForm
from ocr_runtime.serving.requests import OCRRequest, Request, Sent


def validate_request(
    form: ParsedForm, request: type[Request] = OCRRequest, *, strict: bool = False
) -> Sent:
    """Separate the file from the options, and check both.

    Args:
        form: unchecked fields of `request`, and the names of what else was sent.
        request: what the endpoint takes.
        strict: whether anything else is refused.

    Raises:
        UnknownField: something was ignored, and that is not allowed.
        MissingImage, AmbiguousImage: not exactly one file; an empty one counts as missing.
        InvalidBase64, UnsupportedImage, UnsupportedDocument: the file's field holds something else.
        InvalidOption: an option is not of its type or range.
    """
    if strict and form.ignored:
        raise UnknownField(_unknown(form.ignored[0], request))
    data = _file(form.fields, form.ignored, request)
    try:
        return Sent(data=data, options=request.options.model_validate(form.fields))
    except ValidationError as exc:
        name = str(exc.errors()[0]["loc"][0])
        raise InvalidOption(expectation(name, request)) from exc


def _file(
    fields: Mapping[str, Any], ignored: Collection[str], request: type[Request]
) -> bytes | str:
    file, text = fields.get(request.file_field), fields.get(request.text_field)
    if isinstance(text, str):
        text = text.strip()
    if isinstance(file, Path):  # where the method is called in process
        file = file.read_bytes()
    files = [each for each in (file, text) if each not in (None, "", b"")]
    if len(files) > 1:
        raise AmbiguousImage(_SENTENCES[request.file_field].ambiguous)
    if not files:
        raise MissingImage(_right_names(ignored, request))
    (data,) = files
    if data is text:
        if not isinstance(data, str):
            raise InvalidBase64(_SENTENCES[request.file_field].no_base64)
        if _URL.match(data):
            raise InvalidBase64(f"{request.text_field} holds a URL. {_never_fetched(request)}")
        return data
    if not isinstance(data, bytes):
        raise _not_a_file(str(data), request)
    if is_text(data):
        raise _not_a_file(data.decode("ascii"), request)
    return data


@dataclass(frozen=True)
class _Sentences:
    ambiguous: str
    no_base64: str
    unsupported: type[UnsupportedImage] | type[UnsupportedDocument]
    kind: str


_SENTENCES = {
    "image_file": _Sentences(
        AmbiguousImage.sentence, InvalidBase64.sentence, UnsupportedImage, "an image"
    ),
    "file": _Sentences(
        "Send either file or data, not both.",
        "data is not base64.",
        UnsupportedDocument,
        "a PDF or an image",
    ),
}

_URL = re.compile(r"\s*(?!data:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_FILE_NAME = re.compile(r"[^\r\n]{0,4095}\.\w{1,5}\s*|[~.]{0,2}[/\\][^\r\n]{0,4095}")
_BASE64 = re.compile(r"\s*(data:[^,]{0,256};base64,[\s\S]*|[A-Za-z0-9+/_-]{64}[A-Za-z0-9+/_=\s-]*)")


def _never_fetched(request: type[Request]) -> str:
    noun = "image" if request.file_field == "image_file" else "file"
    return f"URLs are never fetched: send the {noun} itself, or its base64 as {request.text_field}."


def _not_a_file(text: str, request: type[Request]) -> UnsupportedImage | UnsupportedDocument:
    """Explain what was sent in place of a file."""
    name, said = request.file_field, _SENTENCES[request.file_field]
    if _URL.match(text):
        return said.unsupported(f"{name} holds a URL. {_never_fetched(request)}")
    if _BASE64.fullmatch(text):
        return said.unsupported(f"{name} holds base64 text: send that as {request.text_field}.")
    if _FILE_NAME.fullmatch(text):
        return said.unsupported(
            f"{name} holds the name of a file, not the file. "
            f"With curl, write an @ before the name: -F {name}=@page.png"
        )
    part = "an image" if request.file_field == "image_file" else "a PDF or an image"
    return said.unsupported(
        f"{name} is not {said.kind}: it must be a file part with {part} ({ACCEPTED}). "
        f"Base64 text goes into {request.text_field}."
    )


def _right_names(ignored: Collection[str], request: type[Request]) -> str:
    noun = "image" if request.file_field == "image_file" else "file"
    send = f"Send a file as {request.file_field}, or its base64 as {request.text_field}."
    if not ignored:
        return "" if noun == "image" else send
    shown = ", ".join(name[:64] for name in list(ignored)[:5])
    return f"There is no {noun}: {shown} is not read here. {send}"


def _unknown(name: str, request: type[Request]) -> str:
    known = list(request.model_fields)
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}."
    return f"There is no field or query parameter {name[:64]} to read; {hint}"


def expectation(option: str, request: type[Request]) -> str:
    """Say in a sentence what an option takes."""
    schema = request.options.model_json_schema()["properties"][option]
    if "enum" in schema:
        *others, last = schema["enum"]
        return f"{option} must be {', '.join(others)} or {last}."
    if schema["type"] == "boolean":
        return f"{option} must be true or false."
    if schema["type"] == "string":
        return f"{option} must be text."
    number = "whole number" if schema["type"] == "integer" else "number"
    return f"{option} must be a {number} from {schema['minimum']} to {schema['maximum']}."
