"""Jobs: documents that are read after the request, whatever happens to the service meanwhile."""

import contextlib
import io
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from conftest import DATA, encoded, page_bytes
from documentation import PAGES, blocks, run
from pdfs import drawn, encrypted, text_page
from PIL import Image
from serving import BENTOML, ROOT, Server, clean_environ, free_port, serving
from test_contract import assert_error

KEY, OTHER = {"x-api-key": "a-key-of-the-test"}, {"x-api-key": "another-key-of-it"}
KEYS = f"{KEY['x-api-key']},{OTHER['x-api-key']}"
NAMES = ["line.png", "table.png", "small.png", "coloured.png", "japanese.png", "latin.png"]


def tiff(pages: int) -> bytes:
    """A TIFF with so many pages of text."""
    images = [Image.open(DATA / NAMES[i % len(NAMES)]).convert("RGB") for i in range(pages)]
    buffer = io.BytesIO()
    options = {"save_all": True, "append_images": images[1:], "compression": "tiff_deflate"}
    images[0].save(buffer, "TIFF", **options)
    return buffer.getvalue()


def post(server: Server, data: bytes, output: str = "text", **fields: Any) -> requests.Response:
    headers = fields.pop("headers", KEY)
    url = f"{server.url}/jobs?output={output}"
    name = "image_file" if output == "ocr" else "file"
    return requests.post(url, files={name: data}, data=fields, headers=headers, timeout=60)


def made(response: requests.Response) -> str:
    assert response.status_code == 202, response.text
    job = response.json()
    assert response.headers["location"] == f"/jobs/{job['id']}"
    return str(job["id"])


def get(server: Server, path: str, headers: Any = KEY) -> requests.Response:
    return requests.get(f"{server.url}/jobs/{path}", headers=headers, timeout=60)


def ended(server: Server, job: str, seconds: float = 90) -> dict[str, Any]:
    return until(server, job, lambda found: found["state"] not in ("queued", "running"), seconds)


def until(server: Server, job: str, true: Any, seconds: float = 90) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while True:
        found = get(server, job).json()
        if true(found):
            return dict(found)
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def direct(server: Server, data: bytes) -> str:
    answer = requests.post(f"{server.url}/text", files={"file": data}, headers=KEY, timeout=120)
    assert answer.status_code == 200, answer.text
    return answer.text


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("jobs")
    variables = {
        "OCR_API_KEYS": KEYS,
        "OCR_JOBS_DIR": str(folder / "jobs"),
        "OCR_JOBS_MAX_PAGES": "50",
        "OCR_MAX_PAGES": "10",
    }
    with serving(folder, **variables) as running:
        running.jobs = folder / "jobs"
        yield running


def test_a_job_writes_what_the_request_answers(server):
    data = tiff(6)
    job = made(post(server, data))
    found = ended(server, job)
    assert found | {"created": "", "finished": ""} == {
        "id": job,
        "state": "done",
        "output": "text",
        "pages": 6,
        "pages_done": 6,
        "errors": [],
        "created": "",
        "finished": "",
        "result": f"/jobs/{job}/result",
    }
    result = requests.get(server.url + found["result"], headers=KEY, timeout=60)
    assert result.headers["content-type"] == "text/plain; charset=utf-8"
    assert result.text == direct(server, data)


def test_the_options_of_a_request_are_those_of_a_job(server):
    data = tiff(6)
    job = made(post(server, data, pages="2-3", use_cls="false", nonsense="1"))
    assert ended(server, job)["pages"] == 2
    alone = requests.post(
        f"{server.url}/text", files={"file": data}, data={"pages": "2-3"}, headers=KEY, timeout=60
    )
    assert get(server, f"{job}/result").text == alone.text


def test_a_job_may_write_what_ocr_answers(server):
    job = made(post(server, page_bytes("table.png"), output="ocr"))
    ended(server, job)
    files = {"image_file": page_bytes("table.png")}
    answer = requests.post(f"{server.url}/ocr", files=files, headers=KEY, timeout=60)
    assert get(server, f"{job}/result").json() == answer.json()


def test_a_job_of_several_pages_may_write_a_zip(server):
    data = tiff(2)
    job = made(post(server, data, output="annotated"))
    assert ended(server, job)["state"] == "done"
    result = get(server, f"{job}/result")
    url = f"{server.url}/annotated"
    answer = requests.post(url, files={"file": data}, headers=KEY, timeout=60)
    assert result.headers["content-type"] == answer.headers["content-type"] == "application/zip"
    assert result.content == answer.content


@pytest.mark.parametrize("how", ["body", "form"])
def test_options_may_stand_in_the_address(how, server):
    sent = {"data": tiff(2)} if how == "body" else {"files": {"file": tiff(2)}}
    url = f"{server.url}/jobs?output=text&pages=1"
    job = made(requests.post(url, headers=KEY, timeout=60, **sent))
    assert ended(server, job)["pages"] == 1


@pytest.mark.slow
def test_more_pages_than_a_request_may_ask_for(server):
    data = tiff(12)
    refused = requests.post(f"{server.url}/text", files={"file": data}, headers=KEY, timeout=60)
    assert_error(refused, 413, "too_many_pages")
    assert ended(server, made(post(server, data)))["state"] == "done"
    assert_error(post(server, tiff(51)), 413, "too_many_pages")


def test_a_page_that_cannot_be_read_is_told_and_the_others_are_read(server):
    pages = [Image.new("RGB", size, "white") for size in ((80, 60), (9000, 9000), (80, 60))]
    buffer = io.BytesIO()
    options = {"save_all": True, "append_images": pages[1:], "compression": "tiff_deflate"}
    pages[0].save(buffer, "TIFF", **options)
    data = buffer.getvalue()
    job = made(post(server, data))
    found = ended(server, job)
    assert (found["state"], found["pages_done"]) == ("done", 3)
    (error,) = found["errors"]
    assert (error["number"], error["code"]) == (2, "image_too_large")
    assert get(server, f"{job}/result").text == direct(server, data)


def test_a_job_whose_only_page_cannot_be_read_fails(server):
    job = made(post(server, encoded(Image.new("L", (9000, 9000)))))
    found = ended(server, job)
    (error,) = found["errors"]
    assert (found["state"], error["code"], "number" in error) == (
        "failed",
        "image_too_large",
        False,
    )
    assert "result" not in found
    assert_error(get(server, f"{job}/result"), 409, "job_without_result")


def test_what_a_request_refuses_makes_no_job(server):
    assert_error(post(server, b"no document"), 415, "unsupported_document")
    assert_error(post(server, b""), 400, "missing_image")
    assert_error(post(server, tiff(2), pages="7"), 400, "invalid_option")
    off = dict.fromkeys(("use_det", "use_cls", "use_rec"), "false")
    assert_error(post(server, tiff(2), **off), 400, "invalid_option")
    assert_error(post(server, encrypted(drawn(text_page), user="pw")), 400, "password_required")
    assert_error(post(server, tiff(1), output="nonsense"), 400, "invalid_option")
    url = f"{server.url}/jobs"
    missing = requests.post(url, files={"file": tiff(1)}, headers=KEY, timeout=30)
    assert "ocr or text" in assert_error(missing, 400, "invalid_option")
    assert_error(requests.get(url, headers=KEY, timeout=30), 405, "method_not_allowed")
    assert_error(requests.post(url, timeout=30), 401, "unauthorized")


def test_an_encrypted_pdf_is_read_with_its_password(server):
    data = encrypted(drawn(text_page, text_page), user="pw")
    job = made(post(server, data, password="pw", dpi="72"))
    assert ended(server, job)["state"] == "done"
    assert "quick brown fox" in get(server, f"{job}/result").text
    folder = Path(server.jobs)  # type: ignore[attr-defined]
    with sqlite3.connect(folder / "jobs.sqlite3") as database:
        kept = database.execute("SELECT options FROM ocr_jobs WHERE id = ?", [job]).fetchone()
        files = "SELECT count(*) FROM ocr_job_chunks WHERE job = ? AND kind = 'input'"
        assert (kept, database.execute(files, [job]).fetchone()) == ((None,), (0,))


def test_a_job_is_its_owners(server):
    job = made(post(server, tiff(1)))
    ended(server, job)
    for path in (job, f"{job}/result", "0" * 32, "x"):
        assert_error(get(server, path, OTHER), 404, "job_not_found")
    url = f"{server.url}/jobs/{job}"
    assert_error(requests.delete(url, headers=OTHER, timeout=30), 404, "job_not_found")
    assert get(server, job).ok


def test_a_cancelled_job_stops_and_a_job_that_ended_is_forgotten(server):
    job = made(post(server, tiff(50)))
    until(server, job, lambda found: found["pages_done"] >= 2)
    assert_error(get(server, f"{job}/result"), 409, "job_unfinished")
    url = f"{server.url}/jobs/{job}"
    cancelled = requests.delete(url, headers=KEY, timeout=30)
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert_error(get(server, f"{job}/result"), 409, "job_without_result")
    after = made(post(server, tiff(1)))  # it does not wait for the other 48 pages
    assert ended(server, after)["state"] == "done"
    assert get(server, job).json() == cancelled.json()
    assert requests.delete(url, headers=KEY, timeout=30).status_code == 204
    assert_error(get(server, job), 404, "job_not_found")


def test_requests_and_jobs_of_others_go_on_beside_a_long_job(server):
    job = made(post(server, tiff(50)))
    until(server, job, lambda found: found["state"] == "running")
    files = {"image_file": page_bytes("line.png")}
    for _ in range(3):
        requests.post(f"{server.url}/ocr", files=files, headers=KEY, timeout=60).raise_for_status()
    assert get(server, job).json()["state"] == "running"
    requests.delete(f"{server.url}/jobs/{job}", headers=KEY, timeout=30).raise_for_status()


def test_requests_for_jobs_are_counted(server):
    ended(server, made(post(server, tiff(1))))
    get(server, "0" * 32)
    series = server.get("/metrics").text
    for name in ('endpoint="/jobs",outcome="ok"', 'endpoint="/jobs/{id}",outcome="job_not_found"'):
        (line,) = [line for line in series.splitlines() if name in line]
        assert float(line.split()[-1]) >= 1
    assert "/jobs/0000" not in series


@pytest.mark.slow
def test_jobs_are_counted_by_how_they_end(server):
    def counted() -> list[float]:
        lines = dict(line.rsplit(" ", 1) for line in server.get("/metrics").text.splitlines())
        outcomes = ("ok", "cancelled", "image_too_large", "internal")
        return [float(lines[f'rapidocr_jobs_total{{outcome="{name}"}}']) for name in outcomes]

    def gauge(name: str) -> float:
        lines = dict(line.rsplit(" ", 1) for line in server.get("/metrics").text.splitlines())
        return float(lines[name])

    before = counted()
    ended(server, made(post(server, tiff(1))))
    ended(server, made(post(server, encoded(Image.new("L", (9000, 9000))))))
    job = made(post(server, tiff(50)))
    until(server, job, lambda found: found["state"] == "running")
    assert gauge("rapidocr_jobs_running") == 1
    url = f"{server.url}/jobs/{job}"
    assert requests.delete(url, headers=KEY, timeout=30).json()["state"] == "cancelled"
    assert requests.delete(url, headers=KEY, timeout=30).status_code == 204
    assert [now - then for now, then in zip(counted(), before, strict=True)] == [1, 1, 1, 0]
    deadline = time.monotonic() + 30
    while gauge("rapidocr_jobs_running") or gauge("rapidocr_jobs_waiting"):
        assert time.monotonic() < deadline


def kill(server: Server) -> None:
    """End the service and its workers at once, as a loss of power does."""
    for pid in (server.process.pid, *server.workers()):
        os.kill(pid, signal.SIGKILL)
    server.process.wait(30)


def pages_read(server: Server) -> int:
    (line,) = [
        line
        for line in server.get("/metrics").text.splitlines()
        if line.startswith("rapidocr_image_lines_count")
    ]
    return int(float(line.split()[-1]))


@pytest.mark.slow
def test_a_job_outlives_the_service_and_no_page_is_read_twice(tmp_path):
    data = tiff(24)
    variables = {"OCR_JOBS_DIR": str(tmp_path / "jobs"), "OCR_API_KEYS": KEYS}
    with serving(tmp_path, **variables) as server:
        job = made(post(server, data))
        until(server, job, lambda found: found["pages_done"] >= 4)
        kill(server)
        done = pages_done(tmp_path / "jobs")
    with serving(tmp_path, **variables) as server:
        assert get(server, job).json()["pages_done"] == done
        until(server, job, lambda found: found["pages_done"] >= done + 4)
        kill(server)
        done = pages_done(tmp_path / "jobs")
    with serving(tmp_path, **variables) as server:
        found = ended(server, job)
        assert (found["state"], found["pages_done"], found["errors"]) == ("done", 24, [])
        assert pages_read(server) == 24 - done
        assert get(server, f"{job}/result").text == direct(server, data)


def pages_done(folder: Path) -> int:
    with sqlite3.connect(folder / "jobs.sqlite3") as database:
        return int(database.execute("SELECT count(*) FROM ocr_job_pages").fetchone()[0])


@pytest.mark.slow
def test_a_job_goes_on_when_its_worker_is_killed_and_after_an_orderly_restart(tmp_path):
    data = tiff(24)
    variables = {"OCR_JOBS_DIR": str(tmp_path / "jobs"), "OCR_API_KEYS": KEYS}
    with serving(tmp_path, OCR_WORKERS="2", OCR_THREADS="1", **variables) as server:
        job = made(post(server, data))
        until(server, job, lambda found: found["pages_done"] >= 2)
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)
        server.wait_until_ready()
        until(server, job, lambda found: found["pages_done"] >= 6)
        server.process.terminate()
        server.process.wait(60)
    with sqlite3.connect(tmp_path / "jobs/jobs.sqlite3") as database:
        state = "SELECT state, losses FROM ocr_jobs"
        assert database.execute(state).fetchone() == ("queued", 0)
    with serving(tmp_path, OCR_WORKERS="2", OCR_THREADS="1", **variables) as server:
        assert ended(server, job)["pages_done"] == 24
        for _ in range(10):  # whichever worker answers
            assert get(server, job).json()["state"] == "done"
        assert get(server, f"{job}/result").text == direct(server, data)


CRASH = """
_page = ImageDocument.page


def _crash(self, number):
    image = _page(self, number)
    if image.width == 77:
        import os, signal
        os.kill(os.getpid(), signal.SIGKILL)
    return image


ImageDocument.page = _crash
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_page_that_kills_the_worker_again_and_again_is_given_up(tmp_path):
    for name in ("service.py", "bentofile.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "ocr_runtime", tmp_path / "ocr_runtime")
    with (tmp_path / "ocr_runtime/documents/image_document.py").open("a") as module:
        module.write(CRASH)
    pages = [Image.new("RGB", (width, 60), "white") for width in (80, 77, 80)]
    buffer = io.BytesIO()
    options = {"save_all": True, "append_images": pages[1:], "compression": "tiff_deflate"}
    pages[0].save(buffer, "TIFF", **options)
    variables = {"OCR_JOBS_DIR": str(tmp_path / "jobs"), "OCR_API_KEYS": KEYS}
    with serving(tmp_path, cwd=tmp_path, **variables) as server:
        job = made(post(server, buffer.getvalue()))
        found: dict[str, Any] = {}
        while found.get("state") != "done":
            time.sleep(0.2)
            with contextlib.suppress(requests.ConnectionError):  # between two workers
                found = get(server, job).json()
        (error,) = found["errors"]
        assert (found["pages_done"], error["number"], error["code"]) == (3, 2, "internal")
        assert "ended 3 times" in error["error"]
        assert ended(server, made(post(server, page_bytes("line.png"))))["state"] == "done"


@pytest.mark.slow
def test_there_are_bounds_and_old_jobs_are_forgotten(tmp_path):
    variables = {
        "OCR_JOBS_DIR": str(tmp_path / "jobs"),
        "OCR_JOBS_MAX_MB": "1",
        "OCR_JOBS_KEEP_HOURS": "0.0005",
    }
    with serving(tmp_path, **variables) as server:
        assert_error(post(server, page_bytes("line.png") + bytes(1 << 20)), 507, "jobs_full")
        job = made(post(server, page_bytes("line.png")))
        ended(server, job)  # without keys, whoever knows the id may ask
        deadline = time.monotonic() + 30
        while get(server, job).ok:
            assert time.monotonic() < deadline
        assert_error(get(server, f"{job}/result"), 404, "job_not_found")


@pytest.mark.slow
def test_the_commands_of_the_page_work(tmp_path):
    (block,) = blocks(PAGES["docs/jobs.md"], "sh")
    with serving(tmp_path, OCR_JOBS_DIR=str(tmp_path / "jobs")) as server:
        assert run(["bash", "-euc"], server, block) == direct(server, page_bytes("table.png"))


@pytest.mark.slow
def test_without_a_folder_there_are_no_jobs(tmp_path):
    with serving(tmp_path) as server:
        for response in (post(server, tiff(1)), get(server, "0" * 32)):
            assert "OCR_JOBS_DIR" in assert_error(response, 404, "jobs_off")


@pytest.mark.slow
def test_a_folder_that_cannot_be_used_stops_the_start_with_one_line(tmp_path):
    (tmp_path / "file").touch()
    started = subprocess.run(
        [BENTOML, "serve", "--port", str(free_port())],
        cwd=ROOT,
        env=clean_environ(OCR_JOBS_DIR=str(tmp_path / "file")),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert started.returncode == 1
    (line,) = [each for each in started.stderr.splitlines() if each.startswith("rapidocr: ")]
    assert line.startswith(f"rapidocr: OCR_JOBS_DIR={tmp_path / 'file'}: ")
    assert "Traceback" not in started.stdout + started.stderr
