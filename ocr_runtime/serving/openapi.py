"""The OpenAPI document and the page that shows it.

    endpoint records --document--> /docs.json --Swagger UI--> /docs

BentoML writes such a document too, but with one content type a route and three errors, none of them
ours; its page loads a tracker from another host.
"""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ocr_runtime import __version__
from ocr_runtime.errors import (
    Internal,
    JobNotFound,
    JobsFull,
    JobsOff,
    JobsUnavailable,
    JobUnfinished,
    JobWithoutResult,
    NotAcceptable,
    OCRError,
    TooManyJobs,
    Unauthorized,
)
from ocr_runtime.serving import negotiation
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.forms import READERS
from ocr_runtime.serving.job_progress import JobProgress
from ocr_runtime.serving.openapi_schemas import (
    ERROR,
    add_model,
    add_text_only,
    reference,
    refusals,
)

_HEADERS = {
    "X-Request-ID": {
        "description": "Names the request in the log; the caller's own, if it sent one.",
        "schema": {"type": "string"},
    },
    "X-OCR-Ignored": {
        "description": "Names of form fields and query parameters that were sent and not read.",
        "schema": {"type": "string", "example": "use_dett, lang"},
    },
    "X-OCR-Orientation": {
        "description": "Angle in degrees by which the page was turned clockwise to be upright, if "
        "it was turned.",
        "schema": {"type": "integer", "enum": [90, 180, 270]},
    },
    "X-OCR-Pages": {
        "description": "How many pages the file has, if more than one. `/ocr` reads the first.",
        "schema": {"type": "integer", "example": 3},
    },
    "X-OCR-Unread-Pages": {
        "description": "Numbers of the pages that could not be read, where the answer is not "
        "streamed; the answer itself says so too.",
        "schema": {"type": "string", "example": "3, 7"},
    },
}

_KEY_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <title>rapidocr-bento: OCR over HTTP</title>
  <link rel="stylesheet" href="./static_content/swagger-ui.css">
  <link rel="icon" href="./static_content/favicon-light-32x32.png">
</head>
<body>
  <div id="swagger-ui"></div>
  <script src="./static_content/swagger-ui-bundle.js"></script>
  <script>
    SwaggerUIBundle({
      url: "./docs.json", dom_id: "#swagger-ui", deepLinking: true,
      validatorUrl: null, tryItOutEnabled: true,
    });
  </script>
</body>
</html>
"""


def app(endpoints: Iterable[Endpoint], *, keys: bool) -> Starlette:
    """Serve the page and the document."""
    content = document(endpoints, keys=keys)

    async def page(_: Request) -> Response:
        return HTMLResponse(_PAGE)

    async def spec(_: Request) -> Response:
        return JSONResponse(content)

    return Starlette(routes=[Route("/docs", page), Route("/docs.json", spec)])


def document(endpoints: Iterable[Endpoint], *, keys: bool) -> dict[str, Any]:
    """Write the OpenAPI document.

    Args:
        endpoints: to be described.
        keys: whether callers need an API key.
    """
    schemas: dict[str, Any] = {"Error": ERROR}
    endpoints = list(endpoints)
    paths = {each.route: {"post": _operation(each, schemas)} for each in endpoints}
    outputs = [each for each in endpoints if each.is_output]
    if outputs:
        paths[negotiation.ROUTE] = {"post": _read(paths, outputs)}
    paths |= _job_paths(endpoints, schemas)
    components: dict[str, Any] = {"schemas": schemas}
    if keys:
        components["securitySchemes"] = _KEY_SCHEMES
        for path in paths.values():
            for operation in path.values():
                operation["security"] = [{name: []} for name in _KEY_SCHEMES]
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "rapidocr-bento",
            "version": __version__,
            "description": "Text in images: detection, direction classification, recognition.",
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "servers": [{"url": "."}],
        "tags": [{"name": "OCR"}, {"name": "Jobs"}, {"name": "Operation"}],
        "paths": paths | _OPERATION_PATHS,
        "components": components,
    }


def _operation(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    return {
        "tags": ["OCR"],
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "requestBody": _body(endpoint.request, schemas),
        "responses": {
            "200": {
                "description": endpoint.answer_description,
                "headers": _HEADERS,
                "content": dict.fromkeys(endpoint.media_types, _answer(endpoint, schemas)),
            }
        }
        | refusals(endpoint.errors),
    }


def _read(paths: dict[str, Any], outputs: list[Endpoint]) -> dict[str, Any]:
    """Describe the address that answers as any of these endpoints."""
    first: dict[str, Any] = paths[outputs[0].route]["post"]
    ok = first["responses"]["200"]
    content: dict[str, Any] = {}
    for each in outputs:
        content |= paths[each.route]["post"]["responses"]["200"]["content"]
    refused = refusals((*outputs[0].errors, NotAcceptable))
    return first | {
        "operationId": negotiation.ROUTE[1:],
        "summary": "Read a document; the header Accept chooses the output.",
        "responses": {
            "200": ok | {"description": "The answer of the output.", "content": content},
            **refused,
        },
    }


def _body(request: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    with_files = add_model(request, schemas)
    text_only = add_text_only(with_files, schemas)
    forms = {
        media_type: reference(with_files if media_type == "multipart/form-data" else text_only)
        for media_type in READERS
    }
    file = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    return {"required": True, "content": forms | file}


def _job_paths(endpoints: list[Endpoint], schemas: dict[str, Any]) -> dict[str, Any]:
    """Describe the addresses below /jobs; see `jobs.py`."""
    progress = {"application/json": reference(add_model(JobProgress, schemas))}
    told = {"description": "How far it is.", "content": progress}
    cancelled = {"description": "The job is cancelled.", "content": progress}
    forgotten = {"description": "The job had ended and is forgotten."}
    written = [media_type for each in endpoints for media_type in each.media_types]
    results = {media_type: {"schema": {"type": "string"}} for media_type in written}
    result = {"description": "What `output` answers.", "content": results}
    asked = (Unauthorized, JobNotFound, JobsOff, Internal, JobsUnavailable)
    ended = (*asked, JobUnfinished, JobWithoutResult)
    ask, fetch = "Ask how far a job is.", "Get the result of a job that is done."
    cancel = "Cancel a job that has not ended, or forget one that has."
    return {
        "/jobs": {"post": _making_a_job(endpoints, progress, schemas)},
        "/jobs/{id}": {
            "get": _of_a_job("progress", ask, {"200": told}, asked),
            "delete": _of_a_job("cancel", cancel, {"200": cancelled, "204": forgotten}, asked),
        },
        "/jobs/{id}/result": {"get": _of_a_job("result", fetch, {"200": result}, ended)},
    }


def _making_a_job(
    endpoints: list[Endpoint], progress: dict[str, Any], schemas: dict[str, Any]
) -> dict[str, Any]:
    whole = max(endpoints, key=lambda each: len(each.request.model_fields))
    output = {
        "name": "output",
        "in": "query",
        "required": True,
        "description": "The endpoint whose answer the job writes; the fields are those of it.",
        "schema": {"type": "string", "enum": [endpoint.name for endpoint in endpoints]},
    }
    location = {"Location": {"description": "`/jobs/{id}`", "schema": {"type": "string"}}}
    made = {"description": "The job is written down.", "headers": location, "content": progress}
    errors = (*whole.errors, JobsOff, TooManyJobs, JobsUnavailable, JobsFull)
    return {
        "tags": ["Jobs"],
        "operationId": "job",
        "summary": "Read a document later.",
        "parameters": [output],
        "requestBody": _body(whole.request, schemas),
        "responses": {"202": made} | refusals(errors),
    }


def _of_a_job(
    name: str, summary: str, answers: dict[str, Any], errors: Iterable[type[OCRError]]
) -> dict[str, Any]:
    job = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "tags": ["Jobs"],
        "operationId": name,
        "summary": summary,
        "parameters": [job],
        "responses": answers | refusals(errors),
    }


def _answer(endpoint: Endpoint, schemas: dict[str, Any]) -> dict[str, Any]:
    if issubclass(endpoint.answer, BaseModel):
        content = reference(add_model(endpoint.answer, schemas))
    else:
        binary = {"format": "binary"} if endpoint.answer is bytes else {}
        content = {"schema": {"type": "string"} | binary}
    return content | ({"example": endpoint.example} if endpoint.example else {})


def _probe(name: str, summary: str) -> dict[str, Any]:
    answered = {"description": "Yes.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    return {
        "get": {
            "tags": ["Operation"],
            "operationId": name,
            "summary": summary,
            "responses": {"200": answered},
        }
    }


_OPERATION_PATHS = {
    "/livez": _probe("livez", "Is the process alive?"),
    "/readyz": _probe("readyz", "Is it ready, that is, have all three models run?"),
    "/metrics": _probe("metrics", "Metrics for Prometheus."),
}
