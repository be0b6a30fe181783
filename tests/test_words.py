"""Spaces and words: drawn lines with known words, whichever way they lie on the page."""

# ruff: noqa: RUF001 - full-width colons are meant

import copy
import functools
import json
import random
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import pytest
from conftest import DATA, TRUTH, bgr
from PIL import Image, ImageDraw, ImageFont
from rapidocr import RapidOCR
from rapidocr.ch_ppocr_rec.utils import CTCLabelDecode

from ocr_runtime.reading.marks import read_marks
from ocr_runtime.reading.page import Box, Line, Word
from ocr_runtime.reading.recognition import (
    CTCDecoder,
    Frames,
    RecognisedLine,
    Span,
    decode,
    likeliest,
)
from ocr_runtime.reading.words import as_read, is_turned, levelled, place, split, whole

pytestmark = pytest.mark.slow

WORDS = json.loads((DATA / "words.json").read_text())
TURNS = {
    0: (None, lambda x, y, _: (x, y)),
    90: (Image.Transpose.ROTATE_270, lambda x, y, size: (size[1] - y, x)),
    180: (Image.Transpose.ROTATE_180, lambda x, y, size: (size[0] - x, size[1] - y)),
    270: (Image.Transpose.ROTATE_90, lambda x, y, size: (y, size[0] - x)),
}
"""How a page is turned clockwise, and where a point of it goes."""
CHARACTERS = [*"_abc0123:-.,漢字：をがのあサ一ー", " "]


@dataclass
class Recogniser:
    ocr: RapidOCR
    character: list[str]

    def lines(self, crops: list[np.ndarray]) -> list[RecognisedLine]:
        read = self.ocr.recognize_txt(crops)
        answers = zip(read.word_results, read.imgs, strict=True)
        return [decode(frames, self.character, crop) for frames, crop in answers]

    def page(self, page: np.ndarray, *, flipped: bool = False) -> list[tuple[RecognisedLine, Box]]:
        """Each line and its box, from the corner where its text begins."""
        crops, found = self.ocr.detect_and_crop(page, {})
        turned = [is_turned(box) for box in found.boxes]
        boxes = [
            as_read(box.tolist(), turned=turn, flipped=flipped)
            for box, turn in zip(found.boxes, turned, strict=True)
        ]
        upright = [np.rot90(crop, 2) if flipped else crop for crop in crops]
        return list(zip(self.lines([*map(np.ascontiguousarray, upright)]), boxes, strict=True))


@pytest.fixture(scope="module")
def recogniser(engine) -> Recogniser:
    ocr = copy.copy(engine._ocr)
    ocr.text_rec, ocr.return_word_box = copy.copy(ocr.text_rec), True
    character = ocr.text_rec.postprocess_op.character
    ocr.text_rec.session = functools.partial(ocr.text_rec.session, reduce=likeliest)
    ocr.text_rec.postprocess_op = CTCDecoder(character)
    return Recogniser(ocr, character)


@pytest.mark.parametrize("name", sorted({*TRUTH, *WORDS} - {"blank.png"}))
def test_texts_and_scores_are_rapidocrs_but_for_spaces(name, recogniser, monkeypatch):
    ours, rapidocrs = recogniser.ocr.text_rec.postprocess_op, CTCLabelDecode(["-"])
    rapidocrs.character = recogniser.character
    expected = []

    def both(preds, return_word_box, **ratios):
        texts, _ = rapidocrs(preds, return_word_box, **ratios)
        read, frames = ours(likeliest(preds), return_word_box, **ratios)
        assert read == texts
        expected.extend(texts)
        return read, frames

    monkeypatch.setattr(recogniser.ocr.text_rec, "postprocess_op", both)
    whole_output = functools.partial(recogniser.ocr.text_rec.session, reduce=np.array)
    monkeypatch.setattr(recogniser.ocr.text_rec, "session", whole_output)
    lines = [line for line, _ in recogniser.page(bgr(Image.open(DATA / name)))]
    assert sorted(("".join(line.text.split()), line.score) for line in lines) == sorted(
        ("".join(text.split()), score) for text, score in expected
    )


def corners(ink: list[int], where: Callable, size: tuple[int, int]) -> np.ndarray:
    left, top, right, bottom = ink
    points = ((left, top), (right, top), (right, bottom), (left, bottom))
    return np.array([where(x, y, size) for x, y in points], float)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("name", ["words.png", "words_light.png"])
def test_words_are_where_they_were_drawn(name, turn, recogniser):
    image = Image.open(DATA / name).convert("RGB")
    transpose, where = TURNS[turn]
    page = bgr(image if transpose is None else image.transpose(transpose))
    read = {line.text: (line, box) for line, box in recogniser.page(page, flipped=turn >= 180)}
    assert set(read) == {text for text, _ in WORDS[name]}
    for text, expected in WORDS[name]:
        line, box = read[text]
        words = split(line)
        assert [word.text for word in words] == [word for word, _ in expected]
        height = np.linalg.norm(np.subtract(box[0], box[3]))
        for word, (_, ink) in zip(words, expected, strict=True):
            away = np.abs(place(word, box) - corners(ink, where, image.size))
            assert away.max() <= max(3, 0.1 * height), word


def test_vertical_characters_are_where_they_were_drawn(recogniser):
    read = recogniser.page(bgr(Image.open(DATA / "words_vertical.png")))
    expected = {text: [ink for _, ink in words] for text, words in WORDS["words_vertical.png"]}
    assert {line.text for line, _ in read} == set(expected)
    for line, box in read:
        for word, (left, top, right, bottom) in zip(split(line), expected[line.text], strict=True):
            lying = [[right, top], [right, bottom], [left, bottom], [left, top]]
            assert np.abs(np.subtract(place(word, box), lying)).max() <= 4  # of 38 pixels


def drawn_text(dice: random.Random) -> str:
    def word() -> str:
        names = ["total", "Invoice", "GST", "fill", "road", "Illinois", "tax", "visa", "Cash", "x"]
        return dice.choice(names)

    def number() -> str:
        return dice.choice([str(dice.randrange(10**6)), f"{dice.randrange(10**5) / 100:.2f}"])

    return dice.choice(
        [
            lambda: " ".join(word() for _ in range(dice.randrange(2, 8))),
            lambda: f"{word()}: {number()}",
            lambda: f"{word()} ({word()}) NO. {number()}",
            lambda: f"{dice.randrange(10, 29)}/11/20{dice.randrange(10, 30)} 18:{number()[:1]}5:06",
            lambda: f"{number()} x {number()} RM {number()}",
            lambda: f"{number()}, {word()} {word()}, {number()} {word()}.",
        ]
    )()


def drawn_line(seed: int) -> tuple[str, np.ndarray]:
    """A line of the font that comes with Pillow, dark on light or light on dark."""
    dice = random.Random(seed)
    text, size = drawn_text(dice), dice.choice([14, 18, 24, 32, 44])
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    margin = size // 4
    ink, paper = dice.choice([("black", "white"), ("#eeeeee", "#203060"), ("#802020", "#f0f0e0")])
    image = Image.new(
        "RGB", (int(right - left) + 2 * margin, int(bottom - top) + 2 * margin), paper
    )
    ImageDraw.Draw(image).text((margin - left, margin - top), text, ink, font)
    return text, bgr(image)


def test_spaces_of_drawn_lines_are_read(recogniser):
    texts, crops = zip(*map(drawn_line, range(100)), strict=True)
    read = [line.text for line in recogniser.lines(list(crops))]
    same = [
        (text, line)
        for text, line in zip(texts, read, strict=True)
        if "".join(text.split()) == "".join(line.split())
    ]
    assert len(same) >= 90
    wrong = [pair for pair in same if pair[0] != pair[1]]
    assert len(wrong) <= len(same) / 100, wrong


def line_of(text: str, *, space: float, gap: int) -> RecognisedLine:
    """Decode a line whose characters are bars of 6 pixels, 2 apart.

    Before the last one there is a wider gap, where a space has the given probability.
    """
    best, crop, x = [], np.full((32, 400, 3), 255, np.uint8), 8
    chances = np.zeros(50, np.float32)
    for i, character in enumerate(text):
        x += gap - 2 if i == len(text) - 1 else 0
        best += [0] * (x // 8 - len(best)) + [CHARACTERS.index(character)]
        crop[6:26, x : x + 6] = 0
        x += 8
    last = len(best) - 1
    chances[last - 1] = space
    best = np.array(best + [0] * (50 - len(best)))
    frames = Frames(best=best, chance=np.ones(50, np.float32), space=chances, on_crop=50)
    return decode(frames, CHARACTERS, crop)


@pytest.mark.parametrize(
    ("text", "space", "gap", "expected"),
    [
        ("ab:c", 0.3, 10, "ab: c"),
        ("ab:c", 0.3, 2, "ab:c"),  # no gap
        ("ab:c", 0.001, 10, "ab:c"),  # never a space
        ("ab:c", 0.005, 12, "ab: c"),  # hardly one, but a gap as wide as a letter
        ("ab12", 0.2, 10, "ab12"),
        ("ab12", 0.9, 18, "ab1 2"),  # the next column of a table
        ("1.2", 0.2, 10, "1.2"),
        ("a-b", 0.2, 10, "a-b"),
        ("abc.", 0.9, 18, "abc."),
        ("漢字漢", 0.9, 18, "漢字漢"),
        ("漢字a", 0.02, 10, "漢字 a"),
        ("漢字：a", 0.9, 18, "漢字：a"),
        ("ab：c", 0.3, 10, "ab： c"),
    ],
)
def test_a_space_needs_evidence(text, space, gap, expected):
    assert line_of(text, space=space, gap=gap).text == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("をー漢", "を一漢"),
        ("字がー字", "字が一字"),
        ("あー漢", "あー漢"),  # lengthens a vowel
        ("のー漢", "のー漢"),  # may do so
        ("サー漢", "サー漢"),
        ("をーサ", "をーサ"),
        ("漢ー字", "漢ー字"),  # a dash
        ("をー", "をー"),
        ("をーa", "をーa"),
    ],
)
def test_between_a_particle_and_a_chinese_character_stands_the_number(text, expected):
    assert line_of(text, space=0, gap=2).text == expected


def test_a_dash_between_spaces_stays():
    best = np.zeros(50, int)
    best[[2, 6, 10, 14, 18]] = [CHARACTERS.index(each) for each in "を ー 漢"]
    crop = np.full((32, 400, 3), 255, np.uint8)
    for left in (16, 80, 144):
        crop[6:26, left : left + 16] = 0
    ones, nothing = np.ones(50, np.float32), np.zeros(50, np.float32)
    frames = Frames(best=best, chance=ones, space=nothing, on_crop=50)
    assert decode(frames, CHARACTERS, crop).text == "を ー 漢"


def test_words_are_cjk_by_character_and_the_rest_between_spaces():
    text, spaced = "漢ab3字1.2", {6}
    spans = [
        Span(c, i / 10, i / 8, (i + 1) / 8, 0, 1, spaced=i in spaced) for i, c in enumerate(text)
    ]
    words = split(RecognisedLine(score=1, characters=tuple(spans)))
    assert [word.text for word in words] == ["漢", "ab3", "字", "1", ".2"]
    assert [word.score for word in words] == pytest.approx([0, 0.2, 0.4, 0.5, 0.65])
    assert (words[1].left, words[1].right) == (1 / 8, 4 / 8)
    assert [word.spaced for word in words] == [False, False, False, False, True]


def test_a_line_of_nothing_has_no_words(recogniser):
    (line,) = recogniser.lines([np.full((20, 60, 3), 255, np.uint8)])
    assert (line.text, split(line)) == ("", [])


def test_a_part_is_placed_along_the_edges_of_a_slanted_box():
    box = [[10.0, 10.0], [110.0, 30.0], [106.0, 50.0], [6.0, 30.0]]
    half = Span("x", 1, 0.5, 1, 0, 0.5, spaced=False)
    assert place(half, box) == [[60, 20], [110, 30], [108, 40], [58, 30]]


def test_a_part_is_placed_by_the_perspective_of_its_crop():
    box = np.array([[0, 0], [450, 0], [440, 37], [5, 35]], np.float32)
    crop = np.array([[0, 0], [450, 0], [450, 37], [0, 37]], np.float32)
    part = Span("x", 1, 0.3, 0.6, 0.1, 0.8, spaced=False)
    corners = [[135, 3.7], [270, 3.7], [270, 29.6], [135, 29.6]]
    back = cv2.getPerspectiveTransform(crop, box)
    expected = cv2.perspectiveTransform(np.array([corners]), back)[0]
    assert np.allclose(place(part, box.tolist()), expected)


def test_a_box_without_an_area_places_its_parts():
    assert place(Span("x", 1, 0, 1, 0, 1, spaced=False), [[5, 5]] * 4) == [[5, 5]] * 4


def spans(text: str, sides: list[tuple[float, float]]) -> RecognisedLine:
    """A line whose characters begin and end at these shares of its crop's width."""
    return RecognisedLine(
        score=1,
        characters=tuple(
            Span(each, 1, left, right, 0, 1, spaced=False)
            for each, (left, right) in zip(text, sides, strict=True)
        ),
    )


@pytest.mark.parametrize(
    ("sides", "length", "expected"),
    [
        ([(0.1, 0.3), (0.3, 0.5), (0.9, 1)], 4, "ab"),
        ([(0, 0.1), (0.5, 0.7), (0.7, 0.9)], 4, "bc"),
        ([(0.1, 0.3), (0.3, 0.5), (0.9, 1)], 2, "abc"),  # near
        ([(0.1, 0.3), (0.3, 0.5), (0.9, 0.95)], 4, "abc"),  # whole
        ([(0.1, 0.3), (0.3, 0.5), (1, 1)], 4, "abc"),  # without ink
    ],
)
def test_a_character_that_the_crop_cuts_off_is_of_another_line(sides, length, expected):
    assert whole(spans("abc", sides), length).text == expected


def test_words_of_a_short_tilted_line_lie_as_those_of_the_page():
    def line(x: float, y: float, length: float, rise: float) -> Line:
        box = [[x, y], [x + length, y + rise], [x + length, y + 20 + rise], [x, y + 20]]
        return Line(score=1, box=box, text="a", words=[Word(text="a", score=1, box=box)])

    level = [line(0, 30 * number, 300, 0) for number in range(4)]
    *same, mended = levelled([*level, line(0, 200, 60, 3)])
    assert same == level
    assert np.allclose(
        mended.words[0].box, [[0, 201.5], [60, 201.5], [60, 221.5], [0, 221.5]], atol=1
    )
    steep = line(0, 200, 60, 12)
    assert levelled([*level, steep]) == [*level, steep]
    assert levelled([]) == []


def test_marks_of_a_column_are_read(recogniser):
    page = bgr(Image.open(DATA / "pages/vertical.png"))
    crop = np.rot90(page[43:495, 353:395])
    (reading,) = recogniser.lines([np.ascontiguousarray(crop)])
    assert "\u3002" not in reading.text
    (marked,) = read_marks([crop], [reading], read=recogniser.lines)
    assert marked.text == "不着。旁边的老人点起油灯，从"
    assert [each.left for each in marked.characters] == sorted(
        each.left for each in marked.characters
    )
    assert read_marks([crop], [marked], read=recogniser.lines)[0].text == marked.text


def test_a_column_without_marks_is_not_read_again(recogniser):
    page = bgr(Image.open(DATA / "words_vertical.png"))
    ((reading, _), *_) = recogniser.page(page)
    blank = np.full((40, 400, 3), 255, np.uint8)
    assert read_marks([blank], [reading], read=lambda _: pytest.fail("read")) == [reading]
