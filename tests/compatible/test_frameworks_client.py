"""The examples for LangChain and LlamaIndex, with the packages of those."""

import subprocess
from pathlib import Path

import clients
import pytest
from conftest import DATA, KEY, TRUTH
from pdfs import LINE, drawn, text_page
from serving import ROOT, Server, clean_environ

pytestmark = [pytest.mark.slow, clients.needs_clients]

by_name = pytest.mark.parametrize("name", clients.EXAMPLES)
TABLE = DATA / "table.png"


def run(
    name: str, server: Server, *paths: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [clients.PYTHON, ROOT / "examples" / name, *paths],
        env=clean_environ(RAPIDOCR_URL=server.url, **variables),
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


@by_name
def test_it_prints_what_is_drawn_and_sends_its_key(name, compatible_keyed):
    ended = run(name, compatible_keyed, TABLE, RAPIDOCR_KEY=KEY)
    assert ended.returncode == 0, ended.stderr
    assert [text for text in TRUTH["table.png"] if text not in ended.stdout] == []


@by_name
def test_it_fails_where_the_service_refuses(name, compatible_keyed):
    ended = run(name, compatible_keyed, TABLE)
    assert ended.returncode != 0
    assert ended.stdout == ""
    assert "status=401" in ended.stderr or "401 Unauthorized" in ended.stderr


def test_documents_of_several_files_and_pages_are_told_apart(compatible, tmp_path):
    two, line = tmp_path / "two.pdf", DATA / "line.png"
    two.write_bytes(
        drawn(lambda pdf: text_page(pdf, 2, "The first."), lambda pdf: text_page(pdf, 1))
    )
    (text,) = TRUTH["line.png"]
    assert run("langchain_loader.py", compatible, two, line).stdout.splitlines() == [
        str({"source": str(two)}),
        "The first. The first.",
        "",
        LINE,
        str({"source": str(line)}),
        text,
    ]
    assert run("llama_index_reader.py", compatible, two, line).stdout.splitlines() == [
        str({"file_name": "two.pdf", "page_label": "1"}),
        "The first. The first.",
        str({"file_name": "two.pdf", "page_label": "2"}),
        LINE,
        str({"file_name": "line.png", "page_label": "1"}),
        text,
    ]
