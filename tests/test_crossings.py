"""Boxes that reach across a gutter are divided there, others are left alone."""

import numpy as np

from ocr_runtime.reading.crossings import divided


def page_of(words):
    """A page of 800 x 400 pixels, strokes for each word: left, top, right, bottom."""
    pixels = np.full((400, 800, 3), 230, np.uint8)
    for left, top, right, bottom in words:
        for x in range(left, right, 8):
            pixels[top:bottom, x : x + 3] = 40
    return pixels


def row(y, *, right=True):
    """The words of a line of two columns, six heights apart in each, a gutter of 40 pixels."""
    words = [(60 + 60 * i, y, 112 + 60 * i, y + 20) for i in range(5)]
    return words + [(392 + 60 * i, y, 444 + 60 * i, y + 20) for i in range(5)] * right


def boxes_of(*rects):
    return np.array(
        [[[x, y], [right, y], [right, end], [x, end]] for x, y, right, end in rects], np.float32
    )


def rects_of(boxes):
    return sorted(tuple(np.concatenate([box[0], box[2]]).round().astype(int)) for box in boxes)


def columns(rows):
    return [(56, y - 4, 356, y + 24) for y in rows] + [(388, y - 4, 688, y + 24) for y in rows]


ROWS = [40, 80, 120, 200, 240]
MERGED = (56, 156, 688, 184)


def test_a_line_of_two_columns_is_divided_between_them():
    pixels = page_of([word for y in [*ROWS, 160] for word in row(y)])
    boxes = boxes_of(*columns(ROWS), MERGED)
    found, scores = divided(pixels, boxes, np.linspace(0.5, 0.9, len(boxes), dtype=np.float32))
    left, right = [rect for rect in rects_of(found) if rect[1] == 156]
    assert left[0] == 56
    assert 345 <= left[2] <= 360
    assert 385 <= right[0] <= 392
    assert right[2] == 688
    assert sorted(scores)[-2:] == [np.float32(0.9)] * 2


def test_a_line_that_reaches_into_the_next_column_ends_before_it():
    pixels = page_of([word for y in [*ROWS, 160] for word in row(y)])
    boxes = boxes_of(*columns(ROWS), (56, 156, 402, 184), (388, 156, 688, 184))
    found, _ = divided(pixels, boxes, np.ones(len(boxes), np.float32))
    left, right = [rect for rect in rects_of(found) if rect[1] == 156]
    assert left[0] == 56
    assert 345 <= left[2] <= 360
    assert right == (388, 156, 688, 184)


def test_a_heading_across_the_gutter_stays_whole():
    pixels = page_of([word for y in ROWS for word in row(y)] + [(60, 160, 684, 180)])
    boxes = boxes_of(*columns(ROWS), MERGED)
    found, _ = divided(pixels, boxes, np.ones(len(boxes), np.float32))
    assert rects_of(found) == rects_of(boxes)


def test_spaces_between_words_are_no_gutter():
    pixels = page_of([word for y in [*ROWS, 160] for word in row(y, right=False)])
    boxes = boxes_of(*[(56, y - 4, 356, y + 24) for y in [*ROWS, 160]])
    found, _ = divided(pixels, boxes, np.ones(len(boxes), np.float32))
    assert rects_of(found) == rects_of(boxes)
