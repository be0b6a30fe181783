"""Figures -> promises kept or not, Markdown and a plot."""

import itertools
import operator
import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmark.report import grid, machine

from .callers import Asked, rate
from .samples import Sample, sixths

BEGIN, END = "<!-- written by scripts/soak -->\n", "<!-- until here -->\n"
GOOD_CODES = ("200", "429", "504")
LEAST_MINUTES = 5
"""A shorter run says nothing about times and memory: they are reported, and decide nothing."""


@dataclass(frozen=True)
class Found:
    """What a run has found; times of day are `time.monotonic()`.

    `loads` are the beginning and the end of each spell of load, `without` the good answers a second
    before the first, between them and after the last.
    """

    minutes: float
    loads: list[tuple[float, float]]
    known: int
    without: list[float]
    answered: list[Asked]
    wrong: list[str]
    expected: dict[str, str]
    bad: dict[str, Counter[str]]
    slow: dict[str, Counter[str]]
    gone: Counter[str]
    probed: dict[str, list[tuple[float, int]]]
    late: list[float]
    samples: list[Sample]
    tracebacks: Counter[str] | None
    callers_cpu: float

    @property
    def codes(self) -> Counter[str]:
        return Counter(asked.outcome for asked in self.answered)

    @property
    def start(self) -> float:
        return self.loads[0][0]

    @property
    def end(self) -> float:
        return self.loads[-1][1]

    @property
    def capacities(self) -> list[float]:
        """Good answers a second under each spell of load, of which the first fifth is left out."""
        return [rate(self.answered, start + (end - start) / 5, end) for start, end in self.loads]

    @property
    def share(self) -> float:
        """The capacity under load, of that without: the median of the spells.

        Each is compared with the larger of the capacities just before and just after it, since the
        machine's speed may change.
        """
        beside = map(max, itertools.pairwise(self.without))
        return statistics.median(map(operator.truediv, self.capacities, beside))

    def seconds(self, code: str) -> list[float]:
        return [asked.seconds for asked in self.answered if asked.outcome == code]

    @property
    def loaded(self) -> list[Sample]:
        return [sample for sample in self.samples if self.start <= sample.at < self.end]


@dataclass(frozen=True)
class Promise:
    """`kept` is None where it was not measured; `hard` ones decide in a run of any length."""

    sentence: str
    figure: str
    kept: bool | None
    broken: bool


def promises(found: Found) -> list[Promise]:
    """Judge a run."""
    others = sum(found.codes.values()) - sum(found.codes[code] for code in GOOD_CODES)
    strange = sum(sum(_strange(found, kind).values()) for kind in (*found.bad, *found.slow))
    slowest = max(_quantile(_probe_seconds(each), 0.99) for each in found.probed.values())
    medians = sixths(found.loaded)
    growth = medians[5] / medians[1] - 1 if medians else None

    def promise(sentence: str, figure: str, *, kept: bool | None, hard: bool = False) -> Promise:
        decides = hard or found.minutes >= LEAST_MINUTES
        return Promise(sentence, figure, kept, broken=decides and kept is False)

    return [
        promise("no wrong answer", str(len(found.wrong)), kept=not found.wrong, hard=True),
        promise("good requests get 200, 429 or 504 only", str(others), kept=others == 0, hard=True),
        promise("bad ones get their code or 429", str(strange), kept=strange == 0, hard=True),
        promise(
            "memory flat: the last sixth's median at most 5 % over the second's",
            "not measured" if growth is None else f"{100 * growth:+.1f} %",
            kept=None if growth is None else growth <= 0.05,
        ),
        promise("each probe's p99 at most 100 ms", _ms(slowest), kept=slowest <= 0.1),
        promise(
            "capacity under load at least 95 % of that without",
            f"{100 * found.share:.1f} %",
            kept=found.share >= 0.95,
        ),
    ]


def table(found: Found) -> str:
    """Write the whole report, but for the plot."""
    kept = {True: "yes", False: "no", None: "-"}
    run = (
        f"{found.minutes:g} minutes of load, {len(found.answered)} good requests, "
        f"{found.known} different answers known. The callers' process took "
        f"{100 * found.callers_cpu:.0f} % of a core{_others(found)}.{_tracebacks(found)}\n"
    )
    parts = [
        f"{machine()}\n",
        run,
        grid(
            ["promise", "found", "kept"],
            [[each.sentence, each.figure, kept[each.kept]] for each in promises(found)],
        ),
        _answers(found),
        _capacities(found),
        _abuse(found),
        _probes(found),
        _processes(found),
    ]
    return "\n".join(part for part in parts if part)


def write(found: Found, docs: Path) -> None:
    """Replace the figures in reliability.md, and the plot beside it."""
    _plot(found, docs / "reliability.png")
    page = docs / "reliability.md"
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    plot = "\n![memory, and answers a second by code, over time](reliability.png)\n\n"
    page.write_text(f"{before}{BEGIN}\n{table(found)}{plot}{END}{after}")


def _others(found: Found) -> str:
    """Write what is left for the rest of the machine: they may have slowed the service down."""
    if len(found.loaded) < 2:
        return ""
    first, last = found.loaded[0], found.loaded[-1]
    service = last.cpu_seconds - first.cpu_seconds
    others = last.machine_seconds - first.machine_seconds - service
    share = others / (last.at - first.at) - found.callers_cpu
    return f", processes other than it and the service {100 * share:.0f} %"


def _tracebacks(found: Found) -> str:
    """Write what the service's log has of them; nothing where that is not known."""
    if found.tracebacks is None:
        return ""
    kinds = "".join(f"; {count} of `{text}`" for text, count in found.tracebacks.most_common(5))
    return f" Tracebacks in the log: {found.tracebacks.total()}{kinds}."


def _answers(found: Found) -> str:
    rows = []
    for code, count in sorted(found.codes.items()):
        seconds = found.seconds(code)
        quantiles = [f"{_quantile(seconds, share):.3f}" for share in (0.5, 0.95, 0.99)]
        share = f"{100 * count / len(found.answered):.1f} %"
        rows.append([code, str(count), share, *quantiles])
    return grid(["good requests answered", "times", "", "p50 s", "p95 s", "p99 s"], rows)


def _capacities(found: Found) -> str:
    """Write those without and under load in the order in which they were measured."""
    rows = [["without load", f"{found.without[0]:.2f}"]]
    for under, after in zip(found.capacities, found.without[1:], strict=True):
        rows += [["under load", f"{under:.2f}"], ["without load", f"{after:.2f}"]]
    return grid(["capacity", "good answers a second"], rows)


def _abuse(found: Found) -> str:
    rows = [[kind, found.expected[kind], _counted(seen)] for kind, seen in found.bad.items()]
    rows += [[kind, "408 or nothing", _counted(seen)] for kind, seen in found.slow.items()]
    rows.append(["leaves before the answer", "nothing", _counted(found.gone)])
    return grid(["invalid, slow and disconnecting callers", "must get (or 429)", "got"], rows)


def _probes(found: Found) -> str:
    rows = []
    for path, probed in found.probed.items():
        seconds = _probe_seconds(probed)
        figures = [_ms(_quantile(seconds, share)) for share in (0.5, 0.99, 1)]
        failed = sum(status != 200 for _, status in probed)
        rows.append([f"`{path}`", str(len(probed)), str(failed), *figures])
    figures = [_ms(_quantile(found.late, share)) for share in (0.5, 0.99, 1)]
    rows.append(["(delay of the prober itself)", str(len(found.late)), "", *figures])
    return grid(["probes", "times", "failed", "p50", "p99", "longest"], rows)


def _processes(found: Found) -> str:
    loaded, medians = found.loaded, sixths(found.loaded)
    if not medians:
        return ""
    first, last, end = found.samples[0], loaded[-1], found.samples[-1]
    memory = [first.resident_mb, medians[1], medians[5], end.resident_mb]
    peaks = (
        max(sample.resident_mb for sample in found.samples),
        max(sample.threads for sample in found.samples),
        max(sample.files for sample in found.samples),
    )

    def row(name: str, *figures: float) -> list[str]:
        return [name, *(f"{figure:.0f}" for figure in figures)]

    middle = loaded[len(loaded) // 4]
    head = [f"{last.processes} processes", "at first", "load, second sixth", "load, last sixth"]
    return grid(
        [*head, "after it", "most"],
        [
            row("memory, MB (resident, summed; medians)", *memory, peaks[0]),
            row("threads", first.threads, middle.threads, last.threads, end.threads, peaks[1]),
            row("open files", first.files, middle.files, last.files, end.files, peaks[2]),
        ],
    )


def _strange(found: Found, kind: str) -> Counter[str]:
    """The answers of a kind that it must not get."""
    if kind in found.bad:
        allowed = {found.expected[kind], "429 busy"}
        return Counter({got: n for got, n in found.bad[kind].items() if got not in allowed})
    allowed = {"408", "429", "unanswered when it hung up"}
    return Counter({got: n for got, n in found.slow[kind].items() if got not in allowed})


def _counted(seen: Counter[str]) -> str:
    return ", ".join(f"{got}: {count}" for got, count in sorted(seen.items())) or "-"


def _probe_seconds(probed: list[tuple[float, int]]) -> list[float]:
    """The seconds of each; one that failed took for ever."""
    return [seconds if status == 200 else float("inf") for seconds, status in probed]


def _quantile(values: list[float], share: float) -> float:
    """The smallest value that so many are not above."""
    ordered = sorted(values)
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)] if ordered else float("inf")


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def _plot(found: Found, path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415, slow

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, (above, below) = plt.subplots(2, figsize=(9, 6), sharex=True, layout="constrained")
    minutes = [(sample.at - found.start) / 60 for sample in found.samples]
    above.plot(minutes, [sample.resident_mb for sample in found.samples])
    above.set(title="resident memory", ylabel="MB", ylim=0)
    bins = 60
    width = (found.end - found.start) / bins
    middles = [(place + 0.5) * width / 60 for place in range(bins)]
    for code in sorted(found.codes):
        times = [asked.at - found.start for asked in found.answered if asked.outcome == code]
        counts = Counter(int(second // width) for second in times)
        below.plot(middles, [counts[place] / width for place in range(bins)], label=code)
    below.set(title="answers under load", xlabel="minutes", ylabel="a second", ylim=0)
    below.legend()
    for axes in (above, below):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=100)
