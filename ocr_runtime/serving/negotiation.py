"""`/read`, one address for every output: the header Accept -> the endpoint that answers.

/read, Accept: text/markdown --ReadAs--> /markdown
/read, Accept: audio/ogg ------app-----> 406
"""

from collections.abc import Collection, Iterable, Mapping

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from ocr_runtime.errors import NotAcceptable

ROUTE = "/read"


class ReadAs:
    """An ASGI middleware that sends a request for `/read` on to the endpoint that it accepts.

    Args:
        app: behind it.
        routes: by media type the route of its endpoint, the preferred one first.
    """

    def __init__(self, app: ASGIApp, *, routes: Mapping[str, str]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == ROUTE and scope["method"] == "POST":
            accept = ", ".join(Headers(scope=scope).getlist("accept")) or "*/*"
            media_type = chosen(accept, self._routes)
            if media_type is not None:
                route = self._routes[media_type]
                scope = {**scope, "path": route, "raw_path": route.encode()}
        await self._app(scope, receive, send)


def chosen(accept: str, offered: Iterable[str]) -> str | None:
    """Choose the media type that a caller likes best (RFC 9110, 12.5.1).

    Args:
        accept: the header, as "text/markdown, text/*;q=0.5".
        offered: media types, the preferred one first.

    Returns:
        One of `offered`; None if none is accepted.
    """
    ranges = dict(filter(None, map(_range, accept.split(","))))
    best, most = None, 0.0
    for media_type in offered:
        kind = media_type.partition("/")[0]
        named = (name for name in (media_type, f"{kind}/*", "*/*") if name in ranges)
        weight = ranges.get(next(named, ""), 0.0)
        if weight > most:
            best, most = media_type, weight
    return best


def _range(text: str) -> tuple[str, float] | None:
    """Read one part of the header: a media range and its weight; None if it is none."""
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    weight = next((each[2:] for each in parameters if each.startswith("q=")), "1")
    try:
        return (name, min(1.0, max(0.0, float(weight)))) if name else None
    except ValueError:
        return None


def app(media_types: Collection[str]) -> Starlette:
    """Answer the requests for `/read` that no endpoint can answer."""

    async def refuse(_: Request) -> Response:
        error = NotAcceptable(f"There is no such answer. Accept one of: {', '.join(media_types)}.")
        return JSONResponse(error.body(), status_code=error.status)

    return Starlette(routes=[Route(ROUTE, refuse, methods=["POST"])])
