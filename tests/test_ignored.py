"""What a caller sent and the service did not read is said, and what was meant is named."""

import base64
from collections.abc import Iterator

import pytest
import requests
from conftest import DATA, encoded
from PIL import Image
from serving import Server, serving
from test_contract import BASE64, CONTENT_TYPES, FAST, LINE, assert_error, multipart, part, sent

from ocr_runtime.documents.images import ACCEPTED
from ocr_runtime.errors import UnknownField
from ocr_runtime.serving.forms import ParsedForm
from ocr_runtime.serving.validation import validate_request


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("strict"), OCR_STRICT="true") as running:
        yield running


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_an_unknown_field_is_named_in_a_header(content_type, server):
    fields = {"image_data": BASE64, **FAST, "use_dett": "1", "lang": "ch"}
    response = requests.post(f"{server.url}/ocr", **sent(content_type, fields), timeout=60)
    assert response.json()["0"]["rec_txt"] == "One line of text"
    assert response.headers["x-ocr-ignored"] == "use_dett, lang"


def test_a_query_parameter_is_named_too(server):
    url = f"{server.url}/ocr?use_det=false&empty="
    response = requests.post(url, files={"image_file": LINE}, data=FAST, timeout=60)
    assert response.headers["x-ocr-ignored"] == "use_det, empty"


def test_nothing_is_named_where_all_was_read(server):
    assert "x-ocr-ignored" not in server.ocr(LINE, **FAST).headers


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("页", "%E9%A1%B5"),
        ("", '""'),
        ("a\r\nX-Injected: 1", "a%0D%0AX-Injected%3A%201"),
        ("\ud800", "%3F"),
        ("a" * 100, "a" * 32),
        ("\U0001f600" * 100, "%F0%9F%98%80%F0%9F%98%80%F0%9F"),
    ],
)
def test_any_name_can_stand_in_the_header(name, shown, server):
    fields = {"image_data": BASE64, "use_det": False, name: 1}
    response = requests.post(f"{server.url}/ocr", json=fields, timeout=60)
    assert response.ok
    assert response.headers["x-ocr-ignored"] == shown
    assert "x-injected" not in response.headers


def test_the_header_has_a_bound(server):
    fields = {"image_data": BASE64, "use_det": False} | {f"f{i}": 1 for i in range(1000)}
    response = requests.post(f"{server.url}/ocr", json=fields, timeout=60)
    assert response.headers["x-ocr-ignored"] == ", ".join(f"f{i}" for i in range(20))


def test_it_is_named_beside_an_error(server):
    assert server.ocr(b"no image", use_dett=1).headers["x-ocr-ignored"] == "use_dett"


def test_what_is_not_read_is_refused_where_that_is_asked_for():
    form = ParsedForm({"image_data": "aGk="}, ("use_dett",))
    assert validate_request(form).data == "aGk="
    with pytest.raises(UnknownField, match=r"use_dett .* did you mean use_det\?"):
        validate_request(form, strict=True)


@pytest.mark.slow
def test_strict_refuses_it_and_says_what_was_meant(strict):
    sentence = assert_error(strict.ocr(LINE, use_dett=1), 400, "unknown_field")
    assert "use_dett" in sentence
    assert "did you mean use_det?" in sentence
    files = {"image_file": LINE}
    response = requests.post(f"{strict.url}/ocr?lang=ch", files=files, data=FAST, timeout=60)
    assert "return_word_box" in assert_error(response, 400, "unknown_field")
    assert strict.ocr(LINE, **FAST).ok


# The image under another name, or something else in its place


@pytest.mark.parametrize("name", ["file", "image", "img", "upload"])
def test_a_file_under_another_name_is_told_the_right_one(name, server):
    response = requests.post(f"{server.url}/ocr", files={name: LINE}, timeout=60)
    sentence = assert_error(response, 400, "missing_image")
    assert f"There is no image: {name} is not read here." in sentence
    assert "Send a file as image_file" in sentence


IN_PLACE_OF_A_FILE = {
    "page.png": "name of a file",
    "/home/me/page.png": "name of a file",
    "C:\\scans\\page.tif": "name of a file",
    "../page": "name of a file",
    BASE64: "base64",
    base64.urlsafe_b64encode(LINE).decode(): "base64",
    base64.encodebytes(LINE).decode(): "base64",
    "data:image/png;base64," + BASE64: "base64",
    "http://example.org/page.png": "URL",
    "s3://bucket/page.png": "URL",
    "just words": "must be a file part",
}


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("text", IN_PLACE_OF_A_FILE, ids=lambda text: text[:24])
def test_text_in_place_of_a_file_is_told_what_it_is(text, content_type, server):
    arguments = sent(content_type, {"image_file": text})
    response = requests.post(f"{server.url}/ocr", **arguments, timeout=60)
    assert IN_PLACE_OF_A_FILE[text] in assert_error(response, 415, "unsupported_image")


def test_a_url_in_place_of_base64_is_told_that_it_is_not_fetched(server):
    response = server.ocr(image_data="https://example.org/page.png")
    assert "never fetched" in assert_error(response, 400, "invalid_base64")


# The rest


@pytest.mark.parametrize("path", ["/ocr/", "/ocr"])
def test_a_slash_at_the_end_changes_nothing(path, server):
    response = requests.post(server.url + path, files={"image_file": LINE}, data=FAST, timeout=60)
    assert response.json()["0"]["rec_txt"] == "One line of text"
    assert_error(server.get(path), 405, "method_not_allowed")


def test_two_images_are_told_that_one_is_taken(server):
    twice = multipart(part(b"image_file", LINE), part(b"image_file", LINE))
    for response in (
        server.ocr(LINE, image_data=BASE64),
        requests.post(f"{server.url}/ocr", **twice, timeout=60),
    ):
        assert "This address takes one image" in assert_error(response, 400, "ambiguous_image")


def test_a_file_of_several_pages_says_how_many_it_has(server):
    page = Image.open(DATA / "line.png").convert("RGB")
    tiff = encoded(page, "TIFF", save_all=True, append_images=[page, page])
    response = server.ocr(tiff, **FAST)
    assert response.json()["0"]["rec_txt"] == "One line of text"
    assert response.headers["x-ocr-pages"] == "3"
    assert "x-ocr-pages" not in server.ocr(LINE, **FAST).headers


def test_the_formats_are_named_from_one_list(server):
    assert ACCEPTED in assert_error(server.ocr(b"no image"), 415, "unsupported_image")
    document = server.get("/docs.json").json()
    described = document["components"]["schemas"]["OCRRequest"]["properties"]["image_file"]
    assert ACCEPTED in described["description"]
