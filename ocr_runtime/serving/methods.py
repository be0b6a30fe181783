"""Endpoint record -> typed method of the BentoML service.

    request --FormLeftUnparsed--> function that parses the form --method--> answer or error

BentoML would parse the fields itself, but it runs `json.loads` on each, limits it to 1 MiB and
fetches what looks like a URL. So its part is replaced by `forms.py`, which runs in a thread of the
pool, since parsing takes time too.
"""

import functools
import logging
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Protocol, TypeVar

import bentoml
from pydantic import BaseModel, ConfigDict
from starlette.requests import Request

from ocr_runtime.errors import Internal, OCRError
from ocr_runtime.serving import forms
from ocr_runtime.serving.bodies import whole_body
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.error_shape import error_response
from ocr_runtime.serving.state import request_state

logger = logging.getLogger("rapidocr")

ParseForm = Callable[[], forms.ParsedForm]


class Answering(Protocol):
    """A service that answers for every endpoint."""

    def answer(self, endpoint: Endpoint, parse_form: ParseForm) -> Awaitable[Any]:
        """Read one image as a record says.

        Raises:
            OCRError: what the caller got wrong.
        """


S = TypeVar("S", bound=type[Answering])


def with_endpoints(endpoints: Iterable[Endpoint]) -> Callable[[S], S]:
    """Class decorator: give a service class a method for each endpoint, typed by its record."""

    def add_methods(service_class: S) -> S:
        for endpoint in endpoints:
            setattr(service_class, endpoint.name, _api_method(endpoint))
        return service_class

    return add_methods


def _api_method(endpoint: Endpoint) -> Any:
    request = endpoint.request

    async def method(
        self: Answering,
        *,
        parse: ParseForm | None = None,
        refused: OCRError | None = None,
        **fields: Any,  # where the method is called in process, without a server
    ) -> Any:
        if refused is not None:
            return error_response(refused)
        if parse is None:
            parse = functools.partial(forms.separated, fields, names=request.names())
        try:
            return await self.answer(endpoint, functools.partial(_parse_and_tell, parse))
        except OCRError as exc:  # BentoML would answer what is raised with a body of its own
            return error_response(exc)
        except Exception:
            logger.exception("request %s failed", request_state().request_id)
            return error_response(Internal())

    method.__name__ = method.__qualname__ = endpoint.name
    method.__doc__ = endpoint.summary
    method.__annotations__["return"] = _typed_answer(endpoint)
    bases = (FormLeftUnparsed, request, bentoml.IODescriptor)
    spec = type("Form", bases, {"__doc__": request.__doc__, "__module__": __name__})
    return bentoml.api(method, route=endpoint.route, input_spec=spec)


def _typed_answer(endpoint: Endpoint) -> Any:
    """Return the type by which BentoML sends the answer.

    A model is sent as JSON in UTF-8. If its content type were stated too, BentoML would write it
    with escapes for all but ASCII.
    """
    if issubclass(endpoint.answer, BaseModel):
        return endpoint.answer
    kind = Path if endpoint.answer is bytes else endpoint.answer
    return Annotated[kind, bentoml.validators.ContentType(endpoint.media_type)]


def _parse_and_tell(parse: ParseForm) -> forms.ParsedForm:
    """Parse a form, and tell the caller what is ignored, query parameters included."""
    form = parse()
    request_state().record_ignored(form.ignored)
    return form


class UnparsedForm(BaseModel):
    """What BentoML hands to a method: a function that parses the form, or why there is none."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    parse: ParseForm | None = None
    refused: OCRError | None = None


class FormLeftUnparsed:
    """Mixin for the input model of a method, which leaves the parsing to the method.

    An error is handed to the method too: BentoML would answer it with a body of its own.
    """

    @classmethod
    async def from_http_request(cls, request: Request, _serde: object) -> UnparsedForm:
        try:
            body = await whole_body(request)
        except OCRError as exc:
            return UnparsedForm(refused=exc)
        content_type = request.headers.get("content-type", "")
        parse = functools.partial(
            forms.parse,
            content_type,
            body,
            names=cls.names(),  # type: ignore[attr-defined]
            query=request_state().query,
        )
        return UnparsedForm(parse=parse)
