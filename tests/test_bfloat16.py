"""`OCR_PROFILE=fast` on processors that multiply bfloat16."""

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import DATA, read_lines
from rapidocr.main import root_dir

from ocr_runtime.documents.images import decode
from ocr_runtime.reading import bfloat16, loading
from ocr_runtime.reading.bfloat16 import PADDED, BFloat16Model, KeptMemory, why_not
from ocr_runtime.reading.bfloat16_graph import with_last_layers_small
from ocr_runtime.reading.engine import Engine
from ocr_runtime.reading.runtimes import Arena, Model
from ocr_runtime.settings import Settings, SettingsError

needs_bfloat16 = pytest.mark.skipif(bool(why_not()), reason=why_not())

STAGES = {
    "Det": root_dir / "models/PP-OCRv6_det_small.onnx",
    "Rec": root_dir / "models/PP-OCRv6_rec_small.onnx",
}

LINE = decode((DATA / "line.png").read_bytes(), max_pixels=10**8).pixels

FLAT = """
import sys
from pathlib import Path
import numpy as np, psutil
from ocr_runtime.reading.bfloat16 import BFloat16Model, KeptMemory
model = BFloat16Model(
    Path(sys.argv[1]),
    setting="it",
    cores=1,
    at_once=1,
    kept_memory=KeptMemory(),
    number_bytes=1 << 30,
    heights_and_widths=(None, []),
)
def resident():
    return psutil.Process().memory_info().rss >> 20
resident_after = []
for width in range(800, 160, -8):
    model(np.zeros((1, 3, 48, width), np.float32))
    resident_after.append(resident())
print(resident_after[19], resident_after[-1])
"""
"""How many MiB a process has after 20 shapes and after 80, each smaller than the ones before."""


def opened(stage: str, *, cores: int = 1) -> BFloat16Model:
    return BFloat16Model(
        STAGES[stage],
        setting="it",
        cores=cores,
        at_once=cores,
        kept_memory=KeptMemory(),
        number_bytes=1,
        heights_and_widths=PADDED[stage],
    )


def in_float32(stage: str) -> Model:
    providers = ["CPUExecutionProvider"]
    return Model(
        STAGES[stage],
        setting="it",
        cores=1,
        providers=providers,
        number_bytes=1,
        arena=Arena(1 << 28),
    )


def lines(widths: list[int]) -> list[np.ndarray]:
    """Parts of drawn words as the recogniser takes them."""
    words = cv2.resize(np.hstack([LINE] * 3), (1500, 48))
    batch = (words.transpose(2, 0, 1)[None] / 127.5 - 1).astype(np.float32)
    return [np.ascontiguousarray(batch[..., :width]) for width in widths]


@needs_bfloat16
def test_an_answer_has_as_many_frames_as_without_padding():
    plain, fast = in_float32("Rec"), opened("Rec")
    for batch in lines([96, 97, 100, 103, 104, 250, 331, 480]):
        expected, found = plain(batch), fast(batch)
        assert abs(found.shape[1] - expected.shape[1]) <= 1
        assert found.shape[::2] == expected.shape[::2]
        assert found.sum(2) == pytest.approx(1, abs=0.02)


@needs_bfloat16
@pytest.mark.parametrize("sides", [(96, 96), (160, 224), (352, 480), (640, 288)])
def test_a_map_of_a_page_has_the_pages_size_and_values_near_those_in_float32(sides):
    page = np.full((*sides, 3), 255, np.uint8)
    word = loading.WORD[: sides[0], : sides[1]]
    page[: word.shape[0], : word.shape[1]] = word
    batch = (page.transpose(2, 0, 1)[None] / 127.5 - 1).astype(np.float32)
    expected, found = in_float32("Det")(batch), opened("Det")(batch)
    assert found.shape == expected.shape
    assert float(np.abs(found - expected).mean()) < 0.02
    assert float(((found > 0.3) == (expected > 0.3)).mean()) > 0.98


@pytest.mark.skipif(not find_spec("openvino"), reason="OpenVINO is not installed")
def test_the_last_layers_of_the_detector_give_the_same_map_on_a_quarter_of_the_sides():
    import openvino  # noqa: PLC0415

    core = openvino.Core()
    plain = core.read_model(STAGES["Det"])
    assert "Sigmoid" in {layer.get_type_name() for layer in plain.get_ops()}
    rewritten = with_last_layers_small(core.read_model(STAGES["Det"]))
    kinds = [layer.get_type_name() for layer in rewritten.get_ops()]
    assert ("ConvolutionBackpropData" in kinds, kinds.count("DepthToSpace")) == (False, 1)
    word = (loading.WORD.transpose(2, 0, 1)[None] / 127.5 - 1).astype(np.float32)
    for batch in (word, np.concatenate([word[..., :96, :128], word[..., 32:128, :128]])):
        settings = {"INFERENCE_PRECISION_HINT": "f32"}
        expected, found = (
            core.compile_model(model, "CPU", settings)(batch)[0] for model in (plain, rewritten)
        )
        assert found.shape == expected.shape
        assert expected.max() > 0.9
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.skipif(not find_spec("openvino"), reason="OpenVINO is not installed")
def test_a_model_that_ends_otherwise_is_left_as_it_is():
    import openvino  # noqa: PLC0415

    model = openvino.Core().read_model(STAGES["Rec"])
    assert with_last_layers_small(model) is model


@pytest.mark.skipif(not find_spec("openvino"), reason="OpenVINO is not installed")
@pytest.mark.parametrize(
    ("number", "channels", "stride", "rewritten"),
    [
        (np.float32, 1, 2, True),
        (np.float16, 1, 2, False),
        (np.float32, 3, 2, False),
        (np.float32, 1, 1, False),
    ],
)
def test_only_last_layers_as_those_of_the_detector_are_rewritten(
    number, channels, stride, rewritten
):
    import openvino  # noqa: PLC0415
    from openvino import opset13 as ops  # noqa: PLC0415

    def doubled(source, inputs, outputs, by):
        weights = np.ones((inputs, outputs, 2, 2), number)
        grown = ops.convolution_backprop_data(source, ops.constant(weights), [by, by])
        return ops.add(grown, ops.constant(np.ones((1, outputs, 1, 1), number)))

    image = ops.parameter([1, 3, 8, 8], number)
    first = ops.relu(doubled(image, 3, 4, 2))
    last = ops.sigmoid(doubled(first, 4, channels, stride))
    model = openvino.Model([ops.result(last)], [image], "it")
    assert (with_last_layers_small(model) is not model) == rewritten


@needs_bfloat16
def test_runs_at_the_same_time_give_what_each_gives_alone():
    model = opened("Rec", cores=2)
    batches = lines([96, 200, 310, 480]) * 6
    alone = [model(batch) for batch in batches]
    with ThreadPoolExecutor(6) as threads:
        together = list(threads.map(model, batches))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)


@needs_bfloat16
def test_no_more_runs_at_the_same_time_than_cores():
    model = opened("Rec", cores=2)
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(model, lines([96, 200, 310, 480]) * 6))
    one, all_cores = (model._runners[cores]._idle.queue for cores in (1, 2))
    assert (len(one), len(all_cores)) == (2, 1)


class Request:
    """Stands for one of OpenVINO, whose memory it counts as released."""

    def __init__(self) -> None:
        self.released = 0

    def get_compiled_model(self) -> "Request":
        return self

    def release_memory(self) -> None:
        self.released += 1


def test_the_memory_of_the_requests_idle_longest_is_released_first(monkeypatch):
    monkeypatch.setattr(bfloat16, "KEPT", 100)
    memory, requests = KeptMemory(), [Request() for _ in range(4)]
    first, second, third, large = requests
    for request in (first, second):
        memory.give(request, memory.take(request, 50))
    assert memory.take(first, 10) == 50  # it runs again, so the second is idle longest
    memory.give(first, 50)
    memory.give(third, memory.take(third, 40))
    assert [request.released for request in requests] == [0, 1, 0, 0]
    memory.give(large, memory.take(large, 101))
    assert [request.released for request in requests] == [1, 1, 1, 1]


def test_runs_under_way_leave_less_to_be_kept(monkeypatch):
    monkeypatch.setattr(bfloat16, "KEPT", 100)
    memory, requests = KeptMemory(), [Request() for _ in range(3)]
    idle, small, large = requests
    memory.give(idle, memory.take(idle, 50))
    memory.take(small, 30)
    assert idle.released == 0
    memory.take(large, 60)
    assert idle.released == 1
    memory.give(small, 30)  # 60 run
    assert [request.released for request in requests] == [1, 0, 0]
    memory.give(idle, memory.take(idle, 20))
    assert [request.released for request in requests] == [1, 1, 0]


@needs_bfloat16
def test_an_output_is_not_changed_by_later_runs():
    model = opened("Rec")
    first, second = lines([96, 480])
    output = model(second)
    kept = output.copy()
    model(first)
    model(-second)
    np.testing.assert_array_equal(output, kept)


@needs_bfloat16
def test_an_output_is_reduced_in_its_own_memory_before_another_run_gets_that():
    model = opened("Rec")
    idle = model._runners[1]._idle
    for batch in lines([103, 480]):
        free, own, seen = model(
            batch, reduce=lambda output: (idle.qsize(), output.flags.owndata, output.copy())
        )
        assert (free, own) == (0, False)
        np.testing.assert_array_equal(seen, model(batch))


@needs_bfloat16
def test_the_precision_is_asked_for_and_not_left_to_a_default():
    (request,) = opened("Rec")._runners[1]._idle.queue
    compiled = request.get_compiled_model()
    assert compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name() == "bf16"
    assert compiled.get_property("INFERENCE_NUM_THREADS") == 1
    assert compiled.get_property("NUM_STREAMS") == 1


@needs_bfloat16
@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_shapes():
    environment = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "400", "MALLOC_MMAP_THRESHOLD_": "1048576"}
    ran = subprocess.run(
        [sys.executable, "-c", FLAT, str(STAGES["Rec"])],
        capture_output=True,
        check=True,
        text=True,
        env=environment,
    )
    early, late = map(int, ran.stdout.split())
    assert late < early + 40  # each shape takes 5 MiB, so the other sixty would take 300


def test_lengths_are_padded_to_few_sizes():
    heights, widths = PADDED["Rec"]
    assert heights is None
    padded = {bfloat16._at_least(widths, length) for length in range(96, 3000)}
    assert len(padded) < 50
    sides = PADDED["Det"][1]
    assert all(side % 32 == 0 for side in sides)
    assert len({bfloat16._at_least(sides, length) for length in range(64, 1633, 32)}) == 17
    assert bfloat16._at_least(widths, 20_000) == 20_000


@needs_bfloat16
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("openvino", "OpenVINO is not installed (the extra `openvino`)"),
        ("bf16", "the processor has neither AVX512-BF16 nor AMX"),
    ],
)
def test_without_bfloat16_the_fast_profile_computes_in_float32_and_says_so(
    name, reason, monkeypatch, caplog, standard
):
    if name == "openvino":
        monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    else:
        core = type("Core", (), {"get_property": lambda *_: ["FP32", "INT8"]})
        monkeypatch.setattr(bfloat16, "_core", core)
    with caplog.at_level(logging.WARNING, "rapidocr"):
        fast = Engine(Settings(profile="fast"))
    assert [record.getMessage() for record in caplog.records] == [
        f"OCR_PROFILE=fast computes in float32: {reason}"
    ]
    assert read_lines(fast, LINE) == read_lines(standard, LINE)


@needs_bfloat16
def test_a_model_that_openvino_does_not_compile_runs_in_float32(monkeypatch, caplog):
    def refuse(*_, **__):
        raise RuntimeError("an operator\nthat it does not know")

    monkeypatch.setattr(bfloat16._Runners, "__init__", refuse)
    with caplog.at_level(logging.WARNING, "rapidocr"):
        Engine(Settings(profile="fast"))
    assert [record.getMessage() for record in caplog.records] == [
        f"{path.name} runs in float32: RuntimeError: an operator that it does not know"
        for path in (STAGES["Det"], STAGES["Rec"])
    ]


def test_a_missing_model_is_named():
    with pytest.raises(SettingsError, match=r"^it: there is no model at /none.onnx; nothing"):
        BFloat16Model(
            Path("/none.onnx"),
            setting="it",
            cores=1,
            at_once=1,
            kept_memory=KeptMemory(),
            number_bytes=1,
            heights_and_widths=PADDED["Rec"],
        )
