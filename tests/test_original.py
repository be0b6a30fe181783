"""Every call that the documentation of rapidocr_api shows, unchanged but for the address."""

import base64
import subprocess

import pytest
import requests
from conftest import DATA, TRUTH
from serving import program

IMAGE = str(DATA / "table.png")


def texts(answer: dict) -> list[str]:
    assert list(answer) == [str(number) for number in range(len(answer))]
    for line in answer.values():
        assert set(line) == {"rec_txt", "dt_boxes", "score"}
        assert isinstance(line["score"], str)
    return [line["rec_txt"] for line in answer.values()]


@pytest.fixture
def url(server) -> str:
    return f"{server.url}/ocr"


def test_curl(url):
    command = [program("curl"), "--silent", "-F", f"image_file=@{IMAGE}", url]
    answered = subprocess.run(command, capture_output=True, check=True).stdout
    assert texts(requests.models.complexjson.loads(answered)) == TRUTH["table.png"]


def test_python_with_a_file_labelled_png_whatever_it_is(url):
    img_path = str(DATA / "dense.jpg")
    with open(img_path, "rb") as f:
        file_dict = {"image_file": (img_path, f, "image/png")}
        response = requests.post(url, files=file_dict, timeout=60)
    assert texts(response.json()) == TRUTH["dense.jpg"]


def test_python_with_base64(url):
    with open(IMAGE, "rb") as fa:
        img_str = base64.b64encode(fa.read())
    response = requests.post(url, data={"image_data": img_str}, timeout=60)
    assert texts(response.json()) == TRUTH["table.png"]


def test_python_with_options(url):
    with open(str(DATA / "line.png"), "rb") as f:
        file_dict = {"image_file": (IMAGE, f, "image/png")}
        data = {"use_det": False, "use_cls": True, "use_rec": True}
        response = requests.post(url, files=file_dict, data=data, timeout=60)
    assert response.json()["0"]["rec_txt"] == TRUTH["line.png"][0]


def test_the_documentation_at_docs(server):
    assert "swagger-ui" in server.get("/docs").text
