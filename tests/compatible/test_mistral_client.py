"""Mistral's OCR with its client, and with the calls of Open WebUI."""

from pathlib import Path
from typing import Any

import pytest
import requests
from clients import needs_clients, printed
from conftest import DATA, KEY
from pdfs import LINE
from serving import Server
from test_mistral import BEARER, FIRST, SECOND, TWO_PAGES

pytestmark = [pytest.mark.slow]

CLIENT = """
import base64, json, sys
from mistralai.client import Mistral
from mistralai.client.errors import SDKError

server, key, path = sys.argv[1:]
client = Mistral(server_url=server, api_key=key)
with open(path, "rb") as file:
    data = file.read()
"""

FILES = (
    CLIENT
    + """
sent = client.files.upload(file={"file_name": "a.pdf", "content": data}, purpose="ocr")
url = client.files.get_signed_url(file_id=sent.id, expiry=1)
by_url = client.ocr.process(
    model="mistral-ocr-latest", document={"type": "document_url", "document_url": url.url},
    include_image_base64=True)
by_id = client.ocr.process(
    model="mistral-ocr-latest", document={"type": "file", "file_id": sent.id}, pages=[1, 2])
shown = client.files.retrieve(file_id=sent.id)
content = client.files.download(file_id=sent.id).read()
deleted = client.files.delete(file_id=sent.id)
try:
    client.files.retrieve(file_id=sent.id)
except SDKError as error:
    gone = error.status_code
print(json.dumps({
    "shown": [shown.filename, shown.size_bytes, shown.purpose, shown.id == sent.id],
    "by_url": [(page.index, page.markdown) for page in by_url.pages],
    "by_id": [(page.index, page.markdown) for page in by_id.pages],
    "blocks": [[block.type for block in page.blocks] for page in by_id.pages],
    "usage": [by_url.usage_info.pages_processed, by_url.usage_info.doc_size_bytes],
    "content": content == data,
    "deleted": deleted.deleted,
    "gone": gone,
}))
"""
)

IMAGE = (
    CLIENT
    + """
url = "data:image/png;base64," + base64.b64encode(data).decode()
answer = client.ocr.process(
    model="mistral-ocr-latest", document={"type": "image_url", "image_url": url})
(page,) = answer.pages
print(json.dumps([page.markdown, page.dimensions.width, page.dimensions.height]))
"""
)

REFUSED = (
    CLIENT
    + """
try:
    client.ocr.process(
        model="mistral-ocr-latest",
        document={"type": "document_url", "document_url": "https://arxiv.org/pdf/2201.04234"})
except SDKError as error:
    print(json.dumps([error.status_code, json.loads(error.body)["message"]]))
"""
)


@pytest.fixture
def two_pages(tmp_path: Path) -> Path:
    path = tmp_path / "two.pdf"
    path.write_bytes(TWO_PAGES)
    return path


def call(server: Server, program: str, path: Path, key: str = KEY) -> Any:
    return printed(program, server.url, key, str(path))


@needs_clients
@pytest.mark.parametrize("server", ["compatible", "compatible_keyed"])
def test_the_client_sends_a_file_and_reads_it(server, request, two_pages):
    assert call(request.getfixturevalue(server), FILES, two_pages) == {
        "shown": ["a.pdf", len(TWO_PAGES), "ocr", True],
        "by_url": [[0, FIRST], [1, SECOND]],
        "by_id": [[1, SECOND]],
        "blocks": [["text"]],
        "usage": [2, len(TWO_PAGES)],
        "content": True,
        "deleted": True,
        "gone": 404,
    }


@needs_clients
def test_the_client_reads_an_image(compatible_keyed):
    found = call(compatible_keyed, IMAGE, DATA / "line.png")
    assert found == ["One line of text\n", 300, 64]


@needs_clients
def test_the_client_is_told_what_is_wrong(compatible_keyed, two_pages):
    message = "document_url holds a URL. URLs are never fetched: send the file itself."
    assert call(compatible_keyed, REFUSED, two_pages) == [400, message]
    message = "Send an API key: Authorization: Bearer KEY, or X-API-Key: KEY."
    assert call(compatible_keyed, REFUSED, two_pages, key="wrong-key") == [401, message]


def test_open_webui_sends_a_file_and_reads_it(compatible_keyed):
    """The calls of `MistralLoader.load` in backend/open_webui/retrieval/loaders/mistral.py."""
    base_url, accepted = f"{compatible_keyed.url}/v1", BEARER | {"Accept": "application/json"}
    sent = requests.post(
        f"{base_url}/files",
        headers=BEARER,
        files={"file": ("two.pdf", TWO_PAGES, "application/pdf")},
        data={"purpose": "ocr"},
        timeout=60,
    ).json()
    file = f"{base_url}/files/{sent['id']}"
    url = requests.get(f"{file}/url", headers=accepted, params={"expiry": 1}, timeout=30).json()
    payload = {
        "model": "mistral-ocr-latest",
        "document": {"type": "document_url", "document_url": url["url"]},
        "include_image_base64": False,
    }
    answer = requests.post(f"{base_url}/ocr", headers=accepted, json=payload, timeout=60).json()
    read = [(page["index"], page["markdown"].strip()) for page in answer["pages"]]
    assert read == [(0, "The first. The first."), (1, LINE)]
    deleted = requests.delete(file, headers=BEARER, timeout=30)
    assert (deleted.status_code, deleted.json()["deleted"]) == (200, True)
