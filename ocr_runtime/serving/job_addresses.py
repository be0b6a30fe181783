"""The addresses below /jobs.

POST /jobs?output=text --> 202, the id
GET /jobs/{id} --> JobProgress        GET /jobs/{id}/result --> the result
DELETE /jobs/{id}: cancelled, or forgotten
"""

import re
from collections.abc import Iterable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ocr_runtime.errors import Internal, InvalidOption, OCRError
from ocr_runtime.serving import forms
from ocr_runtime.serving.bodies import whole_body
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.error_shape import log_cause
from ocr_runtime.serving.job_progress import progress
from ocr_runtime.serving.job_store import Job
from ocr_runtime.serving.jobs import Jobs
from ocr_runtime.serving.state import request_state

POSTED = "/jobs"
ROUTES = (POSTED, "/jobs/{id}", "/jobs/{id}/result")

_PATH = re.compile(r"/jobs(/[^/]+(/result)?)?")


def route_of(path: str) -> str | None:
    """The route that answers a path, one of `ROUTES`; None if none of them does."""
    found = _PATH.fullmatch(path)
    return ROUTES[sum(group is not None for group in found.groups())] if found else None


class JobAddresses:
    """Answers the requests for jobs.

    Args:
        jobs: of all callers.
        endpoints: whose answers jobs may write.
    """

    def __init__(self, jobs: Jobs, endpoints: Iterable[Endpoint]) -> None:
        self._jobs = jobs
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoints}

    def routes(self) -> list[Route]:
        return [
            Route("/jobs", self.create, methods=["POST"]),
            Route("/jobs/{id}", self.show_or_delete, methods=["GET", "DELETE"]),
            Route("/jobs/{id}/result", self.result, methods=["GET"]),
        ]

    async def show_or_delete(self, request: Request) -> Response:
        return await (self.delete if request.method == "DELETE" else self.show)(request)

    async def create(self, request: Request) -> Response:
        self._jobs.check_on()
        body, state = await whole_body(request), request_state()
        endpoint = self._endpoint([value for name, value in state.query if name == "output"])

        def parse() -> forms.ParsedForm:
            query = [(name, value) for name, value in state.query if name != "output"]
            content_type = request.headers.get("content-type", "")
            form = forms.parse(content_type, body, names=endpoint.request.names(), query=query)
            state.record_ignored(form.ignored)
            return form

        job = await self._jobs.make(endpoint, parse)
        return _answer(job, status=202, headers={"Location": f"/jobs/{job.id}"})

    async def show(self, request: Request) -> Response:
        return _answer(await self._jobs.get(_id(request)))

    async def delete(self, request: Request) -> Response:
        job = await self._jobs.delete(_id(request))
        return Response(status_code=204) if job is None else _answer(job)

    async def result(self, request: Request) -> Response:
        job = await self._jobs.get(_id(request))
        endpoint = self._endpoints.get(job.output)
        return StreamingResponse(
            self._jobs.result(job),
            headers={"Content-Length": str(job.result_bytes)},
            media_type=(
                endpoint.media_type_for(job.pages) if endpoint else "application/octet-stream"
            ),
        )

    def _endpoint(self, outputs: list[str]) -> Endpoint:
        if len(outputs) == 1 and outputs[0] in self._endpoints:
            return self._endpoints[outputs[0]]
        names = " or ".join(self._endpoints)
        raise InvalidOption(f"Say in the address what the job writes, as /jobs?output=: {names}.")


def _id(request: Request) -> str:
    return str(request.path_params["id"])


def _refusal(_: Request, exc: Exception) -> Response:
    error = exc if isinstance(exc, OCRError) else Internal()
    log_cause(error)
    return JSONResponse(error.body(), status_code=error.status, headers=error.headers)


def _answer(job: Job, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = progress(job).model_dump(mode="json", exclude_none=True)
    return JSONResponse(content, status_code=status, headers=headers)


def app(jobs: Jobs, endpoints: Iterable[Endpoint]) -> Starlette:
    """Serve the addresses, and work on jobs as long as the worker lives.

    Args:
        jobs: of all callers.
        endpoints: whose answers jobs may write.
    """
    return Starlette(
        routes=JobAddresses(jobs, endpoints).routes(),
        lifespan=lambda _: jobs.running(),
        exception_handlers={OCRError: _refusal},
    )
