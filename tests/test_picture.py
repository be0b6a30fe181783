"""The picture of a page with the boxes of its lines."""

import io
import zipfile

import numpy as np
import pytest
from handmade import UNREAD, WHITE, Handmade, block, line, page
from PIL import Image

from ocr_runtime.documents.images import PageImage
from ocr_runtime.errors import PageTooSlow
from ocr_runtime.outputs import picture
from ocr_runtime.reading.page import Block, Line

BEST, FAIR, WORST = (0, 158, 115), (230, 159, 0), (213, 94, 0)


def drawn(read, image=WHITE):
    """RGB, shape (H, W, 3)."""
    encoded = picture.write(read, image)
    assert encoded.startswith(b"\x89PNG")
    return np.asarray(Image.open(io.BytesIO(encoded)))


def has_colour(pixel, colour):
    """Whether a pixel of a line is about as it is to be: its edges are smoothed."""
    return np.abs(pixel.astype(int) - colour).max() <= 40


def test_boxes_are_coloured_by_score():
    lines = [line("text", 100, top, score=score) for top, score in
             ((100, 1.0), (200, 0.75), (300, 0.5), (400, 0.2), (500, 0.875))]  # fmt: skip
    pixels = drawn(page(Block(rows=[[each] for each in lines])))
    tops, colours = (100, 200, 300, 400, 500), (BEST, FAIR, WORST, WORST, (115, 158, 58))
    for top, colour in zip(tops, colours, strict=True):
        assert has_colour(pixels[top, 120], colour)
    assert (pixels[105:116, 102:138] == 255).all()


def test_numbers_stand_left_of_their_lines_in_reading_order():
    first, second = block("one", left=500), block("two", left=500, top=500)
    pixels = drawn(page(first, second))
    tags = [(pixels[top : top + 20, 470:498] != 255).any(axis=2) for top in (100, 500)]
    assert all(tag.any() for tag in tags)
    assert (tags[0] != tags[1]).any() or not np.array_equal(
        pixels[100:120, 470:498], pixels[500:520, 470:498]
    )
    other = drawn(page(second, first))
    assert np.array_equal(pixels[100:120, 470:498], other[500:520, 470:498])


@pytest.mark.parametrize("orientation", [0, 90, 180, 270])
def test_the_page_is_turned_upright(orientation):
    upright = np.full((300, 500, 3), 255, np.uint8)
    upright[100:120, 60:140] = (200, 100, 0)  # BGR
    sent = np.ascontiguousarray(np.rot90(upright, orientation // 90))
    corners = np.array([[60, 100], [140, 100], [140, 120], [60, 120]])
    for turn in range(orientation // 90):
        width = (500, 300)[turn % 2]
        corners = np.stack([corners[:, 1], width - corners[:, 0]], 1)
    height, width = sent.shape[:2]
    read = page(
        Block(rows=[[Line(text="a", score=1, box=corners.tolist())]]),
        width=width, height=height, orientation=orientation,
    )  # fmt: skip
    pixels = drawn(read, PageImage.of(sent))
    assert pixels.shape == upright.shape
    assert tuple(pixels[110, 100].tolist()) == (0, 100, 200)
    for place in ((100, 100), (120, 100), (110, 60), (110, 140)):
        assert has_colour(pixels[place], BEST)


def test_boxes_fit_pixels_that_were_made_square():
    image = PageImage(pixels=np.full((400, 200, 3), 255, np.uint8), width=200, height=200)
    pixels = drawn(
        page(Block(rows=[[line("text", 100, 100, score=1)]]), width=200, height=200), image
    )
    assert has_colour(pixels[200, 120], BEST)
    assert has_colour(pixels[240, 120], BEST)


def test_lines_at_the_edge_and_lines_without_a_box_are_no_trouble():
    edge = line("text", -5, -5), line("text", 990, 995), Line(text="nowhere", score=1)
    drawn(page(Block(rows=[[each] for each in edge])))
    assert (drawn(page()) == 255).all()
    drawn(page(block("a"), width=5, height=5), PageImage.of(np.zeros((5, 5, 3), np.uint8)))


def test_the_image_is_not_drawn_on():
    before = WHITE.pixels.copy()
    drawn(page(block("text")))
    assert np.array_equal(WHITE.pixels, before)


def test_many_pages_are_a_zip_that_is_written_page_by_page():
    class Rendered(Handmade):
        def page(self, number):
            if number == 3:
                raise PageTooSlow
            return WHITE

    read = [page(block(text), number=number) for number, text in ((2, "two"), (3, "three"))]
    parts = list(picture.write_pages([*read, UNREAD], Rendered(numbers=(2, 3, 7))))
    assert len(parts) == 4
    with zipfile.ZipFile(io.BytesIO(b"".join(parts))) as file:
        assert {entry.filename: file.read(entry) for entry in file.infolist()} == {
            "page-0002.png": picture.write(read[0], WHITE),
            "page-0003.txt": f"{PageTooSlow.sentence}\n".encode(),
            "page-0007.txt": b"The page is <too> large.\n",
        }
        assert not any(entry.flag_bits & 8 for entry in file.infolist())  # sizes stand before
        assert parts[1].startswith(b"PK\x03\x04")


def test_a_single_page_that_cannot_be_drawn_is_an_error():
    class Hanging(Handmade):
        def page(self, _number):
            raise PageTooSlow

    with pytest.raises(PageTooSlow):
        list(picture.write_pages([page(block("text"), number=1)], Hanging()))
