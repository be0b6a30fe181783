"""What a caller sends: an image and how it is to be read.

raw fields --validate_request--> image, ReadingOptions
"""

import re
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from ocr_runtime.documents.images import ACCEPTED
from ocr_runtime.errors import (
    AmbiguousImage,
    InvalidBase64,
    InvalidOption,
    MissingImage,
    UnknownField,
    UnsupportedImage,
)
from ocr_runtime.reading.page import ReadingOptions
from ocr_runtime.serving.forms import ParsedForm


def _missing() -> Any:
    """`None`, which BentoML's schema of a file cannot have as a plain default."""


class Image(BaseModel):
    """One image, as a file or as text."""

    image_file: Path = Field(
        default_factory=_missing,
        json_schema_extra={"format": "binary"},
        description=f"An image: {ACCEPTED}. Its name and declared content type do not matter.",
    )
    image_data: str = Field(
        default_factory=_missing,
        json_schema_extra={"minLength": 1},
        description="The same as base64: standard or URL-safe alphabet, with or without padding, "
        "line breaks or a `data:image/...;base64,` prefix.",
    )


def _without_null(schema: dict[str, Any]) -> None:
    """Describe an optional field by its type alone.

    `null` is accepted, but a form cannot send it, and Swagger UI would draw a JSON editor for it.
    """
    for field in schema["properties"].values():
        for choice in field.pop("anyOf", ()):
            if choice != {"type": "null"}:
                field.update(choice)


class RequestOptions(ReadingOptions):
    """Reading options in the spellings that forms and JSON bodies use."""

    model_config = ConfigDict(json_schema_extra=_without_null)

    @field_validator(*ReadingOptions.model_fields, mode="before")
    @classmethod
    def _normalise(cls, value: object, info: ValidationInfo) -> object:
        """Take an empty field for a missing one, and refuse what pydantic alone would accept."""
        if value == "":
            return None
        kinds = get_args(cls.model_fields[str(info.field_name)].annotation)
        if any(get_origin(kind) is Literal for kind in kinds):
            return str(value) if isinstance(value, int) else value  # as JSON may give an angle
        if bool in kinds:
            if isinstance(value, str) and value.lower() in ("t", "f", "y", "n"):
                raise ValueError("not one of the documented spellings")
        elif isinstance(value, bool) or (isinstance(value, str) and "_" in value):
            raise ValueError("pydantic takes True for 1.0 and 0_1 for 1.0")
        return value


def _one_image(schema: dict[str, Any]) -> None:
    _without_null(schema)
    schema["oneOf"] = [{"required": ["image_file"]}, {"required": ["image_data"]}]


class OCRRequest(RequestOptions, Image):
    """One image and how to read it. Send either `image_file` or `image_data`."""

    model_config = ConfigDict(json_schema_extra=_one_image)


def validate_request(
    form: ParsedForm, *, strict: bool = False
) -> tuple[bytes | str, ReadingOptions]:
    """Separate the image from the options, and check both.

    Args:
        form: unchecked fields of `OCRRequest`, and the names of what else was sent.
        strict: whether anything else is refused.

    Returns:
        The encoded image, as bytes or as base64 text, and the options.

    Raises:
        UnknownField: something was ignored, and that is not allowed.
        MissingImage, AmbiguousImage: not exactly one image; an empty one counts as missing.
        InvalidBase64, UnsupportedImage: the image's field holds something else than an image.
        InvalidOption: an option is not of its type or range.
    """
    if strict and form.ignored:
        raise UnknownField(_unknown(form.ignored[0]))
    image = _image(form.fields, form.ignored)
    try:
        options = RequestOptions.model_validate(form.fields)
    except ValidationError as exc:
        raise InvalidOption(_expectation(str(exc.errors()[0]["loc"][0]))) from exc
    return image, options


def _image(fields: Mapping[str, Any], ignored: Collection[str]) -> bytes | str:
    image_file, image_data = fields.get("image_file"), fields.get("image_data")
    if isinstance(image_data, str):
        image_data = image_data.strip()
    if isinstance(image_file, Path):  # where the method is called in process
        image_file = image_file.read_bytes()
    images = [image for image in (image_file, image_data) if image not in (None, "", b"")]
    if len(images) > 1:
        raise AmbiguousImage
    if not images:
        raise MissingImage(_right_names(ignored) if ignored else "")
    (image,) = images
    if image is image_data:
        if not isinstance(image, str):
            raise InvalidBase64
        if _URL.match(image):
            raise InvalidBase64(f"image_data holds a URL. {_NEVER_FETCHED}")
        return image
    if not isinstance(image, bytes):
        raise UnsupportedImage(_not_a_file(str(image)))
    if not image.translate(None, _PRINTABLE):  # no format of images consists of text alone
        raise UnsupportedImage(_not_a_file(image.decode("ascii")))
    return image


_PRINTABLE = bytes(range(32, 127)) + b"\t\r\n"
_URL = re.compile(r"\s*(?!data:)[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_NEVER_FETCHED = "URLs are never fetched: send the image itself, or its base64 as image_data."
_FILE_NAME = re.compile(r"[^\r\n]{0,4095}\.\w{1,5}\s*|[~.]{0,2}[/\\][^\r\n]{0,4095}")
_BASE64 = re.compile(r"\s*(data:[^,]{0,256};base64,[\s\S]*|[A-Za-z0-9+/_-]{64}[A-Za-z0-9+/_=\s-]*)")


def _not_a_file(text: str) -> str:
    """Explain what was sent as `image_file` in place of a file."""
    if _URL.match(text):
        return f"image_file holds a URL. {_NEVER_FETCHED}"
    if _BASE64.fullmatch(text):
        return "image_file holds base64 text: send that as image_data."
    if _FILE_NAME.fullmatch(text):
        return (
            "image_file holds the name of a file, not the file. "
            "With curl, write an @ before the name: -F image_file=@page.png"
        )
    return (
        f"image_file is not an image: it must be a file part with an image ({ACCEPTED}). "
        "Base64 text goes into image_data."
    )


def _right_names(ignored: Collection[str]) -> str:
    shown = ", ".join(name[:64] for name in list(ignored)[:5])
    return (
        f"There is no image: {shown} is not read here. "
        "Send a file as image_file, or its base64 as image_data."
    )


def _unknown(name: str) -> str:
    known = list(OCRRequest.model_fields)
    close = get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}."
    return f"There is no field or query parameter {name[:64]} to read; {hint}"


def _expectation(option: str) -> str:
    schema = RequestOptions.model_json_schema()["properties"][option]
    if "enum" in schema:
        *others, last = schema["enum"]
        return f"{option} must be {', '.join(others)} or {last}."
    if schema["type"] == "boolean":
        return f"{option} must be true or false."
    return f"{option} must be a number from {schema['minimum']} to {schema['maximum']}."
