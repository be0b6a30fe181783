"""Chunks of pages, and the process that reads them: all of bulk reading that needs no Ray."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import DATA, TRUTH, page_bytes
from faulty_files import CRASH, HANG, drawn, png, site, tiff
from serving import ROOT

from ocr_runtime.bulk.chunks import MOST_ATTEMPTS, Chunk, Piece, chunks_of, divided, runs
from ocr_runtime.bulk.cores import Cores
from ocr_runtime.bulk.reader_process import ReaderProcess
from ocr_runtime.bulk.rows import DEFAULT_OUTPUTS, OUTPUTS, PieceResult
from ocr_runtime.client.main import main
from ocr_runtime.settings import SettingsError


def pieces(*names: str) -> list[Piece]:
    return [Piece(source=name) for name in names]


def test_a_chunk_has_as_many_pages_as_it_may():
    some = [*pieces("a", "b"), Piece(source="c", first=3, last=4), *pieces("d")]
    found = [chunk.pieces for chunk in chunks_of(some, most_pages=3)]
    assert found == [tuple(some[:2]), tuple(some[2:])]


def test_a_piece_is_divided_into_pieces_that_leave_nothing_out():
    found = list(divided(Piece(source="a", first=5, last=11), most_pages=3))
    assert [(piece.first, piece.last) for piece in found] == [(5, 7), (8, 10), (11, 11)]


def test_runs_of_numbers():
    assert list(runs({4, 1, 2, 9, 3, 8})) == [(1, 4), (8, 9)]
    assert list(runs([])) == []


def test_the_name_of_a_chunk_is_the_same_at_each_attempt_and_another_for_other_pages():
    first = Chunk(pieces=tuple(pieces("a", "b")), most_pages=8)
    (again,) = first.after_loss()
    assert again.name == first.name
    assert Chunk(pieces=tuple(pieces("a")), most_pages=8).name != first.name
    part = Piece(source="a", first=2)
    assert Chunk(pieces=(part,), most_pages=8).name != Chunk(pieces=(), most_pages=8).name


def test_a_file_that_ends_every_actor_is_given_up_without_the_others():
    chunk = Chunk(pieces=tuple(pieces("a", "b")), most_pages=8)
    for _ in range(MOST_ATTEMPTS - 1):
        (chunk,) = chunk.after_loss()
    alone = chunk.after_loss()
    assert [each.pieces for each in alone] == [(piece,) for piece in pieces("a", "b")]
    chunk = alone[0]
    for _ in range(MOST_ATTEMPTS - 1):
        (chunk,) = chunk.after_loss()
    assert chunk.after_loss() == []


def test_processors_are_claimed_once_and_only_where_the_node_has_all():
    usable = os.sched_getaffinity(0)
    first, second = Cores(), Cores()
    assert first.claim(1, of_node=len(usable) + 1) is None
    mine = first.claim(len(usable), of_node=len(usable))
    assert mine == usable
    assert second.claim(1, of_node=len(usable)) is None
    first.release()
    assert second.claim(1, of_node=len(usable)) == {min(usable)}
    second.release()


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A reader whose decoder crashes and hangs on some images."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", site(tmp_path_factory.mktemp("site")))
        reader = ReaderProcess(
            outputs=DEFAULT_OUTPUTS,
            cores=1,
            text_layer="auto",
            dpi=None,
            environ={"OCR_TIMEOUT_SECONDS": "3"},
        )
        yield reader
        reader.close()


def read(reader: ReaderProcess, data: bytes, *, most: int = 64, **piece: int) -> PieceResult:
    return reader.read(data, Piece(source="file", **piece), most=most)


def seen(result: PieceResult) -> dict[int, str]:
    """The text or the code of each page."""
    return {row["page"]: row.get("code") or row["text"].strip() for row in result.rows}


def test_it_reads_what_is_drawn(faulty):
    result = read(faulty, page_bytes("table.png"))
    (row,) = result.rows
    assert result.pages == 1
    assert [text for text in TRUTH["table.png"] if text not in row["text"]] == []
    assert [text for text in TRUTH["table.png"] if text not in row["markdown"]] == []
    assert {line["text"] for line in row["lines"]} >= set(TRUTH["table.png"][1:3])
    assert all(len(line["box"]) == 4 and 0 < line["score"] <= 1 for line in row["lines"])
    assert set(row) <= {
        "page",
        "width",
        "height",
        "dpi",
        "orientation",
        "skew",
        "seconds",
        *OUTPUTS,
    }
    assert row["seconds"] > 0


def test_what_is_not_got_to_is_left(faulty):
    pages = [drawn(f"Page {number}") for number in range(1, 6)]
    result = read(faulty, tiff(*pages), most=2)
    assert (result.pages, seen(result)) == (5, {1: "Page 1", 2: "Page 2"})
    assert result.left == Piece(source="file", first=3, last=5)
    rest = read(faulty, tiff(*pages), first=3, last=5)
    assert seen(rest) == {3: "Page 3", 4: "Page 4", 5: "Page 5"}
    assert rest.left is None


@pytest.mark.slow
def test_a_page_that_ends_the_process_costs_its_own_row(faulty):
    pages = [drawn("Page 1"), drawn("Page 2", CRASH), drawn("Page 3")]
    before = faulty.pid
    result = read(faulty, tiff(*pages))
    assert seen(result) == {1: "Page 1", 2: "reader_crashed", 3: "Page 3"}
    assert faulty.pid != before
    assert seen(read(faulty, png("After it"))) == {1: "After it"}


@pytest.mark.slow
def test_a_page_that_hangs_costs_its_own_row(faulty):
    pages = [drawn("Page 1"), drawn("Page 2", HANG), drawn("Page 3")]
    result = read(faulty, tiff(*pages))
    assert seen(result) == {1: "Page 1", 2: "timeout", 3: "Page 3"}
    assert 3 < result.rows[1]["seconds"] < 30


@pytest.mark.slow
def test_a_file_that_crashes_again_and_again_is_given_up(faulty):
    pages = [drawn("Page 1"), *[drawn("x", CRASH)] * 3, drawn("Page 5"), drawn("Page 6")]
    assert seen(read(faulty, tiff(*pages))) == {
        1: "Page 1",
        **dict.fromkeys([2, 3, 4], "reader_crashed"),
        **dict.fromkeys([5, 6], "not_tried"),
    }


def test_a_file_that_cannot_be_opened_is_a_failure_without_pages(faulty):
    result = read(faulty, b"no image")
    assert (result.pages, result.rows) == (None, [])
    assert result.failure
    assert result.failure.code == "unsupported_document"


def test_pages_that_a_file_has_no_more_are_failed_rows(faulty):
    result = read(faulty, tiff(drawn("Page 1"), drawn("Page 2")), first=2, last=4)
    assert seen(result) == {2: "Page 2", 3: "file_changed", 4: "file_changed"}
    result = read(faulty, b"no image", first=2, last=3)
    assert seen(result) == dict.fromkeys([2, 3], "unsupported_document")


@pytest.mark.slow
def test_a_process_that_is_killed_is_replaced(faulty):
    threading.Timer(0.5, os.kill, [faulty.pid, signal.SIGKILL]).start()
    slow = (DATA / "pages/newspaper.png").read_bytes()
    deadline = time.monotonic() + 60
    while True:  # which of them it hits depends on the machine
        codes = [row.get("code") for row in read(faulty, slow).rows]
        if codes in ([], ["reader_crashed"]):
            break
        assert time.monotonic() < deadline
    assert seen(read(faulty, png("After it"))) == {1: "After it"}


@pytest.mark.slow
def test_a_process_whose_actor_is_gone_reads_no_further_page():
    asked = {"outputs": ["text"], "cores": 1, "text_layer": "auto", "dpi": None}
    data = tiff(*[drawn("Page")] * 500)
    request = {"bytes": len(data), "first": 1, "last": None, "most": 500}
    with subprocess.Popen(
        [sys.executable, "-m", "ocr_runtime.bulk.reader_child"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdin
        assert child.stdout
        try:
            child.stdin.write(json.dumps(asked).encode() + b"\n")
            child.stdin.flush()
            assert json.loads(child.stdout.readline()) == {"ready": True}
            child.stdin.write(json.dumps(request).encode() + b"\n" + data)
            child.stdin.flush()
            assert json.loads(child.stdout.readline()) == {"pages": 500}
            child.stdout.close()
            assert child.wait(20) == 0  # its standard input is still open
        finally:
            child.kill()


def test_a_setting_that_cannot_be_used_is_said_at_once(tmp_path):
    model = tmp_path / "model.onnx"
    model.write_bytes(b"none")
    with pytest.raises(SettingsError, match="rec_model_path"):
        ReaderProcess(
            outputs=["text"],
            cores=1,
            text_layer="auto",
            dpi=None,
            environ={"rec_model_path": str(model)},
        )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--actors", "0"], "argument --actors: '0' is not a whole number of 1 or more"),
        (["--actors", "two"], "argument --actors: 'two' is not a whole number of 1 or more"),
        (["--dpi", "601"], "argument --dpi: '601' is not a whole number of 72 to 600"),
        (["--retry"], "unrecognized arguments: --retry"),
    ],
)
def test_an_argument_that_cannot_be_used_is_said(arguments, said, capsys):
    with pytest.raises(SystemExit):
        main(["bulk", "scans", "--out", "results", *arguments])
    assert said in capsys.readouterr().err


def test_measuring_ends_where_the_command_has_ended():
    code = (
        "import subprocess, sys; from scripts.measure_bulk import wait_for;"
        "wait_for(lambda: False, subprocess.Popen([sys.executable, '-c', 'exit(3)']))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (1, "bulk has ended too early, with 3\n")
