"""A job that a worker has taken up -> its pages read and its result written, step by step.

    document --pool--> a page, stored --pool--> the next page ... --pool--> a part of the result ...

Each step is a task of its own in the pool, like the parts of the answer to a request, so that
requests and jobs take turns page by page.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel

from ocr_runtime.documents.document import Document, Limits
from ocr_runtime.errors import Busy, Internal, JobsUnavailable, OCRError, Timeout
from ocr_runtime.reading.engine import Engine
from ocr_runtime.reading.page import Page, ReadingOptions, UnreadPage
from ocr_runtime.serving import metrics
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.grants import Grant
from ocr_runtime.serving.job_database import Lost
from ocr_runtime.serving.job_queue import Claim, JobQueue
from ocr_runtime.serving.pages import read_page, unread_page
from ocr_runtime.serving.pool import Pool
from ocr_runtime.serving.requests import Sent
from ocr_runtime.settings import Settings

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
        engine: Engine,
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
        self._stopped = threading.Event()
        self._grant: Grant
        self._page_deadline = 0.0

    def stop(self) -> None:
        """Have the work end at the next run of a model; to be called before its task is cancelled.

        What is computed after that is not taken for the failure of a page.
        """
        self._stopped.set()

    async def run(self) -> None:
        """Work on the job.

        Raises:
            JobsUnavailable: the database does not answer.
        """
        steps, end = self._steps(), time.monotonic() + _TURN_SECONDS
        try:
            while await self._step(steps) is not _END:
                if time.monotonic() > end:
                    if await asyncio.to_thread(self._queue.others_wait, self.claim):
                        await asyncio.to_thread(self._queue.release, self.claim)
                        return
                    end = time.monotonic() + _TURN_SECONDS
        except Lost:
            pass
        except asyncio.CancelledError:
            await asyncio.to_thread(self._queue.release, self.claim)
            raise
        finally:
            with suppress(ValueError):  # a step that nobody waits for ends, and closes, by itself
                steps.close()

    async def _step(self, steps: Generator[None, None, None]) -> object:
        while True:
            with metrics.queued() as begun:

                def step(grant: Grant, begun: Callable[[], None] = begun) -> object:
                    begun()
                    self._grant = grant
                    return next(steps, _END)

                try:
                    return await self._pool.run(
                        step, caller=self.claim.caller, admitted=True, seconds=_WAIT_SECONDS
                    )
                except Busy:  # gave way to another caller
                    await asyncio.sleep(0)

    def _steps(self) -> Generator[None, None, None]:
        claim = self.claim
        try:
            if claim.all_losses >= _MAX_ALL_LOSSES or not (claim.left or self._may_write()):
                raise Internal
            left = self._without_culprit()
            sent = self._sent()
            with sent.open(job_limits(self._settings)) as document:
                yield
                for number in left:
                    self._queue.add_page(claim, self._read(document, number, sent))
                    self.suspect = False
                    yield
                size = yield from self._queue.write_result(claim, self._parts(document))
            self._queue.end(claim, result_bytes=size)
        except (Lost, JobsUnavailable, GeneratorExit):
            raise
        except OCRError as exc:
            self._queue.end(claim, error=exc)
        except Exception:
            logger.exception("job %s failed", claim.job)
            self._queue.end(claim, error=Internal())

    def _may_write(self) -> bool:
        return self.claim.losses < _MAX_LOSSES

    def _without_culprit(self) -> list[int]:
        """The pages that are left, without the one that has cost too many workers."""
        left = list(self.claim.left)
        if left and self.claim.losses >= _MAX_LOSSES:
            error = Internal(_GIVEN_UP.format(losses=self.claim.losses))
            page = unread_page(left.pop(0), error, whose=f"job {self.claim.job}")
            logger.error("job %s: page %d is given up", self.claim.job, page.number)
            self._queue.add_page(self.claim, page)
        return left

    def _sent(self) -> Sent:
        endpoint = self._endpoints.get(self.claim.output)
        if endpoint is None:  # the job was made by another version of the service
            raise Internal
        options = endpoint.request.options.model_validate(self.claim.options)
        return Sent(data=self._queue.document(self.claim), options=options)

    def _read(self, document: Document, number: int, sent: Sent) -> Page | UnreadPage:
        endpoint = self._endpoints[self.claim.output]
        options = ReadingOptions.model_validate(
            sent.options.model_dump(include=set(ReadingOptions.model_fields))
        )
        options = options.model_copy(update=dict(endpoint.reading))
        self._page_deadline = time.monotonic() + self._settings.timeout_seconds
        try:
            image, page = read_page(
                document, number, options, engine=self._engine, grant=self._granted
            )
        except Lost:
            raise
        except Exception as exc:
            self._check_stopped()
            if len(self.claim.numbers) == 1:
                raise
            return unread_page(number, exc, whose=f"job {self.claim.job}")
        metrics.count_page(pixels=image.width * image.height, lines=len(page.lines))
        return page

    def _granted(self, needed: int) -> AbstractContextManager[int]:
        self._check_stopped()
        if time.monotonic() > self._page_deadline:
            raise Timeout
        return self._grant(needed)

    def _check_stopped(self) -> None:
        if self._stopped.is_set():
            raise Lost

    def _parts(self, document: Document) -> Iterator[bytes]:
        endpoint = self._endpoints[self.claim.output]
        for part in endpoint.write(self._queue.pages(self.claim), document, self._settings):
            self._check_stopped()
            yield _encoded(part)


def _encoded(part: Any) -> bytes:
    if part is None:
        return b""
    if isinstance(part, BaseModel):
        return part.model_dump_json().encode()
    return part.encode() if isinstance(part, str) else bytes(part)
