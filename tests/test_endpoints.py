"""A second endpoint takes one module and one record, and everything else is derived from these."""

import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import bentoml
import pytest
import requests
from conftest import DATA, TRUTH, page_bytes
from openapi_spec_validator import validate
from serving import ROOT, Server, serving
from test_contract import assert_error

pytestmark = pytest.mark.slow

LINE = page_bytes("line.png")
KEY = {"x-api-key": "a-key-of-the-test"}

MODULE = '''
"""Page -> its text in capitals."""

from ocr_runtime.reading.page import Page


def write(page: Page) -> str:
    return "\\n".join((line.text or "").upper() for line in page.lines)
'''

RECORD = """
from ocr_runtime.outputs import shout

ENDPOINTS += (
    Endpoint(
        name="shout",
        summary="Read the text of one image in capitals.",
        request=OCRRequest,
        answer=str,
        media_type="text/csv",
        answer_description="The lines in capitals.",
        example="ONE LINE OF TEXT",
        write=lambda pages, *_: map(shout.write, pages),
    ),
)
"""


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A copy of the service with a toy endpoint, one thread and no queue, behind a key."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("service.py", "bentofile.yaml"):
        shutil.copy(ROOT / name, copy)
    shutil.copytree(ROOT / "ocr_runtime", copy / "ocr_runtime")
    (copy / "ocr_runtime/outputs/shout.py").write_text(MODULE)
    with (copy / "ocr_runtime/serving/endpoints.py").open("a") as records:
        records.write(RECORD)
    variables = {"OCR_API_KEYS": KEY["x-api-key"], "OCR_THREADS": "1", "OCR_MAX_QUEUE": "0"}
    with serving(copy, cwd=copy, **variables) as running:
        yield running


def shout(server: Server, image: bytes = LINE, **fields: object) -> requests.Response:
    files = {"image_file": ("page.png", image)}
    return requests.post(f"{server.url}/shout", files=files, data=fields, headers=KEY, timeout=120)


def test_it_is_served(toy):
    response = shout(toy, use_det=False)
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    assert response.text == TRUTH["line.png"][0].upper()
    assert shout(toy, page_bytes("chinese.png")).text == "\n".join(TRUTH["chinese.png"])


def test_bentomls_client_has_a_method_for_it(toy):
    with bentoml.SyncHTTPClient(toy.url, token=KEY["x-api-key"]) as client:
        answer = client.shout(image_file=DATA / "line.png", use_det=False)
    assert answer == TRUTH["line.png"][0].upper()


def test_it_is_counted_under_its_own_label(toy):
    def counted(endpoint: str, outcome: str) -> float:
        series = f'rapidocr_answers_total{{endpoint="{endpoint}",outcome="{outcome}"}} '
        (line,) = (line for line in toy.get("/metrics").text.splitlines() if series in line)
        return float(line.split()[-1])

    before = counted("/shout", "ok"), counted("/shout", "unsupported_image"), counted("/ocr", "ok")
    shout(toy, use_det=False)
    shout(toy, b"no image")
    after = counted("/shout", "ok"), counted("/shout", "unsupported_image"), counted("/ocr", "ok")
    assert after == (before[0] + 1, before[1] + 1, before[2])
    assert 'bentoml_service_request_total{endpoint="/shout"' in toy.get("/metrics").text


def test_it_has_a_log_line(toy):
    logged = len(toy.log())
    shout(toy, use_det=False)
    expected = r"method=POST path=/shout status=200 .* pixels=19200 lines=1"
    while not re.search(expected, toy.log()[logged:]):  # it is written after the answer is sent
        pass


def test_the_pool_admits_its_callers(toy):
    with ThreadPoolExecutor(8) as threads:
        responses = list(threads.map(lambda _: shout(toy, page_bytes("dense.jpg")), range(8)))
    assert {response.status_code for response in responses} == {200, 429}
    for response in responses:
        if response.status_code == 429:
            assert_error(response, 429, "busy")
            assert int(response.headers["retry-after"]) >= 1


def test_it_is_described(toy):
    document = toy.get("/docs.json").json()
    validate(document)
    described, ocr = (document["paths"][path]["post"] for path in ("/shout", "/ocr"))
    assert described["requestBody"] == ocr["requestBody"]
    assert described["security"] == ocr["security"]
    assert set(described["responses"]) == set(ocr["responses"])
    content = {"text/csv": {"schema": {"type": "string"}, "example": "ONE LINE OF TEXT"}}
    assert described["responses"]["200"]["content"] == content
    assert described["summary"] == "Read the text of one image in capitals."


def test_it_refuses_what_ocr_refuses(toy):
    url = f"{toy.url}/shout"
    assert_error(requests.post(url, data={"use_det": "0"}, timeout=30), 401, "unauthorized")
    assert_error(requests.post(url, headers=KEY, timeout=30), 400, "missing_image")
    assert_error(shout(toy, b"no image"), 415, "unsupported_image")
    assert_error(shout(toy, text_score=2), 400, "invalid_option")
    assert_error(requests.get(url, headers=KEY, timeout=30), 405, "method_not_allowed")
    headers = KEY | {"content-type": "application/vnd.bentoml+pickle"}
    refused = requests.post(url, data=b"x", headers=headers, timeout=30)
    assert_error(refused, 415, "unsupported_media_type")
    assert shout(toy, use_det=False, use_dett=1).headers["x-ocr-ignored"] == "use_dett"


def test_ocr_is_as_it_was(toy, server):
    files = {"image_file": page_bytes("table.png")}
    beside = requests.post(f"{toy.url}/ocr", files=files, headers=KEY, timeout=120)
    assert beside.json() == server.ocr(page_bytes("table.png")).json()
