"""The jobs as workers see them: which is next, what is left of it, and what has been read.

    queued --claim--> running --end--> done, failed
       ^                 |
       +-----release-----+

A worker that claims a job has a lease on it and renews it. When the worker is killed the lease runs
out, and another worker claims the job; whatever the first one still writes is refused, since its
claim is not the job's any more.
"""

import json
import secrets
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ocr_runtime.errors import OCRError
from ocr_runtime.reading.page import Page, UnreadPage
from ocr_runtime.reading.stored import from_json, to_json
from ocr_runtime.serving.job_database import (
    CHUNK_BYTES,
    CHUNKS,
    JOBS,
    PAGES,
    Database,
    Lost,
    add_chunk,
    chunks_of,
)

LEASE_SECONDS = 15.0
"""How long a job is its worker's after the worker was last heard of."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A job that a worker has taken up.

    Args:
        job: its id.
        token: names this claim.
        caller: who takes turns with other callers.
        output: name of the endpoint that writes its result.
        options: of its request.
        numbers: of the pages that are to be read.
        left: those of them that have not been read yet.
        losses: how often a worker was lost since a page was last finished.
        all_losses: how often in all.
    """

    job: str
    token: str
    caller: str
    output: str
    options: dict[str, Any]
    numbers: Sequence[int]
    left: Sequence[int]
    losses: int
    all_losses: int


class JobQueue:
    """The jobs as workers see them. Its methods block, and may be called from any thread.

    Args:
        database: in which they are.

    Raises (every method):
        JobsUnavailable: the database does not answer.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, *, alone: bool, lapsed: bool = True) -> Claim | None:
        """Take up a job that waits, or one whose worker is gone; callers take turns.

        Args:
            alone: whether the worker has no other job. A job that lost its worker may have been
                the reason; it is taken up before all others, but only by such a worker.
            lapsed: whether to take up a job whose lease has run out, too.
        """
        with self._database.transaction() as connection:
            now = self._database.now(connection)
            row = connection.execute(_next(now, lapsed=lapsed)).mappings().first()
            if row is None or not (alone or _is_clean(row)):
                return None
            lost = row["state"] == "running"
            values = {
                "state": "running",
                "claim": secrets.token_hex(16),
                "claimed": now,
                "lease": now + LEASE_SECONDS,
                "losses": row["losses"] + lost,
                "all_losses": row["all_losses"] + lost,
            }
            connection.execute(sa.update(JOBS).where(JOBS.c.id == row["id"]).values(values))
            done = set(
                connection.scalars(sa.select(PAGES.c.number).where(PAGES.c.job == row["id"]))
            )
        numbers = json.loads(row["numbers"])
        return Claim(
            job=row["id"],
            token=str(values["claim"]),
            caller=row["caller"],
            output=row["output"],
            options=json.loads(row["options"]),
            numbers=numbers,
            left=[number for number in numbers if number not in done],
            losses=values["losses"],
            all_losses=values["all_losses"],
        )

    def renew(self, claims: Collection[Claim]) -> set[str]:
        """Extend the leases of a worker; return the tokens of the claims that are lost."""
        lost = set()
        with self._database.transaction() as connection:
            lease = self._database.now(connection) + LEASE_SECONDS
            for claim in claims:
                if not _update(connection, claim, lease=lease):
                    lost.add(claim.token)
        return lost

    def others_wait(self, claim: Claim) -> bool:
        """Whether a job of another caller waits, or one that has lost its worker."""
        with self._database.transaction() as connection:
            now = self._database.now(connection)
            waiting = _free(now) & ((JOBS.c.caller != claim.caller) | (JOBS.c.losses > 0))
            return (
                connection.execute(sa.select(JOBS.c.id).where(waiting).limit(1)).first() is not None
            )

    def waiting(self) -> int:
        """Count the jobs that no worker has taken up."""
        with self._database.transaction() as connection:
            queued = sa.select(sa.func.count()).where(JOBS.c.state == "queued")
            return int(connection.scalar(queued) or 0)

    def release(self, claim: Claim, *, faulty: bool = False) -> None:
        """Put a job back into the queue, if it is still this worker's.

        Args:
            claim: the job.
            faulty: whether the work on it was ended by a fault of the service; that counts as a
                loss of the job, but is not held against its page.
        """
        values = {"all_losses": JOBS.c.all_losses + 1} if faulty else {}
        with self._database.transaction() as connection:
            _update(connection, claim, state="queued", claim=None, lease=0.0, **values)

    def document(self, claim: Claim) -> bytes:
        """Return the file of a job."""
        return b"".join(self._database.chunks(claim.job, "input"))

    def add_page(self, claim: Claim, page: Page | UnreadPage) -> None:
        """Write a page down.

        Raises:
            Lost: the job is not this worker's any more.
        """
        data = to_json(page)
        with self._database.transaction() as connection:
            values = {"done": JOBS.c.done + 1, "losses": 0, "bytes": JOBS.c.bytes + len(data)}
            _must_update(connection, claim, **values)
            failed = isinstance(page, UnreadPage)
            row = {"job": claim.job, "number": page.number, "failed": failed, "data": data}
            connection.execute(sa.insert(PAGES).values(row))

    def pages(self, claim: Claim) -> Iterator[Page | UnreadPage]:
        """Yield the pages of a job in their order, each read when it is asked for."""
        for number in claim.numbers:
            one = sa.select(PAGES.c.data).where(PAGES.c.job == claim.job, PAGES.c.number == number)
            with self._database.transaction() as connection:
                data = connection.scalar(one)
            if data is None:  # it was cancelled
                raise Lost
            yield from_json(data)

    def write_result(self, claim: Claim, parts: Iterable[bytes]) -> Generator[None, None, int]:
        """Write the result, in place of what may be there of it; yield after each of its parts.

        Returns:
            its size in bytes.

        Raises:
            Lost: the job is not this worker's any more.
        """
        with self._database.transaction() as connection:
            _must_update(connection, claim, losses=JOBS.c.losses)
            connection.execute(sa.delete(CHUNKS).where(*chunks_of(claim.job, "result")))
        position, written, buffer = 0, 0, bytearray()
        for part in parts:
            buffer += part
            if len(buffer) >= CHUNK_BYTES:
                self._add_result(claim, position, bytes(buffer))
                position += 1
                written += len(buffer)
                buffer.clear()
            yield
        if buffer:
            self._add_result(claim, position, bytes(buffer))
        return written + len(buffer)

    def _add_result(self, claim: Claim, position: int, data: bytes) -> None:
        with self._database.transaction() as connection:
            _must_update(connection, claim, bytes=JOBS.c.bytes + len(data))
            add_chunk(connection, claim.job, "result", position, data)

    def end(self, claim: Claim, *, result_bytes: int = 0, error: OCRError | None = None) -> None:
        """Mark a job as done, or as failed with an error.

        Raises:
            Lost: the job is not this worker's any more.
        """
        with self._database.transaction() as connection:
            values: dict[str, Any] = {"bytes": result_bytes}
            if error is not None:
                values |= {"code": error.code, "error": str(error)}
            state = "done" if error is None else "failed"
            self._database.end(connection, _mine(claim), claim.job, state, **values)


def _next(now: float, *, lapsed: bool) -> Any:
    """Select the job whose turn it is: of the caller who was last served the longest ago."""
    theirs = JOBS.alias()
    served = (
        sa.select(sa.func.max(theirs.c.claimed))
        .where(theirs.c.caller == JOBS.c.caller)
        .scalar_subquery()
    )
    clean = sa.case((sa.and_(JOBS.c.state == "queued", JOBS.c.losses == 0), 1), else_=0)
    free = _free(now) if lapsed else JOBS.c.state == "queued"
    first = sa.select(JOBS).where(free).order_by(clean, served, JOBS.c.created).limit(1)
    return first.with_for_update(skip_locked=True)


def _free(now: float) -> Any:
    return (JOBS.c.state == "queued") | sa.and_(JOBS.c.state == "running", JOBS.c.lease < now)


def _is_clean(row: Any) -> bool:
    return bool(row["state"] == "queued" and not row["losses"])


def _mine(claim: Claim) -> Any:
    return sa.and_(JOBS.c.id == claim.job, JOBS.c.claim == claim.token)


def _update(connection: sa.Connection, mine: Claim, /, **values: Any) -> bool:
    """Change a job, if it is still this worker's."""
    return bool(connection.execute(sa.update(JOBS).where(_mine(mine)).values(values)).rowcount)


def _must_update(connection: sa.Connection, mine: Claim, /, **values: Any) -> None:
    if not _update(connection, mine, **values):
        raise Lost
