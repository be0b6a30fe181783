"""What an operator watches: answers, seconds of each stage, pixels, lines, who waits.

stages and answers --> Prometheus series, one file a process --app--> /metrics
                   --> spans, where BentoML's tracing is on

No label takes what a caller sends: a scan of random paths adds no series.
"""

import functools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

_FOLDER = "RAPIDOCR_METRICS"
_PROMETHEUS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_FILE_BYTES = 1 << 20  # more than our series ever take


def _has_room(folder: str) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, 4 * _FILE_BYTES)
    except OSError:
        return False
    return True


# BentoML's folder for these files is that of all its services of a user, and each that starts
# empties it. The first process, which imports this too, makes one of our own for its workers.
# A worker, which alone is told of BentoML's, keeps its figures to itself where ours is full.
if _PROMETHEUS_FOLDER not in os.environ or _FOLDER not in os.environ:
    os.environ.pop(_PROMETHEUS_FOLDER, None)
    try:
        _own = tempfile.TemporaryDirectory(prefix="rapidocr-metrics-")
    except OSError as exc:
        sys.exit(f"rapidocr: a temporary folder is needed (TMPDIR): {exc}")
    os.environ[_FOLDER] = _own.name
elif _has_room(os.environ[_FOLDER]):
    os.environ[_PROMETHEUS_FOLDER] = os.environ[_FOLDER]  # read by the next import
else:
    del os.environ[_PROMETHEUS_FOLDER]

import prometheus_client as prometheus  # noqa: E402
from bentoml._internal.configuration.containers import BentoMLContainer  # noqa: E402
from bentoml._internal.server.http.instruments import RunnerTrafficMetricsMiddleware  # noqa: E402
from opentelemetry.trace import Tracer  # noqa: E402
from prometheus_client import Counter, Gauge, Histogram, mmap_dict  # noqa: E402
from prometheus_client.multiprocess import MultiProcessCollector  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import Response  # noqa: E402
from starlette.routing import Route  # noqa: E402
from starlette.types import ASGIApp, Receive, Scope, Send  # noqa: E402

from ocr_runtime.errors import OCRError  # noqa: E402

mmap_dict._INITIAL_MMAP_SIZE = _FILE_BYTES  # noqa: SLF001, so that none grows: see `_reserve`
_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60)
STAGES = ("queue", "decode", "detection", "classification", "recognition", "encode")

_stage_seconds = Histogram(
    "rapidocr_stage_seconds",
    f"Seconds of a request in a stage: {', '.join(STAGES)}; where a model runs, with the wait for "
    "memory.",
    ["stage"],
    buckets=_SECONDS,
)
_answers = Counter(
    "rapidocr_answers",
    "Requests by endpoint and outcome: ok, the code of an error, or gone, if the caller hung up.",
    ["endpoint", "outcome"],
)
_lines = Histogram(
    "rapidocr_image_lines",
    "Lines of text found in an image.",
    buckets=(0, 1, 3, 10, 30, 100, 300, 1000, 3000),
)
_pixels = Histogram(
    "rapidocr_image_pixels",
    "Pixels of an image.",
    buckets=(1e4, 3e4, 1e5, 3e5, 1e6, 3e6, 1e7, 3e7, 1e8),
)
# From the start: a rate does not see the increase with which a series appears.
for _stage in STAGES:
    _stage_seconds.labels(_stage)
_in_flight = Gauge("rapidocr_in_flight", "Requests of /ocr under way.", multiprocess_mode="livesum")
_waiting = Gauge(
    "rapidocr_waiting", "Requests of /ocr that wait for a thread.", multiprocess_mode="livesum"
)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Time a stage of a request."""
    with _stage_seconds.labels(name).time(), _tracer().start_as_current_span(name):
        yield


@contextmanager
def queued() -> Iterator[Callable[[], None]]:
    """Count a call as waiting until it says that it has started, or the block ends."""
    span, since = _tracer().start_span("queue"), time.monotonic()
    _waiting.inc()
    tickets = [object()]  # taken by the thread that starts, or by the loop that gives up

    def started() -> None:
        with suppress(IndexError):
            tickets.pop()
            _waiting.dec()
            span.end()
            _stage_seconds.labels("queue").observe(time.monotonic() - since)

    try:
        yield started
    finally:
        started()


def read(*, pixels: int, lines: int) -> None:
    """Count an image that was read."""
    _pixels.observe(pixels)
    _lines.observe(lines)


@contextmanager
def in_flight(endpoint: str) -> Iterator[Callable[[str], None]]:
    """Count a request as under way until the block ends; yield what counts its outcome."""
    with _in_flight.track_inprogress():
        yield lambda outcome: _answers.labels(endpoint, outcome).inc()


def announce(endpoints: Collection[str]) -> None:
    """Begin the series of these endpoints at zero: a rate misses the increase of a new series."""
    for endpoint in endpoints:
        for outcome in ("ok", "gone", *(error.code for error in OCRError.__subclasses__())):
            _answers.labels(endpoint, outcome)


class Traffic(RunnerTrafficMetricsMiddleware):  # type: ignore[misc]
    """BentoML's own metrics of requests, which take each path as a label: of `paths` alone."""

    def __init__(self, app: ASGIApp, *, paths: Collection[str]) -> None:
        everything = ("",)  # its last request's time is not kept: it takes a file of its own
        super().__init__(app, namespace="bentoml_service", skip_paths=everything)
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._paths:
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def app() -> Starlette:
    """Serve /metrics, for all processes."""
    _forget_the_dead()
    _reserve()

    def series(_: Request) -> Response:
        _forget_the_dead()
        registry = prometheus.REGISTRY
        if _PROMETHEUS_FOLDER in os.environ:
            registry = prometheus.CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(
            prometheus.generate_latest(registry), media_type=prometheus.CONTENT_TYPE_LATEST
        )

    return Starlette(routes=[Route("/metrics", series)])


def _forget_the_dead() -> None:
    """Drop what killed processes had in hand, or it would count for ever; keep what they did."""
    for path in _files("*.db"):
        process = path.stem.rpartition("_")[2]
        if _is_alive(process):
            continue
        if path.name.startswith("gauge_live"):
            path.unlink(missing_ok=True)
        else:
            used = int.from_bytes(path.read_bytes()[:4], sys.byteorder)  # see prometheus_client
            os.truncate(path, used)


def _is_alive(process: str) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        return bool(Path("/proc", process, "cmdline").read_bytes())  # empty: not yet waited for
    return False


def _reserve() -> None:
    """Take the room of this process's files, which are mapped and sparse, now.

    When the disk had become full, writing to them would kill the process (SIGBUS).
    """
    for path in _files(f"*_{os.getpid()}.db"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _files(pattern: str) -> Iterator[Path]:
    if _PROMETHEUS_FOLDER in os.environ:
        yield from Path(os.environ[_PROMETHEUS_FOLDER]).glob(pattern)


@functools.cache
def _tracer() -> Tracer:
    provider: Any = BentoMLContainer.tracer_provider.get()
    return provider.get_tracer("rapidocr")  # type: ignore[no-any-return]
