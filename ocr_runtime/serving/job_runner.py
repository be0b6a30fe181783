"""Takes up jobs in a worker of the service, and keeps them its own until they have ended."""

import asyncio
import logging
import time
from collections.abc import Iterable
from contextlib import suppress

from ocr_runtime.errors import JobsUnavailable
from ocr_runtime.reading.engine import Engine
from ocr_runtime.serving import metrics
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.job_database import Database
from ocr_runtime.serving.job_queue import LEASE_SECONDS, JobQueue
from ocr_runtime.serving.job_store import JobStore
from ocr_runtime.serving.job_work import JobWork
from ocr_runtime.serving.pool import Pool
from ocr_runtime.settings import Settings

logger = logging.getLogger("rapidocr")

_POLL_SECONDS = 1.0
"""How often a worker looks for jobs that other workers were sent."""

_RENEW_SECONDS = LEASE_SECONDS / 5
"""How often it renews its leases, and learns which of its jobs were cancelled."""

_COUNT_SECONDS = 5.0
"""How often it counts the jobs that wait, for the metrics."""

_TIDY_SECONDS = 60.0
"""How often it forgets old jobs, besides whenever one of its own has ended."""

_MOST_AT_ONCE = 4
"""Jobs that a worker has open at once: each takes the memory of its file and, for a PDF, a
process."""


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
        engine: Engine,
        pool: Pool,
        settings: Settings,
        endpoints: Iterable[Endpoint],
    ) -> None:
        self._database = database
        self._queue = JobQueue(database)
        self._store = JobStore(database, settings)
        self._engine = engine
        self._pool = pool
        self._settings = settings
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        self._most = min(_MOST_AT_ONCE, settings.threads_per_worker)
        self._works: dict[asyncio.Task[None], JobWork] = {}
        self._woken = asyncio.Event()
        self._renew_at = self._tidy_at = self._count_at = 0.0
        self._unavailable = False

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
                    await asyncio.wait_for(self._woken.wait(), _POLL_SECONDS)
                self._woken.clear()
        finally:
            for task, work in self._works.items():
                work.stop()
                task.cancel()
            await asyncio.gather(*self._works, return_exceptions=True)

    async def _look(self) -> None:
        now = time.monotonic()
        if self._works and now > self._renew_at:
            self._renew_at = now + _RENEW_SECONDS
            await self._renew()
        if now > self._tidy_at:
            self._tidy_at = now + _TIDY_SECONDS
            await asyncio.to_thread(self._store.expire)
            await asyncio.to_thread(self._database.tidy)
        if now > self._count_at:
            self._count_at = now + _COUNT_SECONDS
            metrics.show_jobs(waiting=await asyncio.to_thread(self._queue.waiting))
        await self._take_up()

    async def _take_up(self) -> None:
        while len(self._works) < self._most:
            if any(work.suspect for work in self._works.values()):
                return  # it is left alone until it has read a page
            claim = await asyncio.to_thread(self._queue.claim, alone=not self._works)
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
        lost = await asyncio.to_thread(self._queue.renew, claims)
        for task, work in self._works.items():
            if work.claim.token in lost:
                work.stop()
                task.cancel()

    async def _work_on(self, work: JobWork) -> None:
        task = asyncio.current_task()
        try:
            await work.run()
        except JobsUnavailable as exc:  # the lease runs out, and the job is taken up again
            self._warn(exc)
        except Exception:
            logger.exception("job %s was interrupted", work.claim.job)
        finally:
            if task is not None:
                self._works.pop(task, None)
                metrics.show_jobs(running=len(self._works))
            self._tidy_at = 0.0
            self.wake()

    def _warn(self, exc: JobsUnavailable) -> None:
        if not self._unavailable:
            logger.error("the store of the jobs does not answer: %s", exc.__cause__)
        self._unavailable = True
