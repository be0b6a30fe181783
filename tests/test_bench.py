"""The benchmark runs, on a machine of any speed: no time is asserted, only what was read."""

import re
import subprocess

import pytest
from serving import ROOT, clean_environ

pytestmark = pytest.mark.slow

FIGURES = (ROOT / "docs/benchmark.md").read_text()


def rows(text: str) -> dict[str, list[str]]:
    """The first row of each title: those of other processors come later."""
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {title.strip(): values for title, *values in reversed(cells)}


@pytest.mark.timeout(900)
def test_the_quick_benchmark_compares_what_the_systems_read():
    ended = subprocess.run(
        [ROOT / "scripts/bench", "--quick"],
        env=clean_environ(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found = rows(ended.stdout)
    titles = ["images/s, {} callers", "p50 s, {} callers", "p95 s, {} callers"]
    for title in [title.format(callers) for title in titles for callers in (1, 8)]:
        assert all(float(value.split()[0]) > 0 for value in found[title])
    original, _, exact, _ = found["lines found"]
    assert int(exact) == int(original) > 0
    wrong = [float(value) for value in found["characters wrong on the drawn pages, %"]]
    assert wrong[2] == wrong[0]
    assert wrong[3] <= wrong[2] + 0.2


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readmes_figures_are_those_of_the_benchmark(name):
    text = (ROOT / name).read_text()
    shown = re.findall(r"^\| (?:images/s|p50 s|peak memory).*\|$", text, re.MULTILINE)
    assert len(shown) == 5  # of two processors
    assert [row for row in shown if row not in FIGURES.splitlines()] == []


def test_the_benchmark_holds_what_it_promises():
    assert (ROOT / "docs/benchmark.png").read_bytes().startswith(b"\x89PNG")
    found = rows(FIGURES)
    for callers in (1, 2, 4, 8, 16):
        assert len(found[f"images/s, {callers} callers"]) == 4


def test_what_the_run_is_said_to_reach_is_what_it_has():
    found = rows(FIGURES)
    _, paddle, exact, fast = (_times(value) for value in found["images/s, 8 callers"])
    lone = _times(found["p50 s, 1 callers"][2])
    (said,) = [values for title, values in found.items() if title.startswith("this one")]
    reached = [float(value.removesuffix("x")) for value in said]
    assert reached == [exact, lone, fast, pytest.approx(fast / paddle, abs=0.01)]
    level = int(found["after 500 pages"][0]) / int(found["after 50 pages"][0])
    (more,) = re.findall(r"at most 5 % above that after 50: here it is (\d+) %", FIGURES)
    assert int(more) == round(100 * (level - 1))


def _times(value: str) -> float:
    return float(re.fullmatch(r"\S+ \((\S+)x\)", value)[1])
