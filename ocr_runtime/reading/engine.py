"""A page and options -> lines; the only room that knows RapidOCR.

    page --preprocess--> page within bounds --detection--> boxes, crops
         --classification--> upright crops --recognition--> texts --> lines in reading order

The answers are RapidOCR's own: its stages are called, nothing of them is written again. Three
things are mended around them:

- RapidOCR writes a call's options onto its instance, where they stay (RapidAI/RapidOCR#724).
  Here every call gets an instance of its own, which shares the models.
- Its work has no bound: it enlarges the short side to 736 pixels however long the other is, and
  raises where it cannot shrink. Here the detector's input has at most `max_det_pixels`.
- It downloads what it misses. Here that stops the start.
"""

import copy
import functools
import logging
import math
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from omegaconf import DictConfig, OmegaConf
from rapidocr import RapidOCR
from rapidocr.ch_ppocr_cls import TextClassifier, TextClsOutput
from rapidocr.ch_ppocr_det import TextDetector, TextDetOutput
from rapidocr.ch_ppocr_det.utils import DetPreProcess
from rapidocr.ch_ppocr_rec import TextRecognizer, TextRecOutput
from rapidocr.ch_ppocr_rec.typings import WordInfo
from rapidocr.inference_engine.base import FileInfo
from rapidocr.inference_engine.onnxruntime import OrtInferSession
from rapidocr.inference_engine.onnxruntime.provider_config import ProviderConfig
from rapidocr.utils.process_img import ResizeImgError, map_boxes_to_original
from rapidocr.utils.typings import EngineType

from ocr_runtime.documents.images import PageImage
from ocr_runtime.errors import InvalidOption
from ocr_runtime.reading.page import Block, Line, Page, ReadingOptions, Word
from ocr_runtime.reading.runtimes import Arena, Grant, Model
from ocr_runtime.settings import Settings, SettingsError

Stage = Callable[[str], AbstractContextManager[None]]
"""Stands around a stage of a call, by its name."""

_MAX_LINE_RATIO = 256
"""Width by height of the longest line: six of them, as RapidOCR batches them, take 1.5 GB."""

_NUMBER_BYTES = {"Det": 34, "Cls": 70, "Rec": 140}
"""What a run of each stage takes at its peak for each number of its batch, as measured."""

_FAST_PAGE = 1280
"""With `OCR_PROFILE=fast`: longest side to which a page is enlarged for detection."""

_FAST_LINE = 96
"""With `OCR_PROFILE=fast`: width to which a line is padded, each in a run of its own."""

_WORD = cv2.putText(np.full((160, 160, 3), 255, np.uint8), "OCR", (16, 96), 2, 1.5, (0, 0, 0), 3)
"""What is read at the start; square, so that the detector's input is the smallest."""


class Engine:
    """RapidOCR with its models loaded and run once.

    Raises:
        SettingsError: a model or the configuration cannot be used.
    """

    def __init__(self, settings: Settings) -> None:
        self._arena = Arena(settings.run_bytes)
        self._ocr = _load(settings, self._arena)
        _warm_up(self._ocr, settings)
        try:
            self.read(PageImage.of(_WORD), ReadingOptions())
        except Exception as exc:  # whatever a value of the configuration makes RapidOCR raise
            raise SettingsError(
                f"OCR_CONFIG={settings.config}: no page can be read with it"
            ) from exc

    def read(
        self,
        image: PageImage,
        options: ReadingOptions,
        *,
        grant: Grant | None = None,
        stage: Stage = lambda _: nullcontext(),
    ) -> Page:
        """Find and read the lines of one page. Calls may overlap in any number of threads.

        Args:
            image: the page.
            options: this page's alone; None takes the configured default.
            grant: asked before each run of a model, with the bytes that it needs, holds it back
                until it may start and says on how many cores; what it raises ends the call.
                Without it a run starts at once, on all the cores.
            stage: stands around detection, classification and recognition, by these names.

        Returns:
            The page, boxes in pixels of the page as it was sent; without lines where there is no
            text.

        Raises:
            InvalidOption: the options ask for nothing.
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


def _load(settings: Settings, arena: Arena) -> RapidOCR:
    paths = {
        "Det": settings.det_model_path,
        "Cls": settings.cls_model_path,
        "Rec": settings.rec_model_path,
    }
    params: dict[str, Any] = {
        f"{stage}.model_path": str(path) for stage, path in paths.items() if path
    }
    if settings.profile == "fast":
        params |= {"Rec.rec_img_shape": [3, 48, _FAST_LINE], "Rec.rec_batch_num": 1}
    if settings.config is None:
        params["Global.log_level"] = "error"  # a blank page is no warning
    its_logger = logging.getLogger("RapidOCR")
    its_logger.handlers.clear()  # coloured lines; the service's handlers are to write them
    its_logger.propagate = True
    try:
        ocr = _BoundedRapidOCR(settings.config, params)
    except Exception as exc:  # OmegaConf, YAML and RapidOCR each raise their own
        reason = " ".join(str(exc).split())[:200]
        raise SettingsError(
            f"OCR_CONFIG={settings.config}: not a configuration of this RapidOCR: {reason}"
        ) from exc
    ocr.max_det_pixels = settings.max_det_pixels
    ocr.stage = lambda _: nullcontext()
    for stage, path in paths.items():
        setting = f"{stage.lower()}_model_path" if path else f"{stage}.model_path of RapidOCR"
        _open_stage(ocr, stage, setting, settings, arena)
    ocr.text_det.max_pixels = settings.max_det_pixels
    if settings.profile == "fast":
        ocr.text_det.longest_enlarged = _FAST_PAGE
    return ocr


def _open_stage(ocr: RapidOCR, stage: str, setting: str, settings: Settings, arena: Arena) -> None:
    """Load a stage's model as RapidOCR would on first use, but tuned and without a download."""
    cfg, engine = ocr.cfg[stage], ocr.cfg.EngineConfig.onnxruntime
    if cfg.engine_type is not EngineType.ONNXRUNTIME:
        raise SettingsError(f"OCR_CONFIG: {stage}.engine_type must be onnxruntime")
    model = Model(
        _model_path(ocr.cfg, stage),
        setting=setting,
        cores=settings.threads_per_worker,
        providers=ProviderConfig(engine).get_ep_list(),
        number_bytes=_NUMBER_BYTES[stage],
        arena=arena,
        one_image=stage == "Det",
    )
    if stage == "Rec" and not _knows_its_characters(model.session, cfg):
        raise SettingsError(f"{setting}: the model carries no characters; set Rec.rec_keys_path")
    content = {
        **cfg,
        "session": model.session,
        "font_path": ocr.cfg.Global.font_path,
        "engine_cfg": engine,
    }
    name, kind = _STAGES[stage]
    opened = kind(OmegaConf.create(content, flags={"allow_objects": True}))
    opened.session = model
    setattr(ocr, name, opened)


def _knows_its_characters(session: Any, cfg: DictConfig) -> bool:
    if "character" in session.get_modelmeta().custom_metadata_map:
        return True
    return bool(cfg.rec_keys_path) and Path(cfg.rec_keys_path).is_file()


def _model_path(cfg: DictConfig, stage: str) -> Path:
    section = cfg[stage]
    if section.model_path is not None:
        return Path(section.model_path)
    names = ("engine_type", "ocr_version", "task_type", "lang_type", "model_type")
    try:
        info = OrtInferSession.get_model_url(FileInfo(**{name: section[name] for name in names}))
    except ValueError as exc:
        raise SettingsError(
            f"OCR_CONFIG: RapidOCR knows no such model as {stage} asks for"
        ) from exc
    return Path(cfg.Global.model_root_dir) / Path(info["model_dir"]).name


def _warm_up(ocr: RapidOCR, settings: Settings) -> None:
    """Run each stage once, on a drawn word: now it is ready, and a misplaced model shows."""
    stages: dict[str, Callable[[], Any]] = {
        "det_model_path": lambda: ocr.text_det(_WORD),
        "cls_model_path": lambda: ocr.cls_and_rotate([_WORD]),
        "rec_model_path": lambda: ocr.recognize_txt([_WORD]),
    }
    for setting, run in stages.items():
        try:
            run()
        except Exception as exc:  # whatever a foreign model makes the stage raise
            name = setting if getattr(settings, setting) else "OCR_CONFIG"
            raise SettingsError(f"{name}: the model does not do the stage of {setting}") from exc


def _for_one_call(shared: RapidOCR, options: ReadingOptions, grant: Grant | None) -> RapidOCR:
    """Copy RapidOCR so shallowly that the models are shared and the options are not."""
    ocr = copy.copy(shared)
    for name, _ in _STAGES.values():
        stage = copy.copy(getattr(ocr, name))
        stage.session = functools.partial(stage.session, grant=grant)
        setattr(ocr, name, stage)
    post = ocr.text_det.postprocess_op = copy.copy(ocr.text_det.postprocess_op)
    for holder in (ocr, post):
        for option, value in options.model_dump(exclude_none=True).items():
            if hasattr(holder, option):
                setattr(holder, option, value)
    ocr.return_word_box |= ocr.return_single_char_box
    if ocr.use_det and not ocr.use_rec:
        ocr.use_cls = False  # its result would not be shown
    return ocr


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


class _BoundedPreProcess(DetPreProcess):
    """The detector's preparation, whose result has at most `max_pixels` pixels.

    No page is enlarged beyond a longer side of `longest_enlarged`.
    """

    max_pixels: int
    longest_enlarged: float

    def __call__(self, img: np.ndarray) -> np.ndarray | None:
        """Normalise by a table: a channel has only 256 values.

        RapidOCR computes on float64 copies of the enlarged page. The floats are the same; this was
        1.6 to 8.7 times as fast on three sizes of page (medians of 9 alternating runs).
        """
        resized = self.resize(img)
        if resized is None:  # nothing is left of so thin a page
            return None
        every_value = np.arange(256, dtype=np.uint8).reshape(256, 1, 1).repeat(3, 2)
        tables = self.normalize(every_value).astype(np.float32)
        planes = cv2.split(resized)
        batch = np.empty((1, 3, *planes[0].shape), np.float32)
        for plane, channel, normalised in zip(planes, range(3), batch[0], strict=True):
            cv2.LUT(plane, tables[:, 0, channel], dst=normalised)
        return batch

    def resize(self, img: np.ndarray) -> np.ndarray | None:
        sides = height, width = img.shape[:2]
        if self.limit_type == "max":
            scale = min(1.0, self.limit_side_len / max(sides))
        else:
            scale = max(1.0, self.limit_side_len / min(sides))
        pixels = math.prod(round(int(side * scale) / 32) * 32 for side in sides)
        enlarged = min(scale, max(1.0, self.longest_enlarged / max(sides)))
        if pixels <= self.max_pixels and enlarged == scale:
            return super().resize(img)
        scale = min(enlarged, math.sqrt(self.max_pixels / math.prod(sides)))
        short = max(32, int(min(sides) * scale) // 32 * 32)
        long = max(32, int(min(max(sides) * scale, self.max_pixels / short)) // 32 * 32)
        return cv2.resize(img, (long, short) if width > height else (short, long))


class _BoundedDetector(TextDetector):
    max_pixels: int
    longest_enlarged: float = math.inf

    def get_preprocess(self) -> DetPreProcess:
        prepare = _BoundedPreProcess(self.limit_side_len, self.limit_type, self.mean, self.std)
        prepare.max_pixels = self.max_pixels
        prepare.longest_enlarged = self.longest_enlarged
        return prepare


class _BoundedRapidOCR(RapidOCR):
    """RapidOCR that answers every shape of page in bounded work."""

    max_det_pixels: int
    stage: Stage

    def preprocess_img(self, ori_img: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
        """Shrink or enlarge a page as RapidOCR does, unless it is too thin for that.

        RapidOCR raises where a short side would vanish, and where it enlarges one to 30 pixels, or
        pads a wide page to a quarter of its width, the page itself may grow to gigabytes.
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
            return super().recognize_txt([_squeezed(crop) for crop in img])


def _squeezed(crop: np.ndarray) -> np.ndarray:
    height, width = crop.shape[:2]
    if width <= _MAX_LINE_RATIO * height:
        return crop
    return cv2.resize(crop, (_MAX_LINE_RATIO * height, height))


_STAGES = {
    "Det": ("text_det", _BoundedDetector),
    "Cls": ("text_cls", TextClassifier),
    "Rec": ("text_rec", TextRecognizer),
}

if __name__ == "__main__":  # as `python -m ocr_runtime.reading.engine`: can the models be used?
    try:
        Engine(Settings.from_environ(os.environ))
    except SettingsError as exc:
        sys.exit(f"rapidocr: {exc}")
