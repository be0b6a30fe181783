"""`rapidocr-bento models`: the models that are installed, and how to get and use others."""

import argparse
import os
import textwrap
from collections.abc import Iterator

from ocr_runtime.settings import Settings

_NAMES = {"Det": "detection", "Cls": "direction of lines", "Rec": "recognition"}

_HELP = """List the models that are installed: which are used with the present settings, what each
reads, and how to get and use others. Nothing is downloaded."""

HOW_TO_GET_OTHERS = """\
To get one of them where there is a network, RapidOCR's own downloader fetches what a configuration
names, into the folder above:

    rapidocr config --save_cfg_file rapidocr.yaml
    # in rapidocr.yaml, section Rec: ocr_version, model_type and lang_type of a line above
    rapidocr download_models --config rapidocr.yaml

To use it:

    OCR_CONFIG=rapidocr.yaml rapidocr-bento serve

A model file that you have is named by det_model_path, cls_model_path or rec_model_path:

    rec_model_path=/models/latin_PP-OCRv5_rec_mobile.onnx rapidocr-bento serve

`rapidocr-bento read` takes the same settings."""


def add_parser(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the arguments of this command: none."""
    parser = subparsers.add_parser(
        "models", help="list the models that are installed", description=_HELP, allow_abbrev=False
    )
    parser.set_defaults(run=run)


def run(_arguments: argparse.Namespace) -> int:
    """Print the models."""
    print("\n".join(lines(Settings.from_environ(os.environ))))
    return 0


def lines(settings: Settings) -> Iterator[str]:
    """Yield the lines that are printed."""
    from ocr_runtime.reading.installed_models import (  # noqa: PLC0415, slow
        installed_models,
        known_models,
        models_folder,
    )

    installed = installed_models(settings)
    yield f"Installed in {models_folder(settings)}:"
    for model in installed:
        yield ""
        yield f"{_NAMES.get(model.stage or '', 'unknown')}: {model.path.name}"
        yield f"    {model.size / 1e6:.1f} MB, {_use(model.used_by)}"
        if model.known:
            yield from _wrapped(
                f"{model.known.version} {model.known.kind}; in RapidOCR's own list it is for: "
                f"{', '.join(model.known.language_names)}"
            )
        if model.characters:
            yield f"    {model.characters} characters"
    yield ""
    yield "Recognition models that RapidOCR can download (ocr_version, model_type: lang_type):"
    yield ""
    names = {model.path.name for model in installed}
    others: dict[str, list[str]] = {}
    for known in known_models():
        if known.stage == "Rec" and known.file not in names:
            others.setdefault(f"{known.version}, {known.kind}", []).extend(known.languages)
    for name, languages in others.items():
        yield from _wrapped(f"{name}: {', '.join(sorted(languages))}")
    yield ""
    yield HOW_TO_GET_OTHERS


def _use(used_by: str | None) -> str:
    return f"used ({used_by})" if used_by else "not used"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, 96, initial_indent="    ", subsequent_indent="        ")
