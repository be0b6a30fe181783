"""`rapidocr-bento read`: real files, in process and with a real service."""

import asyncio
import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from command_line import (
    READ,
    draw_line,
    draw_numbers,
    environ,
    manifest,
    outputs,
    rapidocr_bento,
    wait_for_outcomes,
    with_the_command,
)
from conftest import DATA, TRUTH, page_bytes
from documentation import ADDRESS, PAGES, blocks
from serving import ROOT, free_port, serving

from ocr_runtime.client.errors import FileFailed
from ocr_runtime.client.in_process import InProcess
from ocr_runtime.client.main import main
from ocr_runtime.serving.endpoints import ENDPOINTS
from ocr_runtime.serving.requests import DocumentOptions
from ocr_runtime.settings import Settings

pytestmark = pytest.mark.slow

KEY = "a-key-of-the-tests"
OUTPUTS = {endpoint.name: endpoint for endpoint in ENDPOINTS}


def in_process(name: str, data: bytes, **options: object) -> bytes:
    """The output that the engine gives in this process."""
    reader = InProcess(OUTPUTS[name], DocumentOptions.model_validate(options), Settings())
    output = io.BytesIO()

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
    assert ended.stdout == sent.content
    assert in_process(name, report.read_bytes()) == sent.content


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
def tree(tmp_path) -> Path:
    """A folder with pictures, a broken one, an empty one, a text and a hidden file."""
    folder = tmp_path / "scans"
    draw_line(folder / "a.png", "Apple")
    draw_line(folder / "a.jpg", "Pear")
    draw_line(folder / "deep/er/B.PNG", "Cherry")
    draw_line(folder / ".hidden/c.png", "Hidden")
    (folder / "deep/broken.png").write_bytes((folder / "a.png").read_bytes()[:90])
    (folder / "deep/empty.pdf").write_bytes(b"")
    (folder / "notes.txt").write_text("not a picture")
    return folder


TREE = {"a.png.txt": "Apple", "a.jpg.txt": "Pear", "deep/er/B.PNG.txt": "Cherry"}
FAILED = {"deep/broken.png": "unsupported_image", "deep/empty.pdf": "empty_file"}


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
    assert [line["target"] for line in manifest(out)[len(outcomes) :]] == [
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


# keys, refusals and lost connections


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A service with a key, one thread, and room for one request that waits."""
    folder = tmp_path_factory.mktemp("small")
    variables = {"OCR_API_KEYS": KEY, "OCR_THREADS": "1", "OCR_MAX_QUEUE": "1"}
    with serving(folder, **variables) as running:
        yield running


def test_a_wrong_key_ends_the_run_and_nothing_is_recorded(small, tree, tmp_path):
    out = tmp_path / "out"
    arguments = ["read", tree, "--out", out, "--address", small.url]
    for variables in ({}, {"RAPIDOCR_KEY": "wrong-key-here"}):
        ended = rapidocr_bento(*arguments, **variables)
        assert ended.returncode == 1
        assert b"rapidocr-bento read: unauthorized: Send an API key" in ended.stderr
        assert manifest(out) == []
        assert outputs(out) == {}
    assert rapidocr_bento(*arguments, "--key", KEY).returncode == 1  # of the broken files
    assert outputs(out) == TREE


def test_refusals_are_waited_out(small, tmp_path):
    texts = draw_numbers(tmp_path / "in", 40)
    ended = rapidocr_bento(
        *("read", tmp_path / "in", "--out", tmp_path / "out", "--use-det", "false"),
        RAPIDOCR_URL=small.url,
        RAPIDOCR_KEY=KEY,
    )
    assert ended.stderr == b"40 read\n"
    assert ended.returncode == 0
    assert outputs(tmp_path / "out") == texts
    metrics = small.get("/metrics").text
    refused = re.search(r'rapidocr_answers_total\{endpoint="/text",outcome="busy"\} (\S+)', metrics)
    assert refused is not None
    assert float(refused[1]) > 0  # it grew until it was refused


class Proxy(BaseHTTPRequestHandler):
    """Hands requests on to a service, as a proxy in front of it; how it fails is set by the test.

    Args:
        plan: what becomes of the next requests: a status, or "drop".
    """

    upstream = ""
    plan: list[object]
    seen: list[int]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append(len(body))
        step = self.plan.pop(0) if self.plan else None
        if step == "drop":
            self.close_connection = True
            return
        if isinstance(step, int):
            self.send_response(step)
            self.send_header("Retry-After", "1")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        answer = requests.post(
            self.upstream + self.path,
            data=body,
            headers={"Content-Type": self.headers["Content-Type"]},
            timeout=60,
        )
        content = answer.content
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if step == "cut" else content)
        self.close_connection = step == "cut"

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@contextmanager
def listening(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve with a handler of the standard library; gives the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{httpd.server_port}"
        finally:
            httpd.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "plan", [[503, 503], ["drop", "drop"], ["cut"], [502], [503, "drop", "cut", 429]], ids=str
)
def test_what_passes_is_tried_again(plan, server):
    handler = type("Planned", (Proxy,), {"upstream": server.url, "plan": [*plan], "seen": []})
    with listening(handler) as address:
        ended = rapidocr_bento("read", DATA / "table.png", "--address", address)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.decode().split("\n")[0] in "\n".join(TRUTH["table.png"])
    assert (
        ended.stdout == rapidocr_bento("read", DATA / "table.png", "--address", server.url).stdout
    )
    assert len(handler.seen) == len(plan) + 1


def test_what_does_not_pass_is_given_up_and_tried_by_the_next_run(server, tmp_path):
    draw_line(tmp_path / "a.png", "Apple")
    out = tmp_path / "out"
    arguments = ["read", tmp_path / "a.png", "--out", out, "--concurrency", "2"]
    plan: list[object] = [502, 502]
    handler = type("Planned", (Proxy,), {"upstream": server.url, "plan": plan, "seen": []})
    with listening(handler) as address:
        ended = rapidocr_bento(*arguments, "--address", address, "--retries", "1")
        assert ended.returncode == 1
        assert manifest(out)[0]["code"] == "http_502"
        assert rapidocr_bento(*arguments, "--address", address).returncode == 0
    assert outputs(out) == {"a.png.txt": "Apple"}


def test_a_service_that_is_not_there_ends_the_run(tmp_path):
    texts = draw_numbers(tmp_path / "in", 50)
    out = tmp_path / "out"
    ended = rapidocr_bento(
        *("read", tmp_path / "in", "--out", out, "--retries", "0"),
        *("--address", f"http://127.0.0.1:{free_port()}"),
    )
    assert ended.returncode == 1
    assert b"does not answer" in ended.stderr
    assert len(manifest(out)) < len(texts)
    assert {line["code"] for line in manifest(out)} <= {"no_answer"}


def test_an_address_that_is_something_else_ends_the_run(server):
    ended = rapidocr_bento("read", DATA / "line.png", "--address", f"{server.url}/docs")
    assert ended.returncode == 1
    assert b"is no address of this service: not_found" in ended.stderr


# URLs


@pytest.fixture
def web(tmp_path) -> Iterator[str]:
    """A web server with a picture, a large file and a redirect."""
    site = tmp_path / "site"
    draw_line(site / "a b/pear.png", "Pear")
    (site / "large.pdf").write_bytes(b"%PDF-1.7\n" + bytes(2 << 20))

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/moved.png":
                self.send_response(302)
                self.send_header("Location", "/a%20b/pear.png")
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with listening(partial(Handler, directory=str(site))) as address:
        yield address


def test_urls_are_fetched_from_here(web, server, tmp_path):
    read = partial(rapidocr_bento, "read", "--address", server.url)
    assert read(f"{web}/a%20b/pear.png").stdout.decode().strip() == "Pear"
    assert read(f"{web}/moved.png").stdout.decode().strip() == "Pear"
    missing = read(f"{web}/nothing.png")
    assert missing.returncode == 1
    assert missing.stderr.startswith(b"not_fetched  http://127.0.0.1:")
    assert b"Its server answered 404" in missing.stderr
    large = read(f"{web}/large.pdf", "--max-mb", "1")
    assert large.stderr.startswith(b"too_large")
    nobody = read(f"http://127.0.0.1:{free_port()}/x.png")
    assert nobody.stderr.startswith(b"not_fetched")
    out = tmp_path / "out"
    several = read(f"{web}/a%20b/pear.png", f"{web}/moved.png?size=large", "--out", out)
    assert several.returncode == 0
    host = web.removeprefix("http://").replace(":", "_")
    assert sorted(outputs(out)) == [
        f"{host}/a b/pear.png.txt",
        f"{host}/moved.png.ce1ab8bf.txt",
    ]


# interruptions


@pytest.mark.parametrize("where", ["here", "with a service"])
def test_ctrl_c_ends_cleanly_and_the_run_goes_on_later(where, server, tmp_path):
    texts = draw_numbers(tmp_path / "in", 300)
    out = tmp_path / "out"
    more = ["--address", server.url] if where == "with a service" else []
    command = [*READ, tmp_path / "in", "--out", out, "--use-det", "false", *more]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environ(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    wait_for_outcomes(out, 20, process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130, told
    assert re.fullmatch(rb"\d+ read, \d+ left\n", told)
    before = manifest(out)
    assert 20 <= len(before) < 300
    assert all(line["code"] == "ok" for line in before)
    assert list(out.rglob("*.part")) == []
    assert set(outputs(out)) == {line["target"] for line in before}
    assert rapidocr_bento(*command[3:]).returncode == 0
    assert outputs(out) == texts
    assert len(manifest(out)) == 300


def test_two_runs_do_not_write_to_one_folder(server, tmp_path):
    draw_numbers(tmp_path / "in", 300)
    out = tmp_path / "out"
    command = [*READ, tmp_path / "in", "--out", out, "--address", server.url]
    with subprocess.Popen(command, cwd=ROOT, env=environ(), stderr=subprocess.DEVNULL) as process:
        wait_for_outcomes(out, 1, process)
        second = rapidocr_bento(*command[3:])
        process.kill()
    assert second.returncode == 2
    assert b"another run writes to" in second.stderr


def test_a_full_disk_ends_the_run(server, tmp_path):
    """A limit on the size of files stands for the disk; the output is written here."""
    draw_line(tmp_path / "in/a.png", "Apple")
    code = (
        "import resource, signal, sys; from ocr_runtime.client.main import main; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300, 300)); sys.exit(main())"
    )
    arguments = [tmp_path / "in", "--out", tmp_path / "out", "--to", "pages"]
    ended = subprocess.run(
        [sys.executable, "-c", code, "read", *arguments, "--address", server.url],
        env=environ(),
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert ended.returncode == 1
    assert b"File too large" in ended.stderr
    assert b"Traceback" not in ended.stderr
    assert manifest(tmp_path / "out", "pages") == []
    assert outputs(tmp_path / "out") == {}


def test_on_a_terminal_there_is_a_bar(server, tmp_path):
    draw_numbers(tmp_path / "in", 30)
    ours, theirs = pty.openpty()
    command = [*READ, tmp_path / "in", "--out", tmp_path / "out", "--address", server.url]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ(COLUMNS="120", TERM="xterm"), stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while chunk := os.read(ours, 4096):
                shown += chunk
        except OSError:  # Linux, when the last process has closed it
            pass
        os.close(ours)
    assert process.returncode == 0
    assert re.search(rb"/30.*files/s", shown)
    assert shown.rstrip().endswith(b"30 read")


# 2,000 files, killed twice


@pytest.mark.timeout(900)
@pytest.mark.parametrize("where", ["here", "with a service"])
def test_each_of_2000_files_is_read_exactly_once_though_the_run_is_killed_twice(
    where, server, tmp_path
):
    texts = draw_numbers(tmp_path / "in", 2000)
    out = tmp_path / "out"
    more = ["--address", server.url] if where == "with a service" else []
    command = [*READ, tmp_path / "in", "--out", out, "--use-det", "false", *more]
    for count in (400, 1100):
        with subprocess.Popen(
            command, cwd=ROOT, env=environ(), stderr=subprocess.DEVNULL
        ) as process:
            wait_for_outcomes(out, count, process)
            process.kill()
        assert process.returncode == -signal.SIGKILL
    ended = subprocess.run(
        command, cwd=ROOT, env=environ(), capture_output=True, check=False, timeout=600
    )
    assert (ended.returncode, ended.stderr) == (0, b"2000 read\n")
    outcomes = manifest(out)
    assert len(outcomes) == 2000
    assert {line["target"] for line in outcomes} == set(texts)
    assert {line["code"] for line in outcomes} == {"ok"}
    assert outputs(out) == texts
    assert list(out.rglob("*.part")) == []


def test_main_gives_the_exit_code(capfd, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert main(["read", "tests/data/line.png"]) == 0
    assert capfd.readouterr().out.strip() == TRUTH["line.png"][0]


def test_what_the_engine_raises_unforeseen_is_one_files_failure():
    with pytest.raises(FileFailed) as failed:
        in_process("text", page_bytes("line.png"), use_det=False, use_cls=False, use_rec=False)
    assert failed.value.code == "invalid_option"
    assert json.dumps(str(failed.value))
