"""Limits that a process gives itself before it looks at a stranger's file.

Called in the child process itself: `pdf_child`, and the one that writes PDFs in `outputs`.
"""

import contextlib
import math
import time

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]


def give_up_rights(memory_bytes: int, *, max_files: int = 0) -> None:
    """Bound this process before it reads a byte of the file.

    Args:
        memory_bytes: address space of the process.
        max_files: how many file descriptors it may have. With 0 it can open no file and no
            connection, nor import anything more; the three that it has remain.
    """
    if resource is None:
        return
    for name, most in {
        "RLIMIT_CORE": 0,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": max_files,
        "RLIMIT_NPROC": 0,
        "RLIMIT_AS": memory_bytes,
    }.items():
        _limit(name, most, most)


def allow_seconds(seconds: float) -> None:
    """Let what comes next take so much processor time, should nobody be left to end it."""
    if resource is not None:
        most = math.ceil(time.process_time() + seconds) + 1
        _limit("RLIMIT_CPU", most, None)


def _limit(name: str, soft: int, hard: int | None) -> None:
    kind = getattr(resource, name, None)
    if kind is None:
        return
    most = resource.getrlimit(kind)[1]
    # macOS has no limit of memory, and an administrator may have set lower ones.
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(kind, (soft, most if hard is None else hard))
