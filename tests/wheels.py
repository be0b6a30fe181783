"""The wheel of this checkout, as `pip install .` builds it."""

import shutil
import subprocess
from pathlib import Path

from serving import ROOT


def build_wheel(folder: Path) -> Path:
    """Build it in a folder, by the setuptools of the tests, without a network."""
    for name in ("pyproject.toml", "README.md", "LICENSE", "service.py"):
        shutil.copy(ROOT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "ocr_runtime", folder / "ocr_runtime", ignore=ignored)
    python = ROOT / ".venv/bin/python"
    command = [python, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    subprocess.run([*command, "--wheel-dir", "dist", "."], cwd=folder, check=True, timeout=100)
    (built,) = (folder / "dist").iterdir()
    return built
