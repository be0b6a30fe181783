"""Failures around a served process: what callers see, and that the service recovers."""

import base64
import contextlib
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
import rapidocr
import requests
from conftest import TRUTH, encoded, page_bytes
from PIL import Image
from serving import BENTOML, ROOT, Server, clean_environ, serving
from test_contract import assert_error
from test_operation import SLOW

pytestmark = pytest.mark.slow

PAGES = ["table.png", "small.png", "coloured.png", "japanese.png"]
MODEL = Path(rapidocr.__file__).parent / "models" / "PP-OCRv6_det_small.onnx"
DAY_SECONDS = 86_400


def _texts(response: requests.Response) -> list[str]:
    assert response.status_code == 200, response.text
    return [line["rec_txt"] for line in response.json().values()]


def _read_together(server: Server, names: list[str] = PAGES) -> None:
    """Send the pages at the same time; each answer is that page's own."""
    with ThreadPoolExecutor(len(names)) as threads:
        found = [_texts(response) for response in threads.map(server.ocr, map(page_bytes, names))]
    assert found == [TRUTH[name] for name in names]


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _in_progress(server: Server) -> int:
    lines = server.get("/metrics").text.splitlines()
    ours = [line for line in lines if 'request_in_progress{endpoint="/ocr"' in line]
    return sum(int(float(line.split()[-1])) for line in ours)


def _killed(server: Server) -> int:
    """Kill the worker, once it is gone from the list; say which it was."""
    (worker,) = server.workers()
    os.kill(worker, signal.SIGKILL)
    _wait_until(lambda: worker not in server.workers())
    return worker


@contextlib.contextmanager
def _tiny_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no tmpfs can be mounted here: that takes root with CAP_SYS_ADMIN")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while file.write(bytes(4096)):
            pass
    assert not shutil.disk_usage(disk).free


# Processes


def test_after_a_killed_worker_a_new_one_answers_correctly(tmp_path):
    names = PAGES * 3
    with (
        serving(tmp_path, OCR_THREADS="1", BENTOML_HOME=str(tmp_path)) as server,
        ThreadPoolExecutor(len(names)) as threads,
    ):
        flights = [threads.submit(server.ocr, page_bytes(name)) for name in names]
        _wait_until(lambda: _in_progress(server) >= 4)
        worker = _killed(server)
        cut_off = [_is_cut_off(flight, name) for flight, name in zip(flights, names, strict=True)]
        assert any(cut_off)
        server.wait_until_ready()
        assert server.workers() != [worker]
        _read_together(server)
        assert _in_progress(server) == 0


def _is_cut_off(flight: Future[requests.Response], name: str) -> bool:
    try:
        assert _texts(flight.result()) == TRUTH[name]
    except requests.ConnectionError:
        return True
    return False


def test_a_taken_port_stops_the_start_and_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [BENTOML, "serve", "--host", "127.0.0.1", "--port", str(port)]
        started = subprocess.run(
            command, cwd=ROOT, env=clean_environ(), capture_output=True, text=True, check=False
        )
    assert started.returncode == 1
    assert f"Could not bind 127.0.0.1:{port}" in started.stdout
    assert started.stderr == (
        "rapidocr: Address already in use. Choose another port, as by --port 3001, or address, by "
        "--host.\n"
    )


NOWHERE_TO_WRITE = """
mount -t tmpfs tmpfs /run
for folder in /tmp /var/tmp /usr/tmp "$PWD"; do
  mount --bind "$folder" "$folder" && mount -o remount,ro,bind "$folder"
done
exec "$@"
"""


def test_a_missing_temporary_folder_stops_the_start_with_one_line():
    alone = ["unshare", "--mount"]
    if subprocess.run([*alone, "mount", "--bind", "/tmp", "/tmp"], check=False).returncode:
        pytest.skip("no folder can be mounted here: that takes root with CAP_SYS_ADMIN")
    started = subprocess.run(
        [*alone, "sh", "-c", NOWHERE_TO_WRITE, "sh", BENTOML, "serve"],
        cwd=ROOT,
        env=clean_environ(TMPDIR="/nowhere", BENTOML_HOME="/run/bentoml"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert started.returncode == 1
    (line,) = (line for line in started.stderr.splitlines() if line.startswith("rapidocr: "))
    assert line.startswith("rapidocr: a temporary folder is needed (TMPDIR): ")
    assert "Traceback" not in started.stdout + started.stderr


# Memory


@contextlib.contextmanager
def _memory(server: Server, spare_mb: int) -> Iterator[None]:
    """Let the worker have so much more than it has now."""
    (worker,) = server.workers()
    pages = int(Path(f"/proc/{worker}/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (spare_mb << 20)
    before = resource.prlimit(worker, resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
    try:
        yield
    finally:
        resource.prlimit(worker, resource.RLIMIT_AS, before)


def test_a_run_out_of_memory_is_answered_500_and_other_requests_are_unharmed(tmp_path):
    with (
        # The profile `exact` enlarges the page as RapidOCR does, which takes the memory.
        serving(
            tmp_path, OCR_PROFILE="exact", OCR_THREADS="2", OCR_MAX_DET_PIXELS="8000000"
        ) as server,
        ThreadPoolExecutor(1) as threads,
    ):
        _read_together(server)
        with _memory(server, spare_mb=200):
            flight = threads.submit(server.ocr, SLOW)
            while not flight.done():
                _read_together(server, PAGES[:1])
            assert_error(flight.result(), 500, "internal")
        assert re.search("onnxruntime.*(bad_alloc|allocate)", server.log())
        assert server.ocr(SLOW).text == "{}"
        _read_together(server)


def test_a_page_that_does_not_fit_in_memory_is_answered_500_not_415(tmp_path):
    large = encoded(Image.new("RGB", (7000, 7000), "white"))
    with serving(tmp_path) as server:
        _read_together(server)
        with _memory(server, spare_mb=100):
            assert_error(server.ocr(large, use_det=False), 500, "internal")
        _read_together(server)


# Files


def test_requests_are_answered_with_a_full_temporary_folder(tmp_path):
    with (
        _tiny_disk(tmp_path / "disk", megabytes=8) as disk,
        serving(tmp_path, TMPDIR=str(disk), BENTOML_HOME=str(disk / "bentoml")) as server,
    ):
        _fill(disk)
        _assert_every_way_in_works(server)
        _killed(server)
        server.wait_until_ready()
        _assert_every_way_in_works(server)
    assert server.log().count("no room in") == 1


def _assert_every_way_in_works(server: Server) -> None:
    image = page_bytes("table.png") + bytes(2 << 20)  # what follows a PNG's end does not matter
    data = base64.b64encode(image).decode()
    assert _texts(server.ocr(image)) == TRUTH["table.png"]
    assert _texts(server.ocr(image_data=data)) == TRUTH["table.png"]
    as_json = requests.post(f"{server.url}/ocr", json={"image_data": data}, timeout=120)
    assert _texts(as_json) == TRUTH["table.png"]
    probes = [server.get(path).status_code for path in ("/livez", "/readyz", "/metrics")]
    assert probes == [200, 200, 200]


def test_a_model_file_damaged_after_the_start_changes_no_answer(tmp_path):
    model = tmp_path / "det.onnx"
    shutil.copy(MODEL, model)
    with serving(tmp_path, det_model_path=str(model)) as server:
        model.write_bytes(b"rubbish" * 1_000_000)
        _read_together(server)
        os.truncate(model, 100)
        _read_together(server)
        model.unlink()
        _read_together(server)
        _killed(server)
        shutil.copy(MODEL, model)
        server.wait_until_ready()
        _read_together(server)


@pytest.mark.parametrize("kind", ["device", "disk"])
def test_requests_are_answered_when_the_log_cannot_be_written(kind, tmp_path):
    with contextlib.ExitStack() as stack:
        log = Path("/dev/full")
        if kind == "disk":
            disk = stack.enter_context(_tiny_disk(tmp_path / "disk", megabytes=1))
            _fill(disk)
            log = disk / "log"
        server = stack.enter_context(serving(tmp_path, log=log))
        _read_together(server)
        assert_error(server.ocr(b"no image"), 415, "unsupported_image")
        _killed(server)
        server.wait_until_ready()
        _read_together(server)


# Time


def test_a_clock_that_jumps_a_day_changes_no_answer(tmp_path):
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    clock = tmp_path / "clock"
    clock.write_text("+0")
    variables = {
        "BENTOML_HOME": str(tmp_path),
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "OCR_THREADS": "1",
        "OCR_MAX_QUEUE": "1",
        "OCR_PROFILE": "exact",
        "OCR_MAX_DET_PIXELS": "3000000",
    }
    with serving(tmp_path, **variables) as server, ThreadPoolExecutor(2) as threads:
        for offset in (DAY_SECONDS, -DAY_SECONDS):
            flights = [threads.submit(server.ocr, SLOW) for _ in range(2)]
            _wait_until(lambda: _in_progress(server) == 2)
            clock.write_text(f"{offset:+}")
            refused = server.ocr(page_bytes("table.png"))
            assert_error(refused, 429, "busy")
            assert 1 <= int(refused.headers["retry-after"]) < 3600
            assert [flight.result().text for flight in flights] == ["{}", "{}"]
            _wait_until(lambda: abs(_clock(server) - time.time() - offset) < 3600)  # noqa: B023
            assert _texts(server.ocr(page_bytes("table.png"))) == TRUTH["table.png"]


def _clock(server: Server) -> float:
    return parsedate_to_datetime(server.get("/livez").headers["date"]).timestamp()
