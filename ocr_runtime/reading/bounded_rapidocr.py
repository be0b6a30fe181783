"""Subclasses of RapidOCR's classes whose work on a page of any shape is bounded.

RapidOCR enlarges the short side of a page to 736 pixels however long the other side is, and raises
where it cannot shrink a page. Here the detector's input has at most `max_det_pixels` pixels, and
every page is answered. Within the bounds each pixel is that of RapidOCR.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import cv2
import numpy as np
from rapidocr import RapidOCR
from rapidocr.ch_ppocr_cls import TextClsOutput
from rapidocr.ch_ppocr_det import TextDetector, TextDetOutput
from rapidocr.ch_ppocr_det.utils import DetPreProcess
from rapidocr.ch_ppocr_rec import TextRecOutput
from rapidocr.utils.process_img import ResizeImgError

Stage = Callable[[str], AbstractContextManager[None]]
"""Given the name of a stage, returns a context in which the stage runs."""

_MAX_LINE_RATIO = 256
"""Width by height of the longest line: six of them, as RapidOCR batches them, take 1.5 GB."""


class _BoundedPreProcess(DetPreProcess):
    """The detector's preparation of a page, whose result has at most `max_pixels` pixels."""

    max_pixels: int

    def __call__(self, img: np.ndarray) -> np.ndarray | None:
        """Resize and normalise a page.

        RapidOCR computes on float64 copies of the enlarged page. A channel has only 256 values, so
        a table gives the same floats; this was 1.6 to 8.7 times as fast on three sizes of page
        (medians of 9 alternating runs).

        Args:
            img: uint8, shape (H, W, 3), BGR.

        Returns:
            float32, shape (1, 3, height, width), both multiples of 32; None if the page is so thin
            that no pixel is left.
        """
        resized = self.resize(img)
        if resized is None:
            return None
        every_value = np.arange(256, dtype=np.uint8).reshape(256, 1, 1).repeat(3, 2)
        tables = self.normalize(every_value).astype(np.float32)
        planes = cv2.split(resized)
        batch = np.empty((1, 3, *planes[0].shape), np.float32)
        for plane, channel, normalised in zip(planes, range(3), batch[0], strict=True):
            cv2.LUT(plane, tables[:, 0, channel], dst=normalised)
        return batch

    def resize(self, img: np.ndarray) -> np.ndarray | None:
        """Resize a page as RapidOCR does, unless that exceeds the bound."""
        sides = height, width = img.shape[:2]
        if self.limit_type == "max":
            scale = min(1.0, self.limit_side_len / max(sides))
        else:
            scale = max(1.0, self.limit_side_len / min(sides))
        pixels = math.prod(round(int(side * scale) / 32) * 32 for side in sides)
        if pixels <= self.max_pixels:
            return super().resize(img)
        scale = min(scale, math.sqrt(self.max_pixels / math.prod(sides)))
        short = max(32, int(min(sides) * scale) // 32 * 32)
        long = max(32, int(min(max(sides) * scale, self.max_pixels / short)) // 32 * 32)
        return cv2.resize(img, (long, short) if width > height else (short, long))


class BoundedDetector(TextDetector):
    max_pixels: int

    def get_preprocess(self) -> DetPreProcess:
        prepare = _BoundedPreProcess(self.limit_side_len, self.limit_type, self.mean, self.std)
        prepare.max_pixels = self.max_pixels
        return prepare


class BoundedRapidOCR(RapidOCR):
    """RapidOCR that reads a page of any shape in bounded time and memory."""

    max_det_pixels: int
    stage: Stage

    def preprocess_img(self, ori_img: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        """Shrink or enlarge a page as RapidOCR does, unless it is too thin for that.

        RapidOCR raises where a short side would vanish. Where it enlarges a short side to 30
        pixels, or pads a wide page to a quarter of its width, the page may grow to gigabytes.

        Args:
            ori_img: uint8, shape (H, W, 3), BGR.

        Returns:
            The resized page, and the ratios of the given sides to its own.
        """
        height, width = ori_img.shape[:2]
        short, long = sorted((height, width))
        shrunk = min(1.0, self.max_side_len / long)
        grown = long * max(shrunk, self.min_side_len / short)
        longest = math.sqrt(4 * max(self.max_det_pixels, self.max_side_len**2))
        if grown <= longest:
            try:
                return super().preprocess_img(ori_img)
            except ResizeImgError:
                pass
        scale = min(1.0, longest / long)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        ratios = {"ratio_h": height / size[1], "ratio_w": width / size[0]}
        return cv2.resize(ori_img, size), {"preprocess": ratios}

    def detect_and_crop(self, *page: Any) -> tuple[list[np.ndarray], TextDetOutput]:
        with self.stage("detection"):
            return super().detect_and_crop(*page)

    def cls_and_rotate(self, img: list[np.ndarray]) -> tuple[list[np.ndarray], TextClsOutput]:
        with self.stage("classification"):
            return super().cls_and_rotate(img)

    def recognize_txt(self, img: list[np.ndarray]) -> TextRecOutput:
        with self.stage("recognition"):
            return super().recognize_txt([squeezed(crop) for crop in img])


def squeezed(crop: np.ndarray) -> np.ndarray:
    """Shrink the width of a line that is longer than `_MAX_LINE_RATIO` times its height."""
    height, width = crop.shape[:2]
    if width <= _MAX_LINE_RATIO * height:
        return crop
    return cv2.resize(crop, (_MAX_LINE_RATIO * height, height))
