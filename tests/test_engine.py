"""The engine's lines are RapidOCR's own, whatever others ask for at the same time."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from difflib import SequenceMatcher

import numpy as np
import pytest
from conftest import DATA, TRUTH, read_lines
from PIL import Image, ImageDraw, ImageFont
from rapidocr import RapidOCR
from rapidocr.ch_ppocr_det.utils import DetPreProcess
from rapidocr.main import DEFAULT_CFG_PATH, root_dir
from rapidocr.utils.process_img import ResizeImgError

from ocr_runtime.documents.images import PageImage, decode
from ocr_runtime.errors import InvalidOption, Timeout
from ocr_runtime.reading.engine import PAGE_OPTIONS, Engine
from ocr_runtime.reading.page import Line, ReadingOptions, Word
from ocr_runtime.settings import Settings, SettingsError

PAGES = {name: decode((DATA / name).read_bytes(), max_pixels=10**8).pixels for name in TRUTH}
CONFIG = DEFAULT_CFG_PATH.read_text()
FEW = ["chinese.png", "table.png", "line_upside_down.png", "blank.png"]
FLAGS = [
    dict(zip(("use_det", "use_cls", "use_rec"), flags, strict=True))
    for flags in itertools.product((True, False), repeat=3)
    if any(flags)
]
OPTIONS = [
    {"text_score": 0.95},
    {"box_thresh": 0.8, "unclip_ratio": 2.5},
    {"return_word_box": True},
    {"return_word_box": True, "return_single_char_box": True},
]


def expected(found, options: dict) -> list[Line]:
    """RapidOCR's result, written as our lines."""
    scores = [float(score) for score in getattr(found, "scores", None) or []]
    boxes, texts = getattr(found, "boxes", None), getattr(found, "txts", None)
    if boxes is not None and texts is not None:
        words = [None] * len(texts)
        if options.get("return_word_box"):
            words = [
                [Word(text=w, score=float(s), box=box) for w, s, box in line]
                for line in found.word_results
            ]
        parts = zip(boxes.tolist(), texts, scores, words, strict=True)
        return [Line(box=b, text=t, score=s, words=w) for b, t, s, w in parts]
    if boxes is not None:
        return [Line(box=b, score=s) for b, s in zip(boxes.tolist(), scores, strict=True)]
    if texts is not None:
        return [Line(text=texts[0], score=scores[0])] if texts[0].strip() else []
    if getattr(found, "cls_res", None):
        ((label, score),) = found.cls_res
        return [Line(direction=label, score=float(score))]
    return []


def each_image(names):
    """Run a test on each of these images; in the quick selection on a few."""
    marks = {name: [] if name in FEW else [pytest.mark.slow] for name in names}
    params = [pytest.param(name, marks=its) for name, its in marks.items()]
    return pytest.mark.parametrize("name", params)


@pytest.mark.slow
@each_image(TRUTH)
def test_by_default_the_lines_are_rapidocrs(name, engine, rapidocr):
    page = PAGES[name]
    assert read_lines(engine, page) == expected(rapidocr(page), {})


@pytest.mark.slow
@pytest.mark.parametrize("options", FLAGS + OPTIONS, ids=str)
@pytest.mark.parametrize("name", FEW)
def test_with_any_option_the_lines_are_rapidocrs(name, options, engine, rapidocr):
    page = PAGES[name]
    found = read_lines(engine, page, **options)
    assert found == expected(rapidocr(page, **options), options)


@each_image(name for name in TRUTH if name.partition(".")[0] != "on_photo")
def test_the_text_is_what_was_drawn(name, engine):
    if name.startswith("line"):
        lines = read_lines(engine, PAGES[name], use_det=False)
    else:
        lines = read_lines(engine, PAGES[name])
    assert [line.text for line in lines] == TRUTH[name]


@pytest.mark.slow
@pytest.mark.parametrize("profile", ["engine", "standard", "fast"])
def test_options_of_calls_that_overlap_never_touch(profile, request):
    engine = request.getfixturevalue(profile)
    page = PAGES["table.png"]
    choices = [ReadingOptions(**options) for options in FLAGS + OPTIONS + [{}]]
    alone = [engine.read(PageImage.of(page), options) for options in choices]
    order = list(range(len(choices))) * 3
    np.random.default_rng(1).shuffle(order)
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(lambda i: engine.read(PageImage.of(page), choices[i]), order))
    assert together == [alone[i] for i in order]


def test_options_do_not_stay(engine):
    page = PAGES["table.png"]
    before = read_lines(engine, page)
    read_lines(engine, page, use_det=False, text_score=1, box_thresh=1, return_word_box=True)
    assert read_lines(engine, page) == before


def test_a_threshold_given_for_a_whole_page_is_respected(engine):
    page = PAGES["line.png"]
    (line,) = read_lines(engine, page, use_det=False)
    above, below = min(1, line.score + 0.001), line.score - 0.001
    assert read_lines(engine, page, use_det=False, text_score=above) == []
    assert read_lines(engine, page, use_det=False, text_score=below) == [line]


def test_asking_for_nothing_is_refused(engine):
    with pytest.raises(InvalidOption, match=r"use_det, use_cls and use_rec"):
        read_lines(engine, PAGES["line.png"], use_det=False, use_cls=False, use_rec=False)


def test_single_characters_ask_for_words_too(engine):
    (line,) = read_lines(engine, PAGES["line.png"], use_det=False, return_single_char_box=True)
    assert "".join(word.text for word in line.words) == line.text.replace(" ", "")
    for word in line.words:
        assert 0 <= word.score <= 1
        assert np.array(word.box).shape == (4, 2)


def test_words_of_a_whole_page_lie_in_it_from_left_to_right(engine):
    page = PAGES["line.png"]
    (line,) = read_lines(engine, page, use_det=False, return_word_box=True)
    assert [word.text for word in line.words] == ["One", "line", "of", "text"]
    lefts = [word.box[0][0] for word in line.words]
    assert lefts == sorted(lefts)
    corners = np.array([word.box for word in line.words])
    assert corners.min() >= 0
    assert (corners.max((0, 1)) <= page.shape[1::-1]).all()


SHAPES = [
    (100, 1),
    (500, 1),
    (300, 2),
    (1, 100),
    (1, 2000),
    (2, 1999),
    (2000, 1),
    (4, 3000),
    (3000, 4),
    (1, 1),
    (2, 2),
    (10_000_000, 1),
]


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("use_det", [True, False])
def test_every_shape_is_answered(shape, use_det, engine):
    page = np.zeros((*shape, 3), np.uint8)
    assert read_lines(engine, page, use_det=use_det) == []


class Padded(Exception):
    """Carries the page that the detector was given."""


@pytest.mark.parametrize("shape", [*SHAPES, (7000, 7000), (1, 10_000_000), (60, 10_000)])
def test_the_page_and_the_detectors_input_are_bounded(shape, engine, monkeypatch):
    def detect(_, page):
        raise Padded(page)

    detector = engine._ocr.text_det
    monkeypatch.setattr(type(detector), "__call__", detect)
    with pytest.raises(Padded) as given:
        read_lines(engine, np.zeros((*shape, 3), np.uint8))
    (page,) = given.value.args
    assert page.shape[0] * page.shape[1] < 13_000_000
    prepared = detector.get_preprocess().resize(page)
    height, width = prepared.shape[:2]
    assert height * width <= 12_000_000
    assert height % 32 == width % 32 == 0
    assert min(height, width) >= 32


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(736, 736), (50, 1000), (1000, 50), (1500, 72), (40, 60)])
def test_within_the_bound_the_detectors_input_is_rapidocrs(shape, engine):
    page = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    ours = engine._ocr.text_det.get_preprocess()
    stock = DetPreProcess(ours.limit_side_len, ours.limit_type, ours.mean, ours.std)
    assert np.array_equal(ours(page), stock(page))


@pytest.mark.slow
def test_the_bound_is_a_setting(engine):
    smaller = Engine(Settings(max_det_pixels=200_000))
    page = PAGES["table.png"]
    prepared = smaller._ocr.text_det.get_preprocess().resize(page)
    assert prepared.shape[0] * prepared.shape[1] <= 200_000
    texts = [line.text for line in read_lines(smaller, page)]
    assert texts == [line.text for line in read_lines(engine, page)]


@pytest.mark.parametrize("shape", [(30, 1900), (54, 1167), (2500, 120), (3000, 2000), (20, 20)])
def test_a_page_is_shrunk_and_enlarged_as_by_rapidocr(shape, engine):
    page = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    ours, theirs = (
        preprocess(page)
        for preprocess in (
            engine._ocr.preprocess_img,
            lambda page: RapidOCR.preprocess_img(engine._ocr, page),
        )
    )
    assert np.array_equal(ours[0], theirs[0])
    assert ours[1] == theirs[1]


@pytest.mark.slow
def test_a_very_long_line_that_rapidocr_cannot_shrink_is_read(engine, rapidocr):
    words = " ".join(f"station {number}" for number in range(100, 150))
    font = ImageFont.load_default(40)
    page = Image.new("RGB", (int(font.getlength(words)) + 40, 60), "white")
    ImageDraw.Draw(page).text((20, 8), words, "black", font)
    pixels = np.asarray(page)
    assert pixels.shape[1] / pixels.shape[0] > 150
    with pytest.raises(ResizeImgError):
        rapidocr(pixels)
    read = " ".join(line.text for line in read_lines(engine, pixels))
    assert "station 101" in read
    assert "station 148" in read


def test_a_call_ends_at_its_next_run_of_a_model(engine):
    runs = []

    def check(_: int) -> AbstractContextManager[int]:
        runs.append(None)
        if len(runs) == 2:
            raise Timeout
        return nullcontext(1)

    with pytest.raises(Timeout):
        read_lines(engine, PAGES["table.png"], grant=check)
    assert len(runs) == 2


def test_a_model_of_another_stage_is_refused():
    models = root_dir / "models"
    with pytest.raises(SettingsError, match=r"^rec_model_path: the model carries no characters"):
        Engine(Settings(rec_model_path=models / "PP-OCRv6_det_small.onnx"))
    with pytest.raises(
        SettingsError, match=r"^det_model_path: the model cannot be used for detection"
    ):
        Engine(Settings(det_model_path=models / "PP-OCRv6_rec_small.onnx"))


def test_a_missing_default_model_is_not_downloaded(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("model_root_dir: null", f"model_root_dir: {tmp_path}"))
    with pytest.raises(SettingsError, match=r"there is no model at .*nothing is downloaded"):
        Engine(Settings(config=config))
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_the_configurations_own_values_are_the_defaults(tmp_path, engine):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace("use_rec: true", "use_rec: false"))
    page = PAGES["table.png"]
    configured = Engine(Settings(profile="exact", config=config))
    assert read_lines(configured, page) == read_lines(engine, page, use_rec=False)


def test_a_configuration_with_which_no_page_can_be_read_is_refused(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("Det: {unclip_ratio: 1.0e+300}")
    with pytest.raises(SettingsError, match=r"^OCR_CONFIG=.*: the model cannot be used for detec"):
        Engine(Settings(profile="exact", config=config))
    config.write_text("Global: {min_height: 1.0e+300}")
    with pytest.raises(SettingsError, match=r"^OCR_CONFIG=.*: no page can be read with it: \w+: "):
        Engine(Settings(profile="exact", config=config))


def test_a_shape_that_the_model_does_not_take_is_named(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("Rec: {rec_img_shape: [3, 32, 320]}")
    with pytest.raises(SettingsError, match=r"^OCR_CONFIG=.*: Rec: the model .* recognition: .*32"):
        Engine(Settings(config=config))


def test_labels_that_the_classifier_does_not_tell_apart_are_refused(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text("Cls: {label_list: ['0']}")
    with pytest.raises(
        SettingsError, match=r"^OCR_CONFIG=.*: Cls: .* 2 classes .* label_list has 1$"
    ):
        Engine(Settings(config=config))


def test_a_model_that_rapidocr_does_not_have_is_refused(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.replace('ocr_version: "PP-OCRv6"', 'ocr_version: "PP-OCRv4"'))
    sentence = r"Det: RapidOCR has no model of ocr_version PP-OCRv4, model_type small"
    with pytest.raises(SettingsError, match=rf"^OCR_CONFIG=.*: {sentence}"):
        Engine(Settings(config=config))
    config.write_text("Rec: {lang_type: korean}")
    with pytest.raises(
        SettingsError, match=r": Rec: RapidOCR has no .* languages: af, az, .*, vi$"
    ):
        Engine(Settings(config=config))


def test_a_model_of_the_configuration_that_is_missing_is_named(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(f"Cls: {{model_path: {tmp_path / 'cls.onnx'}}}")
    with pytest.raises(
        SettingsError, match=r"^OCR_CONFIG=.*: Cls: there is no model at .*/cls.onnx"
    ):
        Engine(Settings(config=config))


@pytest.mark.slow
def test_an_execution_provider_that_is_not_installed_is_warned_of_once(tmp_path, caplog, engine):
    config = tmp_path / "config.yaml"
    config.write_text("EngineConfig: {onnxruntime: {use_cuda: true}}")
    on_the_processor = Engine(Settings(profile="exact", config=config))
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("rapidocr", "WARNING")
    assert record.getMessage().startswith(
        f"OCR_CONFIG={config}: EngineConfig.onnxruntime.use_cuda has no effect: "
        "the installed ONNX Runtime cannot use CUDAExecutionProvider, only "
    )
    page = PAGES["line.png"]
    assert read_lines(on_the_processor, page) == read_lines(engine, page)


@pytest.mark.slow
def test_keys_of_the_configuration_that_a_profile_does_not_use_are_warned_of(tmp_path, caplog):
    config = tmp_path / "config.yaml"
    config.write_text(
        "Det: {limit_side_len: 960, thresh: 0.3}\n"
        "Rec: {rec_batch_num: 2, rec_img_shape: [3, 48, 640]}"
    )
    expected = {
        "exact": [],
        "standard": ["Det.limit_side_len", "Rec.rec_batch_num", "Rec.rec_img_shape[2]"],
        "fast": ["Det.limit_side_len", "Rec.rec_batch_num", "Rec.rec_img_shape[2]"],
    }
    for profile, keys in expected.items():
        caplog.clear()
        Engine(Settings(profile=profile, config=config))
        assert [record.getMessage() for record in caplog.records] == [
            f"OCR_CONFIG={config}: {key} has no effect with OCR_PROFILE={profile}" for key in keys
        ]


class MoreOptions(ReadingOptions):
    """Has an option that no module applies."""

    upside_down: bool | None = None


def test_an_option_that_nothing_applies_stops_the_start(monkeypatch):
    monkeypatch.setattr("ocr_runtime.reading.engine.ReadingOptions", MoreOptions)
    with pytest.raises(NotImplementedError, match=r"^nothing applies ReadingOptions.upside_down$"):
        Engine(Settings())
    applied = "ocr_runtime.reading.engine.PAGE_OPTIONS"
    monkeypatch.setattr(applied, {*PAGE_OPTIONS, "upside_down"})
    assert read_lines(Engine(Settings()), PAGES["blank.png"], use_rec=False) == []


def test_an_option_that_rapidocr_no_longer_has_is_not_ignored(engine, monkeypatch):
    monkeypatch.delattr(engine._ocr, "text_score")
    with pytest.raises(AttributeError, match="text_score"):
        read_lines(engine, PAGES["blank.png"], text_score=0.1)


@pytest.fixture(scope="module")
def fast() -> Engine:
    return Engine(Settings(profile="fast"))


def characters_wrong(engine: Engine) -> int:
    """How many characters of the drawn pages are not as they were drawn, at the least."""
    wrong = 0
    for name, page in PAGES.items():
        drawn, read = ("\n".join(lines) for lines in (TRUTH[name], texts(engine, page)))
        same = SequenceMatcher(a=drawn, b=read, autojunk=False).get_matching_blocks()
        wrong += max(len(drawn), len(read)) - sum(block.size for block in same)
    return wrong


def texts(engine: Engine, page: np.ndarray) -> list[str]:
    return [line.text for line in read_lines(engine, page)]


@pytest.mark.slow
def test_the_fast_profile_reads_the_drawn_pages_as_well_as_the_standard_one(fast, standard):
    characters = sum(len("\n".join(lines)) for lines in TRUTH.values())
    assert characters_wrong(fast) <= characters_wrong(standard) + 0.002 * characters


def test_each_line_is_recognised_on_its_own_unless_exactly_as_by_rapidocr(standard, engine):
    shapes = {}
    for reader in (standard, engine):
        holder, seen = reader._ocr.text_rec, []
        model = holder.session
        holder.session = lambda batch, seen=seen, model=model, **granted: (
            seen.append(batch.shape) or model(batch, **granted)
        )
        read_lines(reader, PAGES["table.png"])
        holder.session = model
        shapes[reader] = seen
    lines = len(TRUTH["table.png"])
    assert [shape[0] for shape in shapes[standard]] == [1] * lines
    assert 96 <= min(shape[3] for shape in shapes[standard]) < 320
    assert sum(shape[0] for shape in shapes[engine]) == lines
    assert min(shape[3] for shape in shapes[engine]) >= 320


def test_the_page_is_not_changed(engine):
    page = PAGES["table.png"].copy()
    read_lines(engine, page, return_word_box=True)
    assert np.array_equal(page, PAGES["table.png"])


def test_a_device_that_onnx_runtime_cannot_use_is_said(caplog, standard):
    reader = Engine(Settings(device="cuda"))
    (warning,) = [record.getMessage() for record in caplog.records]
    assert warning.startswith(
        "OCR_DEVICE=cuda has no effect: the installed ONNX Runtime cannot use "
        "CUDAExecutionProvider, only "
    )
    assert read_lines(reader, PAGES["line.png"]) == read_lines(standard, PAGES["line.png"])


def test_the_processor_may_be_chosen_against_the_configuration(tmp_path, caplog):
    config = tmp_path / "config.yaml"
    config.write_text("EngineConfig: {onnxruntime: {use_cuda: true}}")
    Engine(Settings(config=config, device="cpu"))
    assert caplog.records == []


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_lines_recognised_side_by_side_are_read_alike_and_in_order(cores, standard):
    page = PAGES["table.png"]
    expected = read_lines(standard, page)
    assert read_lines(standard, page, grant=lambda _: nullcontext(cores)) == expected


@pytest.mark.parametrize("last", [3, 4, 6])
def test_lines_side_by_side_end_with_their_call(last, standard):
    runs = itertools.count(1)

    def check(_: int) -> AbstractContextManager[int]:
        if next(runs) >= last:
            raise Timeout
        return nullcontext(4)

    with pytest.raises(Timeout):
        read_lines(standard, PAGES["table.png"], grant=check)
    asked = next(runs)
    standard._helpers.submit(int).result()  # whatever was handed over has begun
    assert next(runs) == asked + 1
