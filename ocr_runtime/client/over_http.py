"""The bytes of a file -> its output, read by a service.

POST /text ... -- 200 --> the output
               -- 429, 503 --> again, when `Retry-After` has passed
               -- no answer, 408, 502, 504 of a proxy --> again, after a while, some times
               -- too many pages, too long --> by a job, see as_job.py
               -- a redirect, a wrong key or address --> the run ends
               -- other --> the error
"""

import asyncio
import json
import os
import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import IO, Any

import httpx

from ocr_runtime.client.as_job import read_as_job
from ocr_runtime.client.errors import FileFailed, RunEnded, UsageError
from ocr_runtime.client.messages import say
from ocr_runtime.client.readers import Reading, write
from ocr_runtime.client.sources import without_secrets
from ocr_runtime.client.unread import unread_pages
from ocr_runtime.client.window import Window
from ocr_runtime.errors import JobNotFound, JobsOff, Timeout, TooManyPages

_REFUSED = {429, 503}
_LOST = {408, 502, 504}
_FOR_A_JOB = {Timeout.code, TooManyPages.code}
_LEAST_WAIT_SECONDS = 0.5
_MOST_WAIT_SECONDS = 120.0
"""Longest `Retry-After` that is waited for."""
_PATIENCE_SECONDS = 1200.0
"""How long a file is refused before it is given up."""
_SILENT_SECONDS = 10.0
"""How long a request is sent again and again before that is said."""
_NOT_ANSWERED = range(3, 11)
"""Files in a row without an answer, after which the run ends: as many as are sent at once, but more
than the two that may each end a worker of the service."""


class OverHTTP:
    """Reads files with a service.

    Args:
        address: of the service, as "http://localhost:3000".
        output: which of its outputs, as "text"; the address has the same name.
        fields: of the form, beside the file.
        key: API key; empty: none.
        timeout_seconds: longest silence of the service.
        retries: how often a request without an answer is sent again.
        most: how many requests at once at most.

    Raises:
        UsageError: the address is none, or the key cannot be sent.
    """

    def __init__(
        self,
        address: str,
        output: str,
        *,
        fields: Mapping[str, str],
        key: str,
        timeout_seconds: float,
        retries: int,
        most: int,
    ) -> None:
        try:
            url = httpx.URL(f"{address.rstrip('/')}/{output}")
            usable = url.scheme in ("http", "https") and bool(url.host)
        except httpx.InvalidURL:
            usable = False
        if not usable:
            raise UsageError(
                f"--address {without_secrets(address)}: it must be like http://localhost:3000"
            )
        key = key.strip()  # a file's end of line
        if not (key.isascii() and key.isprintable()):
            raise UsageError("the API key (--key, RAPIDOCR_KEY) must be printable ASCII")
        self.window = Window(start=os.cpu_count() or 1, most=most)
        self._of_jobs = Window(start=1, most=1)  # requests about them say nothing of the others
        self._base = address.rstrip("/")
        self._takes_jobs = True
        self._address = without_secrets(address)
        self._url = url
        self._output = output
        self._fields = dict(fields)
        self._retries = retries
        self._unanswered = 0
        self._has_told = False
        self._client = httpx.AsyncClient(
            headers={"X-API-Key": key} if key else {},
            timeout=httpx.Timeout(timeout_seconds, connect=min(10.0, timeout_seconds), pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=most),
        )

    async def close(self) -> None:
        await self._client.aclose()

    async def read(self, data: bytes, into: IO[bytes]) -> Reading:
        try:
            response = await self._answered("POST", self._url, data, into, self.window)
        except FileFailed as exc:
            if exc.code not in _FOR_A_JOB:
                raise
            return await self._read_as_job(data, into, exc)
        return Reading(unread=self._unread(response, into))

    async def _read_as_job(self, data: bytes, into: IO[bytes], failed: FileFailed) -> Reading:
        if self._takes_jobs:
            try:
                return await read_as_job(self._ask, self._output, data, into)
            except FileFailed as exc:
                if exc.code != JobsOff.code:
                    raise
                self._takes_jobs = False
        raise FileFailed(
            failed.code, f"{failed} The service takes no jobs, which may take longer."
        ) from failed

    async def _ask(
        self, method: str, path: str, *, data: bytes | None = None, into: IO[bytes] | None = None
    ) -> dict[str, Any]:
        url = httpx.URL(f"{self._base}/{path}")
        response = await self._answered(method, url, data, into, self._of_jobs)
        if into is not None or not response.content:
            return {}
        try:
            return dict(json.loads(response.content))
        except (ValueError, TypeError) as exc:
            raise FileFailed("no_answer", f"/{path} did not answer with JSON.") from exc

    async def _answered(
        self,
        method: str,
        url: httpx.URL,
        data: bytes | None,
        into: IO[bytes] | None,
        window: Window,
    ) -> httpx.Response:
        """Send a request until it succeeds, see above.

        Args:
            method: of HTTP.
            url: to which it is sent.
            data: a file, which is sent with the options; None: there is none.
            into: where the answer is written; None: it is kept in the response.
            window: learns from the answers.
        """
        since, lost = time.monotonic(), 0
        while True:
            sent = window.sent()
            try:
                response = await self._send(method, url, data, into)
            except httpx.TransportError as exc:
                lost += 1
                if lost > self._retries:
                    raise self._no_answer(exc) from exc
                wait, why = _backoff(lost), str(exc) or type(exc).__name__
            else:
                self._unanswered = 0
                if response.is_success:
                    window.answered()
                    return response
                failed = self._failure(response)
                why = str(failed)
                if response.status_code in _REFUSED:
                    window.refused(sent)
                    wait = refusal_wait(response.headers.get("Retry-After"))
                    if time.monotonic() + wait - since > _PATIENCE_SECONDS:
                        raise failed
                elif failed.transient and lost < self._retries:
                    lost += 1
                    wait = _backoff(lost)
                else:
                    raise failed
            if time.monotonic() + wait - since > _SILENT_SECONDS and not self._has_told:
                self._has_told = True
                say(f"{self._address} is asked again and again: {why}")
            await asyncio.sleep(wait)

    async def _send(
        self, method: str, url: httpx.URL, data: bytes | None, into: IO[bytes] | None
    ) -> httpx.Response:
        """Send a request; the answer is written, but the body of an error kept in the response."""
        form: dict[str, Any] = {}
        if data is not None:  # the name of a file is nobody's business
            form = {"data": self._fields, "files": {"file": ("file", data)}}
        if into is not None:
            into.seek(0)
            into.truncate()
        async with self._client.stream(method, url, **form) as answer:
            if into is None or not answer.is_success:
                await answer.aread()
                return answer
            async for chunk in answer.aiter_bytes():
                write(into, chunk)
        return answer

    def _unread(self, response: httpx.Response, output: IO[bytes]) -> list[int]:
        listed = response.headers.get("X-OCR-Unread-Pages", "")
        if listed:
            return [int(number) for number in listed.split(",") if number.strip().isdigit()]
        if "X-OCR-Pages" not in response.headers:  # one page
            return []
        output.seek(0)
        found = unread_pages(self._output, output)
        output.seek(0, os.SEEK_END)
        return found

    def _no_answer(self, error: Exception) -> FileFailed:
        reason = str(error) or type(error).__name__
        self._unanswered += 1
        most = max(_NOT_ANSWERED[0], min(_NOT_ANSWERED[-1], int(self.window.limit)))
        ended = self._unanswered >= most
        return FileFailed(
            "no_answer",
            f"The service did not answer: {reason}.",
            transient=True,
            ends_run=f"{self._address} does not answer: {reason}" if ended else "",
        )

    def _failure(self, response: httpx.Response) -> FileFailed:
        """Tell why a file was not read.

        Raises:
            RunEnded: it is the same for every file.
        """
        status = response.status_code
        code, sentence = f"http_{status}", f"The service answered {status}."
        try:
            body = json.loads(response.content)
            code, sentence = str(body["code"]), str(body["error"])
        except (ValueError, KeyError, TypeError):
            pass
        if status in (401, 403):
            raise RunEnded(f"{code}: {sentence} (--key, RAPIDOCR_KEY)")
        if status in (404, 405):
            if response.url.path != self._url.path:  # of a job
                return FileFailed(code if code == JobNotFound.code else JobsOff.code, sentence)
            raise RunEnded(f"{self._address} is no address of this service: {code}: {sentence}")
        if response.has_redirect_location:
            location = str(response.url.join(response.headers["Location"]))
            base = without_secrets(location).removesuffix(f"/{self._output}")
            raise RunEnded(f"{self._address} redirects to {base}: use that address")
        transient = status in _REFUSED | _LOST and code != Timeout.code  # of the service itself
        return FileFailed(code, sentence, transient=transient)


def _backoff(times: int) -> float:
    """Return how long to wait, in seconds: twice as long each time, and never in step."""
    return min(30.0, 0.5 * 2.0 ** (times - 1)) * random.uniform(0.75, 1.25)  # noqa: S311


def refusal_wait(header: str | None) -> float:
    """Return how long to wait after a refusal, in seconds: as it asks, and never in step."""
    return max(retry_after(header), _LEAST_WAIT_SECONDS) * random.uniform(1.0, 1.25)  # noqa: S311


def retry_after(header: str | None) -> float:
    """Return how long the header asks to wait, in seconds; 1 if it does not say.

    Args:
        header: seconds or a date: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    if header is None:
        return 1.0
    try:
        seconds = float(header)
    except ValueError:
        try:
            date = parsedate_to_datetime(header)
        except ValueError:
            return 1.0
        seconds = (date.astimezone(UTC) - datetime.now(UTC)).total_seconds()
    if not 0 <= seconds < float("inf"):
        return 0.0 if seconds < 0 else 1.0
    return min(seconds, _MOST_WAIT_SECONDS)
