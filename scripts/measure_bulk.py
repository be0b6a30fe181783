"""Measure reading in bulk, and check that each page is there once: `scripts/bulk measure`.

Draws files, reads them with the engine in one process on two cores, then in bulk on one core, on
two, and on a cluster of two nodes of which one is killed in the middle. Prints a table for
docs/bulk.md. Nothing else should run on the machine meanwhile.
"""

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from scripts.drawing import texts  # noqa: E402

TEXTS = [texts.HARBOUR, texts.LIBRARY, texts.WINTER, texts.BRIDGE, texts.GARDEN, texts.CLOCK]
WORDS = [word for text in TEXTS for word in text.split()]
WIDTH, MARGIN, PITCH = 700, 24, 39
ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20), "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
os.environ["RAY_AUTH_MODE"] = "token"
os.environ["RAY_AUTH_TOKEN"] = "a-token-that-all-nodes-and-the-command-share"
Rates = dict[str, tuple[float, float]]
"""By name of a run: images a second of all of it, and without its start."""


def draw(folder: Path, count: int, more_lines: int) -> None:
    """Draw numbered files of one line and more, in folders of a hundred."""
    face = ImageFont.truetype(Path(mpl.get_data_path()) / "fonts/ttf/DejaVuSerif.ttf", 22)
    for number in range(count):
        image = Image.new("L", (WIDTH, 2 * MARGIN + PITCH * (1 + more_lines)), 255)
        start = 37 * number % len(WORDS)
        lines = textwrap.wrap(" ".join((WORDS + WORDS)[start : start + 120]), 54)[:more_lines]
        text = "\n".join([f"Sheet number {number:04}", *lines])
        ImageDraw.Draw(image).multiline_text((30, MARGIN), text, 0, face, spacing=12)
        path = folder / f"{number // 100:02}/{number:04}.png"
        path.parent.mkdir(exist_ok=True)
        image.save(path)


def engine(folder: Path, threads: int) -> None:
    """Read all files in this process, as the child of an actor does, but two at once."""
    from ocr_runtime.bulk.rows import DEFAULT_OUTPUTS, row  # noqa: PLC0415
    from ocr_runtime.documents.document import Limits  # noqa: PLC0415
    from ocr_runtime.documents.opening import open_document  # noqa: PLC0415
    from ocr_runtime.reading.engine import Engine  # noqa: PLC0415
    from ocr_runtime.reading.page import ReadingOptions  # noqa: PLC0415
    from ocr_runtime.settings import Settings  # noqa: PLC0415

    settings = Settings.from_environ({"OCR_THREADS": "2"})
    reader, limits = Engine(settings), Limits.of(settings)
    cores = 2 // threads

    def read(path: Path) -> None:
        with open_document(path.read_bytes(), limits=limits, text_layer="auto") as document:
            image = document.page(1)
            page = reader.read(image, ReadingOptions(), grant=lambda _: nullcontext(cores))
            row(page, document, DEFAULT_OUTPUTS)

    start = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read, sorted(folder.rglob("*.png"))))
    print(time.monotonic() - start)


def measured_engine(folder: Path, threads: int) -> tuple[float, float]:
    start = time.monotonic()
    ended = subprocess.run(
        [sys.executable, __file__, "--engine", str(threads), "--folder", str(folder)],
        env=os.environ | ALLOCATOR,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return time.monotonic() - start, float(ended.stdout.split()[-1])


def bulk(folder: Path, target: Path, *more: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "ocr_runtime", "bulk"]
    return subprocess.Popen(
        [*command, str(folder), "--out", str(target), *more],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def wait_for(
    happened: Callable[[], object], process: "subprocess.Popen[bytes]", every_seconds: float = 0.02
) -> None:
    """Wait until something has happened; end where `bulk` has ended before that."""
    while not happened():
        if process.poll() is not None and not happened():
            raise SystemExit(f"bulk has ended too early, with {process.returncode}")
        time.sleep(every_seconds)


def measured_bulk(folder: Path, target: Path, *more: str) -> tuple[float, float]:
    """Return the seconds of all, and those from the first rows on, extended to all pages."""
    start = time.monotonic()
    process = bulk(folder, target, *more)
    wait_for(lambda: list(target.glob("pages/*.parquet")), process)
    begun = time.monotonic()
    if process.wait():
        raise SystemExit("bulk has failed")
    end = time.monotonic()
    pages, files = check(target, sorted(folder.rglob("*.png")))
    first = min(target.glob("pages/*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    early = rows_in(first)
    print(f"{pages} pages once, {files} files once", flush=True)
    return end - start, (end - begun) * pages / (pages - early)


def rows_in(path: Path) -> int:
    from pyarrow import parquet  # noqa: PLC0415

    return int(parquet.read_metadata(path).num_rows)


def check(target: Path, paths: list[Path]) -> tuple[int, int]:
    """Check that each file has one row of its own text, and one outcome."""
    from pyarrow import dataset  # noqa: PLC0415

    pages = dataset.dataset(target / "pages", format="parquet").to_table().to_pylist()
    counts = Counter((row["source"], row["page"]) for row in pages)
    wanted = {(f"{path.parent.name}/{path.name}", 1) for path in paths}
    if set(counts) != wanted or max(counts.values()) > 1:
        raise SystemExit(f"lost: {wanted - set(counts)}; doubled: {counts.most_common(3)}")
    wrong = [row["source"] for row in pages if Path(row["source"]).stem not in (row["text"] or "")]
    if len(wrong) > len(pages) / 100:
        raise SystemExit(f"{len(wrong)} rows lack the number of their sheet: {wrong[:10]}")
    files = dataset.dataset(target / "files", format="parquet").to_table().to_pylist()
    if sorted(row["source"] for row in files) != sorted(source for source, _ in wanted):
        raise SystemExit("not each file has one outcome")
    return len(pages), len(files)


@contextlib.contextmanager
def node(*arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
    ray = Path(sys.executable).with_name("ray")
    process = subprocess.Popen(
        [ray, "start", "--block", "--num-cpus=1", "--object-store-memory=100000000", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        kill(process)


def kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill all processes of a node at once."""
    import psutil  # noqa: PLC0415

    with contextlib.suppress(psutil.NoSuchProcess):
        for each in [*psutil.Process(process.pid).children(recursive=True)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def measured_cluster(folder: Path, target: Path, count: int) -> float:
    """Read on two nodes of one core, and kill one in the middle; return the seconds of all."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    address = f"127.0.0.1:{port}"
    head = ["--head", f"--port={port}", "--include-dashboard=false"]
    with node(*head):
        time.sleep(10)
        with node(f"--address={address}") as second:
            time.sleep(10)
            start = time.monotonic()
            process = bulk(folder, target, "--ray", address)
            wait_for(
                lambda: sum(map(rows_in, target.glob("pages/*.parquet"))) >= count / 2,
                process,
                every_seconds=0.5,
            )
            kill(second)
            print(f"killed a node after {time.monotonic() - start:.0f} s", flush=True)
            if process.wait():
                raise SystemExit("bulk has failed")
            seconds = time.monotonic() - start
    pages, files = check(target, sorted(folder.rglob("*.png")))
    print(f"{pages} pages once, {files} files once", flush=True)
    return seconds


def table(count: int, runs: Rates, cluster: float | None) -> str:
    lines = ["| run | images/s of all | images/s once started |", "|---|---:|---:|"]
    for name, (seconds, started) in runs.items():
        lines.append(f"| {name} | {count / seconds:.2f} | {count / started:.2f} |")
    if cluster:
        lines.append(f"| bulk on two nodes, one killed in the middle | {count / cluster:.2f} | |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--lines", type=int, default=10, help="of each, besides its number")
    parser.add_argument("--engine", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--only", choices=["engine", "one", "two", "cluster"], action="append")
    arguments = parser.parse_args()
    if arguments.engine:
        engine(arguments.folder, arguments.engine)
        return
    only = arguments.only or ["engine", "one", "two", "cluster"]
    runs: Rates = {}
    cluster = None
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "files"
        folder.mkdir()
        draw(folder, arguments.files, arguments.lines)
        if "engine" in only:
            runs["engine in one process, a page at a time"] = measured_engine(folder, 1)
            runs["engine in one process, two pages at a time"] = measured_engine(folder, 2)
        if "one" in only:
            one = measured_bulk(folder, Path(work) / "one", "--actors", "1")
            runs["bulk, one actor of one core"] = one
        if "two" in only:
            runs["bulk, two actors of one core"] = measured_bulk(folder, Path(work) / "two")
        print(table(arguments.files, runs, cluster), flush=True)
        if "cluster" in only:
            cluster = measured_cluster(folder, Path(work) / "cluster", arguments.files)
    print(table(arguments.files, runs, cluster))


if __name__ == "__main__":
    main()
