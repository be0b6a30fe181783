"""The examples read a page on a real server, with and without an API key.

`compatible/test_frameworks_client.py` runs those that need clients of other services.
"""

import os
import shutil
import subprocess
import sys

import clients
import pytest
from conftest import DATA, TRUTH
from documentation import tables
from serving import ROOT, Server, clean_environ, serving

pytestmark = pytest.mark.slow

EXAMPLES = ROOT / "examples"
KEY = "a-key-of-an-example"
PROGRAMS = {".java": "java", ".mjs": "node", ".py": sys.executable, ".sh": "sh"}
ALL = sorted(path.name for path in EXAMPLES.iterdir() if path.suffix in PROGRAMS)
NAMES = [name for name in ALL if name not in clients.EXAMPLES]


@pytest.fixture(scope="module")
def with_key(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("with_key"), OCR_API_KEYS=KEY) as running:
        yield running


def run(name: str, server: Server, **variables: str) -> subprocess.CompletedProcess[str]:
    path = EXAMPLES / name
    program = PROGRAMS[path.suffix]
    if shutil.which(program) is None and "CI" not in os.environ:
        pytest.skip(f"{program} is not installed")
    return subprocess.run(
        [program, path, DATA / "table.png"],
        env=clean_environ(RAPIDOCR_URL=server.url, **variables),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize("name", NAMES)
def test_it_prints_what_is_drawn(name, server):
    ended = run(name, server)
    assert ended.returncode == 0, ended.stderr
    assert [text for text in TRUTH["table.png"] if text not in ended.stdout] == []


@pytest.mark.parametrize("name", NAMES)
def test_it_sends_its_key(name, with_key):
    ended = run(name, with_key, RAPIDOCR_KEY=KEY)
    assert ended.returncode == 0, ended.stderr
    assert TRUTH["table.png"][0] in ended.stdout


@pytest.mark.parametrize("name", NAMES)
def test_it_fails_where_the_service_refuses(name, with_key):
    ended = run(name, with_key)
    assert ended.returncode != 0
    assert TRUTH["table.png"][0] not in ended.stdout
    assert "unauthorized" in (ended.stdout + ended.stderr).lower()


def test_each_is_listed():
    (rows,) = tables((EXAMPLES / "README.md").read_text())
    assert sorted(row[0].strip("`").split()[0] for row in rows) == ALL
