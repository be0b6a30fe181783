"""POST /text, and the options of whole pages over HTTP."""

from collections.abc import Iterator

import numpy as np
import pytest
import requests
from conftest import DATA, TRUTH, encoded, page_bytes
from PIL import Image
from serving import Server, serving
from test_contract import assert_error

COLUMNS = (DATA / "pages/two_columns.png").read_bytes()


@pytest.fixture(scope="module")
def standard_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("standard")) as running:
        yield running


def text(server: Server, image: bytes, **fields: object) -> requests.Response:
    files = {"image_file": ("page.png", image)}
    return requests.post(f"{server.url}/text", files=files, data=fields, timeout=120)


def turned_columns(clockwise: int) -> bytes:
    with Image.open(DATA / "pages/two_columns.png") as page:
        return encoded(page.rotate(-clockwise, expand=True))


def test_text_is_plain_text_in_utf8(server):
    response = text(server, page_bytes("chinese.png"))
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.text.split() == TRUTH["chinese.png"]
    assert text(server, page_bytes("blank.png")).text == ""


@pytest.mark.slow
def test_columns_are_read_one_after_the_other_where_that_is_asked_for(server):
    mixed, ordered = (text(server, COLUMNS, layout=layout).text for layout in ("none", "auto"))
    assert sorted(mixed.split()) == sorted(ordered.split())
    first, second = "expected. Since then sensors", "who stay awake may see"
    assert mixed.replace("\n", " ").find(second) < mixed.replace("\n", " ").find(first)
    assert ordered.replace("\n", " ").find(first) < ordered.replace("\n", " ").find(second)


@pytest.mark.slow
@pytest.mark.parametrize("clockwise", [90, 180, 270])
def test_a_turned_page_reads_as_the_upright_one(clockwise, standard_server):
    upright = text(standard_server, COLUMNS)
    response = text(standard_server, turned_columns(clockwise))
    assert response.text == upright.text
    assert response.headers["x-ocr-orientation"] == str(360 - clockwise)
    assert "x-ocr-orientation" not in upright.headers


@pytest.mark.slow
@pytest.mark.parametrize("field", [{}, {"orientation": "180"}, {"orientation": 180}])
def test_boxes_stay_in_the_frame_of_the_image_as_sent(field, standard_server):
    def boxes(image: bytes, **fields: object) -> dict[str, np.ndarray]:
        lines = standard_server.ocr(image, **fields).json().values()
        return {line["rec_txt"]: np.array(line["dt_boxes"]) for line in lines}

    upright, found = boxes(COLUMNS), boxes(turned_columns(180), **field)
    with Image.open(DATA / "pages/two_columns.png") as page:
        size = np.array(page.size)
    assert set(upright) == set(found)
    for line, box in upright.items():
        assert np.abs(size - box - found[line]).max() <= 4


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ({"orientation": "45"}, "orientation must be auto, 0, 90, 180 or 270."),
        ({"orientation": "up"}, "orientation must be auto, 0, 90, 180 or 270."),
        ({"layout": "columns"}, "layout must be auto or none."),
    ],
)
def test_a_wrong_value_is_told_what_the_option_takes(field, sentence, server):
    assert assert_error(text(server, COLUMNS, **field), 400, "invalid_option") == sentence


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "keys"),
    [
        ({"use_rec": False}, {"dt_boxes", "score"}),
        ({"use_det": False}, {"rec_txt", "score"}),
        ({"use_det": False, "use_rec": False}, {"cls_label", "score"}),
        ({"return_word_box": True}, {"rec_txt", "dt_boxes", "score", "words"}),
    ],
)
def test_the_flags_choose_what_each_entry_has(flags, keys, standard_server):
    answer = standard_server.ocr(page_bytes("line.png"), **flags).json()
    assert set(answer["0"]) == keys
