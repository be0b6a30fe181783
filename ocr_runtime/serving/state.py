"""What is known of one request while it is handled, by the layers and by the service's method.

middleware --begin_request--> RequestState <--request_state-- whoever handles the request
"""

import re
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.responses import Response

from ocr_runtime.documents.images import PageImage
from ocr_runtime.errors import OCRError
from ocr_runtime.reading.page import Page
from ocr_runtime.serving import metrics
from ocr_runtime.serving.bodies import Body
from ocr_runtime.serving.endpoints import Endpoint

_MOST_IGNORED = 20
_LONGEST_IGNORED = 32
"""Bounds of the header X-OCR-Ignored: how many names, and how many characters of each."""
_CUT_ESCAPE = re.compile("%.?$")


@dataclass
class RequestState:
    """What is known of one request while it is handled.

    Args:
        request_id: the caller's, or a new one.
        endpoint: whose route was asked for; None for every other path.
        route: under which it is counted: that of the endpoint, or one of /jobs; else None.
        query: the parameters of the address.
        caller: the API key's digest, or else the address.
        key: the API key's digest, or else empty.
        body: what has arrived of the body.
        headers: to be added to the answer.
        facts: of the image, for the log line.
        refusal: words an error, where the request is for the contract of another service.
        key_headers: in which that contract's callers send their API key, too.
        refused: the code of the error with which the request was answered.
        outcome: "ok" or the code of an error, once it has been sent; until then "gone".
    """

    request_id: str
    endpoint: Endpoint | None = None
    route: str | None = None
    query: tuple[tuple[str, str], ...] = ()
    caller: str = ""
    key: str = ""
    body: Body | None = None
    headers: dict[str, str] = field(default_factory=dict)
    facts: dict[str, int] = field(default_factory=dict)
    refusal: Callable[[OCRError], Response] | None = None
    key_headers: tuple[str, ...] = ()
    refused: str | None = None
    outcome: str = "gone"

    def record_ignored(self, names: Sequence[str]) -> None:
        """Tell the caller in a header which fields and query parameters are not read."""
        if names:
            self.headers["X-OCR-Ignored"] = ", ".join(map(_shown, names[:_MOST_IGNORED]))

    def record_page(self, image: PageImage, page: Page, *, only: bool) -> None:
        """Count what was read, for metrics and log line, and tell the caller of it in headers.

        Args:
            image: the page.
            page: what was read from it.
            only: whether it is the only page that was asked for.
        """
        facts = {"pixels": image.width * image.height, "lines": len(page.lines)}
        metrics.count_page(**facts)
        if not only:
            facts["pages"] = 1
        for name, count in facts.items():
            self.facts[name] = self.facts.get(name, 0) + count
        if only and page.orientation:
            self.headers["X-OCR-Orientation"] = str(page.orientation)
        if image.pages > 1:
            self.headers["X-OCR-Pages"] = str(image.pages)


def _shown(name: str) -> str:
    """Write a name so that it can stand in a header: percent-encoded, where it is not ASCII."""
    quoted = quote(name, safe="", errors="replace")[:_LONGEST_IGNORED]
    return _CUT_ESCAPE.sub("", quoted) or '""'


_state: ContextVar[RequestState] = ContextVar("request_state")


def begin_request(state: RequestState) -> None:
    """Make this the state of the request that the current task handles."""
    _state.set(state)


def request_state() -> RequestState:
    """Return the state of the request that this task or thread handles."""
    # A method that is called in process, without a server, gets a state that nobody looks at.
    return _state.get(RequestState("-"))
