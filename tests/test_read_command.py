"""`rapidocr-bento read`: real files, in process and with a real service."""

import asyncio
import io
import re
import subprocess
from functools import partial
from pathlib import Path

import pytest
import requests
from command_line import (
    FAILED,
    READ,
    TREE,
    draw_line,
    draw_tree,
    environ,
    manifest,
    outputs,
    rapidocr_bento,
    with_the_command,
)
from conftest import DATA, TRUTH, page_bytes
from documentation import ADDRESS, PAGES, blocks
from serving import ROOT

from ocr_runtime.client.errors import FileFailed
from ocr_runtime.client.in_process import InProcess
from ocr_runtime.client.main import main
from ocr_runtime.serving.endpoints import ENDPOINTS
from ocr_runtime.serving.requests import DocumentOptions
from ocr_runtime.settings import Settings

pytestmark = pytest.mark.slow

OUTPUTS = {endpoint.name: endpoint for endpoint in ENDPOINTS}


def in_process(
    name: str, data: bytes, output: io.BytesIO | None = None, **options: object
) -> bytes:
    """The output that the engine gives in this process."""
    output = output or io.BytesIO()
    reader = InProcess(OUTPUTS[name], DocumentOptions.model_validate(options), Settings())

    async def read() -> None:
        try:
            await reader.read(data, output)
        finally:
            await reader.close()

    asyncio.run(read())
    return output.getvalue()


@pytest.mark.parametrize("name", ["text", "markdown", "hocr", "pages", "pdf"])
def test_the_output_is_the_same_here_and_with_a_service(name, server):
    report = ROOT / "examples/report.pdf"
    ended = rapidocr_bento("read", report, "--to", name, "--address", server.url)
    assert (ended.returncode, ended.stderr) == (0, b"")
    sent = requests.post(f"{server.url}/{name}", files={"file": report.read_bytes()}, timeout=100)
    assert without_id(ended.stdout) == without_id(sent.content)
    assert without_id(in_process(name, report.read_bytes())) == without_id(sent.content)


def without_id(output: bytes) -> bytes:
    """An output without the identifier of a PDF, which is new each time."""
    return re.sub(rb"/ID \[.*?\]", b"", output)


def test_options_are_passed_on(server):
    report = ROOT / "examples/report.pdf"
    given = ["--pages", "2", "--layout", "none", "--text-layer", "never", "--dpi", "100"]
    ended = rapidocr_bento("read", report, *given, "--address", server.url)
    fields = {"pages": "2", "layout": "none", "text_layer": "never", "dpi": "100"}
    sent = requests.post(
        f"{server.url}/text", files={"file": report.read_bytes()}, data=fields, timeout=100
    )
    assert sent.ok
    assert ended.stdout == sent.content
    assert in_process("text", report.read_bytes(), **fields) == sent.content
    assert ended.stdout != rapidocr_bento("read", report, "--address", server.url).stdout


def test_it_works_in_a_pipe(server):
    for more in ([], ["--address", server.url]):
        ended = rapidocr_bento("read", "-", *more, stdin=page_bytes("line.png"))
        assert ended.stdout.decode().strip() == TRUTH["line.png"][0]
        assert (ended.returncode, ended.stderr) == (0, b"")
    nothing = rapidocr_bento("read", "-", "--address", server.url)
    assert (nothing.returncode, nothing.stdout) == (1, b"")
    assert nothing.stderr == b"empty_file  -: Nothing came from standard input.\n"


def test_the_lines_of_the_page_read(server, tmp_path):
    (block,) = (block for block in blocks(PAGES["docs/command-line.md"], "sh") if "head" in block)
    for name in ("examples", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "bin").mkdir()
    ended = subprocess.run(
        ["bash", "-ec", block.replace(ADDRESS, server.url)],
        cwd=tmp_path,
        env=environ(PATH=with_the_command(tmp_path / "bin")),
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    assert ended.stdout.startswith("Weather report\n")
    assert ended.stderr.startswith("1 read, ")
    assert outputs(tmp_path / "text")["report.pdf.md"].startswith("# Weather report")
    assert (
        ended.stdout.splitlines()[-2:]
        == in_process("text", page_bytes("table.png")).decode().splitlines()[:2]
    )


def test_one_file_that_cannot_be_read_is_told_with_its_code(server):
    for more in ([], ["--address", server.url]):
        ended = rapidocr_bento("read", "README.md", *more)
        assert (ended.returncode, ended.stdout) == (1, b"")
        assert ended.stderr.startswith(b"unsupported_document  README.md: ")


def test_it_ends_quietly_where_nobody_reads_its_output(server):
    process = subprocess.Popen(
        [*READ, DATA / "table.png", "--address", server.url],
        cwd=ROOT,
        env=environ(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(30) == 141


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return draw_tree(tmp_path / "scans")


@pytest.mark.parametrize("where", ["here", "with a service"])
def test_a_tree_is_mirrored_and_failures_are_told(where, tree, server, tmp_path):
    more = ["--address", server.url] if where == "with a service" else []
    out = tmp_path / "out"
    arguments = ["read", tree, "--out", out, *more]
    ended = rapidocr_bento(*arguments)
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert outputs(out) == TREE
    told = ended.stderr.decode().splitlines()
    assert told[-1] == "3 read, 2 failed, 1 of other kinds left out"
    assert {line.partition("  ")[0] for line in told[:-1]} == set(FAILED.values())
    outcomes = manifest(out)
    codes = {str(Path(line["source"]).relative_to(tree)): line["code"] for line in outcomes}
    assert codes == FAILED | {name.removesuffix(".txt"): "ok" for name in TREE}

    again = rapidocr_bento(*arguments)  # nothing is read again, but all is told
    assert (again.returncode, again.stderr) == (1, ended.stderr)
    assert manifest(out) == outcomes

    draw_line(tree / "deep/broken.png", "Mended")
    (out / "a.png.txt").unlink()
    mended = rapidocr_bento(*arguments, "--retry-failed")
    assert mended.stderr.decode().splitlines()[-1].startswith("4 read, 1 failed")
    assert outputs(out) == TREE | {"deep/broken.png.txt": "Mended"}
    assert sorted(line["target"] for line in manifest(out)[len(outcomes) :]) == [
        "a.png.txt",
        "deep/broken.png.txt",
        "deep/empty.pdf.txt",
    ]


def test_outputs_do_not_mix(tree, server, tmp_path):
    out = tmp_path / "out"
    read = partial(rapidocr_bento, "read", "--address", server.url)
    assert read(tree / "a.png", "--out", out).returncode == 0
    other = read(tree / "a.png", "--out", out, "--layout", "none")
    assert other.returncode == 2
    assert b"was begun with other options" in other.stderr
    assert read(tree / "a.png", "--out", out, "--to", "markdown").returncode == 0
    assert set(outputs(out)) == {"a.png.txt", "a.png.md"}
    draw_line(tmp_path / "other/a.png", "Other")
    both = read(tree / "a.png", tmp_path / "other/a.png", "--out", out)
    assert both.returncode == 2
    assert b"would both be written to a.png.txt" in both.stderr
    inside = read(tree, "--out", tree)
    assert inside.returncode == 2
    assert b"name another folder" in inside.stderr
    nested = tree / "text"
    assert read(tree, "--out", nested, "--to", "pdf").returncode == 1
    assert read(tree, "--out", nested, "--to", "pdf").returncode == 1
    assert len(manifest(nested, "pdf")) == 5  # its own PDFs were not read


def test_a_password_opens_a_document_and_is_not_written_down(server, tmp_path):
    from pdfs import drawn, encrypted, text_page  # noqa: PLC0415

    (tmp_path / "locked.pdf").write_bytes(encrypted(drawn(text_page), user="sesame"))
    out = tmp_path / "out"
    for more in ([], ["--address", server.url]):
        locked = rapidocr_bento("read", tmp_path / "locked.pdf", *more)
        assert locked.stderr.startswith(b"password_required")
        opened = rapidocr_bento("read", tmp_path / "locked.pdf", *more, "--password", "sesame")
        assert b"quick brown fox" in opened.stdout
    rapidocr_bento(
        *("read", tmp_path / "locked.pdf", "--password", "sesame", "--out", out),
        *("--address", server.url),
    )
    assert b"sesame" not in (out / "manifest.text.jsonl").read_bytes()
    assert manifest(out)[0]["code"] == "ok"


def test_pages_that_were_not_read_are_told(tmp_path):
    from PIL import Image  # noqa: PLC0415

    pages = [Image.new("L", (size, 40), 255) for size in (60, 3000, 60)]
    pages[0].save(tmp_path / "p.tif", save_all=True, append_images=pages[1:])
    ended = rapidocr_bento("read", tmp_path / "p.tif", OCR_MAX_PIXELS="10000")
    assert ended.returncode == 1
    assert b"[page 2 was not read" in ended.stdout
    assert ended.stderr.decode() == f"pages 2 not read  {tmp_path / 'p.tif'}\n"


def test_main_gives_the_exit_code(capfd, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(["read", "tests/data/line.png"]) == 0
    assert capfd.readouterr().out.strip() == TRUTH["line.png"][0]


def test_options_that_leave_nothing_to_do_are_a_files_failure():
    with pytest.raises(FileFailed) as failed:
        in_process("text", page_bytes("line.png"), use_det=False, use_cls=False, use_rec=False)
    assert failed.value.code == "invalid_option"
    assert "use_rec" in str(failed.value)


def test_an_error_that_nobody_foresaw_is_one_files_failure(caplog):
    output = io.BytesIO()
    output.close()
    with pytest.raises(FileFailed) as failed:
        in_process("text", page_bytes("line.png"), output)
    assert failed.value.code == "internal"
    assert str(failed.value) == "ValueError: I/O operation on closed file."
    assert [record.message for record in caplog.records if record.exc_info] == [
        "a file was not read"
    ]
