"""Umi-OCR's HTTP interface, with the requests that its clients send.

They are written from the examples in its documentation (`docs/http/api_ocr.md` of Umi-OCR 2.1);
it has no client of its own.
"""

import base64
import json
import math
import time
from typing import Any

import pytest
import requests
from conftest import KEY, TRUTH, page_bytes
from serving import Server

from ocr_runtime.documents.images import ACCEPTED
from ocr_runtime.serving.compatible.umi_ocr.options import options
from ocr_runtime.settings import Settings

pytestmark = pytest.mark.slow

IMAGE = page_bytes("line.png")
TABLE = page_bytes("table.png")
AREA = [[9, 9], [0, 0]]
"""An area in which nothing is."""


def base64_of(image: bytes) -> str:
    return base64.b64encode(image).decode()


def post(server: Server, content: Any, **headers: str) -> Any:
    """Send JSON as the documentation does; return what is answered, always with the status 200."""
    headers |= {"Content-Type": "application/json"}
    url = f"{server.url}/api/ocr"
    answer = requests.post(url, data=json.dumps(content), headers=headers, timeout=60)
    assert answer.status_code == 200
    return answer.json()


def read(server: Server, image: bytes, **given: Any) -> Any:
    """Read an image, with options named as `tbpu_parser`; return code and data."""
    named = {name.replace("_", ".", 1): value for name, value in given.items()}
    answer = post(server, {"base64": base64_of(image), "options": named})
    return answer["code"], answer["data"]


def text(server: Server, image: bytes, parser: str) -> str:
    code, data = read(server, image, tbpu_parser=parser, data_format="text")
    assert code == 100
    return str(data)


def test_a_line_is_answered_with_its_place_and_its_end(compatible):
    begun = time.time()
    answer = post(compatible, {"base64": base64_of(IMAGE)})
    ended = time.time()
    own = compatible.ocr(IMAGE).json()["0"]
    score = float(own["score"])
    line = {
        "text": TRUTH["line.png"][0],
        "score": score,
        "box": [[round(x), round(y)] for x, y in own["dt_boxes"]],
        "end": "\n",
    }
    assert begun <= answer["timestamp"] <= answer["timestamp"] + answer["time"] <= ended
    clock = {"time": answer["time"], "timestamp": answer["timestamp"]}
    assert answer == {"code": 100, "data": [line], "score": score} | clock


def test_an_image_without_text_has_a_code_of_its_own(compatible):
    no_text = (101, "No text was found in the image.")
    assert read(compatible, page_bytes("blank.png")) == no_text
    assert read(compatible, page_bytes("blank.png"), data_format="text") == no_text


def test_lines_with_their_ends_are_the_text(compatible):
    for parser in ("multi_para", "multi_line", "multi_none", "single_para", "none"):
        _, data = read(compatible, TABLE, tbpu_parser=parser)
        joined = "".join(line["text"] + line["end"] for line in data)
        assert joined == text(compatible, TABLE, parser) + "\n"
        assert sorted(line["text"] for line in data) == sorted(TRUTH["table.png"])


def test_a_parser_says_in_which_order_lines_come_and_what_ends_them(compatible):
    chinese = page_bytes("chinese.png")
    for parser in ("multi_none", "single_none"):
        assert text(compatible, chinese, parser) == "".join(TRUTH["chinese.png"])
    for parser in ("multi_line", "single_line", "none"):
        assert text(compatible, chinese, parser).split("\n") == TRUTH["chinese.png"]
    for parser in ("multi_para", "single_para"):
        assert text(compatible, IMAGE, parser) == TRUTH["line.png"][0]
    assert "Paper A4 80g 1250.50" in text(compatible, TABLE, "single_line").split("\n")
    assert "1250.50" in text(compatible, TABLE, "none").split("\n")


def test_lines_in_an_ignored_area_are_left_out(compatible):
    left_out = read(compatible, IMAGE, tbpu_ignoreArea=[[[0, 0], [300, 64]]])
    assert left_out == (101, "No text was found in the image.")
    code, (line,) = read(compatible, IMAGE, tbpu_ignoreArea=[[[0, 0], [100, 64]], AREA])
    assert (code, line["text"]) == (100, TRUTH["line.png"][0])
    code, (line,) = read(compatible, IMAGE, tbpu_ignoreArea=[AREA] * 100)
    assert (code, line["text"]) == (100, TRUTH["line.png"][0])


def test_lines_are_turned_if_that_is_asked_for(compatible):
    turned = page_bytes("line_upside_down.png")
    assert read(compatible, turned, ocr_cls=True)[1][0]["text"] == TRUTH["line.png"][0]


def test_the_options_that_are_listed_are_those_that_are_honoured(compatible):
    found = compatible.get("/api/ocr/get_options").json()
    defaults = {name: option["default"] for name, option in found.items()}
    assert defaults == {
        "ocr.cls": True,
        "tbpu.parser": "multi_para",
        "tbpu.ignoreArea": [],
        "data.format": "dict",
    }
    image = base64_of(IMAGE)
    _, plain = read(compatible, IMAGE)
    assert post(compatible, {"base64": image, "options": defaults})["data"] == plain
    for parser, _ in found["tbpu.parser"]["optionsList"]:
        assert text(compatible, IMAGE, parser) == TRUTH["line.png"][0]
    others = {"ocr.language": "models/config_en.txt", "ocr.limit_side_len": 4320, "x": [{}]}
    assert post(compatible, {"base64": image, "options": others})["data"] == plain
    assert post(compatible, {"base64": f"data:image/png;base64,{image}"})["data"] == plain


def test_the_default_of_the_configuration_is_listed(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("Global:\n  use_cls: false\n")
    for environ, default in (({}, True), ({"OCR_CONFIG": str(path)}, False)):
        assert options(Settings.from_environ(environ))["ocr.cls"]["default"] is default


NO_IMAGE = f"This is not an image in one of the accepted formats: {ACCEPTED}."
PARSER = (
    "tbpu.parser must be multi_para, multi_line, multi_none, single_para, single_line, "
    "single_none or none."
)
AREAS = "tbpu.ignoreArea must be a list of areas, each [[x1, y1], [x2, y2]]."


@pytest.mark.parametrize(
    ("content", "code", "sentence"),
    [
        ({}, 801, "The request is empty."),
        ([], 800, "The JSON body must be an object."),
        ("base64", 800, "The JSON body must be an object."),
        ({"options": {}}, 802, "There is no base64: send the base64 of a file."),
        ({"base64": " "}, 802, "base64 is empty: send the base64 of a file."),
        ({"base64": 1}, 300, "base64 must be text: the base64 of a file."),
        ({"base64": "?!"}, 300, "base64 is not base64."),
        ({"base64": "\ud800"}, 300, "base64 is not base64."),
        ({"base64": "data:image/png;base64,"}, 802, "base64 is empty: send the base64 of a file."),
        (
            {"base64": "file:///etc/passwd"},
            300,
            "base64 holds a URL. URLs are never fetched: send the file itself.",
        ),
        ({"base64": base64_of(b"\xff no image")}, 301, NO_IMAGE),
        ({"base64": base64_of(b"text in place of an image")}, 301, NO_IMAGE),
        ({"base64": base64_of(IMAGE[:200])}, 301, "The image is damaged or truncated."),
        ({"base64": "a", "options": []}, 803, "options must be an object."),
        ({"base64": "a", "options": {"ocr.cls": 1}}, 804, "ocr.cls must be true or false."),
        ({"base64": "a", "options": {"tbpu.parser": "single_code"}}, 804, PARSER),
        ({"base64": "a", "options": {"tbpu.parser": [{}]}}, 804, PARSER),
        (
            {"base64": "a", "options": {"data.format": None}},
            804,
            "data.format must be dict or text.",
        ),
        ({"base64": "a", "options": {"tbpu.ignoreArea": {}}}, 804, AREAS),
        (
            {"base64": "a", "options": {"tbpu.ignoreArea": [AREA] * 101}},
            804,
            "tbpu.ignoreArea must be at most 100 areas.",
        ),
        ({"base64": "a", "options": {"tbpu.ignoreArea": [[[0, 0], [1]]]}}, 804, AREAS),
        ({"base64": "a", "options": {"tbpu.ignoreArea": [[[0, 0], [1, True]]]}}, 804, AREAS),
        ({"base64": "a", "options": {"tbpu.ignoreArea": [[[0, 0], [1, math.nan]]]}}, 804, AREAS),
        ({"base64": "a", "options": {"tbpu.ignoreArea": [[[0, 0], [1, math.inf]]]}}, 804, AREAS),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_with_a_code(compatible, content, code, sentence):
    answer = post(compatible, content)
    assert answer == {"code": code, "data": answer["data"]}
    assert sentence in (None, answer["data"])


@pytest.mark.parametrize(
    ("body", "code"),
    [(b"", 801), (b"\xff", 800), (b"{", 800), (b"[" * 100_000, 800), (b'{"a":' * 9**5, 800)],
    ids=lambda value: repr(value)[:20],
)
def test_a_body_that_is_not_json_is_refused(compatible, body, code):
    answer = requests.post(f"{compatible.url}/api/ocr", data=body, timeout=60)
    assert (answer.status_code, answer.json()["code"]) == (200, code)
    assert "Traceback" not in compatible.log()


def test_a_key_is_asked_for_where_there_are_keys(compatible_keyed):
    content = {"base64": base64_of(IMAGE)}
    assert post(compatible_keyed, content)["code"] == 401
    assert post(compatible_keyed, content, Authorization=f"Bearer {KEY}")["code"] == 100
    listed = requests.get(f"{compatible_keyed.url}/api/ocr/get_options", timeout=30)
    assert listed.json()["code"] == 401
