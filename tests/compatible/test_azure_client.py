"""Azure Document Intelligence with its client, as paperless-ngx and LangChain call it."""

from pathlib import Path
from typing import Any

import pytest
import requests
from clients import needs_clients, printed
from conftest import DATA, KEY, page_bytes
from pdfs import LINE
from test_azure import TWO_PAGES

pytestmark = [pytest.mark.slow, needs_clients]

CLIENT = """
import json, sys
from azure.ai.documentintelligence import DocumentIntelligenceClient
from azure.ai.documentintelligence.models import (
    AnalyzeDocumentRequest, AnalyzeOutputOption, DocumentContentFormat)
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError

endpoint, key, path, *more = sys.argv[1:]
client = DocumentIntelligenceClient(endpoint=endpoint, credential=AzureKeyCredential(key))
"""

# The calls of `_azure_ai_vision_parse` in src/paperless/parsers/remote.py of paperless-ngx.
PAPERLESS = (
    CLIENT
    + """
with open(path, "rb") as file:
    poller = client.begin_analyze_document(
        model_id="prebuilt-read",
        body=AnalyzeDocumentRequest(bytes_source=file.read()),
        output_content_format=DocumentContentFormat.TEXT,
        output=[AnalyzeOutputOption.PDF],
        content_type="application/json",
    )
poller.wait()
result_id = poller.details["operation_id"]
result = poller.result()
with open(more[0], "wb") as archive:
    for chunk in client.get_analyze_result_pdf(model_id="prebuilt-read", result_id=result_id):
        archive.write(chunk)
print(json.dumps(result.content))
"""
)

READ = (
    CLIENT
    + """
with open(path, "rb") as file:
    poller = client.begin_analyze_document(
        "prebuilt-read", file, string_index_type="unicodeCodePoint", pages=more[0])
result = poller.result()
words = [
    (word.content, result.content[word.span.offset : word.span.offset + word.span.length])
    for page in result.pages for word in page.words
]
lines = [(line.content, len(line.polygon)) for page in result.pages for line in page.lines]
found = {"words": words, "lines": lines, "numbers": [page.page_number for page in result.pages]}
client.delete_analyze_result("prebuilt-read", poller.details["operation_id"])
try:
    next(client.get_analyze_result_pdf("prebuilt-read", poller.details["operation_id"]))
except HttpResponseError as error:
    found["deleted"] = error.status_code
print(json.dumps(found))
"""
)

REFUSED = (
    CLIENT
    + """
try:
    with open(path, "rb") as file:
        client.begin_analyze_document("prebuilt-read", file).result()
except HttpResponseError as error:
    print(json.dumps([type(error).__name__, error.error.code, error.error.message]))
"""
)

LANGCHAIN = """
import json, sys
from langchain_community.document_loaders import AzureAIDocumentIntelligenceLoader

endpoint, key, path, mode = sys.argv[1:]
documents = AzureAIDocumentIntelligenceLoader(
    api_endpoint=endpoint, api_key=key, file_path=path, mode=mode).load()
print(json.dumps([document.page_content for document in documents]))
"""


@pytest.fixture
def two_pages(tmp_path: Path) -> str:
    path = tmp_path / "two.pdf"
    path.write_bytes(TWO_PAGES)
    return str(path)


def call(server: Any, program: str, path: object, *more: str, key: str = KEY) -> Any:
    return printed(program, server.url, key, str(path), *more)


@pytest.mark.parametrize("server", ["compatible", "compatible_keyed"])
def test_paperless_reads_a_scan_and_gets_a_pdf_of_it(server, request, tmp_path):
    running = request.getfixturevalue(server)
    archive = tmp_path / "archive.pdf"
    content = call(running, PAPERLESS, DATA / "line.png", str(archive))
    assert content == "One line of text"
    answer = requests.post(
        f"{running.url}/text?text_layer=only",
        files={"file": archive.read_bytes()},
        headers={"X-API-Key": KEY},
        timeout=60,
    )
    assert answer.text == "One line of text\n"


def test_paperless_reads_a_pdf_of_many_pages(compatible_keyed, two_pages, tmp_path):
    archive = tmp_path / "archive.pdf"
    content = call(compatible_keyed, PAPERLESS, two_pages, str(archive))
    assert content == f"The first.\nThe first.\n{LINE}"
    assert archive.read_bytes().startswith(b"%PDF-")


def test_the_client_reads_pages_with_words_and_lines(compatible_keyed, two_pages):
    found = call(compatible_keyed, READ, two_pages, "2")
    assert found == {
        "words": [[word, word] for word in LINE.split()],
        "lines": [[LINE, 8]],
        "numbers": [2],
        "deleted": 404,
    }


def test_a_wrong_key_is_told(compatible_keyed):
    kind, code, message = call(compatible_keyed, REFUSED, DATA / "line.png", key="wrong-key")
    assert (kind, code) == ("ClientAuthenticationError", "Unauthorized")
    assert message.startswith("Send an API key")


def test_a_file_that_cannot_be_read_is_told(compatible, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"PK\3\4 a document of a word processor")
    kind, code, message = call(compatible, REFUSED, path)
    assert (kind, code) == ("HttpResponseError", "InvalidRequest")
    assert message.startswith("This is neither a PDF nor an image")
    path.write_bytes(page_bytes("latin.png")[:20_000])
    assert call(compatible, REFUSED, path) == [
        "HttpResponseError",
        "InvalidRequest",
        "The image is damaged or truncated.",
    ]


def test_langchain_loads_markdown_or_single_pages(compatible_keyed, two_pages):
    markdown = f"The first. The first.\n\n<!-- PageBreak -->\n\n{LINE}\n"
    assert call(compatible_keyed, LANGCHAIN, two_pages, "markdown") == [markdown]
    pages = ["The first. The first.", LINE]
    assert call(compatible_keyed, LANGCHAIN, two_pages, "page") == pages
