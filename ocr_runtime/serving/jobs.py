"""What callers do with jobs: documents that take longer than a request may.

    make --> Job, which `job_runner` takes up
    get --> Job        result --> the parts of its result
    delete: cancelled, or forgotten

The addresses at which they do it are in `job_addresses.py`.
"""

import asyncio
import functools
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from ocr_runtime.documents.base64_text import from_base64
from ocr_runtime.errors import (
    JobNotFound,
    JobsOff,
    JobsUnavailable,
    JobUnfinished,
    JobWithoutResult,
    NotFound,
    Timeout,
)
from ocr_runtime.serving import metrics
from ocr_runtime.serving.caller_turns import CallerTurns
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.forms import ParsedForm
from ocr_runtime.serving.job_database import Database
from ocr_runtime.serving.job_runner import JobRunner
from ocr_runtime.serving.job_store import Job, JobStore
from ocr_runtime.serving.job_work import job_limits
from ocr_runtime.serving.pool import Pool
from ocr_runtime.serving.state import request_state
from ocr_runtime.serving.stored_files import StoredFile, StoredFiles
from ocr_runtime.serving.validation import validate_request
from ocr_runtime.settings import Settings

if TYPE_CHECKING:  # the main process does not load the engine
    from ocr_runtime.reading.engine import Engine

T = TypeVar("T")
_ID = re.compile(r"[0-9a-f]{32}")


class Worker(Protocol):
    """What a worker of the service reads with."""

    engine: "Engine"
    pool: Pool


class Jobs:
    """The jobs of the caller whose request this task handles; see `request_state`.

    Args:
        settings: of the service.
        endpoints: that write the results.
        worker: returns this worker, once it has started.
    """

    def __init__(
        self, settings: Settings, endpoints: Iterable[Endpoint], *, worker: Callable[[], Worker]
    ) -> None:
        self._database = Database(settings) if settings.jobs else None
        self._settings = settings
        self._endpoints = list(endpoints)
        self._worker = worker
        self._runner: JobRunner | None = None
        # Not the pool: a job is taken on at once, however many requests wait there.
        self._threads = CallerTurns(2, name="jobs")

    @property
    def files(self) -> StoredFiles:
        """The files that are stored beside the jobs.

        Raises:
            JobsOff: nothing is stored.
        """
        if self._database is None:
            raise JobsOff
        return StoredFiles(self._database, self._settings)

    async def keep(self, read: Callable[[], tuple[str, bytes]]) -> StoredFile:
        """Store a file of this caller.

        Args:
            read: returns its name and its bytes; called in a thread.

        Raises:
            OCRError: `read` has raised it, or there is no room for another file.
            Timeout: it took too long; then nothing is stored.
        """
        files, state = self.files, request_state()

        def make(abandoned: threading.Event) -> StoredFile:
            name, data = read()
            if abandoned.is_set():
                raise Timeout
            return files.add(owner=state.key, caller=state.caller, name=name, data=data)

        return await self._within_time(make, discard=lambda file: files.delete(file.id, state.key))

    async def fetch(self, file: str) -> bytes:
        """Return a file of this caller, which then counts as its body does.

        Raises:
            NotFound: there is none, it is another's, or it was deleted meanwhile.
            Busy: there is no room for it.
            Timeout: it took too long.
        """
        files, state = self.files, request_state()

        def size(_: threading.Event) -> int:
            return files.get(file, state.key).bytes

        def content(_: threading.Event) -> bytes:
            return b"".join(files.content(file, state.key))

        wanted = await self._within_time(size, discard=_nothing)
        if state.body is not None:
            state.body.hold_file(wanted)
        found = await self._within_time(content, discard=_nothing)
        if len(found) != wanted:
            raise NotFound("The file was deleted while it was read.")
        return found

    def check_on(self) -> None:
        """Check that the service takes jobs.

        Raises:
            JobsOff: it does not.
        """
        self._store()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work on jobs until the block ends; to be entered once, when the worker has started."""
        if self._database is None:
            metrics.show_jobs(running=0, waiting=0)  # a gauge of the latest value has none before
            yield
            return
        worker = self._worker()
        self._runner = JobRunner(
            self._database,
            engine=worker.engine,
            pool=worker.pool,
            settings=self._settings,
            endpoints=self._endpoints,
        )
        task = asyncio.create_task(self._runner.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.close()

    def close(self) -> None:
        """Make no more jobs."""
        self._threads.close()
        if self._database is not None:
            self._database.close()

    async def make(self, endpoint: Endpoint, parse: Callable[[], ParsedForm]) -> Job:
        """Check a request as its endpoint does, but for its pages, and write the job down.

        Args:
            endpoint: that writes the result.
            parse: parses the form; called in a thread.

        Raises:
            OCRError: the request is wrong, or there is no room for another job.
            Timeout: it took too long; then there is no job.
        """
        store = self._store()
        make = functools.partial(self._make, store, endpoint, parse)
        job = await self._within_time(make, discard=lambda job: store.discard(job.id))
        if self._runner is not None:
            self._runner.wake()
        return job

    async def get(self, job: str) -> Job:
        """Look a job up.

        Raises:
            JobNotFound: there is none, or it is another's.
        """
        return await asyncio.to_thread(self._store().get, _checked(job), request_state().key)

    async def delete(self, job: str) -> Job | None:
        """Cancel a job that has not ended; forget one that has.

        Returns:
            the cancelled job, or None.

        Raises:
            JobNotFound: there is none, or it is another's.
        """
        store = self._store()
        cancelled = await asyncio.to_thread(store.delete, _checked(job), request_state().key)
        if cancelled is not None:
            metrics.count_job("cancelled")
        return cancelled

    def result(self, job: Job) -> AsyncIterator[bytes]:
        """Return the parts of a job's result, `job.result_bytes` in all.

        Raises:
            JobUnfinished, JobWithoutResult: there is none.
        """
        if job.state == "failed":
            raise JobWithoutResult(f"The job failed, it has no result: {job.error}")
        if job.state == "cancelled":
            raise JobWithoutResult
        if job.state != "done":
            raise JobUnfinished(
                f"The job is {job.state}: {job.pages_done} of {job.pages} pages are read."
            )
        stored = self._store().result(job.id)

        async def parts() -> AsyncIterator[bytes]:
            while part := await asyncio.to_thread(lambda: next(stored, b"")):
                yield part

        return parts()

    def _make(
        self,
        store: JobStore,
        endpoint: Endpoint,
        parse: Callable[[], ParsedForm],
        abandoned: threading.Event,
    ) -> Job:
        """Make a job, in a thread.

        Raises:
            Timeout: nobody waits for the answer any more; then there is no job.
        """
        state = request_state()
        sent = validate_request(parse(), endpoint.request, strict=self._settings.strict)
        if self._runner is not None:
            self._runner.check(sent.options.model_copy(update=dict(endpoint.reading)))
        with sent.open(job_limits(self._settings)) as document:
            numbers = list(document.numbers)
        if abandoned.is_set():
            raise Timeout
        job = store.create(
            owner=state.key,
            caller=state.caller,
            output=endpoint.name,
            options=sent.options.model_dump(mode="json", exclude_none=True),
            numbers=numbers,
            data=from_base64(sent.data) if isinstance(sent.data, str) else sent.data,
        )
        return store.get(job, state.key)

    def _store(self) -> JobStore:
        if self._database is None:
            raise JobsOff
        return JobStore(self._database, self._settings)

    async def _within_time(
        self, make: Callable[[threading.Event], T], *, discard: Callable[[T], object]
    ) -> T:
        """Store or fetch something in a thread; if its caller gives up or is late, it is not kept.

        Args:
            make: does it, unless the event is set.
            discard: deletes it.
        """
        abandoned, making = threading.Event(), None
        work = functools.partial(make, abandoned)
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                making = await self._threads.start(request_state().caller, work)
                return await asyncio.wrap_future(making)
        except BaseException as exc:
            abandoned.set()
            if making is not None:  # it may be just being written down
                making.add_done_callback(functools.partial(self._discard, discard))
            if isinstance(exc, TimeoutError):
                raise Timeout from exc
            raise

    def _discard(self, discard: Callable[[T], object], making: Future[T]) -> None:
        """Delete what was stored, if anything was, whose id nobody was told."""
        if making.cancelled() or making.exception():
            return
        work = functools.partial(discard, making.result())
        try:
            self._threads.soon(work)
        except RuntimeError:  # the service is ending
            with suppress(JobsUnavailable):
                work()


def _nothing(_: object) -> None:
    """Keep what was only looked up."""


def _checked(job: str) -> str:
    if not _ID.fullmatch(job):
        raise JobNotFound
    return job
