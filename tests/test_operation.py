"""The service under settings other than the default ones."""

import contextlib
import itertools
import json
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from urllib.parse import urlsplit

import onnxruntime
import pytest
import requests
from conftest import TRUTH, encoded, page_bytes
from PIL import Image
from rapidocr.main import DEFAULT_CFG_PATH, root_dir
from serving import BENTOML, ROOT, clean_environ, free_port, serving
from test_contract import assert_error

pytestmark = pytest.mark.slow

V4_WHEEL = "6fb21ffb55b3aa49fee2a7c5cc5190851180e5be538b076b2166b7f44213cd5c"
LINE, TABLE = page_bytes("line.png"), page_bytes("table.png")
FAST = {"use_det": "false"}
SLOW = encoded(Image.new("L", (1, 300)))
"""A shape that the profile `exact` enlarges to its bound, as RapidOCR would without one."""


def test_a_full_queue_answers_429_with_retry_after(tmp_path):
    with serving(tmp_path, OCR_PROFILE="exact", OCR_THREADS="1", OCR_MAX_QUEUE="1") as server:
        with ThreadPoolExecutor(6) as threads:
            responses = list(threads.map(lambda _: server.ocr(SLOW), range(6)))
        busy = [response for response in responses if response.status_code != 200]
        assert [response.text for response in responses if response.ok] == ["{}"] * (6 - len(busy))
        assert 1 <= len(busy) <= 4
        for response in busy:
            assert_error(response, 429, "busy")
            assert int(response.headers["retry-after"]) >= 1
        assert server.ocr(LINE, **FAST).status_code == 200


@pytest.mark.parametrize("header", ["x-api-key", "x-forwarded-for"])
def test_a_caller_with_huge_images_does_not_block_other_callers(header, tmp_path):
    """Callers are told apart by their keys, or by the addresses that a trusted proxy gives."""
    huge, small = "203.0.113.1", "203.0.113.2"
    keys = {"OCR_API_KEYS": f"{huge},{small}"} if header == "x-api-key" else {}
    with (
        serving(
            tmp_path,
            OCR_PROFILE="exact",
            OCR_THREADS="1",
            OCR_MAX_DET_PIXELS="2000000",
            FORWARDED_ALLOW_IPS="127.0.0.1",
            **keys,
        ) as server,
        ThreadPoolExecutor(8) as threads,
    ):

        def post(caller: str, image: bytes, **data: str) -> requests.Response:
            files, headers = {"image_file": image}, {header: caller}
            url = server.url + "/ocr"
            return requests.post(url, files=files, data=data, headers=headers, timeout=110)

        pages = [threads.submit(post, huge, SLOW) for _ in range(8)]
        while "rapidocr_waiting 7.0" not in server.get("/metrics").text:
            pass
        assert post(small, LINE, **FAST).ok
        assert sum(page.done() for page in pages) <= 2  # it waited for one of them, not for all


def test_tls_is_turned_on_by_arguments(tmp_path):
    key, certificate, port = tmp_path / "key.pem", tmp_path / "cert.pem", free_port()
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-noenc", "-days", "1"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    arguments = ["--ssl-certfile", certificate, "--ssl-keyfile", key, "--port", str(port)]
    with subprocess.Popen(
        [BENTOML, "serve", "--host", "127.0.0.1", *arguments], cwd=ROOT, env=clean_environ()
    ) as process:
        try:
            url, response = f"https://127.0.0.1:{port}", None
            while response is None:
                with contextlib.suppress(requests.ConnectionError):
                    response = requests.get(url + "/readyz", verify=str(certificate), timeout=30)
            assert response.ok
            files = {"image_file": LINE}
            read = requests.post(
                url + "/ocr", files=files, data=FAST, verify=str(certificate), timeout=60
            )
            assert read.json()["0"]["rec_txt"] == TRUTH["line.png"][0]
        finally:
            process.terminate()


def test_timed_out_requests_end_and_their_work_does_not_pile_up(tmp_path):
    with serving(
        tmp_path,
        OCR_PROFILE="exact",
        OCR_THREADS="1",
        OCR_TIMEOUT_SECONDS="0.5",
        OCR_MAX_QUEUE="50",
    ) as server:
        with ThreadPoolExecutor(20) as threads:
            for response in threads.map(lambda _: server.ocr(SLOW), range(20)):
                assert_error(response, 504, "timeout")
        # 20 of them one after the other take minutes; only the one that runs has to end.
        codes = [server.ocr(LINE, **FAST).status_code for _ in range(60)]
        assert codes[-1] == 200


def test_probes_answer_while_everything_is_busy(tmp_path):
    with (
        serving(tmp_path, OCR_PROFILE="exact", OCR_THREADS="1", OCR_MAX_QUEUE="0") as server,
        ThreadPoolExecutor(3) as threads,
    ):
        slow = [threads.submit(server.ocr, SLOW) for _ in range(3)]
        refused = list(itertools.islice(as_completed(slow), 2))  # while the third computes
        assert [future.result().status_code for future in refused] == [429, 429]
        probes = [server.get(path).status_code for path in ("/livez", "/readyz", "/metrics")]
        assert probes == [200, 200, 200]
        assert server.ocr(LINE, **FAST).status_code == 429


def test_a_full_queue_refuses_before_the_body_but_other_errors_come_first(tmp_path):
    key = {"X-API-Key": "a-long-key"}
    with (
        serving(
            tmp_path,
            OCR_PROFILE="exact",
            OCR_THREADS="1",
            OCR_MAX_QUEUE="0",
            OCR_API_KEYS="a-long-key",
        ) as server,
        ThreadPoolExecutor(1) as threads,
    ):
        url, metrics = server.url + "/ocr", server.url + "/metrics"

        def post(image: bytes, headers: dict[str, str] = key, **more: str) -> requests.Response:
            files = {"image_file": image}
            return requests.post(url, files=files, headers=headers | more, timeout=110)

        slow = threads.submit(post, SLOW)
        while "rapidocr_in_flight 1.0" not in requests.get(metrics, headers=key, timeout=10).text:
            assert not slow.done()
        assert_error(post(LINE), 429, "busy")
        assert_error(requests.get(url, headers=key, timeout=10), 405, "method_not_allowed")
        assert_error(post(LINE, {}), 401, "unauthorized")
        pickle = "application/vnd.bentoml+pickle"
        assert_error(post(LINE, **{"Content-Type": pickle}), 415, "unsupported_media_type")
        port = urlsplit(url).port
        with socket.create_connection(("127.0.0.1", port), timeout=10) as asking:
            asking.sendall(
                b"POST /ocr HTTP/1.1\r\nHost: it\r\nX-API-Key: a-long-key\r\n"
                b"Content-Type: application/json\r\nContent-Length: 1000000\r\n"
                b"Expect: 100-continue\r\n\r\n"
            )
            assert asking.recv(1000).startswith(b"HTTP/1.1 429 ")
        assert not slow.done()


def test_internal_errors_are_logged_with_the_request_id_and_not_shown(tmp_path):
    model = tmp_path / "det.onnx"  # takes only the size of the image that is read at the start
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    for side in ("DynamicDimension.1", "DynamicDimension.2"):
        options.add_free_dimension_override_by_name(side, 736)
    options.optimized_model_filepath = str(model)
    onnxruntime.InferenceSession(str(root_dir / "models/PP-OCRv6_det_small.onnx"), options)
    # The profile `exact` shows the detector both the start's image and this one in their own size.
    with serving(tmp_path, OCR_PROFILE="exact", det_model_path=str(model)) as server:
        response = server.ocr(LINE, use_det=True)
        assert_error(response, 500, "internal")
        assert server.ocr(LINE, use_det=False).status_code == 200
    assert f"request {response.headers['x-request-id']} failed" in server.log()
    assert "InvalidArgument" in server.log()


def test_callers_errors_log_no_traceback(tmp_path):
    with serving(tmp_path) as server:
        server.ocr(b"no image")
        server.ocr()
        server.get("/nothing")
    assert "Traceback" not in server.log()
    assert len(re.findall(r"path=/(ocr|nothing)", server.log())) == 3


def test_the_log_has_one_line_for_each_request_without_the_text_read(tmp_path):
    with serving(tmp_path, OCR_LOG_FORMAT="json", TZ="Asia/Shanghai") as server:
        read = server.ocr(LINE)
        refused = server.ocr(b"no image")
        server.get("/a%0Ab")
        for probe in ("/livez", "/readyz", "/metrics"):
            server.get(probe)
    lines = [json.loads(line) for line in server.log().splitlines()]
    assert {"time", "level"} <= set.intersection(*map(set, lines))
    assert all(line["time"].endswith("+08:00") for line in lines)
    ours = [line for line in lines if "status" in line]
    first = {
        "level": "INFO",
        "request_id": read.headers["x-request-id"],
        "method": "POST",
        "path": "/ocr",
        "status": 200,
        "pixels": 300 * 64,
        "lines": len(read.json()),
    }
    assert {name: ours[0][name] for name in first} == first
    assert 0 < ours[0]["milliseconds"] < 60_000
    assert [(line["path"], line["status"]) for line in ours[1:]] == [("/ocr", 415), ("/a%0Ab", 404)]
    assert ours[1]["request_id"] == refused.headers["x-request-id"]
    assert read.json()["0"]["rec_txt"] not in server.log()


def test_scores_can_be_numbers(tmp_path):
    with serving(tmp_path, OCR_SCORE_FORMAT="number") as server:
        entry = server.ocr(LINE, **FAST, return_word_box=True).json()["0"]
        assert isinstance(entry["score"], float)
        assert 0.9 < entry["score"] <= 1
        assert all(isinstance(word["score"], float) for word in entry["words"])


def test_limits_can_be_set(tmp_path):
    with serving(tmp_path, OCR_MAX_BODY_MB="1", OCR_MAX_PIXELS="10000") as server:
        assert_error(server.ocr(bytes(1 << 20)), 413, "body_too_large")
        assert_error(server.ocr(encoded(Image.new("L", (101, 100)))), 413, "image_too_large")
        assert server.ocr(encoded(Image.new("L", (100, 100))), **FAST).text == "{}"


@pytest.mark.parametrize("width_height", [(1, 100), (1, 500), (2, 300), (3000, 4), (1, 2_000_000)])
def test_shapes_that_crashed_rapidocr_are_answered(width_height, server):
    data = encoded(Image.new("L", width_height))
    assert server.ocr(data).text == "{}"


def test_several_workers_give_the_same_answers(tmp_path):
    with serving(tmp_path, OCR_WORKERS="2") as server:
        with ThreadPoolExecutor(8) as threads:
            texts = {
                response.text for response in threads.map(lambda _: server.ocr(TABLE), range(8))
            }
        assert len(texts) == 1
        assert len(server.workers()) == 2


def test_threads_follow_the_setting(tmp_path):
    counts = {}
    for threads in (1, 4):
        with serving(tmp_path, OCR_THREADS=str(threads)) as server:
            (worker,) = server.workers()
            counts[threads] = len(list(Path(f"/proc/{worker}/task").iterdir()))
    assert counts[4] - counts[1] >= 9  # three more in each of the three sessions


def test_a_request_in_flight_is_answered_before_the_shutdown(tmp_path):
    with (
        serving(tmp_path, OCR_PROFILE="exact") as server,
        ThreadPoolExecutor(1) as threads,
    ):
        flight = threads.submit(server.ocr, SLOW)
        while not re.search(
            r'request_in_progress{endpoint="/ocr".* 1', server.get("/metrics").text
        ):
            pass
        server.process.terminate()
        assert flight.result().text == "{}"
        assert server.process.wait(30) == 0


@pytest.fixture(scope="session")
def v4_models(tmp_path_factory) -> dict[str, str]:
    """The PP-OCRv4 models, which come in the wheel of an older RapidOCR."""
    folder = tmp_path_factory.mktemp("v4")
    (folder / "wheel.lock").write_text(f"rapidocr==3.4.5 --hash=sha256:{V4_WHEEL}")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--require-hashes", "--dest", folder, "-r", folder / "wheel.lock"]
    subprocess.run(command, check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([sys.executable, "-m", "zipfile", "-e", wheel, folder], check=True)
    models = folder / "rapidocr" / "models"
    return {
        "det_model_path": str(models / "ch_PP-OCRv4_det_infer.onnx"),
        "cls_model_path": str(models / "ch_ppocr_mobile_v2.0_cls_infer.onnx"),
        "rec_model_path": str(models / "ch_PP-OCRv4_rec_infer.onnx"),
    }


@pytest.mark.parametrize("chosen", [["det"], ["cls"], ["rec"], ["det", "cls", "rec"]], ids="+".join)
def test_models_by_environment_work_alone_and_together(chosen, v4_models, tmp_path, server):
    paths = {f"{stage}_model_path": v4_models[f"{stage}_model_path"] for stage in chosen}
    with serving(tmp_path, **paths) as other:
        answer = other.ocr(TABLE).json()
    letters = [entry["rec_txt"].replace(" ", "") for entry in answer.values()]
    assert letters == [text.replace(" ", "") for text in TRUTH["table.png"]]
    same = answer == server.ocr(TABLE).json()
    assert same == (chosen == ["cls"])  # it is the same classifier in both


def test_a_configuration_file_replaces_rapidocrs(tmp_path):
    config = tmp_path / "config.yaml"
    stock = DEFAULT_CFG_PATH.read_text()
    config.write_text(stock.replace("use_det: true", "use_det: false"))
    with serving(tmp_path, OCR_CONFIG=str(config)) as server:
        assert server.ocr(LINE).json()["0"]["rec_txt"] == TRUTH["line.png"][0]
        assert "dt_boxes" in server.ocr(LINE, use_det=True).json()["0"]
