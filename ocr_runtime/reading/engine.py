"""Page image and options -> Page, by RapidOCR's stages.

    page image --turned by `orientation`--> upright pixels
               --`exact` or `standard`--> lines --`layout`--> blocks --> Page

RapidOCR writes the options of a call onto its instance, where they stay for later calls
(RapidAI/RapidOCR#724). So each call gets a shallow copy of the instance, which shares the models.
"""

import copy
import functools
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext

import numpy as np

from ocr_runtime.documents.images import PageImage
from ocr_runtime.errors import InvalidOption
from ocr_runtime.reading.agreement import agree, lines_to_check
from ocr_runtime.reading.bounded_rapidocr import BoundedRapidOCR, Stage
from ocr_runtime.reading.boxes import skew
from ocr_runtime.reading.exact import read_exactly
from ocr_runtime.reading.layout import MOST_LINES, arrange
from ocr_runtime.reading.loading import STAGES, WORD, load_rapidocr, reason
from ocr_runtime.reading.orientation import boxes_as_sent, turned
from ocr_runtime.reading.own_text import upright_lines
from ocr_runtime.reading.page import Angle, Block, Box, Line, Page, ReadingOptions
from ocr_runtime.reading.runtimes import Arena, Grant
from ocr_runtime.reading.stages import Stages, cut, in_rapidocrs_order
from ocr_runtime.reading.standard import HowToRead, find_angle, read_line, read_page
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

PAGE_OPTIONS = {"orientation", "layout"}
"""Fields of `ReadingOptions` that concern the page as a whole; `Engine.read` applies them."""


class Engine:
    """RapidOCR with its models loaded and run once.

    Raises:
        SettingsError: a model or the configuration cannot be used.
        NotImplementedError: an option is not applied by anything.
    """

    def __init__(self, settings: Settings) -> None:
        _check_that_options_are_applied()
        self._settings = settings
        self._arena = Arena(settings.run_bytes)
        self._ocr = load_rapidocr(settings, self._arena)
        cores = settings.threads_per_worker
        self._helpers = ThreadPoolExecutor(cores, thread_name_prefix="ocr-lines")
        try:
            self.read(PageImage.of(WORD), ReadingOptions())
        except Exception as exc:  # whatever a value of the configuration makes RapidOCR raise
            if settings.config is None:
                raise
            raise SettingsError(
                f"OCR_CONFIG={settings.config}: no page can be read with it: {reason(exc)}"
            ) from exc

    def check(self, options: ReadingOptions) -> None:
        """Check whether a page can be read with these options.

        Raises:
            InvalidOption: they turn off all three stages.
        """
        _check_that_a_stage_runs(_for_one_call(self._ocr, options, None))

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
            image: the page. If it brings its own text, that is taken without OCR; if that text is
                to be checked, only where it has no more than `MOST_LINES` lines, of which a few
                are read alike.
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
            InvalidOption: see `check`.
        """
        ocr = _for_one_call(self._ocr, options, grant)
        ocr.stage = stage
        _check_that_a_stage_runs(ocr)
        stages = self._stages(ocr, grant)
        try:
            own = _own_lines(ocr, stages, image)
            lines, angle = own or self._lines(ocr, stages, image.pixels, options)
        finally:
            self._arena.tidy()
        height, width = image.pixels.shape[:2]
        if own and len(lines) > MOST_LINES:
            blocks = _one_block(lines)  # in the order of the file
        else:
            blocks = self._blocks(lines, turned(image.pixels, angle), options)
        page = Page(width=width, height=height, blocks=blocks, orientation=angle, skew=skew(lines))

        def as_sent(box: Box) -> Box:
            return list(boxes_as_sent(np.array(box), angle, width, height).tolist())

        page = page.mapped(as_sent, width=width, height=height) if angle else page
        return page.resized(image.width, image.height)

    def _stages(self, ocr: BoundedRapidOCR, grant: Grant | None) -> Stages:
        return Stages(
            ocr,
            helpers=self._helpers,
            cores=lambda: self._cores(grant),
            half_first=self._settings.profile == "fast",
        )

    def _cores(self, grant: Grant | None) -> int:
        """How many cores the call may use at present."""
        with grant(0) if grant else nullcontext(self._settings.threads_per_worker) as cores:
            return cores

    def _lines(
        self, ocr: BoundedRapidOCR, stages: Stages, pixels: np.ndarray, options: ReadingOptions
    ) -> tuple[list[Line], Angle]:
        """Read the lines of a page, boxes in pixels of the upright page, and tell its angle."""
        chosen = options.orientation or self._settings.orientation or self._auto("0")
        angle: Angle | None = None if chosen == "auto" else int(chosen)  # type: ignore[assignment]
        if self._settings.profile == "exact" or not (ocr.use_det or ocr.use_rec):
            if angle is None:
                angle = find_angle(stages, pixels) if ocr.use_det else 0
            return read_exactly(ocr, turned(pixels, angle), options), angle
        how = HowToRead(
            orientation=angle,
            directions=ocr.use_cls,
            recognise=ocr.use_rec,
            # RapidOCR applies its own default to detected lines only
            text_score=ocr.text_score if ocr.use_det else options.text_score or 0,
            words="characters"
            if ocr.return_single_char_box
            else "words"
            if ocr.return_word_box
            else None,
        )
        if ocr.use_det:
            return read_page(stages, pixels, how)
        line = read_line(stages, turned(pixels, angle or 0), how)
        return [line] if line else [], angle or 0

    def _blocks(
        self, lines: list[Line], pixels: np.ndarray, options: ReadingOptions
    ) -> list[Block]:
        layout = options.layout or self._settings.layout or self._auto("none")
        if layout == "auto" and len(lines) <= MOST_LINES:
            return arrange(lines, pixels)
        if self._settings.profile != "exact":
            lines = in_rapidocrs_order(lines)
        return _one_block(lines)

    def _auto(self, otherwise: str) -> str:
        """Return the default of an option that the profile `exact` leaves off."""
        return otherwise if self._settings.profile == "exact" else "auto"


def _one_block(lines: list[Line]) -> list[Block]:
    return [Block(rows=[[line] for line in lines])] if lines else []


def _own_lines(
    ocr: BoundedRapidOCR, stages: Stages, image: PageImage
) -> tuple[list[Line], Angle] | None:
    """Take the own text of a page, and tell its angle; None if it has none that can be believed."""
    if image.own_text is None:
        return None
    most = MOST_LINES + 1 if image.check_own_text else None
    lines, angle = upright_lines(image, words=ocr.return_word_box, most=most)
    if most and len(lines) == most:
        return None
    checked = lines_to_check(lines) if image.check_own_text else []
    boxes = np.array([line.box for line in checked], np.float32)
    readings = stages.recognise(cut(turned(image.pixels, angle), boxes))
    alike = [
        agree(line.text or "", reading.text)
        for line, reading in zip(checked, readings, strict=True)
    ]
    return (lines, angle) if 2 * sum(alike) >= len(alike) else None


def _check_that_options_are_applied() -> None:
    """Refuse to start with an option that would be accepted from callers and ignored."""
    applied = RAPIDOCR_OPTIONS | DETECTOR_OPTIONS | PAGE_OPTIONS
    ignored = sorted(ReadingOptions.model_fields.keys() - applied)
    if ignored:
        raise NotImplementedError(f"nothing applies ReadingOptions.{ignored[0]}")


def _check_that_a_stage_runs(ocr: BoundedRapidOCR) -> None:
    if not (ocr.use_det or ocr.use_cls or ocr.use_rec):
        raise InvalidOption("use_det, use_cls and use_rec are all off: nothing is asked for.")


def _for_one_call(
    shared: BoundedRapidOCR, options: ReadingOptions, grant: Grant | None
) -> BoundedRapidOCR:
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


if __name__ == "__main__":  # `python -m ocr_runtime.reading.engine` checks the models
    logging.disable()  # what the service itself logs when it starts next, or the error below
    try:
        Engine(Settings.from_environ(os.environ))
    except SettingsError as exc:
        sys.exit(f"rapidocr: {exc}")
