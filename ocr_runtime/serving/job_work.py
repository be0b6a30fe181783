"""A job that a worker has taken up -> its pages read and its result written, step by step.

    document --pool--> pages, each stored (`job_pages`) --pool--> a part of the result ...

Each step waits for its turn in the pool, like the parts of the answer to a request, so that
requests and jobs take turns page by page.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel

from ocr_runtime.documents.document import Limits
from ocr_runtime.errors import Busy, Internal, JobsUnavailable, OCRError
from ocr_runtime.reading.page import ReadingOptions
from ocr_runtime.serving import metrics
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.grants import Grant, Spare
from ocr_runtime.serving.job_database import Lost
from ocr_runtime.serving.job_pages import JobPages
from ocr_runtime.serving.job_queue import Claim, JobQueue
from ocr_runtime.serving.page_reader import PageReader
from ocr_runtime.serving.pages import unread_page
from ocr_runtime.serving.pool import Pool
from ocr_runtime.serving.requests import RequestOptions, Sent
from ocr_runtime.settings import Settings

if TYPE_CHECKING:  # the main process does not load the engine
    from ocr_runtime.reading.engine import Engine

T = TypeVar("T")
logger = logging.getLogger("rapidocr")

_END: Final = object()

_TURN_SECONDS = 20.0
"""How long a job runs before it lets a waiting job of another caller run."""

_WAIT_SECONDS = 86_400.0
"""Longest time for one step to wait for its turn and be computed."""

_MAX_LOSSES = 3
"""How often a worker may be killed while it reads a page, before that page is given up."""

_MAX_ALL_LOSSES = 12
"""How often workers may be killed over a job, before it is given up."""

_GIVEN_UP = (
    "The service was ended {losses} times while it read this page, maybe by it: it is given up."
)


def job_limits(settings: Settings) -> Limits:
    """How much of a document is decoded for a job."""
    return replace(Limits.of(settings), max_pages=settings.jobs_max_pages)


class JobWork:
    """The work on one job, until it has ended, is lost or gives way.

    Args:
        claim: the job.
        queue: where its pages are stored.
        engine: reads the pages.
        pool: in which all work is done.
        settings: of the service.
        endpoints: by their names.
    """

    def __init__(
        self,
        claim: Claim,
        *,
        queue: JobQueue,
        engine: "Engine",
        pool: Pool,
        settings: Settings,
        endpoints: Mapping[str, Endpoint],
    ) -> None:
        self.claim = claim
        self.suspect = claim.losses > 0
        self._queue = queue
        self._engine = engine
        self._pool = pool
        self._settings = settings
        self._endpoints = endpoints
        self._left: list[int] = []
        self._options = RequestOptions()
        self._reader: PageReader | None = None

    def stop(self) -> None:
        """Have the work end at the next run of a model; to be called before its task is cancelled.

        What is computed after that is not taken for the failure of a page.
        """
        if self._reader is not None:
            self._reader.stop()

    async def run(self) -> None:
        """Work on the job.

        Raises:
            JobsUnavailable: the database does not answer.
        """
        try:
            self._reader = reader = await self._turn(lambda _: self._open())
            if not await self._read_pages(reader):
                await asyncio.to_thread(self._queue.release, self.claim)
                return
            parts = self._write(reader)
            while await self._turn(lambda _: next(parts, _END)) is not _END:
                pass
        except Lost:
            pass
        except asyncio.CancelledError:
            await asyncio.to_thread(self._queue.release, self.claim)
            raise
        finally:
            if self._reader is not None:
                await asyncio.to_thread(self._reader.close)

    async def _turn(self, work: Callable[[Grant], T]) -> T:
        """Do something in the pool, when it is this caller's turn."""
        while True:
            with metrics.queued() as begun:

                def step(grant: Grant, begun: Callable[[], None] = begun) -> T:
                    begun()
                    return self._or_end(lambda: work(grant))

                try:
                    return await self._pool.run(
                        step, caller=self.claim.caller, admitted=True, seconds=_WAIT_SECONDS
                    )
                except Busy:  # gave way to another caller
                    await asyncio.sleep(0)

    def _or_end(self, work: Callable[[], T]) -> T:
        """Do something; if that fails, the job has failed.

        Raises:
            Lost: the job is not this worker's any more, or has failed.
            JobsUnavailable: the database does not answer.
        """
        try:
            return work()
        except (Lost, JobsUnavailable):
            raise
        except OCRError as exc:
            error = exc
        except Exception:
            logger.exception("job %s failed", self.claim.job)
            error = Internal()
        self._queue.end(self.claim, error=error)
        metrics.count_job(error.code)
        raise Lost

    def _open(self) -> PageReader:
        claim = self.claim
        if claim.all_losses >= _MAX_ALL_LOSSES or not (claim.left or self._may_write()):
            raise Internal
        self._left = self._without_culprit()
        sent = self._sent()
        self._options = sent.options
        return PageReader(
            sent.open(job_limits(self._settings)),
            self._reading_options(),
            engine=self._engine,
            page_seconds=self._settings.timeout_seconds,
            job=claim.job,
            only=len(claim.numbers) == 1,
        )

    def _reading_options(self) -> ReadingOptions:
        options = self._options.model_dump(include=set(ReadingOptions.model_fields))
        reading = dict(self._endpoints[self.claim.output].reading)
        return ReadingOptions.model_validate(options).model_copy(update=reading)

    async def _read_pages(self, reader: PageReader) -> bool:
        """Read what is left; return whether that is all done, or the job gives way to another."""
        end = time.monotonic() + _TURN_SECONDS

        async def gives_way() -> bool:
            nonlocal end
            if time.monotonic() <= end:
                return False
            end = time.monotonic() + _TURN_SECONDS
            return await asyncio.to_thread(self._queue.others_wait, self.claim)

        def read(number: int, grant: Grant, spare: Spare) -> None:
            def store() -> None:
                self._queue.add_page(self.claim, reader.read(number, grant, spare))

            self._or_end(store)
            self.suspect = False

        pages = JobPages(self._left, read=read, turn=self._turn, pool=self._pool)
        # Whichever page has cost a worker was at hand then, so it is among as many as are at once.
        alone = self._pool.threads if self.claim.losses else 0
        return await pages.read(alone=alone, gives_way=gives_way, stop=self.stop)

    def _write(self, reader: PageReader) -> Generator[None, None, None]:
        """Write the result, part by part, and end the job."""
        document, pages = reader.document, self._queue.pages(self.claim)
        endpoint = self._endpoints[self.claim.output]
        written = endpoint.write(pages, document, self._options, self._settings)
        parts = map(_encoded, reader.until_stopped(written))
        size = yield from self._queue.write_result(self.claim, parts)
        self._queue.end(self.claim, result_bytes=size)
        metrics.count_job("ok")

    def _may_write(self) -> bool:
        return self.claim.losses < _MAX_LOSSES

    def _without_culprit(self) -> list[int]:
        """The pages that are left, without the one that has cost too many workers.

        Raises:
            Internal: the job has no other page.
        """
        left = list(self.claim.left)
        if left and self.claim.losses >= _MAX_LOSSES:
            error = Internal(_GIVEN_UP.format(losses=self.claim.losses))
            if len(self.claim.numbers) == 1:
                logger.error("job %s: its page %d is given up", self.claim.job, left[0])
                raise error
            page = unread_page(left.pop(0), error, whose=f"job {self.claim.job}")
            logger.error("job %s: page %d is given up", self.claim.job, page.number)
            self._queue.add_page(self.claim, page)
        return left

    def _sent(self) -> Sent:
        endpoint = self._endpoints.get(self.claim.output)
        if endpoint is None:  # the job was made by another version of the service
            logger.error("job %s: nothing here writes %s", self.claim.job, self.claim.output)
            raise Internal
        options = endpoint.request.options.model_validate(self.claim.options)
        return Sent(data=self._queue.document(self.claim), options=options)


def _encoded(part: Any) -> bytes:
    if part is None:
        return b""
    if isinstance(part, BaseModel):
        return part.model_dump_json().encode()
    return part.encode() if isinstance(part, str) else bytes(part)
