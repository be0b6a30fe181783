"""What the README shows is run, what it lists is what the code has, in both languages."""

import json
import re
import subprocess

import numpy as np
import pytest
from conftest import TRUTH
from omegaconf import OmegaConf
from rapidocr.main import DEFAULT_CFG_PATH
from serving import ROOT, Server, clean_environ, free_port

from ocr_runtime.errors import OCRError
from ocr_runtime.serving.requests import OCRRequest
from ocr_runtime.settings import Settings

README = (ROOT / "README.md").read_text()
CHINESE = (ROOT / "README.zh-CN.md").read_text()
ADDRESS = "http://localhost:3000"


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def tables(text: str) -> list[list[list[str]]]:
    """The tables' rows of cells, without the head and the rule."""
    found = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|\n ").split(" | ")] for line in table.splitlines()][
            2:
        ]
        for table in found
    ]


def table(text: str, first: str) -> list[list[str]]:
    """The table whose first row begins with this cell."""
    return next(rows for rows in tables(text) if rows[0][0] == first)


SHELL = blocks(README, "sh")
PYTHON = blocks(README, "python")


def run(command: list[str], server: Server, source: str) -> str:
    ended = subprocess.run(
        [*command, source.replace(ADDRESS, server.url)],
        cwd=ROOT,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_two_commands_are_those_that_ci_runs_and_that_a_test_starts():
    assert SHELL[0] == "scripts/serve\n"
    assert SHELL[2] == "scripts/test\n"
    assert "\nscripts/test\n" in (ROOT / ".ci/run").read_text()


def test_scripts_serve_serves(tmp_path):
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {SHELL[0]}"],
            cwd=ROOT,
            env=clean_environ(BENTOML_PORT=str(port)),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, port, tmp_path / "log")
    try:
        server.wait_until_ready()
        assert_answer_of_the_readme(run(["bash", "-c"], server, SHELL[1]))
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_arguments_of_scripts_serve_go_to_bentoml():
    ended = subprocess.run(
        [ROOT / "scripts/serve", "--help"], env=clean_environ(), capture_output=True, check=True
    )
    assert b"bentoml serve [OPTIONS]" in ended.stdout


def assert_answer_of_the_readme(answer: str) -> None:
    shown, given = json.loads(blocks(README, "json")[0]), json.loads(answer)
    assert list(given) == list(shown)
    for number, entry in given.items():
        assert entry["rec_txt"] == shown[number]["rec_txt"]
        assert np.abs(np.subtract(entry["dt_boxes"], shown[number]["dt_boxes"])).max() <= 1
        assert abs(float(entry["score"]) - float(shown[number]["score"])) < 0.001


def test_the_curl_line_gives_the_answer_shown(server):
    assert_answer_of_the_readme(run(["bash", "-c"], server, SHELL[1]))


def test_the_json_line_reads_its_line(server):
    answer = json.loads(run(["bash", "-c"], server, SHELL[3]))
    assert answer["0"]["rec_txt"] == TRUTH["line.png"][0]


@pytest.mark.parametrize(
    ("number", "texts"), [(0, TRUTH["table.png"]), (1, TRUTH["line.png"]), (2, TRUTH["line.png"])]
)
def test_the_python_blocks_print_what_is_drawn(number, texts, server):
    printed = run([".venv/bin/python", "-c"], server, PYTHON[number])
    assert [text for text in texts if text not in printed] == []


def test_every_block_is_known_here():
    assert (len(SHELL), len(PYTHON), len(blocks(README, "json"))) == (10, 3, 1)
    assert README.count("```") == 2 * 14
    assert SHELL[4] == "scripts/bench --quick\n"  # run by test_bench.py
    assert SHELL[5].startswith("BENTOML_CONFIG_OPTIONS=")  # run by test_metrics.py
    setup = "scripts/setup\nexport PATH=$PWD/.venv/bin:$PATH\n"  # run by scripts/image
    assert SHELL[6] == f"{setup}bentoml build\nbentoml serve rapidocr:latest\n"  # e2e/test_bento.py
    assert SHELL[7] == "bentoml build\nbentoml containerize rapidocr:latest\n"
    arguments = SHELL[8].removeprefix("docker build ")  # run by scripts/image, then tested
    assert f"docker build --network=host {arguments}" in (ROOT / "scripts/image").read_text()
    assert SHELL[9].startswith("docker run ")  # run by e2e/test_image.py


def bounds(schema: dict) -> str:
    options = [schema, *schema.get("anyOf", [])]
    if any(option.get("format") == "file-path" for option in options):
        return "a file"
    if schema.get("type") == "array":
        return "a list"
    if schema.get("type") == "boolean":
        return "true or false"
    if "enum" in schema:
        return " or ".join(schema["enum"])
    numbers = next(option for option in options if "maximum" in option)
    if "exclusiveMinimum" in numbers:
        return f"above {numbers['exclusiveMinimum']:g} to {numbers['maximum']:g}"
    return f"{numbers['minimum']} to {numbers['maximum']}"


def shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    return "-" if default in (None, []) else str(default)


def settings_rows() -> list[list[str]]:
    properties = Settings.model_json_schema()["properties"]
    return [
        [
            f"`{name}`",
            shown(properties[name].get("default")),
            bounds(properties[name]),
            properties[name]["description"],
        ]
        for name in Settings.variables()
    ]


def test_the_settings_are_those_of_the_code():
    assert table(README, "`det_model_path`") == settings_rows()
    names_and_defaults = [row[:2] for row in settings_rows()]
    assert [row[:2] for row in table(CHINESE, "`det_model_path`")] == names_and_defaults


def test_the_fields_are_those_of_the_code():
    assert [row[0] for row in table(README, "`image_file`")] == [
        f"`{name}`" for name in OCRRequest.model_fields
    ]


def test_the_defaults_of_the_options_are_rapidocrs():
    config = OmegaConf.load(DEFAULT_CFG_PATH)
    shown = config.Global.text_score, config.Det.box_thresh, config.Det.unclip_ratio
    for text in (README, CHINESE):
        numbers = re.search(
            r"`text_score` ([\d.]+)\D+`box_thresh` ([\d.]+)\D+`unclip_ratio` ([\d.]+)", text
        )
        assert tuple(map(float, numbers.groups())) == shown
    stages = config.Global.use_det, config.Global.use_cls, config.Global.use_rec
    words = config.Global.return_word_box, config.Global.return_single_char_box
    assert (stages, words) == ((True, True, True), (False, False))


def test_the_errors_are_those_of_the_code():
    assert [(row[0], row[1]) for row in table(README, "400")] == [
        (str(error.status), f"`{error.code}`") for error in OCRError.__subclasses__()
    ]


def test_the_addresses_answer(server):
    for row in table(README, "`/livez`"):
        for path in re.findall("`(.*?)`", row[0]):
            assert server.get(path).status_code == 200


def test_links_lead_somewhere():
    for text in (README, CHINESE):
        for link in re.findall(r"\]\((?!http)(.*?)\)", text):
            assert (ROOT / link).exists(), link


def heads(text: str) -> list[int]:
    without_blocks = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    return [len(marks) for marks in re.findall(r"^(#+) ", without_blocks, re.MULTILINE)]


def test_the_chinese_readme_is_in_step():
    assert heads(CHINESE) == heads(README)
    for language in ("sh", "python", "json"):
        assert blocks(CHINESE, language) == blocks(README, language)
    ours, theirs = tables(README), tables(CHINESE)
    assert [[len(row) for row in rows] for rows in theirs] == [
        [len(row) for row in rows] for rows in ours
    ]
    for rows, translated in zip(ours, theirs, strict=True):
        for row, twin in zip(rows, translated, strict=True):
            for cell, other in zip(row, twin, strict=True):
                assert sorted(re.findall("`.*?`", other)) == sorted(re.findall("`.*?`", cell))
    assert len(re.findall(r"^- ", CHINESE, re.MULTILINE)) == len(
        re.findall(r"^- ", README, re.MULTILINE)
    )
