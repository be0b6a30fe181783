"""A model's output has the same bits as from a plain session, on any number of cores."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from conftest import DATA, TRUTH, read_lines
from rapidocr.main import root_dir

from ocr_runtime.documents.images import decode
from ocr_runtime.reading import graphs, runtimes
from ocr_runtime.reading.engine import Engine
from ocr_runtime.reading.runtimes import Arena, Model
from ocr_runtime.settings import Settings, SettingsError

MODELS = {
    "text_det": root_dir / "models/PP-OCRv6_det_small.onnx",
    "text_cls": root_dir / "models/ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "text_rec": root_dir / "models/PP-OCRv6_rec_small.onnx",
}

PLAIN = """
import sys
import numpy as np
from onnxruntime import InferenceSession
session = InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
for path in sys.argv[2:]:
    np.save(path + ".plain.npy", session.run(None, {name: np.load(path)})[0])
"""
"""What a plain session makes of the batches, in a process of its own: nothing is set for it."""

IN_A_FRESH_PROCESS = """
import sys, threading, numpy as np
from pathlib import Path
from ocr_runtime.reading.runtimes import Arena, Model
Model(
    Path(sys.argv[1]),
    setting="it",
    cores=1,
    providers=["CPUExecutionProvider"],
    number_bytes=1,
    arena=Arena(1 << 20),
)
tiny = np.full(8, 1e-40, np.float32)
threading.Thread(target=lambda: print((tiny * np.float32(0.5)).any())).start()
"""

OVERLAP = """
import sys, threading, numpy as np, psutil
from pathlib import Path
from ocr_runtime.reading.runtimes import Arena, Model
arena = Arena(80 << 20)
model = Model(
    Path(sys.argv[1]),
    setting="it",
    cores=1,
    providers=["CPUExecutionProvider"],
    number_bytes=1,
    arena=arena,
)
def run(width, height):
    model(np.zeros((1, 3, height, width), np.float32))
def resident():
    return psutil.Process().memory_info().rss >> 20
def most():
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) >> 10
run(32, 32)
before, most_before = resident(), most()
threads = [threading.Thread(target=run, args=(960, 736)) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
del threads, thread
arena.tidy()
print(most() - most_before, resident() - before)
"""
"""How many MiB six overlapping runs take, and how many of them stay."""


def opened(
    path: Path, *, cores: int = 1, run_bytes: int = 1 << 28, one_image: bool = False
) -> Model:
    return Model(
        path,
        setting="it",
        cores=cores,
        providers=["CPUExecutionProvider"],
        number_bytes=1,
        arena=Arena(run_bytes),
        one_image=one_image,
    )


@pytest.fixture(scope="module")
def batches() -> dict[str, list[np.ndarray]]:
    """What the drawn pages give each model to compute."""
    engine = Engine(Settings(threads=1))
    seen: dict[str, list[np.ndarray]] = {stage: [] for stage in MODELS}

    def record(stage: str, model):
        def run(batch, **granted):
            seen[stage].append(batch)
            return model(batch, **granted)

        return run

    for stage in MODELS:
        holder = getattr(engine._ocr, stage)
        holder.session = record(stage, holder.session)
    for name in TRUTH:
        read_lines(engine, decode((DATA / name).read_bytes(), max_pixels=10**8).pixels)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("stage", MODELS)
def test_every_bit_is_that_of_a_plain_session(stage, batches, tmp_path):
    paths = []
    for number, batch in enumerate(batches[stage]):
        paths.append(str(tmp_path / f"{number}.npy"))
        np.save(paths[-1], batch)
    subprocess.run([sys.executable, "-c", PLAIN, MODELS[stage], *paths], check=True)
    model = opened(MODELS[stage], cores=2, one_image=stage == "text_det")
    assert len(paths) >= 10
    for path, batch in zip(paths, batches[stage], strict=True):
        plain = np.load(path + ".plain.npy")
        for cores in (1, 2):
            assert np.array_equal(model(batch, grant=lambda _, n=cores: nullcontext(n)), plain)


@pytest.fixture
def warnings(caplog) -> Callable[[], list[str]]:
    """What has been logged since; a warning that an earlier test has caused comes again."""
    runtimes._warned.clear()

    def of_service() -> list[str]:
        assert {record.name for record in caplog.records} <= {"rapidocr"}
        return [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]

    return of_service


def test_the_detector_is_rewritten(monkeypatch, warnings):
    rewritten = []

    def record(model: bytes) -> bytes:
        rewritten.append(graphs.in_blocks(model))
        return rewritten[-1]

    monkeypatch.setattr(runtimes, "in_blocks", record)
    opened(MODELS["text_det"])
    assert rewritten == []
    opened(MODELS["text_det"], one_image=True)
    assert len(rewritten) == 1
    assert warnings() == []  # there is one where the rewritten model is not used


def zero_a_weight(model: bytes) -> bytes:
    parsed = graphs._message("Model").FromString(model)
    weights = max(parsed.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    weights.raw_data = bytes(len(weights.raw_data))
    return parsed.SerializeToString()


def fail(_: bytes) -> bytes:
    raise KeyError("channels")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rewrite", "reason"),
    [
        (zero_a_weight, "its output would change"),
        (lambda model: model[:1000], "InvalidProtobuf: "),
        (fail, "KeyError: 'channels'"),
    ],
)
def test_a_model_that_cannot_be_rewritten_is_left_as_it_is_and_the_log_says_why(
    rewrite, reason, batches, monkeypatch, warnings
):
    batch = batches["text_det"][0]
    expected = opened(MODELS["text_det"])(batch)
    monkeypatch.setattr(runtimes, "in_blocks", rewrite)
    for _ in range(2):
        assert np.array_equal(opened(MODELS["text_det"], one_image=True)(batch), expected)
    (warning,) = warnings()
    assert warning.startswith("PP-OCRv6_det_small.onnx runs without the faster layout of its ten")
    assert reason in warning


def forbidden(_: str) -> int:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.fixture(params=["unknown", "forbidden"])
def no_files_in_memory(request, monkeypatch, tmp_path) -> Path:
    """A system that has or allows no files in memory; its folder of temporary files."""
    if request.param == "unknown":  # as on macOS and Windows
        monkeypatch.delattr(os, "memfd_create")
    else:
        monkeypatch.setattr(os, "memfd_create", forbidden)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("stage", MODELS)
def test_without_files_in_memory_the_bits_are_equal_and_no_file_is_left(
    stage, batches, no_files_in_memory, monkeypatch, warnings
):
    batch = batches[stage][0]
    expected = opened(MODELS[stage])(batch)
    stored, open_session = [], runtimes._opened

    def record(source: str, *arguments, **how):
        stored.append(Path(source).parent.parent)
        return open_session(source, *arguments, **how)

    monkeypatch.setattr(runtimes, "_opened", record)
    model = opened(MODELS[stage], cores=2, one_image=stage == "text_det")
    for cores in (1, 2):
        assert np.array_equal(model(batch, grant=lambda _, n=cores: nullcontext(n)), expected)
    assert stored.count(no_files_in_memory) == len(stored) - 1  # the first opens the original
    assert list(no_files_in_memory.iterdir()) == []
    assert warnings() == []


def test_where_nothing_can_be_stored_the_bits_are_equal_and_the_log_says_why_once(
    batches, tmp_path, monkeypatch, warnings
):
    expected = {stage: opened(path)(batches[stage][0]) for stage, path in MODELS.items()}
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    for stage, path in MODELS.items():
        model = opened(path, one_image=stage == "text_det")
        assert np.array_equal(model(batches[stage][0]), expected[stage])
    (warning,) = warnings()
    assert warning.startswith("The optimised models cannot be stored, so each session optimises ")
    assert "FileNotFoundError: " in warning


def test_no_file_stays_open():
    before = set(Path("/proc/self/fd").iterdir())
    opened(MODELS["text_cls"])
    assert set(Path("/proc/self/fd").iterdir()) == before


@pytest.mark.filterwarnings("ignore:Specified provider:UserWarning")
def test_an_execution_provider_that_onnx_runtime_does_not_take_is_warned_of(warnings):
    for _ in range(2):
        Model(
            MODELS["text_cls"],
            setting="it",
            cores=1,
            providers=[("CUDAExecutionProvider", {}), "CPUExecutionProvider"],
            number_bytes=1,
            arena=Arena(1 << 28),
        )
    assert warnings() == [
        "CUDAExecutionProvider cannot be used: the models run with CPUExecutionProvider"
    ]


def test_a_batch_too_large_for_the_arena_gives_the_same_bits(batches):
    batch = batches["text_det"][0]
    within = opened(MODELS["text_det"])(batch)
    assert np.array_equal(opened(MODELS["text_det"], run_bytes=1)(batch), within)


def test_what_overlapping_runs_take_beyond_the_arenas_first_part_is_given_back():
    done = subprocess.run(
        [sys.executable, "-c", OVERLAP, MODELS["text_det"]],
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 20)},  # as `service` has it
        stdout=subprocess.PIPE,
        check=True,
    )
    most, kept = map(int, done.stdout.split())
    first_part = 80
    assert most > 3 * first_part
    assert kept < 1.5 * first_part


def test_any_number_of_cores_finds_a_session():
    model = opened(MODELS["text_cls"], cores=6)
    batch = np.random.default_rng(0).random((2, 3, 80, 160), np.float32)
    one = model(batch, grant=lambda _: nullcontext(1))
    for cores in (2, 3, 4, 5, 6, 7):
        assert np.array_equal(model(batch, grant=lambda _, n=cores: nullcontext(n)), one)


def test_a_run_says_what_it_needs_before_it_starts():
    needs = []
    model = opened(MODELS["text_cls"])
    model(
        np.zeros((2, 3, 80, 160), np.float32),
        grant=lambda needed: needs.append(needed) or nullcontext(1),
    )
    assert needs == [2 * 3 * 80 * 160]


def test_denormals_are_zero_on_threads_that_start_after_the_model():
    command = [sys.executable, "-c", IN_A_FRESH_PROCESS, MODELS["text_cls"]]
    assert subprocess.check_output(command, text=True) == "False\n"
    plain = "import numpy as np; print((np.full(8, 1e-40, np.float32) * np.float32(0.5)).any())"
    assert subprocess.check_output([sys.executable, "-c", plain], text=True) == "True\n"


@pytest.mark.parametrize("in_memory", [True, False])
def test_what_is_no_model_is_named(in_memory, tmp_path, monkeypatch, warnings):
    if not in_memory:
        monkeypatch.delattr(os, "memfd_create")
    rubbish = tmp_path / "rubbish.onnx"
    rubbish.write_bytes(b"rubbish")
    with pytest.raises(SettingsError, match=r"^it: .*rubbish.onnx is not an ONNX model"):
        opened(rubbish)
    with pytest.raises(SettingsError, match=r"^it: there is no model at .*missing.onnx"):
        opened(tmp_path / "missing.onnx")
    assert warnings() == []
