"""URL of a database -> its tables for jobs, and transactions in it; SQLite or PostgreSQL.

jobs        one row for each job: whose it is, its state, who works on it and until when
job_pages   one row for each page that was read, or could not be
job_chunks  the file of a job and its result, and a stored file, in pieces
files       one row for each file that is stored without a job: whose it is, and its name
"""

import sqlite3
import sys
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ocr_runtime.errors import JobsUnavailable
from ocr_runtime.settings import Settings

MOST_AT_ONCE, MOST_BYTES_AT_ONCE = 500, 64 << 20
"""What one transaction forgets; a statement takes 32,766 values in SQLite. There, 300 MB took two
seconds."""

CHUNK_BYTES = 1 << 20
"""Size of the pieces in which files and results are stored."""

_FILE = "jobs.sqlite3"

_BUSY_SECONDS = 10
"""How long a transaction waits for another one of SQLite, which writes one at a time."""

_SCHEMA_LOCK = 0x6F63726A
"""Number of PostgreSQL's advisory lock under which one process at a time creates the tables."""

_TABLES = sa.MetaData()

JOBS = sa.Table(
    "ocr_jobs",
    _TABLES,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),  # digest of an API key; empty without keys
    sa.Column("caller", sa.String(64), nullable=False),  # the same, or else the address
    sa.Column("output", sa.String(64), nullable=False),
    sa.Column("options", sa.LargeBinary),  # JSON, as they may hold a password: only until the end
    sa.Column("numbers", sa.LargeBinary, nullable=False),  # of the pages, as JSON
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("pages", sa.Integer, nullable=False),
    sa.Column("done", sa.Integer, nullable=False, default=0),
    sa.Column("bytes", sa.BigInteger, nullable=False),  # of its pages and chunks
    sa.Column("code", sa.String(64)),  # why it failed
    sa.Column("error", sa.Text),
    # Seconds since 1970:
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("claimed", sa.Float, nullable=False, default=0.0),  # when it was last taken up
    sa.Column("finished", sa.Float),
    sa.Column("lease", sa.Float, nullable=False, default=0.0),  # until when it is a worker's
    sa.Column("claim", sa.String(32)),  # names the worker's turn
    sa.Column("losses", sa.Integer, nullable=False, default=0),  # of its worker, at this page
    sa.Column("all_losses", sa.Integer, nullable=False, default=0),
    sa.Index("ocr_jobs_by_state", "state", "created"),
    sa.Index("ocr_jobs_by_caller", "caller", "claimed"),
)

PAGES = sa.Table(
    "ocr_job_pages",
    _TABLES,
    sa.Column("job", sa.String(32), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("failed", sa.Boolean, nullable=False),
    sa.Column("data", sa.LargeBinary, nullable=False),  # see `reading/stored.py`
)

CHUNKS = sa.Table(
    "ocr_job_chunks",
    _TABLES,
    sa.Column("job", sa.String(32), primary_key=True),  # or the id of a stored file
    sa.Column("kind", sa.String(8), primary_key=True),  # "input" or "result"; or "file"
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
)

FILES = sa.Table(
    "ocr_files",
    _TABLES,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False),  # digest of an API key; empty without keys
    sa.Column("caller", sa.String(64), nullable=False),  # the same, or else the address
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("created", sa.Float, nullable=False),  # seconds since 1970
    sa.Index("ocr_files_by_time", "created"),
    sa.Index("ocr_files_by_caller", "caller"),
)

ROW_BYTES = 1024
"""Storage that each job or file takes besides its pages and pieces, roughly."""


def cause(error: JobsUnavailable) -> str:
    """Say in one line why the database did not answer.

    SQLAlchemy adds the statement to what the driver says; that is no matter of the log.
    """
    raised: BaseException | None = error.__cause__
    if isinstance(raised, sa.exc.DBAPIError) and raised.orig is not None:
        raised = raised.orig
    lines = str(raised).strip().splitlines()
    return lines[0] if lines else type(raised).__name__


class Lost(Exception):
    """The job is not this worker's any more: it was cancelled, or the lease has run out."""


class Database:
    """Transactions in the database of the jobs; the tables are created at the first one.

    Args:
        settings: name a folder or the URL of a database.
    """

    def __init__(self, settings: Settings) -> None:
        url = settings.jobs_store
        self._folder = None if url else settings.jobs_dir
        self._engine = _sqlite(self._folder) if self._folder else _postgresql(url or "")
        self._lock = threading.Lock()
        self._created = False

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A connection whose changes are kept for good when the block ends.

        Raises:
            JobsUnavailable: the database does not answer, or its disk is full.
        """
        try:
            with self._lock:
                if not self._created:
                    self._create()
            with self._engine.begin() as connection:
                yield connection
        except (sa.exc.SQLAlchemyError, OSError) as exc:
            raise JobsUnavailable from exc

    def now(self, connection: sa.Connection) -> float:
        """The time in seconds since 1970, by the one clock that all who use the database share."""
        if self._folder is not None:
            return time.time()
        query = sa.text("SELECT extract(epoch FROM clock_timestamp())")
        return float(connection.execute(query).scalar_one())

    def tidy(self) -> None:
        """Write SQLite's log back and empty it, as it still holds what was deleted.

        A transaction that is under way puts this off until the next time.
        """
        if self._folder is None:
            return
        try:
            with closing(self._engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except (sa.exc.SQLAlchemyError, sqlite3.Error) as exc:
            raise JobsUnavailable from exc

    def chunks(self, job: str, kind: str) -> Iterator[bytes]:
        """Yield the pieces of a job's file ("input") or result, or of a stored file ("file").

        Each is read when it is asked for.
        """
        position = 0
        while True:
            one = sa.select(CHUNKS.c.data).where(*chunks_of(job, kind))
            with self.transaction() as connection:
                data = connection.scalar(one.where(CHUNKS.c.position == position))
            if data is None:
                return
            yield bytes(data)
            position += 1

    def end(
        self, connection: sa.Connection, which: Any, job: str, state: str, **values: Any
    ) -> None:
        """End a job: its file, its options and its pages are removed.

        Raises:
            Lost: the job is not `which` any more.
        """
        values |= {"state": state, "options": None, "claim": None}
        values["finished"] = self.now(connection)
        ended = sa.update(JOBS).where(JOBS.c.id == job, which)
        if not connection.execute(ended.values(values)).rowcount:
            raise Lost
        chunks = chunks_of(job, "input") if state == "done" else [CHUNKS.c.job == job]
        connection.execute(sa.delete(CHUNKS).where(*chunks))
        connection.execute(sa.delete(PAGES).where(PAGES.c.job == job, ~PAGES.c.failed))

    def close(self) -> None:
        self._engine.dispose()

    def _create(self) -> None:
        if self._folder is not None:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _keep_private(self._folder / _FILE)
        with self._engine.begin() as connection:
            if self._folder is None:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))
            _TABLES.create_all(connection)
        self._created = True


def chunks_of(job: str, kind: str) -> list[Any]:
    """Conditions for the pieces of a job's file ("input") or result."""
    return [CHUNKS.c.job == job, CHUNKS.c.kind == kind]


def add_chunk(connection: sa.Connection, job: str, kind: str, position: int, data: bytes) -> None:
    row = {"job": job, "kind": kind, "position": position, "data": data}
    connection.execute(sa.insert(CHUNKS).values(row))


def held_bytes(connection: sa.Connection) -> int:
    """How much all jobs and files take."""
    jobs = sa.func.sum(JOBS.c.bytes + sa.func.length(JOBS.c.numbers) + ROW_BYTES)
    files = sa.func.sum(FILES.c.bytes + ROW_BYTES)
    return sum(int(connection.scalar(sa.select(each)) or 0) for each in (jobs, files))


def forget(connection: sa.Connection, jobs: Collection[str]) -> None:
    """Delete all that is stored of jobs."""
    for table, column in ((CHUNKS, CHUNKS.c.job), (PAGES, PAGES.c.job), (JOBS, JOBS.c.id)):
        connection.execute(sa.delete(table).where(column.in_(jobs)))


def _postgresql(url: str) -> sa.Engine:
    address = sa.make_url(url).set(drivername="postgresql+psycopg")
    try:
        return sa.create_engine(
            address,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"connect_timeout": 5},
        )
    except ModuleNotFoundError:
        sys.exit("rapidocr: OCR_JOBS_STORE needs psycopg: install requirements-postgresql.lock")
    except (sa.exc.ArgumentError, ValueError):  # which show the URL
        sys.exit("rapidocr: OCR_JOBS_STORE: the hosts and ports of the URL cannot be understood")


def _keep_private(file: Path) -> None:
    """Create SQLite's file, or change it, so that only its owner may read it.

    SQLite gives its log and its index of that (`-wal`, `-shm`) the permissions of the file.
    """
    # An existing file is not opened: closing it would end the locks that this process has on it
    # (https://www.sqlite.org/howtocorrupt.html, 2.2).
    with suppress(FileExistsError):
        file.touch(mode=0o600, exist_ok=False)
    for each in (file, *(file.with_name(file.name + end) for end in ("-wal", "-shm"))):
        with suppress(FileNotFoundError, PermissionError):  # another user's, as the volume has it
            each.chmod(0o600)


def _sqlite(folder: Path) -> sa.Engine:
    """Open the database in a folder; every transaction is one that writes, so none deadlocks."""
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(folder / _FILE)),
        hide_parameters=True,
        connect_args={"timeout": _BUSY_SECONDS},
    )

    @sa.event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:
        connection.isolation_level = None  # otherwise Python's module begins transactions itself
        for pragma in (
            "auto_vacuum = FULL",  # the disk gets back what is deleted
            "journal_mode = WAL",
            "synchronous = FULL",
            "secure_delete = ON",  # what is deleted is overwritten
        ):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def some_of(connection: sa.Connection, old: Any) -> list[str]:
    """Choose what one transaction forgets, since others wait for it.

    Args:
        connection: of the transaction.
        old: selects ids and numbers of bytes.

    Returns:
        some of the ids, if there are any.
    """
    some = old.limit(MOST_AT_ONCE).with_for_update(skip_locked=True)
    ids: list[str] = []
    size = 0
    for job, count in connection.execute(some):
        size += count
        if ids and size > MOST_BYTES_AT_ONCE:
            break
        ids.append(job)
    return ids
