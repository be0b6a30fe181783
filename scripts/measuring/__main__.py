"""Read pages in each way, in turns, and show how right and how fast each is."""

import argparse
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ocr_runtime.outputs import text
from ocr_runtime.reading.engine import Engine
from ocr_runtime.reading.page import ReadingOptions
from ocr_runtime.settings import Settings

from . import report
from .measures import count
from .samples import Sample, drawn, of_folder

WAYS: dict[str, tuple[str, dict[str, object]]] = {
    "`exact`": ("exact", {}),
    "`exact`, `orientation=auto`": ("exact", {"orientation": "auto"}),
    "`exact`, `layout=auto`": ("exact", {"layout": "auto"}),
    "`exact`, `use_cls=false`": ("exact", {"use_cls": False}),
    "`standard`": ("standard", {}),
    "`standard`, `orientation=0`": ("standard", {"orientation": "0"}),
    "`standard`, `layout=none`": ("standard", {"layout": "none"}),
    "`standard`, `use_cls=false`": ("standard", {"use_cls": False}),
    "`fast`": ("fast", {}),
}
"""Profile and options of each."""


@dataclass
class Measured:
    """What was measured of one way.

    Args:
        counts: of each kind of page, see `measures.count`.
        seconds: for each page.
    """

    counts: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    seconds: list[float] = field(default_factory=list)

    @property
    def total(self) -> Counter[str]:
        """The counts of all pages."""
        return sum(self.counts.values(), Counter())


def measure(
    engines: dict[str, Engine], samples: Sequence[Sample], rounds: int
) -> dict[str, Measured]:
    """Read each page in each way.

    The ways take turns at each page, each round begun by another, so that what else the machine
    does slows all of them. A page's time is the median of the rounds.
    """
    found = {way: Measured() for way in WAYS}
    for number, sample in enumerate(samples):
        print(f"\r{number + 1}/{len(samples)} {sample.name:40.40}", end="", file=sys.stderr)
        seconds: dict[str, list[float]] = defaultdict(list)
        for turn in range(rounds):
            ways = list(WAYS)
            start = (turn + number) % len(ways)
            for way in ways[start:] + ways[:start]:
                profile, options = WAYS[way]
                begun = time.perf_counter()
                page = engines[profile].read(sample.page, ReadingOptions(**options))
                seconds[way].append(time.perf_counter() - begun)
                if not turn:
                    lines = text.write(page).splitlines()
                    found[way].counts[sample.kind] += count(sample.lines, lines)
        for way, each in found.items():
            each.seconds.append(statistics.median(seconds[way]))
    print(file=sys.stderr)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/accuracy", description=__doc__)
    parser.add_argument("--images", type=Path, help="a folder; each image has its lines in a .txt")
    parser.add_argument("--write", action="store_true", help="write docs/accuracy.md")
    parser.add_argument("--rounds", type=int, default=1, help="how often each page is read")
    arguments = parser.parse_args()
    sets: dict[str, list[Sample]] = {}
    try:
        if arguments.images:
            sets["folder"] = of_folder(arguments.images)
    except FileNotFoundError as exc:
        sys.exit(str(exc))
    if arguments.write or not sets:
        sets["drawn"] = drawn()
    engines = {
        profile: Engine(Settings(profile=profile)) for profile in ("exact", "standard", "fast")
    }
    found = {name: measure(engines, sets[name], arguments.rounds) for name in sorted(sets)}
    if arguments.write:
        report.write(found, arguments.rounds)
    else:
        print("\n".join(report.tables(each) for each in found.values()))


if __name__ == "__main__":
    main()
