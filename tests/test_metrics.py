"""Metrics and traces: series that are right and few, and spans."""

import gzip
import json
import os
import re
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import psutil
import pytest
import requests
from conftest import page_bytes
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from serving import ROOT, Server, serving

from ocr_runtime.errors import OCRError

pytestmark = pytest.mark.slow

LINE = page_bytes("line.png")
PAGE = page_bytes("dense.jpg")


def series(server: Server) -> dict[str, float]:
    lines = server.get("/metrics").text.splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {name: float(value) for name, _, value in pairs}


def test_each_request_is_counted_once_in_each_stage(tmp_path):
    with serving(tmp_path) as server:
        assert server.ocr(LINE).ok
        assert server.ocr(LINE, use_det="false", use_cls="false").ok
        assert server.ocr(b"no image").status_code == 415
        found = series(server)
    stages = {
        stage: found[f'rapidocr_stage_seconds_count{{stage="{stage}"}}']
        for stage in ("queue", "decode", "detection", "classification", "recognition", "encode")
    }
    # A document is opened, and then its page is decoded; the third is refused when it is opened.
    assert list(stages.values()) == [3, 5, 1, 1, 2, 2]
    assert found['rapidocr_answers_total{endpoint="/ocr",outcome="ok"}'] == 2
    assert found['rapidocr_answers_total{endpoint="/ocr",outcome="unsupported_image"}'] == 1
    assert found["rapidocr_image_pixels_sum"] == 2 * 300 * 64
    assert found["rapidocr_image_lines_count"] == 2
    assert (found["rapidocr_in_flight"], found["rapidocr_waiting"]) == (0, 0)
    assert found['rapidocr_stage_seconds_sum{stage="detection"}'] > 0
    outcomes = ("gone", *(error.code for error in OCRError.__subclasses__()))
    counted = {
        name: found[f'rapidocr_answers_total{{endpoint="/ocr",outcome="{name}"}}']
        for name in outcomes
    }
    assert counted == {name: name == "unsupported_image" for name in outcomes}  # zeros too


def test_metrics_sum_all_workers_including_killed_ones(tmp_path):
    with serving(tmp_path, OCR_WORKERS="2", OCR_THREADS="1") as server:
        with ThreadPoolExecutor(8) as threads:
            calls = [threads.submit(server.ocr, LINE) for _ in range(16)]
            assert all(call.result().ok for call in calls)
            calls += [threads.submit(server.ocr, PAGE) for _ in range(8)]
            while series(server)["rapidocr_in_flight"] < 8:
                pass
            os.kill(server.workers()[0], signal.SIGKILL)
        cut_off = [call for call in calls if call.exception()]
        found = series(server)  # before another worker has taken the place of the killed one
    answered = len(calls) - len(cut_off)
    assert found['rapidocr_answers_total{endpoint="/ocr",outcome="ok"}'] == answered
    assert found["bentoml_service_request_total" + labels(found, "200")] == answered
    assert (found["rapidocr_in_flight"], found["rapidocr_waiting"]) == (0, 0)


def labels(found: dict[str, float], code: str) -> str:
    (name,) = [
        name
        for name in found
        if name.startswith("bentoml_service_request_total") and f'"{code}"' in name
        if 'endpoint="/ocr"' in name
    ]
    return name.removeprefix("bentoml_service_request_total")


def test_a_scan_of_paths_and_methods_adds_no_series(server):
    server.ocr(LINE)
    for path in ("/livez", "/docs", "/docs.json", "/"):
        server.get(path)
    before = set(series(server))
    for number in range(50):
        server.get(f"/{number}.php")
        server.get(f"/static_content/{number}")
        server.get(f"/ocr/{number}")
    assert set(series(server)) == before


def test_another_service_of_the_same_user_does_not_reset_the_metrics(server, tmp_path):
    """BentoML's own folder for them is emptied by each service that starts."""
    server.ocr(LINE)
    before = series(server)['rapidocr_answers_total{endpoint="/ocr",outcome="ok"}']
    with serving(tmp_path) as other:
        assert series(other)['rapidocr_answers_total{endpoint="/ocr",outcome="ok"}'] == 0
    assert series(server)['rapidocr_answers_total{endpoint="/ocr",outcome="ok"}'] == before > 0


@pytest.fixture
def collector():
    """A collector of traces: its address, and the names of the spans that it was sent."""
    spans: list[tuple[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            sent = ExportTraceServiceRequest.FromString(body)
            spans.extend(
                (span.trace_id.hex(), span.name)
                for resource in sent.resource_spans
                for scope in resource.scope_spans
                for span in scope.spans
            )
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        Thread(target=listening.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{listening.server_port}", spans
        listening.shutdown()


def tracing_options(address: str) -> str:
    """The README's way to turn tracing on, with this collector."""
    (options,) = re.findall(
        r"BENTOML_CONFIG_OPTIONS='(.*?)'", (ROOT / "docs/operation.md").read_text(), re.DOTALL
    )
    return options.replace("http://localhost:4318", address)


def test_with_tracing_on_each_stage_has_a_span_in_the_callers_trace(collector, tmp_path):
    address, spans = collector
    with serving(tmp_path, BENTOML_CONFIG_OPTIONS=tracing_options(address)) as server:
        assert server.ocr(LINE).ok
        while not any(name == "POST /ocr" for _, name in spans):  # sent every 5 seconds
            time.sleep(0.1)
    stages = Counter(name for _, name in spans if "/" not in name)
    assert stages == Counter(
        ["queue", "decode", "decode", "detection", "classification", "recognition", "encode"]
    )
    (trace,) = {trace for trace, name in spans if name == "decode"}
    assert {name for one, name in spans if one == trace} > set(stages)


@pytest.mark.parametrize("kind", ["text", "json"])
def test_log_lines_name_their_trace_and_spans_are_made_only_where_traces_are_exported(
    kind, collector, tmp_path
):
    address, spans = collector
    trace, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    headers = {"traceparent": f"00-{trace}-{span}-01"}
    lines = {}
    for options in ("", tracing_options(address)):
        with serving(tmp_path, OCR_LOG_FORMAT=kind, BENTOML_CONFIG_OPTIONS=options) as server:
            asked = requests.post(server.url + "/ocr", headers=headers, timeout=60)
            assert asked.status_code == 400
            environ = psutil.Process(server.workers()[0]).environ()
            assert environ.get("OTEL_SDK_DISABLED") == (None if options else "true")
            while options and (trace, "POST /ocr") not in spans:  # sent every 5 seconds
                time.sleep(0.1)
        (lines[options],) = [line for line in server.log().splitlines() if "/ocr" in line]
    without, named = lines.values()
    assert "trace" not in without
    if kind == "json":
        assert json.loads(named)["trace_id"] == trace
        assert set(json.loads(named)) - set(json.loads(without)) == {"trace_id", "span_id"}
    else:
        assert f"(trace={trace},span=" in named
