"""A real server in a process of its own."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parent.parent
BENTOML = Path(sys.executable).with_name("bentoml")


def clean_environ(**variables: str) -> dict[str, str]:
    """The environment of this process without settings of the service, and with `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OCR_")}
    return kept | {"PATH": f"{BENTOML.parent}:{kept['PATH']}"} | variables


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def program(name: str) -> str:
    """Find a program that a test needs; skip the test where it is missing, but never in CI."""
    path = shutil.which(name)
    if path is None:
        reason = f"{name} is not installed: scripts/test installs it as root on Debian"
        (pytest.fail if "CI" in os.environ else pytest.skip)(reason)
    return path


class Server:
    """A served process; see `serving`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"
        self._log = log

    def ocr(self, image: bytes | None = None, /, **fields: object) -> requests.Response:
        """Post a file (if given) and form fields to /ocr."""
        files = None if image is None else {"image_file": ("page.png", image, "image/png")}
        return requests.post(f"{self.url}/ocr", files=files, data=fields, timeout=120)

    def get(self, path: str) -> requests.Response:
        return requests.get(self.url + path, timeout=30)

    def log(self) -> str:
        return self._log.read_text() if self._log.is_file() else ""

    def workers(self) -> list[int]:
        """The process ids of those that compute."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children if b"worker" in _command(child)]

    def wait_until_ready(self) -> None:
        for _ in range(600):
            if self.process.poll() is not None:
                break
            with contextlib.suppress(requests.ConnectionError, requests.Timeout):
                if self.get("/readyz").ok:
                    return
            time.sleep(0.1)
        raise AssertionError(f"the server did not get ready:\n{self.log()}")


def _command(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:  # it has just ended
        return b""


@contextlib.contextmanager
def serving(
    tmp_path: Path,
    *arguments: str,
    cwd: Path = ROOT,
    log: Path | None = None,
    **variables: str,
) -> Iterator[Server]:
    """Run `bentoml serve ARGUMENTS` with these environment variables until the block ends.

    What it prints goes to `log`, by default a file in `tmp_path`.
    """
    port, log = free_port(), log or tmp_path / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [BENTOML, "serve", *arguments, "--host", "127.0.0.1", "--port", str(port)],
            cwd=cwd,
            env=clean_environ(**variables),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        server = Server(process, port, log)
        try:
            server.wait_until_ready()
            yield server
        finally:
            process.terminate()
            process.wait(30)
