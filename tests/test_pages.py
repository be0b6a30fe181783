"""Whole pages, drawn by scripts/drawing: upright, in order, with their spaces, words in place."""

from collections import Counter
from difflib import SequenceMatcher
from functools import cache
from itertools import chain

import numpy as np
import pytest
from rapidfuzz import fuzz, process

from ocr_runtime.outputs import text
from ocr_runtime.reading.page import ReadingOptions
from scripts.measuring.measures import normal
from scripts.measuring.samples import drawn

SAMPLES = {sample.name: sample for sample in drawn()}
QUICK = [
    "newspaper",
    "ruled_table",
    "narrow_receipt",
    "mixed",
    "vertical",
    "receipt 270°",
    "form 2°",
]


MISREAD = pytest.mark.xfail(reason="the recogniser reads volumnes for volumes", strict=False)
KNOWN_FAULTS = {("test_words_are_those_of_the_page", "one_column 15°"): [MISREAD]}


def every_page(test):
    """Run a test on each drawn page; it may fail where a fault is known."""
    pages = [
        pytest.param(
            name,
            marks=[pytest.mark.slow] * (name not in QUICK)
            + KNOWN_FAULTS.get((test.__name__, name), []),
        )
        for name in SAMPLES
    ]
    return pytest.mark.parametrize("name", pages)(test)


@pytest.fixture(scope="module")
def read(standard):
    """Reads a drawn page, once."""
    options = ReadingOptions(return_word_box=True)
    return cache(lambda name: standard.read(SAMPLES[name].page, options))


def lines_of(page):
    return normal(text.write(page).splitlines())


@pytest.mark.slow
@every_page
def test_the_angle_of_a_page_is_found(read, name):
    assert read(name).orientation == SAMPLES[name].orientation


@every_page
def test_the_skew_of_a_page_is_found(read, name):
    skew = (SAMPLES[name].angle + 45) % 90 - 45
    assert read(name).skew == pytest.approx(skew, abs=0.4)


@every_page
def test_lines_come_in_reading_order(read, name):
    truth = normal(SAMPLES[name].lines)
    lines = lines_of(read(name))
    assert [process.extractOne(line, truth, scorer=fuzz.ratio)[0] for line in lines] == truth


@every_page
def test_words_are_those_of_the_page(read, name):
    words = Counter(normal(word.text for line in read(name).lines for word in line.words))
    truth = Counter(normal(word for line in SAMPLES[name].words for word, _ in line))
    assert (truth - words, words - truth) == (Counter(), Counter())


@every_page
def test_boxes_are_where_the_words_are(read, name):
    """Within 3 pixels, or a tenth of the line's height, at each corner.

    Compared are the words that are read right.
    """
    found = [word for line in read(name).lines for word in line.words]
    true = list(chain.from_iterable(SAMPLES[name].words))
    heights = list(chain.from_iterable(len(line) * [height(line)] for line in SAMPLES[name].words))
    wrong = []
    matcher = SequenceMatcher(a=[word for word, _ in true], b=[word.text for word in found])
    for start, other, size in matcher.get_matching_blocks():
        for i in range(size):
            word, box = true[start + i]
            off = np.abs(np.subtract(box, found[other + i].box)).max()
            if off > max(3, heights[start + i] / 10):
                wrong.append((word, round(float(off), 1)))
    assert wrong == []


def height(line):
    """The height of a line's tallest word, along its sides."""
    boxes = np.array([box for _, box in line])
    return np.linalg.norm(boxes[:, 3] - boxes[:, 0], axis=1).max()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_spaces_of_99_lines_in_100_are_those_of_the_page(read):
    wrong, compared = [], 0
    for name, sample in SAMPLES.items():
        truth = {"".join(line.split()): line for line in normal(sample.lines)}
        for line in lines_of(read(name)):
            true = truth.get("".join(line.split()))
            compared += true is not None
            if true not in (None, line):
                wrong.append((name, line))
    assert compared > 500
    assert len(wrong) <= compared / 100, wrong
