"""The simulated day follows the autoscaler that is deployed."""

import math
import runpy
from pathlib import Path

import numpy as np
import pytest
import yaml
from serving import ROOT

pytestmark = pytest.mark.slow

DAY = runpy.run_path(str(ROOT / "scripts/simulate_a_day.py"))
PROFILES = ("exact", "standard", "fast")
SCALING = (ROOT / "docs/scaling.md").read_text()
AUTOSCALER = yaml.safe_load((ROOT / "deploy/kubernetes/autoscaler.yaml").read_text())["spec"]


def keeping_busy(cores: float) -> float:
    """Requests a second that keep so many cores busy."""
    return cores / DAY["SERVICE_SECONDS"].mean()


@pytest.fixture(scope="module")
def busy() -> dict[str, np.ndarray]:
    return DAY["simulate"](AUTOSCALER, peak=keeping_busy(2.1))


def test_at_night_there_are_as_few_replicas_as_allowed():
    night = DAY["simulate"](AUTOSCALER, peak=0.5)
    assert set(night["replicas"]) == {AUTOSCALER["minReplicas"]}
    assert night["refused"] == 0


def test_replicas_follow_the_load(busy):
    least = AUTOSCALER["minReplicas"]
    assert busy["replicas"].min() == least
    assert least < busy["replicas"].max() < AUTOSCALER["maxReplicas"]
    noon = busy["second"] // 3600 == 14
    target = AUTOSCALER["metrics"][0]["resource"]["target"]["averageUtilization"] / 100
    assert 0.5 * target < busy["busy"][noon].mean() < 1.2 * target
    assert busy["refused"] == 0


def test_too_much_load_is_refused_not_forgotten():
    narrow = {**AUTOSCALER, "maxReplicas": AUTOSCALER["minReplicas"]}
    day = DAY["simulate"](narrow, peak=keeping_busy(7))
    assert day["refused"] > 0.1
    assert day["seconds"].max() <= DAY["TIMEOUT_SECONDS"]


def test_it_draws(busy, tmp_path: Path):
    DAY["draw"](busy, tmp_path / "day.png")
    assert (tmp_path / "day.png").read_bytes().startswith(b"\x89PNG")


def test_the_documented_day_is_what_the_simulation_gives():
    assert DAY["table"](DAY["simulate"](AUTOSCALER, peak=25)) in SCALING


def rows(text: str) -> list[list[str]]:
    table = (line.strip("|").split("|") for line in text.splitlines() if line.startswith("|"))
    return [[cell.strip() for cell in row] for row in table]


def test_an_image_costs_what_the_benchmark_says():
    costs = {row[0]: float(row[1]) for row in rows(SCALING) if row[0] in PROFILES}
    measured = rows((ROOT / "docs/benchmark.md").read_text())
    systems = next(row for row in measured if row[0] == "")
    busiest = next(row for row in measured if row[0] == "images/s, 8 callers")
    rates = dict(zip(systems, busiest, strict=True))
    for profile, cost in costs.items():
        rate = float(rates[f"ours, {profile}"].split()[0])
        assert cost == pytest.approx(2 / rate, abs=0.006)


def test_the_plan_is_the_arithmetic_that_it_says():
    costs = {row[0]: float(row[1]) for row in rows(SCALING) if row[0] in PROFILES}
    assert costs["standard"] == pytest.approx(DAY["SERVICE_SECONDS"].mean(), abs=0.01)
    plans = [row for row in rows(SCALING) if len(row) == 7 and row[0].isdigit()]
    assert len(plans) == 9
    for rate, profile, busy_cores, granted, by_two, by_sixteen, upload in plans:
        used = int(rate) * costs[profile]
        assert float(busy_cores) == pytest.approx(used)
        assert int(granted) == math.ceil(round(used / 0.6, 6))
        assert int(by_two) == math.ceil(round(used / 0.6 / 2, 6))
        assert int(by_sixteen) == math.ceil(round(used / 0.6 / 16, 6))
        assert float(upload) == pytest.approx(int(rate) * 114e3 * 8 / 1e9, abs=0.01)


def test_pages_in_bulk_cost_what_the_arithmetic_says():
    measured = rows((ROOT / "docs/benchmark.md").read_text())
    systems = next(row for row in measured if "ours, standard" in row)
    busiest = next(
        row for row in measured if row[0] == "images/s, 8 callers" and len(row) == len(systems)
    )
    rate = float(dict(zip(systems, busiest, strict=True))["ours, standard"].split()[0])
    assert f", {rate} a second on two cores:" in SCALING
    plans = [row for row in rows(SCALING) if len(row) == 5 and row[0].isdigit()]
    assert [int(row[0]) for row in plans] == [10**6, 10**9]
    for pages, cost, hours, by_64, by_1000 in plans:
        assert float(cost) == round(2 / rate, 2)
        assert int(hours) == round(int(pages) * float(cost) / 3600)
        exact = int(pages) * float(cost) / 3600
        assert float(by_64) == round(exact / 64, 1)
        assert float(by_1000) == round(exact / 24 / 1000, 1)
