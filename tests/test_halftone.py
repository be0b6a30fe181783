"""Text on a halftone screen is found, and pages without screens stay as they are."""

import numpy as np
import pytest
from conftest import DATA, bgr, read_lines
from PIL import Image, ImageDraw, ImageFont

from ocr_runtime.reading.halftone import smoothed

HEAD = ["Quarter", "Revenue", "Growth"]
ROWS = [["First", "7,230", "16.2%"], ["Second", "8,382", "15.9%"]]


def screened_table() -> np.ndarray:
    """A table, as a scanner in black and white sees it: its head stands on a screen."""
    gray = Image.new("L", (1600, 800), 255)
    draw = ImageDraw.Draw(gray)
    font = ImageFont.load_default(24)
    draw.rectangle((40, 40, 1560, 88), fill=150)
    for row, cells in enumerate([HEAD, *ROWS]):
        for column, text in enumerate(cells):
            draw.text((60 + 533 * column, 52 + 72 * row), text, 0, font)
    return bgr(gray.convert("1"))  # Pillow dithers


def test_the_head_of_a_table_on_a_screen_is_read(standard, monkeypatch):
    page = screened_table()
    rows = [text for row in ROWS for text in row]
    assert [line.text for line in read_lines(standard, page)] == HEAD + rows
    monkeypatch.setattr("ocr_runtime.reading.standard.smoothed", lambda pixels: pixels)
    assert [line.text for line in read_lines(standard, page)] == rows


@pytest.mark.parametrize("path", sorted(DATA.glob("**/*.png")), ids=lambda path: path.name)
def test_a_page_without_screens_stays_as_it_is(path):
    page = bgr(Image.open(path))
    assert smoothed(page) is page


def test_only_the_screen_is_smoothed():
    page = screened_table()
    changed = (smoothed(page) != page).any(axis=2)
    assert changed[40:88, 40:1560].mean() > 0.5
    assert not changed[120:].any()
