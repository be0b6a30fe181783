"""Page image and options -> Page, by RapidOCR's stages.

    page --preprocess--> page within bounds --detection--> boxes, crops
         --classification--> upright crops --recognition--> texts --> lines in RapidOCR's order

RapidOCR's stages compute the answers; nothing of them is written again. RapidOCR writes the options
of a call onto its instance, where they stay for later calls (RapidAI/RapidOCR#724). So each call
gets a shallow copy of the instance, which shares the models.
"""

import copy
import functools
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext

import cv2
import numpy as np
from rapidocr import RapidOCR
from rapidocr.ch_ppocr_rec import TextRecOutput
from rapidocr.ch_ppocr_rec.typings import WordInfo
from rapidocr.utils.process_img import map_boxes_to_original

from ocr_runtime.documents.images import PageImage
from ocr_runtime.errors import InvalidOption
from ocr_runtime.reading.bounded_rapidocr import Stage
from ocr_runtime.reading.loading import STAGES, WORD, load_rapidocr, reason
from ocr_runtime.reading.page import Block, Line, Page, ReadingOptions, Word
from ocr_runtime.reading.runtimes import Arena, Grant
from ocr_runtime.settings import Settings, SettingsError

RAPIDOCR_OPTIONS = {
    "use_det",
    "use_cls",
    "use_rec",
    "text_score",
    "return_word_box",
    "return_single_char_box",
}
"""Fields of `ReadingOptions` that are attributes of RapidOCR."""

DETECTOR_OPTIONS = {"box_thresh", "unclip_ratio"}
"""Fields of `ReadingOptions` that are attributes of the postprocessing of RapidOCR's detector."""

OPTIONS_OF_OTHER_MODULES: set[str] = set()
"""Fields of `ReadingOptions` that another module of `ocr_runtime.reading` applies."""


class Engine:
    """RapidOCR with its models loaded and run once.

    Raises:
        SettingsError: a model or the configuration cannot be used.
        NotImplementedError: an option is not applied by anything.
    """

    def __init__(self, settings: Settings) -> None:
        _check_that_options_are_applied()
        self._arena = Arena(settings.run_bytes)
        self._ocr = load_rapidocr(settings, self._arena)
        try:
            self.read(PageImage.of(WORD), ReadingOptions())
        except Exception as exc:  # whatever a value of the configuration makes RapidOCR raise
            if settings.config is None:
                raise
            raise SettingsError(
                f"OCR_CONFIG={settings.config}: no page can be read with it: {reason(exc)}"
            ) from exc

    def read(
        self,
        image: PageImage,
        options: ReadingOptions,
        *,
        grant: Grant | None = None,
        stage: Stage = lambda _: nullcontext(),
    ) -> Page:
        """Find and read the lines of one page. Any number of threads may call this at once.

        Args:
            image: the page.
            options: of this page only; None takes the configured default.
            grant: called before each run of a model with the bytes of memory that the run needs;
                it waits until the run may start, and its context gives the number of cores that
                the run may use. An exception that it raises ends the call. Without it each run
                starts at once, on all cores.
            stage: called with "detection", "classification" and "recognition"; each stage runs in
                the context that it returns.

        Returns:
            The page, boxes in pixels of the page as it was sent; without blocks if no text was
            found.

        Raises:
            InvalidOption: the options turn off all three stages.
        """
        ocr = _for_one_call(self._ocr, options, grant)
        ocr.stage = stage
        try:
            lines = _read(ocr, image.pixels, options)
        finally:
            self._arena.tidy()
        height, width = image.pixels.shape[:2]
        page = Page(width=width, height=height, blocks=[Block(lines=lines)] if lines else [])
        return page.resized(image.width, image.height)


def _check_that_options_are_applied() -> None:
    """Refuse to start with an option that would be accepted from callers and ignored."""
    applied = RAPIDOCR_OPTIONS | DETECTOR_OPTIONS | OPTIONS_OF_OTHER_MODULES
    ignored = sorted(ReadingOptions.model_fields.keys() - applied)
    if ignored:
        raise NotImplementedError(f"nothing applies ReadingOptions.{ignored[0]}")


def _for_one_call(shared: RapidOCR, options: ReadingOptions, grant: Grant | None) -> RapidOCR:
    """Copy RapidOCR for one call, with the options of this call.

    The copy is shallow: it shares the models, but neither its stages nor its options.
    """
    ocr = copy.copy(shared)
    for name, _, _ in STAGES.values():
        stage = copy.copy(getattr(ocr, name))
        stage.session = functools.partial(stage.session, grant=grant)
        setattr(ocr, name, stage)
    ocr.text_det.postprocess_op = copy.copy(ocr.text_det.postprocess_op)
    _apply(options, RAPIDOCR_OPTIONS, ocr)
    _apply(options, DETECTOR_OPTIONS, ocr.text_det.postprocess_op)
    ocr.return_word_box |= ocr.return_single_char_box
    if ocr.use_det and not ocr.use_rec:
        ocr.use_cls = False  # its result would not be shown
    return ocr


def _apply(options: ReadingOptions, names: set[str], holder: object) -> None:
    for name in names:
        default = getattr(holder, name)  # raises if RapidOCR has no such attribute any more
        given = getattr(options, name)
        setattr(holder, name, default if given is None else given)


def _read(ocr: RapidOCR, page: np.ndarray, options: ReadingOptions) -> list[Line]:
    if not (ocr.use_det or ocr.use_cls or ocr.use_rec):
        raise InvalidOption("use_det, use_cls and use_rec are all off: nothing is asked for.")
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


if __name__ == "__main__":  # `python -m ocr_runtime.reading.engine` checks the models
    logging.disable()  # what the service itself logs when it starts next, or the error below
    try:
        Engine(Settings.from_environ(os.environ))
    except SettingsError as exc:
        sys.exit(f"rapidocr: {exc}")
