"""RapidOCR's stages for one page, as functions of arrays.

image --detect--> boxes, scores
crops --classify--> probability of each that it is upside down
      --recognise--> what each of them reads
"""

import copy
from collections.abc import Sequence

import numpy as np
from rapidocr.ch_ppocr_det import TextDetector
from rapidocr.ch_ppocr_rec import TextRecInput
from rapidocr.utils.process_img import get_rotate_crop_image

from ocr_runtime.reading.bounded_rapidocr import BoundedRapidOCR, squeezed
from ocr_runtime.reading.page import Line
from ocr_runtime.reading.recognition import CTCDecoder, RecognisedLine, decode

_NO_LIMIT = 1 << 30
"""Longest side, in pixels, to which the detector would shrink: `detection` has chosen the size."""

_MOST_BOXES = 10_000
"""Most boxes of one run. RapidOCR stops at 1,000: of a page of 1,568 numbers the upper rows are
missing then."""


class Stages:
    """The stages of one call.

    Args:
        ocr: RapidOCR for this call. What is changed here is changed in copies.
    """

    def __init__(self, ocr: BoundedRapidOCR) -> None:
        self._ocr = ocr
        self._detector = copy.copy(ocr.text_det)
        self._detector.limit_type, self._detector.limit_side_len = "max", _NO_LIMIT
        self._detector.postprocess_op = copy.copy(ocr.text_det.postprocess_op)
        self._detector.postprocess_op.max_candidates = _MOST_BOXES
        self._recogniser = copy.copy(ocr.text_rec)
        self._recogniser.postprocess_op = CTCDecoder(
            ocr.text_rec.postprocess_op.character, height=ocr.text_rec.rec_image_shape[1]
        )

    @property
    def max_pixels(self) -> int:
        """Most pixels of one run of the detector."""
        return self._ocr.max_det_pixels

    def detect(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Run the detector once; see `detection.Run`."""
        detector = self._detector
        with self._ocr.stage("detection"):
            answer = detector.session(detector.get_preprocess()(image))
            height, width = image.shape[:2]
            # RapidOCR rounds corners to whole pixels of the size that it is told: here quarters.
            boxes, scores = detector.postprocess_op(answer, (4 * height, 4 * width))
        return np.array(boxes, np.float32).reshape(-1, 4, 2) / 4, np.array(scores, np.float32)

    def classify(self, crops: Sequence[np.ndarray]) -> list[float]:
        """Give the probability of each crop that it is upside down."""
        with self._ocr.stage("classification"):
            found = self._ocr.text_cls(list(crops)).cls_res if crops else []
        return [float(score if "180" in label else 1 - score) for label, score in found]

    def recognise(self, crops: Sequence[np.ndarray]) -> list[RecognisedLine]:
        """Read each crop as a line from left to right."""
        if not crops:
            return []
        lines = [squeezed(crop) for crop in crops]
        with self._ocr.stage("recognition"):
            read = self._recogniser(TextRecInput(img=lines, return_word_box=True))
            characters = self._recogniser.postprocess_op.character
            return [
                decode(each, characters, line)
                for each, line in zip(read.word_results, lines, strict=True)
            ]


def in_rapidocrs_order(lines: Sequence[Line]) -> list[Line]:
    """Sort lines as RapidOCR sorts its boxes; those without a box stay as they are."""
    if not lines or any(line.box is None for line in lines):
        return list(lines)
    # RapidOCR looks at the first corner alone, so the fifth can carry the line's number.
    numbered = [[*(line.box or ()), [number, 0]] for number, line in enumerate(lines)]
    return [lines[int(box[4, 0])] for box in TextDetector.sorted_boxes(np.array(numbered))]


def cut(pixels: np.ndarray, boxes: np.ndarray) -> list[np.ndarray]:
    """Cut the lines out of a page; those of tall boxes are turned by 90 degrees counter-clockwise.

    Args:
        pixels: uint8, shape (H, W, 3), BGR.
        boxes: float32, shape (N, 4, 2), corners clockwise from the top left.
    """
    return [get_rotate_crop_image(pixels, box) for box in boxes]
