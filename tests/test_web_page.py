"""The page at `/` as the service sends it: its files, their headers, its words."""

import json
import re
import tomllib

import pytest
import requests
from serving import ROOT, serving

from ocr_runtime import errors
from ocr_runtime.serving.web_page import FOLDER, facts
from ocr_runtime.settings import Settings

FILES = sorted(path.name for path in FOLDER.iterdir())
SCRIPTS = {name: (FOLDER / name).read_text() for name in FILES if name.endswith(".js")}
HTML = (FOLDER / "index.html").read_text()
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
NOT_TOLD = {  # the page never calls for these
    "ambiguous_image": "it sends one file",
    "invalid_base64": "it sends files",
    "unknown_field": "it sends known fields",
    "malformed_request": "the browser writes the form",
    "method_not_allowed": "it uses the methods there are",
    "not_acceptable": "it does not call /read",
    "unsupported_media_type": "the browser writes the form",
    "job_unfinished": "it asks for the result of jobs that are done",
    "job_without_result": "the same",
}


@pytest.mark.parametrize("path", ["/", *(f"/web/{name}" for name in FILES), "/web/service.json"])
def test_every_file_comes_with_the_policy(path, server):
    answer = server.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("page.js", "text/javascript; charset=utf-8"),
        ("page.css", "text/css; charset=utf-8"),
        ("icon.svg", "image/svg+xml"),
    ],
)
def test_files_are_of_their_media_types(name, media_type, server):
    answer = server.get(f"/web/{name}")
    assert answer.headers["content-type"] == media_type
    assert answer.content == (FOLDER / name).read_bytes()


def test_what_is_not_a_file_of_the_page_is_not_found(server):
    for path in ("/web/", "/web/nothing.js", "/web/..%2fweb_page.py", "/web/%2e%2e/web_page.py"):
        answer = server.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path


def test_a_file_that_the_browser_has_is_not_sent_again(server):
    first = server.get("/web/page.css")
    known = {"If-None-Match": first.headers["etag"]}
    again = requests.get(f"{server.url}/web/page.css", headers=known, timeout=10)
    assert (again.status_code, again.content) == (304, b"")
    other = requests.get(f"{server.url}/web/page.css", headers={"If-None-Match": '"x"'}, timeout=10)
    assert (other.status_code, other.content) == (200, first.content)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, "text/html; charset=utf-8"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("*/*", "text/html; charset=utf-8"),
        ("application/json", "application/json"),
        ("application/json, text/html;q=0.5", "application/json"),
    ],
)
def test_who_accepts_only_json_gets_the_greeting_of_rapidocr_api(accept, media_type, server):
    answer = requests.get(server.url + "/", headers={"Accept": accept}, timeout=10)
    assert answer.headers["content-type"] == media_type
    assert answer.headers["vary"] == "Accept"
    if media_type == "application/json":
        assert answer.json() == {"message": "Welcome to RapidOCR API Server!"}


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, {}),
        ({"OCR_PROFILE": "exact"}, {"orientation": "0", "layout": "none"}),
        ({"OCR_PROFILE": "exact", "OCR_LAYOUT": "auto"}, {"orientation": "0"}),
        ({"OCR_ORIENTATION": "180"}, {"orientation": "180"}),
        ({"OCR_API_KEYS": "long-enough"}, {"keys": True}),
        ({"OCR_MAX_BODY_MB": "7", "OCR_JOBS_DIR": "."}, {"max_body_mb": 7, "jobs": True}),
    ],
)
def test_the_page_is_told_the_settings_that_concern_it(variables, told):
    standard = {
        "keys": False,
        "jobs": False,
        "max_body_mb": 20,
        "orientation": "auto",
        "layout": "auto",
    }
    assert facts(Settings.from_environ(variables)) == standard | told


@pytest.mark.slow
def test_the_page_needs_a_key_where_the_documentation_does(tmp_path):
    keys = {"OCR_API_KEYS": "long-enough", "OCR_PUBLIC_DOCS": "false"}
    with serving(tmp_path, **keys) as server:
        for path in ("/", "/web/page.js", "/web/service.json"):
            assert server.get(path).status_code == 401
            answer = requests.get(
                server.url + path, headers={"x-api-key": "long-enough"}, timeout=10
            )
            assert answer.status_code == 200


def test_the_package_and_the_bento_hold_every_file():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = project["tool"]["setuptools"]["package-data"]["ocr_runtime.serving"]
    folder = ROOT / "ocr_runtime/serving"
    assert sorted(path.name for each in patterns for path in folder.glob(each)) == FILES
    included = re.search(
        r"^include: (\[.*\])$", (ROOT / "bentofile.yaml").read_text(), re.MULTILINE
    )
    assert "ocr_runtime/serving/web/*" in json.loads(included[1])


def dictionary(source: str, name: str) -> str:
    """The lines of an object of a script, without its braces."""
    return re.search(rf"^const {name} = \{{\n(.*?)^\}};", source, re.DOTALL | re.MULTILINE)[1]


def keys_and_names(source: str, name: str) -> dict[str, set[str]]:
    """The keys of a dictionary, each with the {names} in its text."""
    lines = dictionary(source, name).splitlines()
    found = {line.strip().partition(":")[0]: set(re.findall(r"\{(\w+)\}", line)) for line in lines}
    found.pop("", None)
    return found


@pytest.mark.parametrize("script", ["words.js", "advice.js"])
def test_both_languages_say_the_same_things(script):
    english, chinese = (keys_and_names(SCRIPTS[script], each) for each in ("ENGLISH", "CHINESE"))
    assert len(english) > 20
    assert chinese == english
    assert not re.search(
        "[\u4e00-\u9fff]", dictionary(SCRIPTS[script], "ENGLISH").replace("中文", "")
    )


def test_the_page_has_every_word_that_it_says_and_no_other():
    said = set(re.findall(r'data-(?:text|label|hint)="(\w+)"', HTML))
    for name, source in SCRIPTS.items():
        if name not in ("words.js", "advice.js"):
            said |= set(re.findall(r'"([a-z]\w+)"', source))
    known = set(keys_and_names(SCRIPTS["words.js"], "ENGLISH"))
    assert set(re.findall(r'data-(?:text|label|hint)="(\w+)"', HTML)) <= known
    called = r'\b(?:say|announce|showStep)\("(\w+)"'
    for source in SCRIPTS.values():
        assert set(re.findall(called, source)) <= known
    assert known <= said | set(re.findall(r'say\("(\w+)"', SCRIPTS["words.js"]))


def test_there_is_advice_for_every_error_that_the_page_can_get():
    codes = {error.code for error in errors.OCRError.__subclasses__()}
    advised = set(keys_and_names(SCRIPTS["advice.js"], "ENGLISH"))
    assert codes - set(NOT_TOLD) <= advised
    assert not set(NOT_TOLD) & advised


def test_no_script_makes_markup_or_code_of_text():
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function"
    )
    for name, source in SCRIPTS.items():
        assert not re.search(forbidden, source), name
    assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=", HTML)
