"""Takes up jobs in a worker of the service, and keeps them its own until they have ended."""

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ocr_runtime.errors import JobsUnavailable
from ocr_runtime.reading.page import ReadingOptions
from ocr_runtime.serving import metrics
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.job_database import Database, cause
from ocr_runtime.serving.job_queue import LEASE_SECONDS, Claim, JobQueue
from ocr_runtime.serving.job_store import JobStore
from ocr_runtime.serving.job_work import JobWork
from ocr_runtime.serving.pool import Pool
from ocr_runtime.serving.stored_files import StoredFiles
from ocr_runtime.settings import Settings

if TYPE_CHECKING:  # the main process does not load the engine
    from ocr_runtime.reading.engine import Engine

logger = logging.getLogger("rapidocr")

_POLL_SECONDS = 1.0
"""How often a worker looks for jobs that other workers were sent."""

_RENEW_SECONDS = LEASE_SECONDS / 5
"""How often it renews its leases, and learns which of its jobs were cancelled."""

_RELEASE_SECONDS = 3.0
"""How long it keeps a job whose work was interrupted, before anybody may take it up again: so a
full disk does not have the same page read again and again without a pause."""

_COUNT_SECONDS = 5.0
"""How often it counts the jobs that wait, for the metrics."""

_TIDY_SECONDS = 60.0
"""How often it forgets old jobs, besides whenever one of its own has ended."""

_MOST_AT_ONCE = 4
"""Jobs that a worker has open at once: each takes the memory of its file and, for a PDF, a
process."""


@dataclass(frozen=True, kw_only=True)
class _Interrupted:
    """A job whose work ended without its being read, given up or given back.

    Args:
        claim: which is still this worker's.
        faulty: whether a fault of the service ended it, not its database.
        release_at: when it is put back into the queue, in seconds of `time.monotonic`.
    """

    claim: Claim
    faulty: bool
    release_at: float


class JobRunner:
    """Works on jobs in one worker of the service.

    Args:
        database: where the jobs are.
        engine: reads pages.
        pool: in which all work is done.
        settings: of the service.
        endpoints: that write the results.
    """

    def __init__(
        self,
        database: Database,
        *,
        engine: "Engine",
        pool: Pool,
        settings: Settings,
        endpoints: Iterable[Endpoint],
    ) -> None:
        self._database = database
        self._queue = JobQueue(database)
        self._store = JobStore(database, settings)
        self._files = StoredFiles(database, settings)
        self._engine = engine
        self._pool = pool
        self._settings = settings
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        self._most = min(_MOST_AT_ONCE, settings.threads_per_worker)
        self._works: dict[asyncio.Task[None], JobWork] = {}
        self._interrupted: list[_Interrupted] = []
        self._woken = asyncio.Event()
        self._renew_at = self._tidy_at = self._count_at = self._lapsed_at = 0.0
        self._unavailable = False

    def check(self, options: ReadingOptions) -> None:
        """Check whether pages can be read with these options.

        Raises:
            InvalidOption: they turn off all three stages.
        """
        self._engine.check(options)

    def wake(self) -> None:
        """Look for jobs now."""
        self._woken.set()

    async def run(self) -> None:
        """Work on jobs until cancelled; then put those at hand back into the queue."""
        try:
            while True:
                try:
                    await self._look()
                    self._unavailable = False
                except JobsUnavailable as exc:
                    self._warn(exc)
                except Exception:
                    logger.exception("looking for jobs failed; it is tried again")
                with suppress(TimeoutError):
                    # Not `wait_for`, which before Python 3.12 may swallow a cancellation
                    # (python/cpython#86296).
                    async with asyncio.timeout(_POLL_SECONDS):
                        await self._woken.wait()
                self._woken.clear()
        finally:
            for task, work in self._works.items():
                work.stop()
                task.cancel()
            await asyncio.gather(*self._works, return_exceptions=True)
            with suppress(JobsUnavailable):
                await self._release_interrupted(float("inf"))

    async def _look(self) -> None:
        now = time.monotonic()
        if now > self._renew_at:
            await self._renew()
            self._renew_at = now + _RENEW_SECONDS
        await self._release_interrupted(now)
        if now > self._tidy_at:
            self._tidy_at = now + _TIDY_SECONDS
            expired = await asyncio.to_thread(self._store.expire)
            expired += await asyncio.to_thread(self._files.expire)
            if expired:
                self._tidy_at = 0.0  # there may be more, which do not delay the renewal of leases
                self.wake()
            await asyncio.to_thread(self._database.tidy)
        if now > self._count_at:
            self._count_at = now + _COUNT_SECONDS
            metrics.show_jobs(waiting=await asyncio.to_thread(self._queue.waiting))
        await self._take_up()

    async def _take_up(self) -> None:
        while len(self._works) < self._most:
            if any(work.suspect for work in self._works.values()):
                return  # it is left alone until it has read a page
            claim = await asyncio.to_thread(
                self._queue.claim,
                alone=not self._works,
                lapsed=time.monotonic() > self._lapsed_at,
            )
            if claim is None:
                return
            work = JobWork(
                claim,
                queue=self._queue,
                engine=self._engine,
                pool=self._pool,
                settings=self._settings,
                endpoints=self._endpoints,
            )
            self._works[asyncio.create_task(self._work_on(work))] = work
            metrics.show_jobs(running=len(self._works))

    async def _renew(self) -> None:
        claims = [work.claim for work in self._works.values()]
        claims += [each.claim for each in self._interrupted]
        if not claims:
            return
        lost = await asyncio.to_thread(self._queue.renew, claims)
        for task, work in self._works.items():
            if work.claim.token in lost:
                work.stop()
                task.cancel()

    async def _release_interrupted(self, now: float) -> None:
        """Put the jobs whose work was interrupted back into the queue, each after a while.

        None of them is counted as a lost worker: the worker lives, and the page is not to blame.
        """
        for each in [each for each in self._interrupted if now > each.release_at]:
            await asyncio.to_thread(self._queue.release, each.claim, faulty=each.faulty)
            self._interrupted.remove(each)

    async def _work_on(self, work: JobWork) -> None:
        task = asyncio.current_task()
        try:
            await work.run()
        except JobsUnavailable as exc:
            self._warn(exc)
            self._interrupt(work.claim, faulty=False)
        except Exception:
            logger.exception("job %s was interrupted", work.claim.job)
            self._interrupt(work.claim, faulty=True)
        finally:
            if task is not None:
                self._works.pop(task, None)
                metrics.show_jobs(running=len(self._works))
            self._tidy_at = 0.0
            self.wake()

    def _interrupt(self, claim: Claim, *, faulty: bool) -> None:
        release_at = time.monotonic() + _RELEASE_SECONDS
        self._interrupted.append(_Interrupted(claim=claim, faulty=faulty, release_at=release_at))

    def _warn(self, exc: JobsUnavailable) -> None:
        # Leases run out while nobody can renew them. Other workers, which live, need some time to
        # renew theirs when the database is back.
        self._lapsed_at = time.monotonic() + LEASE_SECONDS
        if not self._unavailable:
            logger.error("the store of the jobs does not answer: %s", cause(exc))
        self._unavailable = True
