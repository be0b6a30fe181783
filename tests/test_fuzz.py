"""A short run of scripts/fuzz. The environment variable FUZZ_SEED chooses other files."""

import os
import re
import subprocess

import pytest
from serving import ROOT

pytestmark = pytest.mark.slow


def test_mutated_files_and_bodies_are_read_or_give_one_of_the_services_errors(tmp_path):
    seed = os.environ.get("FUZZ_SEED", "0")
    ended = subprocess.run(
        [ROOT / "scripts/fuzz", "--files", "3000", "--seed", seed],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ended.returncode == 0, f"--seed {seed}: {ended.stderr}"
    assert ended.stdout.startswith("3000 files: ")
    assert re.search(r"'page': \d{3}", ended.stdout)
    assert re.search(r"'request': \d{2}", ended.stdout)
    assert list(tmp_path.iterdir()) == []
