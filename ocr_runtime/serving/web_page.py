"""The page at `/`, on which a person tries the service: the files of `web/` -> answers.

    GET / --> web/index.html, or the greeting of rapidocr_api if only JSON is accepted
    GET /web/NAME --> web/NAME
    GET /web/service.json --> what the page has to know of the settings

Nothing is loaded from another host, and the policy below forbids the browser to: of scripts it runs
these files only, and it connects to this service only.
"""

import hashlib
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ocr_runtime.serving import negotiation
from ocr_runtime.settings import Settings

FOLDER = Path(__file__).parent / "web"
BELOW = "/web/"
"""Where the files of the page are, but for the page itself."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # that is: ask each time whether it has changed
}
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
"""Not `mimetypes`: on Windows that takes them from the registry, where programs change them."""

_GREETING = {"message": "Welcome to RapidOCR API Server!"}
"""What `GET /` of rapidocr_api answers."""


def app(settings: Settings) -> Starlette:
    """Serve the page and its files, which are read once, now."""
    routes = [
        Route(f"{BELOW}{path.name}", _file(path))
        for path in sorted(FOLDER.iterdir())
        if path.suffix in _MEDIA_TYPES
    ]
    page = _file(FOLDER / "index.html")
    known = facts(settings)

    async def root(request: Request) -> Response:
        accept = request.headers.get("accept", "*/*")
        if negotiation.chosen(accept, ("text/html", "application/json")) == "application/json":
            answer: Response = JSONResponse(_GREETING)
        else:
            answer = await page(request)
        answer.headers["Vary"] = "Accept"
        return answer

    async def service(_: Request) -> Response:
        return JSONResponse(known, headers=_HEADERS)

    return Starlette(routes=[Route("/", root), Route(f"{BELOW}service.json", service), *routes])


def facts(settings: Settings) -> dict[str, Any]:
    """Tell what the page has to know of the settings; none of it is secret."""
    exact = settings.profile == "exact"
    return {
        "keys": bool(settings.keys),
        "jobs": settings.jobs,
        "max_body_mb": settings.max_body_mb,
        "orientation": settings.orientation or ("0" if exact else "auto"),
        "layout": settings.layout or ("none" if exact else "auto"),
    }


def _file(path: Path) -> Any:
    """Make what answers with the content of a file, or with 304 if the browser still has it."""
    content = path.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**_HEADERS, "ETag": tag}
    media_type = _MEDIA_TYPES[path.suffix]

    async def answer(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)

    return answer
