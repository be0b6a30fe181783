"""Every knob, its unit and its bounds.

os.environ --Settings.from_environ--> Settings (frozen), or SettingsError (one line)
"""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

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
"""A run of an ordinary page fits: detection takes 126 MB for a million pixels, and few pages have
more than 2.5, enlarged or not. With 256 MB, the pages of `scripts/soak` waited for one another so
often that a seventh of the cores idled."""

_CORES_PER_PROCESS = 16
"""More would wait for Python's lock: `scripts/bench` measures it in docs/benchmark.md."""


_Words = frozenset[str]
_A_FILE = WithJsonSchema({"type": "string", "format": "file-path"})
_KEY = re.compile(r"[!-~]{8,256}")
_KEYS = {"OCR_API_KEYS", "OCR_API_KEYS_FILE"}
_ORIGIN = re.compile(r"\*|https?://[^/\s]+")


class SettingsError(Exception):
    """A setting that stops the start; `str(error)` is one line that names it."""


def granted_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Count the whole cores granted to this process by its affinity and its cgroup's quota.

    The host's count would be wrong in a container, and it is what ONNX Runtime takes
    (microsoft/onnxruntime#29510).
    """
    cores = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
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


def _words(text: object) -> object:
    return re.split(r"[\s,]+", text.strip(", \n")) if isinstance(text, str) else text


def _keys(text: object) -> object:
    keys = _words(text)
    if isinstance(keys, list) and not all(map(_KEY.fullmatch, keys)):
        raise ValueError("a key has 8 to 256 ASCII characters, none of them a space or comma")
    return keys


def _origins(text: object) -> object:
    origins = _words(text)
    if isinstance(origins, list) and not all(map(_ORIGIN.fullmatch, origins)):
        raise ValueError("an origin is like https://example.org:8443, without a path; or *")
    return origins


def _keys_of_file(path: object) -> object:
    try:
        return _keys(Path(path).read_text()) if isinstance(path, str) else path
    except OSError as exc:
        raise ValueError(exc.strerror) from exc


class Settings(BaseModel):
    """The service's settings, by the names of their environment variables.

    An empty variable counts as unset, but for those of the keys, which then are refused.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    det_model_path: FilePath | None = Field(
        None, description="Detection model (ONNX file) in place of the configured one."
    )
    cls_model_path: FilePath | None = Field(
        None, description="Classification model (ONNX file) in place of the configured one."
    )
    rec_model_path: FilePath | None = Field(
        None, description="Recognition model (ONNX file) in place of the configured one."
    )
    config: FilePath | None = Field(
        None, alias="OCR_CONFIG", description="A RapidOCR `config.yaml` in place of its own."
    )
    profile: Literal["exact", "fast"] = Field(
        "exact",
        alias="OCR_PROFILE",
        description="`exact`: RapidOCR's own answers; `fast`: sooner, with some other answers.",
    )
    workers: int | None = Field(
        None,
        alias="OCR_WORKERS",
        ge=1,
        le=64,
        description="Processes; each holds its own models; unset: one for each 16 granted cores.",
    )
    threads: int | None = Field(
        None,
        alias="OCR_THREADS",
        ge=1,
        le=256,
        description="Threads of each process, and requests that it computes at once; "
        "unset: the granted cores shared by the processes.",
    )
    max_body_mb: int = Field(
        20, alias="OCR_MAX_BODY_MB", ge=1, le=1024, description="Largest request body, in MiB."
    )
    max_pixels: int = Field(
        50_000_000,
        alias="OCR_MAX_PIXELS",
        ge=1,
        le=1_000_000_000,
        description="Largest image, width x height.",
    )
    max_det_pixels: int = Field(
        12_000_000,
        alias="OCR_MAX_DET_PIXELS",
        ge=100_000,
        le=200_000_000,
        description="Largest input of the detector; a longer shape is enlarged less.",
    )
    max_queue: int = Field(
        32,
        alias="OCR_MAX_QUEUE",
        ge=0,
        le=10_000,
        description="Requests of each process that may wait; one more is answered 429.",
    )
    timeout_seconds: float = Field(
        60,
        alias="OCR_TIMEOUT_SECONDS",
        gt=0,
        le=3600,
        description="Longest time that a body may take to arrive, and then its request to wait and "
        "compute, in seconds.",
    )
    score_format: Literal["string", "number"] = Field(
        "string",
        alias="OCR_SCORE_FORMAT",
        description='`string`: `"0.8176"`; `number`: as `rapidocr_api` 0.2 gave it.',
    )

    log_format: Literal["text", "json"] = Field(
        "text", alias="OCR_LOG_FORMAT", description="Log lines for people or for machines."
    )
    api_keys: Annotated[_Words, BeforeValidator(_keys)] = Field(
        frozenset(),
        alias="OCR_API_KEYS",
        repr=False,
        description="Keys of 8 to 256 characters, separated by commas; if there are any, a request "
        "needs one.",
    )
    api_keys_file: Annotated[_Words, BeforeValidator(_keys_of_file), _A_FILE] = Field(
        frozenset(),
        alias="OCR_API_KEYS_FILE",
        repr=False,
        description="A file with more of them, one a line: a mounted secret.",
    )
    public_docs: bool = Field(
        default=True,
        alias="OCR_PUBLIC_DOCS",
        description="Whether `/docs` is open to those without a key.",
    )
    public_metrics: bool = Field(
        default=True,
        alias="OCR_PUBLIC_METRICS",
        description="Whether `/metrics` is open to those without a key.",
    )
    cors_origins: Annotated[_Words, BeforeValidator(_origins)] = Field(
        frozenset(),
        alias="OCR_CORS_ORIGINS",
        description="Origins whose pages may call, separated by commas, or `*`; unset: none.",
    )

    strict: bool = Field(default=False, alias="OCR_STRICT", description="x")

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings from environment variables.

        Raises:
            SettingsError: a value is not of its type or bounds, a file is missing,
                or an `OCR_*` variable is none of ours.
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
            # An empty key is refused: who sets it does not mean that everybody may call.
            given = [
                name for name in known if environ.get(name) or name in _KEYS.intersection(environ)
            ]
            return cls.model_validate({name: environ[name] for name in given})
        except ValidationError as exc:
            first = exc.errors()[0]
            name = str(first["loc"][0])
            shown = name if name == "OCR_API_KEYS" else f"{name}={environ[name]!r}"
            raise SettingsError(f"{shown}: {first['msg']}") from exc

    @classmethod
    def variables(cls) -> dict[str, str]:
        """The environment variables in their order, each with the name of its field."""
        return {field.alias or name: name for name, field in cls.model_fields.items()}

    @property
    def keys(self) -> frozenset[str]:
        """All API keys; if there are none, nobody needs one."""
        return self.api_keys | self.api_keys_file

    @property
    def processes(self) -> int:
        return self.workers or math.ceil(granted_cores() / _CORES_PER_PROCESS)

    @property
    def threads_per_worker(self) -> int:
        return self.threads or max(1, granted_cores() // self.processes)

    @property
    def run_bytes(self) -> int:
        """Memory shared out among the runs of models in a process; a larger one runs alone."""
        return _RUN_BYTES_PER_CORE * max(2, self.threads_per_worker)

    @property
    def names_models(self) -> bool:
        """Whether any model may be another than those that come with RapidOCR."""
        return any((self.det_model_path, self.cls_model_path, self.rec_model_path, self.config))
