"""The file of OCR_CONFIG -> the parameters that RapidOCR is to be started with, all checked.

The file is a RapidOCR `config.yaml`, whole or with only the keys that are to differ from
RapidOCR's own file. RapidOCR itself checks nothing: a misspelt key is ignored, and a wrong value
fails later in another place, or never. Here each key must be one of RapidOCR's own file, and each
value must be what the code of RapidOCR can use.
"""

import difflib
import io
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from rapidocr.ch_ppocr_cls.main import CLS_SHAPE_BY_OCR_VERSION
from rapidocr.main import DEFAULT_CFG_PATH
from rapidocr.utils.model_resolver import LANG_MAPPING, normalize_lang
from rapidocr.utils.parse_parameters import ParseParams
from rapidocr.utils.typings import (
    EngineType,
    LangCls,
    LangDet,
    LangRec,
    ModelType,
    OCRVersion,
    TaskType,
)

from ocr_runtime.settings import SettingsError

_LONGEST_VALUE = 60
"""Characters of a wrong value that are shown."""

_LONGEST_REASON = 200
"""Characters of a foreign error message that are shown."""


def read_configuration(path: Path) -> dict[str, Any]:
    """Read and check the file of OCR_CONFIG.

    Args:
        path: a YAML file in UTF-8.

    Returns:
        Its values by dotted key (`"Det.limit_type"`), enumerations as RapidOCR's enums: what
        `RapidOCR(params=...)` takes. RapidOCR adds the keys that the file leaves out.

    Raises:
        SettingsError: one line that names the file, the key and what the key takes.
    """
    try:
        return dict(_checked(_parsed(path), _own_configuration()))
    except ValueError as exc:
        raise SettingsError(f"OCR_CONFIG={path}: {exc}") from exc


def _parsed(path: Path) -> Mapping[Any, Any]:
    try:
        text = path.read_text("utf-8-sig")  # a byte order mark is no part of the first key
    except UnicodeDecodeError as exc:
        raise ValueError("the file is not text in UTF-8") from exc
    except OSError as exc:
        raise ValueError(f"the file cannot be read: {exc.strerror}") from exc
    try:
        loaded = OmegaConf.load(io.StringIO(text))
        content: Any = OmegaConf.to_container(loaded, resolve=True, throw_on_missing=True)
    except Exception as exc:  # PyYAML and OmegaConf raise kinds without a common base
        raise ValueError(_in_one_line(exc)) from exc
    if isinstance(content, dict):
        return content
    raise ValueError("the file must hold a mapping of sections, such as Global and Det")


def _in_one_line(error: Exception) -> str:
    problem, mark = (getattr(error, name, None) for name in ("problem", "problem_mark"))
    if problem and mark:  # of PyYAML, whose own message has several lines
        return f"line {mark.line + 1}: {problem}"
    return f"the file cannot be read: {_shortened(str(error), _LONGEST_REASON)}"


def _own_configuration() -> dict[str, Any]:
    own: Any = OmegaConf.to_container(OmegaConf.load(DEFAULT_CFG_PATH))
    return dict(own)


@dataclass(frozen=True)
class _Takes:
    """What a key takes.

    Args:
        words: the end of the sentence "KEY takes ...".
        fits: tells whether a value is that.
    """

    words: str
    fits: Callable[[Any], bool]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_path(value: object) -> bool:
    return value is None or (isinstance(value, str) and bool(value))


def _is_three(each: Callable[[Any], bool], value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(each, value))


def _number(low: float) -> _Takes:
    return _Takes(f"a number of at least {low}", lambda value: _is_number(value) and value >= low)


def _choice(*choices: str) -> _Takes:
    *others, last = choices
    words = f"{', '.join(others)} or {last}" if others else last
    return _Takes(words, lambda value: isinstance(value, str) and value in choices)


def _values(enum: type[Enum]) -> list[str]:
    return [str(member.value) for member in enum]


def _language(enum: type[Enum]) -> _Takes:
    known = {*_values(enum), *LANG_MAPPING, "zh", "zh_cn", "zh-cn"}  # and RapidOCR's aliases of ch
    examples = " or ".join(_values(enum)[:2])
    return _Takes(
        f"a language that RapidOCR knows, such as {examples}",
        lambda value: isinstance(value, str) and normalize_lang(value) in known,
    )


_ANYTHING = _Takes("anything", lambda _: True)
_SHARE = _Takes("a number from 0 to 1", lambda value: _is_number(value) and 0 <= value <= 1)
_COUNT = _Takes("a whole number of at least 1", lambda value: _is_whole(value) and value >= 1)
_PATH = _Takes("a path or null", _is_path)
_FILE = _Takes(
    "the path of a file or null",
    lambda value: _is_path(value) and (value is None or Path(value).is_file()),
)
_OPTIONS = _Takes("a mapping of options", lambda value: isinstance(value, dict))
_SHAPE = _Takes(
    "a list of 3 whole numbers of at least 1", lambda value: _is_three(_COUNT.fits, value)
)
_COLOUR_SHAPE = _Takes(
    "[3, height, width] with whole numbers of at least 1",
    lambda value: _is_three(_COUNT.fits, value) and value[0] == 3,
)
_OF_TYPE: dict[type, _Takes] = {
    bool: _Takes("true or false", lambda value: isinstance(value, bool)),
    int: _Takes("a whole number", _is_whole),
    float: _Takes("a number", _is_number),
    str: _Takes("text", lambda value: isinstance(value, str)),
}

_STAGE_KEYS = {
    "engine_type": _Takes(
        f"{EngineType.ONNXRUNTIME.value}, the only engine that this service runs",
        lambda value: value == EngineType.ONNXRUNTIME.value,
    ),
    "model_type": _choice(*_values(ModelType)),
    "ocr_version": _choice(*_values(OCRVersion)),
    "model_path": _PATH,  # whether it is a model is seen when it is opened
    "model_dir": _PATH,
}

_TAKES: dict[str, _Takes] = {
    # main.py of RapidOCR, `filter_by_text_score`: lines with a lower score are left out.
    "Global.text_score": _SHARE,
    # utils/process_img.py, `resize_image_within_bounds`: sides become multiples of 32, and a side
    # of 0 raises.
    "Global.min_side_len": _number(0),
    "Global.max_side_len": _number(32),
    # utils/process_img.py, `apply_vertical_padding`: -1 turns the rule off; a page is padded to
    # twice its width divided by the ratio, so that 0 raises, and little takes much memory.
    "Global.min_height": _number(0),
    "Global.width_height_ratio": _Takes(
        "-1 or a number of at least 1",
        lambda value: _is_number(value) and (value == -1 or value >= 1),
    ),
    "Global.font_path": _PATH,
    "Global.log_level": _choice("debug", "info", "warning", "error", "critical"),
    "Global.model_root_dir": _PATH,
    # ch_ppocr_det/utils.py, `DetPreProcess`: sides become multiples of 32; whatever is not "max"
    # counts as "min"; mean and std are of three channels, None is 0.5 for each.
    "Det.limit_side_len": _number(32),
    "Det.limit_type": _choice("min", "max"),
    "Det.mean": _Takes(
        "a list of 3 numbers or null", lambda value: value is None or _is_three(_is_number, value)
    ),
    "Det.std": _Takes(
        "a list of 3 numbers other than 0 or null",
        lambda value: value is None or (_is_three(_is_number, value) and all(value)),
    ),
    # ch_ppocr_det/utils.py, `DBPostProcess`: both thresholds are compared to probabilities;
    # whatever is not "fast" counts as "slow".
    "Det.thresh": _SHARE,
    "Det.box_thresh": _SHARE,
    "Det.max_candidates": _COUNT,
    "Det.unclip_ratio": _Takes("a number above 0", lambda value: _is_number(value) and value > 0),
    "Det.score_mode": _choice("fast", "slow"),
    "Det.task_type": _choice(TaskType.DET.value),
    "Det.lang_type": _language(LangDet),
    # ch_ppocr_cls/main.py: the shape of the input follows from the version, cls_image_shape is
    # not read; a label is searched for "180".
    "Cls.ocr_version": _choice(*(version.value for version in CLS_SHAPE_BY_OCR_VERSION)),
    "Cls.cls_image_shape": _SHAPE,
    "Cls.cls_batch_num": _COUNT,
    "Cls.cls_thresh": _SHARE,
    "Cls.label_list": _Takes(
        "a list of texts",
        lambda value: isinstance(value, list) and all(isinstance(label, str) for label in value),
    ),
    "Cls.task_type": _choice(TaskType.CLS.value),
    "Cls.lang_type": _language(LangCls),
    # ch_ppocr_rec/main.py: crops of three channels are taken in batches.
    "Rec.rec_keys_path": _FILE,
    "Rec.rec_img_shape": _COLOUR_SHAPE,
    "Rec.rec_batch_num": _COUNT,
    "Rec.task_type": _choice(TaskType.REC.value),
    "Rec.lang_type": _language(LangRec),
    # inference_engine/onnxruntime/provider_config.py: options of execution providers, which have
    # more of them than RapidOCR's own file names.
    **{
        f"EngineConfig.onnxruntime.{provider}_ep_cfg": _OPTIONS
        for provider in ("cpu", "cuda", "cann", "coreml")
    },
    "EngineConfig.onnxruntime.dml_ep_cfg": _Takes(
        "a mapping of options or null", lambda value: value is None or isinstance(value, dict)
    ),
    "EngineConfig.paddle.npu_ep_cfg.envs": _OPTIONS,  # environment variables
}


def _takes(key: str, default: object) -> _Takes | None:
    """Tell what a key takes; None if it is a section of more keys."""
    section, _, name = key.rpartition(".")
    if key in _TAKES:
        return _TAKES[key]
    if section in ("Det", "Cls", "Rec") and name in _STAGE_KEYS:
        return _STAGE_KEYS[name]
    if isinstance(default, dict) and default:
        return None
    if key.startswith("EngineConfig.") and not key.startswith("EngineConfig.onnxruntime."):
        return _ANYTHING  # of an engine that is not run here
    return _OF_TYPE.get(type(default), _ANYTHING)


def _checked(
    given: Mapping[Any, Any], own: Mapping[str, Any], section: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield the given values by dotted key.

    Args:
        given: a section of the file.
        own: the same section of RapidOCR's own file.
        section: its dotted key.

    Raises:
        ValueError: a key is unknown or does not take its value.
    """
    for name, value in given.items():
        key = f"{section}.{name}".lstrip(".")
        if name not in own:
            raise ValueError(
                f"{key} is not a key of RapidOCR's configuration{_hint(name, section)}"
            )
        takes = _takes(key, own[name])
        if takes is None:
            if not isinstance(value, dict | None):
                raise ValueError(f"{key} takes a mapping of keys, not {_shown(value)}")
            yield from _checked(value or {}, own[name], key)
        elif takes.fits(value):
            yield key, _converted(section, name, value)
        else:
            raise ValueError(f"{key} takes {takes.words}, not {_shown(value)}")


def _converted(section: str, name: str, value: Any) -> Any:
    """Make the enum of a value that RapidOCR takes as an enum only."""
    if section not in ("Det", "Cls", "Rec"):
        return value
    if name == "lang_type":
        return ParseParams.LangType(TaskType(section.lower()), normalize_lang(value))
    enums = {
        "engine_type": EngineType,
        "model_type": ModelType,
        "ocr_version": OCRVersion,
        "task_type": TaskType,
    }
    return enums[name](value) if name in enums else value


def _hint(name: object, section: str) -> str:
    """Suggest the known key whose name is nearest, in the same section if there is one."""
    known = list(_keys(_own_configuration()))
    here = [key for key in known if key.rpartition(".")[0] == section]
    for keys in (here, known):
        names = {key.rpartition(".")[2].lower(): key for key in reversed(keys)}
        for nearest in difflib.get_close_matches(str(name).lower(), names, n=1):
            return f"; did you mean {names[nearest]}?"
    return ""


def _keys(own: Mapping[str, Any], section: str = "") -> Iterator[str]:
    for name, value in own.items():
        key = f"{section}.{name}".lstrip(".")
        yield key
        if isinstance(value, dict):
            yield from _keys(value, key)


def _shown(value: object) -> str:
    """Show a value as YAML writes it, shortened."""
    if value is None:
        return "null"
    return (
        str(value).lower() if isinstance(value, bool) else _shortened(repr(value), _LONGEST_VALUE)
    )


def _shortened(text: str, length: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= length else f"{text[:length]}..."
