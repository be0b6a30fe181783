"""The jobs of all callers, as they are stored.

create --> queued <--job_queue--> running --job_queue--> done, failed
              |                      |
              +--------delete--------+--> cancelled
"""

import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import sqlalchemy as sa

from ocr_runtime.errors import JobNotFound, JobsFull, TooManyJobs
from ocr_runtime.reading.page import UnreadPage
from ocr_runtime.reading.stored import from_json
from ocr_runtime.serving.job_database import (
    CHUNK_BYTES,
    JOBS,
    PAGES,
    Database,
    add_chunk,
    forget,
    held_bytes,
    some_of,
)
from ocr_runtime.settings import Settings

State = Literal["queued", "running", "done", "failed", "cancelled"]

_ENDED = ("done", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What its owner may know of a job.

    Args:
        id: names it.
        state: see the diagram above.
        output: name of the endpoint that writes its result.
        pages: how many are to be read.
        pages_done: how many of them have been, those that could not be read included.
        place: how many queued jobs were made before it, and one; None unless it is queued.
        unread: its pages that could not be read.
        created, finished: seconds since 1970.
        code, error: why it failed.
        result_bytes: size of its result.
    """

    id: str
    state: State
    output: str
    pages: int
    pages_done: int
    place: int | None
    unread: Sequence[UnreadPage]
    created: float
    finished: float | None
    code: str | None
    error: str | None
    result_bytes: int


class JobStore:
    """The jobs of all callers. Its methods block, and may be called from any thread.

    Args:
        database: in which they are.
        settings: how many are stored, and how long.

    Raises (every method):
        JobsUnavailable: the database does not answer.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    def create(
        self,
        *,
        owner: str,
        caller: str,
        output: str,
        options: dict[str, Any],
        numbers: Sequence[int],
        data: bytes,
    ) -> str:
        """Write a job down.

        Args:
            owner: whose it is.
            caller: who takes turns with other callers.
            output: name of the endpoint that writes its result.
            options: of the request.
            numbers: of the pages that are to be read.
            data: the document.

        Returns:
            its id, which cannot be guessed.

        Raises:
            TooManyJobs, JobsFull: there is no room for another one.
        """
        job = secrets.token_hex(16)
        with self._database.transaction() as connection:
            self._check_room(connection, caller, len(data))
            values = {
                "id": job,
                "owner": owner,
                "caller": caller,
                "output": output,
                "options": json.dumps(options).encode(),
                "numbers": json.dumps(list(numbers)).encode(),
                "state": "queued",
                "pages": len(numbers),
                "bytes": len(data),
                "created": self._database.now(connection),
            }
            connection.execute(sa.insert(JOBS).values(values))
            for position, start in enumerate(range(0, len(data), CHUNK_BYTES)):
                part = data[start : start + CHUNK_BYTES]
                add_chunk(connection, job, "input", position, part)
        return job

    def get(self, job: str, owner: str) -> Job:
        """Look a job up.

        Raises:
            JobNotFound: there is none, or it is another's.
        """
        with self._database.transaction() as connection:
            return self._job(connection, job, owner)

    def delete(self, job: str, owner: str) -> Job | None:
        """Cancel a job that has not ended; forget one that has.

        Returns:
            the cancelled job, or None.

        Raises:
            JobNotFound: there is none, or it is another's.
        """
        with self._database.transaction() as connection:
            if self._job(connection, job, owner).state in _ENDED:
                forget(connection, [job])
                return None
            self._database.end(connection, JOBS.c.owner == owner, job, "cancelled", bytes=0)
            return self._job(connection, job, owner)

    def discard(self, job: str) -> None:
        """Delete a job of which nobody was told, whatever its state is."""
        with self._database.transaction() as connection:
            forget(connection, [job])

    def result(self, job: str) -> Iterator[bytes]:
        """Yield the result of a job that is done, in pieces."""
        return self._database.chunks(job, "result")

    def expire(self) -> int:
        """Forget some of the jobs that ended long enough ago; return how many."""
        with self._database.transaction() as connection:
            old = sa.select(JOBS.c.id, JOBS.c.bytes).where(
                JOBS.c.finished < self._oldest(connection)
            )
            jobs = some_of(connection, old)
            forget(connection, jobs)
        return len(jobs)

    def _check_room(self, connection: sa.Connection, caller: str, size: int) -> None:
        """Refuse a caller's job whose file has so many bytes, if there is no room for it.

        A caller gets another place only while more places are free than the caller has waiting
        jobs, so one caller gets half of all places, and the next one half of those left.
        """
        queued = sa.select(sa.func.count()).where(JOBS.c.state == "queued")
        free = self._settings.jobs_max_waiting - int(connection.scalar(queued) or 0)
        own = int(connection.scalar(queued.where(JOBS.c.caller == caller)) or 0)
        if own >= free:
            raise TooManyJobs(headers={"Retry-After": "60"})
        if held_bytes(connection) + size > self._settings.jobs_max_mb << 20:
            raise JobsFull

    def _job(self, connection: sa.Connection, job: str, owner: str) -> Job:
        # On PostgreSQL nobody changes the row until the end of the transaction.
        mine = sa.select(JOBS).where(JOBS.c.id == job, JOBS.c.owner == owner).with_for_update()
        row = connection.execute(mine).mappings().first()
        if row is None or self._is_old(connection, row["finished"]):
            raise JobNotFound
        place = None
        if row["state"] == "queued":
            before = sa.select(sa.func.count()).where(
                JOBS.c.state == "queued", JOBS.c.created < row["created"]
            )
            place = 1 + int(connection.scalar(before) or 0)
        unread = sa.select(PAGES.c.data).where(PAGES.c.job == job, PAGES.c.failed)
        found = map(from_json, connection.scalars(unread.order_by(PAGES.c.number)))
        return Job(
            id=job,
            state=row["state"],
            output=row["output"],
            pages=row["pages"],
            pages_done=row["done"],
            place=place,
            unread=[page for page in found if isinstance(page, UnreadPage)],
            created=row["created"],
            finished=row["finished"],
            code=row["code"],
            error=row["error"],
            result_bytes=row["bytes"],
        )

    def _is_old(self, connection: sa.Connection, finished: float | None) -> bool:
        return finished is not None and finished < self._oldest(connection)

    def _oldest(self, connection: sa.Connection) -> float:
        return self._database.now(connection) - 3600 * self._settings.jobs_keep_hours
