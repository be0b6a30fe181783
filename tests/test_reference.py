"""The reference pages say what the code does."""

import shutil
import subprocess
from pathlib import Path

import pytest
from documentation import PAGES, table
from serving import ROOT, clean_environ

from ocr_runtime.errors import OCRError
from ocr_runtime.serving.requests import OCRRequest
from ocr_runtime.settings import Settings


def reference(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run scripts/reference of a checkout."""
    return subprocess.run(
        [root / ".venv/bin/python", root / "scripts/reference", *arguments],
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_pages_are_those_that_the_code_gives():
    compared = reference(ROOT, "--check")
    assert (compared.returncode, compared.stderr) == (0, "")


@pytest.mark.slow
def test_a_page_that_differs_from_the_code_is_named_and_mended(tmp_path):
    for name in ("ocr_runtime", "service.py", ".venv"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts/reference", tmp_path / "scripts")
    (tmp_path / "docs").mkdir()
    for name in ("api.md", "settings.md", "errors.md", "architecture.md"):
        shutil.copy(ROOT / "docs" / name, tmp_path / "docs")
    errors = tmp_path / "docs/errors.md"
    errors.write_text(PAGES["docs/errors.md"].replace("| 400 |", "| 402 |", 1))
    (tmp_path / "docs/api.md").unlink()
    architecture = tmp_path / "docs/architecture.md"
    architecture.write_text(PAGES["docs/architecture.md"].replace("`service.py` | ", "`a.py` | "))

    compared = reference(tmp_path, "--check")
    assert compared.returncode == 1
    assert compared.stderr == (
        "docs/api.md, docs/errors.md, docs/architecture.md differ from the code: "
        "run scripts/reference\n"
    )
    assert reference(tmp_path).returncode == 0
    written = {f"docs/{path.name}": path.read_text() for path in (tmp_path / "docs").iterdir()}
    assert written == {name: PAGES[name] for name in written}


def test_every_setting_has_a_row():
    rows = table(PAGES["docs/settings.md"], "`det_model_path`")
    assert [row[0] for row in rows] == [f"`{name}`" for name in Settings.variables()]
    shown = {row[0]: row[1:] for row in rows}
    assert shown["`OCR_MAX_BODY_MB`"][:2] == ["20", "1 to 1024"]
    assert shown["`OCR_TIMEOUT_SECONDS`"][:2] == ["60", "above 0 to 3600"]
    assert shown["`OCR_PUBLIC_DOCS`"][:2] == ["true", "true or false"]
    assert shown["`OCR_PROFILE`"][1].startswith("exact or ")
    assert shown["`OCR_API_KEYS_FILE`"][:2] == ["-", "a file"]
    assert shown["`OCR_CORS_ORIGINS`"][:2] == ["-", "a list"]


def test_every_error_has_a_row_that_says_when():
    rows = table(PAGES["docs/errors.md"], "400")
    assert [row[:3] for row in rows] == [
        [str(error.status), f"`{error.code}`", error.sentence]
        for error in OCRError.__subclasses__()
    ]
    assert all(row[3].endswith(".") for row in rows)


def test_every_endpoint_and_field_has_its_place(server):
    page = PAGES["docs/api.md"]
    for path, operations in server.get("/docs.json").json()["paths"].items():
        for method in operations:
            assert f"\n## `{method.upper()} {path}`\n" in page
    fields = [row[0] for row in table(page, "`image_file`")]
    assert fields == [f"`{name}`" for name in OCRRequest.model_fields]
