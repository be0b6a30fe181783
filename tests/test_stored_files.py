"""Stored files: whose they are, how much room they get, and how long they stay."""

import asyncio
import sqlite3
from typing import Never

import pytest
from starlette.datastructures import Headers
from test_job_store import Stored

from ocr_runtime.errors import Busy, JobsFull, NotFound
from ocr_runtime.serving import job_database
from ocr_runtime.serving.bodies import Bodies
from ocr_runtime.serving.job_database import CHUNK_BYTES, Database
from ocr_runtime.serving.jobs import Jobs
from ocr_runtime.serving.state import RequestState, begin_request
from ocr_runtime.serving.stored_files import StoredFile, StoredFiles
from ocr_runtime.settings import Settings


def files(stored: Stored, **settings: object) -> StoredFiles:
    chosen = Settings(jobs_dir=stored.file.parent, **settings)
    return StoredFiles(stored.database, chosen)


def add(
    kept: StoredFiles, data: bytes = b"a file", caller: str = "a", name: str = "a.pdf"
) -> StoredFile:
    return kept.add(owner=caller, caller=caller, name=name, data=data)


@pytest.fixture
def stored(tmp_path):
    opened = Stored(tmp_path)
    yield opened
    opened.database.close()


def test_a_file_is_given_back_to_its_owner_only(stored):
    kept = files(stored)
    data = bytes(range(256)) * (CHUNK_BYTES // 200)
    file = add(kept, data)
    assert (file.name, file.bytes) == ("a.pdf", len(data))
    assert kept.get(file.id, "a") == file
    assert b"".join(kept.content(file.id, "a")) == data
    for ask in (kept.get, kept.content, kept.delete):
        with pytest.raises(NotFound):
            ask(file.id, "b")
    assert kept.get(file.id, "a") == file


def test_nothing_is_left_of_a_deleted_file(stored):
    kept = files(stored)
    file = add(kept, b"what the caller sent")
    kept.delete(file.id, "a")
    with pytest.raises(NotFound):
        kept.get(file.id, "a")
    stored.database.tidy()
    for path in stored.file.parent.iterdir():
        assert b"what the caller sent" not in path.read_bytes()


def test_old_files_are_forgotten(stored, monkeypatch):
    kept = files(stored, jobs_keep_hours=1)
    old = add(kept)
    monkeypatch.setattr(Database, "now", lambda *_: old.created + 3599)
    assert kept.expire() == 0
    assert kept.get(old.id, "a") == old
    monkeypatch.setattr(Database, "now", lambda *_: old.created + 3601)
    young = add(kept)
    with pytest.raises(NotFound):
        kept.get(old.id, "a")
    assert kept.expire() == 1
    with sqlite3.connect(stored.file) as rows:
        assert rows.execute("SELECT id FROM ocr_files").fetchall() == [(young.id,)]
        assert rows.execute("SELECT job FROM ocr_job_chunks").fetchall() == [(young.id,)]


def test_files_take_of_the_room_of_jobs_and_jobs_of_that_of_files(tmp_path):
    stored = Stored(tmp_path, jobs_max_mb=1)
    kept = files(stored, jobs_max_mb=1)
    add(kept, bytes(500 << 10))
    with pytest.raises(JobsFull):
        stored.create(data=bytes(600 << 10))
    stored.create(data=bytes(500 << 10))
    with pytest.raises(JobsFull):
        add(kept, bytes(50 << 10), caller="b")
    stored.database.close()


def test_no_caller_takes_all_room(stored):
    kept = files(stored, jobs_max_mb=1)

    def most(caller: str) -> int:
        """Store files until one is refused; return how many there are."""
        for number in range(100):
            try:
                add(kept, bytes(9 << 10), caller=caller)
            except JobsFull:
                return number
        return 100

    assert [most(caller) for caller in "abcde"] == [51, 26, 13, 6, 3]


def test_the_name_of_a_file_is_stored_as_far_as_it_can_be(stored):
    file = add(files(stored), name="\0" + 300 * "字")
    assert file.name == "\ufffd" + 254 * "字"


def test_a_database_of_an_earlier_version_gets_the_table(stored):
    job = stored.create()
    with sqlite3.connect(stored.file) as rows:
        rows.execute("DROP TABLE ocr_files")
    again = Stored(stored.file.parent.parent)
    assert again.store.get(job, "a").state == "queued"
    kept = files(again)
    assert kept.get(add(kept).id, "a").bytes == len(b"a file")
    again.database.close()


def fetched(folder, file: str, *, most_bytes: int = 1 << 20) -> bytes:
    """Fetch a file as a request does that names it; other requests hold nothing."""

    async def receive() -> Never:
        raise AssertionError("it has a body already")

    async def fetch() -> bytes:
        body = Bodies(most_bytes=most_bytes, most_seconds=1).open(Headers({}), receive)
        begin_request(RequestState("id", key="a", body=body))
        return await jobs.fetch(file)

    jobs = Jobs(Settings(jobs_dir=folder), [], worker=lambda: None)
    try:
        return asyncio.run(fetch())
    finally:
        jobs.close()


def test_a_file_that_is_deleted_while_it_is_read_is_not_there(stored, monkeypatch):
    folder, file = stored.file.parent, add(files(stored), b"a file of some bytes")
    assert fetched(folder, file.id) == b"a file of some bytes"
    monkeypatch.setattr(StoredFiles, "content", lambda *_: iter([b"a file of"]))
    with pytest.raises(NotFound):
        fetched(folder, file.id)


def test_a_file_counts_as_a_body_of_the_request_that_has_fetched_it(stored):
    folder, file = stored.file.parent, add(files(stored), bytes(900))
    assert fetched(folder, file.id, most_bytes=120) == bytes(900)  # eight of them are held
    with pytest.raises(Busy):
        fetched(folder, file.id, most_bytes=100)


def test_one_transaction_forgets_no_more_bytes_than_others_can_wait_for(stored, monkeypatch):
    kept = files(stored)
    monkeypatch.setattr(job_database, "MOST_BYTES_AT_ONCE", 100)
    for size in (60, 40, 30, 150):
        last = add(kept, bytes(size))
    monkeypatch.setattr(Database, "now", lambda *_: last.created + 24 * 3600 + 1)
    assert [kept.expire() for _ in range(5)] == [2, 1, 1, 0, 0]
