"""Name of a module -> how to start Python with that module and one library, and little else."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_RUN = "import sys; sys.path += sys.argv[1:]; from {module} import main; main()"
_KEPT_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""Of the environment, which may hold keys, the process gets what Python needs to start."""


def command(module: str, library: str) -> list[str]:
    """Return the command that runs `main` of a module of ours.

    Args:
        module: its full name.
        library: a package that it imports; those beside it can be imported too.

    Raises:
        RuntimeError: the library is not installed.
    """
    found = find_spec(library)
    if found is None or found.origin is None:
        raise RuntimeError(f"{library} is not installed")
    paths = [str(_ROOT), str(Path(found.origin).parents[1])]
    return [sys.executable, "-I", "-S", "-c", _RUN.format(module=module), *paths]


def environment() -> dict[str, str]:
    """Return the environment variables of the process."""
    return {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
