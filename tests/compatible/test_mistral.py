"""Mistral's OCR, with requests as its callers send them."""

import base64
from typing import Any

import pytest
import requests
from conftest import KEY, OTHER_KEY, page_bytes
from pdfs import LINE, drawn, text_page
from serving import Server, serving

from ocr_runtime.reading.page import Block, Line, Page, UnreadPage
from ocr_runtime.serving.compatible.mistral.files import id_in
from ocr_runtime.serving.compatible.mistral.pages import by_page

TWO_PAGES = drawn(lambda pdf: text_page(pdf, 2, "The first."), lambda pdf: text_page(pdf, 1))
FIRST, SECOND = "The first. The first.\n", f"{LINE}\n"
BEARER = {"Authorization": f"Bearer {KEY}"}

slow = pytest.mark.slow


def data_url(data: bytes, media_type: str = "application/pdf") -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


PDF_URL = {"type": "document_url", "document_url": data_url(TWO_PAGES)}


def ocr(server: Server, document: Any, **fields: Any) -> requests.Response:
    headers = fields.pop("headers", None)
    body = {"model": "mistral-ocr-latest", "document": document} | fields
    return requests.post(f"{server.url}/v1/ocr", json=body, headers=headers, timeout=60)


def send(server: Server, data: bytes = TWO_PAGES, **form: Any) -> requests.Response:
    """Send a file as Open WebUI does."""
    return requests.post(
        f"{server.url}/v1/files",
        files={"file": ("字 a.pdf", data, "application/pdf")},
        data={"purpose": "ocr"} | form,
        headers=form.pop("headers", None),
        timeout=60,
    )


def pages(answer: requests.Response) -> list[tuple[int, str]]:
    assert answer.status_code == 200, answer.text
    return [(page["index"], page["markdown"]) for page in answer.json()["pages"]]


def error(answer: requests.Response) -> tuple[int, str, str]:
    found = answer.json()
    assert (found["object"], found["param"], found["code"]) == ("error", None, None)
    return answer.status_code, found["type"], found["message"]


@slow
def test_a_document_is_answered_as_mistral_answers_it(compatible):
    model = "mistral-ocr-2512 \ud800"
    answer = ocr(compatible, PDF_URL, include_image_base64=False, model=model)
    rest = {"images": [], "tables": [], "hyperlinks": [], "header": None, "footer": None}
    rest |= {"dimensions": {"dpi": 200, "height": 2339, "width": 1653}, "blocks": None}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json() == {
        "pages": [{"index": 0, "markdown": FIRST} | rest, {"index": 1, "markdown": SECOND} | rest],
        "model": model,
        "document_annotation": None,
        "usage_info": {"pages_processed": 2, "doc_size_bytes": len(TWO_PAGES)},
    }


@slow
def test_an_image_may_be_answered_with_its_blocks(compatible):
    url = data_url(page_bytes("table.png"), "image/png")
    for document in ({"image_url": url}, {"image_url": {"url": url, "detail": "high"}}):
        answer = ocr(compatible, {"type": "image_url"} | document, include_blocks=True)
        (page,) = answer.json()["pages"]
        assert page["dimensions"] == {"dpi": 96, "height": 340, "width": 700}
        (block,) = page["blocks"]
        assert page["markdown"] == block.pop("content") + "\n"
        assert page["markdown"].startswith("| Invoice 2026-1123 | Total |\n")
        box = [block.pop(name) for name in ("top_left_x", "top_left_y")]
        box += [block.pop(name) for name in ("bottom_right_x", "bottom_right_y")]
        assert [round(each, -1) for each in box] == [30, 30, 640, 310]
        assert block == {"type": "table"}


@slow
@pytest.mark.parametrize(
    ("chosen", "indices"),
    [
        (None, [0, 1]),
        ([], [0, 1]),
        ([1], [1]),
        ([1, 0, 1], [0, 1]),
        (list(range(8)), [0, 1]),
        ("1", [1]),
        ("0-5", [0, 1]),
        ("0, 1-1", [0, 1]),
    ],
)
def test_pages_are_chosen_by_indices_from_0(compatible, chosen, indices):
    assert [index for index, _ in pages(ocr(compatible, PDF_URL, pages=chosen))] == indices


@slow
def test_a_file_is_sent_read_and_deleted(compatible):
    sent = send(compatible).json()
    file = f"{compatible.url}/v1/files/{sent['id']}"
    shown = {
        "id": sent["id"],
        "object": "file",
        "bytes": len(TWO_PAGES),
        "created_at": sent["created_at"],
        "filename": "字 a.pdf",
        "purpose": "ocr",
        "sample_type": "ocr_input",
        "source": "upload",
    }
    assert sent == shown
    assert requests.get(file, timeout=30).json() == shown | {"deleted": False}
    url = requests.get(f"{file}/url", params={"expiry": 1}, timeout=30).json()
    assert url == {"url": f"{file}/content"}
    assert requests.get(url["url"], timeout=30).content == TWO_PAGES
    elsewhere = f"https://an.other.example/behind/v1/files/{sent['id']}/content?signature=1"
    both = [(0, FIRST), (1, SECOND)]
    for document in (
        {"type": "document_url", "document_url": url["url"]},
        {"type": "document_url", "document_url": elsewhere},
        {"type": "image_url", "image_url": url["url"]},
        {"type": "file", "file_id": sent["id"]},
    ):
        assert pages(ocr(compatible, document)) == both
    deleted = {"id": sent["id"], "object": "file", "deleted": True}
    assert requests.delete(file, timeout=30).json() == deleted
    gone = "There is no such file: it was never sent, is not kept any longer, or is another's."
    for answer in (
        requests.get(file, timeout=30),
        requests.get(f"{file}/url", timeout=30),
        requests.get(f"{file}/content", timeout=30),
        requests.delete(file, timeout=30),
        ocr(compatible, {"type": "file", "file_id": sent["id"]}),
    ):
        assert error(answer) == (404, "not_found", gone)


@slow
def test_a_file_belongs_to_its_key(compatible_keyed):
    sent = send(compatible_keyed, headers=BEARER).json()
    document = {"type": "file", "file_id": sent["id"]}
    assert len(pages(ocr(compatible_keyed, document, headers=BEARER))) == 2
    theirs = {"Authorization": f"Bearer {OTHER_KEY}"}
    assert error(ocr(compatible_keyed, document, headers=theirs))[:2] == (404, "not_found")
    url = f"{compatible_keyed.url}/v1/files/{sent['id']}"
    for headers, status in ((theirs, 404), ({}, 401)):
        for ask in (requests.delete, requests.get):
            assert ask(url, headers=headers, timeout=30).status_code == status
    assert requests.get(f"{url}/content", headers=BEARER, timeout=30).content == TWO_PAGES


@slow
def test_without_a_store_files_are_refused_and_data_urls_are_read(tmp_path):
    with serving(tmp_path, OCR_COMPATIBLE="azure,mistral") as server:
        off = "This service keeps no files and no results: its operator has not set OCR_JOBS_DIR."
        assert error(send(server)) == (404, "jobs_off", off)
        document = {"type": "file", "file_id": "0" * 32}
        assert error(ocr(server, document)) == (404, "jobs_off", off)
        url = f"{server.url}/v1/files/{'0' * 32}"
        assert error(requests.delete(url, timeout=30)) == (404, "jobs_off", off)
        assert pages(ocr(server, PDF_URL))[1] == (1, SECOND)
        models = f"{server.url}/documentintelligence/documentModels/prebuilt-read"
        refused = {"error": {"code": "NotFound", "message": off}}
        for answer in (
            requests.post(f"{models}:analyze", data=TWO_PAGES, timeout=30),
            requests.get(f"{models}/analyzeResults/{'0' * 32}", timeout=30),
        ):
            assert (answer.status_code, answer.json()) == (404, refused)


FETCHED = "document_url holds a URL. URLs are never fetched: send the file itself."
MISSING = (
    "Send a document: its data: URL as document_url or image_url, or the id of a file as file_id."
)
INDICES = "pages must be indices from 0, as [0, 1, 2], or text as 0-2,5."
FROM_ONE = "These numbers count from 1; the indices of the request count from 0."
NO_FILE = "There is no file with such an id."


@slow
@pytest.mark.parametrize(
    ("document", "fields", "expected"),
    [
        ({"document_url": "https://a.b/c.pdf"}, {}, (400, "invalid_base64", FETCHED)),
        ({"document_url": "file:///etc/passwd"}, {}, (400, "invalid_base64", FETCHED)),
        (
            {"document_url": ["x"]},
            {},
            (400, "invalid_base64", "document_url must be text: the base64 of a file."),
        ),
        (
            {"document_url": "data:application/pdf;base64,?"},
            {},
            (400, "invalid_base64", "document_url is not base64."),
        ),
        (
            {"document_url": "\ud800"},
            {},
            (400, "invalid_base64", "document_url is not base64."),
        ),
        (
            {"image_url": {"url": 5}},
            {},
            (400, "invalid_base64", "image_url must be text: the base64 of a file."),
        ),
        ({"image_url": {}}, {}, (400, "missing_image", MISSING)),
        ({"document_url": None, "file_id": None}, {}, (400, "missing_image", MISSING)),
        ({}, {}, (400, "missing_image", MISSING)),
        (None, {}, (400, "missing_image", MISSING)),
        ("text", {}, (400, "missing_image", MISSING)),
        ({"file_id": "../x"}, {}, (404, "not_found", NO_FILE)),
        ({"file_id": {"a": []}}, {}, (404, "not_found", NO_FILE)),
        ({"file_id": "\0"}, {}, (404, "not_found", NO_FILE)),
        (PDF_URL, {"pages": [-1]}, (400, "invalid_option", INDICES)),
        (PDF_URL, {"pages": [True]}, (400, "invalid_option", INDICES)),
        (PDF_URL, {"pages": [0.5]}, (400, "invalid_option", INDICES)),
        (PDF_URL, {"pages": [[0]]}, (400, "invalid_option", INDICES)),
        (PDF_URL, {"pages": [10**30]}, (400, "invalid_option", INDICES)),
        (PDF_URL, {"pages": {"a": 1}}, (400, "invalid_option", INDICES)),
        (PDF_URL, {"pages": "0-x"}, (400, "invalid_option", INDICES)),
        (
            PDF_URL,
            {"pages": [7]},
            (
                400,
                "invalid_option",
                f"pages asks for 8. The document has 2 pages. {FROM_ONE}",
            ),
        ),
        (PDF_URL, {"model": {"a": 1}}, (400, "invalid_option", "model must be text.")),
    ],
)
def test_what_cannot_be_read_is_refused_as_mistral_refuses_it(
    compatible, document, fields, expected
):
    assert error(ocr(compatible, document, **fields)) == expected
    assert "Traceback" not in compatible.log()


@slow
def test_fields_that_are_not_read_are_ignored_whatever_is_in_them(compatible):
    odd: dict[str, Any] = {"table_format": 5, "image_limit": [], "include_blocks": "yes", "x": {}}
    odd |= {"document_annotation_format": {"type": "json_schema"}, "include_image_base64": None}
    assert pages(ocr(compatible, PDF_URL | {"document_name": 5}, **odd, pages=[1])) == [(1, SECOND)]


@slow
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 99999, b"9" * 9999])
def test_a_body_that_is_no_json_object_is_refused(compatible, body):
    status, kind, _ = error(requests.post(f"{compatible.url}/v1/ocr", data=body, timeout=30))
    assert (status, kind) == (400, "missing_image" if not body else "malformed_request")
    assert "Traceback" not in compatible.log()


@slow
def test_what_is_no_file_is_not_taken(compatible):
    def sent(**options: Any) -> tuple[int, str, str]:
        return error(requests.post(f"{compatible.url}/v1/files", timeout=30, **options))

    no_file = (400, "missing_image", "Send a file as the part file.")
    assert sent(files={"file": ("a.pdf", b"")}) == no_file
    assert sent(files={"other": ("a.pdf", b"x")}) == no_file
    form = (415, "unsupported_media_type", "Send the fields as multipart/form-data.")
    assert sent(json={"file": "x"}) == form
    assert sent() == form
    broken = {"data": b"--a\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=a"}}
    assert sent(**broken)[:2] == (400, "malformed_request")
    purpose = (400, "invalid_option", "purpose must be ocr.")
    assert error(send(compatible, purpose="fine-tune")) == purpose
    assert "Traceback" not in compatible.log()


@slow
def test_a_file_that_is_no_document_is_refused_when_it_is_read(compatible):
    sent = send(compatible, b"PK\3\4 a document of a word processor").json()
    status, kind, message = error(ocr(compatible, {"type": "file", "file_id": sent["id"]}))
    assert (status, kind) == (415, "unsupported_document")
    assert message.startswith("This is neither a PDF nor an image")


@slow
def test_the_key_is_sent_as_a_bearer_token(compatible_keyed):
    message = "Send an API key: Authorization: Bearer KEY, or X-API-Key: KEY."
    for answer in (ocr(compatible_keyed, PDF_URL), send(compatible_keyed)):
        assert error(answer) == (401, "unauthorized", message)
    assert len(pages(ocr(compatible_keyed, PDF_URL, headers=BEARER))) == 2


@slow
def test_documents_of_a_page_that_cannot_be_read_are_refused(compatible):
    url = data_url(page_bytes("latin.png")[:20_000], "image/png")
    refused = (415, "unsupported_image", "The image is damaged or truncated.")
    assert error(ocr(compatible, {"type": "image_url", "image_url": url})) == refused


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://localhost:3000/v1/files/ab/content", "ab"),
        ("https://a.b/c/v1/files/ab/content?x=/v1/files/cd/content", "ab"),
        ("https://a.b/?x=/v1/files/ab/content", None),
        ("https://a.b/v1/files/ab", None),
        ("ftp://a.b/v1/files/ab/content", None),
        ("data:application/pdf;base64,AAAA", None),
        (5, None),
    ],
)
def test_a_url_of_ours_is_known_by_its_path(url, found):
    assert id_in(url) == found


def test_a_page_that_was_not_read_is_named_and_blocks_have_their_kind():
    def block(text: str, top: float, size: float) -> Block:
        box = [[10.4, top], [99.6, top], [99.6, top + size], [10.4, top + size]]
        return Block(rows=[[Line(text=text, score=1.0, box=box)]])

    read = Page(
        width=100,
        height=90,
        dpi=71.6,
        blocks=[block("Title", 0, 30), block("- an item", 40, 10), block("text " * 50, 60, 10)],
    )
    unread = UnreadPage(number=2, code="page_too_slow", error="Too slow.")
    first, second = by_page([read, unread], with_blocks=True)
    text = " ".join(["text"] * 50)
    assert first.markdown == f"# Title\n\n- an item\n\n{text}\n"
    assert [each.model_dump() for each in first.blocks or []] == [
        {
            "type": kind,
            "top_left_x": 10,
            "top_left_y": top,
            "bottom_right_x": 100,
            "bottom_right_y": bottom,
            "content": content,
        }
        for kind, top, bottom, content in (
            ("title", 0, 30, "# Title"),
            ("list", 40, 50, "- an item"),
            ("text", 60, 70, text),
        )
    ]
    assert first.dimensions is not None
    assert first.dimensions.dpi == 72
    assert second.model_dump(exclude_defaults=True) == {
        "index": 1,
        "markdown": "> page 2 was not read: Too slow.\n",
    }
