"""Which way up a page is, and in which direction its lines are read."""

import os
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
import pytest
from conftest import DATA, TRUTH, bgr, page_bytes
from PIL import Image, ImageDraw, ImageFont
from test_detection import LARGEST, run  # noqa: F401, a fixture

from ocr_runtime.documents.images import decode
from ocr_runtime.reading.detection import Run, detect
from ocr_runtime.reading.engine import Engine
from ocr_runtime.reading.orientation import (
    boxes_as_sent,
    columns_on_their_side,
    find_orientation,
    read_lines,
    text_corners,
    turned,
)

pytestmark = pytest.mark.slow

LINES = int(os.environ.get("DIRECTION_LINES", "400"))
"""How many drawn lines are read both ways; 2,000 take a quarter of an hour on two cores."""

LATIN_FONTS = [
    Path(mpl.get_data_path()) / "fonts/ttf" / f"{name}.ttf"
    for name in ("DejaVuSans", "DejaVuSans-Bold", "DejaVuSerif", "DejaVuSansMono", "STIXGeneral")
]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
KINDS = {
    "letters": LETTERS,
    "capitals": LETTERS.upper(),
    "digits": "0123456789",
    "mixed": LETTERS + LETTERS.upper() + 2 * "0123456789" + ".,:-/",
}
BOTH_WAYS = set("bdpqnuszxoilwmv HINOSXZMWV 0125689 .:-/")
"""Characters that are characters upside down as well."""


HARD = (1229, 1374, 1530)
"""Upside down the first is read as one dash with a score of 0.94, "xqzuc" as "onzbx" with 0.97,
and "gduqs" as "sbnp6" with 0.97."""


class Read(NamedTuple):
    text: str
    score: float


class Stages:
    """The classifier and the recogniser, as `orientation` calls them; counts the crops read."""

    def __init__(self, engine: Engine) -> None:
        self._ocr = engine._ocr
        self.crops_read = 0

    def classify(self, crops: list[np.ndarray]) -> list[float]:
        _, found = self._ocr.cls_and_rotate(crops)
        return [score if label == "180" else 1 - score for label, score in found.cls_res]

    def read(self, crops: list[np.ndarray]) -> list[Read]:
        self.crops_read += len(crops)
        found = self._ocr.recognize_txt(crops)
        return list(map(Read, found.txts, map(float, found.scores)))

    def crops(self, page: np.ndarray, boxes: np.ndarray) -> list[np.ndarray]:
        return self._ocr.crop_text_regions(page, list(boxes))


@pytest.fixture
def stages(engine: Engine) -> Stages:
    return Stages(engine)


@pytest.fixture
def orientation(stages: Stages, run: Run) -> Callable[[np.ndarray], int]:  # noqa: F811
    def of(page: np.ndarray) -> int:
        boxes, _ = detect(run, page, max_pixels=LARGEST)
        crops = stages.crops(page, boxes)
        return find_orientation(boxes, crops, classify=stages.classify, read=stages.read)

    return of


def pixels(name: str) -> np.ndarray:
    return decode(page_bytes(name), max_pixels=10**7).pixels


def glyphs(name: str, size: int) -> list[Image.Image]:
    """The characters of one of the drawn pages, which are as wide as they are high."""
    page = Image.open(DATA / name).convert("RGB")
    places = [(row, place) for row, line in enumerate(TRUTH[name]) for place in range(len(line))]
    return [
        page.crop(
            (
                30 + size * place,
                28 + 2 * size * row,
                30 + size * (place + 1),
                28 + 2 * size * row + round(1.3 * size),
            )
        )
        for row, place in places
    ]


CHINESE, JAPANESE = glyphs("chinese.png", 36), glyphs("japanese.png", 34)


def joined(characters: list[Image.Image], *, column: bool = False) -> Image.Image:
    width, height = characters[0].size
    count = len(characters)
    size = (width + 12, height * count + 12) if column else (width * count + 12, height + 12)
    image = Image.new("RGB", size, "white")
    for place, character in enumerate(characters):
        image.paste(character, (6, 6 + place * height) if column else (6 + place * width, 6))
    return image


def vertical_page(characters: list[Image.Image], columns: int, dice: random.Random) -> np.ndarray:
    image = Image.new("RGB", (40 + 80 * columns, 760), "white")
    for number in range(columns):
        column = joined(dice.choices(characters, k=dice.randint(8, 14)), column=True)
        image.paste(column, (image.width - 80 * (number + 1), 20))
    return bgr(image)


def text_page(kind: str, font: Path) -> np.ndarray:
    dice = random.Random(kind)
    image = Image.new("RGB", (900, 440), "white")
    for row in range(8):
        drawn = text(dice, kind, 36)
        place = (30, 20 + 50 * row)
        ImageDraw.Draw(image).text(place, drawn, "black", ImageFont.truetype(font, 26))
    return bgr(image)


def text(dice: random.Random, kind: str, length: int) -> str:
    """Random words, but none that are words upside down as well, such as "izq dz pnu"."""
    words = ""
    while set(words) <= BOTH_WAYS:
        lengths = [dice.randint(2, 9) for _ in range(length // 3 + 1)]
        words = " ".join("".join(dice.choices(KINDS[kind], k=each)) for each in lengths)
        words = words[:length].strip()
    return words


def line(number: int) -> np.ndarray:
    """A clean line: letters, capitals, digits, mixed, Chinese or Japanese; 5 to 120 characters."""
    dice = random.Random(number)
    length = dice.choice([5, 6, 8, 10, 14, 20, 30, 45, 60, 80, 100, 120])
    kind = [*KINDS, "Chinese", "Japanese"][number % 6]
    if kind in KINDS:
        words = text(dice, kind, length)
        font = ImageFont.truetype(dice.choice(LATIN_FONTS), dice.choice([18, 22, 28, 36]))
        left, top, right, bottom = font.getbbox(words)
        image = Image.new("RGB", (round(right - left) + 8, round(bottom - top) + 8), "white")
        ImageDraw.Draw(image).text((4 - left, 4 - top), words, "black", font)
        return bgr(image)
    characters = CHINESE if kind == "Chinese" else JAPANESE
    return bgr(joined(dice.choices(characters, k=min(length, 60))))


def read_around(stages: Stages, crop: np.ndarray) -> int:
    """By how many degrees a page of this one line is turned until it is read."""
    height, width = crop.shape[:2]
    box = np.array([[[0, 0], [width, 0], [width, height], [0, height]]], np.float32)
    angle = find_orientation(box, [crop], classify=stages.classify, read=stages.read)
    ((_, turn),) = read_lines(
        box, [turned(crop, angle)], classify=stages.classify, read=stages.read
    )
    return (angle + turn) % 360


def spoilt(stages: Stages, numbers: Iterable[int]) -> list[tuple[int, int, int]]:
    """Lines that are not read in their direction: number, upright's turn, upside down's turn."""
    turns = [
        (number, *(read_around(stages, turned(line(number), angle)) for angle in (0, 180)))
        for number in numbers
    ]
    return [each for each in turns if each[1:] != (0, 180)]


@pytest.mark.timeout(600)
def test_no_line_is_spoilt_by_its_direction(stages):
    assert spoilt(stages, [*range(24), *HARD]) == []


@pytest.mark.timeout(1800)
def test_of_many_lines_none_is_spoilt_by_its_direction(stages):
    assert spoilt(stages, range(24, LINES)) == []


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
@pytest.mark.parametrize(
    "name", ["latin.png", "chinese.png", "japanese.png", "table.png", "dense.jpg", "small.png"]
)
def test_a_turned_page_is_found(orientation, name, angle):
    assert orientation(turned(pixels(name), -angle)) == angle


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
@pytest.mark.parametrize("kind", KINDS)
def test_a_turned_page_of_any_characters_is_found(orientation, kind, angle):
    assert orientation(turned(text_page(kind, LATIN_FONTS[0]), -angle)) == angle


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_no_upright_page_is_turned(orientation, name):
    assert orientation(pixels(name)) == (180 if "upside_down" in name else 0)


def test_an_upright_page_is_not_read_for_that(orientation, stages):
    orientation(pixels("latin.png"))
    assert stages.crops_read == 0


@pytest.mark.parametrize("characters", [CHINESE, JAPANESE], ids=["Chinese", "Japanese"])
@pytest.mark.parametrize("columns", [1, 3, 7])
@pytest.mark.parametrize("angle", [0, 180])
def test_columns_are_not_lines_on_their_side(orientation, characters, columns, angle):
    page = vertical_page(characters, columns, random.Random(columns))
    assert orientation(turned(page, -angle)) == angle


@pytest.mark.parametrize("characters", [CHINESE, JAPANESE], ids=["Chinese", "Japanese"])
@pytest.mark.parametrize("angle", [90, 270])
def test_columns_on_their_side_are_told_from_lines(stages, run, characters, angle):  # noqa: F811
    page = turned(vertical_page(characters, 6, random.Random(angle)), -angle)
    for more in (0, 90):
        boxes, _ = detect(run, page, max_pixels=LARGEST)
        crops = stages.crops(page, boxes)
        found = find_orientation(boxes, crops, classify=stages.classify, read=stages.read)
        assert found == (angle - 90 if not more else 0)
        page = turned(page, found)
        boxes, _ = detect(run, page, max_pixels=LARGEST)
        crops = stages.crops(page, boxes)
        readings = [
            reading
            for reading, _ in read_lines(boxes, crops, classify=stages.classify, read=stages.read)
        ]
        assert columns_on_their_side(boxes, crops, readings, read=stages.read) == (more == 0)
        page = turned(page, 90)


@pytest.mark.parametrize("name", ["chinese.png", "japanese.png"])
def test_lines_are_told_from_columns_on_their_side(stages, run, name):  # noqa: F811
    page = pixels(name)
    boxes, _ = detect(run, page, max_pixels=LARGEST)
    crops = stages.crops(page, boxes)
    assert not columns_on_their_side(boxes, crops, stages.read(crops), read=stages.read)


def test_lines_upside_down_on_an_upright_page_are_read(stages, run):  # noqa: F811
    page = pixels("latin.png")
    stamp = pixels("line_upside_down.png")
    page = np.vstack([page, np.full((80, page.shape[1], 3), 255, np.uint8)])
    page[-72 : -72 + stamp.shape[0], 100 : 100 + stamp.shape[1]] = stamp
    boxes, _ = detect(run, page, max_pixels=LARGEST)
    crops = stages.crops(page, boxes)
    assert find_orientation(boxes, crops, classify=stages.classify, read=stages.read) == 0
    found = read_lines(boxes, crops, classify=stages.classify, read=stages.read)
    turns = {reading.text: turn for reading, turn in found}
    assert turns == dict.fromkeys(TRUTH["latin.png"], 0) | {"One line of text": 180}


def test_a_single_character_is_not_laid_on_its_side(stages):
    image = Image.new("RGB", (18, 40), "white")
    ImageDraw.Draw(image).text((3, 2), "7", "black", ImageFont.truetype(LATIN_FONTS[0], 28))
    box = np.array([[[0, 0], [18, 0], [18, 40], [0, 40]]], np.float32)
    ((reading, _),) = read_lines(
        box, stages.crops(bgr(image), box), classify=stages.classify, read=stages.read
    )
    assert reading.text == "7"


def test_a_page_without_lines_is_upright(stages):
    none = np.empty((0, 4, 2), np.float32)
    assert find_orientation(none, [], classify=stages.classify, read=stages.read) == 0


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_boxes_come_back_to_the_page_as_sent(angle):
    sent = np.zeros((60, 100, 3), np.uint8)
    sent[10:20, 30:70] = 255
    upright = turned(sent, angle)
    rows, columns = np.nonzero(upright[:, :, 0])
    corners = np.array([[columns.min(), rows.min()], [columns.max() + 1, rows.max() + 1]], float)
    back = boxes_as_sent(corners, angle, 100, 60)
    assert sorted(map(tuple, [back.min(0), back.max(0)])) == [(30, 10), (70, 20)]


BOX = np.array([[0, 0], [300, 0], [300, 30], [0, 30]], np.float32)
COLUMN = np.array([[0, 0], [30, 0], [30, 300], [0, 300]], np.float32)


@pytest.mark.parametrize(
    ("box", "turn", "text", "first"),
    [
        (BOX, 0, "a line", [0, 0]),
        (BOX, 180, "a line", [300, 30]),
        (COLUMN, 0, "down the side", [30, 0]),
        (COLUMN, 180, "up the side", [0, 300]),
        (COLUMN, 0, "縦書きの文", [0, 0]),
        (COLUMN, 180, "縦書きの文", [30, 300]),
        (COLUMN[:, :] * [1, 0.2], 90, "7", [0, 0]),
    ],
)
def test_corners_begin_where_the_text_does(box, turn, text, first):
    corners = text_corners(box, turn, text)
    assert corners[0].tolist() == first
    assert sorted(corners.tolist()) == sorted(box.tolist())
