"""A short run of scripts/fuzz, with files that no earlier run has seen."""

import re
import subprocess
import time

from serving import ROOT


def test_mutated_files_and_bodies_give_what_they_hold_or_our_errors(tmp_path):
    seed = str(int(time.time()))
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
