"""The profile `fast` looks for large text on a page of half the size, and reads it as well."""

import numpy as np
import pytest
from conftest import bgr
from PIL import Image, ImageDraw, ImageFont
from test_detection import LARGEST, DarkParts, assert_found, page

from ocr_runtime.outputs import text
from ocr_runtime.reading.detection import detect
from ocr_runtime.reading.engine import Engine
from ocr_runtime.reading.large_text import SHORTEST, is_large, looks_large
from ocr_runtime.reading.page import ReadingOptions
from ocr_runtime.settings import Settings
from scripts.measuring.measures import normal
from scripts.measuring.samples import drawn

LARGE = [(40, top, 760, top + 60) for top in range(40, 1000, 120)]
PRINT = (40, 1100, 400, 1112)
"""Bars (left, top, right, bottom): lines for `DarkParts`."""


def text_page(size: int, lines: int = 12) -> np.ndarray:
    image = Image.new("RGB", (900, 900), "white")
    for number in range(lines):
        place = (40, 30 + number * 2 * size)
        ImageDraw.Draw(image).text(
            place, f"Message {number}", "black", ImageFont.load_default(size)
        )
    return bgr(image)


def shown(pixels: np.ndarray, *, half_first: bool = True) -> list[tuple[int, ...]]:
    """The sizes at which a page is shown."""
    detector = DarkParts()
    detect(detector, pixels, max_pixels=LARGEST, half_first=half_first)
    return detector.shown


@pytest.fixture(scope="module")
def fast() -> Engine:
    return Engine(Settings(profile="fast"))


HALF, WHOLE = (640, 448, 3), (1248, 832, 3)
"""What a page of 1200 x 800 is shown as."""


@pytest.mark.parametrize(
    ("bars", "sizes"), [(LARGE, [HALF]), ([*LARGE, PRINT], [HALF, WHOLE]), ([PRINT], [HALF, WHOLE])]
)
def test_large_text_is_found_on_a_page_of_half_the_size_and_small_print_on_the_whole(bars, sizes):
    detector = DarkParts()
    boxes, _ = detect(detector, page(800, 1200, bars), max_pixels=LARGEST, half_first=True)
    assert_found(boxes, bars)
    assert detector.shown == sizes


def test_where_the_letters_are_small_only_the_whole_page_is_shown():
    assert shown(text_page(16)) == [(960, 960, 3)]


def test_the_whole_page_is_shown_where_half_of_it_has_no_text():
    assert shown(page(800, 1200, [])) == [HALF, WHOLE]


def test_other_profiles_show_the_whole_page():
    assert shown(page(800, 1200, LARGE), half_first=False) == [WHOLE]


@pytest.mark.parametrize(("size", "large"), [(12, False), (16, False), (40, True), (70, True)])
def test_the_size_of_letters_is_guessed_from_the_ink(size, large):
    assert looks_large(text_page(size), 0.5) == large
    assert looks_large(255 - text_page(size), 0.5) == large


def test_a_page_that_would_be_narrower_than_the_margin_is_not_halved():
    assert not looks_large(np.zeros((2 * SHORTEST - 2, 900, 3), np.uint8), 0.5)
    assert looks_large(np.zeros((2 * SHORTEST, 900, 3), np.uint8), 0.5)


def test_text_is_large_where_most_boxes_are_and_none_is_tiny():
    assert is_large(np.array([10, 16, 20]))
    assert not is_large(np.array([9, 16, 20]))
    assert not is_large(np.array([15, 15, 20]))
    assert not is_large(np.array([]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["one_column 15°", "one_column -8°", "tiers", "vertical", "two_columns 5°", "receipt"]
)
def test_pages_are_read_right(fast, name):
    """Of the first four the whole size is not needed."""
    (sample,) = (sample for sample in drawn() if sample.name == name)
    read = fast.read(sample.page, ReadingOptions())
    assert normal(text.write(read).splitlines()) == normal(sample.lines)
