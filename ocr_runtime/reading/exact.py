"""A page -> its lines exactly as RapidOCR reads them: the profile `exact`."""

from collections.abc import Iterator

import cv2
import numpy as np
from rapidocr import RapidOCR
from rapidocr.ch_ppocr_rec import TextRecOutput
from rapidocr.ch_ppocr_rec.typings import WordInfo
from rapidocr.utils.process_img import map_boxes_to_original

from ocr_runtime.reading.page import Line, ReadingOptions, Word


def read_exactly(ocr: RapidOCR, page: np.ndarray, options: ReadingOptions) -> list[Line]:
    """Read a page as RapidOCR does, to the bit.

    Args:
        ocr: RapidOCR for this call.
        page: uint8, shape (H, W, 3), BGR.
        options: of the call.

    Returns:
        The lines in RapidOCR's order, boxes in pixels of `page`.
    """
    shrunk, record = ocr.preprocess_img(page)
    det, cls, rec, crops = ocr.run_ocr_steps(shrunk, record)
    if ocr.use_det:
        if det.boxes is None:
            return []
        boxes = map_boxes_to_original(det.boxes, record, *page.shape[:2])
        if not ocr.use_rec:
            return [
                Line(score=float(score), box=box.tolist())
                for box, score in zip(boxes, det.scores, strict=True)
            ]
        return list(_lines(ocr, rec, boxes, _original_shapes(crops, **record["preprocess"])))
    if ocr.use_rec:
        return list(_whole_page(ocr, rec, page, options))
    label, score = cls.cls_res[0]
    return [Line(score=float(score), direction=label)]


def _original_shapes(
    crops: list[np.ndarray], ratio_h: float, ratio_w: float
) -> list[tuple[int, int]]:
    return [
        (max(1, round(crop.shape[0] * ratio_h)), max(1, round(crop.shape[1] * ratio_w)))
        for crop in crops
    ]


def _lines(
    ocr: RapidOCR, rec: TextRecOutput, boxes: np.ndarray, shapes: list[tuple[int, int]]
) -> Iterator[Line]:
    found = zip(rec.txts, rec.scores, rec.word_results, boxes, shapes, strict=True)
    for text, score, info, box, shape in found:
        if text.strip() and score >= ocr.text_score:
            words = _words(ocr, text, info, box, shape) if ocr.return_word_box else None
            yield Line(score=float(score), box=box.tolist(), text=text, words=words)


def _words(
    ocr: RapidOCR, text: str, info: WordInfo, box: np.ndarray, shape: tuple[int, int]
) -> list[Word]:
    """Place a line's words as RapidOCR does, which asks for a crop but uses only its shape."""
    line = TextRecOutput(txts=(text,), word_results=(info,))
    try:
        placed = ocr.cal_rec_boxes([np.empty(shape)], [box], line, ocr.return_single_char_box)
    except (ValueError, IndexError, OverflowError, cv2.error):  # a box without an area
        return []
    return [
        Word(text=word, score=float(score), box=corners)
        for word, score, corners in placed.word_results[0]
    ]


def _whole_page(
    ocr: RapidOCR, rec: TextRecOutput, page: np.ndarray, options: ReadingOptions
) -> Iterator[Line]:
    """The page as one line. RapidOCR applies its `text_score` to detected lines only."""
    text, score = rec.txts[0], rec.scores[0]
    if not text.strip() or score < (options.text_score or 0):
        return
    words = None
    if ocr.return_word_box:
        height, width = page.shape[:2]
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]])
        place = ocr.cal_rec_boxes
        names, boxes, scores = place.cal_ocr_word_box(
            text, corners, rec.word_results[0], ocr.return_single_char_box
        )
        placed = zip(names, scores, place.adjust_box_overlap(boxes), strict=False)
        words = [Word(text=name, score=float(each), box=box) for name, each, box in placed]
    yield Line(score=float(score), text=text, words=words)
