"""docling-serve, with written requests; `test_docling_refused.py` has the wrong ones."""

import json
import time
from typing import Any

import pytest
import requests
from conftest import KEY, TRUTH, page_bytes
from docling_requests import TWO_PAGES, ended, post, post_json, source, timed
from pdfs import LINE, drawn, text_page, with_page
from serving import serving

pytestmark = pytest.mark.slow

(LINE_TEXT,) = TRUTH["line.png"]
FIRST, SECOND = "The first. The first.", LINE
NO_TASK = {"detail": "Task not found."}


def document(name: str, **formats: Any) -> dict[str, Any]:
    empty = dict.fromkeys(
        ("md_content", "json_content", "html_content", "text_content", "doctags_content")
    )
    return {"filename": name} | empty | formats


def converted(name: str = "a.pdf", **formats: Any) -> dict[str, Any]:
    """The content of an answer without errors."""
    return {
        "document": document(name, **formats),
        "status": "success",
        "errors": [],
        "timings": {},
    }


def test_open_webui_gets_a_page_as_markdown(compatible):
    path = "/app/backend/data/uploads/1_a line 字.png"
    answer = post(compatible, page_bytes("line.png"), path)
    assert timed(answer) == converted("1_a line 字.png", md_content=f"{LINE_TEXT}\n")
    assert answer.headers["content-type"] == "application/json"


def test_pages_are_written_in_each_format_that_is_asked_for(compatible):
    content = timed(post(compatible, TWO_PAGES, to_formats=["md", "html", "text", "json"]))
    written = content["document"].pop("json_content")
    sections = f"<p>{FIRST}</p>\n</section>\n", f"<p>{SECOND}</p>\n</section>\n"
    page = '<section id="page-{}">\n'
    assert content["document"] == {
        "filename": "a.pdf",
        "md_content": f"{FIRST}\n\n<!-- page 2 -->\n\n{SECOND}\n",
        "html_content": '<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n'
        "<title>a.pdf</title>\n</head>\n<body>\n"
        f"{page.format(1)}{sections[0]}{page.format(2)}{sections[1]}</body>\n</html>\n",
        "text_content": f"The first.\nThe first.\n\f{SECOND}\n",
        "doctags_content": None,
    }
    assert [(each["text"], each["prov"][0]["page_no"]) for each in written["texts"]] == [
        (FIRST, 1),
        (SECOND, 2),
    ]
    assert sorted(written["pages"]) == ["1", "2"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"page_range": [2, 2]}, f"{SECOND}\n"),
        ({"page_range": [2, 9223372036854775807]}, f"{SECOND}\n"),
        ({"page_range": ["2, 50"]}, f"{SECOND}\n"),
        ({"md_page_break_placeholder": "<!-- next -->"},
         f"{FIRST}\n\n<!-- next -->\n\n{SECOND}\n"),
    ],
)  # fmt: skip
def test_options_say_which_pages_are_written_and_what_stands_between_them(
    compatible, options, expected
):
    assert timed(post(compatible, TWO_PAGES, **options))["document"]["md_content"] == expected


def test_text_of_a_pdf_is_read_by_ocr_or_not_as_options_say(compatible):
    def text(**options: Any) -> str:
        return str(timed(post(compatible, TWO_PAGES, page_range=[2, 2], **options))["document"])

    # The drawn text has a comma; that OCR reads the same line is not a matter of this test.
    assert SECOND in text(do_ocr="false")
    assert "lazy dog" in text(force_ocr="true")
    line = post(compatible, page_bytes("line.png"), "a.png", do_ocr="false", force_ocr="true")
    assert timed(line) == converted("a.png", md_content="")


def test_unknown_options_and_those_of_other_engines_are_ignored(compatible):
    options = {
        "from_formats": ["pdf", "docx"],
        "ocr_engine": "easyocr",
        "ocr_lang": ["en", "de"],
        "pdf_backend": "dlparse_v4",
        "table_mode": "accurate",
        "abort_on_error": "false",
        "document_timeout": "600",
        "picture_description_api": '{"url": "http://localhost"}',
        "nonsense": "1",
    }
    answer = post(compatible, page_bytes("line.png"), "a.png", **options)
    assert timed(answer) == converted("a.png", md_content=f"{LINE_TEXT}\n")


def test_a_format_that_is_not_written_is_named_beside_the_others(compatible):
    content = timed(
        post(compatible, page_bytes("line.png"), "a.png", to_formats=["text", "doctags"])
    )
    assert content == {
        "document": document("a.png", text_content=f"{LINE_TEXT}\n"),
        "status": "partial_success",
        "errors": [
            {
                "component_type": "user_input",
                "module_name": "rapidocr-bento",
                "error_message": "to_formats: doctags is not written by this service, but md, "
                "json, html, text.",
                "page_no": None,
            }
        ],
        "timings": {},
    }


def test_a_page_that_cannot_be_read_is_named_beside_the_others(compatible):
    broken = with_page(TWO_PAGES, MediaBox=[0, 0, 10**7, 10**7])
    content = timed(post(compatible, broken, to_formats=["md", "text", "json"], do_ocr="true"))
    (error,) = content["errors"]
    sentence = error.pop("error_message")
    assert sentence.startswith("Page 1 was not read: ")
    assert error == {
        "component_type": "document_backend",
        "module_name": "rapidocr-bento",
        "page_no": 1,
    }
    assert content["status"] == "partial_success"
    assert content["document"]["md_content"].endswith(f"\n\n<!-- page 2 -->\n\n{SECOND}\n")
    assert list(content["document"]["json_content"]["pages"]) == ["2"]


def test_a_source_is_base64_in_json(compatible):
    options = {"to_formats": ["text"], "page_range": [1, 1], "do_ocr": True, "table_mode": None}
    content = {"sources": [source(TWO_PAGES)], "options": options, "target": {"kind": "inbody"}}
    expected = converted(text_content="The first.\nThe first.\n")
    assert timed(post_json(compatible, content)) == expected


def test_a_task_is_polled_and_its_result_fetched(compatible):
    made = post(compatible, TWO_PAGES, later=True, to_formats="text").json()
    task = made["task_id"]
    status = ended(compatible, task)
    assert status == {
        "task_id": task,
        "task_type": "convert",
        "task_status": "success",
        "task_position": None,
        "task_meta": {
            "num_docs": 1,
            "num_processed": 1,
            "num_succeeded": 1,
            "num_partially_succeeded": 0,
            "num_failed": 0,
        },
        "error_message": None,
        "failure": None,
    }
    assert made["task_status"] in ("pending", "started", "success")
    result = compatible.get(f"/v1/result/{task}")
    assert timed(result) == converted(text_content=f"The first.\nThe first.\n\f{SECOND}\n")
    assert result.headers["content-length"] == str(len(result.content))


def test_a_source_may_be_a_task_too(compatible):
    content = {"sources": [source(page_bytes("line.png"), "a.png")]}
    task = post_json(compatible, content, later=True).json()["task_id"]
    assert ended(compatible, task)["task_status"] == "success"
    result = timed(compatible.get(f"/v1/result/{task}"))
    assert result == converted("a.png", md_content=f"{LINE_TEXT}\n")


def test_a_task_that_fails_says_why(compatible):
    broken = with_page(drawn(text_page), MediaBox=[0, 0, 10**7, 10**7])
    task = post(compatible, broken, later=True).json()["task_id"]
    status = ended(compatible, task)
    failure = {
        "category": "unknown",
        "message": status["error_message"],
        "retryable": False,
        "phase": "execution",
    }
    assert (status["task_status"], status["failure"]) == ("failure", failure)
    assert "pixels" in status["error_message"]
    result = compatible.get(f"/v1/result/{task}")
    assert (result.status_code, result.json()) == (
        200,
        {"kind": "TaskFailureResult", "failure": failure},
    )


def test_tasks_that_are_none_are_not_found(compatible):
    other = requests.post(
        f"{compatible.url}/jobs?output=text", files={"file": page_bytes("line.png")}, timeout=60
    ).json()["id"]
    for task in ("0" * 32, "..", "%00", other):
        for address in (f"/v1/status/poll/{task}?wait=1", f"/v1/result/{task}"):
            answer = compatible.get(address)
            assert answer.status_code == 404
            assert list(answer.json()) in (["detail"], ["error", "code"])
    assert compatible.get(f"/v1/result/{other}").json() == NO_TASK
    assert compatible.get(f"/v1/status/poll/{other}").json() == NO_TASK


def test_names_that_utf_8_cannot_hold_are_mended(compatible):
    name = "../\\..\\a\ud800\x00" + "b" * 300 + ".png"
    content = {
        "sources": [source(page_bytes("line.png"), name)],
        "options": {"to_formats": ["json"]},
    }
    body = json.dumps(content)
    shown = ("a?\x00" + "b" * 300 + ".png")[-255:]
    for later in (False, True):
        address = f"{compatible.url}/v1/convert/source{'/async' * later}"
        answer = requests.post(address, data=body, timeout=60)
        if later:
            task = answer.json()["task_id"]
            assert ended(compatible, task)["task_status"] == "success"
            answer = compatible.get(f"/v1/result/{task}")
        written = timed(answer)["document"]
        assert written["filename"] == shown
        assert written["json_content"]["origin"]["filename"] == shown


def test_the_service_says_that_it_is_there(compatible):
    assert compatible.get("/health").json() == {"status": "ok"}
    assert list(compatible.get("/version").json()) == ["rapidocr-bento"]


def test_the_key_is_sent_in_a_header(compatible_keyed):
    line = page_bytes("line.png")
    for later in (False, True):
        refused = post(compatible_keyed, line, "a.png", later=later, key="wrong-key")
        assert (refused.status_code, list(refused.json())) == (401, ["detail"])
    assert timed(post(compatible_keyed, line, "a.png", key=KEY))["status"] == "success"
    task = post(compatible_keyed, line, "a.png", later=True, key=KEY).json()["task_id"]
    assert ended(compatible_keyed, task, KEY)["task_status"] == "success"
    assert compatible_keyed.get(f"/v1/result/{task}").status_code == 401


def test_no_request_has_left_a_traceback_in_the_log(compatible):
    assert "Traceback" not in compatible.log()


def test_a_task_is_not_asked_for_any_longer_when_the_caller_has_hung_up(tmp_path):
    jobs = {"OCR_JOBS_DIR": str(tmp_path / "jobs"), "OCR_THREADS": "1"}
    with serving(tmp_path, OCR_COMPATIBLE="docling", **jobs) as server:
        many = drawn(*[lambda pdf: text_page(pdf, 1)] * 100)
        task = post(server, many, later=True, force_ocr="true").json()["task_id"]
        with pytest.raises(requests.Timeout):
            requests.get(f"{server.url}/v1/status/poll/{task}?wait=60", timeout=0.5)
        while "/v1/status/poll" not in server.log():
            time.sleep(0.05)
        (line,) = [each for each in server.log().splitlines() if "/v1/status/poll" in each]
        assert "status=200" not in line
        requests.delete(f"{server.url}/jobs/{task}", timeout=60)
