"""Connections without a request: how long they are kept, and how many."""

import contextlib
import select
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from conftest import TRUTH, page_bytes
from serving import BENTOML, ROOT, Server, clean_environ, free_port, serving

pytestmark = pytest.mark.slow

LINE = page_bytes("line.png")
GET = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
OPEN_FILES = 256


def connect(server: Server) -> socket.socket:
    port = int(server.url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def ask(sock: socket.socket, request: bytes = GET + b"\r\n") -> None:
    """Send a request to /livez, or its end, and receive its answer, whose body is a line end."""
    sock.sendall(request)
    received = b""
    while not received.endswith(b"\r\n\r\n\n"):
        received += sock.recv(1 << 16)
    assert received.startswith(b"HTTP/1.1 200 ")


def keep_alive(server: Server) -> socket.socket:
    """A connection on which one request has been answered."""
    sock = connect(server)
    ask(sock)
    return sock


def is_open(sock: socket.socket) -> bool:
    """Whether the server has kept a connection on which it has nothing to send."""
    readable, _, _ = select.select([sock], [], [], 0)
    return not readable


def seconds_until_closed(sock: socket.socket, start: float) -> float:
    with contextlib.suppress(ConnectionResetError):
        assert sock.recv(1) == b""
    return time.monotonic() - start


def test_an_idle_connection_is_kept_for_the_pool_of_a_proxy(server):
    """Proxies keep one for 60 to 90 seconds; by itself, uvicorn would close it after 5."""
    with connect(server) as silent, keep_alive(server) as pooled:
        closed, _, _ = select.select([silent, pooled], [], [], 12)
        assert closed == []
        ask(silent)
        ask(pooled)


def test_an_idle_connection_is_closed_when_the_setting_says(tmp_path):
    with (
        serving(tmp_path, OCR_IDLE_SECONDS="2.5") as server,
        connect(server) as silent,
        keep_alive(server) as pooled,
    ):
        start = time.monotonic()
        assert 2 < seconds_until_closed(silent, start) < 50
        assert 2 < seconds_until_closed(pooled, start) < 50


def test_the_header_of_a_second_request_must_arrive_in_10_seconds_too(server):
    with keep_alive(server) as slow, connect(server) as pipelined:
        slow.sendall(GET)
        start = time.monotonic()
        ask(pipelined, GET + b"\r\n" + GET)
        assert 5 < seconds_until_closed(slow, start) < 40
        assert seconds_until_closed(pipelined, start) < 40


def test_bentomls_own_option_takes_the_place_of_the_setting(tmp_path):
    arguments = ("--timeout-keep-alive", "2")
    with (
        serving(tmp_path, *arguments, OCR_IDLE_SECONDS="3600") as server,
        connect(server) as silent,
        keep_alive(server) as pooled,
    ):
        start = time.monotonic()
        assert seconds_until_closed(silent, start) < 50
        assert seconds_until_closed(pooled, start) < 50


@pytest.fixture
def few_files(tmp_path, monkeypatch) -> Iterator[Server]:
    """A service that may have few files open, so half as many idle connections."""
    limited = tmp_path / "bentoml"
    limited.write_text(f'#!/bin/sh\nulimit -n {OPEN_FILES}\nexec "{BENTOML}" "$@"\n')
    limited.chmod(0o755)
    monkeypatch.setattr("serving.BENTOML", limited)
    with serving(tmp_path, OCR_IDLE_SECONDS="3600") as running:
        yield running


def test_over_the_limit_the_longest_idle_is_closed_and_no_request_under_way(few_files):
    body = b'{"image_data": ""}'
    head = b"POST /ocr HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with contextlib.ExitStack() as stack:
        under_way = stack.enter_context(connect(few_files))
        under_way.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body))
        oldest = stack.enter_context(keep_alive(few_files))
        in_header = stack.enter_context(connect(few_files))
        in_header.sendall(GET)
        silent = [stack.enter_context(connect(few_files)) for _ in range(2 * OPEN_FILES)]
        assert few_files.get("/readyz").ok
        read = few_files.ocr(LINE, use_det="false")
        assert read.json()["0"]["rec_txt"] == TRUTH["line.png"][0]
        assert not is_open(oldest)
        assert not is_open(in_header)
        kept = [is_open(sock) for sock in silent]
        assert kept == sorted(kept)  # the last ones
        assert 0 < sum(kept) <= OPEN_FILES // 2
        under_way.sendall(body)
        assert under_way.recv(1 << 16).startswith(b"HTTP/1.1 400 ")
    assert "Traceback" not in few_files.log()


def test_the_shutdown_does_not_wait_for_idle_connections(tmp_path):
    with (
        serving(tmp_path, OCR_IDLE_SECONDS="3600") as server,
        connect(server),
        keep_alive(server),
        connect(server) as in_header,
    ):
        in_header.sendall(GET)
        server.process.terminate()
        assert server.process.wait(8) == 0


def self_signed(folder: Path) -> tuple[Path, Path]:
    key, certificate = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "1"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    return key, certificate


def test_the_shutdown_does_not_wait_for_close_notify_on_idle_tls_connections(tmp_path):
    """By itself, asyncio waits for it for 30 seconds, and a client's pool does not send it."""
    key, certificate = self_signed(tmp_path)
    port = free_port()
    command = [BENTOML, "serve", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--ssl-certfile", certificate, "--ssl-keyfile", key]
    context = ssl.create_default_context(cafile=str(certificate))
    with subprocess.Popen(command, cwd=ROOT, env=clean_environ()) as process:
        try:
            url, ready = f"https://127.0.0.1:{port}/readyz", None
            while ready is None:
                assert process.poll() is None
                with contextlib.suppress(requests.ConnectionError):
                    ready = requests.get(url, verify=str(certificate), timeout=30)
            with (
                socket.create_connection(("127.0.0.1", port), timeout=60) as plain,
                context.wrap_socket(plain, server_hostname="127.0.0.1"),
            ):
                process.terminate()
                assert process.wait(15) == 0
        finally:
            process.terminate()


def test_bytes_after_an_answered_preflight_do_not_keep_a_connection_open(tmp_path):
    """Its body is not read, and uvicorn stops the idle timer for bytes of a body."""
    preflight = (
        b"OPTIONS /ocr HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n"
        b"Access-Control-Request-Method: POST\r\nContent-Length: 1000\r\n\r\n"
    )
    variables = {"OCR_CORS_ORIGINS": "https://a.example", "OCR_IDLE_SECONDS": "2"}
    with serving(tmp_path, **variables) as server, connect(server) as sock:
        sock.sendall(preflight)
        assert sock.recv(1 << 16).startswith(b"HTTP/1.1 200")
        sock.sendall(b"x")
        while sock.recv(1 << 16):  # it times out after a minute
            pass
