"""What the detector is shown of a page, and what becomes of the boxes that it gives back.

Where a detector is needed but not PP-OCR's, the one here finds what is dark.
"""

import cv2
import numpy as np
import pytest
from conftest import bgr
from PIL import Image, ImageDraw, ImageFont

from ocr_runtime.reading.detection import Run, detect, upright_corners
from ocr_runtime.reading.engine import Engine

pytestmark = pytest.mark.slow

LARGEST = 12_000_000


class DarkParts:
    """A detector that finds what is dark; it notes what it was shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.shown.append(image.shape)
        dark = (image.min(2) < 128).astype(np.uint8)
        parts, _ = cv2.findContours(dark, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        rectangles = [cv2.minAreaRect(part) for part in parts]
        boxes = [cv2.boxPoints(each) for each in rectangles if min(each[1]) >= 3]
        return np.array(boxes, np.float32).reshape(-1, 4, 2), np.ones(len(boxes), np.float32)


@pytest.fixture
def dark_parts() -> DarkParts:
    return DarkParts()


@pytest.fixture(scope="module")
def run(engine: Engine) -> Run:
    """PP-OCR's detector as RapidOCR sets it."""
    detector = engine._ocr.text_det

    def run(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        prepare = detector.get_preprocess()
        prepare.limit_type, prepare.limit_side_len = "max", max(image.shape)
        boxes, scores = detector.postprocess_op(detector.session(prepare(image)), image.shape[:2])
        return np.array(boxes, np.float32).reshape(-1, 4, 2), np.array(scores, np.float32)

    return run


def page(width: int, height: int, bars: list[tuple[int, int, int, int]]) -> np.ndarray:
    """White, with black bars (left, top, right, bottom)."""
    pixels = np.full((height, width, 3), 255, np.uint8)
    for left, top, right, bottom in bars:
        pixels[top:bottom, left:right] = 0
    return pixels


def assert_found(boxes: np.ndarray, bars: list[tuple[int, int, int, int]]) -> None:
    """Each bar has one box, to 6 pixels: pages are shrunk."""
    ends = np.hstack([boxes.min(1), boxes.max(1)])
    assert len(ends) == len(bars)
    distances = np.abs(ends[:, None] - np.array(bars)).max(2)
    assert distances.min(0).max() <= 6


def drawn(
    text: str, size: int, *, pad: int, ink: str = "black", paper: str = "white"
) -> np.ndarray:
    """A word cropped to its ink, and `pad` pixels around it."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("RGB", (round(right - left) + 2 * pad, round(bottom - top) + 2 * pad), paper)
    ImageDraw.Draw(image).text((pad - left, pad - top), text, ink, font)
    return bgr(image)


@pytest.mark.parametrize(
    ("width", "height"), [(1080, 12_000), (1080, 30_000), (12_000, 1080), (6000, 5000), (900, 700)]
)
def test_each_line_of_a_page_is_there_once(dark_parts, width, height):
    bars = [
        (left, top, left + 240, top + 40)
        for top in range(20, height - 60, 100)
        for left in range(20, width - 260, 320)
    ]
    boxes, scores = detect(dark_parts, page(width, height, bars), max_pixels=LARGEST)
    assert_found(boxes, bars)
    assert len(scores) == len(bars)


def test_a_line_longer_than_a_tile_is_one(dark_parts):
    bars = [(100, 100, 11_900, 140), (100, 300, 5000, 340)]
    boxes, _ = detect(dark_parts, page(12_000, 1000, bars), max_pixels=LARGEST)
    assert len(dark_parts.shown) > 1
    assert_found(boxes, bars)


@pytest.mark.parametrize("shape", [(7071, 7071), (50_000, 1000), (20, 2_500_000), (1, 3_000_000)])
def test_work_and_memory_have_a_bound(dark_parts, shape):
    detect(dark_parts, np.full((*shape, 3), 255, np.uint8), max_pixels=LARGEST)
    sizes = [height * width for height, width, _ in dark_parts.shown]
    assert max(sizes) <= LARGEST
    assert sum(sizes) <= 6 * LARGEST


def test_a_run_has_no_more_pixels_than_allowed(dark_parts):
    bars = [(100, top, 900, top + 30) for top in range(50, 1900, 90)]
    boxes, _ = detect(dark_parts, page(1000, 2000, bars), max_pixels=400_000)
    assert all(height * width <= 400_000 for height, width, _ in dark_parts.shown)
    assert_found(boxes, bars)


def test_sides_of_what_is_shown_are_multiples_of_32(dark_parts):
    for size in (1, 31, 500, 2000):
        detect(dark_parts, page(size, 700, []), max_pixels=LARGEST)
    assert all(height % 32 == width % 32 == 0 for height, width, _ in dark_parts.shown)


def test_small_print_of_a_large_page_is_shown_larger(dark_parts):
    bars = [(300, top, 900, top + 16) for top in range(50, 3900, 90)]
    detect(dark_parts, page(3000, 4000, bars), max_pixels=LARGEST)
    coarse, *fine = dark_parts.shown
    assert sum(height * width for height, width, _ in fine) > 3 * coarse[0] * coarse[1]


def test_the_margin_has_the_colour_of_the_ground():
    shown = []

    def run(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        shown.append(image)
        return np.empty((0, 4, 2), np.float32), np.empty(0, np.float32)

    pixels = np.full((20, 60, 3), (200, 100, 50), np.uint8)
    pixels[:, :10] = 0  # ink that touches the border
    boxes, scores = detect(run, pixels, max_pixels=LARGEST)
    assert (boxes.shape, scores.shape) == ((0, 4, 2), (0,))
    assert shown[0][0, 0].tolist() == [200, 100, 50]


def test_what_is_found_in_the_margin_is_nothing():
    def run(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        height = image.shape[0]
        boxes = [
            [[0, 0], [9, 0], [9, height], [0, height]],
            [[30, 30], [90, 30], [90, 50], [30, 50]],
        ]
        return np.array(boxes, np.float32), np.array([0.8, 0.9], np.float32)

    boxes, scores = detect(run, page(300, 200, []), max_pixels=LARGEST)
    assert boxes.tolist() == [[[14, 14], [74, 14], [74, 34], [14, 34]]]
    assert scores.tolist() == [np.float32(0.9)]


@pytest.mark.parametrize("degrees", range(-40, 41, 5))
@pytest.mark.parametrize("shape", [(300, 30), (30, 300)], ids=["line", "column"])
def test_corners_begin_at_the_top_left(degrees, shape):
    width, height = shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    box = corners @ np.array([[cos, sin], [-sin, cos]], np.float32) + 500
    orders = [np.roll(each, start, 0) for each in (box, box[::-1]) for start in range(4)]
    for ordered in upright_corners(np.array(orders)):
        assert np.array_equal(ordered, box)


def test_scores_stand_at_their_own_boxes():
    def run(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        boxes, _ = DarkParts()(image)
        return boxes, boxes[:, :, 1].max(1)

    bars = [(20, top, 400, top + 30) for top in range(50, 1900, 90)]
    boxes, scores = detect(run, page(500, 2000, bars), max_pixels=LARGEST)
    assert np.array_equal(np.argsort(boxes[:, :, 1].max(1)), np.argsort(scores))


def recognise(engine: Engine, pixels: np.ndarray, boxes: np.ndarray) -> list[str]:
    crops = engine._ocr.crop_text_regions(pixels, list(boxes))
    return list(engine._ocr.recognize_txt(crops).txts)


@pytest.mark.parametrize(
    "word",
    [
        ("Hello world", 18, 2),
        ("Total: 42.50", 16, 2),
        ("2025 01 02", 20, 4),
        ("A7K9Q", 24, 0),
        ("OK", 20, 0),
        ("7", 30, 3),
        ("INV-2026-1123", 16, 0),
        ("WARNING", 90, 6),
        ("the quick brown fox jumps over the lazy dog", 16, 1),
    ],
)
@pytest.mark.parametrize("colours", [("black", "white"), ("white", "black")], ids="-on-".join)
def test_a_cropped_word_is_one_line(engine, run, word, colours):
    text, size, pad = word
    pixels = drawn(text, size, pad=pad, ink=colours[0], paper=colours[1])
    boxes, _ = detect(run, pixels, max_pixels=LARGEST)
    found = [line.replace(" ", "") for line in recognise(engine, pixels, boxes)]
    assert found == [text.replace(" ", "")]


def test_letters_as_high_as_the_page_are_one_word(engine, run):
    pixels = drawn("EXIT", 600, pad=60)
    boxes, _ = detect(run, pixels, max_pixels=LARGEST)
    assert recognise(engine, pixels, boxes) == ["EXIT"]


def long_page(lines: int, width: int, height: int) -> tuple[np.ndarray, list[str]]:
    image = Image.new("RGB", (width, height), "white")
    texts = [f"Message {number} of user {number * 31 % 97}" for number in range(lines)]
    for number, text in enumerate(texts):
        place = (40, 20 + number * (height - 60) // lines)
        ImageDraw.Draw(image).text(place, text, "black", ImageFont.load_default(32))
    return bgr(image), texts


def test_a_long_screenshot_is_read_whole(engine, run):
    pixels, texts = long_page(60, 1080, 6000)
    boxes, _ = detect(run, pixels, max_pixels=LARGEST)
    in_order = boxes[np.argsort(boxes[:, 0, 1])]
    assert recognise(engine, pixels, in_order) == texts


def test_a_page_of_more_than_a_thousand_numbers_is_found_whole(engine, run):
    engine._ocr.text_det.postprocess_op.max_candidates, before = 5000, 1000
    try:
        image = Image.new("RGB", (2400, 2000), "white")
        for row, column in np.ndindex(49, 32):
            ImageDraw.Draw(image).text(
                (20 + column * 74, 10 + row * 40),
                str(1000 + row * 32 + column),
                "black",
                ImageFont.load_default(22),
            )
        boxes, _ = detect(run, bgr(image), max_pixels=LARGEST)
    finally:
        engine._ocr.text_det.postprocess_op.max_candidates = before
    assert len(boxes) == 49 * 32
