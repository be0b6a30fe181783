"""Documents for whose last pages there is no time, or that have too many, at each contract."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from conftest import page_bytes
from pdfs import drawn, picture, text_page
from PIL import Image
from serving import Server, serving

pytestmark = pytest.mark.slow

COUNT = 40
FIRST, LATE = "The first. The first.", "There was no time left for this page."


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service that has no time for a long document."""
    variables = {"OCR_TIMEOUT_SECONDS": "3", "OCR_MAX_PAGES": str(COUNT), "OCR_COMPATIBLE": "all"}
    with serving(tmp_path_factory.mktemp("hasty"), **variables) as server:
        yield server


@pytest.fixture(scope="module")
def document() -> bytes:
    """A page with text of its own, and pages of which each takes some time."""
    dense = picture(Image.open(io.BytesIO(page_bytes("dense.jpg"))))
    return drawn(lambda pdf: text_page(pdf, 2, "The first."), *[dense] * (COUNT - 1))


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


def open_webui(server: Server, data: bytes) -> requests.Response:
    return requests.put(f"{server.url}/process", data=data, timeout=120)


def docling(server: Server, data: bytes) -> requests.Response:
    files = {"files": ("long.pdf", data)}
    return requests.post(f"{server.url}/v1/convert/file", files=files, timeout=120)


def mistral(server: Server, data: bytes) -> requests.Response:
    url = f"data:application/pdf;base64,{base64_of(data)}"
    body = {"document": {"type": "document_url", "document_url": url}}
    return requests.post(f"{server.url}/v1/ocr", json=body, timeout=120)


def paddlex(server: Server, data: bytes) -> requests.Response:
    body = {"file": base64_of(data)}
    return requests.post(f"{server.url}/layout-parsing", json=body, timeout=120)


def answered(response: requests.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def markdown_of(page: int) -> str:
    return f"> page {page} was not read: {LATE}\n"


def test_open_webui_is_answered_with_the_pages_for_which_there_was_time(hasty, document):
    pages = [entry["page_content"] for entry in answered(open_webui(hasty, document))]
    assert (len(pages), pages[0], pages[-1]) == (COUNT, f"{FIRST}\n", markdown_of(COUNT))


def test_docling_is_answered_with_the_pages_for_which_there_was_time(hasty, document):
    answer = answered(docling(hasty, document))
    text = answer["document"]["md_content"]
    assert answer["status"] == "partial_success"
    assert (text.startswith(FIRST), text.endswith(markdown_of(COUNT))) == (True, True)
    assert answer["errors"][-1] == {
        "component_type": "document_backend",
        "module_name": "rapidocr-bento",
        "error_message": f"Page {COUNT} was not read: {LATE}",
        "page_no": COUNT,
    }


def test_mistral_is_answered_with_the_pages_for_which_there_was_time(hasty, document):
    answer = answered(mistral(hasty, document))
    pages = [page["markdown"] for page in answer["pages"]]
    assert (len(pages), pages[0], pages[-1]) == (COUNT, f"{FIRST}\n", markdown_of(COUNT))


def test_paddlex_is_answered_with_the_pages_for_which_there_was_time(hasty, document):
    pages = answered(paddlex(hasty, document))["result"]["layoutParsingResults"]
    lines = pages[-1]["prunedResult"]["overall_ocr_res"]
    assert (len(pages), pages[0]["markdown"]["text"]) == (COUNT, FIRST)
    assert (lines["code"], lines["error"]) == ("timeout", LATE)


def test_too_many_pages_are_refused_without_naming_an_option_that_there_is_not(hasty):
    long = drawn(*[text_page] * (COUNT + 1))
    said = f"The document has {COUNT + 1} pages. At most {COUNT} are read at once: ask for some "
    pages = f"{said}with pages, as 1-{COUNT}."
    refused = [each(hasty, long) for each in (open_webui, docling, mistral, paddlex)]
    assert [response.status_code for response in refused] == [413] * 4
    sentences = [
        refused[0].json()["detail"],
        refused[1].json()["detail"],
        refused[2].json()["message"],
        refused[3].json()["errorMsg"],
    ]
    assert sentences == [
        "The document has more pages than are read at once.",
        "The document has too many pages: ask for some of them with page_range.",
        f"{pages} These numbers count from 1; the indices of the request count from 0.",
        pages,
    ]
