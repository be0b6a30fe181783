"""What a caller sends: an image and how it is to be read.

raw fields --validate_request--> image, ReadingOptions
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from ocr_runtime.errors import (
    AmbiguousImage,
    InvalidBase64,
    InvalidOption,
    MissingImage,
    UnsupportedImage,
)
from ocr_runtime.reading.page import ReadingOptions


def _missing() -> Any:
    """`None`, which BentoML's schema of a file cannot have as a plain default."""


class Image(BaseModel):
    """One image, as a file or as text."""

    image_file: Path = Field(
        default_factory=_missing,
        description="An encoded image: JPEG, PNG, WebP, BMP, TIFF or GIF. "
        "Its name and declared type do not matter.",
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
        kind = str(cls.model_fields[str(info.field_name)].annotation)
        if "bool" in kind:
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


def validate_request(fields: Mapping[str, Any]) -> tuple[bytes | str, ReadingOptions]:
    """Separate the image from the options, and check both.

    Args:
        fields: the raw fields by name; others than those of `OCRRequest` are ignored.

    Returns:
        The encoded image, as bytes or as base64 text, and the options.

    Raises:
        MissingImage, AmbiguousImage: not exactly one image; an empty one counts as missing.
        InvalidBase64, UnsupportedImage: the image's field holds something else than an image.
        InvalidOption: an option is not of its type or range.
    """
    image_file, image_data = fields.get("image_file"), fields.get("image_data")
    if isinstance(image_data, str):
        image_data = image_data.strip()
    if isinstance(image_file, Path):  # called in process
        image_file = image_file.read_bytes()
    images = [image for image in (image_file, image_data) if image not in (None, "", b"")]
    if len(images) > 1:
        raise AmbiguousImage
    if not images:
        raise MissingImage
    (image,) = images
    if image is image_file and not isinstance(image, bytes):
        raise UnsupportedImage("image_file must be a file part; base64 belongs into image_data.")
    if image is image_data and not isinstance(image, str):
        raise InvalidBase64
    try:
        options = RequestOptions.model_validate(fields)
    except ValidationError as exc:
        raise InvalidOption(_expectation(str(exc.errors()[0]["loc"][0]))) from exc
    return image, options


def _expectation(option: str) -> str:
    schema = RequestOptions.model_json_schema()["properties"][option]
    if schema["type"] == "boolean":
        return f"{option} must be true or false."
    return f"{option} must be a number from {schema['minimum']} to {schema['maximum']}."
