"""The OpenAPI document and the page that shows it.

    BentoML's API methods (typed by `schema`) --document--> /docs.json --page--> / and /docs

BentoML writes such a document too, but knows one content type a route, three errors, and none of
ours; its page loads a tracker from another host.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ocr_runtime.errors import by_status
from ocr_runtime.serving.forms import READERS

_REF = "#/components/schemas/{model}"

_ERROR = {
    "type": "object",
    "description": "The one shape of every error.",
    "required": ["error", "code"],
    "properties": {
        "error": {"type": "string", "description": "A sentence for the caller."},
        "code": {"type": "string", "description": "What went wrong, for programs."},
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
  <title>RapidOCR</title>
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


class API(Protocol):
    """What is asked of one of BentoML's API methods."""

    name: str
    route: str
    doc: str | None
    input_spec: Any
    output_spec: Any


def app(apis: Mapping[str, API], *, version: str, keys: bool) -> Starlette:
    """Serve the page and the document of BentoML's API methods."""
    content = document(apis, version=version, keys=keys)

    async def page(_: Request) -> Response:
        return HTMLResponse(_PAGE)

    async def spec(_: Request) -> Response:
        return JSONResponse(content)

    return Starlette(routes=[Route("/", page), Route("/docs", page), Route("/docs.json", spec)])


def document(apis: Mapping[str, API], *, version: str, keys: bool) -> dict[str, Any]:
    """Write the OpenAPI document; with `keys`, callers need one of them."""
    schemas: dict[str, Any] = {"Error": _ERROR}
    paths = {api.route: {"post": _operation(api, schemas)} for api in apis.values()}
    components: dict[str, Any] = {"schemas": schemas}
    if keys:
        components["securitySchemes"] = _KEY_SCHEMES
        for path in paths.values():
            path["post"]["security"] = [{name: []} for name in _KEY_SCHEMES]
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "RapidOCR",
            "version": version,
            "description": "Text in images: detection, direction classification, recognition.",
            "license": {
                "name": "Apache-2.0",
                "url": "https://www.apache.org/licenses/LICENSE-2.0",
            },
        },
        "servers": [{"url": "."}],
        "tags": [{"name": "OCR"}, {"name": "Operation"}],
        "paths": paths | _OPERATION_PATHS,
        "components": components,
    }


def _operation(api: API, schemas: dict[str, Any]) -> dict[str, Any]:
    sent = _add(api.input_spec, schemas)
    fields = {
        name: field
        for name, field in schemas[sent]["properties"].items()
        if field.get("format") != "binary"
    }
    sent_as_text = f"{sent}AsText"
    as_text = schemas[sent] | {"title": sent_as_text, "properties": fields}
    alternatives = as_text.pop("oneOf")  # which is required: of those without files, one is left
    as_text["required"] = [
        name for one in alternatives for name in one["required"] if name in fields
    ]
    schemas[sent_as_text] = as_text
    answered = _add(api.output_spec, schemas)
    return {
        "tags": ["OCR"],
        "operationId": api.name,
        "summary": api.doc,
        "requestBody": {
            "required": True,
            "content": {
                media_type: _of(sent if media_type == "multipart/form-data" else sent_as_text)
                for media_type in READERS
            },
        },
        "responses": {
            "200": {
                "description": "The lines in reading order; `{}` where there is no text.",
                "content": {"application/json": _of(answered)},
            }
        }
        | {str(status): _refusal(status) for status in by_status()},
    }


def _add(model: Any, schemas: dict[str, Any]) -> str:
    """Put a model's schema, and those that it uses, among `schemas`; return its name."""
    name: str = next(
        base.__name__ for base in model.__mro__ if base.__module__.startswith("ocr_runtime.")
    )
    content = model.model_json_schema(mode="serialization", ref_template=_REF)
    schemas.update(content.pop("$defs", {}))
    for field in content.get("properties", {}).values():
        field.pop("default", None)  # a missing field is not null
    schemas[name] = content | {"title": name}
    return name


def _of(name: str) -> dict[str, Any]:
    return {"schema": {"$ref": _REF.format(model=name)}}


def _refusal(status: int) -> dict[str, Any]:
    errors = {error.code: error for error in by_status()[status]}
    response: dict[str, Any] = {
        "description": "; ".join(f"`{code}`" for code in errors),
        "content": {
            "application/json": _of("Error")
            | {
                "examples": {
                    code: {"value": {"error": error.sentence, "code": code}}
                    for code, error in errors.items()
                }
            }
        },
    }
    if status == 429:
        response["headers"] = {
            "Retry-After": {
                "description": "Seconds until a place is likely to be free.",
                "schema": {"type": "integer"},
            }
        }
    return response


def _probe(summary: str) -> dict[str, Any]:
    answered = {"description": "Yes.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    return {
        "get": {
            "tags": ["Operation"],
            "operationId": summary.split(maxsplit=1)[0].lower(),
            "summary": summary,
            "responses": {"200": answered},
        }
    }


_OPERATION_PATHS = {
    "/livez": _probe("Alive?"),
    "/readyz": _probe("Ready? All three models have run."),
    "/metrics": _probe("Metrics for Prometheus."),
}
