"""Every row of the contract, over HTTP, on the service with its default settings."""

import base64
import itertools
import json
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import numpy as np
import pytest
import requests
from conftest import DATA, TRUTH, encoded, page_bytes
from PIL import Image

from ocr_runtime.documents.images import FORMATS, decode
from ocr_runtime.outputs.rapidocr import write
from ocr_runtime.reading.page import ReadingOptions

TABLE = page_bytes("table.png")
LINE = page_bytes("line.png")
BASE64 = base64.b64encode(LINE).decode()
FAST = {"use_det": "false"}  # a whole line, without the slow detector


def assert_error(response: requests.Response, status: int, code: str) -> str:
    """Check the one shape of errors; return the sentence."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error", "code"}
    assert body["code"] == code
    assert not re.search(
        r"Traceback|File \"|site-packages|/tmp|\w+Error|0x[0-9a-f]{6}", body["error"]
    )
    return body["error"]


@pytest.fixture(scope="module")
def line_answer(server):
    """The answer to LINE with FAST."""
    response = server.ocr(LINE, **FAST)
    assert response.status_code == 200
    assert response.json()["0"]["rec_txt"] == "One line of text"
    return response.json()


# The answer


@pytest.mark.slow
@pytest.mark.parametrize("name", TRUTH)
def test_the_answer_is_the_engines(name, server, standard):
    response = server.ocr(page_bytes(name))
    page = decode(page_bytes(name), max_pixels=10**8)
    read = standard.read(page, ReadingOptions())
    assert response.status_code == 200
    assert response.json() == write(read, score_format="string").model_dump()
    if not TRUTH[name]:
        assert response.text == "{}"


def test_the_answer_is_readable_utf8_json_with_numbered_keys_in_order(server):
    response = server.ocr(page_bytes("chinese.png"))
    assert response.headers["content-type"] == "application/json"
    assert TRUTH["chinese.png"][0] in response.content.decode("utf-8")
    assert list(response.json()) == ["0", "1", "2"]
    for entry in response.json().values():
        assert set(entry) == {"rec_txt", "dt_boxes", "score"}
        assert re.fullmatch(r"[01]\.\d{4}", entry["score"])
        assert np.array(entry["dt_boxes"]).shape == (4, 2)
        assert all(isinstance(x, float) for point in entry["dt_boxes"] for x in point)


def test_boxes_are_clockwise_from_top_left_in_pixels_of_the_upright_image(server):
    page = Image.open(DATA / "table.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = encoded(page.rotate(90, expand=True), "PNG", exif=exif)
    upright = server.ocr(TABLE).json()
    assert server.ocr(sideways).json() == upright
    for entry in upright.values():
        (left, top), (right, _), (_, bottom), _ = entry["dt_boxes"]
        assert 0 <= left < right < page.width
        assert 0 <= top < bottom < page.height


KEYS = {
    # det, cls, rec: the keys of each entry
    (True, True, True): {"rec_txt", "dt_boxes", "score"},
    (True, False, True): {"rec_txt", "dt_boxes", "score"},
    (True, True, False): {"dt_boxes", "score"},
    (True, False, False): {"dt_boxes", "score"},
    (False, True, True): {"rec_txt", "score"},
    (False, False, True): {"rec_txt", "score"},
    (False, True, False): {"cls_label", "score"},
}


@pytest.mark.parametrize("flags", KEYS, ids=str)
def test_the_flags_choose_what_each_entry_has(flags, server):
    det, cls, rec = flags
    entries = server.ocr(TABLE if det else LINE, use_det=det, use_cls=cls, use_rec=rec).json()
    assert len(entries) == (len(TRUTH["table.png"]) if det else 1)
    assert {frozenset(entry) for entry in entries.values()} == {frozenset(KEYS[flags])}


@pytest.mark.parametrize(("name", "label"), [("line.png", "0"), ("line_upside_down.png", "180")])
def test_classification_alone_tells_the_direction(name, label, server):
    entry = server.ocr(page_bytes(name), use_det=False, use_cls=True, use_rec=False).json()["0"]
    assert entry["cls_label"] == label


def test_asking_for_nothing_is_an_invalid_option(server):
    response = server.ocr(LINE, use_det=False, use_cls=False, use_rec=False)
    assert "use_rec" in assert_error(response, 400, "invalid_option")


def test_a_whole_image_without_text_is_an_empty_answer(server):
    assert server.ocr(page_bytes("blank.png"), **FAST).text == "{}"


def test_text_score_leaves_lines_out(server):
    scores = {float(entry["score"]) for entry in server.ocr(TABLE, text_score=0).json().values()}
    threshold = sorted(scores)[len(scores) // 2]
    kept = server.ocr(TABLE, text_score=threshold).json()
    assert 0 < len(kept) < len(TRUTH["table.png"])
    assert list(kept) == [str(i) for i in range(len(kept))]
    assert all(float(entry["score"]) >= threshold for entry in kept.values())


def test_box_thresh_and_unclip_ratio_reach_the_detector(server):
    assert server.ocr(TABLE, box_thresh=1).json() == {}
    tight, wide = (
        server.ocr(TABLE, unclip_ratio=ratio, use_rec=False).json()["0"]["dt_boxes"]
        for ratio in (1, 4)
    )
    assert wide[2][1] - wide[0][1] > tight[2][1] - tight[0][1]


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("return_word_box", ["One", "line", "of", "text"]),
        ("return_single_char_box", list("Onelineoftext")),
    ],
)
def test_words_are_added_when_asked_for(option, words, server):
    entry = server.ocr(LINE, **FAST, **{option: True}).json()["0"]
    assert [word["txt"] for word in entry["words"]] == words
    for word in entry["words"]:
        assert set(word) == {"txt", "score", "box"}
        assert re.fullmatch(r"[01]\.\d{4}", word["score"])
        assert np.array(word["box"]).shape == (4, 2)


# One image, in three content types


def sent(content_type: str, fields: dict) -> dict:
    """The arguments of `requests.post` for these text fields."""
    if content_type == "multipart":
        return {"files": {name: (None, value) for name, value in fields.items()}}
    if content_type == "urlencoded":
        return {"data": fields}
    return {"json": fields}


CONTENT_TYPES = ["multipart", "urlencoded", "json"]
DRESSES = {
    "standard": BASE64,
    "unpadded": BASE64.rstrip("="),
    "url-safe": BASE64.replace("+", "-").replace("/", "_"),
    "with line breaks": base64.encodebytes(LINE).decode(),
    "with a prefix": "data:image/png;base64," + BASE64,
}


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_base64_in_each_content_type(content_type, dress, server, line_answer):
    arguments = sent(content_type, {"image_data": DRESSES[dress], **FAST})
    assert requests.post(server.url + "/ocr", **arguments).json() == line_answer


def test_base64_as_a_part_with_a_file_name(server, line_answer):
    files = {"image_data": ("image.b64", BASE64, "text/plain")}
    assert requests.post(server.url + "/ocr", files=files, data=FAST).json() == line_answer


def test_urlencoded_base64_whose_plus_signs_were_not_escaped(server, line_answer):
    assert "+" in BASE64
    body = f"use_det=0&image_data={BASE64}".encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert requests.post(server.url + "/ocr", data=body, headers=headers).json() == line_answer


def test_urlencoded_base64_with_spaces_of_its_own(server, line_answer):
    spaced = "  " + BASE64[:8] + " " + BASE64[8:] + " "
    response = requests.post(server.url + "/ocr", data={"image_data": spaced, **FAST})
    assert response.json() == line_answer


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_base64_over_a_mebibyte(content_type, server, line_answer):
    big = base64.b64encode(encoded(Image.open(DATA / "line.png"), "BMP") + bytes(2 << 20))
    arguments = sent(content_type, {"image_data": big.decode(), **FAST})
    assert requests.post(server.url + "/ocr", **arguments).json() == line_answer


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_base64_that_is_all_digits_is_text(content_type, server):
    arguments = sent(content_type, {"image_data": "12345678"})
    assert_error(requests.post(server.url + "/ocr", **arguments), 415, "unsupported_image")


@pytest.mark.parametrize(
    "name", ["page.exe", "", "页面.png", "../../etc/passwd", "a" * 5000 + ".png", 'a"b;c.png']
)
@pytest.mark.parametrize("label", ["image/jpg", "text/plain", "nonsense", None])
def test_a_files_name_and_label_do_not_matter(name, label, server, line_answer):
    part = (name, LINE) if label is None else (name, LINE, label)
    response = requests.post(server.url + "/ocr", files={"image_file": part}, data=FAST)
    assert response.json() == line_answer


def multipart(*parts: bytes, end: bytes = b"--b--\r\n") -> dict:
    return {
        "data": b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end,
        "headers": {"content-type": "multipart/form-data; boundary=b"},
    }


def part(name: bytes, value: bytes) -> bytes:
    return b'Content-Disposition: form-data; name="' + name + b'"\r\n\r\n' + value


def test_a_file_part_without_a_name_and_label(server, line_answer):
    body = multipart(part(b"image_file", LINE), part(b"use_det", b"0"))
    assert requests.post(server.url + "/ocr", **body).json() == line_answer


# Options in their spellings

TRUE = ["true", "True", "TRUE", "1", "yes", "Yes", "on", "ON"]
FALSE = ["false", "False", "FALSE", "0", "no", "No", "off", "OFF"]


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("spelling", FALSE)
def test_spellings_of_false(spelling, content_type, server, line_answer):
    arguments = sent(content_type, {"image_data": BASE64, "use_det": spelling})
    assert requests.post(server.url + "/ocr", **arguments).json() == line_answer


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("spelling", TRUE)
def test_spellings_of_true(spelling, content_type, server):
    fields = {"image_data": BASE64, **FAST, "return_word_box": spelling}
    entry = requests.post(server.url + "/ocr", **sent(content_type, fields)).json()["0"]
    assert "words" in entry


@pytest.mark.parametrize("value", [False, 0, "off", "0"])
def test_json_takes_its_own_types_too(value, server, line_answer):
    fields = {"image_data": BASE64, "use_det": value, "text_score": 0.5, "use_cls": None}
    assert requests.post(server.url + "/ocr", json=fields).json() == line_answer


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_an_empty_option_is_the_default(content_type, server, line_answer):
    fields = {"image_data": BASE64, **FAST, "use_cls": "", "text_score": "", "unclip_ratio": ""}
    arguments = sent(content_type, fields)
    assert requests.post(server.url + "/ocr", **arguments).json() == line_answer


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("name", ["lang", "cls", "self", "_fields_set", "refused", "ctx"])
def test_a_field_that_is_not_ours_is_ignored(name, content_type, server, line_answer):
    arguments = sent(content_type, {"image_data": BASE64, **FAST, name: "x"})
    assert requests.post(server.url + "/ocr", **arguments).json() == line_answer


@pytest.mark.parametrize(
    "arguments",
    [
        {"files": [("image_file", LINE), ("use_det", (None, "0")), *[("tag", (None, "x"))] * 2]},
        {"data": [("image_data", BASE64), ("use_det", "0"), *[("tag", "x")] * 2]},
        {
            "data": f'{{"tag": 1, "tag": {{"a": 1}}, "use_det": 0, "image_data": "{BASE64}"}}',
            "headers": {"content-type": "application/json"},
        },
    ],
    ids=CONTENT_TYPES,
)
def test_a_field_that_is_not_ours_is_ignored_twice_too(arguments, server, line_answer):
    assert requests.post(server.url + "/ocr", **arguments).json() == line_answer


def test_an_object_in_a_field_that_is_not_ours_may_hold_anything(server, line_answer):
    body = f'{{"image_data": "{BASE64}", "use_det": 0, "tag": {{"use_det": 1, "use_det": 2}}}}'
    headers = {"content-type": "application/json"}
    response = requests.post(server.url + "/ocr", data=body, headers=headers)
    assert response.json() == line_answer


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("use_det", "maybe"),
        ("use_cls", "2"),
        ("use_cls", "t"),
        ("use_cls", "Y"),
        ("use_rec", "None"),
        ("return_word_box", "-1"),
        ("return_single_char_box", "truthy"),
        ("text_score", "1.01"),
        ("text_score", "-0.1"),
        ("text_score", "nan"),
        ("text_score", "0_1"),
        ("box_thresh", "high"),
        ("box_thresh", "inf"),
        ("unclip_ratio", "0.9"),
        ("unclip_ratio", "4.1"),
    ],
)
def test_an_option_out_of_type_or_range_is_named(option, value, content_type, server):
    arguments = sent(content_type, {"image_data": BASE64, option: value})
    response = requests.post(server.url + "/ocr", **arguments)
    assert assert_error(response, 400, "invalid_option").startswith(f"{option} must be ")


@pytest.mark.parametrize(
    "fields", [{"text_score": True}, {"box_thresh": [0.5]}, {"use_det": {}}, {"use_rec": 7}]
)
def test_json_of_a_wrong_type_is_an_invalid_option(fields, server):
    response = requests.post(server.url + "/ocr", json={"image_data": BASE64, **fields})
    assert assert_error(response, 400, "invalid_option").startswith(f"{next(iter(fields))} must")


# Options are the request's own


@pytest.mark.slow
def test_options_of_requests_that_overlap_never_touch(server):
    flags = [
        {"use_det": False},
        {"use_det": False, "use_rec": False},
        {"use_rec": False},
        {"use_cls": False},
        {"box_thresh": 0.9, "unclip_ratio": 3},
        {"text_score": 0.999},
        {"return_word_box": True},
        {},
    ]
    alone = [server.ocr(TABLE, **options).json() for options in flags]
    assert len({json.dumps(each) for each in alone}) >= 6
    order = list(itertools.islice(itertools.cycle(np.random.default_rng(2).permutation(8)), 24))
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda i: server.ocr(TABLE, **flags[i]).json(), order))
    assert together == [alone[i] for i in order]


# Errors


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_no_image(content_type, server):
    arguments = sent(content_type, {"use_det": "true"})
    assert_error(requests.post(server.url + "/ocr", **arguments), 400, "missing_image")


@pytest.mark.parametrize("text", ["  \r\n", "data:image/png;base64,", "===="])
@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_base64_of_nothing_counts_as_missing(text, content_type, server):
    arguments = sent(content_type, {"image_data": text})
    assert_error(requests.post(server.url + "/ocr", **arguments), 400, "missing_image")


def test_no_body_at_all(server):
    assert_error(requests.post(server.url + "/ocr"), 400, "missing_image")


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_an_empty_image_counts_as_missing(content_type, server):
    arguments = sent(content_type, {"image_file": "", "image_data": ""})
    assert_error(requests.post(server.url + "/ocr", **arguments), 400, "missing_image")


def test_an_empty_file_beside_base64_counts_as_missing(server, line_answer):
    response = requests.post(
        server.url + "/ocr", files={"image_file": ("", b"")}, data={"image_data": BASE64, **FAST}
    )
    assert response.json() == line_answer


def test_both_images(server):
    assert_error(server.ocr(LINE, image_data=BASE64), 400, "ambiguous_image")


def test_one_image_twice(server):
    body = multipart(part(b"image_file", LINE), part(b"image_file", LINE))
    assert_error(requests.post(server.url + "/ocr", **body), 400, "ambiguous_image")


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("text", ["not base64!", "a", "<svg>", "ünïcode"])
def test_no_base64(text, content_type, server):
    arguments = sent(content_type, {"image_data": text})
    assert_error(requests.post(server.url + "/ocr", **arguments), 400, "invalid_base64")


@pytest.mark.parametrize(
    "value", [12345678, 0, 1.5, True, False, ["aGk="], [], {"a": 1}, {}, "\ud800"]
)
def test_json_image_data_that_is_no_base64(value, server):
    response = requests.post(server.url + "/ocr", json={"image_data": value})
    assert_error(response, 400, "invalid_base64")


MALFORMED = {
    "no boundary": {"data": b"x", "headers": {"content-type": "multipart/form-data"}},
    "another boundary": {
        "data": b"--c\r\n" + part(b"image_file", LINE) + b"\r\n--c--\r\n",
        "headers": {"content-type": "multipart/form-data; boundary=b"},
    },
    "no end": multipart(part(b"image_file", LINE), end=b""),
    "no field name": multipart(b"Content-Disposition: form-data\r\n\r\nx"),
    "an option twice": multipart(part(b"use_det", b"0"), part(b"use_det", b"1")),
    "too many fields": multipart(*(part(b"f%d" % i, b"x") for i in range(1000))),
    "too many pairs": {
        "data": "&".join(f"f{i}=x" for i in range(1000)),
        "headers": {"content-type": "application/x-www-form-urlencoded"},
    },
    "too many escapes": {
        "data": b"image_data=" + b"%41" * 200_000,
        "headers": {"content-type": "application/x-www-form-urlencoded"},
    },
    "broken JSON": {"data": b'{"image_data": ', "headers": {"content-type": "application/json"}},
    "JSON of no object": {"data": b"[1]", "headers": {"content-type": "application/json"}},
    "deep JSON": {"data": b"[" * 100_000, "headers": {"content-type": "application/json"}},
    "JSON in no encoding": {
        "data": b"\xff\xfe\x00",
        "headers": {"content-type": "application/json"},
    },
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_request(kind, server):
    logged = len(server.log())
    response = requests.post(server.url + "/ocr", **MALFORMED[kind])
    assert_error(response, 400, "malformed_request")
    assert not re.search("WARNING|ERROR", server.log()[logged:])


@pytest.mark.parametrize("path", ["/nothing", "/ocr/more", "/.env", "/static_content/nothing.js"])
def test_not_found(path, server):
    assert_error(server.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/ocr"), ("PUT", "/livez"), ("DELETE", "/ocr"), ("POST", "/docs"), ("POST", "/livez")],
)
def test_method_not_allowed(method, path, server):
    response = requests.request(method, server.url + path)
    assert_error(response, 405, "method_not_allowed")
    assert response.headers["allow"]


@pytest.mark.parametrize(
    "data",
    [b"plain text", LINE[:200], b"%PDF-1.7\n", b"<svg xmlns='http://www.w3.org/2000/svg'/>"],
)
def test_an_unsupported_image(data, server):
    assert_error(server.ocr(data), 415, "unsupported_image")


def test_a_float_tiff_is_refused_with_the_reason(server):
    data = encoded(Image.new("F", (40, 40), 0.5), "TIFF")
    assert "samples" in assert_error(server.ocr(data), 415, "unsupported_image")


@pytest.mark.parametrize("value", [7, 0, False, [], {}])
def test_json_image_file_of_a_wrong_type_does_not_count_as_missing(value, server):
    response = requests.post(server.url + "/ocr", json={"image_file": value, "image_data": BASE64})
    assert_error(response, 400, "ambiguous_image")
    response = requests.post(server.url + "/ocr", json={"image_file": value})
    assert_error(response, 415, "unsupported_image")


@pytest.mark.parametrize("content_type", ["urlencoded", "json"])
def test_image_file_is_a_file_part_and_nothing_else(content_type, server):
    arguments = sent(content_type, {"image_file": BASE64})
    assert_error(requests.post(server.url + "/ocr", **arguments), 415, "unsupported_image")


@pytest.mark.parametrize(
    "content_type",
    ["application/vnd.bentoml+pickle", "text/plain", "application/xml", "x", "pdf"],
)
def test_an_unsupported_media_type(content_type, server):
    headers = {"content-type": content_type}
    response = requests.post(server.url + "/ocr", data=LINE, headers=headers)
    assert_error(response, 415, "unsupported_media_type")


def test_a_body_that_is_no_page_is_named_for_what_it_looks_like(server):
    office = b"PK\3\4 a document of a word processor"  # as `curl -T` sends it
    response = requests.put(f"{server.url}/markdown", data=office, timeout=60)
    assert_error(response, 415, "unsupported_media_type")
    assert response.json()["error"].endswith("It looks like a ZIP archive or an Office document.")


@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    "content_type",
    ["image/png", "application/octet-stream", "", "application/x-www-form-urlencoded"],
)
def test_the_body_itself_may_be_the_file(method, content_type, server, line_answer):
    headers = {"content-type": content_type} if content_type else {}
    url = server.url + "/ocr?use_det=0&lang=en"
    response = requests.request(method, url, data=LINE, headers=headers)
    assert response.json() == line_answer
    assert response.headers["x-ocr-ignored"] == "lang"


@pytest.mark.parametrize("content_type", ["", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("kind", [*FORMATS, "PDF"])
def test_a_file_of_any_format_is_recognised_as_the_body(kind, content_type, server):
    """As curl sends it: -T states no content type, --data-binary that of a form."""
    data = encoded(Image.new("RGB", (60, 40), "white"), kind)
    headers = {"content-type": content_type} if content_type else {}
    response = requests.put(server.url + "/text", data=data, headers=headers)
    assert (response.status_code, response.text) == (200, "")


def test_options_of_a_file_as_the_body_are_checked(server):
    headers = {"content-type": "image/png"}
    post = partial(requests.post, data=LINE, headers=headers)
    assert_error(post(server.url + "/ocr?text_score=2"), 400, "invalid_option")
    assert_error(post(server.url + "/ocr?use_det=0&use_det=1"), 400, "malformed_request")
    refused = requests.post(server.url + "/ocr", data=b"no image", headers=headers)
    assert_error(refused, 415, "unsupported_image")


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_a_body_that_says_it_is_not_compressed_is_read(encoding, server, line_answer):
    headers = {"content-encoding": encoding}
    response = requests.post(
        server.url + "/ocr", json={"image_data": BASE64, "use_det": 0}, headers=headers
    )
    assert response.json() == line_answer


def test_a_compressed_body_is_not_unpacked(server):
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    response = requests.post(server.url + "/ocr", data=b"\x1f\x8b", headers=headers)
    assert_error(response, 415, "unsupported_media_type")


def test_a_body_that_says_it_is_too_large(server):
    assert_error(server.ocr(bytes((20 << 20) + 1)), 413, "body_too_large")


def test_a_body_that_becomes_too_large_without_a_declared_length(server):
    chunks = itertools.chain(
        [b"--b\r\n" + part(b"image_file", b"")], itertools.repeat(bytes(1 << 20), 24)
    )
    headers = {"content-type": "multipart/form-data; boundary=b"}
    response = requests.post(server.url + "/ocr", data=chunks, headers=headers)
    assert_error(response, 413, "body_too_large")


def test_a_body_of_just_the_limit_is_read(server):
    overhead = len(requests.Request("POST", server.url, files={"image_file": b""}).prepare().body)
    response = requests.post(
        server.url + "/ocr", files={"image_file": bytes((20 << 20) - overhead - 100)}
    )
    assert_error(response, 415, "unsupported_image")


def test_an_image_with_too_many_pixels(server):
    data = encoded(Image.new("1", (10_000, 5_001)))
    assert_error(server.ocr(data), 413, "image_too_large")


def test_a_url_where_a_file_belongs_is_never_fetched(server):
    asked = []

    class Trap(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(LINE)

    trap = HTTPServer(("127.0.0.1", 0), Trap)
    Thread(target=trap.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{trap.server_port}/page.png"
    for content_type in CONTENT_TYPES:
        arguments = sent(content_type, {"image_file": url})
        assert_error(requests.post(server.url + "/ocr", **arguments), 415, "unsupported_image")
        arguments = sent(content_type, {"image_data": url})
        assert_error(requests.post(server.url + "/ocr", **arguments), 400, "invalid_base64")
    trap.shutdown()
    trap.server_close()
    assert asked == []


# Images


def test_every_mode_reads_like_its_rgb_twin(server):
    page = Image.open(DATA / "line.png").convert("RGB")
    gray = page.convert("L")
    black = Image.new("RGBA", page.size, "black")
    black.putalpha(gray.point(lambda value: 255 - value))
    kinds = {
        "1-bit PNG": encoded(gray.convert("1", dither=Image.Dither.NONE)),
        "1-bit TIFF": encoded(gray.convert("1", dither=Image.Dither.NONE), "TIFF"),
        "gray": encoded(gray),
        "gray and alpha": encoded(black.convert("LA")),
        "RGB": encoded(page),
        "RGBA": encoded(black),
        "palette": encoded(page.quantize(8)),
        "palette GIF": encoded(page.quantize(8), "GIF"),
        "CMYK JPEG": encoded(page.convert("CMYK"), "JPEG"),
        "CMYK TIFF": encoded(page.convert("CMYK"), "TIFF"),
        "16-bit gray": encoded(Image.fromarray(np.asarray(gray).astype(np.uint16) * 257)),
        "WebP": encoded(page, "WEBP"),
        "BMP": encoded(page, "BMP"),
    }
    texts = {kind: server.ocr(data, **FAST).json()["0"]["rec_txt"] for kind, data in kinds.items()}
    assert texts == dict.fromkeys(kinds, "One line of text")


# Request ids


def test_every_answer_carries_a_request_id(server):
    ids = {server.get(path).headers["x-request-id"] for path in ("/livez", "/docs", "/no", "/ocr")}
    assert len(ids) == 4


@pytest.mark.parametrize("given", ["abc-123", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa-01"])
def test_a_request_id_that_is_given_is_kept(given, server):
    response = requests.get(server.url + "/livez", headers={"x-request-id": given})
    assert response.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["a b", "x" * 129, "<script>", ""])
def test_a_request_id_that_could_do_harm_is_not(given, server):
    response = requests.get(server.url + "/livez", headers={"x-request-id": given})
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])


# Probes


def test_probes_and_metrics(server):
    assert server.get("/livez").status_code == 200
    assert server.get("/readyz").status_code == 200
    metrics = server.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain")
    assert "request_duration_seconds" in metrics.text
