"""The worker's side of jobs: what is done with them when something goes wrong."""

import asyncio
import io
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from PIL import Image
from test_job_store import Stored

from ocr_runtime.errors import JobsUnavailable
from ocr_runtime.reading.page import Page
from ocr_runtime.serving import job_database, job_queue, job_runner
from ocr_runtime.serving.endpoints import ENDPOINTS
from ocr_runtime.serving.job_database import JOBS
from ocr_runtime.serving.job_runner import JobRunner
from ocr_runtime.serving.pool import Pool
from ocr_runtime.settings import Settings


def document(pages: int) -> bytes:
    images = [Image.new("RGB", (50 + number, 40), "white") for number in range(pages)]
    buffer = io.BytesIO()
    images[0].save(buffer, "TIFF", save_all=True, append_images=images[1:])
    return buffer.getvalue()


class Worker:
    """A worker whose engine finds nothing, and whose database answers as long as it is `up`."""

    def __init__(self, folder: Any) -> None:
        self.stored = Stored(folder)
        self.up = True
        self.refused = 0
        self.answered = 0
        self.read_page: Callable[[], None] = lambda: None
        self._transaction = self.stored.database.transaction
        self.stored.database.transaction = self.transaction

    def transaction(self) -> Any:
        if not self.up:
            self.refused += 1
            raise JobsUnavailable from OSError("it is away")
        self.answered += 1
        return self._transaction()

    def read(self, *_: Any, **__: Any) -> Page:
        self.read_page()
        return Page(width=50, height=40, blocks=[])

    def make(self, pages: int, output: str = "text") -> str:
        return self.stored.create(pages=pages, data=document(pages), output=output)

    def job(self, job: str) -> Any:
        return self.stored.store.get(job, "a")

    def exists(self, job: str) -> bool:
        with self._transaction() as connection:
            row = sa.select(JOBS.c.id).where(JOBS.c.id == job)
            return connection.scalar(row) is not None

    def losses(self, job: str) -> tuple[int, int]:
        with self._transaction() as connection:
            rows = sa.select(JOBS.c.losses, JOBS.c.all_losses).where(JOBS.c.id == job)
            return tuple(connection.execute(rows).one())

    def lose(self, job: str, times: int) -> None:
        """Have workers been killed so often since the last page."""
        with self._transaction() as connection:
            connection.execute(sa.update(JOBS).where(JOBS.c.id == job).values(losses=times))

    def runner(self, pool: Pool) -> JobRunner:
        return JobRunner(
            self.stored.database,
            engine=self,
            pool=pool,
            settings=Settings(threads=1),
            endpoints=ENDPOINTS,
        )

    def run(self, until: Callable[[], bool]) -> None:
        """Work on the jobs until something is true."""

        async def scenario() -> None:
            pool = Pool(threads=1, run_bytes=1, max_queue=1, timeout_seconds=10)
            running = asyncio.create_task(self.runner(pool).run())
            try:
                async with asyncio.timeout(60):
                    while not until():  # noqa: ASYNC110, the database tells nobody of a change
                        await asyncio.sleep(0.01)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                pool.shutdown()

        asyncio.run(scenario())

    def ended(self, job: str) -> Callable[[], bool]:
        return lambda: self.up and self.job(job).state not in ("queued", "running")


@pytest.fixture
def worker(tmp_path, monkeypatch):
    monkeypatch.setattr(job_runner, "_POLL_SECONDS", 0.01)
    monkeypatch.setattr(job_runner, "_RELEASE_SECONDS", 0.0)
    made = Worker(tmp_path)
    yield made
    made.stored.database.close()


def test_outages_of_the_database_are_not_held_against_a_page(worker, monkeypatch):
    monkeypatch.setattr(job_queue, "LEASE_SECONDS", -1.0)  # every lease has run out at once
    monkeypatch.setattr(job_runner, "LEASE_SECONDS", 0.0)
    outages = 0

    def fail() -> None:
        nonlocal outages
        worker.up = outages >= 5
        outages += 1

    worker.read_page = fail
    job = worker.make(2)

    def ended() -> bool:
        if worker.refused % 5 == 4:
            worker.refused = 0
            worker.up = True
        return worker.ended(job)()

    worker.run(ended)
    assert outages == 7
    assert (worker.job(job).state, worker.job(job).unread) == ("done", [])
    assert worker.losses(job) == (0, 0)


def test_after_an_outage_other_workers_have_time_to_renew_their_leases(worker, monkeypatch):
    monkeypatch.setattr(job_queue, "LEASE_SECONDS", -1.0)
    job = worker.make(1)
    other = worker.stored.claim()
    worker.up = False

    def looked() -> bool:
        worker.up = worker.up or worker.refused > 3
        return worker.answered > 20

    worker.run(looked)
    assert worker.stored.queue.renew([other]) == set()
    assert worker.losses(job) == (0, 0)


def test_a_job_that_the_service_cannot_work_on_fails_in_the_end(worker, monkeypatch):
    def fail(*_: Any) -> None:
        raise RuntimeError("a fault of the service")

    monkeypatch.setattr("ocr_runtime.serving.job_work.JobPages", fail)
    job = worker.make(2)
    worker.run(worker.ended(job))
    assert (worker.job(job).state, worker.job(job).code) == ("failed", "internal")
    assert worker.losses(job) == (0, 12)


def test_old_jobs_are_forgotten_until_there_are_none(worker, monkeypatch):
    monkeypatch.setattr(job_database, "MOST_AT_ONCE", 2)
    jobs = [worker.make(1) for _ in range(7)]
    with worker.stored.database.transaction() as connection:
        connection.execute(sa.update(JOBS).values(state="done", finished=0.0))
    worker.run(lambda: not any(map(worker.exists, jobs)))


def test_a_page_that_has_cost_three_workers_is_given_up_and_the_others_are_read(worker):
    job = worker.make(2)
    worker.lose(job, 3)
    worker.run(worker.ended(job))
    found = worker.job(job)
    assert (found.state, found.pages_done) == ("done", 2)
    (page,) = found.unread
    assert (page.number, page.code, "ended 3 times" in page.error) == (1, "internal", True)


@pytest.mark.parametrize("output", ["text", "annotated"])
def test_a_job_fails_whose_only_page_has_cost_three_workers(output, worker):
    job = worker.make(1, output=output)
    worker.lose(job, 3)
    worker.run(worker.ended(job))
    found = worker.job(job)
    assert (found.state, found.code, found.unread) == ("failed", "internal", [])
    assert "ended 3 times" in found.error


def test_a_service_may_end_at_the_moment_a_job_is_made(worker, monkeypatch):
    monkeypatch.setattr(job_runner, "_POLL_SECONDS", 60.0)

    async def scenario() -> None:
        pool = Pool(threads=1, run_bytes=1, max_queue=1, timeout_seconds=10)
        runner = worker.runner(pool)
        running = asyncio.create_task(runner.run())
        while not runner._woken._waiters:  # noqa: ASYNC110, it tells nobody that it waits
            await asyncio.sleep(0.01)
        runner.wake()
        await asyncio.sleep(0)  # what waits for it is told, and the runner is not yet
        running.cancel()
        await asyncio.wait([running], timeout=5)
        assert running.cancelled()
        pool.shutdown()

    asyncio.run(scenario())
