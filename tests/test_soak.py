"""A short run of scripts/soak: what is answered is asserted, no time and no memory."""

import subprocess
from collections import Counter

import pytest
from serving import ROOT, clean_environ

from scripts.soaking.callers import Asked
from scripts.soaking.report import Found, promises

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def rows(text: str) -> dict[str, list[str]]:
    cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {title.strip(): values for title, *values in cells}


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    ended = subprocess.run(
        [ROOT / "scripts/soak", "--minutes", "0.1"],
        env=clean_environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return rows(ended.stdout)


@pytest.mark.parametrize(
    "promise",
    [
        "no wrong answer",
        "good requests get 200, 429 or 504 only",
        "bad ones get their code or 429",
    ],
)
def test_an_overloaded_service_keeps_a_promise(promise, found):
    assert found[promise] == ["0", "yes"]


def test_good_callers_were_answered(found):
    assert int(found["200"][0]) > 0
    assert [code for code in ("500", "503") if code in found] == []


@pytest.mark.parametrize(
    "kind",
    [
        "broken multipart",
        "broken JSON",
        "no image",
        "two images",
        "not base64",
        "a bad option",
        "not an image",
        "half an image",
        "a pickle",
        "a bomb",
        "a body declared too large",
        "a body that becomes too large",
        "a wrong path",
        "a wrong method",
        "a byte a second",
        "a byte a second, gives up",
        "a head and no body",
        "leaves before the answer",
    ],
)
def test_each_kind_of_bad_caller_came(kind, found):
    expected, got = found[kind]
    assert got != "-", expected


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
def test_each_probe_was_answered(path, found):
    times, failed, *_ = found[f"`{path}`"]
    assert int(times) > 0
    assert failed == "0"


@pytest.mark.parametrize(
    ("without", "figure", "kept"),
    [
        ([10, 10, 10, 10], "95.0 %", True),
        ([8, 10, 8, 10], "95.0 %", True),
        ([9, 12, 9, 9], "79.2 %", False),
        ([14, 10, 9, 8], "95.0 %", True),
    ],
)
def test_the_capacity_is_compared_with_the_larger_of_those_beside_it(without, figure, kept):
    """A machine that has become faster meanwhile does not make up for a loss."""
    found = Found(
        minutes=5,
        loads=[(0, 100), (120, 220), (240, 340)],
        known=1,
        without=without,
        answered=[
            Asked(start + number / 9.5, "200", 0.1, 1)
            for start in (0, 120, 240)
            for number in range(1000)
        ],
        wrong=[],
        expected={},
        bad={},
        slow={},
        gone=Counter(),
        probed={"/livez": [(0.01, 200)]},
        late=[],
        samples=[],
        tracebacks=None,
        callers_cpu=0,
    )
    judged = promises(found)[-1]
    assert (judged.figure, judged.kept) == (figure, kept)
