"""Model file -> ONNX Runtime session; the only room that knows ONNX Runtime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions

from .settings import SettingsError


def open_session(
    path: Path, *, setting: str, threads: int, arena: bool, providers: Sequence[Any]
) -> InferenceSession:
    """Load one model.

    Args:
        path: an ONNX file.
        setting: what chose the file; named if it cannot be used.
        threads: threads that share one run. They wait asleep: spinning ones would take the
            cores from each other's sessions, each of which has a pool of its own.
        arena: whether memory of past runs is kept for the next.
        providers: execution providers, the first that can is taken.

    Raises:
        SettingsError: the file is missing or is not a model.
    """
    if not path.is_file():
        raise SettingsError(f"{setting}: there is no model at {path}; nothing is downloaded")
    options = SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_ALL
    options.enable_cpu_mem_arena = arena
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return InferenceSession(str(path), options, providers=list(providers))
    except Exception as exc:  # ONNX Runtime's many kinds share no base of its own
        raise SettingsError(f"{setting}: {path} is not an ONNX model") from exc
