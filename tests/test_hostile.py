"""Hostile requests are answered with an error, and the next caller is served."""

import base64
import contextlib
import json
import select
import socket
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from conftest import TRUTH, encoded, page_bytes
from PIL import Image
from serving import Server, serving
from test_contract import assert_error

pytestmark = pytest.mark.slow

LINE = page_bytes("line.png")
FAST = {"use_det": "false"}
HEAD = b"POST /ocr HTTP/1.1\r\nHost: x\r\n"
MIB = 1 << 20


@pytest.fixture(scope="module")
def impatient(tmp_path_factory) -> Iterator[Server]:
    """A service that waits for a body 2 seconds at most."""
    with serving(tmp_path_factory.mktemp("impatient"), OCR_TIMEOUT_SECONDS="2") as running:
        yield running


@pytest.fixture
def server(server) -> Iterator[Server]:
    yield server
    assert_unharmed(server)


def assert_unharmed(server: Server) -> None:
    assert server.ocr(LINE, **FAST).json()["0"]["rec_txt"] == TRUTH["line.png"][0]
    assert "Traceback" not in server.log()


def connect(server: Server) -> socket.socket:
    port = int(server.url.rpartition(":")[2])
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def answer(sock: socket.socket) -> tuple[int, dict]:
    """Read to the end of the connection: the status and the body."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while part := sock.recv(1 << 16):
            received += part
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def resident(server: Server) -> int:
    """Bytes of the worker in memory."""
    (worker,) = server.workers()
    return int(Path(f"/proc/{worker}/statm").read_text().split()[1]) * 4096


# Images


def png(width: int, height: int, rows: bytes) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        crc = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(rows, 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*part) for part in ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    )


def tiff(*tags: tuple[int, int, int, int]) -> bytes:
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(4)


def webp(width: int, height: int) -> bytes:
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    chunk = b"VP8X" + struct.pack("<I", 10) + bytes(4) + size
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


GRAY = [(258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
BOMBS = {
    "PNG that says it is huge": png(60_000, 60_000, b""),
    "PNG that unpacks to more than it says": png(10, 10, bytes(200 * MIB)),
    "WebP that says it is huge": webp(16_384, 16_384),
    "TIFF that says it is huge": tiff((256, 4, 1, 60_000), (257, 4, 1, 60_000), *GRAY),
    "TIFF with a huge strip": tiff(
        *GRAY, (256, 4, 1, 100), (257, 4, 1, 100), (273, 4, 1, 8), (279, 4, 1, 0xFFFFFFFF)
    ),
    "TIFF with a huge tag": tiff(
        *GRAY, (256, 4, 1, 100), (257, 4, 1, 100), (270, 2, 0xFFFFFFF0, 8), (273, 4, 1, 8)
    ),
    "TIFF with millions of strips": tiff(
        *GRAY, (256, 4, 1, 100), (257, 4, 1, 100), (273, 4, 5_000_000, 8), (278, 4, 1, 1)
    ),
    "GIF with a huge frame to be disposed of": b"GIF89a\x01\0\x01\0\0\0\0!\xf9\x04\x08\0\0\0\0"
    b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;",
    "GIF with a huge frame": b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x02\x02D\x01\0;",
}


@pytest.mark.parametrize("kind", BOMBS)
def test_decompression_bombs_take_little_memory(kind, server):
    before = resident(server)
    response = server.ocr(BOMBS[kind])
    if "unpacks" in kind:  # no more of it than its header says
        assert response.text == "{}"
    else:
        assert response.json()["code"] in ("image_too_large", "unsupported_image")
    assert resident(server) - before < 200 * MIB


def test_the_largest_empty_page_is_read(server):
    """50 megapixels in 50 kB: within the limits, so it is answered."""
    assert server.ocr(encoded(Image.new("L", (10_000, 5_000)))).text == "{}"


# Fields


def test_millions_of_tiny_parts_are_refused(server):
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n'
    body = part * (15 * MIB // len(part)) + b"--x--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=x"}
    response = requests.post(server.url + "/ocr", data=body, headers=headers, timeout=60)
    assert_error(response, 400, "malformed_request")


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":' + b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":[' + b"[]," * (5 * MIB) + b"[]]}",
        b'{"a":' + b"9" * 100_000 + b"}",
        b"{" + b",".join(b'"%d":1' % number for number in range(1_000_000)) + b"}",
    ],
    ids=["deep lists", "deep objects", "many lists", "long number", "many fields"],
)
def test_json_that_is_expensive_to_parse_is_refused(body, server):
    headers = {"content-type": "application/json"}
    response = requests.post(server.url + "/ocr", data=body, headers=headers, timeout=60)
    assert_error(response, 400, "malformed_request")


@pytest.mark.parametrize("name", ["image_data", "use_det", "text_score", "unknown"])
@pytest.mark.parametrize("value", ['"\\ud800"', '"\\u0000"', '"a\\u0000b"', '"\\udfff\\ud800"'])
def test_surrogates_and_nuls_are_refused(name, value, server):
    fields = {"use_det": "false"} | {name: json.loads(value)}
    body = json.dumps(fields)
    headers = {"content-type": "application/json"}
    response = requests.post(server.url + "/ocr", data=body, headers=headers, timeout=60)
    assert response.status_code == 400
    assert_error(response, 400, response.json()["code"])


def test_a_repeated_field_is_refused(server):
    data = base64.b64encode(LINE).decode()
    body = f'{{"image_data": "{data}", "use_det": true, "use_det": false}}'
    headers = {"content-type": "application/json"}
    response = requests.post(server.url + "/ocr", data=body, headers=headers, timeout=60)
    assert_error(response, 400, "malformed_request")


@pytest.mark.parametrize(
    "name",
    ['"; filename="b', "a\\\r\nX-Injected: 1", "../../etc/passwd", "\0", "a" * 60_000, "\u202egnp"],
)
def test_a_file_name_has_no_effect(name, server):
    disposition = f'form-data; name="image_file"; filename="{name}"'.encode()
    body = b"--x\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + LINE
    body += b'\r\n--x\r\nContent-Disposition: form-data; name="use_det"\r\n\r\nfalse\r\n--x--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=x"}
    response = requests.post(server.url + "/ocr", data=body, headers=headers, timeout=60)
    assert "x-injected" not in response.headers
    assert response.status_code in (200, 400)
    if response.ok:
        assert response.json()["0"]["rec_txt"] == TRUTH["line.png"][0]


@pytest.mark.parametrize(
    "text", ["data:image/png;base64,\r\nX-Injected: 1", "AA\r\n\r\nGET / HTTP/1.1"]
)
def test_a_line_break_in_base64_cannot_inject_headers(text, server):
    response = server.ocr(None, image_data=text)
    assert response.status_code in (400, 415)
    assert "x-injected" not in response.headers


def test_a_compressed_body_is_refused(server):
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    bomb = zlib.compress(bytes(100 * MIB))
    response = requests.post(server.url + "/ocr", data=bomb, headers=headers, timeout=60)
    assert_error(response, 415, "unsupported_media_type")


# Connections


@pytest.mark.parametrize(
    "junk", [b"\x16\x03\x01\0\xa5\x01\0", b"rubbish\r\n\r\n", bytes(100) + b"\r\n\r\n"]
)
def test_bytes_that_are_not_http_get_an_error_answer(junk, server):
    with connect(server) as sock:
        sock.sendall(junk + b"\r\n\r\n")
        status, body = answer(sock)
    assert (status, body["code"]) == (400, "malformed_request")


@pytest.mark.parametrize("method", [b"HEAD", b"GET", b"POST"])
def test_broken_chunks_cause_no_traceback(method, server):
    with connect(server) as sock:
        sock.sendall(method + b" / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        with contextlib.suppress(ConnectionResetError):
            while sock.recv(1 << 16):
                pass


def test_a_websocket_is_answered_as_http_and_adds_no_series(server):
    before = len(server.get("/metrics").text)
    for number in range(20):
        with connect(server) as sock:
            sock.sendall(
                b"GET /%d HTTP/1.1\r\nHost: x\r\n"
                b"Connection: Upgrade, close\r\nUpgrade: websocket\r\n"
                b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
                % number
            )
            status, body = answer(sock)
            assert (status, body["code"]) == (404, "not_found")
    assert len(server.get("/metrics").text) - before < 100


def test_an_answer_that_is_not_read_does_not_block_the_shutdown(tmp_path):
    with serving(tmp_path) as server:
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", int(server.url.rpartition(":")[2])))
        for _ in range(8):
            sock.sendall(b"GET /static_content/swagger-ui-bundle.js HTTP/1.1\r\nHost: x\r\n\r\n")
        assert sock.recv(16)
        server.process.terminate()
        assert server.process.wait(100) == 0
        sock.close()


def test_endless_headers_end_the_connection(server):
    with connect(server) as sock, contextlib.suppress(ConnectionError):
        sock.sendall(HEAD)
        for number in range(100_000):
            sock.sendall(b"X-%d: %s\r\n" % (number, b"a" * 100))
        pytest.fail("10 MB of headers were taken")


def test_an_incomplete_header_ends_the_connection_after_10_seconds(server):
    with connect(server) as slow:
        slow.sendall(HEAD)
        start = time.monotonic()
        assert slow.recv(1) == b""
        assert 5 < time.monotonic() - start < 40


def test_an_endless_body_ends_the_connection(server):
    chunk = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
    with connect(server) as sock:
        sock.sendall(HEAD + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        start, sent = time.monotonic(), 0
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - start < 50:
                sock.sendall(chunk)
                sent += len(chunk)
    assert time.monotonic() - start < 40
    assert sent > 20 * MIB


def test_a_body_sent_byte_by_byte_is_refused_after_the_timeout(impatient):
    with connect(impatient) as sock:
        sock.sendall(HEAD + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n")
        ended = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not ended.wait(0.2):
                    sock.sendall(b" ")

        thread = threading.Thread(target=drip)
        thread.start()
        status, body = answer(sock)
        ended.set()
        thread.join()
    assert (status, body["code"]) == (408, "slow_body")
    assert_unharmed(impatient)


def test_many_slow_bodies_take_no_queue_place_and_little_memory(server):
    """More bodies than queue places, and together more bytes than the bound."""
    before = resident(server)
    length = 19 * MIB
    head = HEAD + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(server)) for _ in range(50)]
        for sock in socks[:20]:
            with contextlib.suppress(ConnectionError):
                sock.sendall(head + bytes(length - 1))
        for sock in socks[20:]:
            sock.sendall(head)
        assert server.ocr(LINE, **FAST).json()["0"]["rec_txt"] == TRUTH["line.png"][0]
        assert resident(server) - before < 400 * MIB
        refused: list[socket.socket] = []
        while len(refused) < 12:  # 8 of the 20 have room
            refused, _, _ = select.select(socks[:20], [], [], 1)
        for sock in refused:
            status, body = answer(sock)
            assert (status, body["code"]) == (429, "busy")


def test_thousands_of_connections_do_not_block_other_callers(server):
    with contextlib.ExitStack() as stack:
        for _ in range(2000):
            stack.enter_context(connect(server))
        assert server.get("/readyz").ok
        assert server.ocr(LINE, **FAST).json()["0"]["rec_txt"] == TRUTH["line.png"][0]


def test_requests_whose_caller_hung_up_are_not_computed(tmp_path):
    """With one thread, the next caller does not wait for the work of those that have gone."""
    slow = encoded(Image.new("L", (1, 300)))
    body = json.dumps({"image_data": base64.b64encode(slow).decode()}).encode()
    head = b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    with serving(tmp_path, OCR_THREADS="1", OCR_PROFILE="exact") as server:
        gone = [connect(server) for _ in range(20)]
        for sock in gone:
            sock.sendall(HEAD + head + body)
        while "rapidocr_waiting 19.0" not in server.get("/metrics").text:
            pass
        for sock in gone:
            sock.close()
        assert server.ocr(LINE, **FAST).ok
        series = server.get("/metrics").text
    assert 'rapidocr_answers_total{endpoint="/ocr",outcome="gone"} 20.0' in series
    assert 'rapidocr_stage_seconds_count{stage="detection"} 1.0' in series


def test_probes_answer_during_expensive_requests(server):
    dear = b'{"a":"' + b"\\u0041" * (3 * MIB) + b'"}'
    headers = {"content-type": "application/json"}

    def post(_: int) -> int:
        return requests.post(
            server.url + "/ocr", data=dear, headers=headers, timeout=60
        ).status_code

    with ThreadPoolExecutor(8) as threads:
        posted = [threads.submit(post, number) for number in range(24)]
        probes = 0
        while not all(post.done() for post in posted):
            assert {server.get(path).status_code for path in ("/livez", "/readyz")} == {200}
            probes += 1
    assert probes > 1
    assert {post.result() for post in posted} <= {400, 429}
