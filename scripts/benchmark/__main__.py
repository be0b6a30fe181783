"""Measure all systems in turns, several rounds, and write the report."""

import argparse
import collections
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from ocr_runtime.documents.images import decode

from . import report
from .load import drive
from .pages import drawn, png
from .systems import NAMES, PROFILES, ROOT, running

DATA = ROOT / "tests/data"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round; only print")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=Path, default=DATA, help="a folder; else the drawn pages")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        own = upright(DATA, Path(folder) / "drawn")
        images = upright(arguments.images, Path(folder) / "images")
        found = outside(
            images,
            own,
            rounds=1 if arguments.quick else arguments.rounds,
            callers=(1, 8) if arguments.quick else (1, 2, 4, 8, 16),
        )
        found["rounds"] = 1 if arguments.quick else arguments.rounds
        found["mix"] = [path.name for path in images]
        found["pages"] = [path.stem for path in own]
        found["drawn"] = arguments.images == DATA
        found["serving"] = serving(own)
        if not arguments.quick:
            _keep(found)
            for what, paths in (
                ("stages", images),
                ("arithmetic", []),
                ("growth", []),
                ("lock", images),
            ):
                found[what] = inside(what, paths)
            for mix, paths in (("drawn", own), ("images", images)):
                found[f"profiles on {mix}"] = inside("profiles", paths)
            found["memory"] = {profile: memory(profile, own[0]) for profile in PROFILES}
            found["cores"] = [inside("cores", images, cores=cores) for cores in (1, 2)]
    if arguments.quick:
        print(report.machine(), report.table(found), sep="\n\n")
    else:
        _keep(found)
        report.write(found, ROOT / "docs")


def _keep(found: dict[str, Any]) -> None:
    """Write down what was found until now: a later step that fails then loses nothing of it."""
    (ROOT / ".peers/found.json").write_text(json.dumps(found))


def upright(folder: Path, into: Path) -> list[Path]:
    """Copy a folder's images as upright RGB PNG: the original reads no other kind rightly."""
    into.mkdir()
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in (".jpg", ".png"):
            pixels = decode(path.read_bytes(), max_pixels=10**9).pixels
            Image.fromarray(pixels[:, :, ::-1]).save(into / f"{path.stem}.png", compress_level=1)
    return sorted(into.iterdir())


def outside(
    images: list[Path], own: list[Path], *, rounds: int, callers: tuple[int, ...]
) -> dict[str, Any]:
    """Start each system in turn, ask it, weigh it and stop it; so many rounds."""
    samples: dict[str, dict[str, list[float]]] = {
        name: collections.defaultdict(list) for name in NAMES
    }
    lines: dict[str, dict[str, list[str]]] = {}
    for number in range(rounds):
        for name in NAMES:
            print(f"round {number + 1} of {rounds}: {name}", file=sys.stderr)
            with running(name, own[0]) as system:
                samples[name]["start"].append(system.start_seconds)
                read = system.lines(images)
                lines[name] = dict(zip([path.name for path in images], read, strict=True))
                for number_of_callers in callers:
                    count = len(images) * (1 if rounds == 1 or number_of_callers < 8 else 2)
                    figures = system.drive(images, callers=number_of_callers, count=count)
                    for figure, value in figures.items():
                        samples[name][f"{figure} {number_of_callers}"].append(value)
                samples[name]["peak"].append(system.peak_mb())
                if number == 0:
                    pages = {
                        path.stem: text for path, text in zip(own, system.lines(own), strict=True)
                    }
                    samples[name]["cer"] = [100 * report.error_rate(pages, DATA / "truth.json")]
    medians = {
        name: {figure: statistics.median(each) for figure, each in figures.items()}
        for name, figures in samples.items()
    }
    return {"callers": callers, "systems": medians, "lines": lines, "samples": samples}


def memory(profile: str, first: Path) -> dict[str, float]:
    """MB of all processes as 8 callers send pages of changing shapes, and as large pages come."""
    print(f"memory: {profile}", file=sys.stderr)
    shapes = random.Random(0)

    def page(_: bytes) -> bytes:
        width, height = shapes.randrange(100, 3000), shapes.randrange(100, 3000)
        return png(drawn(width, height, shapes.randrange(20)))

    with running(profile, first) as system:
        found = {"started": system.resident_mb()}
        for count, more in ((50, 50), (500, 450)):
            drive(lambda _: system.read(page(_)), [b""], callers=8, count=more)
            found[f"after {count} pages"] = system.resident_mb()
        found["at most until then"] = system.peak_mb()
    with running(profile, first) as system:
        system.read(png(drawn(7071, 7071, 220)))
        found["at most, with 50 million pixels of dense text alone"] = system.peak_mb()
        system.read(png(drawn(60, 1300, 0)))
        found["at most, with 60 x 1300, the largest to detect, after that"] = system.peak_mb()
        system.read(png(drawn(500, 500, 5)))
        found["after that"] = system.resident_mb()
    return found


def inside(what: str, paths: list[Path], *, cores: int = 1, **variables: str) -> Any:
    print(f"in process: {what}", file=sys.stderr)
    command = [sys.executable, "-m", "scripts.benchmark.inside", what, *map(str, paths)]
    environ = os.environ | {"CORES": str(cores)} | variables
    return json.loads(subprocess.check_output(command, cwd=ROOT, env=environ))


def serving(own: list[Path]) -> dict[str, float]:
    """The overhead of HTTP for one line, with one thread here and there."""
    (line,) = (path for path in own if path.stem == "line")
    with running("standard", line, OCR_THREADS="1") as system:
        return inside("serving", [line], URL=system.url)


main()
