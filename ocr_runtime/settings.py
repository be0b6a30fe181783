"""The service's settings: environment variables in, one frozen `Settings` out.

os.environ --Settings.from_environ--> Settings, or SettingsError with one line for the operator
"""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FilePath,
    ValidationError,
    WithJsonSchema,
)

# What Kubernetes sets in every container of a namespace that has a Service called `ocr`:
# https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
_KUBERNETES = re.compile(
    r"OCR_SERVICE_(HOST|PORT(_\w+)?)|OCR_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?"
)

_RUN_BYTES_PER_CORE = 320 << 20
"""Memory for model runs, for each core. Detection takes 126 MB for a million pixels, and few pages
have more than 2.5 million after enlargement. Measured with `scripts/soak`: with 256 MB, runs waited
for memory so often that a seventh of the cores were idle."""

_CORES_PER_PROCESS = {"exact": 16, "standard": 4, "fast": 4}
"""With more, threads wait for Python's global lock: `scripts/bench`, in docs/benchmark.md. There 16
threads do the work of 12 with `exact`; 8 threads do that of 5 with the others, which compute less
outside of the lock."""

Contract = Literal["all", "azure", "docling", "mistral", "open-webui", "paddlex", "umi-ocr"]
"""A service whose contract can be answered; see `ocr_runtime/serving/compatible`."""

_FILE_SCHEMA = WithJsonSchema({"type": "string", "format": "file-path"})
_KEY = re.compile(r"[!-~]{8,256}")
_KEY_VARIABLES = {"OCR_API_KEYS", "OCR_API_KEYS_FILE"}
_SECRET = {"OCR_API_KEYS", "OCR_JOBS_STORE"}
_STORE = re.compile(r"postgres(ql)?://")
_ORIGIN = re.compile(r"\*|https?://[^/\s]+")

_MESSAGES = {
    "bool_parsing": "must be true or false",
    "finite_number": "must be a number",
    "float_parsing": "must be a number",
    "greater_than": "must be greater than {gt:.10g}",
    "greater_than_equal": "must be at least {ge:.10g}",
    "int_parsing": "must be a whole number",
    "less_than_equal": "must be at most {le:.10g}",
    "literal_error": "must be {expected}",
    "path_not_file": "is not a file",
    "value_error": "{error}",
}
"""What is wrong with a value, by pydantic's type of error; other types keep pydantic's message."""


class SettingsError(Exception):
    """A setting that stops the start; `str(error)` is one line that names it."""


def granted_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Count the whole cores that this process may use: its CPU affinity and its cgroup's quota.

    In a container the host has more, and ONNX Runtime by itself would start a thread for each of
    those (microsoft/onnxruntime#29510).
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        cores = len(os.sched_getaffinity(0))
    try:
        if (cgroup / "cpu.max").exists():  # cgroup v2
            quota, period = (cgroup / "cpu.max").read_text().split()
        else:  # cgroup v1
            quota = (cgroup / "cpu/cpu.cfs_quota_us").read_text()
            period = (cgroup / "cpu/cpu.cfs_period_us").read_text()
        granted = int(quota) // int(period)
    except (OSError, ValueError):  # no cgroup, or "max": no quota
        return cores
    return min(cores, max(1, granted)) if int(quota) > 0 else cores


def _split(text: object) -> object:
    return re.split(r"[\s,]+", text.strip(", \n")) if isinstance(text, str) else text


def _keys(text: object) -> object:
    keys = _split(text)
    if isinstance(keys, list) and not all(map(_KEY.fullmatch, keys)):
        raise ValueError("a key has 8 to 256 ASCII characters, none of them a space or comma")
    return keys


def _origins(text: object) -> object:
    origins = _split(text)
    if isinstance(origins, list) and not all(map(_ORIGIN.fullmatch, origins)):
        raise ValueError("an origin is like https://example.org:8443, without a path; or *")
    return origins


def _keys_of_file(path: object) -> object:
    try:
        return _keys(Path(path).read_text()) if isinstance(path, str) else path
    except OSError as exc:
        raise ValueError(exc.strerror) from exc


def _store(url: object) -> object:
    if isinstance(url, str) and url and not (_STORE.match(url) and _is_url(url)):
        raise ValueError("must be like postgresql://user:password@host/database")
    return url


def _is_url(text: str) -> bool:
    """Whether SQLAlchemy, which says what is wrong with a URL by showing it, can parse this one."""
    import sqlalchemy as sa  # noqa: PLC0415, loaded only where there is a database

    try:
        sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        return False
    return True


class Settings(BaseModel):
    """The service's settings; each field's alias is its environment variable.

    An empty variable counts as unset, except those of the API keys, where it is refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    det_model_path: FilePath | None = Field(
        None, description="Detection model (ONNX file) used instead of the default one."
    )
    cls_model_path: FilePath | None = Field(
        None,
        description="Model of the lines' direction (ONNX file) used instead of the default one.",
    )
    rec_model_path: FilePath | None = Field(
        None, description="Recognition model (ONNX file) used instead of the default one."
    )
    config: FilePath | None = Field(
        None,
        alias="OCR_CONFIG",
        description="A RapidOCR `config.yaml`, whole or with only the keys that differ from "
        "RapidOCR's own.",
    )
    profile: Literal["exact", "standard", "fast"] = Field(
        "standard",
        alias="OCR_PROFILE",
        description="`standard`: RapidOCR's models, with pages turned upright, lines in reading "
        "order, lost spaces restored and words in place; `exact`: the same results as RapidOCR; "
        "`fast`: as `standard`, but large text is looked for on a page of half the size, and it "
        "computes in bfloat16 where OpenVINO is installed (the extra `openvino`) and the processor "
        "has AVX512-BF16 or AMX; elsewhere a line in the log says that it does not.",
    )
    device: Literal["cpu", "cuda"] | None = Field(
        None,
        alias="OCR_DEVICE",
        description="What computes the models. `cuda` needs `onnxruntime-gpu` in place of "
        "`onnxruntime`; where that is missing, a line in the log says so, and the processor "
        "computes. Unset: what `OCR_CONFIG` says, otherwise `cpu`.",
    )
    orientation: Literal["auto", "0", "90", "180", "270"] | None = Field(
        None,
        alias="OCR_ORIENTATION",
        description="Default of the option `orientation`. Unset: `auto`, with the profile "
        "`exact` `0`.",
    )
    layout: Literal["auto", "none"] | None = Field(
        None,
        alias="OCR_LAYOUT",
        description="Default of the option `layout`. Unset: `auto`, with the profile `exact` "
        "`none`.",
    )
    workers: int | None = Field(
        None,
        alias="OCR_WORKERS",
        ge=1,
        le=64,
        description="Number of worker processes; each loads its own models. Unset: one for every 4 "
        "granted CPU cores, with `OCR_PROFILE=exact` for every 16.",
    )
    threads: int | None = Field(
        None,
        alias="OCR_THREADS",
        ge=1,
        le=256,
        description="Requests that each process computes at once, and CPU threads that they share. "
        "Unset: the granted CPU cores divided by the number of processes.",
    )
    max_body_mb: int = Field(
        20,
        alias="OCR_MAX_BODY_MB",
        ge=1,
        le=1024,
        description="Largest accepted request body, in MiB.",
    )
    max_pixels: int = Field(
        50_000_000,
        alias="OCR_MAX_PIXELS",
        ge=1,
        le=1_000_000_000,
        description="Largest accepted image, in pixels (width x height).",
    )
    max_det_pixels: int = Field(
        12_000_000,
        alias="OCR_MAX_DET_PIXELS",
        ge=100_000,
        le=200_000_000,
        description="Largest input of the detection model, in pixels; an image that would exceed "
        "it is enlarged less.",
    )
    max_pages: int = Field(
        100,
        alias="OCR_MAX_PAGES",
        ge=1,
        le=10_000,
        description="Most pages of a document that one request may ask for.",
    )
    page_seconds: float = Field(
        20,
        alias="OCR_PAGE_SECONDS",
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="Longest time in which one page of a PDF is rendered, or a PDF is opened, in "
        "seconds.",
    )
    max_queue: int = Field(
        32,
        alias="OCR_MAX_QUEUE",
        ge=0,
        le=10_000,
        description="Requests that may wait in each process; further ones are answered 429.",
    )
    timeout_seconds: float = Field(
        60,
        alias="OCR_TIMEOUT_SECONDS",
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="Longest time for a request body to arrive, and after that for the request to "
        "wait and be computed, in seconds.",
    )
    idle_seconds: float = Field(
        75,
        alias="OCR_IDLE_SECONDS",
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="How long a connection without a request is kept open, in seconds; longer than "
        "a proxy in front keeps it. `bentoml serve --timeout-keep-alive` overrides it.",
    )
    strict: bool = Field(
        default=False,
        alias="OCR_STRICT",
        description="Refuse requests that hold unknown form fields or query parameters (400) "
        "instead of naming them in the header `X-OCR-Ignored`.",
    )
    score_format: Literal["string", "number"] = Field(
        "string",
        alias="OCR_SCORE_FORMAT",
        description='Scores in answers: `string` (`"0.8176"`), or `number` as in `rapidocr_api` '
        "0.2.",
    )

    jobs_dir: Path | None = Field(
        None,
        alias="OCR_JOBS_DIR",
        description="Folder in which jobs are stored, for one machine: on a local disk that "
        "survives a restart, such as a mounted volume. If neither it nor `OCR_JOBS_STORE` is set, "
        "there are no jobs: a container may have nowhere to write, and of several replicas each "
        "would know its own jobs only.",
    )
    jobs_store: Annotated[str | None, BeforeValidator(_store)] = Field(
        None,
        alias="OCR_JOBS_STORE",
        repr=False,
        description="URL of the PostgreSQL database in which jobs are stored in place of a "
        "folder, for several replicas: `postgresql://user:password@host/database`. It needs "
        "`requirements-postgresql.lock`.",
    )
    jobs_keep_hours: float = Field(
        24,
        alias="OCR_JOBS_KEEP_HOURS",
        gt=0,
        le=8760,
        allow_inf_nan=False,
        description="How long a job that has ended is kept with its result, and an uploaded "
        "file, in hours.",
    )
    jobs_max_pages: int = Field(
        5000,
        alias="OCR_JOBS_MAX_PAGES",
        ge=1,
        le=100_000,
        description="Most pages of a document that one job may ask for.",
    )
    jobs_max_waiting: int = Field(
        1000,
        alias="OCR_JOBS_MAX_WAITING",
        ge=0,
        le=100_000,
        description="Jobs that may wait, in all; further ones are answered 429. One caller may "
        "have at most half of them waiting.",
    )
    jobs_max_mb: int = Field(
        4096,
        alias="OCR_JOBS_MAX_MB",
        ge=1,
        le=10_000_000,
        description="Storage that the jobs may take in all when another one is made, in MiB: "
        "their files, pages and results, and 1 KiB for each job. Uploaded files count, too.",
    )

    log_format: Literal["text", "json"] = Field(
        "text", alias="OCR_LOG_FORMAT", description="Log lines as plain text or as JSON objects."
    )
    api_keys: Annotated[frozenset[str], BeforeValidator(_keys)] = Field(
        frozenset(),
        alias="OCR_API_KEYS",
        repr=False,
        description="API keys of 8 to 256 characters, separated by commas. If any key is set, "
        "requests must send one.",
    )
    api_keys_file: Annotated[frozenset[str], BeforeValidator(_keys_of_file), _FILE_SCHEMA] = Field(
        frozenset(),
        alias="OCR_API_KEYS_FILE",
        repr=False,
        description="File with further API keys, one on each line, such as a mounted secret.",
    )
    public_docs: bool = Field(
        default=True,
        alias="OCR_PUBLIC_DOCS",
        description="Whether `/docs` and the page at `/` are served without an API key.",
    )
    public_metrics: bool = Field(
        default=True,
        alias="OCR_PUBLIC_METRICS",
        description="Whether `/metrics` is served without an API key.",
    )
    compatible: Annotated[frozenset[Contract], BeforeValidator(_split)] = Field(
        frozenset(),
        alias="OCR_COMPATIBLE",
        description="Contracts of other services that are answered too, separated by commas, or "
        "`all`; see [compatible.md](compatible.md). Unset: none.",
    )
    cors_origins: Annotated[frozenset[str], BeforeValidator(_origins)] = Field(
        frozenset(),
        alias="OCR_CORS_ORIGINS",
        description="Web origins whose pages may call the service from a browser, separated by "
        "commas, or `*` for all. Unset: none.",
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from environment variables.

        Raises:
            SettingsError: a value is of the wrong type or out of bounds, a file is missing, or an
                `OCR_*` variable is not a setting.
        """
        known = set(cls.variables())
        unknown = sorted(
            name
            for name in environ
            if name.startswith("OCR_") and name not in known and not _KUBERNETES.fullmatch(name)
        )
        if unknown:
            raise SettingsError(f"{unknown[0]} is not a setting of this service")
        try:
            # An empty key is refused: an operator who sets one does not mean to admit everybody.
            given = [
                name
                for name in known
                if environ.get(name) or name in _KEY_VARIABLES.intersection(environ)
            ]
            return cls.model_validate({name: environ[name] for name in given})
        except ValidationError as exc:
            first: Any = exc.errors()[0]
            name = str(first["loc"][0])
            shown = name if name in _SECRET else f"{name}={environ[name]!r}"
            message = _MESSAGES.get(first["type"], first["msg"]).format(**first.get("ctx", {}))
            raise SettingsError(f"{shown}: {message}") from exc

    @classmethod
    def variables(cls) -> dict[str, str]:
        """The environment variables in their order, each with the name of its field."""
        return {field.alias or name: name for name, field in cls.model_fields.items()}

    @property
    def keys(self) -> frozenset[str]:
        """All API keys; if there are none, requests need none."""
        return self.api_keys | self.api_keys_file

    @property
    def processes(self) -> int:
        """Number of worker processes."""
        return self.workers or math.ceil(granted_cores() / _CORES_PER_PROCESS[self.profile])

    @property
    def threads_per_worker(self) -> int:
        """Requests computed at once in each process, and CPU threads that they share."""
        return self.threads or max(1, granted_cores() // self.processes)

    @property
    def jobs(self) -> bool:
        """Whether the service takes jobs."""
        return bool(self.jobs_dir or self.jobs_store)

    @property
    def run_bytes(self) -> int:
        """Memory in bytes that the model runs of a process share; a larger run runs alone."""
        return _RUN_BYTES_PER_CORE * max(2, self.threads_per_worker)

    @property
    def names_models(self) -> bool:
        """Whether the operator chose models or a configuration that may name others."""
        return any((self.det_model_path, self.cls_model_path, self.rec_model_path, self.config))
