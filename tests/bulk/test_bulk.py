"""`rapidocr-bento bulk` on a real Ray, real files and a real object store: each page once."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import TRUTH, page_bytes
from faulty_files import CRASH, drawn, png, site, tiff
from serving import ROOT, clean_environ, free_port

pytest.importorskip("ray", reason="Ray is not installed: scripts/bulk tests with it")

import pyarrow as pa
from pyarrow import dataset, fs

from ocr_runtime.bulk.chunks import Chunk, Piece

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

COMMAND = [sys.executable, "-m", "ocr_runtime", "bulk"]
RAY = Path(sys.executable).with_name("ray")
MOTO = Path(sys.prefix) / "moto/bin/python"
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a-token-that-all-nodes-and-the-command-share"}


@contextlib.contextmanager
def started(*arguments: object, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """The command, in a session of its own, all of which is ended with the block."""
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=ROOT,
        env=clean_environ(**{"PYTHONPATH": str(ROOT)} | variables),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def bulk(*arguments: object, **variables: str) -> tuple[int, str]:
    """Run the command to its end; return its exit status and what it says."""
    with started(*arguments, **variables) as process:
        _, said = process.communicate(timeout=280)
        return process.returncode, said


def rows(target: Path | str, kind: str, system: fs.FileSystem | None = None) -> list[dict]:
    found = dataset.dataset(f"{target}/{kind}", format="parquet", filesystem=system)
    table: pa.Table = found.to_table()
    return table.to_pylist()


def texts(target: Path) -> dict[tuple[str, int], str]:
    """The text or the code of each page; fails if a page is there twice."""
    pages = rows(target, "pages")
    again = Counter((row["source"], row["page"]) for row in pages)
    assert {key: count for key, count in again.items() if count > 1} == {}
    return {(row["source"], row["page"]): row["code"] or row["text"].strip() for row in pages}


def outcomes(target: Path) -> dict[str, tuple[int | None, int, int, str | None]]:
    """Of each file how many pages it has, were read and failed, and its code."""
    files = rows(target, "files")
    assert len({row["source"] for row in files}) == len(files)
    return {
        row["source"]: (row["page_count"], row["read"], row["failed"], row["code"]) for row in files
    }


def written(target: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in target.rglob("*") if path.is_file()}


def until(happened: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Images and documents, some of them in folders, with odd names, or faulty."""
    place = tmp_path_factory.mktemp("scans")
    (place / "deep/er").mkdir(parents=True)
    shutil.copy(ROOT / "examples/report.pdf", place / "report.pdf")
    (place / "deep/a b#%41?.png").write_bytes(png("Odd name"))
    (place / "deep/er/字.png").write_bytes(page_bytes("chinese.png"))
    (place / "long.tiff").write_bytes(tiff(*(drawn(f"Page {n}") for n in range(1, 11))))
    (place / "crash.tiff").write_bytes(tiff(drawn("Page 1"), drawn("x", CRASH), drawn("Page 3")))
    (place / "crash.png").write_bytes(png("x", CRASH))
    (place / "broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    (place / "em\x1bpty.png").write_bytes(b"")
    (place / "notes.docx").write_bytes(b"PK\x03\x04 no image")
    (place / ".hidden.png").write_bytes(png("Hidden"))
    for number in range(20):
        (place / f"{number:02}.png").write_bytes(png(f"Number {number:02}"))
    return place


FAILURES = {
    "crash.png": (None, 0, 0, "reader_crashed"),
    "crash.tiff": (3, 2, 1, "reader_crashed"),
    "broken.pdf": (None, 0, 0, "unsupported_document"),
    "em\x1bpty.png": (None, 0, 0, "unsupported_document"),
    "notes.docx": (None, 0, 0, "unsupported_document"),
}


@pytest.fixture(scope="module")
def read(folder, tmp_path_factory) -> tuple[Path, int, str]:
    """All of it, read by an embedded Ray, three pages a chunk."""
    target = tmp_path_factory.mktemp("results")
    path = site(tmp_path_factory.mktemp("site"))
    status, said = bulk(
        folder, "--out", target, "--pages-per-chunk", 3, PYTHONPATH=f"{path}:{ROOT}"
    )
    return target, status, said


def test_each_page_has_one_row_and_each_file_one_outcome(read):
    target, status, said = read
    assert status == 1, said
    found = texts(target)
    for number in range(20):
        assert found.pop((f"{number:02}.png", 1)) == f"Number {number:02}"
    for number in range(1, 11):
        assert found.pop(("long.tiff", number)) == f"Page {number}"
    assert found.pop(("deep/a b#%41?.png", 1)) == "Odd name"
    chinese = found.pop(("deep/er/字.png", 1))
    assert [text for text in TRUTH["chinese.png"] if text not in chinese] == []
    assert "Weather report" in found.pop(("report.pdf", 1))
    assert "Kraków" in found.pop(("report.pdf", 2))
    assert found == {
        ("crash.tiff", 1): "Page 1",
        ("crash.tiff", 2): "reader_crashed",
        ("crash.tiff", 3): "Page 3",
    }
    files = outcomes(target)
    assert {name: files.pop(name) for name in FAILURES} == FAILURES
    assert files.pop("report.pdf") == (2, 2, 0, None)
    assert files.pop("long.tiff") == (10, 10, 0, None)
    assert len(files) == 22
    assert set(files.values()) == {(1, 1, 0, None)}
    assert "crash.png: reader_crashed" in said
    assert "em?pty.png: unsupported_document" in said
    assert "em\x1bpty" not in said


def test_rows_hold_what_was_asked_for(read):
    (row,) = (row for row in rows(read[0], "pages") if row["source"] == "deep/er/字.png")
    assert [line["text"] for line in row["lines"]] == TRUTH["chinese.png"]
    assert all(len(line["box"]) == 4 for line in row["lines"])
    assert TRUTH["chinese.png"][0] in row["markdown"]
    assert row["hocr"] is None
    assert (row["page_count"], row["orientation"]) == (1, 0)
    assert row["seconds"] > 0


def test_a_second_run_reads_nothing_that_is_there(read, folder, tmp_path):
    target = tmp_path / "again"
    shutil.copytree(read[0], target)
    before = written(target)
    status, said = bulk(folder, "--out", target)
    assert (status, written(target)) == (1, before), said
    assert "0 of 0 files" in said
    assert "5 could not be read before: see --retry-failed" in said
    rows_of_a_chunk = next(path for path in before if path.parent.name == "pages")
    shutil.copy(rows_of_a_chunk, rows_of_a_chunk.with_name("z.parquet"))
    assert bulk(folder, "--out", target)[0] == 1
    assert written(target) == before


def test_failures_are_tried_again_when_asked_for(read, folder, tmp_path):
    target = tmp_path / "again"
    shutil.copytree(read[0], target)
    read_before = {key: text for key, text in texts(target).items() if text != "reader_crashed"}
    # Now without what crashes the decoder.
    status, said = bulk(folder, "--out", target, "--retry-failed")
    assert status == 1, said
    found = texts(target)
    again = {key for key in found if key not in read_before}
    assert again == {("crash.png", 1), ("crash.tiff", 2)}
    assert {key: found[key] for key in read_before} == read_before
    files = outcomes(target)
    assert files["crash.tiff"] == (3, 3, 0, None)
    assert files["crash.png"] == (1, 1, 0, None)
    assert files["broken.pdf"] == FAILURES["broken.pdf"]
    assert len(files) == 29


def test_a_run_whose_results_cannot_be_written_fails_and_can_go_on(tmp_path):
    source, target = tmp_path / "scans", tmp_path / "results"
    source.mkdir()
    (source / "a.png").write_bytes(png("Number 1"))
    chunk = Chunk(pieces=(Piece(source="a.png"),), most_pages=64)
    in_the_way = target / f"pages/{chunk.name}.parquet/folder"
    in_the_way.mkdir(parents=True)
    status, said = bulk(source, "--out", target)
    assert status == 1, said
    assert "Is a directory" in said.splitlines()[-1]
    assert said.endswith("; started again, it goes on from here\n")
    assert "an actor was lost, its chunks are read again: [Errno 21]" in said
    shutil.rmtree(in_the_way.parent)
    assert bulk(source, "--out", target)[0] == 0
    assert texts(target) == {("a.png", 1): "Number 1"}


def test_failures_are_kept_where_they_cannot_be_tried_again(read, folder, tmp_path):
    target = tmp_path / "again"
    shutil.copytree(read[0], target)
    before = written(target)
    for arguments in ([tmp_path / "none"], [folder, "--cores-per-actor", 9999]):
        status, said = bulk(*arguments, "--out", target, "--retry-failed")
        assert (status, written(target)) == (2, before), said


def test_a_source_that_cannot_be_read_any_more_ends_the_run(tmp_path):
    (tmp_path / "loop").symlink_to("loop")  # whatever is below it has an error of its disk
    listed = tmp_path / "some.list"
    listed.write_text("\n".join(f"{tmp_path}/loop/{number}" for number in range(100)))
    status, said = bulk(listed, "--out", tmp_path / "out")
    assert status == 1, said
    assert "SOURCE cannot be read any more" in said.splitlines()[-1]


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("many")
    for number in range(150):
        (place / f"{number:03}.png").write_bytes(png(f"Number {number:03}"))
    (place / "long.tiff").write_bytes(tiff(*(drawn(f"Page {n}") for n in range(1, 31))))
    return place


MANY = {(f"{number:03}.png", 1): f"Number {number:03}" for number in range(150)} | {
    ("long.tiff", number): f"Page {number}" for number in range(1, 31)
}


def test_a_run_that_is_killed_goes_on_where_it_was(many, tmp_path):
    target = tmp_path / "results"
    pages = target / "pages"
    for count in (3, 8):
        with started(many, "--out", target, "--pages-per-chunk", 5) as process:
            until(lambda n=count: pages.is_dir() and len(list(pages.glob("*.parquet"))) >= n)
            os.killpg(process.pid, signal.SIGKILL)
    assert len(texts(target)) < len(MANY)
    status, said = bulk(many, "--out", target, "--pages-per-chunk", 5)
    assert status == 0, said
    assert texts(target) == MANY
    assert len(outcomes(target)) == 151


@contextlib.contextmanager
def node(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Ray node with one core, in a session of its own."""
    process = subprocess.Popen(
        [RAY, "start", "--block", "--num-cpus=1", "--object-store-memory=100000000", *arguments],
        env=clean_environ(PYTHONPATH=str(ROOT), RAY_USAGE_STATS_ENABLED="0", **TOKEN),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill_node(process)


def kill_node(process: subprocess.Popen[bytes]) -> None:
    """Kill every process of a node at once, as when a machine fails."""
    children = _descendants(process.pid)
    for pid in [process.pid, *children]:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _descendants(pid: int) -> list[int]:
    try:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except FileNotFoundError:
        return []
    return [each for child in map(int, found) for each in (child, *_descendants(child))]


def test_a_node_that_is_killed_loses_nothing_and_doubles_nothing(many, tmp_path):
    target = tmp_path / "results"
    pages = target / "pages"
    port = free_port()
    address = f"127.0.0.1:{port}"
    head = ("--head", f"--port={port}", "--include-dashboard=false")
    run = (many, "--out", target, "--ray", address, "--pages-per-chunk", 5)
    with node(*head), node_joined(address) as second, started(*run, **TOKEN) as process:
        until(lambda: pages.is_dir() and len(list(pages.glob("*.parquet"))) >= 6)
        kill_node(second)
        _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    assert "an actor was lost" in said
    assert texts(target) == MANY
    assert len(outcomes(target)) == 151


def test_it_says_that_no_node_has_room(folder, tmp_path):
    port = free_port()
    address = f"127.0.0.1:{port}"
    run = (folder, "--out", tmp_path, "--ray", address, "--cores-per-actor", 2)
    with node("--head", f"--port={port}", "--include-dashboard=false"):
        until(lambda: _alive(address) == 1)
        with started(*run, **TOKEN) as process:
            assert process.stderr is not None
            assert any("no node has room for one" in line for line in process.stderr)


@contextlib.contextmanager
def node_joined(address: str) -> Iterator[subprocess.Popen[bytes]]:
    host, port = address.split(":")
    until(lambda: _listens(host, int(port)))
    with node(f"--address={address}") as process:
        until(lambda: _alive(address) == 2)
        yield process


def _listens(host: str, port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex((host, port)) == 0


def _alive(address: str) -> int:
    """How many nodes a cluster has."""
    code = (
        f"import ray; ray.init(address={address!r}, logging_level='error', log_to_driver=False);"
        "print(sum(node['Alive'] for node in ray.nodes()))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environ(RAY_USAGE_STATS_ENABLED="0", **TOKEN),
        capture_output=True,
        text=True,
        check=False,
    )
    return int(ended.stdout.split()[-1]) if ended.returncode == 0 else 0


@pytest.fixture
def store() -> Iterator[str]:
    """An S3 server; its address."""
    port = free_port()
    process = subprocess.Popen(
        [MOTO, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: _listens("127.0.0.1", port))
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def test_it_reads_from_and_writes_to_an_object_store(store, tmp_path):
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    system = fs.S3FileSystem(
        access_key="key",
        secret_key="secret",
        endpoint_override=store,
        scheme="http",
        region="us-east-1",
        allow_bucket_creation=True,
    )
    system.create_dir("bucket")
    drawn_files = {"scans/a b#%41?.png": png("Odd name"), "scans/deep/b.png": png("Number 2")}
    drawn_files["scans/broken.png"] = b"none"
    for key, data in drawn_files.items():
        with system.open_output_stream(f"bucket/{key}") as stream:
            stream.write(data)
    how = f"endpoint_override={store}&scheme=http&region=us-east-1"
    source, target = f"s3://bucket/scans?{how}", f"s3://bucket/results?{how}"
    status, said = bulk(source, "--out", target, **keys)
    assert status == 1, said
    found = {row["source"]: row["text"].strip() for row in rows("bucket/results", "pages", system)}
    assert found == {"a b#%41?.png": "Odd name", "deep/b.png": "Number 2"}
    codes = {row["source"]: row["code"] for row in rows("bucket/results", "files", system)}
    assert codes == {**dict.fromkeys(found), "broken.png": "unsupported_document"}
    assert bulk(source, "--out", target, **keys)[0] == 1
    status, said = bulk(f"s3://bucket/scan?{how}", "--out", tmp_path / "none", **keys)
    assert (status, "holds no files" in said) == (2, True)
    # The same files from a list, into a folder, only those that it names.
    listed = tmp_path / "some.list"
    listed.write_text("s3://bucket/scans/a b#%41?.png\n\ns3://bucket/scans/none.png\n")
    status, said = bulk(
        listed, "--out", tmp_path / "out", AWS_ENDPOINT_URL=f"http://{store}", **keys
    )
    assert status == 1, said
    assert texts(tmp_path / "out") == {("s3://bucket/scans/a b#%41?.png", 1): "Odd name"}
    assert outcomes(tmp_path / "out")["s3://bucket/scans/none.png"][3] == "unreadable_file"


def test_what_cannot_be_used_is_said_in_a_line(folder, tmp_path):
    status, said = bulk(tmp_path / "none", "--out", tmp_path / "out")
    assert (status, said.count("\n")) == (2, 1)
    assert "there is no such file or folder" in said
    file = tmp_path / "file"
    file.touch()
    status, said = bulk(folder, "--out", file)
    assert (status, said) == (2, f"rapidocr-bento bulk: {file}: is a file\n")
    status, said = bulk(folder, "--out", tmp_path / "out", OCR_PROFILE="quick")
    assert (status, "OCR_PROFILE='quick'" in said) == (2, True)
    status, said = bulk(folder, "--out", tmp_path / "out", "--cores-per-actor", 9999)
    assert (status, "this machine grants only" in said) == (2, True)
    model = tmp_path / "model.onnx"
    model.write_bytes(b"none")
    status, said = bulk(folder, "--out", tmp_path / "out", rec_model_path=str(model))
    assert (status, "rec_model_path" in said.splitlines()[-1]) == (2, True), said
