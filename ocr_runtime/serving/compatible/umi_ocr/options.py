"""The options of Umi-OCR that are honoured: their description, and the values of a request.

    {"tbpu.parser": "multi_line", ...} --checked--> the same, with the defaults of what is missing

Which there are and what they mean: https://github.com/hiroi-sora/Umi-OCR, `docs/http/api_ocr.md`.
"""

import functools
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocr_runtime.errors import InvalidOption
from ocr_runtime.settings import Settings

CLS, PARSER, IGNORED, FORMAT = "ocr.cls", "tbpu.parser", "tbpu.ignoreArea", "data.format"

PARSERS = {
    "multi_para": "Columns one after the other, a line break after each paragraph",
    "multi_line": "Columns one after the other, a line break after each line",
    "multi_none": "Columns one after the other, no line breaks",
    "single_para": "One column, a line break after each paragraph",
    "single_line": "One column, a line break after each line",
    "single_none": "One column, no line breaks",
    "none": "As the lines were found",
}
MOST_AREAS = 100
"""Each line is compared with each area."""
_FORMATS = {"dict": "Lines with their positions", "text": "Plain text"}


def options(settings: Settings) -> dict[str, dict[str, Any]]:
    """Return the options with their titles, defaults and values, as Umi-OCR describes its own."""
    return {
        CLS: {
            "title": "Upside-down lines",
            "toolTip": "Whether each line is turned if it is upside down.",
            "default": _cls_by_default(settings),
            "type": "boolean",
        },
        PARSER: _choice(
            "Layout", "In which order lines come, and what ends them.", "multi_para", PARSERS
        ),
        IGNORED: {
            "title": "Ignored areas",
            "toolTip": "A list, each area as [[x, y] of its top left, [x, y] of its bottom right]. "
            "Lines wholly within one are left out.",
            "default": [],
            "type": "var",
        },
        FORMAT: _choice("Format", "What `data` holds where text was found.", "dict", _FORMATS),
    }


def _choice(title: str, tip: str, default: str, values: Mapping[str, str]) -> dict[str, Any]:
    return {
        "title": title,
        "toolTip": tip,
        "default": default,
        "optionsList": [list(each) for each in values.items()],
        "type": "enum",
    }


def _cls_by_default(settings: Settings) -> bool:
    return True if settings.config is None else _cls_in(settings.config)


@functools.cache
def _cls_in(configuration: Path) -> bool:
    from ocr_runtime.reading.configuration import read_configuration  # noqa: PLC0415, loads RapidOCR

    return bool(read_configuration(configuration).get("Global.use_cls", True))


def checked(given: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """Return the value of each option.

    Args:
        given: by the caller; what is none of the options is ignored.
        settings: of the service.

    Raises:
        InvalidOption: a value is none that the option takes.
    """
    found = {}
    for name, option in options(settings).items():
        value = found[name] = given.get(name, option["default"])
        if option["type"] == "boolean" and not isinstance(value, bool):
            raise InvalidOption(f"{name} must be true or false.")
        if option["type"] == "enum":
            *others, last = (each for each, _ in option["optionsList"])
            if value not in (*others, last):
                raise InvalidOption(f"{name} must be {', '.join(others)} or {last}.")
        if option["type"] == "var" and not (isinstance(value, list) and all(map(_is_area, value))):
            raise InvalidOption(f"{name} must be a list of areas, each [[x1, y1], [x2, y2]].")
        if option["type"] == "var" and len(value) > MOST_AREAS:
            raise InvalidOption(f"{name} must be at most {MOST_AREAS} areas.")
    return found


def _is_area(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_point, value))


def _is_point(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(map(_is_coordinate, value))


def _is_coordinate(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf
