"""Measurements for operators: answers, seconds of each stage, pixels, lines, waiting requests.

requests and their stages --> Prometheus series, one file for each process --app--> GET /metrics
                          --> OpenTelemetry spans, where BentoML's tracing is on

No label takes a value that a caller sent, so a scan of random paths adds no series.
"""

import functools
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

_FOLDER = "RAPIDOCR_METRICS"
_PROMETHEUS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_FILE_BYTES = 1 << 20  # more than our series ever take
_own: tempfile.TemporaryDirectory[str] | None = None  # of the process that starts the workers


def _allocate(file: IO[bytes], size: int) -> None:
    """Have the disk hold `size` bytes of a file, whose content stays as it is.

    Raises:
        OSError: the disk is full.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
    else:  # macOS, Windows: writing the same bytes fills what the file leaves out
        content = file.read(size)
        file.seek(0)
        file.write(content.ljust(size, b"\0"))
        file.flush()


def _has_room(folder: str) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            _allocate(file, 4 * _FILE_BYTES)
    except OSError:
        return False
    return True


# Prometheus' client takes its folder from the environment when it is imported. BentoML's folder is
# shared by all its services of a user, and each one that starts empties it, so ours gets its own:
# the first process to import this module, which starts the workers, makes it and names it to them.
# It counts nothing itself. A worker for whose file the folder has no room keeps its series in
# memory.
if _PROMETHEUS_FOLDER not in os.environ or _FOLDER not in os.environ:
    os.environ.pop(_PROMETHEUS_FOLDER, None)
    try:
        # On Windows a file that a worker still maps cannot be deleted.
        _own = tempfile.TemporaryDirectory(prefix="rapidocr-metrics-", ignore_cleanup_errors=True)
    except OSError as exc:
        sys.exit(f"rapidocr: a temporary folder is needed (TMPDIR): {exc}")
    os.environ[_FOLDER] = _own.name
elif _has_room(os.environ[_FOLDER]):
    os.environ[_PROMETHEUS_FOLDER] = os.environ[_FOLDER]
else:
    del os.environ[_PROMETHEUS_FOLDER]

import prometheus_client as prometheus  # noqa: E402
import psutil  # noqa: E402
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

logger = logging.getLogger("rapidocr")

mmap_dict._INITIAL_MMAP_SIZE = _FILE_BYTES  # noqa: SLF001, so that no file grows: see `_reserve`
_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60)
STAGES = ("queue", "decode", "detection", "classification", "recognition", "encode")
_OUTCOMES = ("ok", "gone", *(error.code for error in OCRError.__subclasses__()))
_JOB_OUTCOMES = ("ok", "cancelled", *(error.code for error in OCRError.__subclasses__()))

_stage_seconds = Histogram(
    "rapidocr_stage_seconds",
    f"Seconds that a request spends in a stage: {', '.join(STAGES)}. Those of the models include "
    "the wait for memory.",
    ["stage"],
    buckets=_SECONDS,
)
_answers = Counter(
    "rapidocr_answers",
    "Requests by endpoint and outcome: ok, the code of an error, or gone if the caller hung up.",
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
_in_flight = Gauge("rapidocr_in_flight", "Requests under way.", multiprocess_mode="livesum")
_waiting = Gauge(
    "rapidocr_waiting", "Requests that wait for a thread.", multiprocess_mode="livesum"
)
_jobs = Counter(
    "rapidocr_jobs",
    "Jobs by outcome: ok, the code of the error with which the job failed, or cancelled.",
    ["outcome"],
)
_jobs_running = Gauge(
    "rapidocr_jobs_running", "Jobs that are being read.", multiprocess_mode="livesum"
)
_jobs_waiting = Gauge(
    "rapidocr_jobs_waiting",
    "Jobs that no worker has taken up, those of other replicas included.",
    multiprocess_mode="livemostrecent",
)
for _stage in STAGES:  # zeros from the start, as in `announce`
    _stage_seconds.labels(_stage)


def disable_spans_without_exporter() -> None:
    """Keep workers that start later from making spans if BentoML is not set to export them.

    BentoML makes spans of each request even so. They took a quarter of the CPU time of a request
    that is refused. OpenTelemetry reads this variable when a worker makes its tracer.
    """
    if not BentoMLContainer.tracing.exporter_type.get():
        os.environ.setdefault("OTEL_SDK_DISABLED", "true")


def announce(endpoints: Collection[str]) -> None:
    """Create the series of these endpoints' answers, and those of jobs, with zeros.

    Prometheus does not see an increase with which a series first appears.

    Args:
        endpoints: routes, such as "/ocr".
    """
    for endpoint in endpoints:
        for outcome in _OUTCOMES:
            _answers.labels(endpoint, outcome)
    for outcome in _JOB_OUTCOMES:
        _jobs.labels(outcome)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Time a stage of a request."""
    with _stage_seconds.labels(name).time(), _tracer().start_as_current_span(name):
        yield


def count_stage(name: str, seconds: float) -> None:
    """Count the time that a request has just spent in a stage."""
    _stage_seconds.labels(name).observe(seconds)
    span = _tracer().start_span(name, start_time=time.time_ns() - int(seconds * 1e9))
    span.end()


@contextmanager
def queued() -> Iterator[Callable[[], None]]:
    """Count a request as waiting for a thread.

    Yields:
        what the thread calls when it starts; until then, or the end of the block, it waits.
    """
    span, since = _tracer().start_span("queue"), time.monotonic()
    _waiting.inc()
    tickets = [object()]  # popped once: by the thread that starts, or by the loop that gives up

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


def count_page(*, pixels: int, lines: int) -> None:
    """Count an image that was read."""
    _pixels.observe(pixels)
    _lines.observe(lines)


def count_job(outcome: str) -> None:
    """Count a job that has ended: "ok", "cancelled", or the code of an error."""
    _jobs.labels(outcome).inc()


def show_jobs(*, running: int | None = None, waiting: int | None = None) -> None:
    """Say how many jobs this worker reads, or how many wait in all."""
    if running is not None:
        _jobs_running.set(running)
    if waiting is not None:
        _jobs_waiting.set(waiting)


@contextmanager
def in_flight(endpoint: str) -> Iterator[Callable[[str], None]]:
    """Count a request as under way until the block ends.

    Args:
        endpoint: the route that answers it, one of those given to `announce`; never what a caller
            sent.

    Yields:
        what counts its outcome: "ok", "gone", or the code of an error.
    """
    with _in_flight.track_inprogress():
        yield lambda outcome: _answers.labels(endpoint, outcome).inc()


class Traffic(RunnerTrafficMetricsMiddleware):  # type: ignore[misc]
    """BentoML's own metrics of requests, for some paths only: it takes any path as a label.

    Args:
        paths: those that are measured.
    """

    def __init__(self, app: ASGIApp, *, paths: Collection[str]) -> None:
        # Paths that begin with one of these do not set the time of the last request, a series that
        # takes a file of its own.
        every_path = ("",)
        super().__init__(app, namespace="bentoml_service", skip_paths=every_path)
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._paths:
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)


def app() -> Starlette:
    """Serve /metrics, with the sum of all processes."""
    if _PROMETHEUS_FOLDER in os.environ:
        _forget_the_dead()
        _reserve()
    elif _own is None:
        logger.warning(
            "no room in %s: /metrics shows the figures of the process that answers, not the sum",
            os.environ[_FOLDER],
        )

    def series(_: Request) -> Response:
        registry = prometheus.REGISTRY
        if _PROMETHEUS_FOLDER in os.environ:
            _forget_the_dead()
            registry = prometheus.CollectorRegistry()
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return Response(
            prometheus.generate_latest(registry), media_type=prometheus.CONTENT_TYPE_LATEST
        )

    return Starlette(routes=[Route("/metrics", series)])


def _forget_the_dead() -> None:
    """Drop the gauges of ended processes, which would count forever, and keep their counters."""
    for path in _files("*.db"):
        if _is_alive(int(path.stem.rpartition("_")[2])):
            continue
        try:
            if path.name.startswith("gauge_live"):
                path.unlink(missing_ok=True)
            else:  # give back what `_reserve` took; the first bytes say how much is used
                used = int.from_bytes(path.read_bytes()[:4], sys.byteorder)
                os.truncate(path, used)
        except OSError as exc:  # Windows, while another process maps the file
            _warn_of_dead(str(exc))


@functools.cache  # once for each file
def _warn_of_dead(reason: str) -> None:
    logger.warning("the metrics of a process that has ended stay: %s", reason)


def _is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except (psutil.NoSuchProcess, psutil.AccessDenied):  # or its number is another user's by now
        return False


def _reserve() -> None:
    """Take the disk space of this process's files, which are mapped and sparse, now.

    If the disk became full later, writing to them would kill the process (SIGBUS).
    """
    for path in _files(f"*_{os.getpid()}.db"):
        with path.open("r+b") as file:
            _allocate(file, path.stat().st_size)


def _files(pattern: str) -> list[Path]:
    return list(Path(os.environ[_PROMETHEUS_FOLDER]).glob(pattern))


@functools.cache
def _tracer() -> Tracer:
    provider: Any = BentoMLContainer.tracer_provider.get()
    return provider.get_tracer("rapidocr")  # type: ignore[no-any-return]
