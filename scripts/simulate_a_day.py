"""A day of traffic and the autoscaler of deploy/kubernetes: prints a table, draws docs/scaling.png.

Requests arrive at random, at a rate that follows a day; each takes the seconds of one core that a
random image of the benchmark took. Replicas have two cores and a queue before them; the autoscaler
looks every 15 seconds and does what autoscaler.yaml and Kubernetes' formula say:
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details
"""

import argparse
import heapq
import math
from pathlib import Path

import matplotlib as mpl
import numpy as np
import yaml

mpl.use("agg")
import matplotlib.pyplot as plt

ROOT = Path(__file__).parent.parent
CORES = 2
TOLERANCE = 0.1
LOOK_SECONDS = 15
START_SECONDS = 10  # to be scheduled, with the image at hand, and to get ready
TIMEOUT_SECONDS = 60

# Seconds of one core for each of the benchmark's images, profile `standard`, as an AMD EPYC took
# them (`profiles` of `scripts/bench --images DIR`), brought to its mean with 8 callers.
SERVICE_SECONDS = np.array([0.43, 0.14, 0.43, 0.12, 0.23, 0.65, 0.53, 0.08, 0.07, 0.04, 1.01, 0.46])


def rate_at(second: float, *, peak: float) -> float:
    """Requests a second: a tenth of the peak at night, the peak at 14:00, a burst at 10:00."""
    hour = second / 3600
    day = 0.1 + 0.9 * max(0.0, math.sin((hour - 6) / 16 * math.pi)) ** 2
    return peak * (1.0 if 10 <= hour < 10.25 else day)


def simulate(autoscaler: dict, *, peak: float, seed: int = 0) -> dict[str, np.ndarray]:
    """Simulate 24 hours; returns columns by look of the autoscaler, and each request's seconds."""
    random = np.random.default_rng(seed)
    least, most = autoscaler["minReplicas"], autoscaler["maxReplicas"]
    target = autoscaler["metrics"][0]["resource"]["target"]["averageUtilization"] / 100
    calm_looks = autoscaler["behavior"]["scaleDown"]["stabilizationWindowSeconds"] // LOOK_SECONDS
    free = [(0.0, core) for core in range(least * CORES)]  # when each core is free again
    replicas, number = least, least * CORES
    recent = [least]
    computed = np.zeros(
        (86_400 + 2 * TIMEOUT_SECONDS) // LOOK_SECONDS
    )  # seconds begun in each look
    looks, waits, refused, taken = [], [], 0, 0
    for start in range(0, 86_400, LOOK_SECONDS):
        rate = rate_at(start, peak=peak)
        arrivals = np.sort(
            start + LOOK_SECONDS * random.random(random.poisson(rate * LOOK_SECONDS))
        )
        for arrival in arrivals:
            taken += 1
            at, core = free[0]
            begin = max(arrival, at)
            seconds = random.choice(SERVICE_SECONDS)
            if begin + seconds - arrival > TIMEOUT_SECONDS:
                refused += 1
                continue
            heapq.heapreplace(free, (begin + seconds, core))
            waits.append(begin + seconds - arrival)
            computed[int(begin // LOOK_SECONDS)] += seconds
        busy = computed[start // LOOK_SECONDS] / (LOOK_SECONDS * replicas * CORES)
        looks.append(
            (start, rate, replicas, busy, np.quantile(waits[-max(1, len(arrivals)) :], 0.95))
        )
        wanted = replicas
        if abs(busy / target - 1) > TOLERANCE:
            wanted = math.ceil(replicas * busy / target)
        recent = [*recent, wanted][-max(1, calm_looks) :]
        wanted = min(most, max(least, min(max(recent), 2 * replicas)))
        for _ in range(max(0, wanted - replicas) * CORES):
            heapq.heappush(free, (start + LOOK_SECONDS + START_SECONDS, number))
            number += 1
        free = sorted(free)[max(0, replicas - wanted) * CORES :]  # sorted: a heap
        replicas = wanted
    names = ("second", "rate", "replicas", "busy", "p95")
    columns = dict(zip(names, np.array(looks).T, strict=True))
    return columns | {"seconds": np.array(waits), "refused": np.array(refused / taken)}


def draw(day: dict[str, np.ndarray], file: Path) -> None:
    figure, (above, below) = plt.subplots(2, sharex=True, figsize=(9, 6), layout="constrained")
    hours = day["second"] / 3600
    above.plot(hours, day["rate"], label="requests a second")
    above.step(hours, day["replicas"], label="replicas of two cores", where="post")
    above.legend()
    below.plot(hours, day["p95"], label="95 % answered within, s")
    below.plot(hours, day["busy"], label="use of the cores")
    below.set(xlabel="hour", yscale="log")
    below.legend()
    figure.savefig(file, dpi=120)


def table(day: dict[str, np.ndarray]) -> str:
    cores_used = day["replicas"].sum() * CORES * LOOK_SECONDS / 3600
    needed = day["seconds"].size * SERVICE_SECONDS.mean() / 3600
    burst = (day["second"] >= 36_000) & (day["second"] < 36_900)
    rows = {
        "requests": f"{day['seconds'].size}",
        "replicas, least and most": f"{day['replicas'].min():.0f}, {day['replicas'].max():.0f}",
        "core hours granted": f"{cores_used:.0f}",
        "of which computed": f"{100 * needed / cores_used:.0f} %",
        "p50, p95, p99 of the day, s": ", ".join(
            f"{value:.2f}" for value in np.quantile(day["seconds"], [0.5, 0.95, 0.99])
        ),
        "worst p95 of 15 s in the burst at 10:00, s": f"{day['p95'][burst].max():.1f}",
        "not answered in time": f"{100 * day['refused']:.2f} %",
    }
    return "\n".join(f"| {name} | {value} |" for name, value in rows.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peak", type=float, default=25, help="requests a second at the busiest")
    parser.add_argument("--draw", type=Path, help="a PNG to write")
    arguments = parser.parse_args()
    autoscaler = yaml.safe_load((ROOT / "deploy/kubernetes/autoscaler.yaml").read_text())["spec"]
    day = simulate(autoscaler, peak=arguments.peak)
    print(table(day))
    if arguments.draw:
        draw(day, arguments.draw)


if __name__ == "__main__":
    main()
