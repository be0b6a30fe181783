"""docling-serve's contract with docling's own client, which makes documents of docling-core."""

import pytest
from clients import needs_clients, printed
from conftest import DATA, KEY, TRUTH
from pdfs import LINE, drawn, text_page, with_page

pytestmark = [pytest.mark.slow, needs_clients]

CONVERT = """
import json, sys
from pathlib import Path
from docling.datamodel.base_models import OutputFormat
from docling.datamodel.service.options import ConvertDocumentsOptions
from docling.service_client import DoclingServiceClient

url, key, pages, *paths = sys.argv[1:]
asked = {"max_num_pages": int(pages)} if pages else {}
options = ConvertDocumentsOptions(to_formats=[OutputFormat.MARKDOWN, OutputFormat.JSON])
with DoclingServiceClient(url, key, options=options) as client:
    assert client.health().status == "ok"
    first, *others = map(Path, paths)
    results = [client.convert(first, **asked), *client.convert_all(others, **asked)]
print(json.dumps([
    {
        "status": result.status.value,
        "errors": [error.page_no for error in result.errors],
        "markdown": result.document.export_to_markdown(),
        "pages": {number: [page.size.width, page.size.height]
                  for number, page in result.document.pages.items()},
        "name": result.document.origin.filename,
        "tables": [[[cell.text for cell in row] for row in table.data.grid]
                   for table in result.document.tables],
        "labels": sorted({text.label.value for text in result.document.texts}),
        "places": [(p.page_no, p.bbox.coord_origin.value, p.bbox.l < p.bbox.r, p.bbox.t < p.bbox.b)
                   for text in result.document.texts for p in text.prov][:3],
    }
    for result in results
]))
"""

FAIL = """
import json, sys
from pathlib import Path
from docling.service_client import DoclingServiceClient

url, *sources = sys.argv[1:]
found = []
with DoclingServiceClient(url, http_retries=0) as client:
    for source in sources:
        try:
            client.convert(source if "://" in source else Path(source))
        except Exception as exc:
            found.append([type(exc).__name__, str(exc), getattr(exc, "detail", None)])
print(json.dumps(found))
"""


@pytest.fixture
def two_pages(tmp_path):
    path = tmp_path / "two.pdf"
    path.write_bytes(
        drawn(lambda pdf: text_page(pdf, 2, "The first."), lambda pdf: text_page(pdf, 1))
    )
    return path


def test_the_client_converts_files_to_docling_documents(compatible, two_pages):
    sent = str(DATA / "table.png"), str(two_pages)
    table, both = printed(CONVERT, compatible.url, "", "", *sent)
    cells = [cell for rows in table["tables"] for row in rows for cell in row]
    assert [text for text in TRUTH["table.png"] if text not in cells] == []
    assert both == {
        "status": "success",
        "errors": [],
        "markdown": f"The first. The first.\n\n{LINE}",
        "pages": both["pages"],
        "name": "two.pdf",
        "tables": [],
        "labels": ["text"],
        "places": [[1, "TOPLEFT", True, True], [2, "TOPLEFT", True, True]],
    }
    assert list(both["pages"]) == ["1", "2"]


def test_the_client_sends_its_key_and_asks_for_fewer_pages(compatible_keyed, two_pages):
    sent = str(two_pages), str(DATA / "line.png")
    first, line = printed(CONVERT, compatible_keyed.url, KEY, "1", *sent)
    assert (first["markdown"], list(first["pages"])) == ("The first. The first.", ["1"])
    assert line["markdown"] == TRUTH["line.png"][0]


def test_the_client_is_told_of_a_page_that_cannot_be_read(compatible, two_pages):
    two_pages.write_bytes(with_page(two_pages.read_bytes(), MediaBox=[0, 0, 10**7, 10**7]))
    (result,) = printed(CONVERT, compatible.url, "", "", str(two_pages))
    assert (result["status"], result["errors"], result["markdown"]) == (
        "partial_success",
        [1],
        LINE,
    )


def test_the_client_is_told_what_cannot_be_converted(compatible, tmp_path):
    letter, huge = tmp_path / "letter.docx", tmp_path / "huge.pdf"
    letter.write_bytes(b"PK\3\4 a document of a word processor")
    huge.write_bytes(with_page(drawn(text_page), MediaBox=[0, 0, 10**7, 10**7]))
    refused, failed, url = printed(
        FAIL, compatible.url, str(letter), str(huge), "http://127.0.0.1:9/a.pdf"
    )
    assert refused[0] == "ServiceError"
    assert refused[2].startswith("This is neither a PDF nor an image")
    assert failed[0] == "TaskExecutionError"
    assert "pixels" in failed[1]
    assert url[0] == "ServiceError"
    assert url[2].startswith("URLs are never fetched")


def test_what_the_client_asks_for_leaves_no_traceback_in_the_log(compatible):
    assert "Traceback" not in compatible.log()
