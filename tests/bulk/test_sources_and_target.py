"""What SOURCE holds, and what TARGET keeps: real files and Parquet, without Ray."""

import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow", reason="PyArrow is not installed: scripts/bulk tests with it")

import pyarrow as pa
from pyarrow import dataset

from ocr_runtime.bulk.chunks import Chunk, Piece
from ocr_runtime.bulk.outcomes import Totals
from ocr_runtime.bulk.places import Place
from ocr_runtime.bulk.reading_actor import ChunkReader, Job, StoreFailed
from ocr_runtime.bulk.rows import Failure
from ocr_runtime.bulk.sources import NoSource, Sources
from ocr_runtime.bulk.target import Begun, NoTarget, Target


def written(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def names(source: Path, target: Path) -> list[str]:
    return list(Sources(str(source)).names(without=Place.at(str(target))))


def test_only_the_results_of_a_target_are_left_out_wherever_it_lies(tmp_path):
    source = tmp_path / "scans"
    written(source, "a.png", "pages/1.png", "pages/0.parquet", "files/0.parquet", "out/b.png")
    written(source, "run.json", "out/run.json", "out/pages/0.parquet")
    of_out = ["out/b.png", "out/pages/0.parquet", "out/run.json"]
    assert names(source, source) == ["a.png", *of_out, "pages/1.png"]
    own = ["files/0.parquet", "out/b.png", "pages/0.parquet", "pages/1.png", "run.json"]
    assert names(source, source / "out") == ["a.png", *own]
    everything = ["a.png", "files/0.parquet", *of_out, "pages/0.parquet", "pages/1.png", "run.json"]
    assert names(source, tmp_path) == everything


def test_a_source_without_files_is_refused(tmp_path):
    written(tmp_path, ".hidden.png", "pages/0.parquet", "none.list")
    (tmp_path / "empty").mkdir()
    for source in ("empty", "none.list"):
        with pytest.raises(NoSource, match=f"{source}: holds no files"):
            names(tmp_path / source, tmp_path / "out")


def test_a_list_names_each_file_once_by_its_absolute_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    listed = tmp_path / "some.list"
    bucket = "s3://bucket/a//b.png"
    listed.write_text(f"a.png\n./a.png\n{tmp_path}/a.png\n{bucket}\n{bucket}\n")
    assert names(listed, tmp_path / "out") == [f"{tmp_path}/a.png", bucket]


def test_links_in_a_circle_and_odd_names_add_nothing_and_end_nothing(tmp_path):
    source = tmp_path / "scans"
    written(source, "a.png", "deep/b.png")
    (source / "deep/loop").symlink_to("..")
    (source / "link.png").symlink_to("a.png")
    Path(os.fsdecode(os.fsencode(source) + b"/\xff.png")).touch()
    assert names(source, tmp_path / "out") == ["\\xff.png", "a.png", "deep/b.png", "link.png"]
    with pytest.raises(FileNotFoundError):
        Sources(str(source)).read("\\xff.png", most_bytes=1)
    assert Place.at(str(tmp_path / "none")).files() == []


def job(source: Path, target: Path | str = "none", **changes: Any) -> Job:
    usual = {"outputs": ("text",), "cores": 1, "text_layer": "auto", "dpi": None, "environ": {}}
    return Job(source=str(source), target=str(target), **usual | changes)


def how(source: Path, **changes: Any) -> dict[str, Any]:
    made = job(source, **changes)
    return {"source": Sources(made.source).root, **made.how()}


def test_a_target_is_for_one_source_and_one_way_of_reading(tmp_path):
    written(tmp_path, "a/1.png", "b/1.png", "one.list", "two.list")
    a, target = tmp_path / "a", Target(str(tmp_path / "out"))
    target.begin(how(a, dpi=72))
    target.begin(how(a))  # there are no results yet
    written(tmp_path / "out", "pages/0.parquet")
    target.begin(how(a / "1.png", cores=2, environ={"OCR_PAGE_SECONDS": "9"}))
    for other, changed in [
        (how(tmp_path / "b"), "source"),
        (how(a, outputs=("text", "hocr")), "outputs"),
        (how(a, dpi=300), "dpi"),
        (how(a, text_layer="never"), "text_layer"),
        (how(a, environ={"OCR_PROFILE": "fast"}), "OCR_PROFILE"),
        (how(tmp_path / "one.list"), "source"),
    ]:
        with pytest.raises(NoTarget, match=f"was begun with other {changed} "):
            target.begin(other)
    lists = Target(str(tmp_path / "of-lists"))
    lists.begin(how(tmp_path / "one.list"))
    written(tmp_path / "of-lists", "pages/0.parquet")
    lists.begin(how(tmp_path / "two.list"))


def test_all_are_read_only_if_none_failed_and_none_is_missing():
    assert Totals(files=2, files_done=2, failures=[]).all_read
    assert not Totals(files=2, files_done=1, failures=[]).all_read
    assert not Totals(files=2, files_done=2, files_failed=1, failures=[]).all_read
    assert not Totals(failed_before=1, failures=[]).all_read


def test_files_that_are_not_there_are_failures_but_an_outage_ends_the_run(tmp_path):
    listed = tmp_path / "some.list"
    listed.touch()
    (tmp_path / "loop").symlink_to("loop")  # whatever is below it has an error of its disk
    gone = [Piece(source=f"{tmp_path}/gone{number}") for number in range(30)]
    broken = [Piece(source=f"{tmp_path}/loop/{number}") for number in range(20)]
    reader = ChunkReader(job(listed, tmp_path / "out"))
    try:
        mixed = (*broken[:19], *gone, *broken[:19])
        outcomes = reader.read(Chunk(pieces=mixed, most_pages=99))
        assert {outcome.failure.code for outcome in outcomes} == {"unreadable_file"}
        assert "Too many levels of symbolic links" in outcomes[0].failure.error
        assert "No such file" in outcomes[19].failure.error
        with pytest.raises(StoreFailed, match=r"cannot be read any more: .*Too many levels"):
            reader.read(Chunk(pieces=tuple(broken[19:]), most_pages=99))
    finally:
        reader.close()


def test_a_page_that_was_written_twice_is_kept_once(tmp_path):
    target = Target(str(tmp_path))
    assert target.drop_doubles() == 0
    failed = {"code": "actor_lost", "error": "Lost.", "seconds": 1.0}
    good = {"text": "Read", "page_count": 3, "seconds": 2.0}
    page = [{"source": "a", "page": number} for number in (1, 2, 3)]
    other = {"source": "b", "page": 1, **good}
    target.write_pages("0", [page[0] | failed, page[1] | good, other])
    target.write_pages("1", [page[0] | good, page[1] | good])
    target.write_pages("2", [page[1] | failed, page[2] | failed])
    target.write_pages("3", [page[1] | good])

    def found() -> dict[str, Begun]:
        return target.begun(pa.array(["b"], pa.string()))

    lost = Failure("actor_lost", "Lost.")
    kept = Begun(page_count=3, pages={1, 2, 3}, failed=1, seconds=5.0, failure=lost)
    assert found() == {"a": kept}
    assert target.drop_doubles() == 4
    assert target.drop_doubles() == 0
    assert found() == {"a": kept}
    rows = dataset.dataset(tmp_path / "pages", format="parquet").to_table().to_pylist()
    read = [(row["source"], row["page"], row["text"] or row["code"]) for row in rows]
    one_each = [("a", 1, "Read"), ("a", 2, "Read"), ("a", 3, "actor_lost"), ("b", 1, "Read")]
    assert sorted(read) == one_each
    assert not (tmp_path / "pages/3.parquet").exists()
