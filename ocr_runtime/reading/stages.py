"""RapidOCR's stages for one page, as functions of arrays.

image --detect--> boxes, scores
crops --classify--> probability of each that it is upside down
      --recognise--> what each of them reads
"""

import copy
import functools
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

import cv2
import numpy as np
from rapidocr.ch_ppocr_det import TextDetector
from rapidocr.ch_ppocr_rec import TextRecInput
from rapidocr.utils.process_img import get_rotate_crop_image

from ocr_runtime.reading.bounded_rapidocr import BoundedRapidOCR, squeezed
from ocr_runtime.reading.page import Line
from ocr_runtime.reading.recognition import CTCDecoder, RecognisedLine, decode, likeliest

_NO_LIMIT = 1 << 30
"""Longest side, in pixels, to which the detector would shrink: `detection` has chosen the size."""

_HIGHEST_CROP = 96
"""Height in pixels to which the crop of a line is shrunk: twice that of PP-OCR's recognisers."""

_MOST_BOXES = 10_000
"""Most boxes of one run. RapidOCR stops at 1,000: of a page of 1,568 numbers the upper rows are
missing then."""


class Stages:
    """The stages of one call.

    Args:
        ocr: RapidOCR for this call. What is changed here is changed in copies.
        helpers: threads that recognise lines beside the caller's.
        cores: asked before lines are recognised, how many threads may do so at once.
        half_first: see `detection.detect`.
    """

    def __init__(
        self,
        ocr: BoundedRapidOCR,
        *,
        helpers: ThreadPoolExecutor,
        cores: Callable[[], int],
        half_first: bool,
    ) -> None:
        self._ocr = ocr
        self._helpers = helpers
        self._cores = cores
        self.half_first = half_first
        self._detector = copy.copy(ocr.text_det)
        self._detector.limit_type, self._detector.limit_side_len = "max", _NO_LIMIT
        self._detector.postprocess_op = copy.copy(ocr.text_det.postprocess_op)
        self._detector.postprocess_op.max_candidates = _MOST_BOXES
        self._recogniser = copy.copy(ocr.text_rec)
        self._recogniser.session = functools.partial(ocr.text_rec.session, reduce=likeliest)
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
        """Read each crop as a line from left to right.

        A run of one line keeps one core busy, not several. So lines are recognised side by side:
        of equal widths at the same time, since they are dealt out in their order.
        """
        if not crops:
            return []
        lines = [squeezed(crop) for crop in crops]
        with self._ocr.stage("recognition"):
            parts = min(self._cores(), len(lines))
            by_width = sorted(range(len(lines)), key=lambda line: -_ratio(lines[line]))
            shares = [by_width[part::parts] for part in range(parts)]
            others = [
                self._helpers.submit(self._read, [lines[line] for line in share])
                for share in shares[1:]
            ]
            try:
                found = [self._read([lines[line] for line in shares[0]])]
            finally:
                wait(others)  # none may go on when the call has ended
            found += [other.result() for other in others]
        read = dict(zip(itertools.chain(*shares), itertools.chain(*found), strict=True))
        return [read[line] for line in range(len(lines))]

    def _read(self, lines: list[np.ndarray]) -> list[RecognisedLine]:
        read = self._recogniser(TextRecInput(img=lines, return_word_box=True))
        characters = self._recogniser.postprocess_op.character
        return [
            decode(each, characters, line)
            for each, line in zip(read.word_results, lines, strict=True)
        ]


def _ratio(crop: np.ndarray) -> float:
    return float(crop.shape[1] / crop.shape[0])


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

    Returns:
        Crops, uint8, BGR, at most `_HIGHEST_CROP` pixels high.
    """
    return [_shrunk(get_rotate_crop_image(pixels, box)) for box in boxes]


def _shrunk(crop: np.ndarray) -> np.ndarray:
    height, width = crop.shape[:2]
    if height <= _HIGHEST_CROP:
        return crop
    size = max(1, round(width * _HIGHEST_CROP / height)), _HIGHEST_CROP
    return np.asarray(cv2.resize(crop, size, interpolation=cv2.INTER_AREA))
