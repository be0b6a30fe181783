"""The addresses below /jobs: documents that take longer than a request may.

POST /jobs?output=text --> 202, the id
GET /jobs/{id} --> JobProgress        GET /jobs/{id}/result --> the result
DELETE /jobs/{id}: cancelled, or forgotten
"""

import asyncio
import functools
import logging
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ocr_runtime.documents.base64_text import from_base64
from ocr_runtime.errors import (
    Internal,
    InvalidOption,
    JobNotFound,
    JobsOff,
    JobsUnavailable,
    JobUnfinished,
    JobWithoutResult,
    OCRError,
    Timeout,
)
from ocr_runtime.reading.page import ReadingOptions
from ocr_runtime.serving import forms, metrics
from ocr_runtime.serving.bodies import whole_body
from ocr_runtime.serving.caller_turns import CallerTurns
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.job_database import Database, cause
from ocr_runtime.serving.job_progress import progress
from ocr_runtime.serving.job_runner import JobRunner
from ocr_runtime.serving.job_store import Job, JobStore
from ocr_runtime.serving.job_work import job_limits
from ocr_runtime.serving.state import request_state
from ocr_runtime.serving.validation import validate_request
from ocr_runtime.settings import Settings

logger = logging.getLogger("rapidocr")

POSTED = "/jobs"
ROUTES = (POSTED, "/jobs/{id}", "/jobs/{id}/result")

_PATH = re.compile(r"/jobs(/[^/]+(/result)?)?")
_ID = re.compile(r"[0-9a-f]{32}")


def route_of(path: str) -> str | None:
    """The route that answers a path, one of `ROUTES`; None if none of them does."""
    found = _PATH.fullmatch(path)
    return ROUTES[sum(group is not None for group in found.groups())] if found else None


class Jobs:
    """Answers the requests for jobs.

    Args:
        database: where they are; None if the service takes no jobs.
        settings: of the service.
        endpoints: that write the results.
        check: raises `InvalidOption` for options with which no page can be read.
        wake: called when a job was made.
    """

    def __init__(
        self,
        database: Database | None,
        settings: Settings,
        endpoints: Iterable[Endpoint],
        *,
        check: Callable[[ReadingOptions], None],
        wake: Callable[[], None],
    ) -> None:
        self._store = None if database is None else JobStore(database, settings)
        self._settings = settings
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        self._check = check
        self._wake = wake
        # Not the pool: a job is taken on at once, however many requests wait there.
        self._threads = CallerTurns(2, name="jobs")

    def routes(self) -> list[Route]:
        return [
            Route("/jobs", self.create, methods=["POST"]),
            Route("/jobs/{id}", self.show_or_delete, methods=["GET", "DELETE"]),
            Route("/jobs/{id}/result", self.result, methods=["GET"]),
        ]

    async def show_or_delete(self, request: Request) -> Response:
        return await (self.delete if request.method == "DELETE" else self.show)(request)

    async def create(self, request: Request) -> Response:
        store = self._jobs()
        body = await whole_body(request)
        content_type = request.headers.get("content-type", "")
        job = await self._within_time(functools.partial(self._create, store, content_type, body))
        self._wake()
        return _answer(job, status=202, headers={"Location": f"/jobs/{job.id}"})

    async def show(self, request: Request) -> Response:
        return _answer(await self._job(request))

    async def delete(self, request: Request) -> Response:
        store = self._jobs()
        job = await asyncio.to_thread(store.delete, _id(request), request_state().key)
        if job is None:
            return Response(status_code=204)
        metrics.count_job("cancelled")
        return _answer(job)

    async def result(self, request: Request) -> Response:
        store, job = self._jobs(), await self._job(request)
        if job.state == "failed":
            raise JobWithoutResult(f"The job failed, it has no result: {job.error}")
        if job.state == "cancelled":
            raise JobWithoutResult
        if job.state != "done":
            raise JobUnfinished(
                f"The job is {job.state}: {job.pages_done} of {job.pages} pages are read."
            )
        parts = store.result(job.id)

        async def stream() -> AsyncIterator[bytes]:
            while part := await asyncio.to_thread(lambda: next(parts, b"")):
                yield part

        endpoint = self._endpoints.get(job.output)
        return StreamingResponse(
            stream(),
            headers={"Content-Length": str(job.result_bytes)},
            media_type=(
                endpoint.media_type_for(job.pages) if endpoint else "application/octet-stream"
            ),
        )

    def close(self) -> None:
        self._threads.close()

    def _create(
        self, store: JobStore, content_type: str, body: bytes, abandoned: threading.Event
    ) -> Job:
        """Check a request as its endpoint does, but for its pages, and write the job down.

        Raises:
            Timeout: nobody waits for the answer any more; then there is no job.
        """
        state = request_state()
        endpoint = self._endpoint([value for name, value in state.query if name == "output"])
        query = [(name, value) for name, value in state.query if name != "output"]
        form = forms.parse(content_type, body, names=endpoint.request.names(), query=query)
        state.record_ignored(form.ignored)
        sent = validate_request(form, endpoint.request, strict=self._settings.strict)
        self._check(sent.options.model_copy(update=dict(endpoint.reading)))
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

    def _endpoint(self, outputs: list[str]) -> Endpoint:
        if len(outputs) == 1 and outputs[0] in self._endpoints:
            return self._endpoints[outputs[0]]
        names = " or ".join(self._endpoints)
        raise InvalidOption(f"Say in the address what the job writes, as /jobs?output=: {names}.")

    async def _job(self, request: Request) -> Job:
        return await asyncio.to_thread(self._jobs().get, _id(request), request_state().key)

    def _jobs(self) -> JobStore:
        if self._store is None:
            raise JobsOff
        return self._store

    async def _within_time(self, make: Callable[[threading.Event], Job]) -> Job:
        """Make a job in a thread; if its caller gives up or is late, there is none in the end.

        Args:
            make: makes it, unless the event is set.
        """
        abandoned, making = threading.Event(), None
        work = functools.partial(make, abandoned)
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                making = await self._threads.start(request_state().caller, work)
                return await asyncio.wrap_future(making)
        except BaseException as exc:
            abandoned.set()
            if making is not None:
                making.add_done_callback(self._discard)  # it may be just being written down
            if isinstance(exc, TimeoutError):
                raise Timeout from exc
            raise

    def _discard(self, making: Future[Job]) -> None:
        """Delete a job, if one was made, whose id nobody was told."""
        if self._store is None or making.cancelled() or making.exception():
            return
        job = making.result().id
        try:
            self._threads.soon(functools.partial(self._store.discard, job))
        except RuntimeError:  # the service is ending
            with suppress(JobsUnavailable):
                self._store.discard(job)


def _id(request: Request) -> str:
    job = str(request.path_params["id"])
    if not _ID.fullmatch(job):
        raise JobNotFound
    return job


def _refusal(_: Request, exc: Exception) -> Response:
    error = exc if isinstance(exc, OCRError) else Internal()
    if isinstance(error, JobsUnavailable):
        logger.warning("request %s: %s", request_state().request_id, cause(error))
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers)


def _answer(job: Job, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = progress(job).model_dump(mode="json", exclude_none=True)
    return JSONResponse(content, status_code=status, headers=headers)


def app(
    settings: Settings,
    endpoints: Iterable[Endpoint],
    *,
    runner: Callable[[Database], JobRunner],
) -> Starlette:
    """Serve the addresses, and work on jobs as long as the worker lives.

    Args:
        settings: of the service.
        endpoints: that write the results.
        runner: makes the `JobRunner` of this worker.
    """
    database = Database(settings) if settings.jobs else None
    running: list[JobRunner] = []

    def wake() -> None:
        for each in running:
            each.wake()

    def check(options: ReadingOptions) -> None:
        running[0].check(options)  # requests come after the start

    jobs = Jobs(database, settings, endpoints, check=check, wake=wake)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if database is None:
            metrics.show_jobs(running=0, waiting=0)  # a gauge of the latest value has none before
            yield
            return
        running.append(runner(database))
        task = asyncio.create_task(running[0].run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            jobs.close()
            database.close()

    handlers = {OCRError: _refusal}
    return Starlette(routes=jobs.routes(), lifespan=lifespan, exception_handlers=handlers)
