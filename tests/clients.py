"""Programs that use the clients of other services, in the environment that those have."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from serving import ROOT, clean_environ

PYTHON = ROOT / ".compatible/bin/python"

EXAMPLES = ("langchain_loader.py", "llama_index_reader.py")
"""Those of `examples/` that need this environment."""

needs_clients = pytest.mark.skipif(
    not PYTHON.exists(), reason="the clients are not installed: scripts/compatible tests with them"
)


def printed(program: str | Path, *arguments: str) -> Any:
    """Run a program with the clients; return the JSON that it prints.

    Args:
        program: its source, or the file that holds it.
        arguments: of the program.
    """
    source = ["-c", program] if isinstance(program, str) else [str(program)]
    ended = subprocess.run(
        [PYTHON, *source, *arguments],
        cwd=ROOT,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)
