"""A parsed form -> the answer to its request, computed page by page in the pool.

    form --validate_request--> Sent --open--> document --engine--> pages --Endpoint.write--> parts

Each part is a task of its own in the pool, so that a document of many pages waits its turn beside
other requests at each page, and holds the pixels of one page only.
"""

import itertools
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from ocr_runtime.documents.document import Document, Limits
from ocr_runtime.errors import Busy, Timeout
from ocr_runtime.reading.page import Page, ReadingOptions, UnreadPage
from ocr_runtime.serving import metrics
from ocr_runtime.serving.endpoints import Endpoint
from ocr_runtime.serving.forms import ParsedForm
from ocr_runtime.serving.grants import Grant
from ocr_runtime.serving.pages import read_page, unread_page
from ocr_runtime.serving.pool import Pool
from ocr_runtime.serving.state import request_state
from ocr_runtime.serving.validation import validate_request
from ocr_runtime.settings import Settings

if TYPE_CHECKING:  # the main process does not load the engine
    from ocr_runtime.reading.engine import Engine

_END: Final = object()

_GRACE_SECONDS = 10.0
"""After its deadline a request still sends what it has: which pages were not read."""

_NO_TIME = "There was no time left for this page"
_LATE = (
    f"{_NO_TIME}: ask for fewer pages at once, with the option pages, or send the document as a "
    "job (POST /jobs)."
)


class Answer:
    """The answer to one request.

    Args:
        endpoint: that was called.
        parse: parses the form.
        engine: reads the pages.
        pool: in which all work is done.
        settings: of the service.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        parse: Callable[[], ParsedForm],
        *,
        engine: "Engine",
        pool: Pool,
        settings: Settings,
    ) -> None:
        self._endpoint = endpoint
        self._parse = parse
        self._engine = engine
        self._pool = pool
        self._settings = settings
        self._deadline = time.monotonic() + settings.timeout_seconds
        self._parts = self._write()
        self._closed = False
        self._grant: Grant
        self._numbers: list[int] = []
        self._unread: list[int] = []
        self._page_seconds = 0.0

    async def send(self) -> Any:
        """Compute the answer, or as much of it as the caller waits for before it is sent.

        Returns:
            What the endpoint's method returns: a pydantic model, a text, or a response.

        Raises:
            OCRError: the request or its only page cannot be answered.
        """
        try:
            parts = await self._next(started=False)
            if len(self._numbers) > 1:
                if self._endpoint.streamed:
                    return self._stream(parts)
                while more := await self._next(started=True):
                    parts += more
        except BaseException:
            self._close()
            raise
        if self._unread:
            request_state().headers["X-OCR-Unread-Pages"] = ", ".join(map(str, self._unread))
        return self._joined(parts)

    def _joined(self, parts: list[Any]) -> Any:
        if parts and isinstance(parts[-1], BaseModel):  # those before it are empty
            return parts[-1]
        if self._endpoint.answer is str:
            return "".join(parts)
        encoded = [part if isinstance(part, bytes) else part.encode() for part in parts]
        return Response(b"".join(encoded), media_type=self._media_type())

    def _stream(self, first: list[Any]) -> Response:
        async def parts() -> AsyncIterator[Any]:
            some = first
            while some:
                for part in some:
                    yield part
                some = await self._next(started=True)

        return _Stream(parts(), close=self._close, media_type=self._media_type())

    def _media_type(self) -> str:
        return self._endpoint.media_type_for(len(self._numbers))

    async def _next(self, *, started: bool) -> list[Any]:
        """Compute the next part, or all that are left at the end; none after the last."""
        while True:
            seconds = max(0.0, self._deadline - time.monotonic()) + started * _GRACE_SECONDS
            with metrics.queued() as begun:

                def step(grant: Grant, begun: Callable[[], None] = begun) -> list[Any]:
                    begun()
                    self._grant = grant
                    try:
                        some = list(itertools.islice(self._parts, 1))
                        return some + list(self._parts) if self._ends_now() else some
                    finally:
                        if self._closed:
                            self._parts.close()

                try:
                    return await self._pool.run(
                        step, caller=request_state().caller, admitted=started, seconds=seconds
                    )
                except Busy:  # gave way to another caller; what was read so far is not lost
                    if not started:
                        raise

    def _ends_now(self) -> bool:
        """Whether what is left is no work: there is one page, or no time to read another one."""
        late = self._endpoint.keeps_late_pages and time.monotonic() > self._deadline
        return len(self._numbers) == 1 or late

    def _close(self) -> None:
        """Close the document, now or, where a step is being computed, at its end."""
        self._closed = True
        with suppress(ValueError):  # raised while a step is computed
            self._parts.close()

    def _write(self) -> Generator[Any, None, None]:
        with metrics.stage("decode"):
            form = self._parse()
            sent = validate_request(form, self._endpoint.request, strict=self._settings.strict)
            options = sent.options.model_copy(update=dict(self._endpoint.reading))
            self._engine.check(options)
            limits = replace(Limits.of(self._settings), deadline=self._deadline)
            document = sent.open(limits)
        with document:
            self._numbers = list(document.numbers)
            if document.pages > 1:
                request_state().headers["X-OCR-Pages"] = str(document.pages)
            pages = self._read(document, options)
            parts = self._endpoint.write(pages, document, options, self._settings)
            while True:
                start, self._page_seconds = time.monotonic(), 0.0
                part = next(parts, _END)
                if part is _END:
                    return
                metrics.count_stage("encode", time.monotonic() - start - self._page_seconds)
                yield part

    def _read(self, document: Document, options: ReadingOptions) -> Iterator[Page | UnreadPage]:
        """Read the pages one after the other, each when it is asked for."""
        for number in document.numbers:
            start = time.monotonic()
            try:
                page: Page | UnreadPage = self._page(document, number, options)
            except Exception as exc:
                if len(self._numbers) == 1 or self._closed or self._is_late(exc):
                    raise
                self._unread.append(number)
                page = unread_page(number, exc, whose=f"request {request_state().request_id}")
            self._page_seconds += time.monotonic() - start
            yield page

    def _page(self, document: Document, number: int, options: ReadingOptions) -> Page:
        self._check_deadline()
        image, page = read_page(document, number, options, engine=self._engine, grant=self._granted)
        request_state().record_page(image, page, only=len(self._numbers) == 1)
        return page

    def _granted(self, needed: int) -> AbstractContextManager[int]:
        self._check_deadline()
        return self._grant(needed)

    def _is_late(self, error: Exception) -> bool:
        """Whether an answer that is sent as a whole cannot be had in time."""
        keeps = self._endpoint.streamed or self._endpoint.keeps_late_pages
        return isinstance(error, Timeout) and not keeps

    def _check_deadline(self) -> None:
        """Skip what is left of a document at the deadline; the pool ends a single page itself."""
        if self._closed:
            raise Timeout
        if len(self._numbers) > 1 and time.monotonic() > self._deadline:
            own = request_state().refusal is None
            raise Timeout(_LATE if own else f"{_NO_TIME}.")  # other contracts have no such option


class _Stream(StreamingResponse):
    """A streamed answer.

    Args:
        close: is called at its end, and if it ends before its first part was sent.
    """

    def __init__(
        self, parts: AsyncIterator[Any], *, close: Callable[[], None], media_type: str
    ) -> None:
        super().__init__(parts, media_type=media_type)
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._close()
