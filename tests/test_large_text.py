"""The profile `fast` looks for large text on a page of half the size, and reads it as well."""

import numpy as np
import pytest
from conftest import bgr
from PIL import Image, ImageDraw, ImageFont
from rapidfuzz import fuzz
from test_detection import LARGEST, DarkParts, assert_found, page

from ocr_runtime.documents.images import PageImage
from ocr_runtime.outputs import text
from ocr_runtime.reading.detection import detect
from ocr_runtime.reading.engine import Engine
from ocr_runtime.reading.large_text import SHORTEST, is_all_large, looks_large
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


def test_of_narrow_pages_no_half_is_looked_at():
    assert not looks_large(np.zeros((2 * SHORTEST - 2, 900, 3), np.uint8), 0.5)
    assert looks_large(np.zeros((2 * SHORTEST, 900, 3), np.uint8), 0.5)


@pytest.mark.parametrize(
    ("heights", "large"), [([20, 32, 40], True), ([18, 32, 40], False), ([30, 30, 40], False)]
)
def test_text_is_large_where_most_boxes_are_and_none_is_tiny(heights, large):
    boxes = [[[0, 0], [90, 0], [90, height], [0, height]] for height in heights]
    blank = np.zeros((200, 200, 3), np.uint8)
    assert is_all_large(blank, 0.5, np.array(boxes, np.float32)) == large


def test_a_page_without_boxes_has_no_large_text():
    assert not is_all_large(text_page(40), 0.5, np.empty((0, 4, 2), np.float32))


def poster(small: int, colours: tuple[str, str] = ("black", "white")) -> np.ndarray:
    """Seven headlines, and below them a line of small print."""
    image = Image.new("RGB", (900, 1200), colours[1])
    draw = ImageDraw.Draw(image)
    for number in range(7):
        draw.text((40, 30 + 96 * number), f"Summer Sale {number}", colours[0], font(60))
    draw.text((60, 1150), PRINT_TEXT, colours[0], font(small))
    return bgr(image)


PRINT_TEXT = "Terms apply, see our website for details."


def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


@pytest.mark.parametrize("small", [9, 10, 12, 14, 18])
@pytest.mark.parametrize("colours", [("black", "white"), ("white", "navy")], ids="-on-".join)
def test_small_print_below_headlines_is_read(fast, small, colours):
    lines = fast.read(PageImage.of(poster(small, colours)), ReadingOptions()).lines
    assert len(lines) == 8
    assert fuzz.ratio(max((line.text for line in lines), key=len), PRINT_TEXT) > 80


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["one_column 15°", "one_column -8°", "tiers", "vertical", "two_columns 5°", "receipt"]
)
def test_pages_are_read_right(fast, name):
    (sample,) = (sample for sample in drawn() if sample.name == name)
    read = fast.read(sample.page, ReadingOptions())
    assert normal(text.write(read).splitlines()) == normal(sample.lines)
