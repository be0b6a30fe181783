"""The engine in a process of its own: `python -m scripts.benchmark.inside WHAT IMAGE...` -> JSON.

Each WHAT is a function here; they run in fresh processes, so that none warms up another, and that
their cores can be bound beforehand.
"""

import collections
import functools
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

CORES = int(os.environ.get("CORES", "1"))
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])

import numpy as np  # noqa: E402, its threads follow the affinity
import onnxruntime  # noqa: E402
from rapidocr.main import root_dir  # noqa: E402

from ocr_runtime.documents.images import PageImage, decode  # noqa: E402
from ocr_runtime.reading.engine import Engine  # noqa: E402
from ocr_runtime.reading.page import ReadingOptions  # noqa: E402
from ocr_runtime.settings import Settings  # noqa: E402

from .load import drive  # noqa: E402
from .pages import drawn  # noqa: E402
from .systems import PROFILES  # noqa: E402

STAGES = {"text_det": "detection", "text_cls": "classification", "text_rec": "recognition"}


def engine(profile: str = "standard") -> Engine:
    return Engine(Settings(profile=profile, threads=CORES))


def pages(paths: list[str]) -> list[PageImage]:
    return [decode(Path(path).read_bytes(), max_pixels=10**9) for path in paths]


def texts(reader: Engine, page: PageImage) -> list[str]:
    return [line.text or "" for line in reader.read(page, ReadingOptions()).lines]


def seconds(work: Callable[[], Any], rounds: int = 5) -> float:
    """The median of some runs, after one that is not counted."""
    work()
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def stages(paths: list[str]) -> dict[str, dict[str, float]]:
    """Seconds of one core in each stage, all images together, for each profile."""
    found = {}
    for profile in PROFILES:
        reader, spent = engine(profile), collections.Counter[str]()
        for attribute, name in STAGES.items():
            stage = getattr(reader._ocr, attribute)
            stage.session = _timed(stage.session, spent, name)
        for _ in range(2):  # the first warms up
            spent.clear()
            start = time.perf_counter()
            images = pages(paths)
            spent["decoding"] = time.perf_counter() - start
            for page in images:
                reader.read(page, ReadingOptions())
            total = time.perf_counter() - start
        found[profile] = {**spent, "the rest": total - sum(spent.values()), "all": total}
    return found


def _timed(model: Callable[..., np.ndarray], spent: collections.Counter, name: str) -> Any:
    def run(batch: np.ndarray, **granted: int) -> np.ndarray:
        start = time.perf_counter()
        try:
            return model(batch, **granted)
        finally:
            spent[name] += time.perf_counter() - start

    return run


def arithmetic(_: list[str]) -> dict[str, Any]:
    """Arithmetic done and its speed on one core, and the core's own speed."""
    square = np.random.default_rng(0).random((4096, 4096), np.float32)
    peak = 2 * 4096**3 / seconds(lambda: square @ square) / 1e9
    found: dict[str, Any] = {"peak": peak}
    shapes = {"det": (1, 3, 736, 960), "rec": (6, 3, 48, 480)}
    for stage, shape in shapes.items():
        (path,) = (root_dir / "models").glob(f"*_{stage}_small.onnx")
        found[stage] = _arithmetic(path, np.random.default_rng(0).random(shape, np.float32))
    return found


def _arithmetic(path: Path, batch: np.ndarray) -> dict[str, Any]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.enable_profiling = True
    options.profile_file_prefix = f"/tmp/profile-{os.getpid()}"
    options.add_session_config_entry("session.set_denormal_as_zero", "1")
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    for _ in range(5):
        session.run(None, {name: batch})
    profile = Path(session.end_profiling())
    events = [event for event in json.loads(profile.read_text()) if "args" in event]
    profile.unlink()
    spent, operations = collections.defaultdict(list), {}
    for event in events:
        if event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"], event["name"]].append(event["dur"] / 1e6)
            operations[event["name"]] = _operations(event["args"])
    by_kind = collections.Counter()
    for (kind, _), each in spent.items():
        by_kind[kind] += statistics.median(each)
    total, gflop = sum(by_kind.values()), sum(operations.values()) / 1e9
    shares = {kind: share / total for kind, share in by_kind.most_common(7)}
    return {"gflop": gflop, "speed": gflop / total, "milliseconds": 1000 * total, "shares": shares}


def _operations(node: dict[str, Any]) -> float:
    """Multiplications and additions of a convolution or a matrix product, by its shapes."""
    ins = [next(iter(shape.values())) for shape in node["input_type_shape"]]
    out = next(iter(node["output_type_shape"][0].values()))
    if node["op_name"] == "Conv":
        return 2.0 * math.prod(out) * math.prod(ins[1][1:])
    if node["op_name"] == "ConvTranspose":  # whose windows do not overlap in these models
        return 2.0 * math.prod(out) * ins[0][1]
    if node["op_name"] in ("MatMul", "FusedMatMul", "Gemm"):
        return 2.0 * math.prod(out) * math.prod(ins[0]) / math.prod(out[:-1])
    return 0.0


def profiles(paths: list[str]) -> dict[str, dict[str, Any]]:
    """The profiles: seconds of one core, and the lines read.

    What the options of `standard` do is measured by `scripts/accuracy`.
    """
    found, images = {}, pages(paths)
    exact, standard, fast = map(engine, PROFILES)
    line_by_line = engine("exact")
    line_by_line._ocr.text_rec = standard._ocr.text_rec
    for name, reader in (
        ("exact", exact),
        ("exact, but each line on its own", line_by_line),
        ("standard", standard),
        ("fast", fast),
    ):
        work = [functools.partial(texts, reader, image) for image in images]
        read = [each() for each in work]
        found[name] = {"seconds": [seconds(each, rounds=1) for each in work], "lines": read}
    return found


def growth(_: list[str]) -> dict[str, list[tuple[int, float]]]:
    """Milliseconds of one core as a page has more pixels, or more lines."""
    reader = engine()
    pixels, lines = [], []
    for side in (736, 1000, 1400, 2000):
        page = PageImage.of(drawn(side, side, 10))
        pixels.append((side * side, 1000 * seconds(lambda page=page: texts(reader, page), 3)))
    for number in (0, 1, 10, 20, 30):
        page = PageImage.of(drawn(1000, 1000, number))
        lines.append((number, 1000 * seconds(lambda page=page: texts(reader, page), 3)))
    return {"pixels": pixels, "lines": lines}


def cores(paths: list[str]) -> dict[str, float]:
    """Images a second with a caller for each core, and the median alone, on so many cores."""
    reader = engine()
    data = [Path(path).read_bytes() for path in paths]

    def read(image: bytes, granted: int) -> list[str]:
        page = decode(image, max_pixels=10**9)
        return [
            line.text or ""
            for line in reader.read(
                page, ReadingOptions(), grant=lambda _: nullcontext(granted)
            ).lines
        ]

    drive(lambda image: read(image, CORES), data, callers=1, count=len(data))
    alone = drive(lambda image: read(image, CORES), data, callers=1, count=2 * len(data))
    together = drive(lambda image: read(image, 1), data, callers=CORES, count=2 * len(data))
    return {"p50": alone["p50"], "rate": together["rate"]}


def lock(paths: list[str]) -> dict[str, list[tuple[int, float]]]:
    """How one process scales, were there a core for each of its threads.

    Each run of a model is replaced by its result and by as long a sleep: what is left is Python,
    its lock and its image operations, on the cores that there are.
    """
    found = {}
    data = [Path(path).read_bytes() for path in paths]
    for profile in PROFILES:
        reader, known = engine(profile), {}
        for attribute in STAGES:
            stage = getattr(reader._ocr, attribute)
            stage.session = _remembered(stage.session, known)

        def read(image: bytes, reader: Engine = reader) -> list[str]:
            return texts(reader, decode(image, max_pixels=10**9))

        drive(read, data, callers=1, count=len(data))
        found[profile] = []
        for threads in (1, 8, 16, 32):
            count = len(data) * max(1, threads // 2)
            rate = drive(read, data, callers=threads, count=count)["rate"]
            found[profile].append((threads, rate))
    return found


def _remembered(model: Callable[..., np.ndarray], known: dict[Any, Any]) -> Any:
    def run(batch: np.ndarray, **granted: int) -> np.ndarray:
        key = batch.shape, batch[..., ::16, ::16].tobytes()
        if key not in known:
            start = time.perf_counter()
            known[key] = model(batch, **granted), time.perf_counter() - start
        output, pause = known[key]
        time.sleep(pause)
        return output

    return run


def serving(paths: list[str]) -> dict[str, float]:
    """Milliseconds that a page takes in process and over HTTP, in turns, and where they go."""
    from http.client import HTTPConnection  # noqa: PLC0415, which takes least time of its own

    from urllib3 import encode_multipart_formdata  # noqa: PLC0415

    from ocr_runtime.outputs.rapidocr import write  # noqa: PLC0415
    from ocr_runtime.serving import forms  # noqa: PLC0415
    from ocr_runtime.serving.requests import OCRRequest  # noqa: PLC0415

    image, reader = Path(paths[0]).read_bytes(), engine()
    connection = HTTPConnection(os.environ["URL"].removeprefix("http://"))
    fields = {"image_file": ("page.png", image), "use_det": "false"}
    body, content_type = encode_multipart_formdata(fields)
    page, options = decode(image, max_pixels=10**9), ReadingOptions(use_det=False)

    def call(method: str, path: str, *content: Any) -> bytes:
        connection.request(method, path, *content)
        return connection.getresponse().read()

    steps: dict[str, Callable[[], Any]] = {
        "over HTTP": lambda: call("POST", "/ocr", body, {"Content-Type": content_type}),
        "engine": lambda: reader.read(page, options),
        "decoding": lambda: decode(image, max_pixels=10**9),
        "reading the form": lambda: forms.parse(content_type, body, names=OCRRequest.names()),
        "writing the answer": lambda: write(read, score_format="string").model_dump_json(),
        "an empty request (/livez)": lambda: call("GET", "/livez"),
    }
    read = reader.read(page, options)
    spent: dict[str, list[float]] = collections.defaultdict(list)
    for turn in range(60):
        for name, work in steps.items():
            start = time.perf_counter()
            work()
            if turn >= 10:
                spent[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(each) for name, each in spent.items()}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](sys.argv[2:])))
