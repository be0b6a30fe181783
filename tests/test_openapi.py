"""The OpenAPI document is valid and complete, and says what the code does."""

import re

import pytest
import requests
from conftest import page_bytes
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import validate

from ocr_runtime import __version__
from ocr_runtime.errors import OF_JOBS, OCRError
from ocr_runtime.serving.requests import OCRRequest

HERE = [error for error in OCRError.__subclasses__() if error not in OF_JOBS]
HTTP_ERRORS = {error.status for error in HERE}


@pytest.fixture(scope="module")
def document(server) -> dict:
    return server.get("/docs.json").json()


@pytest.fixture(scope="module")
def operation(document) -> dict:
    return document["paths"]["/ocr"]["post"]


def test_the_document_is_valid(document):
    validate(document)
    assert document["info"]["version"] == __version__


def test_each_content_type_has_every_field_described(document, operation):
    content = dict(operation["requestBody"]["content"])
    assert content.pop("application/octet-stream")["schema"]["format"] == "binary"
    assert set(content) == {
        "multipart/form-data",
        "application/x-www-form-urlencoded",
        "application/json",
    }
    for media_type, media in content.items():
        name = media["schema"]["$ref"].rpartition("/")[2]
        fields = document["components"]["schemas"][name]["properties"]
        expected = set(OCRRequest.model_fields)
        if media_type != "multipart/form-data":
            expected -= {"image_file"}
        assert set(fields) == expected
        assert all(field["description"] for field in fields.values())
        assert all("default" not in field for field in fields.values())


def test_exactly_one_image_is_asked_for(document, operation):
    content = dict(operation["requestBody"]["content"])
    del content["application/octet-stream"]
    schema = {"components": document["components"]}
    multipart, *as_text = (
        OAS30Validator(schema | content[media_type]["schema"])
        for media_type in ("multipart/form-data", *(set(content) - {"multipart/form-data"}))
    )
    file, text = {"image_file": "x"}, {"image_data": "x"}
    assert [multipart.is_valid(each) for each in ({}, file, text, file | text)] == [0, 1, 1, 0]
    for validator in as_text:
        assert [validator.is_valid(each) for each in ({}, text, {"image_data": ""})] == [0, 1, 0]


def test_every_status_and_code_is_told(document):
    responses = document["paths"]["/read"]["post"]["responses"]
    assert set(responses) == {"200"} | {str(status) for status in HTTP_ERRORS}
    told = set()
    for status, response in responses.items():
        if status != "200":
            examples = response["content"]["application/json"]["examples"]
            told |= {example["value"]["code"] for example in examples.values()}
    assert told == {error.code for error in HERE}


def test_the_answer_is_shown_by_an_example(document, operation):
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    shown = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    assert set(shown["example"]["0"]) == {"rec_txt", "dt_boxes", "score"}
    entry = document["components"]["schemas"]["Entry"]["properties"]
    assert set(entry) == {"rec_txt", "dt_boxes", "cls_label", "score", "words"}


def test_probes_and_metrics_are_told(document):
    assert {"/livez", "/readyz", "/metrics"} <= set(document["paths"])


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_page_names_no_other_host(path, server):
    page = server.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert not re.search(r"https?://|//\w", page.text)
    for asset in re.findall(r'(?:src|href)="(.*?)"', page.text):
        assert requests.get(f"{server.url}/{asset}", timeout=10).status_code == 200


def test_what_the_document_calls_an_answer_is_what_comes(document, server):
    schema = {"$ref": "#/components/schemas/OCRAnswer", "components": document["components"]}
    validator = OAS30Validator(schema)
    answer = server.ocr(page_bytes("line.png"), use_det=False, return_word_box=True).json()
    validator.validate(answer)
    word = answer["0"]["words"][0]
    for holder, key in [(answer["0"], "score"), (word, "txt"), (word, "score"), (word, "box")]:
        value = holder.pop(key)
        assert not validator.is_valid(answer)
        holder[key] = value
    assert validator.is_valid(answer)
    assert not validator.is_valid({"0": "text"})
