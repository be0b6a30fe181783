"""The built bento holds what it needs and nothing else, and serves like the checkout."""

import re
import subprocess
from pathlib import Path

import pytest
from conftest import TRUTH, page_bytes
from serving import BENTOML, ROOT, clean_environ, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> str:
    """A BentoML home that holds the bento and nothing of this machine's."""
    folder = tmp_path_factory.mktemp("bentoml")
    environ = clean_environ(BENTOML_HOME=str(folder))
    subprocess.run([BENTOML, "build"], cwd=ROOT, env=environ, check=True, timeout=100)
    return str(folder)


@pytest.fixture(scope="module")
def bento(home) -> Path:
    (version,) = (Path(home) / "bentos" / "rapidocr").glob("*/")
    return version


def test_the_bento_holds_the_service_and_nothing_else(bento):
    source = bento / "src"
    files = {str(path.relative_to(source)) for path in source.rglob("*") if path.is_file()}
    modules = {str(path.relative_to(ROOT)) for path in ROOT.glob("ocr_runtime/**/*.py")}
    page = {str(path.relative_to(ROOT)) for path in ROOT.glob("ocr_runtime/serving/web/*")}
    assert "ocr_runtime/serving/web/index.html" in page
    assert files == {
        "service.py",
        "bentofile.yaml",
        "requirements-openvino.lock",  # for the arguments OPENVINO
        "requirements-postgresql.lock",  # and POSTGRESQL of deploy/Dockerfile
        *modules,
        *page,
    }


def pins(lock: Path) -> set[str]:
    """The pinned versions and hashes of a lock, which BentoML writes in another layout."""
    return set(re.findall(r"^[\w.-]+==[\w.]+|sha256:\w+", lock.read_text(), re.MULTILINE))


def test_its_lock_is_ours_and_names_no_index(bento):
    ours = pins(ROOT / "requirements.lock")
    assert len(ours) > 1000
    assert pins(bento / "env/python/requirements.txt") == ours
    for path in (bento / "env").rglob("*"):
        if path.is_file():
            assert "index-url" not in path.read_text(), path


def test_its_image_starts_from_the_lean_ones_base(bento):
    (base,) = re.findall(
        "^ARG PYTHON_IMAGE=(.*)", (ROOT / "deploy/Dockerfile").read_text(), re.MULTILINE
    )
    dockerfile = (bento / "env/docker/Dockerfile").read_text()
    assert f"\nFROM {base} AS " in dockerfile
    assert "apt-get" not in dockerfile


def test_the_bento_serves(home, tmp_path):
    variables = {"BENTOML_HOME": home, "OCR_WORKERS": "2"}  # read when it starts, not when built
    with serving(tmp_path, "rapidocr:latest", cwd=tmp_path, **variables) as server:
        answer = server.ocr(page_bytes("table.png")).json()
        assert [entry["rec_txt"] for entry in answer.values()] == TRUTH["table.png"]
        assert len(server.workers()) == 2
        assert server.get("/docs.json").json()["paths"]["/ocr"]
        assert server.get("/web/page.js").status_code == 200
