"""What callers of docling-serve do wrong, and how they are told."""

import asyncio
import json
from unittest.mock import Mock

import pytest
import requests
from conftest import page_bytes
from docling_requests import TWO_PAGES, post, post_json, source
from starlette.requests import Request

from ocr_runtime.errors import JobsOff
from ocr_runtime.serving.compatible.docling.addresses import CONTRACT
from ocr_runtime.serving.compatible.reader import Reader
from ocr_runtime.serving.jobs import Jobs
from ocr_runtime.settings import Settings

pytestmark = pytest.mark.slow

TARGET = (
    "The target must be inbody. Another one requires artifact storage to be configured, and this "
    "service has none: it answers with the content itself."
)


@pytest.mark.parametrize("wait", ["-1", "nan", "soon", "1_0x", "None"])
def test_a_wait_that_is_no_number_is_refused(compatible, wait):
    task = post(compatible, page_bytes("line.png"), later=True).json()["task_id"]
    answer = compatible.get(f"/v1/status/poll/{task}?wait={wait}")
    detail = "wait must be a number of seconds, 0 or more."
    assert (answer.status_code, answer.json()) == (400, {"detail": detail})


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({"to_formats": "docx"}, "to_formats must be some of md, json, html, text."),
        ({"to_formats": ["md", ""]}, "to_formats must be some of md, json, html, text."),
        ({"page_range": [1]},
         "page_range must be two whole numbers: the first and the last page."),
        ({"page_range": ["1", "\u0662"]},
         "page_range must be two whole numbers: the first and the last page."),
        ({"page_range": [0, 2]},
         "page_range must begin with 1 or more, and not end before it begins."),
        ({"page_range": [2, 1]},
         "page_range must begin with 1 or more, and not end before it begins."),
        ({"page_range": [3, 4]}, "pages asks for 3-4. The document has 2 pages."),
        ({"do_ocr": "maybe"}, "do_ocr must be true or false."),
        ({"force_ocr": "2"}, "force_ocr must be true or false."),
        ({"md_page_break_placeholder": "x" * 256},
         "md_page_break_placeholder must be text of at most 255 characters."),
        ({"target_type": "presigned_url"},
         TARGET),
    ],
)  # fmt: skip
def test_options_that_cannot_be_used_are_refused(compatible, options, detail):
    for later in (False, True):
        answer = post(compatible, TWO_PAGES, later=later, **options)
        assert (answer.status_code, answer.json()) == (400, {"detail": detail})


URLS = "URLs are never fetched: send the file as base64_string, in a source of the kind file."
NO_SOURCE = "Send a file in sources, a list of one source of the kind file."
NO_BASE64 = "There is no base64_string: send the base64 of a file."
ONE = "This service converts one document with each request, not several: send one file."


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        ({"sources": [{"kind": "http", "url": "http://localhost/a.pdf"}]}, URLS),
        ({"sources": [{"kind": "file", "base64_string": "HTTPS://a.b/c"}]},
         "base64_string holds a URL. URLs are never fetched: send the file itself."),
        ({"sources": [{"kind": "s3"}]}, "A source must be of the kind file."),
        ({"sources": [{"kind": []}]}, "A source must be of the kind file."),
        ({"sources": ["file"]}, "A source must be of the kind file."),
        ({"sources": [None]}, "A source must be of the kind file."),
        ({"sources": {}}, NO_SOURCE),
        ({"sources": []}, NO_SOURCE),
        ({"sources": "file"}, NO_SOURCE),
        ({}, NO_SOURCE),
        ({"http_sources": [{"url": "http://localhost"}]}, NO_SOURCE),
        ({"sources": [source(b"1"), source(b"2")]}, ONE),
        ({"sources": [{"kind": "file"}]}, NO_BASE64),
        ({"sources": [{"kind": "file", "base64_string": 1}]},
         "base64_string must be text: the base64 of a file."),
        ({"sources": [source(b"")]}, "base64_string is empty: send the base64 of a file."),
        ({"sources": [source(b"", base64_string="*")]}, "base64_string is not base64."),
        ({"sources": [source(b"1")], "options": [1]}, "options must be an object."),
        ({"sources": [source(b"1")], "options": {"do_ocr": {"a": 1}}},
         "do_ocr must be true or false."),
        ({"sources": [source(b"1")], "options": {"page_range": [True, 2]}},
         "page_range must be two whole numbers: the first and the last page."),
        ({"sources": [source(b"1")], "options": {"page_range": [[1], 1e400]}},
         "page_range must be two whole numbers: the first and the last page."),
        ({"sources": [source(b"1")], "options": {"to_formats": [{}]}},
         "to_formats must be some of md, json, html, text."),
        ({"sources": [source(b"1")], "options": {"md_page_break_placeholder": 1}},
         "md_page_break_placeholder must be text of at most 255 characters."),
        ({"sources": [source(b"1")], "target": {"kind": "s3"}},
         TARGET),
    ],
)  # fmt: skip
def test_sources_that_cannot_be_used_are_refused(compatible, content, detail):
    for later in (False, True):
        answer = post_json(compatible, content, later=later)
        assert (answer.status_code, answer.json()) == (400, {"detail": detail})


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", NO_SOURCE),
        (b"{", "The body is not valid JSON."),
        (b"\xff\xfe", "The body is not valid JSON."),
        (b"[" * 100_000, "The body is not valid JSON."),
        (b'{"sources": ' * 50_000, "The body is not valid JSON."),
        (b"[]", "The JSON body must be an object."),
        (b"NaN", "The JSON body must be an object."),
        (b'{"sources": [' + b"1," * 20_000 + b"1]}", "The JSON has too many values."),
        (b'{"sources": ' + b"9" * 5_000 + b"}", "The body is not valid JSON."),
    ],
)
def test_bodies_that_are_no_such_json_are_refused(compatible, body, detail):
    address = f"{compatible.url}/v1/convert/source"
    answer = requests.post(address, data=body, timeout=60)
    assert (answer.status_code, answer.json()) == (400, {"detail": detail})


def test_forms_that_have_not_one_file_are_refused(compatible):
    address = f"{compatible.url}/v1/convert/file"
    line = page_bytes("line.png")
    none = requests.post(address, files={"file": line}, timeout=60)
    assert (none.status_code, none.json()) == (400, {"detail": "Send a file as files."})
    several = requests.post(address, files=[("files", line), ("files", line)], timeout=60)
    assert (several.status_code, several.json()) == (400, {"detail": ONE})
    raw = requests.post(address, data=line, headers={"Content-Type": "image/png"}, timeout=60)
    detail = "Send the fields as multipart/form-data."
    assert (raw.status_code, raw.json()) == (415, {"detail": detail})
    cut = b"--x\r\nContent-Disposition: form-data; name=files"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    broken = requests.post(address, data=cut, headers=headers, timeout=60)
    assert (broken.status_code, list(broken.json())) == (400, ["detail"])


def test_files_that_cannot_be_read_are_refused_as_open_webui_shows_it(compatible):
    for later in (False, True):
        answer = post(compatible, b"PK\3\4 of a word processor", "letter.docx", later=later)
        assert answer.status_code == 415
        assert answer.json()["detail"].startswith("This is neither a PDF nor an image")


def test_without_jobs_a_task_is_refused_with_the_setting_that_is_missing():
    settings = Settings.from_environ({})
    reader = Reader(settings, Jobs(settings, (), worker=Mock()), worker=Mock())
    later = [each for each in CONTRACT.addresses if each.path.endswith("/async")]
    assert len(later) == 2
    for address in later:
        with pytest.raises(JobsOff) as error:
            asyncio.run(address.handle(Request({"type": "http", "headers": []}), reader))
        refusal = CONTRACT.refuse(error.value)
        assert refusal.status_code == 404
        assert json.loads(bytes(refusal.body)) == {
            "detail": "This service keeps no files and no results: its operator has not set "
            "OCR_JOBS_DIR."
        }


def test_no_request_has_left_a_traceback_in_the_log(compatible):
    assert "Traceback" not in compatible.log()
