"""The store of jobs: whose turn it is, who may write, and what is kept how long."""

import os
import sqlite3
import stat
import time
from typing import Any

import pytest
import sqlalchemy as sa
from conftest import page_bytes

from ocr_runtime.documents.images import decode
from ocr_runtime.errors import Internal, JobNotFound, JobsFull, JobsUnavailable, TooManyJobs
from ocr_runtime.reading.page import Page, ReadingOptions, UnreadPage
from ocr_runtime.reading.stored import from_json, to_json
from ocr_runtime.serving import job_database, job_queue
from ocr_runtime.serving.job_database import JOBS, Database, Lost, cause
from ocr_runtime.serving.job_queue import JobQueue
from ocr_runtime.serving.job_store import JobStore
from ocr_runtime.settings import Settings


class Stored:
    """A store in a folder, with a worker's view of it."""

    def __init__(self, folder: Any, **settings: Any) -> None:
        self.file = folder / "jobs/jobs.sqlite3"
        chosen = Settings(jobs_dir=folder / "jobs", **settings)
        self.database = Database(chosen)
        self.store, self.queue = JobStore(self.database, chosen), JobQueue(self.database)

    def create(
        self, caller: str = "a", pages: int = 3, data: bytes = b"file", output: str = "text"
    ) -> str:
        return self.store.create(
            owner=caller,
            caller=caller,
            output=output,
            options={"password": "a-secret-password"},
            numbers=range(1, pages + 1),
            data=data,
        )

    def claimed(self, **options: Any) -> Any:
        self.create(**options)
        return self.claim()

    def claim(self, *, alone: bool = True) -> Any:
        return self.queue.claim(alone=alone)


@pytest.fixture
def stored(tmp_path):
    opened = Stored(tmp_path)
    yield opened
    opened.database.close()


def page(number: int) -> Page:
    return Page(width=10, height=10, blocks=[], number=number)


def test_a_page_is_the_same_after_it_was_stored(standard):
    options = ReadingOptions(return_word_box=True)
    for name in ("table.png", "chinese.png", "line.png"):
        read = standard.read(decode(page_bytes(name), max_pixels=10**8), options)
        assert repr(from_json(to_json(read))) == repr(read)
    unread = UnreadPage(number=7, code="internal", error="Nothing.")
    assert from_json(to_json(unread)) == unread


def test_callers_take_turns_and_each_callers_jobs_keep_their_order(stored):
    jobs = [stored.create(caller) for caller in "aaabb"]
    assert [stored.store.get(job, "a").place for job in jobs[:3]] == [1, 2, 3]
    claimed = [stored.claim().job for _ in jobs]
    assert claimed == [jobs[0], jobs[3], jobs[1], jobs[4], jobs[2]]
    assert stored.claim() is None


def test_a_job_gives_way_to_other_callers_only(stored):
    stored.create("a")
    stored.create("a")
    claim = stored.claim()
    assert not stored.queue.others_wait(claim)
    other = stored.create("b")
    assert stored.queue.others_wait(claim)
    stored.queue.add_page(claim, page(1))
    stored.queue.release(claim)
    assert stored.claim().job == other
    again = stored.claim()
    assert (again.job, again.left, again.losses) == (claim.job, [2, 3], 0)


def test_what_a_lost_worker_still_writes_is_refused(stored, monkeypatch):
    monkeypatch.setattr(job_queue, "LEASE_SECONDS", -1.0)  # every lease has run out at once
    job = stored.create()
    first = stored.claim()
    stored.queue.add_page(first, page(1))
    second = stored.claim()
    assert (second.job, second.left, second.losses) == (job, [2, 3], 1)
    assert stored.queue.renew([first, second]) == {first.token}
    with pytest.raises(Lost):
        stored.queue.add_page(first, page(2))
    with pytest.raises(Lost):
        stored.queue.end(first)
    stored.queue.release(first)  # changes nothing
    stored.queue.add_page(second, page(2))
    third = stored.claim()
    assert (third.left, third.losses, third.all_losses) == ([3], 1, 2)
    assert stored.store.get(job, "a").pages_done == 2


def test_a_job_that_lost_its_worker_runs_alone_and_before_others(stored, monkeypatch):
    monkeypatch.setattr(job_queue, "LEASE_SECONDS", -1.0)
    suspect = stored.create("a")
    stored.claim()
    stored.create("b")
    assert stored.claim(alone=False) is None
    assert stored.claim().job == suspect


def test_a_result_is_written_in_pieces_and_anew_after_an_interruption(stored):
    job = stored.create(pages=1)
    claim = stored.claim()
    stored.queue.add_page(claim, page(1))
    assert list(stored.queue.pages(claim)) == [page(1)]
    parts = [bytes([i]) * 700_000 for i in range(5)]
    for _ in zip(range(3), stored.queue.write_result(claim, parts), strict=False):
        pass
    written = []

    def write() -> Any:
        written.append((yield from stored.queue.write_result(claim, parts)))

    assert len(list(write())) == 5
    stored.queue.end(claim, result_bytes=written[0])
    assert b"".join(stored.store.result(job)) == b"".join(parts)
    assert stored.store.get(job, "a").result_bytes == 3_500_000


@pytest.mark.parametrize("way", ["done", "failed", "cancelled"])
def test_nothing_is_left_of_file_and_password_when_a_job_has_ended(way, stored):
    job = stored.create(data=b"what the caller sent" * 1000)
    claim = stored.claim()
    stored.database.tidy()
    assert b"a-secret-password" in stored.file.read_bytes()
    if way == "cancelled":
        assert stored.store.delete(job, "a").state == "cancelled"
    else:
        stored.queue.end(claim, error=Internal() if way == "failed" else None)
    assert stored.store.get(job, "a").state == way
    stored.database.tidy()
    for path in stored.file.parent.iterdir():
        assert b"a-secret-password" not in path.read_bytes()
        assert b"what the caller sent" not in path.read_bytes()


def test_old_jobs_are_forgotten(tmp_path):
    stored = Stored(tmp_path, jobs_keep_hours=0.2 / 3600)
    job, other = stored.create(), stored.create()
    stored.queue.end(stored.claim(), result_bytes=0)
    assert stored.store.expire() == 0
    time.sleep(0.3)
    with pytest.raises(JobNotFound):
        stored.store.get(job, "a")
    assert stored.store.expire() == 1
    assert stored.store.get(other, "a").state == "queued"  # however long it waits
    with sqlite3.connect(stored.file) as rows:
        for table in ("ocr_jobs", "ocr_job_pages", "ocr_job_chunks"):
            count = f"SELECT count(*) FROM {table} WHERE {'id' if table == 'ocr_jobs' else 'job'}"
            assert rows.execute(f"{count} = ?", [job]).fetchone() == (0,)
    stored.database.close()


def test_any_number_of_old_jobs_is_forgotten_some_at_a_time(stored, monkeypatch):
    monkeypatch.setattr(job_database, "MOST_AT_ONCE", 500)
    job = {"owner": "a", "caller": "a", "output": "text", "state": "done", "numbers": b"[]"}
    job |= {"pages": 0, "bytes": 0, "created": 0.0, "finished": 0.0}
    with stored.database.transaction() as connection:
        connection.execute(sa.insert(JOBS), [job | {"id": str(i)} for i in range(40_000)])
    young = stored.create()
    for _ in range(2):
        assert stored.store.expire() == 500
    monkeypatch.setattr(job_database, "MOST_AT_ONCE", 20_000)
    assert [stored.store.expire() for _ in range(3)] == [20_000, 19_000, 0]
    assert stored.store.get(young, "a").state == "queued"


def test_one_transaction_forgets_no_more_bytes_than_others_can_wait_for(stored, monkeypatch):
    monkeypatch.setattr(job_database, "MOST_BYTES_AT_ONCE", 100)
    job = {"owner": "a", "caller": "a", "output": "text", "state": "done", "numbers": b"[]"}
    job |= {"pages": 0, "created": 0.0, "finished": 0.0}
    with stored.database.transaction() as connection:
        sizes = (60, 40, 30, 150)
        rows = [job | {"id": str(i), "bytes": size} for i, size in enumerate(sizes)]
        connection.execute(sa.insert(JOBS), rows)
    assert [stored.store.expire() for _ in range(4)] == [2, 1, 1, 0]


def test_jobs_without_a_file_or_result_take_room_too(tmp_path):
    stored = Stored(tmp_path, jobs_max_mb=1)
    for _ in range(4):
        stored.queue.end(stored.claimed(pages=50_000))
    with pytest.raises(JobsFull):
        stored.create()
    stored.database.close()


def test_there_are_bounds(tmp_path):
    stored = Stored(tmp_path, jobs_max_waiting=2, jobs_max_mb=1)
    with pytest.raises(JobsFull):
        stored.create(data=bytes(2 << 20))
    stored.create("a")
    stored.create("b")
    with pytest.raises(TooManyJobs):
        stored.create("c")
    stored.claim()
    stored.create("c")
    stored.database.close()


def test_no_caller_takes_all_places(tmp_path):
    stored = Stored(tmp_path, jobs_max_waiting=100)

    def most(caller: str) -> int:
        """Make jobs until one is refused; return how many there are."""
        for number in range(100):
            try:
                stored.create(caller)
            except TooManyJobs:
                return number
        return 100

    assert [most(caller) for caller in "abcdefgh"] == [50, 25, 13, 6, 3, 2, 1, 0]
    assert stored.claim().caller == "a"
    assert most("a") == 0  # the place that is free now is another's
    assert most("h") == 1
    stored.database.close()


def test_a_broken_store_is_told(tmp_path):
    (tmp_path / "jobs").write_text("a file where the folder should be")
    stored = Stored(tmp_path)
    with pytest.raises(JobsUnavailable):
        stored.create()
    with pytest.raises(JobsUnavailable):
        stored.database.tidy()


def test_what_is_logged_of_the_database_is_one_line_without_statement_and_values(stored):
    @sa.event.listens_for(stored.database._engine, "connect")
    def fill_the_disk(connection, _):
        connection.execute("PRAGMA max_page_count = 40")

    with pytest.raises(JobsUnavailable) as error:
        stored.create("a-caller's-digest", data=bytes(1 << 20))
    assert cause(error.value) == "database or disk is full"
    assert "a-caller's-digest" not in str(error.value.__cause__)


def test_what_the_system_says_is_logged_in_one_line():
    error = JobsUnavailable()
    for raised, line in (
        (OSError("first\nsecond"), "first"),
        (OSError(), "OSError"),
        (sa.exc.TimeoutError("no connection\nfor you"), "no connection"),
    ):
        error.__cause__ = raised
        assert cause(error) == line


def test_only_the_owner_may_read_the_files(stored):
    folder = stored.file.parent
    folder.mkdir()
    stored.file.touch(mode=0o644)  # as an older version made it
    umask = os.umask(0o022)
    try:
        stored.create()
    finally:
        os.umask(umask)
    files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert files == {f"jobs.sqlite3{end}": 0o600 for end in ("", "-wal", "-shm")}


def test_a_new_file_is_its_owners_too(stored):
    stored.create()
    assert stat.S_IMODE(stored.file.stat().st_mode) == 0o600


def test_hosts_that_cannot_be_understood_end_the_start_with_one_line():
    url = "postgresql://ocr:s3cret@/x?host=a:p0rt&host=b:5432"
    with pytest.raises(SystemExit) as error:
        Database(Settings.from_environ({"OCR_JOBS_STORE": url}))
    line = "rapidocr: OCR_JOBS_STORE: the hosts and ports of the URL cannot be understood"
    assert str(error.value) == line


def test_ids_cannot_be_guessed(stored):
    jobs = {stored.create() for _ in range(20)}
    assert len(jobs) == 20
    assert all(len(bytes.fromhex(job)) == 16 for job in jobs)
