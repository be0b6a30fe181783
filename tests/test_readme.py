"""What the README shows is run, in both languages."""

import json
import re
import subprocess

import numpy as np
import pytest
from conftest import TRUTH
from documentation import CHINESE, README, blocks, run, tables, without_blocks
from serving import ROOT, Server, clean_environ, free_port

pytestmark = pytest.mark.slow

SHELL = blocks(README, "sh")
PYTHON = blocks(README, "python")
MOST_WORDS = 900


def test_it_is_a_guide_not_a_reference():
    assert len(without_blocks(README).split()) <= MOST_WORDS


def test_the_commands_are_those_that_ci_runs_and_that_a_test_starts():
    assert SHELL[1] == "scripts/serve\n"
    assert SHELL[2] == "scripts/test\n"
    assert "\nscripts/test\n" in (ROOT / ".ci/run").read_text()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no checkout of git")
def test_the_first_line_makes_a_checkout(tmp_path):
    command = SHELL[0].replace("<address of this repository>", str(ROOT))
    assert command != SHELL[0]
    subprocess.run(["bash", "-ec", f"{command}test -x scripts/serve"], cwd=tmp_path, check=True)


def test_scripts_serve_serves(tmp_path):
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {SHELL[1]}"],
            cwd=ROOT,
            env=clean_environ(BENTOML_PORT=str(port)),
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    server = Server(process, port, tmp_path / "log")
    try:
        server.wait_until_ready()
        assert_answer_of_the_readme(run(["bash", "-c"], server, SHELL[4]))
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


def test_the_first_curl_line_gives_the_markdown_shown(server):
    assert run(["bash", "-c"], server, SHELL[3]) == blocks(README, "markdown")[0]


def test_the_second_curl_line_gives_the_answer_shown(server):
    assert_answer_of_the_readme(run(["bash", "-c"], server, SHELL[4]))


def test_the_json_line_reads_its_line(server):
    answer = json.loads(run(["bash", "-c"], server, SHELL[5]))
    assert answer["0"]["rec_txt"] == TRUTH["line.png"][0]


def test_the_python_block_prints_what_is_drawn(server):
    printed = run([".venv/bin/python", "-c"], server, PYTHON[0])
    assert [text for text in TRUTH["table.png"] if text not in printed] == []


def test_the_shell_line_writes_the_texts_of_a_folder(tmp_path):
    command = SHELL[6].replace("--out texts", f"--out {tmp_path}")
    assert command != SHELL[6]
    subprocess.run(["bash", "-ec", command], cwd=ROOT, env=clean_environ(), check=True)
    assert (tmp_path / "report.pdf.md").read_text() == blocks(README, "markdown")[0]


def test_every_block_is_known_here():
    assert (len(SHELL), len(PYTHON), len(blocks(README, "json"))) == (8, 1, 1)
    assert README.count("```") == 2 * 11
    assert SHELL[7] == "scripts/bench --quick\n"  # run by test_bench.py


def heads(text: str) -> list[int]:
    return [len(marks) for marks in re.findall(r"^(#+) ", without_blocks(text), re.MULTILINE)]


def test_the_chinese_readme_is_in_step():
    assert heads(CHINESE) == heads(README)
    for language in ("sh", "markdown", "python", "json"):
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
    links = [set(re.findall(r"\]\((?!README)(.*?)\)", text)) for text in (README, CHINESE)]
    assert links[0] == links[1]
