"""The simulated day follows the autoscaler that is deployed."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import yaml
from serving import ROOT

DAY = runpy.run_path(str(ROOT / "scripts/simulate_a_day.py"))
AUTOSCALER = yaml.safe_load((ROOT / "deploy/kubernetes/autoscaler.yaml").read_text())["spec"]


@pytest.fixture(scope="module")
def busy() -> dict[str, np.ndarray]:
    return DAY["simulate"](AUTOSCALER, peak=5)


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
    day = DAY["simulate"](narrow, peak=12)
    assert day["refused"] > 0.1
    assert day["seconds"].max() <= DAY["TIMEOUT_SECONDS"]


def test_it_draws(busy, tmp_path: Path):
    DAY["draw"](busy, tmp_path / "day.png")
    assert (tmp_path / "day.png").read_bytes().startswith(b"\x89PNG")
