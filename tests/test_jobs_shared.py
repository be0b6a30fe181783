"""Jobs of several services that share one PostgreSQL database."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
import sqlalchemy as sa
from conftest import page_bytes
from serving import Server, free_port, program, serving
from test_contract import assert_error
from test_jobs import (
    KEY,
    KEYS,
    OTHER,
    direct,
    ended,
    get,
    kill,
    made,
    pages_read,
    post,
    tiff,
    until,
)

from ocr_runtime.errors import NotFound
from ocr_runtime.serving.job_database import CHUNK_BYTES, Database
from ocr_runtime.serving.stored_files import StoredFiles
from ocr_runtime.settings import Settings

pytestmark = pytest.mark.slow


class PostgreSQL:
    """A server of a test's own, which can be stopped and started."""

    def __init__(self, folder: Path) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: len(str(path)))
        os.environ["PATH"] += "".join(f":{path}" for path in found)  # where Debian puts it
        self._folder, self._port = folder, free_port()
        self._user = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
        if self._user:
            shutil.chown(folder, **self._user)
        name = self._user.get("user", pwd.getpwuid(os.geteuid()).pw_name)
        self._run("initdb", "--auth=trust", f"--username={name}")
        self.url = f"postgresql://{name}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        options = f"-k {self._folder} -p {self._port} -c listen_addresses=127.0.0.1"
        self._run("pg_ctl", "-o", options, "-l", str(self._folder / "log"), "-w", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-m", "immediate", "-w", "stop")

    def _run(self, name: str, *arguments: str) -> None:
        command = [program(name), "-D", str(self._folder / "data"), *arguments]
        subprocess.run(command, check=True, capture_output=name != "pg_ctl", **self._user)


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    with tempfile.TemporaryDirectory(prefix="ocr-postgresql-") as folder:
        server = PostgreSQL(Path(folder))
        server.start()
        yield server
        with contextlib.suppress(subprocess.CalledProcessError):
            server.stop()


def variables(database: PostgreSQL) -> dict[str, str]:
    return {"OCR_JOBS_STORE": database.url, "OCR_API_KEYS": KEYS, "OCR_THREADS": "1"}


@contextlib.contextmanager
def two_services(database: PostgreSQL, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Two services that share a database."""
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    with (
        serving(folders[0], **variables(database)) as one,
        serving(folders[1], **variables(database)) as other,
    ):
        yield one, other


def test_a_job_outlives_its_service_in_another_one(database, tmp_path):
    data = tiff(24)
    with two_services(database, tmp_path) as (one, other):
        job = made(post(one, data))
        until(other, job, lambda found: found["pages_done"] >= 2)
        assert_error(get(other, job, OTHER), 404, "job_not_found")
        reader, left = (one, other) if pages_read(one) else (other, one)
        kill(reader)
        found = ended(left, job)
        assert (found["pages_done"], found["errors"]) == (24, [])
        assert 1 <= pages_read(left) <= 22
        assert get(left, f"{job}/result").text == direct(left, data)


def test_a_service_cancels_what_another_one_reads(database, tmp_path):
    with two_services(database, tmp_path) as (one, other):
        jobs = [made(post(one, tiff(24))), made(post(other, tiff(24)))]
        for job in jobs:
            until(one, job, lambda found: found["pages_done"] >= 1)
        assert pages_read(one)
        assert pages_read(other)
        for job in jobs:
            for server in (one, other):
                assert get(server, job).json()["state"] in ("running", "cancelled")
                url = f"{server.url}/jobs/{job}"
                requests.delete(url, headers=KEY, timeout=30).raise_for_status()
            assert_error(get(one, job), 404, "job_not_found")  # deleted twice
        assert ended(one, made(post(one, tiff(1))))["state"] == "done"
        assert pages_read(one) + pages_read(other) < 40


def test_a_file_is_known_to_all_that_share_the_database(database):
    settings = Settings(jobs_store=database.url)
    one, other = Database(settings), Database(settings)
    with one.transaction() as connection:
        connection.execute(sa.text("DROP TABLE ocr_files"))  # as an earlier version leaves it
    data = bytes(range(256)) * (CHUNK_BYTES // 200)
    file = StoredFiles(other, settings).add(owner="a", caller="a", name="\0字.pdf", data=data)
    kept = StoredFiles(one, settings)
    assert (file.name, kept.get(file.id, "a")) == ("\ufffd字.pdf", file)
    assert b"".join(kept.content(file.id, "a")) == data
    assert kept.expire() == 0
    kept.delete(file.id, "a")
    with pytest.raises(NotFound):
        kept.get(file.id, "a")
    for each in (one, other):
        each.close()


def test_without_its_database_a_service_still_reads_and_goes_on_later(database, tmp_path):
    with serving(tmp_path, **variables(database)) as server:
        job = made(post(server, tiff(12)))
        until(server, job, lambda found: found["pages_done"] >= 2)
        database.stop()
        assert_error(get(server, job), 503, "jobs_unavailable")
        assert_error(post(server, tiff(1)), 503, "jobs_unavailable")
        files = {"image_file": page_bytes("line.png")}
        assert requests.post(f"{server.url}/ocr", files=files, headers=KEY, timeout=60).ok
        database.start()
        found = ended(server, job)
        assert (found["state"], found["pages_done"], found["errors"]) == ("done", 12, [])
        assert server.log().count("the store of the jobs does not answer") <= 2


@pytest.mark.usefixtures("database")
def test_a_service_whose_database_is_missing_starts_and_says_so(tmp_path):
    missing = f"postgresql://nobody:a-secret@127.0.0.1:{free_port()}/none"
    with serving(tmp_path, OCR_JOBS_STORE=missing) as server:
        assert_error(get(server, "0" * 32), 503, "jobs_unavailable")
    assert "the store of the jobs does not answer yet" in server.log()
    assert "a-secret" not in server.log()
