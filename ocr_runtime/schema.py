"""What a caller sends and what it receives.

    raw fields --understand--> image, Options
    lines --answer--> {"0": {"rec_txt", "dt_boxes", "score"}, ...}

Coordinates are pixels of the upright image, origin top left, x before y.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, ValidationError
from pydantic.json_schema import WithJsonSchema
from typing_extensions import TypedDict  # pydantic asks for it before Python 3.12

from .errors import AmbiguousImage, InvalidBase64, InvalidOption, MissingImage, UnsupportedImage

Box = list[list[float]]
"""Four corners [x, y], clockwise from the one that is top left of the text."""


def _empty_is_missing(value: object) -> object:
    return None if value == "" else value


def _no_letter(value: object) -> object:
    if isinstance(value, str) and value.lower() in ("t", "f", "y", "n"):
        raise ValueError("pydantic takes these too, nobody else does")
    return value


def _no_lookalike(value: object) -> object:
    if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
        raise ValueError("pydantic takes True for 1.0 and 0_1 for 1.0")
    return value


def _missing() -> Any:
    """`None`, which BentoML's schema of a file cannot have as a plain default."""


# `null` is accepted but not advertised: a form has no null, and the UI would draw a JSON editor.
Flag = Annotated[
    Annotated[bool, BeforeValidator(_no_letter)] | None,
    BeforeValidator(_empty_is_missing),
    WithJsonSchema({"type": "boolean"}),
]
Share = Annotated[
    Annotated[float, Field(ge=0, le=1), BeforeValidator(_no_lookalike)] | None,
    BeforeValidator(_empty_is_missing),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": 1}),
]
Growth = Annotated[
    Annotated[float, Field(ge=1, le=4), BeforeValidator(_no_lookalike)] | None,
    BeforeValidator(_empty_is_missing),
    WithJsonSchema({"type": "number", "minimum": 1, "maximum": 4}),
]


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


class Options(BaseModel):
    """How one image is to be read; `None` means the configured default."""

    model_config = ConfigDict(frozen=True)

    use_det: Flag = Field(
        default=None, description="Detect text; off: the whole image is taken as one line."
    )
    use_cls: Flag = Field(
        default=None, description="Classify each line's direction, 0 or 180 degrees."
    )
    use_rec: Flag = Field(default=None, description="Recognise the text of each line.")
    text_score: Share = Field(
        default=None, description="Lines recognised with a lower score are left out."
    )
    box_thresh: Share = Field(
        default=None, description="Detected boxes with a lower score are left out."
    )
    unclip_ratio: Growth = Field(default=None, description="How far a detected box is grown.")
    return_word_box: Flag = Field(
        default=None, description="Add `words` to each line: Chinese by character, Latin by word."
    )
    return_single_char_box: Flag = Field(
        default=None, description="Add `words` to each line, every character on its own."
    )


class OCRRequest(Options, Image):
    """One image and how to read it. Send either `image_file` or `image_data`."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["image_file"]}, {"required": ["image_data"]}]}
    )


def understand(fields: Mapping[str, Any]) -> tuple[bytes | str, Options]:
    """Tell image and options apart and check them.

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
        options = Options.model_validate(fields)
    except ValidationError as exc:
        raise InvalidOption(_expectation(str(exc.errors()[0]["loc"][0]))) from exc
    return image, options


def _expectation(option: str) -> str:
    schema = Options.model_json_schema()["properties"][option]
    if schema["type"] == "boolean":
        return f"{option} must be true or false."
    return f"{option} must be a number from {schema['minimum']} to {schema['maximum']}."


@dataclass(frozen=True)
class Line:
    """What was found in one line of text; a stage that did not run leaves None."""

    score: float
    box: Box | None = None
    text: str | None = None
    cls_label: str | None = None
    words: list[tuple[str, float, Box]] | None = None


Score = Annotated[
    str | float,
    Field(description="Confidence of the last stage that ran, 0 to 1; four decimals as a string."),
]
DtBoxes = Annotated[
    Box, Field(description="Four corners [x, y] in pixels, clockwise from top left.")
]


class Word(TypedDict):
    """A part of a line."""

    txt: str
    score: Score
    box: DtBoxes


class Entry(TypedDict, total=False):
    """One line of text."""

    rec_txt: Annotated[str, Field(description="The text read.")]
    dt_boxes: DtBoxes
    cls_label: Annotated[
        Literal["0", "180"],
        Field(description="The direction, where only classification was asked for."),
    ]
    score: Score
    words: list[Word]


class OCRAnswer(RootModel[dict[str, Entry]]):
    """The lines in reading order, by their number from "0" upwards; `{}` where there is no text."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "0": {
                    "rec_txt": "香港深圳抽血，",  # noqa: RUF001
                    "dt_boxes": [[265.0, 18.0], [472.0, 231.0], [431.0, 271.0], [223.0, 59.0]],
                    "score": "0.8176",
                }
            }
        }
    )


def answer(lines: Iterable[Line], *, score_format: Literal["string", "number"]) -> OCRAnswer:
    """Write the lines as the original service does."""

    def shown(score: float) -> str | float:
        return f"{score:.4f}" if score_format == "string" else score

    entries: dict[str, Entry] = {}
    for number, line in enumerate(lines):
        entry = entries[str(number)] = Entry(score=shown(line.score))
        if line.text is not None:
            entry["rec_txt"] = line.text
        if line.box is not None:
            entry["dt_boxes"] = line.box
        if line.cls_label is not None:
            entry["cls_label"] = line.cls_label  # type: ignore[typeddict-item]
        if line.words is not None:
            entry["words"] = [
                Word(txt=text, score=shown(score), box=box) for text, score, box in line.words
            ]
    return OCRAnswer(entries)
