"""PaddleX's serving, with the requests that its clients send.

They are written from the examples for calling the service in the documentation of PaddleX 3.7, and
from the clients in the source of RAGFlow (`deepdoc/parser/paddleocr_parser.py`) and of
langchain-paddleocr 0.1.0.
"""

import base64
import io
import json
from typing import Any

import pytest
import requests
from conftest import KEY, TRUTH, encoded, page_bytes
from pdfs import LINE, changed, drawn, encrypted, text_page
from PIL import Image
from serving import Server

pytestmark = pytest.mark.slow

IMAGE = page_bytes("line.png")
PDF = drawn(lambda pdf: text_page(pdf, 2, "The first."), lambda pdf: text_page(pdf, 1))
PATHS = ("ocr", "layout-parsing")


def post(server: Server, path: str, content: Any, **headers: str) -> requests.Response:
    """Send JSON, also such as `requests` refuses to send."""
    headers |= {"Content-Type": "application/json"}
    body = json.dumps(content)
    return requests.post(f"{server.url}/{path}", data=body, headers=headers, timeout=60)


def infer(server: Server, path: str, file: bytes, **fields: Any) -> Any:
    """Send a file as the examples do; return the result of its answer."""
    content = {"file": base64.b64encode(file).decode("ascii")} | fields
    answer = post(server, path, content)
    assert answer.status_code == 200, answer.text
    log_id = fields.get("logId", answer.headers["X-Request-ID"])
    result = answer.json()["result"]
    assert answer.json() == {
        "logId": log_id,
        "result": result,
        "errorCode": 0,
        "errorMsg": "Success",
    }
    return result


def refused(answer: requests.Response) -> tuple[int, str]:
    """The status and the sentence of an error."""
    content = answer.json()
    assert content == {
        "logId": answer.headers["X-Request-ID"],
        "errorCode": answer.status_code,
        "errorMsg": content["errorMsg"],
    }
    return answer.status_code, content["errorMsg"]


def lines(polys: list[Any], texts: list[str], scores: list[float]) -> dict[str, Any]:
    edges = [list(zip(*poly, strict=True)) for poly in polys]
    return {
        "text_type": "general",
        "return_word_box": False,
        "dt_polys": polys,
        "rec_texts": texts,
        "rec_scores": scores,
        "rec_polys": polys,
        "rec_boxes": [[min(x), min(y), max(x), max(y)] for x, y in edges],
    }


def own_lines(server: Server) -> dict[str, Any]:
    """The lines of `IMAGE` as our own address reads them, written as PaddleX writes them."""
    found = server.ocr(IMAGE).json().values()
    polys = [[[round(x), round(y)] for x, y in line["dt_boxes"]] for line in found]
    texts = [line["rec_txt"] for line in found]
    return lines(polys, texts, [float(line["score"]) for line in found])


def rectangle(left: int, top: int, right: int, bottom: int) -> list[list[int]]:
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


PAGES = [
    lines(
        [rectangle(120, 140, 213, 166), rectangle(120, 172, 213, 198)], ["The first."] * 2, [1, 1]
    ),
    lines([rectangle(120, 140, 748, 166)], [LINE], [1]),
]
"""The lines of `PDF`, at 2 pixels for a point: they begin at 60 points from the left."""
INFO = {"numPages": 2, "pages": [{"width": 1190, "height": 1684}] * 2, "type": "pdf"}


def test_the_lines_of_an_image_are_those_of_our_own_address(compatible):
    assert infer(compatible, "ocr", IMAGE, fileType=1) == {
        "ocrResults": [{"prunedResult": own_lines(compatible)}],
        "dataInfo": {"width": 300, "height": 64, "type": "image"},
    }


def test_each_page_of_a_pdf_is_a_result_at_the_scale_of_paddlex(compatible):
    assert infer(compatible, "ocr", PDF, fileType=0) == {
        "ocrResults": [{"prunedResult": page} for page in PAGES],
        "dataInfo": INFO,
    }


def test_layout_parsing_answers_markdown_and_blocks(compatible):
    def result(page: dict[str, Any], text: str, bounds: list[int]) -> dict[str, Any]:
        block = {
            "block_label": "text",
            "block_content": text,
            "block_bbox": bounds,
            "block_id": 0,
            "block_order": 1,
        }
        return {
            "prunedResult": {
                "width": 1190,
                "height": 1684,
                "parsing_res_list": [block],
                "overall_ocr_res": page,
            },
            "markdown": {"text": text, "isStart": True, "isEnd": True, "images": {}},
        }

    assert infer(compatible, "layout-parsing", PDF) == {
        "layoutParsingResults": [
            result(PAGES[0], "The first. The first.", [120, 140, 213, 198]),
            result(PAGES[1], LINE, [120, 140, 748, 166]),
        ],
        "dataInfo": INFO,
    }


def test_ragflow_finds_blocks_at_their_places_in_points(compatible):
    """It sends these options, and halves the edges of a block to get points of the page."""
    options = {
        "fileType": 0,
        "returnMarkdownImages": False,
        "prettifyMarkdown": True,
        "showFormulaNumber": True,
        "visualize": False,
        "useDocOrientationClassify": False,
        "useDocUnwarping": False,
        "formatBlockContent": True,
        "mergeLayoutBlocks": False,
        "restructurePages": False,
    }
    pages = infer(compatible, "layout-parsing", PDF, **options)["layoutParsingResults"]
    blocks = [page["prunedResult"]["parsing_res_list"] for page in pages]
    sections = [
        (number, block["block_content"], [edge // 2 for edge in block["block_bbox"]])
        for number, some in enumerate(blocks, 1)
        for block in some
    ]
    assert sections == [
        (1, "The first. The first.", [60, 70, 106, 99]),
        (2, LINE, [60, 70, 374, 83]),
    ]


def test_headings_and_tables_are_labelled(compatible):
    def page(pdf: Any) -> None:
        pdf.set_font_size(30)
        pdf.text(60, 80, "A title")
        pdf.set_font_size(12)
        for row, cells in enumerate((("Item", "Price"), ("Tea < 1", "1.20"), ("Milk", "0.90"))):
            for column, cell in enumerate(cells):
                pdf.text(60 + 200 * column, 150 + 16 * row, cell)
        for row in range(9):
            pdf.text(60, 300 + 16 * row, LINE)

    rows = "".join(
        f"<tr><td>{item}</td><td>{price}</td></tr>"
        for item, price in (("Item", "Price"), ("Tea &lt; 1", "1.20"), ("Milk", "0.90"))
    )
    (result,) = infer(compatible, "layout-parsing", drawn(page))["layoutParsingResults"]
    blocks = result["prunedResult"]["parsing_res_list"]
    assert [(each["block_label"], each["block_content"][:200]) for each in blocks] == [
        ("doc_title", "A title"),
        (
            "table",
            f"<html><body><table>{rows}</table></body></html>",
        ),
        ("text", " ".join([LINE] * 9)[:200]),
    ]


def test_a_page_without_text_has_no_lines(compatible):
    blank = page_bytes("blank.png")
    info = {"width": 320, "height": 240, "type": "image"}
    assert infer(compatible, "ocr", blank) == {
        "ocrResults": [{"prunedResult": lines([], [], [])}],
        "dataInfo": info,
    }
    (result,) = infer(compatible, "layout-parsing", blank)["layoutParsingResults"]
    assert result["prunedResult"]["parsing_res_list"] == []
    assert result["markdown"]["text"] == ""


def test_words_and_a_picture_are_answered_if_they_are_asked_for(compatible):
    fields = {"returnWordBox": True, "visualize": True, "logId": "of the caller"}
    (result,) = infer(compatible, "ocr", IMAGE, **fields)["ocrResults"]
    found = result["prunedResult"]
    assert found["text_word"] == [TRUTH["line.png"][0].split()]
    ((left, top, right, bottom), *_), *_ = found["text_word_boxes"]
    line_left, line_top, _, line_bottom = found["rec_boxes"][0]
    assert line_left <= left < right
    assert line_top <= top < bottom <= line_bottom
    own = requests.post(f"{compatible.url}/annotated", files={"file": IMAGE}, timeout=60)
    assert base64.b64decode(result["ocrImage"]) == own.content
    fields = {"visualize": True, "returnMarkdownImages": False}
    (result,) = infer(compatible, "layout-parsing", IMAGE, **fields)["layoutParsingResults"]
    assert base64.b64decode(result["outputImages"]["overall_ocr_res"]) == own.content
    assert result["markdown"] == {"text": TRUTH["line.png"][0], "isStart": True, "isEnd": True}


def test_options_are_those_of_paddlex(compatible):
    def texts(file: bytes, **fields: Any) -> list[str]:
        (result,) = infer(compatible, "ocr", file, **fields)["ocrResults"]
        return list(result["prunedResult"]["rec_texts"])

    turned = encoded(Image.open(io.BytesIO(page_bytes("latin.png"))).rotate(180))
    assert texts(turned, useDocOrientationClassify=True) == TRUTH["latin.png"]
    from_below = texts(turned, useDocOrientationClassify=False, useTextlineOrientation=True)
    assert from_below == TRUTH["latin.png"][::-1]
    as_sent = {"useDocOrientationClassify": False, "useTextlineOrientation": False}
    assert set(texts(turned, **as_sent)).isdisjoint(TRUTH["latin.png"])
    assert texts(IMAGE, textRecScoreThresh=1) == []
    assert texts(IMAGE, textDetBoxThresh=1) == []
    ignored = {"useDocUnwarping": True, "textDetLimitSideLen": 64, "textDetLimitType": "min"}
    assert texts(IMAGE, **ignored) == TRUTH["line.png"]


def test_options_of_our_own_are_read_too(compatible):
    secret = encrypted(PDF, user="secret")
    results = infer(compatible, "ocr", secret, password="secret", pages="2")
    assert results["ocrResults"] == [{"prunedResult": PAGES[1]}]
    whole = [[0, 0], [300, 0], [300, 64], [0, 64]]
    (result,) = infer(compatible, "ocr", IMAGE, use_det=False)["ocrResults"]
    found = result["prunedResult"]
    assert found == lines([whole], TRUTH["line.png"], found["rec_scores"])
    (result,) = infer(compatible, "layout-parsing", IMAGE, use_det=False)["layoutParsingResults"]
    (block,) = result["prunedResult"]["parsing_res_list"]
    assert (block["block_content"], block["block_bbox"]) == (TRUTH["line.png"][0], [0, 0, 300, 64])
    (result,) = infer(compatible, "layout-parsing", IMAGE, use_rec=False)["layoutParsingResults"]
    assert result["prunedResult"]["overall_ocr_res"]["rec_texts"] == [""]
    assert result["prunedResult"]["parsing_res_list"] == []


def test_the_pages_of_a_tiff_are_results(compatible):
    line = Image.open(io.BytesIO(IMAGE)).convert("RGB")
    blank = Image.new("RGB", (200, 100), "white")
    file = encoded(line, "TIFF", save_all=True, append_images=[blank])
    assert infer(compatible, "ocr", file, fileType=1) == {
        "ocrResults": [
            {"prunedResult": own_lines(compatible)},
            {"prunedResult": lines([], [], [])},
        ],
        "dataInfo": {
            "numPages": 2,
            "pages": [{"width": 300, "height": 64}, {"width": 200, "height": 100}],
            "type": "tiff",
        },
    }


def test_a_page_that_cannot_be_read_is_named_and_the_others_are_there(compatible):
    def damage(pdf: Any) -> None:
        pdf.pages[0].obj.MediaBox = [0, 0, 1e7, 1e7]

    broken = changed(PDF, damage)
    results = infer(compatible, "ocr", broken)
    failed = results["ocrResults"][0]["prunedResult"]
    assert failed == lines([], [], []) | {"code": "image_too_large", "error": failed["error"]}
    assert results["ocrResults"][1] == {"prunedResult": PAGES[1]}
    assert results["dataInfo"]["pages"] == [{"width": 0, "height": 0}, INFO["pages"][1]]
    parsed = infer(compatible, "layout-parsing", broken)["layoutParsingResults"]
    assert parsed[0]["markdown"]["text"].startswith("> page 1 was not read: ")
    assert parsed[1]["markdown"]["text"] == LINE


@pytest.mark.parametrize("path", PATHS)
def test_urls_are_never_fetched(compatible, path):
    answer = post(compatible, path, {"file": "http://localhost/a.png", "fileType": 1})
    sentence = "file holds a URL. URLs are never fetched: send the file itself."
    assert refused(answer) == (400, sentence)


WORD = base64.b64encode(b"PK\3\4 a document of a word processor").decode()
NO_FILE = "There is no file: send the base64 of a file."


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("fields", "status", "sentence"),
    [
        ({"file": ""}, 400, "file is empty: send the base64 of a file."),
        ({"file": None, "fileType": 1}, 400, NO_FILE),
        ({"file": 5}, 400, "file must be text: the base64 of a file."),
        ({"file": ["x"]}, 400, "file must be text: the base64 of a file."),
        ({"file": "?!"}, 400, "file is not base64."),
        ({"file": "\ud800"}, 400, "file is not base64."),
        ({"file": "data:image/png;base64,"}, 400, "file is empty: send the base64 of a file."),
        ({"file": WORD}, 415, None),
        ({"file": base64.b64encode(encrypted(PDF, user="u")).decode()}, 400, None),
        ({"textRecScoreThresh": 2}, 400, "textRecScoreThresh must be a number from 0 to 1."),
        ({"textDetBoxThresh": float("nan")}, 400, "textDetBoxThresh must be a number from 0 to 1."),
        ({"textDetUnclipRatio": 10**400}, 400, "textDetUnclipRatio must be a number from 1 to 4."),
        ({"useTextlineOrientation": "perhaps"}, 400, None),
        ({"useDocOrientationClassify": {}}, 400, None),
        ({"visualize": [1]}, 400, "visualize must be true or false."),
        ({"logId": 1}, 400, "logId must be text."),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_as_paddlex_does(compatible, path, fields, status, sentence):
    content = {"file": base64.b64encode(IMAGE).decode()} | fields
    found, said = refused(post(compatible, path, content))
    assert found == status
    assert sentence in (None, said)


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"\xff",
        b'{"file":',
        b'{"file":' + b"[" * 100_000,
        b'{"file": "a"' + b"," * 9**5,
    ],
    ids=lambda body: repr(body[:20]),
)
def test_a_body_that_is_not_a_json_object_is_refused(compatible, body):
    headers = {"Content-Type": "application/json"}
    answer = requests.post(
        f"{compatible.url}/layout-parsing", data=body, headers=headers, timeout=60
    )
    assert refused(answer)[0] == 400
    assert "Traceback" not in compatible.log()


def test_our_own_contract_at_the_same_address_stays_as_it_is(compatible):
    text = base64.b64encode(IMAGE).decode()
    own = compatible.ocr(IMAGE).json()
    assert post(compatible, "ocr", {"image_data": text}).json() == own
    assert post(compatible, "ocr", {"image_data": text, "file": text}).json() == own
    assert compatible.ocr(None, image_data=text, file=text).json() == own
    for content in ({}, {"layout": "file"}, {"layout": '"file": 1'}):
        assert post(compatible, "ocr", content).json()["code"] == "missing_image"


def test_the_key_is_sent_as_a_token_or_a_bearer_token(compatible_keyed):
    content = {"file": base64.b64encode(IMAGE).decode(), "fileType": 1}
    wrong = post(compatible_keyed, "layout-parsing", content, Authorization="token wrong-key")
    assert refused(wrong)[0] == 401
    own = post(compatible_keyed, "ocr", content)  # refused before the body is looked at
    assert (own.status_code, own.json()["code"]) == (401, "unauthorized")
    for path in PATHS:
        for scheme in ("token", "Bearer"):
            assert post(compatible_keyed, path, content, Authorization=f"{scheme} {KEY}").ok
