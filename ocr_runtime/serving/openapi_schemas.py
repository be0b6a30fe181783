"""Pydantic models and errors -> the parts of the OpenAPI document that describe them."""

from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from ocr_runtime.errors import OCRError, by_status

_REF = "#/components/schemas/{model}"

ERROR = {
    "type": "object",
    "description": "The one shape of every error.",
    "required": ["error", "code"],
    "properties": {
        "error": {"type": "string", "description": "A sentence for the caller."},
        "code": {"type": "string", "description": "What went wrong, for programs."},
    },
}


def refusals(errors: Iterable[type[OCRError]]) -> dict[str, Any]:
    return {str(status): _refusal(found) for status, found in by_status(errors).items()}


def add_text_only(name: str, schemas: dict[str, Any]) -> str:
    """Add the schema of a request without its file fields, for content types that hold text."""
    fields = {
        field: schema
        for field, schema in schemas[name]["properties"].items()
        if schema.get("format") != "binary"
    }
    text_only = schemas[name] | {"title": f"{name}AsText", "properties": fields}
    alternatives = text_only.pop("oneOf")  # one of them is required; without files one is left
    text_only["required"] = [
        field for one in alternatives for field in one["required"] if field in fields
    ]
    schemas[text_only["title"]] = text_only
    return str(text_only["title"])


def add_model(model: type[BaseModel], schemas: dict[str, Any]) -> str:
    """Put a model's schema, and those that it uses, among `schemas`; return its name."""
    name: str = next(
        base.__name__ for base in model.__mro__ if base.__module__.startswith("ocr_runtime.")
    )
    content = model.model_json_schema(mode="serialization", ref_template=_REF)
    content = _nullable(content)
    parts = content.pop("$defs", {})
    for schema in (content, *parts.values()):
        for field in schema.get("properties", {}).values():
            field.pop("default", None)  # a missing field is not null
    schemas.update(parts)
    schemas[name] = content | {"title": name}
    return name


def _nullable(schema: Any) -> Any:
    """Write "or null" as OpenAPI 3.0 does, which has no type "null"."""
    if isinstance(schema, list):
        return [_nullable(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: _nullable(value) for key, value in schema.items()}
    choices = schema.get("anyOf", [])
    others = [choice for choice in choices if choice != {"type": "null"}]
    if len(others) == len(choices) or len(others) != 1:
        return schema
    del schema["anyOf"]
    return others[0] | schema | {"nullable": True}


def reference(name: str) -> dict[str, Any]:
    return {"schema": {"$ref": _REF.format(model=name)}}


def _refusal(errors: Iterable[type[OCRError]]) -> dict[str, Any]:
    """Describe the response of one status, which all these errors have."""
    by_code = {error.code: error for error in errors}
    response: dict[str, Any] = {
        "description": "; ".join(f"`{code}`" for code in by_code),
        "content": {
            "application/json": reference("Error")
            | {
                "examples": {
                    code: {"value": {"error": error.sentence, "code": code}}
                    for code, error in by_code.items()
                }
            }
        },
    }
    if "busy" in by_code:
        response["headers"] = {
            "Retry-After": {
                "description": "Seconds until a place is likely to be free.",
                "schema": {"type": "integer"},
            }
        }
    return response
