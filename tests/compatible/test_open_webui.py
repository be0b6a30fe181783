"""Open WebUI's external document loader, with the requests that it sends.

They are written from its source, `backend/open_webui/retrieval/loaders/external_document.py` of the
commit 005d5505: the package of Open WebUI is the whole application, with its web page.
"""

from typing import Any

import pytest
import requests
from conftest import KEY, TRUTH, page_bytes
from pdfs import LINE, drawn, in_ascii, text_page
from serving import Server

pytestmark = pytest.mark.slow

TWO_PAGES = drawn(lambda pdf: text_page(pdf, 2, "The first."), lambda pdf: text_page(pdf, 1))


def process(server: Server, body: bytes, name: str, **headers: str) -> requests.Response:
    """Send a file as `ExternalDocumentLoader.load` does."""
    sent = {"Content-Type": "application/pdf", "X-Filename": name} | headers
    return requests.put(f"{server.url}/process", data=body, headers=sent, timeout=60)


def metadata(source: str, page: int, total: int) -> dict[str, Any]:
    return {
        "source": source,
        "page": page - 1,
        "page_label": str(page),
        "total_pages": total,
    }


TWO_ENTRIES = [
    {"page_content": "The first. The first.\n", "metadata": metadata("two.pdf", 1, 2)},
    {"page_content": f"{LINE}\n", "metadata": metadata("two.pdf", 2, 2)},
]


def test_a_page_is_one_document(compatible):
    answer = process(compatible, page_bytes("line.png"), "a%20line%20%E5%AD%97.png")
    (line,) = TRUTH["line.png"]
    assert answer.json() == {
        "page_content": f"{line}\n",
        "metadata": metadata("a line 字.png", 1, 1),
    }
    assert answer.status_code == 200


def test_each_page_is_a_document_in_markdown(compatible):
    assert process(compatible, TWO_PAGES, "two.pdf").json() == TWO_ENTRIES


def test_a_pdf_in_ascii_is_read_here_and_at_our_own_addresses(compatible):
    pdf = in_ascii(TWO_PAGES)
    assert process(compatible, pdf, "two.pdf").json() == TWO_ENTRIES
    own = requests.post(f"{compatible.url}/text", files={"file": pdf}, timeout=60)
    assert own.text == requests.post(f"{compatible.url}/text", data=TWO_PAGES, timeout=60).text


def test_a_file_without_text_has_it_read_by_open_webui_itself(compatible):
    answer = process(compatible, page_bytes("blank.png"), "blank.png")
    assert (answer.status_code, answer.json()) == (422, {"detail": "No extractable text"})


def test_what_cannot_be_read_is_refused_as_open_webui_shows_it(compatible):
    answer = process(compatible, b"PK\3\4 a document of a word processor", "letter.docx")
    assert answer.status_code == 415
    assert answer.json()["detail"].startswith("This is neither a PDF nor an image")


def test_the_key_is_sent_as_a_bearer_token(compatible_keyed):
    line = page_bytes("line.png")
    refused = process(compatible_keyed, line, "line.png", Authorization="Bearer wrong-key")
    assert (refused.status_code, list(refused.json())) == (401, ["detail"])
    assert process(compatible_keyed, line, "line.png", Authorization=f"Bearer {KEY}").ok
