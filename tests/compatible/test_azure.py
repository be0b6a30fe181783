"""Azure Document Intelligence, with requests as its clients send them."""

import base64
import io
import re
import time
from typing import Any

import pikepdf
import pytest
import requests
from conftest import KEY, OTHER_KEY, page_bytes
from pdfs import LINE, drawn, text_page
from serving import Server
from test_jobs import tiff

pytestmark = pytest.mark.slow

MODELS = "/documentintelligence/documentModels"
TWO_PAGES = drawn(lambda pdf: text_page(pdf, 2, "The first."), lambda pdf: text_page(pdf, 1))
KEY_HEADER = {"Ocp-Apim-Subscription-Key": KEY}


def analyze(
    server: Server, body: Any, model: str = "prebuilt-read", **query: str
) -> requests.Response:
    """Send a document; bytes as they are, anything else as JSON."""
    headers = query.pop("headers", {})
    sent = {"data": body} if isinstance(body, bytes) else {"json": body}
    if isinstance(body, bytes):
        headers = {"Content-Type": "application/octet-stream"} | headers
    url = f"{server.url}{MODELS}/{model}:analyze"
    params = {"api-version": "2024-11-30"} | query
    return requests.post(url, params=params, headers=headers, timeout=60, **sent)


def ended(accepted: requests.Response, headers: Any = None) -> dict[str, Any]:
    assert accepted.status_code == 202, accepted.text
    deadline = time.monotonic() + 60
    while True:
        answer = requests.get(
            accepted.headers["Operation-Location"], headers=headers or {}, timeout=30
        )
        assert answer.status_code == 200, answer.text
        found = dict(answer.json())
        if found["status"] not in ("notStarted", "running"):
            return found
        assert time.monotonic() < deadline, found


def result(accepted: requests.Response, headers: Any = None) -> Any:
    found = ended(accepted, headers)
    assert found["status"] == "succeeded"
    return found["analyzeResult"]


def test_a_page_is_answered_as_azure_answers_it(compatible):
    accepted = analyze(compatible, page_bytes("line.png"))
    assert (accepted.content, accepted.headers["Retry-After"]) == (b"", "1")
    found = ended(accepted)
    moment = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
    assert moment.fullmatch(found.pop("createdDateTime"))
    assert moment.fullmatch(found.pop("lastUpdatedDateTime"))
    (page,) = found["analyzeResult"]["pages"]
    words = page.pop("words")
    polygons = [page["lines"][0].pop("polygon"), *(word.pop("polygon") for word in words)]
    region = found["analyzeResult"]["paragraphs"][0]["boundingRegions"][0]
    polygons.append(region.pop("polygon"))
    assert all(len(each) == 8 and -1 < min(each) < max(each) < 300 for each in polygons)
    assert all(0.9 < word.pop("confidence") <= 1 for word in words)
    assert abs(page.pop("angle")) < 2
    assert words == [
        {"content": "One", "span": {"offset": 0, "length": 3}},
        {"content": "line", "span": {"offset": 4, "length": 4}},
        {"content": "of", "span": {"offset": 9, "length": 2}},
        {"content": "text", "span": {"offset": 12, "length": 4}},
    ]
    whole = [{"offset": 0, "length": 16}]
    assert found == {
        "status": "succeeded",
        "analyzeResult": {
            "apiVersion": "2024-11-30",
            "modelId": "prebuilt-read",
            "stringIndexType": "textElements",
            "contentFormat": "text",
            "content": "One line of text",
            "pages": [
                {
                    "pageNumber": 1,
                    "width": 300,
                    "height": 64,
                    "unit": "pixel",
                    "lines": [{"content": "One line of text", "spans": whole}],
                    "spans": whole,
                }
            ],
            "paragraphs": [
                {
                    "content": "One line of text",
                    "boundingRegions": [{"pageNumber": 1}],
                    "spans": whole,
                }
            ],
            "styles": [],
        },
    }


@pytest.mark.parametrize("prefix", ["", "data:application/pdf;base64,"])
def test_base64_is_read_as_the_file_is(compatible, prefix):
    sent = {"base64Source": prefix + base64.b64encode(TWO_PAGES).decode()}
    options = {"stringIndexType": "utf16CodeUnit", "locale": "en", "features": "languages"}
    found = result(analyze(compatible, sent, **options))
    assert found == result(analyze(compatible, TWO_PAGES, **options))
    assert found["content"] == f"The first.\nThe first.\n{LINE}"
    assert found["stringIndexType"] == "utf16CodeUnit"
    pages = [(page["pageNumber"], page["unit"], page["spans"]) for page in found["pages"]]
    assert pages == [
        (1, "inch", [{"offset": 0, "length": 21}]),
        (2, "inch", [{"offset": 22, "length": 56}]),
    ]
    sizes = [(round(page["width"], 1), round(page["height"], 1)) for page in found["pages"]]
    assert sizes == [(8.3, 11.7), (8.3, 11.7)]


def test_pages_can_be_chosen(compatible):
    found = result(analyze(compatible, TWO_PAGES, pages="2"))
    assert [page["pageNumber"] for page in found["pages"]] == [2]
    assert found["content"] == LINE


def test_the_layout_is_markdown_with_tables(compatible):
    table = page_bytes("table.png")
    found = result(analyze(compatible, table, "prebuilt-layout", outputContentFormat="markdown"))
    assert (found["modelId"], found["contentFormat"]) == ("prebuilt-layout", "markdown")
    assert found["content"].startswith("| Invoice 2026-1123 | Total |\n| --- | --- |\n")
    (read,) = found["tables"]
    assert (read["rowCount"], read["columnCount"], len(read["cells"])) == (5, 2, 10)
    assert [cell["content"] for cell in read["cells"][:2]] == ["Invoice 2026-1123", "Total"]


@pytest.mark.parametrize("sent", [TWO_PAGES, page_bytes("line.png")])
def test_a_pdf_with_text_is_there_if_it_was_asked_for(compatible, sent):
    accepted = analyze(compatible, sent, output="pdf")
    content = result(accepted)["content"]
    assert content == result(analyze(compatible, sent))["content"]
    url = accepted.headers["Operation-Location"].replace("?", "/pdf?")
    answer = requests.get(url, timeout=30)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/pdf")
    with pikepdf.open(io.BytesIO(answer.content)) as pdf:
        assert len(pdf.pages) == 1 + (sent == TWO_PAGES)
    files = {"file": answer.content}
    text = requests.post(f"{compatible.url}/text?text_layer=only", files=files, timeout=60).text
    assert text.split() == content.split()


def test_no_pdf_is_there_if_none_was_asked_for(compatible):
    accepted = analyze(compatible, page_bytes("line.png"))
    ended(accepted)
    answer = requests.get(accepted.headers["Operation-Location"].replace("?", "/pdf?"), timeout=30)
    message = "There is no PDF of this document: ask for one with output=pdf."
    assert answer.status_code == 404
    assert answer.json() == {"error": {"code": "NotFound", "message": message}}


def test_a_result_is_not_there_before_it_is_made_and_can_be_deleted_at_any_time(compatible):
    for wait in (False, True):
        accepted = analyze(compatible, tiff(1 if wait else 24), output="pdf")
        url = accepted.headers["Operation-Location"]
        if wait:
            ended(accepted)
        else:
            answer = requests.get(url, timeout=30)
            assert answer.json()["status"] in ("notStarted", "running")
            assert "analyzeResult" not in answer.json()
            assert answer.headers["Retry-After"] == "1"
            early = requests.get(url.replace("?", "/pdf?"), timeout=30)
            assert (early.status_code, early.json()["error"]["code"]) == (409, "Conflict")
        deleted = requests.delete(url, timeout=30)
        assert (deleted.status_code, deleted.content) == (204, b"")
        for ask in (requests.get, requests.delete):
            gone = ask(url, timeout=30)
            assert (gone.status_code, gone.json()["error"]["code"]) == (404, "NotFound")


def test_a_file_that_turns_out_to_be_damaged_has_failed(compatible):
    accepted = analyze(compatible, page_bytes("latin.png")[:20_000])
    found = ended(accepted)
    assert found["status"] == "failed"
    assert found["error"] == {
        "code": "InvalidRequest",
        "message": "The image is damaged or truncated.",
    }
    assert "analyzeResult" not in found


def test_what_is_read_of_a_job_of_ours_is_no_result(compatible):
    files = {"file": page_bytes("line.png")}
    job = requests.post(f"{compatible.url}/jobs?output=text", files=files, timeout=30).json()["id"]
    url = f"{compatible.url}{MODELS}/prebuilt-read/analyzeResults/{job}"
    for path in (url, f"{url}/pdf"):
        assert requests.get(path, timeout=30).status_code == 404


def test_the_address_of_the_result_is_as_the_caller_sees_the_service(compatible):
    headers = {"Host": "ocr.example:8443", "X-Forwarded-Proto": "https"}
    accepted = analyze(compatible, page_bytes("line.png"), headers=headers)
    assert re.fullmatch(
        r"https://ocr\.example:8443/documentintelligence/documentModels/prebuilt-read"
        r"/analyzeResults/[0-9a-f]{32}\?api-version=2024-11-30",
        accepted.headers["Operation-Location"],
    )
    arabic = "2024-11-30".translate({ord(digit): 0x660 + int(digit) for digit in "0123456789"})
    accepted = analyze(compatible, page_bytes("line.png"), **{"api-version": arabic})
    known = accepted.headers["Operation-Location"]
    assert known.endswith("?api-version=2024-11-30")
    odd = analyze(compatible, page_bytes("line.png"), headers={"Host": "[::1"})
    assert odd.headers["Operation-Location"].startswith("http://[::1/documentintelligence/")


ZIP = b"PK\3\4 a document of a word processor"
NO_JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "query", "expected"),
    [
        (ZIP, {}, (415, "InvalidRequest", "This is neither a PDF nor an image")),
        (b"plain text", {}, (415, "InvalidRequest", "This is neither a PDF nor an image")),
        (b"", {}, (400, "InvalidRequest", "Send a PDF or an image as the body")),
        ({}, {}, (400, "InvalidRequest", "Send a PDF or an image as the body")),
        ({"base64Source": ""}, {}, (400, "InvalidRequest", "base64Source is empty")),
        ({"base64Source": "?!"}, {}, (400, "InvalidRequest", "base64Source is not base64.")),
        ({"base64Source": "\ud800"}, {}, (400, "InvalidRequest", "base64Source is not base64.")),
        ({"base64Source": [1]}, {}, (400, "InvalidRequest", "base64Source must be text")),
        ({"base64Source": {"a": 1}}, {}, (400, "InvalidRequest", "base64Source must be text")),
        ({"base64Source": "aGVsbG8="}, {}, (415, "InvalidRequest", "This is neither a PDF")),
        ({"base64Source": "https://a.b"}, {}, (400, "InvalidRequest", "base64Source holds a URL.")),
        ({"urlSource": "https://a.b"}, {}, (400, "InvalidArgument", "URLs are never fetched")),
        ({"urlSource": 5}, {}, (400, "InvalidArgument", "URLs are never fetched")),
        ([], {}, (400, "InvalidRequest", "The JSON body must be an object.")),
        (b"NaN", {"headers": NO_JSON}, (400, "InvalidRequest", "The JSON body must be an object.")),
        (b"{", {"headers": NO_JSON}, (400, "InvalidRequest", "The body is not valid JSON.")),
        (b"\xff", {"headers": NO_JSON}, (400, "InvalidRequest", "The body is not valid JSON.")),
        (
            b"[" * 99999,
            {"headers": NO_JSON},
            (400, "InvalidRequest", "The body is not valid JSON."),
        ),
        (b"9" * 9999, {"headers": NO_JSON}, (400, "InvalidRequest", "The body is not valid JSON.")),
        (TWO_PAGES, {"pages": "3"}, (400, "InvalidArgument", "pages asks for 3. The document has")),
        (TWO_PAGES, {"pages": "x"}, (400, "InvalidArgument", "pages must be page numbers")),
        (TWO_PAGES, {"stringIndexType": "bytes"}, (400, "InvalidArgument", "stringIndexType must")),
        (TWO_PAGES, {"outputContentFormat": "html"}, (400, "InvalidArgument", "outputContentFo")),
        (
            TWO_PAGES,
            {"model": "prebuilt-invoice"},
            (404, "NotFound", "There is no such model here"),
        ),
        (
            TWO_PAGES,
            {"headers": {"Content-Encoding": "gzip"}},
            (415, "UnsupportedMediaType", "Send"),
        ),
    ],
)
def test_what_cannot_be_read_is_refused_as_azure_refuses_it(compatible, body, query, expected):
    status, code, message = expected
    answer = analyze(compatible, body, **query)
    assert (answer.status_code, list(answer.json())) == (status, ["error"])
    error = answer.json()["error"]
    inner = error.pop("innererror", None)
    assert (error["code"], set(error)) == (code, {"code", "message"})
    assert error["message"].startswith(message)
    assert inner is None or inner["message"] == error["message"]
    assert "Traceback" not in compatible.log()


@pytest.mark.parametrize("result_id", ["1", "0" * 32, "%00", "..", "a" * 5000])
def test_there_is_no_result_with_another_id(compatible, result_id):
    answer = requests.get(
        f"{compatible.url}{MODELS}/prebuilt-read/analyzeResults/{result_id}", timeout=30
    )
    assert answer.status_code == 404


def test_the_key_is_sent_in_the_header_of_azure(compatible_keyed):
    line = page_bytes("line.png")
    for headers in ({}, {"Ocp-Apim-Subscription-Key": "wrong-key"}):
        refused = analyze(compatible_keyed, line, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "Unauthorized")
    accepted = analyze(compatible_keyed, line, headers=KEY_HEADER)
    assert result(accepted, KEY_HEADER)["content"] == "One line of text"
    for headers, status in (({}, 401), ({"Ocp-Apim-Subscription-Key": OTHER_KEY}, 404)):
        url = accepted.headers["Operation-Location"]
        assert requests.get(url, headers=headers, timeout=30).status_code == status
