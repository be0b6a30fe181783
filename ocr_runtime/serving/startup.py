"""What the main process does once, before there are workers.

Settings --check--> the start goes on, or ends with one line that says why
"""

import errno
import logging
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from ocr_runtime.errors import JobsUnavailable
from ocr_runtime.serving import access, metrics
from ocr_runtime.serving.job_database import Database, cause
from ocr_runtime.settings import Settings

logger = logging.getLogger("rapidocr")

_SOURCE = Path(__file__).parents[2]


def check(settings: Settings, *, folder: Path) -> None:
    """End the process if the operator's models cannot be used; warn if anybody may call.

    Loading a model does not give all its memory back, so the models are tried in a process of
    their own. BentoML opens the port after this; if that fails, one line will say so.

    Args:
        settings: of the service.
        folder: in which it runs: where the relative paths in settings begin.
    """
    if settings.names_models:
        command = [sys.executable, "-m", "ocr_runtime.reading.engine"]
        paths = [str(_SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])]
        environ = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
        tried = subprocess.run(command, cwd=folder, env=environ, check=False)  # noqa: S603
        if tried.returncode:
            sys.exit(tried.returncode)
    if settings.jobs:
        _check_jobs(settings)
    access.warn_if_open(settings.keys)
    metrics.disable_spans_without_exporter()
    sys.excepthook = _show_uncaught


_NO_PORT = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)


def _show_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Say in one line that the port cannot be opened, and show anything else as Python does.

    The address is in the line before: "Could not bind HOST:PORT", by BentoML's process manager.
    """
    if isinstance(error, OSError) and error.errno in _NO_PORT:
        print(  # noqa: T201
            f"rapidocr: {error.strerror}. Choose another port, as by --port 3001, or address, by "
            "--host.",
            file=sys.stderr,
        )
    else:
        sys.__excepthook__(kind, error, trace)


def _check_jobs(settings: Settings) -> None:
    """Create the store of the jobs; a folder must be there, a database may come later."""
    database = Database(settings)
    try:
        with database.transaction():
            pass
    except JobsUnavailable as exc:
        reason = cause(exc)
        if not settings.jobs_store:
            sys.exit(f"rapidocr: OCR_JOBS_DIR={settings.jobs_dir}: {reason}")
        logger.warning("the store of the jobs does not answer yet: %s", reason)
    finally:
        database.close()
