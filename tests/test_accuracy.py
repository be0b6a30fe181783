"""scripts/accuracy measures and shows; no time is asserted."""

import subprocess
import sys

import pytest
from conftest import DATA, TRUTH, encoded
from PIL import Image
from serving import ROOT, clean_environ

from scripts.measuring.measures import count, rates

LINES = ["Rye bread 750 g 3.49", "Apples 1.240 kg 3.71", "Cash 30.00"]


def measured(read, truth=LINES):
    return rates(count(truth, read))


def run(*arguments):
    return subprocess.run(
        [sys.executable, ROOT / "scripts/accuracy", *arguments],
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_page_read_right_has_nothing_wrong():
    right = {"unread": 0, "disordered": 0, "words": 100, "lost": 0, "added": 0}
    assert measured(LINES) == right
    assert measured(["", "Rye  bread 750 g 3.49 ", *LINES[1:]]) == right


def test_another_order_is_no_character_wrong():
    found = measured(LINES[::-1])
    assert found.pop("disordered") > 50
    assert found == {"unread": 0, "words": 100, "lost": 0, "added": 0}


def test_a_character_is_counted_as_lost_and_as_too_many():
    found = measured(["Rye bread 750 g 3.49", "Apples 1.240 kg 3.77", "Cash 30.00"])
    characters = sum(len(line.replace(" ", "")) for line in LINES)
    assert found["unread"] == pytest.approx(100 / characters)
    assert found["disordered"] == pytest.approx(100 / len(" ".join(LINES)))
    assert found["words"] == pytest.approx(100 * 10 / 11)


def test_spaces_are_counted_in_lines_that_were_read():
    found = measured(["Ryebread 750 g 3.49", "Apples 1. 240 kg 3.71", "nothing"])
    spaces = sum(line.count(" ") for line in LINES[:2])
    assert (found["lost"], found["added"]) == (100 / spaces, 100 / spaces)


def test_each_chinese_character_is_a_word():
    assert measured(["今天 天气"], ["今天天气"])["words"] == 100
    assert measured(["用Python"], ["用 Python"])["words"] == 100


def test_nothing_read_is_nothing_right():
    assert measured([]) == {"unread": 100, "disordered": 100, "words": 0, "lost": 0, "added": 0}
    assert measured([], [])["unread"] == 0


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_images_of_a_folder_are_measured_in_each_way(tmp_path):
    line = Image.open(DATA / "line.png")
    for name, image in {"upright.png": line, "turned.jpg": line.rotate(180)}.items():
        kind = "PNG" if name.endswith("png") else "JPEG"
        (tmp_path / name).write_bytes(encoded(image.convert("RGB"), kind))
        (tmp_path / name).with_suffix(".txt").write_text("\n".join(TRUTH["line.png"]))
    ended = run("--images", tmp_path)
    assert ended.returncode == 0, ended.stderr
    head, _, *rows = [row.strip("| ").split(" | ") for row in ended.stdout.splitlines() if row]
    assert head[0] == "characters not read, %"
    assert head[-2:] == ["seconds a page", "times those of `exact`"]
    assert [row[0].partition("`,")[0].strip("`") for row in rows] == [
        *4 * ["exact"],
        *4 * ["standard"],
        "fast",
    ]
    assert all(len(row) == len(head) + 1 for row in rows)
    assert [float(cell) for cell in rows[4][1:4]] == [0, 0, 100]
    assert rows[0][-1] == "1.00"


def test_a_folder_without_texts_is_refused(tmp_path):
    (tmp_path / "line.png").write_bytes((DATA / "line.png").read_bytes())
    ended = run("--images", tmp_path)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"{tmp_path}: no image has a .txt of its name beside it\n"
