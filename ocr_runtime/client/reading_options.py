"""The options of the service's forms <-> arguments of the command line.

`DocumentOptions.text_layer` is `--text-layer`, and so on, so that a new option of the service is an
argument at once. Values are checked by the same model.
"""

import argparse
import os
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from ocr_runtime.client.errors import UsageError
from ocr_runtime.serving.requests import DocumentOptions, DocumentRequest
from ocr_runtime.serving.validation import expectation

_BETTER_IN_ENVIRONMENT = (
    "; better in the environment variable RAPIDOCR_PASSWORD, since other users of this machine may "
    "see the arguments of commands"
)
_FIRST = ("pages", "dpi", "password", "text_layer", "orientation", "layout")


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """Add an argument for each option, those that are used most first.

    The password may be in the environment variable RAPIDOCR_PASSWORD.
    """
    group = parser.add_argument_group("how pages are read")
    fields = DocumentOptions.model_fields
    for name in [*_FIRST, *(name for name in fields if name not in _FIRST)]:
        field = fields[name]
        kinds = get_args(field.annotation)
        is_secret = name == "password"
        choices = [
            str(each) for kind in kinds if get_origin(kind) is Literal for each in get_args(kind)
        ]
        group.add_argument(
            _argument(name),
            dest=name,
            choices=choices or None,
            default=os.environ.get("RAPIDOCR_PASSWORD") or None if is_secret else None,
            metavar=None if choices else _metavar(name, kinds),
            help=(field.description or "").replace("%", "%%").replace("`", "")
            + _BETTER_IN_ENVIRONMENT * is_secret,
        )


def given_options(arguments: argparse.Namespace) -> DocumentOptions:
    """Return the options that were given, checked.

    Raises:
        UsageError: a value is of the wrong type or out of range.
    """
    given = {
        name: value
        for name in DocumentOptions.model_fields
        if (value := getattr(arguments, name)) is not None
    }
    try:
        return DocumentOptions.model_validate(given)
    except ValidationError as exc:
        name = str(exc.errors()[0]["loc"][0])
        sentence = expectation(name, DocumentRequest)
        raise UsageError(sentence.replace(name, _argument(name), 1)) from exc


def as_fields(options: DocumentOptions) -> dict[str, str]:
    """Return the options that were given as fields of a form."""
    fields = options.model_dump(exclude_none=True)
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in fields.items()
    }


def _argument(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _metavar(name: str, kinds: tuple[Any, ...]) -> str:
    if bool in kinds:
        return "BOOL"
    return {"pages": "PAGES", "password": "PASSWORD"}.get(name, "NUMBER")
