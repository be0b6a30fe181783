"""The peers and ourselves: started, asked, weighed, stopped."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import requests

from .load import drive

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
PROFILES = ("exact", "standard", "fast")
NAMES = ("rapidocr_api", "faster-paddle", *PROFILES)
"""rapidocr_api 0.2.0 with two workers, faster-paddle 1.0.4 `small`, and our profiles."""


class System:
    """One of `NAMES`, running; `start_seconds` is how long it took to answer its first request."""

    start_seconds: float

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self._process = process
        self.url = url

    def peak_mb(self) -> float:
        """The largest resident memory that its processes have had, in MB, summed."""
        return self._mb("VmHWM")

    def resident_mb(self) -> float:
        """The resident memory of its processes now, in MB, summed."""
        return self._mb("VmRSS")

    def _mb(self, which: str) -> float:
        first = psutil.Process(self._process.pid)
        return sum(_mb(process, which) for process in [first, *first.children(recursive=True)])

    def lines(self, images: list[Path]) -> list[list[str]]:
        """Read each image once."""
        raise NotImplementedError

    def drive(self, images: list[Path], *, callers: int, count: int) -> dict[str, float]:
        raise NotImplementedError


class Server(System):
    def read(self, image: bytes) -> list[str]:
        files = {"image_file": ("page.png", image, "image/png")}
        answer = requests.post(f"{self.url}/ocr", files=files, timeout=300)
        answer.raise_for_status()
        return [line["rec_txt"] for line in answer.json().values()]

    def lines(self, images: list[Path]) -> list[list[str]]:
        return [self.read(image.read_bytes()) for image in images]

    def drive(self, images: list[Path], *, callers: int, count: int) -> dict[str, float]:
        data = [image.read_bytes() for image in images]
        return drive(self.read, data, callers=callers, count=count)


class _Library(System):
    def ask(self, **task: Any) -> Any:
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def lines(self, images: list[Path]) -> list[list[str]]:
        return self.ask(images=list(map(str, images)))["lines"]

    def drive(self, images: list[Path], *, callers: int, count: int) -> dict[str, float]:
        return self.ask(images=list(map(str, images)), callers=callers, count=count)


@contextlib.contextmanager
def running(name: str, first: Path, **variables: str) -> Iterator[System]:
    """Start a system, wait until it has read its first image, and stop it at the end."""
    start = time.perf_counter()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = str(sock.getsockname()[1])
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OCR_")}
    process = subprocess.Popen(
        _command(name, port),
        cwd=ROOT,
        env=kept | ({"OCR_PROFILE": name} if name in PROFILES else {}) | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE if name == "faster-paddle" else subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        if name == "faster-paddle":
            system: System = _Library(process, "")
            process.stdout.readline()
        else:
            system = Server(process, f"http://127.0.0.1:{port}")
            _wait(process, int(port))
        system.lines([first])
        system.start_seconds = time.perf_counter() - start
        yield system
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _command(name: str, port: str) -> list[str]:
    peers = ROOT / ".peers"
    if name == "rapidocr_api":
        command = [peers / name / "bin" / name, "-ip", "127.0.0.1", "-p", port, "-workers", "2"]
    elif name == "faster-paddle":
        command = [peers / name / "bin/python", HERE / "faster_paddle_peer.py"]
    else:
        bentoml = Path(sys.executable).with_name("bentoml")
        command = [bentoml, "serve", "--host", "127.0.0.1", "--port", port]
    return list(map(str, command))


def _wait(process: "subprocess.Popen[str]", port: int) -> None:
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise RuntimeError("the server did not start")


def _mb(process: psutil.Process, which: str) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition(f"{which}:")[2].split()[0]) / 1000
