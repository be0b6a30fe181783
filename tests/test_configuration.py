"""The file of OCR_CONFIG is checked key by key, and may hold some keys only."""

from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf
from rapidocr.main import DEFAULT_CFG_PATH
from rapidocr.utils.parse_parameters import ParseParams
from rapidocr.utils.typings import LangRec, OCRVersion

from ocr_runtime.reading import configuration
from ocr_runtime.reading.configuration import read_configuration
from ocr_runtime.settings import SettingsError


@pytest.fixture
def config(tmp_path) -> Path:
    return tmp_path / "config.yaml"


def read(config: Path, content: str | bytes) -> dict[str, Any]:
    config.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_configuration(config)


def refused(config: Path, content: str | bytes) -> str:
    """The sentence with which a content is refused, without the file that each starts with."""
    with pytest.raises(SettingsError) as error:
        read(config, content)
    file, sentence = str(error.value).split(": ", 1)
    assert file == f"OCR_CONFIG={config}"
    assert "\n" not in sentence
    return sentence


def test_a_copy_of_rapidocrs_own_file_gives_its_own_configuration():
    own = ParseParams.load(DEFAULT_CFG_PATH)
    given = ParseParams.update_batch(
        ParseParams.load(DEFAULT_CFG_PATH), read_configuration(DEFAULT_CFG_PATH)
    )
    assert given == own


def test_each_key_that_is_read_has_a_type():
    """A key that a later RapidOCR adds with null or a list needs a line in the table."""
    own = configuration._own_configuration()
    unread = ("openvino", "paddle", "torch", "tensorrt", "mnn")
    for key in configuration._keys(own):
        if not key.startswith(tuple(f"EngineConfig.{engine}" for engine in unread)):
            default = OmegaConf.select(OmegaConf.create(own), key)
            default = OmegaConf.to_container(default) if OmegaConf.is_config(default) else default
            assert configuration._takes(key, default) is not configuration._ANYTHING, key


def test_some_keys_are_enough_and_the_others_are_rapidocrs(config):
    given = read(
        config, "Global: {text_score: 0.25}\nRec: {ocr_version: PP-OCRv5, lang_type: Latin}\nDet:"
    )
    assert given == {
        "Global.text_score": 0.25,
        "Rec.ocr_version": OCRVersion.PPOCRV5,
        "Rec.lang_type": LangRec.LATIN,
    }
    merged = ParseParams.update_batch(ParseParams.load(DEFAULT_CFG_PATH), given)
    assert merged.Global.text_score == 0.25
    assert merged.Rec.lang_type is LangRec.LATIN
    assert merged.Det == ParseParams.load(DEFAULT_CFG_PATH).Det
    assert read(config, "") == {}


def test_null_is_taken_where_rapidocr_takes_it(config):
    text = "Det: {mean: null, std: null, model_path: null}\nGlobal: {font_path: null}"
    assert set(read(config, text).values()) == {None}


def test_options_of_execution_providers_and_other_engines_are_let_through(config):
    text = """
EngineConfig:
    onnxruntime: {cuda_ep_cfg: {gpu_mem_limit: 1000}, dml_ep_cfg: {device_id: 1}}
    openvino: {num_streams: AUTO}
    paddle: {npu_ep_cfg: {envs: {FLAGS_mine: 1}}}
    mnn: {anything: 1}
"""
    assert read(config, text) == {
        "EngineConfig.onnxruntime.cuda_ep_cfg": {"gpu_mem_limit": 1000},
        "EngineConfig.onnxruntime.dml_ep_cfg": {"device_id": 1},
        "EngineConfig.openvino.num_streams": "AUTO",
        "EngineConfig.paddle.npu_ep_cfg.envs": {"FLAGS_mine": 1},
        "EngineConfig.mnn": {"anything": 1},
    }


def test_a_byte_order_mark_and_interpolations_are_understood(config, monkeypatch):
    monkeypatch.setenv("SCORE", "0.25")
    text = "\ufeffGlobal: {text_score: '${oc.decode:${oc.env:SCORE}}'}"
    assert read(config, text) == {"Global.text_score": 0.25}


@pytest.mark.parametrize(
    ("key", "value", "takes"),
    [
        ("Global.text_score", "high", "a number from 0 to 1, not 'high'"),
        ("Global.text_score", "50", "a number from 0 to 1, not 50"),
        ("Global.text_score", ".nan", "a number from 0 to 1, not nan"),
        ("Global.text_score", "true", "a number from 0 to 1, not true"),
        ("Global.text_score", "null", "a number from 0 to 1, not null"),
        ("Global.use_det", "1", "true or false, not 1"),
        ("Global.max_side_len", "none", "a number of at least 32, not 'none'"),
        ("Global.min_side_len", "-1", "a number of at least 0, not -1"),
        ("Global.width_height_ratio", "0", "-1 or a number of at least 1, not 0"),
        ("Global.log_level", "loud", "debug, info, warning, error or critical, not 'loud'"),
        ("Global.model_root_dir", "1", "a path or null, not 1"),
        ("Det.limit_side_len", "big", "a number of at least 32, not 'big'"),
        ("Det.limit_type", "mix", "min or max, not 'mix'"),
        ("Det.std", "[0, 1, 1]", "a list of 3 numbers other than 0 or null, not [0, 1, 1]"),
        ("Det.mean", "[1, 1]", "a list of 3 numbers or null, not [1, 1]"),
        ("Det.box_thresh", "1.5", "a number from 0 to 1, not 1.5"),
        ("Det.max_candidates", "0", "a whole number of at least 1, not 0"),
        ("Det.unclip_ratio", "0", "a number above 0, not 0"),
        ("Det.score_mode", "quick", "fast or slow, not 'quick'"),
        ("Det.task_type", "rec", "det, not 'rec'"),
        ("Det.model_type", "huge", "mobile, server, tiny, small or medium, not 'huge'"),
        (
            "Det.engine_type",
            "openvino",
            "onnxruntime, the only engine that this service runs, not 'openvino'",
        ),
        ("Cls.ocr_version", "PP-OCRv6", "PP-OCRv4 or PP-OCRv5, not 'PP-OCRv6'"),
        ("Cls.cls_image_shape", "[3, 48]", "a list of 3 whole numbers of at least 1, not [3, 48]"),
        ("Cls.label_list", "[0, 180]", "a list of texts, not [0, 180]"),
        ("Rec.rec_batch_num", "0", "a whole number of at least 1, not 0"),
        ("Rec.rec_batch_num", "1.5", "a whole number of at least 1, not 1.5"),
        (
            "Rec.rec_img_shape",
            "[1, 48, 320]",
            "[3, height, width] with whole numbers of at least 1, not [1, 48, 320]",
        ),
        ("Rec.rec_keys_path", "/nowhere", "the path of a file or null, not '/nowhere'"),
        (
            "Rec.lang_type",
            "klingon",
            "a language that RapidOCR knows, such as ch or ch_doc, not 'klingon'",
        ),
        ("EngineConfig.onnxruntime.use_cuda", "often", "true or false, not 'often'"),
        ("EngineConfig.onnxruntime.cpu_ep_cfg", "1", "a mapping of options, not 1"),
        ("EngineConfig.onnxruntime", "[]", "a mapping of keys, not []"),
        ("Global", "1", "a mapping of keys, not 1"),
    ],
)
def test_a_wrong_value_is_named_with_what_its_key_takes(key, value, takes, config):
    text = ": {".join(key.split(".")) + f": {value}" + "}" * key.count(".")
    assert refused(config, text) == f"{key} takes {takes}"


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("Global: {text_scoer: 0.5}", "Global.text_scoer", "Global.text_score"),
        ("Global: {TEXT_SCORE: 0.5}", "Global.TEXT_SCORE", "Global.text_score"),
        ("Det: {text_score: 0.5}", "Det.text_score", "Global.text_score"),
        ("text_score: 0.5", "text_score", "Global.text_score"),
        ("global: {}", "global", "Global"),
        ("Rec: {batch_num: 1}", "Rec.batch_num", "Rec.rec_batch_num"),
        ("EngineConfig: {onnxrt: {}}", "EngineConfig.onnxrt", "EngineConfig.onnxruntime"),
    ],
)
def test_for_an_unknown_key_the_nearest_known_one_is_suggested(text, key, nearest, config):
    assert refused(config, text) == (
        f"{key} is not a key of RapidOCR's configuration; did you mean {nearest}?"
    )


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("- a\n- b", "the file must hold a mapping of sections, such as Global and Det"),
        ("7", "the file cannot be read: Invalid loaded object type: int"),
        ("hello", "hello is not a key of RapidOCR's configuration"),
        ("1: 2", "1 is not a key of RapidOCR's configuration"),
        (
            "Global:\n  text_score: 1\n  text_score: 0.5",
            "line 3: found duplicate key text_score",
        ),
        ("Global:\n\ta: b: c", "line 2: found character that cannot start any token"),
        ("Global: {font_path: Schön}".encode("latin-1"), "the file is not text in UTF-8"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused_in_one_line(content, sentence, config):
    assert refused(config, content) == sentence


def test_what_yaml_and_omegaconf_refuse_is_said_in_one_line(config):
    start = "the file cannot be read: "
    assert refused(config, "\x01").startswith(start)
    assert refused(config, "Global: {text_score: '${oc.env:NO_SUCH}'}").startswith(start)
    assert refused(config, "Global: {null: 1}").startswith(start)


def test_a_long_value_is_shortened(config):
    assert len(refused(config, f"Global: {{text_score: {'x' * 10_000}}}")) < 200


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    gone = tmp_path / "config.yaml"
    with pytest.raises(SettingsError, match=rf"^OCR_CONFIG={gone}: the file cannot be read: No "):
        read_configuration(gone)
