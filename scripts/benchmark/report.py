"""Figures -> Markdown and a plot."""

import json
import platform
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rapidfuzz.distance import Levenshtein

from .systems import NAMES, PROFILES

BEGIN, END = "<!-- written by scripts/bench -->\n", "<!-- until here -->\n"
LABELS = {
    "rapidocr_api": "rapidocr_api 0.2.0",
    "faster-paddle": "faster-paddle 1.0.4",
    "exact": "ours, exact",
    "standard": "ours, standard",
    "fast": "ours, fast",
}


def error_rate(pages: dict[str, list[str]], truth: Path) -> float:
    """Edits by characters drawn, over all drawn pages."""
    drawn = {Path(name).stem: lines for name, lines in json.loads(truth.read_text()).items()}
    edits = sum(
        Levenshtein.distance("\n".join(lines), "\n".join(pages[name]))
        for name, lines in drawn.items()
    )
    return edits / sum(len("\n".join(lines)) for lines in drawn.values())


def table(found: dict[str, Any]) -> str:
    """The systems side by side: medians of the rounds, and ratios to the first."""
    systems, callers = found["systems"], found["callers"]
    rows = [["", *(LABELS[name] for name in NAMES)], ["---", *("---:" for _ in NAMES)]]

    def row(title: str, figure: str, form: str, *, ratio: int = 0) -> None:
        first = systems[NAMES[0]][figure]
        cells = []
        for name in NAMES:
            value = systems[name][figure]
            cell = form.format(value)
            if ratio:
                cell += f" ({(value / first) ** ratio:.2f}x)"
            cells.append(cell)
        rows.append([title, *cells])

    for number in callers:
        row(f"images/s, {number} callers", f"rate {number}", "{:.2f}", ratio=1)
    for number in callers:
        row(f"p50 s, {number} callers", f"p50 {number}", "{:.2f}", ratio=-1)
        row(f"p95 s, {number} callers", f"p95 {number}", "{:.2f}")
    row("peak memory, MB", "peak", "{:.0f}")
    row("first answer after, s", "start", "{:.1f}")
    lines = [sum(map(len, found["lines"][name].values())) for name in NAMES]
    rows.append(["lines found", *map(str, lines)])
    row("characters wrong on the drawn pages, %", "cer", "{:.2f}")
    return "\n".join(f"| {' | '.join(cells)} |" for cells in rows) + "\n"


def write(found: dict[str, Any], docs: Path) -> None:
    """Put the figures of this processor into benchmark.md, in place of its earlier ones."""
    plot = f"benchmark-{re.sub('[^a-z0-9]+', '-', processor().lower()).strip('-')}.png"
    _plot(found, docs / plot)
    page = docs / "benchmark.md"
    before, _, rest = page.read_text().partition(BEGIN)
    written, _, after = rest.partition(END)
    _, *parts = re.split(r"^## (.+)\n", written, flags=re.MULTILINE)
    runs = dict(zip(parts[::2], parts[1::2], strict=True))
    runs[processor()] = "\n".join(_sections(found, plot))
    text = "".join(f"## {name}\n{figures}" for name, figures in runs.items())
    page.write_text(before + BEGIN + text + END + after)


def _sections(found: dict[str, Any], plot: str) -> list[str]:
    mix = "the drawn pages" if found["drawn"] else f"{len(found['mix'])} of a folder"
    return [
        f"\n{machine()}\n",
        f"Images: {mix}; medians of {found['rounds']} rounds in turns. (How many times as fast.)\n",
        table(found),
        f"\n![images a second and median latency against callers]({plot})\n",
        "\n### Where the time goes\n",
        _stages(found["stages"]),
        _arithmetic(found["arithmetic"]),
        "\n### How `standard` grows\n",
        _growth(found),
        "\n### Memory\n",
        _memory(found["memory"]),
        "\n### What HTTP adds to `standard`\n",
        _serving(found["serving"]),
        "\n### The profiles\n",
        _profiles(found),
        "\n### What the profiles read differently\n",
        _differences(found["lines"]),
        "",
    ]


def processor() -> str:
    """The processor's name and number of cores."""
    name = Path("/proc/cpuinfo").read_text().partition("model name")[2].partition("\n")[0]
    return f"{name.strip(chr(9) + ': ')}, {psutil.cpu_count()} cores"


def machine() -> str:
    """The processor, its instructions for many numbers at once, and the versions."""
    info = Path("/proc/cpuinfo").read_text()
    flags = info.partition("flags")[2].partition("\n")[0].split()
    kinds = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    wide = [flag for flag in kinds if flag in flags]
    memory = psutil.virtual_memory().total / 1e9
    versions = ", ".join(
        f"{name} {version(name)}"
        for name in ("bentoml", "rapidocr", "onnxruntime", "openvino", "numpy")
    )
    return (
        f"{processor()} ({', '.join(wide)}), {memory:.0f} GB, "
        f"{platform.system()} {platform.release().partition('-')[0]}, "
        f"Python {platform.python_version()}, {versions}."
    )


def grid(head: list[str], rows: list[list[str]]) -> str:
    cells = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells) + "\n"


def _stages(stages: dict[str, dict[str, float]]) -> str:
    names = [name for name in stages["exact"] if name != "all"]
    head = ["seconds of one core for all images", *stages]
    rows = [
        [
            name,
            *(
                f"{each[name]:.2f} ({100 * each[name] / each['all']:.0f} %)"
                for each in stages.values()
            ),
        ]
        for name in sorted(names, key=lambda name: -stages["exact"][name])
    ]
    return grid(head, rows)


def _arithmetic(found: dict[str, Any]) -> str:
    names = {"det": "detection, 960 x 736", "rec": "recognition, six lines of 480 x 48"}
    rows = []
    for stage, name in names.items():
        each = found[stage]
        kinds = ", ".join(f"{kind} {100 * share:.0f} %" for kind, share in each["shares"].items())
        rows.append(
            [
                name,
                f"{each['gflop']:.1f}",
                f"{each['milliseconds']:.0f}",
                f"{each['speed']:.0f} ({100 * each['speed'] / found['peak']:.0f} %)",
                kinds,
            ]
        )
    head = ["one core", "GFLOP", "ms", "GFLOP/s (of the peak)", "time by operator"]
    peak = f"\nThe peak, a float32 product of 4096 x 4096: {found['peak']:.0f} GFLOP/s.\n"
    return "\n" + grid(head, rows) + peak


def _growth(found: dict[str, Any]) -> str:
    growth, cores, lock = found["growth"], found["cores"], found["lock"]
    pixels = [f"{pixels / 1e6:.2f}" for pixels, _ in growth["pixels"]]
    lines = [str(number) for number, _ in growth["lines"]]
    parts = [
        grid(
            ["million pixels (10 lines)", *pixels],
            [["ms", *(f"{ms:.0f}" for _, ms in growth["pixels"])]],
        ),
        grid(
            ["lines (1 million pixels)", *lines],
            [["ms", *(f"{ms:.0f}" for _, ms in growth["lines"])]],
        ),
        grid(
            ["cores", "1", "2"],
            [
                ["images/s, a caller for each", *(f"{each['rate']:.2f}" for each in cores)],
                ["p50 of one caller, s", *(f"{each['p50']:.2f}" for each in cores)],
            ],
        ),
        grid(
            [
                "threads of one process, models replaced by waiting",
                *(str(threads) for threads, _ in lock["exact"]),
            ],
            [
                [
                    f"times the images/s of one, {profile}",
                    *(f"{rate / rates[0][1]:.1f}" for _, rate in rates),
                ]
                for profile, rates in lock.items()
            ],
        ),
    ]
    return "\n".join(parts)


def _memory(memory: dict[str, dict[str, float]]) -> str:
    rows = [[name, *(f"{each[name]:.0f}" for each in memory.values())] for name in memory["exact"]]
    head = "all processes, 8 callers, pages of changing shapes, 100 to 3000 pixels a side; MB"
    return grid([head, *memory], rows)


def _serving(spent: dict[str, float]) -> str:
    known = [name for name in spent if name != "over HTTP"]
    rest = spent["over HTTP"] - sum(spent[name] for name in known)
    rows = [[name, f"{spent[name]:.1f}"] for name in known]
    rows.append(["the rest: handing over to threads, waiting", f"{rest:.1f}"])
    rows.append(["over HTTP, in all", f"{spent['over HTTP']:.1f}"])
    added = spent["over HTTP"] - spent["engine"]
    return (
        grid(["one line (`use_det` off), one thread", "ms"], rows)
        + f"\nOver HTTP {added:.1f} ms more than the engine's call.\n"
    )


def _profiles(found: dict[str, Any]) -> str:
    drawn, images = found["profiles on drawn"], found["profiles on images"]
    truth = Path(__file__).parents[2] / "tests/data/truth.json"
    exact = images["exact"]
    rows = []
    for variant, each in images.items():
        pages = dict(zip(found["pages"], drawn[variant]["lines"], strict=True))
        pairs = zip(each["lines"], exact["lines"], strict=True)
        edits = sum(Levenshtein.distance("\n".join(one), "\n".join(two)) for one, two in pairs)
        rows.append(
            [
                variant,
                f"{sum(each['seconds']):.2f} ({sum(exact['seconds']) / sum(each['seconds']):.2f}x)",
                f"{100 * error_rate(pages, truth):.2f}",
                str(sum(map(len, each["lines"]))),
                str(edits),
            ]
        )
    head = [
        "one core",
        "s for all images",
        "characters wrong on the drawn pages, %",
        "lines found",
        "characters that differ from exact's, or stand elsewhere",
    ]
    return grid(head, rows)


def _differences(lines: dict[str, dict[str, list[str]]]) -> str:
    """List the lines that not every profile reads, with the profiles that do."""
    rows = []
    for image in lines[PROFILES[0]]:
        every = [text for profile in PROFILES for text in lines[profile][image]]
        for text in dict.fromkeys(every):
            readers = [profile for profile in PROFILES if text in lines[profile][image]]
            if len(readers) < len(PROFILES):
                rows.append([image, f"`{text}`", ", ".join(readers)])
    return grid(["image", "line", "read so by"], rows)


def _plot(found: dict[str, Any], path: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415, slow

    mpl.use("Agg")
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    for name in NAMES:
        each, callers = found["systems"][name], found["callers"]
        left.plot(callers, [each[f"rate {n}"] for n in callers], "o-", label=LABELS[name])
        right.plot(callers, [each[f"p50 {n}"] for n in callers], "o-", label=LABELS[name])
    left.set(title="throughput", xlabel="callers", ylabel="images/s", ylim=0)
    right.set(title="median latency", xlabel="callers", ylabel="s", yscale="log")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xticks(found["callers"], [str(n) for n in found["callers"]])
        axes.grid(alpha=0.3)
    left.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=100)
