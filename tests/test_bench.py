"""The benchmark runs, on a machine of any speed: no time is asserted, only what was read."""

import re
import subprocess

import pytest
from serving import ROOT, clean_environ

from scripts.benchmark import report

pytestmark = pytest.mark.slow

FIGURES = (ROOT / "docs/benchmark.md").read_text()
SYSTEMS = [
    "rapidocr_api 0.2.0",
    "faster-paddle 1.0.4",
    "ours, exact",
    "ours, standard",
    "ours, fast",
]


def rows(text: str) -> dict[str, list[str]]:
    """The first row of each title: those of other processors come later."""
    cells = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {title.strip(): [*map(str.strip, values)] for title, *values in reversed(cells)}


def section(title: str) -> str:
    """The part of docs/benchmark.md below a heading of the second level."""
    return FIGURES.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def of_systems(text: str, title: str) -> dict[str, str]:
    """The first row of a title, by system: the runs shown may be older than a profile."""
    found = rows(text)
    return dict(zip(found[""], found[title], strict=True))


@pytest.mark.parametrize(
    ("lines", "row"),
    [
        ({"exact": ["ab"], "standard": ["a b"], "fast": ["a b"]}, "| a.png | `ab` | exact |"),
        ({"exact": [], "standard": ["a"], "fast": ["a"]}, "| a.png | `a` | standard, fast |"),
    ],
)
def test_the_report_says_which_profiles_read_a_line(lines, row):
    found = {name: {"a.png": read} for name, read in lines.items()}
    assert row in report._differences(found).splitlines()


def test_the_report_has_a_column_for_each_system():
    measured = dict.fromkeys(["rate 1", "p50 1", "p95 1", "peak", "start", "cer"], 1.0)
    names = list(report.LABELS)
    table = report.table(
        {
            "callers": [1],
            "systems": dict.fromkeys(names, measured),
            "lines": {name: {"a.png": ["a"]} for name in names},
        }
    )
    assert {len(values) for values in rows(table).values()} == {len(SYSTEMS)}
    assert rows(table)[""] == SYSTEMS


def test_a_run_replaces_the_figures_of_its_processor_and_leaves_the_others(tmp_path, monkeypatch):
    page = tmp_path / "benchmark.md"
    page.write_text(f"before\n{report.BEGIN}## Other, 4 cores\nold\n## This, 2 cores\nold\n")
    with page.open("a") as file:
        file.write(f"{report.END}after\n")
    monkeypatch.setattr(report, "processor", lambda: "This, 2 cores")
    monkeypatch.setattr(report, "_sections", lambda _, plot: [plot])
    monkeypatch.setattr(report, "_plot", lambda *_: None)
    report.write({}, tmp_path)
    assert page.read_text() == (
        f"before\n{report.BEGIN}## Other, 4 cores\nold\n## This, 2 cores\n"
        f"benchmark-this-2-cores.png{report.END}after\n"
    )


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
    assert found[""] == SYSTEMS
    original, _, exact, *_ = found["lines found"]
    assert int(exact) == int(original) > 0
    title = "characters wrong on the drawn pages, %"
    original, _, exact, standard, fast = map(float, found[title])
    assert exact == original
    assert standard <= exact
    assert fast <= exact + 0.2


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md"])
def test_the_readmes_figures_are_those_of_the_benchmark(name):
    text = (ROOT / name).read_text()
    shown = re.findall(r"^\| (?:images/s|p50 s|peak memory).*\|$", text, re.MULTILINE)
    assert len(shown) == 3
    assert [row for row in shown if row not in FIGURES.splitlines()] == []
    (said,) = re.findall(r"^.*(?:most favourable|最有利的).*$", text, re.MULTILINE)
    rates = of_systems(section("A short run with `standard` and bfloat16"), "images/s, 8 callers")
    names = ("ours, exact", "ours, standard", "ours, fast", "faster-paddle 1.0.4")
    ratios = [f"{_times(rates[name]):.2f}" for name in names]
    assert re.findall(r"([\d.]+)x", said) == ratios


def test_the_benchmark_holds_what_it_promises():
    for plot in re.findall(r"\]\((benchmark-.*\.png)\)", FIGURES):
        assert (ROOT / "docs" / plot).read_bytes().startswith(b"\x89PNG")
    assert rows(FIGURES)[""] == SYSTEMS
    for callers in (1, 2, 4, 8, 16):
        assert of_systems(FIGURES, f"images/s, {callers} callers")


def test_what_the_runs_are_said_to_reach_is_what_they_have():
    names = ("ours, exact", "ours, standard", "ours, fast", "faster-paddle 1.0.4")
    amd = section("AMD EPYC, 2 cores")
    rates, lone = (
        [_times(of_systems(amd, title)[name]) for name in names]
        for title in ("images/s, 8 callers", "p50 s, 1 callers")
    )
    (_, standard, fast, paddle), (*_, fast_alone, paddle_alone) = rates, lone
    said = section("What the AMD run reaches").partition("**Why")[0]
    assert [float(ratio) for ratio in re.findall(r"(?:reached: |\| )([\d.]+)x", said)] == [
        standard,
        pytest.approx(standard / paddle, abs=0.01),
        fast,
        pytest.approx(fast / paddle, abs=0.01),
        fast_alone,
        pytest.approx(fast_alone / paddle_alone, abs=0.01),
    ]


def test_what_the_older_run_is_said_to_reach_is_what_it_has():
    intel = section("Intel(R) Xeon(R) Processor, 2 cores")
    said = section("What the Intel run reaches")
    rates = of_systems(intel, "images/s, 8 callers")
    names = ("faster-paddle 1.0.4", "ours, exact", "ours, fast")
    paddle, exact, fast = (_times(rates[name]) for name in names)
    lone = _times(of_systems(intel, "p50 s, 1 callers")["ours, exact"])
    (reached,) = [values for title, values in rows(said).items() if title.startswith("this one")]
    assert [float(value.removesuffix("x")) for value in reached] == [
        exact,
        lone,
        fast,
        pytest.approx(fast / paddle, abs=0.01),
    ]
    found = rows(intel)
    level = int(found["after 500 pages"][0]) / int(found["after 50 pages"][0])
    (more,) = re.findall(r"at most 5 % above that after 50: here it is (\d+) %", said)
    assert int(more) == round(100 * (level - 1))


def _times(value: str) -> float:
    return float(re.fullmatch(r"\S+ \((\S+)x\)", value)[1])
