"""The plug-in of OCRmyPDF: `ocrmypdf --ocr-engine rapidocr scan.pdf searchable.pdf`.

    page image --ocrmypdf_reading--> Page --ocrmypdf_elements--> OcrElement
                                          --outputs.pdf--> a PDF of text, for `sandwich`
                                          --outputs.hocr--> hOCR

OCRmyPDF finds it by the entry point `ocrmypdf` of the package. As long as another engine is chosen,
it changes nothing but the choices of `--ocr-engine`.
"""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ocrmypdf import OcrEngine, hookimpl
from ocrmypdf.exceptions import BadArgsError, ExitCodeException, MissingDependencyError
from ocrmypdf.helpers import available_cpu_count
from ocrmypdf.hocrtransform import OcrElement
from ocrmypdf.pluginspec import OrientationConfidence

from ocr_runtime import __version__
from ocr_runtime.client.errors import FileFailed, RunEnded, UsageError
from ocr_runtime.client.ocrmypdf_elements import elements
from ocr_runtime.client.ocrmypdf_reading import PageReader, Place, reader, settings
from ocr_runtime.documents.document import Limits
from ocr_runtime.documents.opening import open_document
from ocr_runtime.outputs import hocr, pdf, text
from ocr_runtime.reading.page import Page
from ocr_runtime.serving.requests import DocumentOptions
from ocr_runtime.settings import SettingsError

_NAME = "rapidocr"
_TESSERACT = "ocrmypdf.builtin_plugins.tesseract_ocr"
_CORES = "rapidocr_cores"
"""Where OCRmyPDF's options hold how many cores a process may use."""

_SURE = 20.0
"""Confidence of a page that reads perfectly. OCRmyPDF turns pages from 14 on, which is a mean score
of 0.7: lines upside down have 0 to 0.7, see `reading.orientation.LEGIBLE`."""
_LEAST_SKEW = 0.1
"""Degrees. Less is not measured, and not worth drawing the page anew."""
_DPI = 72.0
"""Of an image that does not say."""

_ANY = Limits(max_pixels=sys.maxsize, max_pages=1, page_seconds=60)

_AS_IT_IS = DocumentOptions()
_WHICH_WAY_UP = DocumentOptions(use_rec=False, orientation="auto", layout="none")
_HOW_SKEWED = DocumentOptions(use_rec=False, orientation="0", layout="none")

_BLANK = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000200000002001000000005b0147590000000f4944415478da63f80f04"
    "0c83970000dae97f8126f2fa630000000049454e44ae426082"
)
"""An empty PNG, with which a service is tried."""

_LANGUAGES = frozenset(
    {
        *("aze", "cat", "ces", "cym", "dan", "deu", "eng", "est", "fin", "fra", "gle", "hrv"),
        *("hun", "isl", "ita", "lav", "lit", "mlt", "nld", "nor", "pol", "por", "ron", "slk"),
        *("slv", "spa", "sqi", "swe", "tur"),
        *("chi_sim", "chi_sim_vert", "chi_tra", "chi_tra_vert", "jpn", "jpn_vert"),
    }
)
"""What the recognition model of RapidOCR can read, all at once: see docs/languages.md."""


@hookimpl
def initialize(plugin_manager: Any) -> None:
    """Do not ask for Tesseract where it does not read.

    OCRmyPDF lets the plug-in of Tesseract check its program whichever engine is chosen. The plug-in
    is left in place otherwise, since its options are read.
    """

    def before(name: str, implementations: list[Any], arguments: dict[str, Any]) -> None:
        if name == "check_options" and _is_chosen(arguments["options"]):
            implementations[:] = [
                each for each in implementations if each.plugin_name != _TESSERACT
            ]

    plugin_manager.add_hookcall_monitoring(before, lambda *_: None)


@hookimpl
def add_options(parser: ArgumentParser) -> None:
    """Add `rapidocr` to the engines, and the options of this plug-in."""
    engine = parser._option_string_actions.get("--ocr-engine")  # noqa: SLF001, there is no other way
    if engine is not None and engine.choices is not None and _NAME not in engine.choices:
        engine.choices = [*engine.choices, _NAME]
    group = parser.add_argument_group("RapidOCR", "Options of --ocr-engine rapidocr")
    group.add_argument(
        "--rapidocr-address",
        metavar="URL",
        help="address of a service that reads, as http://localhost:3000; by default that of the "
        "environment variable RAPIDOCR_URL. Without one, pages are read in this process, with the "
        "settings of the service (OCR_PROFILE and others)",
    )
    group.add_argument(
        "--rapidocr-key",
        metavar="KEY",
        help="API key of that service; better in the environment variable RAPIDOCR_KEY, since "
        "other users of this machine may see the arguments of commands",
    )


@hookimpl
def check_options(options: Any) -> None:
    """Check the settings, or try the service, before anything is read."""
    if not _is_chosen(options):
        return
    place = _place(options)
    try:
        with _told():
            if place.address is None:
                settings()
            else:
                with closing(PageReader(replace(place, retries=0))) as trial:
                    trial.read(_BLANK, _AS_IT_IS)
    except BadArgsError:
        raise
    except ExitCodeException as exc:  # OCRmyPDF expects no other here
        raise MissingDependencyError(str(exc)) from exc


@hookimpl
def validate(pdfinfo: Any, options: Any) -> None:
    """Divide the cores among the processes that will read."""
    if not _is_chosen(options) or _place(options).address is not None:
        return
    jobs = options.jobs or available_cpu_count()
    processes = 1 if options.use_threads else min(len(pdfinfo), jobs)
    cores = min(settings().threads_per_worker, jobs)
    options.extra_attrs[_CORES] = max(1, cores // max(1, processes))


@hookimpl
def get_ocr_engine(options: Any) -> OcrEngine | None:
    return RapidOCREngine() if _is_chosen(options) else None


class RapidOCREngine(OcrEngine):
    """What OCRmyPDF asks an engine."""

    @staticmethod
    def version() -> str:
        return __version__

    @staticmethod
    def creator_tag(options: Any) -> str:  # noqa: ARG004
        return f"rapidocr-bento {__version__}"

    def __str__(self) -> str:
        return f"rapidocr-bento {__version__}"

    @staticmethod
    def languages(options: Any) -> frozenset[str]:
        """What is read, without being chosen; nothing where it is not known, and not checked."""
        is_known = _place(options).address is None and not settings().names_models
        return _LANGUAGES if is_known else frozenset()

    @staticmethod
    def get_orientation(input_file: Path, options: Any) -> OrientationConfidence:
        """Say how the page is turned, and how well it reads once it is turned back.

        An upright page is not read for this.

        Returns:
            By how many degrees clockwise the page is turned, as Tesseract says it.
        """
        data = input_file.read_bytes()
        angle = _read(data, _WHICH_WAY_UP, options).orientation
        if not angle:
            return OrientationConfidence(0, 0.0)
        upright = DocumentOptions(orientation=str(angle), layout="none")  # type: ignore[arg-type]
        lines = _read(data, upright, options).lines
        letters = sum(len(line.text or "") for line in lines)
        score = sum(len(line.text or "") * line.score for line in lines) / max(1, letters)
        return OrientationConfidence(360 - angle, _SURE * score)

    @staticmethod
    def get_deskew(input_file: Path, options: Any) -> float:
        """Say by how many degrees counter-clockwise the page is to be turned."""
        skew = _read(input_file.read_bytes(), _HOW_SKEWED, options).skew
        return skew if abs(skew) >= _LEAST_SKEW else 0.0

    @staticmethod
    def supports_generate_ocr() -> bool:
        return True

    @staticmethod
    def generate_ocr(
        input_file: Path, options: Any, page_number: int = 0
    ) -> tuple[OcrElement, str]:
        page = _read(input_file.read_bytes(), _AS_IT_IS, options)
        return elements(page, page_number), text.write(page)

    @staticmethod
    def generate_hocr(input_file: Path, output_hocr: Path, output_text: Path, options: Any) -> None:
        data = input_file.read_bytes()
        page = _read(data, _AS_IT_IS, options)
        with open_document(data, limits=_ANY) as document:  # of which no page is decoded
            output_hocr.write_text("".join(hocr.write_pages([page], document)), encoding="utf-8")
        output_text.write_text(text.write(page), encoding="utf-8")

    @staticmethod
    def generate_pdf(input_file: Path, output_pdf: Path, output_text: Path, options: Any) -> None:
        page = _read(input_file.read_bytes(), _AS_IT_IS, options)
        output_pdf.write_bytes(b"".join(pdf.write_text(page, page.dpi or _DPI)))
        output_text.write_text(text.write(page), encoding="utf-8")


def _is_chosen(options: Any) -> bool:
    return getattr(options, "ocr_engine", None) == _NAME


def _place(options: Any) -> Place:
    given = options.extra_attrs
    return Place(
        address=given.get("rapidocr_address") or os.environ.get("RAPIDOCR_URL") or None,
        key=given.get("rapidocr_key") or os.environ.get("RAPIDOCR_KEY", ""),
        cores=given.get(_CORES),
    )


def _read(data: bytes, how: DocumentOptions, options: Any) -> Page:
    """Read a page; what goes wrong is an error of OCRmyPDF."""
    with _told():
        return reader(_place(options)).read(data, how)


@contextmanager
def _told() -> Iterator[None]:
    """Turn what goes wrong into errors that OCRmyPDF shows, with an exit code of its own."""
    try:
        yield
    except SettingsError as exc:
        raise BadArgsError(str(exc)) from exc
    except (RunEnded, UsageError) as exc:
        sentence = str(exc).replace("--address", "--rapidocr-address")
        raise BadArgsError(sentence.replace("--key", "--rapidocr-key")) from exc
    except FileFailed as exc:
        if exc.code == "no_answer":
            raise MissingDependencyError(str(exc)) from exc
        raise ExitCodeException(f"{exc.code}: {exc}") from exc
