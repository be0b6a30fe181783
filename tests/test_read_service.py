"""`rapidocr-bento read` with services that refuse or fail, and with web servers."""

import asyncio
import io
import re
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from client_batches import over_http
from command_line import (
    READ,
    TREE,
    draw_line,
    draw_numbers,
    draw_tree,
    environ,
    manifest,
    outputs,
    rapidocr_bento,
)
from conftest import DATA, TRUTH, page_bytes
from PIL import Image
from serving import ROOT, free_port, serving

from ocr_runtime.client import over_http as over_http_module

pytestmark = pytest.mark.slow

KEY = "a-key-of-the-tests"


# pages that were not read


@pytest.fixture(scope="module")
def narrow(tmp_path_factory):
    """A service that reads no page of more than 400,000 pixels."""
    with serving(tmp_path_factory.mktemp("narrow"), OCR_MAX_PIXELS="400000") as running:
        yield running


@pytest.mark.parametrize("output", ["text", "markdown", "hocr", "pages", "pdf"])
def test_pages_that_a_service_did_not_read_are_told(narrow, tmp_path, output):
    line = Image.open(DATA / "line.png").convert("RGB")
    pages = [Image.new("RGB", (1000, 500), "white"), line, Image.new("RGB", (900, 500), "white")]
    folder = tmp_path / "in"
    folder.mkdir()
    line.save(folder / "three.tif", save_all=True, append_images=pages)
    arguments = ["read", folder, "--to", output, "--address", narrow.url]
    ended = rapidocr_bento(*arguments, "--out", tmp_path / "out")
    assert ended.returncode == 1
    assert b"pages 2, 4 not read  " in ended.stderr
    (outcome,) = manifest(tmp_path / "out", output)
    assert outcome["unread"] == [2, 4]
    alone = rapidocr_bento("read", folder / "three.tif", *arguments[2:])
    assert (alone.returncode, b"pages 2, 4 not read  " in alone.stderr) == (1, True)
    assert alone.stdout.startswith(b"%PDF") if output == "pdf" else b"One" in alone.stdout


# documents that take longer than a request may


def test_a_document_of_too_many_pages_is_read_by_a_job(tmp_path):
    line = Image.open(DATA / "line.png").convert("RGB")
    pages = [line, Image.new("RGB", (1000, 500), "white"), line]
    line.save(tmp_path / "four.tif", save_all=True, append_images=pages)
    read = partial(rapidocr_bento, "read", tmp_path / "four.tif", "--key", KEY)
    limits = {"OCR_MAX_PIXELS": "400000", "OCR_API_KEYS": KEY}
    with serving(tmp_path, OCR_MAX_PAGES="2", **limits) as plain:
        refused = read("--address", plain.url)
    assert (refused.returncode, refused.stdout) == (1, b"")
    assert refused.stderr.startswith(b"too_many_pages  ")
    assert refused.stderr.endswith(b" The service takes no jobs, which may take longer.\n")
    folder = str(tmp_path / "jobs")
    with serving(tmp_path, OCR_MAX_PAGES="2", OCR_JOBS_DIR=folder, **limits) as running:
        done = read("--address", running.url, "--out", tmp_path / "out")
        with closing(sqlite3.connect(f"{folder}/jobs.sqlite3")) as database:
            (left,) = database.execute("SELECT count(*) FROM ocr_jobs").fetchone()
    with serving(tmp_path, **limits) as wide:
        expected = read("--address", wide.url)
    assert done.returncode == 1
    assert done.stderr.decode() == f"pages 3 not read  {tmp_path / 'four.tif'}\n1 read\n"
    (outcome,) = manifest(tmp_path / "out")
    assert (outcome["pages"], outcome["unread"]) == (4, [3])
    assert list(outputs(tmp_path / "out").values()) == [expected.stdout.decode().strip()]
    assert left == 0


def test_an_interrupted_run_cancels_its_job(tmp_path):
    page = Image.open(DATA / "table.png").convert("RGB")
    page.save(
        tmp_path / "long.tif", save_all=True, append_images=[page] * 99, compression="tiff_deflate"
    )
    folder, out = tmp_path / "jobs", tmp_path / "out"
    with serving(tmp_path, OCR_MAX_PAGES="2", OCR_JOBS_DIR=str(folder)) as running:
        command = [*READ, tmp_path / "long.tif", "--out", out, "--address", running.url]
        with (
            subprocess.Popen(command, cwd=ROOT, env=environ(), stderr=subprocess.PIPE) as process,
            closing(sqlite3.connect(folder / "jobs.sqlite3")) as database,
        ):
            pages = "SELECT * FROM ocr_job_pages"
            while process.poll() is None and not database.execute(pages).fetchall():
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=60)
            assert (process.returncode, told) == (130, b"0 read, 1 left\n")
            states = database.execute("SELECT state FROM ocr_jobs").fetchall()
            assert states == [("cancelled",)]
    assert manifest(out) == []
    assert outputs(out) == {}


# keys, refusals and lost connections


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A service with a key, one thread, and room for one request that waits."""
    folder = tmp_path_factory.mktemp("small")
    variables = {"OCR_API_KEYS": KEY, "OCR_THREADS": "1", "OCR_MAX_QUEUE": "1"}
    with serving(folder, **variables) as running:
        yield running


def test_a_wrong_key_ends_the_run_and_nothing_is_recorded(small, tmp_path):
    tree = draw_tree(tmp_path / "scans")
    out = tmp_path / "out"
    arguments = ["read", tree, "--out", out, "--address", small.url]
    for variables in ({}, {"RAPIDOCR_KEY": "wrong-key-here"}):
        ended = rapidocr_bento(*arguments, **variables)
        assert ended.returncode == 1
        assert b"rapidocr-bento read: unauthorized: Send an API key" in ended.stderr
        assert {line["code"] for line in manifest(out)} <= {"empty_file"}  # never sent
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
    "plan",
    [[503, 503], ["drop", "drop"], ["cut"], [502], [504], [503, "drop", "cut", 429]],
    ids=str,
)
def test_what_passes_is_tried_again(plan, server):
    handler = type("Planned", (Proxy,), {"upstream": server.url, "plan": [*plan], "seen": []})
    with listening(handler) as address:
        ended = rapidocr_bento("read", DATA / "table.png", "--address", address)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout.decode().startswith(TRUTH["table.png"][0])
    assert (
        ended.stdout == rapidocr_bento("read", DATA / "table.png", "--address", server.url).stdout
    )
    assert len(handler.seen) == len(plan) + 1


@pytest.mark.parametrize(
    ("plan", "why"),
    [([503, 503], "The service answered 503."), (["drop", "drop"], "Server disconnected")],
)
def test_what_takes_long_to_pass_is_said_once(plan, why, server, monkeypatch, capsys):
    monkeypatch.setattr(over_http_module, "_SILENT_SECONDS", 0.0)
    handler = type("Planned", (Proxy,), {"upstream": server.url, "plan": [*plan], "seen": []})
    with listening(handler) as address:
        reader = over_http(address, timeout_seconds=60, retries=2)
        asyncio.run(reader.read(page_bytes("line.png"), io.BytesIO()))
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith(f"{address} is asked again and again: {why}")


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
            if self.path.startswith("/moved.png"):
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
        f"{host}/moved.png.3eb9477f.txt",
    ]
