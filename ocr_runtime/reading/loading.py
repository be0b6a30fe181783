"""Settings -> RapidOCR with its three models loaded and tried.

RapidOCR would open its models on first use, with settings of its own, and download what is missing.
Here `ocr_runtime.reading.runtimes` opens them at the start, and a missing model is an error.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from omegaconf import DictConfig, OmegaConf
from rapidocr import RapidOCR
from rapidocr.ch_ppocr_cls import TextClassifier
from rapidocr.ch_ppocr_rec import TextRecognizer
from rapidocr.inference_engine.base import FileInfo
from rapidocr.inference_engine.onnxruntime import OrtInferSession
from rapidocr.inference_engine.onnxruntime.provider_config import EP, ProviderConfig
from rapidocr.main import DEFAULT_CFG_PATH

from ocr_runtime.reading.bfloat16 import (
    NUMBER_BYTES,
    PADDED,
    BFloat16Model,
    KeptMemory,
    why_not,
)
from ocr_runtime.reading.bounded_rapidocr import BoundedDetector, BoundedRapidOCR
from ocr_runtime.reading.configuration import read_configuration
from ocr_runtime.reading.runtimes import Arena, Model
from ocr_runtime.settings import Settings, SettingsError

logger = logging.getLogger("rapidocr")

_FLOAT32_NUMBER_BYTES = {"Det": 34, "Cls": 70, "Rec": 140}
"""Peak memory of a run of each stage's model in ONNX Runtime, for each number in its input, as
measured."""

_NARROWEST_LINE = 96
"""Width in pixels to which a line is padded, except with `OCR_PROFILE=exact` and with another
recogniser: that of PP-OCRv4 then reads "shipping" for "Shipping". Each line has a run of its own.

RapidOCR pads six lines to the longest of them, and to 320 pixels. On 39 real pages that lost more
spaces (1.97 of 100 on receipts instead of 1.68) and read no page much better (1.47 % of the
characters of receipts wrong instead of 1.49); recognition took 1.14 times as long."""

_UNCLIP_RATIO = 1.45
"""Default of `unclip_ratio`, except with `OCR_PROFILE=exact`. With RapidOCR's 1.6 the boxes of
close lines hold ink of their neighbours: of 24 real receipts 1.51 % of the characters were read
wrong, with 1.45 1.47, with 1.4 1.28. With 1.4, PaddleOCR's own, the ends of two drawn words were
cut."""

WORD: np.ndarray = cv2.putText(
    np.full((160, 160, 3), 255, np.uint8), "OCR", (16, 96), 2, 1.5, (0, 0, 0), 3
)
"""Image that is read at the start, uint8, BGR; square, so that the detector's input is smallest."""

STAGES: dict[str, tuple[str, Any, str]] = {
    "Det": ("text_det", BoundedDetector, "detection"),
    "Cls": ("text_cls", TextClassifier, "classification"),
    "Rec": ("text_rec", TextRecognizer, "recognition"),
}
"""By section of the configuration: attribute of RapidOCR, class, and name of each stage."""


_LINE_WIDTH = "Rec.rec_img_shape[2]"

_UNUSED = {
    "Det.limit_side_len",
    "Det.limit_type",
    "Det.max_candidates",
    "Global.max_side_len",
    "Global.min_height",
    "Global.min_side_len",
    "Global.width_height_ratio",
    "Rec.rec_batch_num",
    _LINE_WIDTH,
}
"""Keys of a configuration that only the profile `exact` uses: `detection` chooses the sizes."""

_LONGEST_REASON = 200
"""Characters of a foreign error message that are shown."""


def load_rapidocr(settings: Settings, arena: Arena) -> BoundedRapidOCR:
    """Start RapidOCR, and run each of its stages once.

    Args:
        settings: say which configuration and which models.
        arena: memory of the models' runs.

    Raises:
        SettingsError: a model or the configuration cannot be used.
    """
    _let_the_service_write_its_log()
    # Otherwise RapidOCR logs a warning for each page without text.
    params: dict[str, Any] = {"Global.log_level": "error"}
    if settings.profile != "exact":
        params["Det.unclip_ratio"] = _UNCLIP_RATIO
    if settings.config is not None:
        configured = read_configuration(settings.config)
        _warn_of_what_has_no_effect(configured, settings)
        params |= configured
    if settings.profile != "exact":
        params["Rec.rec_batch_num"] = 1
        if not _has_another_recogniser(settings, params):
            channels, height, _ = params.get("Rec.rec_img_shape", (3, 48, 320))
            params["Rec.rec_img_shape"] = [channels, height, _NARROWEST_LINE]
    for stage, path in given_models(settings).items():
        params[f"{stage}.model_path"] = str(path)
    ocr = BoundedRapidOCR(params=params)
    ocr.max_det_pixels = settings.max_det_pixels
    ocr.stage = lambda _: nullcontext()
    open_model = _runtime(ocr.cfg.EngineConfig.onnxruntime, settings, arena)
    for stage in STAGES:
        _open_stage(ocr, stage, settings, open_model)
    ocr.text_det.max_pixels = settings.max_det_pixels
    _run_each_stage(ocr, settings)
    return ocr


def _has_another_recogniser(settings: Settings, configured: Mapping[str, Any]) -> bool:
    own = OmegaConf.load(DEFAULT_CFG_PATH)
    keys = [f"Rec.{name}" for name in ("model_path", "ocr_version", "lang_type", "model_type")]
    return settings.rec_model_path is not None or any(
        key in configured and configured[key] != OmegaConf.select(own, key) for key in keys
    )


def _warn_of_what_has_no_effect(configured: Mapping[str, Any], settings: Settings) -> None:
    """Name the values of a configuration that differ from RapidOCR's own and are not used."""
    if settings.profile == "exact":
        return
    own, given = OmegaConf.load(DEFAULT_CFG_PATH), OmegaConf.load(DEFAULT_CFG_PATH)
    for key, value in configured.items():
        OmegaConf.update(given, key, value)
    used = {_LINE_WIDTH} if _has_another_recogniser(settings, configured) else set()
    for key in sorted(_UNUSED - used):
        if OmegaConf.select(given, key) != OmegaConf.select(own, key):
            logger.warning(
                "OCR_CONFIG=%s: %s has no effect with OCR_PROFILE=%s",
                settings.config,
                key,
                settings.profile,
            )


def _let_the_service_write_its_log() -> None:
    its_logger = logging.getLogger("RapidOCR")
    its_logger.handlers.clear()  # they write lines with colours
    its_logger.propagate = True


def given_models(settings: Settings) -> dict[str, Path]:
    """The model files that settings name, by stage."""
    paths = {
        "Det": settings.det_model_path,
        "Cls": settings.cls_model_path,
        "Rec": settings.rec_model_path,
    }
    return {stage: path for stage, path in paths.items() if path}


def chosen_by(stage: str, settings: Settings) -> str:
    """Name what decided which model a stage has: a setting, or RapidOCR."""
    if stage in given_models(settings):
        return f"{stage.lower()}_model_path"
    return f"OCR_CONFIG={settings.config}: {stage}" if settings.config else f"RapidOCR's {stage}"


def _providers(engine: DictConfig, settings: Settings) -> list[Any]:
    """List the execution providers that are wanted and can be used, the first one first.

    RapidOCR falls back to the processor, and says so in its own log only, which is off by default.
    """
    if settings.device is not None:
        for key in ("cuda", "dml", "cann", "coreml"):
            engine[f"use_{key}"] = key == settings.device
    names = {"cuda": EP.CUDA_EP, "dml": EP.DIRECTML_EP, "cann": EP.CANN_EP, "coreml": EP.COREML_EP}
    installed = ProviderConfig(engine).had_providers
    wanted = {f"use_{key}": name.value for key, name in names.items() if engine[f"use_{key}"]}
    for key, name in wanted.items():
        engine[key] = name in installed
    providers = ProviderConfig(engine).get_ep_list()
    usable = {name for name, _ in providers}
    for key, name in wanted.items():
        if name not in usable:
            logger.warning(
                "%s has no effect: the installed ONNX Runtime cannot use %s, only %s",
                f"OCR_DEVICE={settings.device}"
                if settings.device
                else f"OCR_CONFIG={settings.config}: EngineConfig.onnxruntime.{key}",
                name,
                ", ".join(installed),
            )
    return list(providers)


OpenModel = Callable[[str, Path, str], Model | BFloat16Model]
"""Stage, path of its model, and what chose that -> the model, opened."""


def _runtime(engine: DictConfig, settings: Settings, arena: Arena) -> OpenModel:
    """Choose what computes the models.

    `fast` computes in bfloat16 where the processor does, but for the classifier, whose runs are
    short. In float32 OpenVINO takes as long as ONNX Runtime does with the settings made here: on a
    Xeon with AMX 0.97 to 1.03 times as long for a page and for lines, on one core and on two.
    """
    providers = _providers(engine, settings)
    on_processor = len(providers) == 1
    obstacle = why_not() if settings.profile == "fast" and on_processor else "not asked for"
    if settings.profile == "fast" and on_processor and obstacle:
        logger.warning("OCR_PROFILE=fast computes in float32: %s", obstacle)

    kept_memory = KeptMemory()

    def open_model(stage: str, path: Path, setting: str) -> Model | BFloat16Model:
        line_by_line = stage == "Rec" and settings.profile != "exact"  # side by side: `Stages`
        how: dict[str, Any] = {
            "setting": setting,
            "cores": 1 if line_by_line else settings.threads_per_worker,
        }
        if not obstacle and stage in PADDED:
            try:
                return BFloat16Model(
                    path,
                    at_once=settings.threads_per_worker,
                    kept_memory=kept_memory,
                    number_bytes=NUMBER_BYTES[stage],
                    heights_and_widths=PADDED[stage],
                    **how,
                )
            except RuntimeError as exc:
                logger.warning("%s runs in float32: %s", path.name, reason(exc))
        return Model(
            path,
            providers=providers,
            number_bytes=_FLOAT32_NUMBER_BYTES[stage],
            arena=arena,
            one_image=stage == "Det",
            **how,
        )

    return open_model


def _open_stage(ocr: RapidOCR, stage: str, settings: Settings, open_model: OpenModel) -> None:
    """Load a stage's model as RapidOCR would on first use, but tuned and without a download."""
    cfg, setting = ocr.cfg[stage], chosen_by(stage, settings)
    model = open_model(stage, model_path(ocr.cfg, stage, setting), setting)
    session = model.session
    if stage == "Rec" and not _knows_its_characters(session, cfg):
        raise SettingsError(f"{setting}: the model carries no characters; set Rec.rec_keys_path")
    if stage == "Cls":
        _check_labels(session, cfg, setting)
    content = {
        **cfg,
        "session": session,
        "font_path": ocr.cfg.Global.font_path,
        "engine_cfg": ocr.cfg.EngineConfig.onnxruntime,
    }
    name, kind, _ = STAGES[stage]
    try:
        opened = kind(OmegaConf.create(content, flags={"allow_objects": True}))
    except Exception as exc:  # e.g. characters that are not UTF-8
        raise _unusable(stage, setting, exc) from exc
    opened.session = model
    setattr(ocr, name, opened)


def _knows_its_characters(session: Any, cfg: DictConfig) -> bool:
    return "character" in session.get_modelmeta().custom_metadata_map or bool(cfg.rec_keys_path)


def _check_labels(session: Any, cfg: DictConfig, setting: str) -> None:
    labels, classes = len(cfg.label_list), session.get_outputs()[0].shape[-1]
    if isinstance(classes, int) and classes != labels:
        raise SettingsError(
            f"{setting}: the model tells {classes} classes apart, label_list has {labels}"
        )


def model_path(cfg: DictConfig, stage: str, setting: str) -> Path:
    """Where the model of a stage is, as RapidOCR's configuration says.

    Raises:
        SettingsError: RapidOCR has no such model; the setting is named.
    """
    section = cfg[stage]
    if section.model_path is not None:
        return Path(section.model_path)
    names = ("engine_type", "ocr_version", "task_type", "lang_type", "model_type")
    try:
        info = OrtInferSession.get_model_url(FileInfo(**{name: section[name] for name in names}))
    except ValueError as exc:
        version, model_type = section.ocr_version.value, section.model_type.value
        languages = RapidOCR.list_supported_langs(
            section.task_type, section.ocr_version, section.model_type
        )
        raise SettingsError(
            f"{setting}: RapidOCR has no model of ocr_version {version}, model_type {model_type} "
            f"and this lang_type; it has the languages: {', '.join(languages) or 'none'}"
        ) from exc
    return Path(cfg.Global.model_root_dir) / Path(info["model_dir"]).name


def _run_each_stage(ocr: RapidOCR, settings: Settings) -> None:
    """Run each stage on a drawn word: afterwards it is ready, and a wrong model has shown."""
    runs: dict[str, Callable[[], Any]] = {
        "Det": lambda: ocr.text_det(WORD),
        "Cls": lambda: ocr.cls_and_rotate([WORD]),
        "Rec": lambda: ocr.recognize_txt([WORD]),
    }
    for stage, run in runs.items():
        try:
            run()
        except Exception as exc:  # whatever a foreign model makes the stage raise
            raise _unusable(stage, chosen_by(stage, settings), exc) from exc


def _unusable(stage: str, setting: str, error: Exception) -> SettingsError:
    return SettingsError(
        f"{setting}: the model cannot be used for {STAGES[stage][2]}: {reason(error)}"
    )


def reason(error: Exception) -> str:
    """Say in one line, for operators, what was raised."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:_LONGEST_REASON]
