"""What is checked once, before there are workers.

Settings --check--> the start goes on, or ends with one line that says why
"""

import subprocess
import sys
from pathlib import Path

from ocr_runtime.serving import access
from ocr_runtime.settings import Settings

_SOURCE = Path(__file__).parents[2]


def check(settings: Settings) -> None:
    """End the process if the operator's models cannot be used; warn if anybody may call.

    Loading a model does not give all its memory back, so the models are tried in a process of
    their own.
    """
    if settings.names_models:
        command = [sys.executable, "-m", "ocr_runtime.reading.engine"]
        tried = subprocess.run(command, cwd=_SOURCE, check=False)  # noqa: S603
        if tried.returncode:
            sys.exit(tried.returncode)
    access.warn_if_open(settings.keys)
