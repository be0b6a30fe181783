"""What a caller sends: a document or an image, and how it is to be read.

raw fields --validation.validate_request--> Sent --open--> document
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from ocr_runtime.documents.document import Document, Limits, TextLayer
from ocr_runtime.documents.images import ACCEPTED
from ocr_runtime.documents.opening import open_document, open_image
from ocr_runtime.errors import WrongPassword
from ocr_runtime.reading.page import ReadingOptions
from ocr_runtime.serving.forms import Names, unquoted


def _missing() -> Any:
    """`None`, which BentoML's schema of a file cannot have as a plain default."""


_BASE64_FORMS = (
    "standard or URL-safe alphabet, with or without padding, line breaks or a "
    "`data:{media_type};base64,` prefix."
)


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
        description="The same as base64: " + _BASE64_FORMS.format(media_type="image/..."),
    )


class File(BaseModel):
    """One document, as a file or as text."""

    file: Path = Field(
        default_factory=_missing,
        json_schema_extra={"format": "binary"},
        description=f"A PDF or an image: {ACCEPTED}. Its name and declared content type do not "
        "matter. `image_file` and `document_file` are other names of this field.",
    )
    data: str = Field(
        default_factory=_missing,
        json_schema_extra={"minLength": 1},
        description="The same as base64: "
        + _BASE64_FORMS.format(media_type="...")
        + " `image_data` is another name of this field.",
    )


def without_null(schema: dict[str, Any]) -> None:
    """Describe an optional field by its type alone.

    `null` is accepted, but a form cannot send it, and Swagger UI would draw a JSON editor for it.
    """
    for field in schema["properties"].values():
        for choice in field.pop("anyOf", ()):
            if choice != {"type": "null"}:
                field.update(choice)


class RequestOptions(ReadingOptions):
    """Reading options in the spellings that forms and JSON bodies use."""

    model_config = ConfigDict(json_schema_extra=without_null)

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


class DocumentOptions(RequestOptions):
    """The same, and which pages of a document are read, and how.

    Args:
        clip_pages: whether a range in `pages` may end after the last page.
    """

    clip_pages: ClassVar[bool] = False

    pages: str | None = Field(
        default=None,
        description="Numbers and ranges of the pages to read, as `1-3,7` or `3-`; all pages if "
        "missing.",
    )
    dpi: int | None = Field(
        default=None,
        ge=72,
        le=600,
        description="Pixels per inch at which pages of a PDF are rendered; if missing, those of "
        "the page's own images, 200 to 300.",
    )
    password: str | None = Field(default=None, description="Password of an encrypted PDF.")
    text_layer: TextLayer | None = Field(
        default=None,
        description="Whether the own text of a PDF is taken: `auto`, the default: page by page, "
        "where it can be trusted, other pages are read by OCR; `never`: all pages are read by "
        "OCR; `only`: nothing is read by OCR.",
    )

    @field_validator("pages", "dpi", "password", "text_layer", mode="before")
    @classmethod
    def _none_if_empty(cls, value: object, info: ValidationInfo) -> object:
        if value == "":
            return None
        if isinstance(value, bool) or (
            isinstance(value, str) and info.field_name == "dpi" and "_" in value
        ):
            raise ValueError("pydantic takes True for 1 and 1_0 for 10")
        return str(value) if isinstance(value, int) and info.field_name == "pages" else value


class Request(RequestOptions):
    """What an endpoint takes.

    Args:
        file_field, text_field: names of the fields that hold the file: its bytes, its base64.
        synonyms: other names of fields.
        options: the model of all other fields.
        options_in_query: whether those may also be query parameters beside a form.
    """

    file_field: ClassVar[str]
    text_field: ClassVar[str]
    synonyms: ClassVar[Mapping[str, str]] = {}
    options: ClassVar[type[RequestOptions]]
    options_in_query: ClassVar[bool] = True

    @classmethod
    def names(cls) -> Names:
        """Return the names of fields that a caller may send."""
        own = {name: name for name in cls.model_fields}
        return Names(
            fields=own | dict(cls.synonyms),
            file=cls.file_field,
            text=cls.text_field,
            verbatim=("password",),
            in_query=cls.options_in_query,
        )


def _one_file(schema: dict[str, Any]) -> None:
    without_null(schema)
    files = [name for name in schema["properties"] if name in _FILES]
    schema["oneOf"] = [{"required": [name]} for name in files]


_FILES = ("image_file", "image_data", "file", "data")


class OCRRequest(Request, Image):
    """One image and how to read it. Send either `image_file` or `image_data`."""

    model_config = ConfigDict(json_schema_extra=_one_file)
    file_field = "image_file"
    text_field = "image_data"
    options = RequestOptions
    options_in_query = False  # the original ignores them, and its callers may send some


class DocumentRequest(DocumentOptions, Request, File):
    """One document and how to read it. Send either `file` or `data`."""

    model_config = ConfigDict(json_schema_extra=_one_file)
    file_field = "file"
    text_field = "data"
    synonyms = {"image_file": "file", "document_file": "file", "image_data": "data"}
    options = DocumentOptions


@dataclass(frozen=True, kw_only=True)
class Sent:
    """A checked request.

    Args:
        data: the file, as bytes or as base64 text.
        options: everything else.
    """

    data: bytes | str
    options: RequestOptions

    def open(self, limits: Limits) -> Document:
        """Open the file; see `open_document` and `open_image` for what they raise."""
        options = self.options
        if not isinstance(options, DocumentOptions):
            return open_image(self.data, limits=limits)
        open_with = partial(
            open_document,
            self.data,
            limits=replace(limits, clip_pages=options.clip_pages),
            pages=options.pages,
            dpi=options.dpi,
            text_layer=options.text_layer or "auto",
        )
        password = options.password
        try:
            return open_with(password=password)
        except WrongPassword:
            meant = unquoted(password or "")
            if meant == password:
                raise
            return open_with(password=meant or None)
