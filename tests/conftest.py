"""The drawn pages, the engine, RapidOCR itself to compare with, and a server."""

import io
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rapidocr import RapidOCR
from serving import Server, serving

from ocr_runtime.documents.images import PageImage
from ocr_runtime.reading.engine import Engine
from ocr_runtime.reading.page import Line, ReadingOptions
from ocr_runtime.settings import Settings

collect_ignore = [] if "IMAGE" in os.environ else ["e2e/test_image.py"]  # see scripts/image

# A shell ignores Ctrl-C for what runs in the background; the programs that tests start would, too.
signal.signal(signal.SIGINT, signal.default_int_handler)

DATA = Path(__file__).parent / "data"
TRUTH: dict[str, list[str]] = json.loads((DATA / "truth.json").read_text())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.get_closest_marker("slow"):
            item.add_marker("quick")


def page_bytes(name: str) -> bytes:
    return (DATA / name).read_bytes()


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def bgr(image: Image.Image) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))[:, :, ::-1])


def read_lines(engine: Engine, page: np.ndarray, grant: Any = None, **options: Any) -> list[Line]:
    """The lines that an engine reads from a page with these options."""
    return engine.read(PageImage.of(page), ReadingOptions(**options), grant=grant).lines


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine that answers as RapidOCR does."""
    return Engine(Settings.from_environ({"OCR_PROFILE": "exact"}))


@pytest.fixture(scope="session")
def standard() -> Engine:
    """The engine with its default settings, which reads pages right."""
    return Engine(Settings.from_environ({}))


@pytest.fixture(scope="session")
def rapidocr() -> Callable[..., Any]:
    """RapidOCR as it comes: one instance, every option set anew at each call."""
    ocr = RapidOCR(params={"Global.log_level": "error"})
    defaults = {
        "use_det": True,
        "use_cls": True,
        "use_rec": True,
        "text_score": 0.5,
        "box_thresh": 0.5,
        "unclip_ratio": 1.6,
        "return_word_box": False,
        "return_single_char_box": False,
    }
    return lambda page, **options: ocr(page, **(defaults | options))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service with its default settings."""
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def latin() -> Image.Image:
    """A page of Latin text with accents; `TRUTH["latin.png"]` says which."""
    return Image.open(DATA / "latin.png").convert("RGB")


KEY, OTHER_KEY = "a-key-of-the-tests", "another-key-of-the-tests"


@pytest.fixture(scope="session")
def compatible(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service with the contracts of all other services, jobs, and no keys."""
    folder = tmp_path_factory.mktemp("compatible")
    jobs = {"OCR_JOBS_DIR": str(folder / "jobs")}
    with serving(folder, OCR_COMPATIBLE="all", **jobs) as running:
        yield running


@pytest.fixture(scope="session")
def compatible_keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same service, which asks for `KEY` or `OTHER_KEY`."""
    folder, keys = tmp_path_factory.mktemp("compatible_keyed"), f"{KEY},{OTHER_KEY}"
    jobs = {"OCR_JOBS_DIR": str(folder / "jobs")}
    with serving(folder, OCR_COMPATIBLE="all", OCR_API_KEYS=keys, **jobs) as running:
        yield running
