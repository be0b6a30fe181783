"""Documents over HTTP: every input, every output, one page or many, and what is wrong with them."""

import base64
import io
import json
import zipfile

import pytest
import requests
from conftest import DATA, TRUTH, encoded, page_bytes
from fpdf import FPDF
from pdfs import encrypted
from PIL import Image
from serving import serving
from test_contract import assert_error

from ocr_runtime.serving.endpoints import ENDPOINTS
from ocr_runtime.serving.negotiation import chosen

RECEIPT = (DATA / "pages/receipt.png").read_bytes()
LINE = page_bytes("line.png")
OUTPUTS = {each.name: each for each in ENDPOINTS if each.is_output}


def scanned(*pages: bytes) -> bytes:
    """A PDF of scanned pages."""
    pdf = FPDF()
    for page in pages:
        pdf.add_page()
        pdf.image(io.BytesIO(page), x=10, y=10, w=190)
    return bytes(pdf.output())


def written(*texts: str) -> bytes:
    """A PDF whose pages have text of their own."""
    pdf = FPDF()
    pdf.set_font("Helvetica", size=16)
    for text in texts:
        pdf.add_page()
        pdf.multi_cell(0, 10, text)
    return bytes(pdf.output())


def frames(kind: str, *pages: bytes) -> bytes:
    """A TIFF or GIF of several pages, all of one size."""
    images = [Image.open(io.BytesIO(page)).convert("RGB") for page in pages]
    size = max(image.width for image in images), max(image.height for image in images)
    first, *others = (Image.new("RGB", size, "white") for _ in images)
    for canvas, image in zip([first, *others], images, strict=True):
        canvas.paste(image)
    return encoded(first, kind, save_all=True, append_images=others)


@pytest.fixture
def post(server):
    def send(output: str, data: bytes, **query: object) -> requests.Response:
        headers = {"content-type": "application/octet-stream"}
        url = f"{server.url}/{output}"
        return requests.post(url, data=data, params=query, headers=headers, timeout=120)

    return send


TWO = {
    "PDF": lambda: scanned(LINE, page_bytes("chinese.png")),
    "TIFF": lambda: frames("TIFF", LINE, page_bytes("chinese.png")),
    "GIF": lambda: frames("GIF", LINE, page_bytes("chinese.png")),
}
TEXT_OF_TWO = [TRUTH["line.png"], TRUTH["chinese.png"]]


@pytest.mark.parametrize("kind", TWO)
def test_all_pages_of_a_document_are_read(kind, post):
    answer = post("text", TWO[kind]())
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-ocr-pages"] == "2"
    assert [page.split("\n")[:-1] for page in answer.text.split("\f")] == TEXT_OF_TWO


@pytest.mark.parametrize("kind", TWO)
def test_pages_chooses_some(kind, post):
    answer = post("text", TWO[kind](), pages="2")
    assert answer.text.splitlines() == TEXT_OF_TWO[1]
    assert answer.headers["x-ocr-pages"] == "2"
    assert "3" in assert_error(post("text", TWO[kind](), pages="3"), 400, "invalid_option")


@pytest.mark.parametrize("name", ["file", "image_file", "document_file"])
def test_a_file_part_has_three_names(name, server):
    url = f"{server.url}/text"
    answer = requests.post(url, files={name: LINE}, data={"use_det": "0"}, timeout=60)
    assert answer.text.splitlines() == TRUTH["line.png"]
    assert "x-ocr-ignored" not in answer.headers


@pytest.mark.parametrize(
    "form",
    [
        {"files": {"file": LINE}},
        {"files": {"file": LINE}, "data": {"use_det": "0"}},
        {"data": {"data": base64.b64encode(LINE)}},
        {"json": {"data": base64.b64encode(LINE).decode()}},
    ],
)
def test_options_may_stand_in_the_address_beside_a_form(form, server):
    def answer(query):
        return requests.post(f"{server.url}/text?{query}", **form, timeout=60)

    assert "pages asks for 9" in assert_error(answer("pages=9"), 400, "invalid_option")
    assert answer("pages=1&lang=ch").headers["x-ocr-ignored"] == "lang"
    assert answer("pages=1&data=aGk=&lang=ch").headers["x-ocr-ignored"] == "data, lang"
    if "use_det" in form.get("data", ()):
        twice = answer("use_det=1")
        assert "use_det was sent more than once" in assert_error(twice, 400, "malformed_request")


@pytest.mark.parametrize("name", ["data", "image_data"])
@pytest.mark.parametrize("how", ["data", "json"])
def test_base64_has_two_names(name, how, server):
    fields = {name: base64.b64encode(LINE).decode(), "use_det": "0"}
    answer = requests.post(f"{server.url}/text", **{how: fields}, timeout=60)
    assert answer.text.splitlines() == TRUTH["line.png"]


def test_a_pdfs_own_text_is_taken_unless_it_is_not_wanted(post):
    pdf = written("A page that brings its own text.", "And a second one.")
    entries = {
        layer: post("pages", pdf, text_layer=layer).json()["pages"]
        for layer in ("auto", "never", "only")
    }
    for pages in entries.values():
        texts = [
            row[0]["text"] for page in pages for block in page["blocks"] for row in block["rows"]
        ]
        assert texts == ["A page that brings its own text.", "And a second one."]
    scores = {
        layer: {
            row[0]["score"] for page in pages for block in page["blocks"] for row in block["rows"]
        }
        for layer, pages in entries.items()
    }
    assert scores["auto"] == scores["only"] == {1.0}
    assert max(scores["never"]) < 1.0
    assert post("text", scanned(LINE), text_layer="only").text == ""


def test_a_broken_page_loses_nothing_of_the_others(post):
    tiff = _with_a_bad_second_page(frames("TIFF", LINE, LINE, LINE))
    answer = post("pages", tiff).json()["pages"]
    assert [page["number"] for page in answer] == [1, 2, 3]
    assert answer[1] == {
        "number": 2,
        "code": "unsupported_image",
        "error": answer[1]["error"],
    }
    assert [len(answer[i]["blocks"]) for i in (0, 2)] == [1, 1]
    text = post("text", tiff).text.split("\f")
    assert text[0] == text[2] == "One line of text\n"
    assert text[1] == f"[page 2 was not read: {answer[1]['error']}]\n"


def _with_a_bad_second_page(tiff: bytes) -> bytes:
    """Give the second directory of a TIFF a compression that does not exist."""
    order = "little" if tiff[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], order)

    first = number(4, 4)
    second = number(first + 2 + 12 * number(first, 2), 4)
    entries = [second + 2 + 12 * i for i in range(number(second, 2))]
    (compression,) = [entry for entry in entries if number(entry, 2) == 259]
    return tiff[: compression + 8] + (999).to_bytes(2, order) + tiff[compression + 10 :]


@pytest.mark.parametrize("name", OUTPUTS)
def test_every_output_reads_an_image(name, post):
    answer = post(name, LINE)
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == OUTPUTS[name].media_type
    if OUTPUTS[name].answer is not bytes:
        assert "line" in answer.text


@pytest.mark.parametrize("name", OUTPUTS)
def test_accept_chooses_the_output(name, server):
    headers = {
        "accept": f"audio/ogg, {OUTPUTS[name].media_type};q=0.5",
        "content-type": "image/png",
    }
    chosen_one = requests.post(f"{server.url}/read", data=LINE, headers=headers, timeout=60)
    del headers["accept"]
    direct = requests.post(f"{server.url}/{name}", data=LINE, headers=headers, timeout=60)
    assert chosen_one.headers["content-type"] == direct.headers["content-type"]
    if OUTPUTS[name].answer is not bytes:
        assert chosen_one.content == direct.content


def test_what_no_output_is_cannot_be_had(server):
    headers = {"accept": "audio/ogg, text/plain;q=0", "content-type": "image/png"}
    answer = requests.post(f"{server.url}/read", data=LINE, headers=headers, timeout=60)
    assert "text/markdown" in assert_error(answer, 406, "not_acceptable")
    assert_error(requests.get(f"{server.url}/read", timeout=60), 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "text/plain"),
        ("", None),
        ("text/markdown", "text/markdown"),
        ("text/*;q=0.5, application/json", "application/json"),
        ("text/plain;q=0.1, text/markdown;q=0.2", "text/markdown"),
        ("*/*, text/plain;q=0", "text/markdown"),
        ("application/pdf;q=x, text/*", "text/plain"),
        ("TEXT/MARKDOWN ; Q=1", "text/markdown"),
        ("video/mp4", None),
    ],
)
def test_the_header_is_read_as_rfc_9110_says(accept, expected):
    assert chosen(accept, ["text/plain", "text/markdown", "application/json"]) == expected


LETTER = "Dear reader, this is a letter."
NO_STAGE = dict.fromkeys(("use_det", "use_cls", "use_rec"), False)
BAD = {
    "no file": (b"", {}, 400, "missing_image"),
    "plain text": (b"only some text, no document", {}, 415, "unsupported_document"),
    "a broken PDF": (b"%PDF-1.7\nnothing", {}, 415, "unsupported_document"),
    "a broken PNG": (LINE[:60], {}, 415, "unsupported_image"),
    "dpi out of range": (LINE, {"dpi": 71}, 400, "invalid_option"),
    "dpi that is no number": (LINE, {"dpi": "fine"}, 400, "invalid_option"),
    "pages that are none": (LINE, {"pages": "one"}, 400, "invalid_option"),
    "an unknown text layer": (LINE, {"text_layer": "maybe"}, 400, "invalid_option"),
    "nothing to do": (LINE, NO_STAGE, 400, "invalid_option"),
    "nothing to do with several pages": (
        scanned(LINE, LINE),
        NO_STAGE | {"text_layer": "never"},
        400,
        "invalid_option",
    ),
}


@pytest.mark.parametrize("name", ["text", "pages", "annotated"])
@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_a_clear_error(case, name, post):
    data, query, status, code = BAD[case]
    assert_error(post(name, data, **query), status, code)


@pytest.mark.slow
@pytest.mark.parametrize("password", ["null", '"quoted"', '"', "geheim"])
def test_a_password_is_taken_as_it_is_sent(password, server):
    data = encrypted(written(LETTER), user=password)
    url, file = f"{server.url}/text", {"file": data}
    answers = [
        requests.post(url, data={"password": password}, files=file),
        requests.post(url, data={"password": password, "data": base64.b64encode(data)}),
        requests.put(url, data=data, params={"password": password}),
    ]
    assert [LETTER in answer.text for answer in answers] == [True] * 3


@pytest.mark.slow
@pytest.mark.parametrize("password", ["null", '"quoted"', "geheim"])
def test_a_password_of_bentomls_client_is_the_one_that_it_was_given(password, server):
    """Which sends it as JSON, and no password as null."""
    url = f"{server.url}/text"

    def post(password: str | None) -> requests.Response:
        return requests.post(url, data={"password": json.dumps(password)}, files={"file": data})

    data = encrypted(written(LETTER), user=password)
    assert LETTER in post(password).text
    assert_error(post("wrong"), 400, "wrong_password")
    if password != "null":
        assert_error(post(None), 400, "password_required")


def test_one_page_is_a_picture_and_several_are_a_zip_of_pictures(post):
    pdf = scanned(LINE, LINE, LINE)
    one = post("annotated", pdf, pages="2", dpi=72)
    assert one.headers["content-type"] == "image/png"
    assert abs(Image.open(io.BytesIO(one.content)).width - 595) <= 2
    many = post("annotated", pdf, pages="2-", dpi=72)
    assert many.headers["content-type"] == "application/zip"
    assert many.headers["transfer-encoding"] == "chunked"
    entries = unzipped(many.content)
    assert list(entries) == ["page-0002.png", "page-0003.png"]
    assert entries["page-0002.png"] == one.content


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        assert file.testzip() is None
        return {name: file.read(name) for name in file.namelist()}


def test_a_page_without_a_picture_is_told_in_the_zip(post):
    tiff = _with_a_bad_second_page(frames("TIFF", LINE, LINE, LINE))
    error = post("pages", tiff).json()["pages"][1]["error"]
    entries = unzipped(post("annotated", tiff).content)
    assert list(entries) == ["page-0001.png", "page-0002.txt", "page-0003.png"]
    assert entries["page-0002.txt"].decode() == f"{error}\n"
    assert entries["page-0001.png"] == entries["page-0003.png"] == post("annotated", LINE).content


def test_a_zip_may_be_asked_for_by_accept(server):
    headers = {"accept": "application/zip", "content-type": "image/tiff"}
    tiff = frames("TIFF", LINE, LINE)
    answer = requests.post(f"{server.url}/read", data=tiff, headers=headers, timeout=60)
    assert answer.headers["content-type"] == "application/zip"
    assert list(unzipped(answer.content)) == ["page-0001.png", "page-0002.png"]


def test_curl_sends_a_file_as_the_readme_says(server):
    answer = requests.put(f"{server.url}/markdown", data=scanned(RECEIPT), timeout=120)
    assert answer.headers["content-type"] == "text/markdown; charset=utf-8"
    assert "CORNER MARKET" in answer.text


def test_json_is_whole_when_it_is_streamed(post):
    answer = post("pages", scanned(*3 * [LINE]))
    assert answer.headers["transfer-encoding"] == "chunked"
    assert [page["number"] for page in json.loads(answer.content)["pages"]] == [1, 2, 3]


@pytest.mark.slow
def test_what_is_late_of_a_streamed_answer_is_said_in_it_and_else_is_an_error(tmp_path):
    pages = [page_bytes("dense.jpg")] * 40
    tiff = frames("TIFF", *pages)
    headers = {"content-type": "image/tiff"}
    with serving(tmp_path, OCR_TIMEOUT_SECONDS="5") as running:
        streamed = requests.post(f"{running.url}/text", data=tiff, headers=headers, timeout=120)
        whole = requests.post(f"{running.url}/pdf", data=tiff, headers=headers, timeout=120)
    first, *_, last = streamed.text.split("\f")
    assert streamed.status_code == 200
    assert len(streamed.text.split("\f")) == 40
    assert "was not read" not in first
    assert last.startswith("[page 40 was not read: There was no time left")
    assert "POST /jobs" in last
    assert_error(whole, 504, "timeout")
