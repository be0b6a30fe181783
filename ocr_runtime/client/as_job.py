"""A document that takes longer than a request may -> its output, read by a job of the service.

POST /jobs?output=text --> GET /jobs/{id}, until it is done --> its result --> DELETE
"""

import asyncio
import random
from contextlib import suppress
from typing import IO, Any, Protocol

from ocr_runtime.client.errors import FileFailed, RunEnded
from ocr_runtime.client.readers import Reading

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 10.0
_DELETE_SECONDS = 5.0
"""How long the run waits for a job to be deleted, also when it is interrupted."""


class Ask(Protocol):
    """Sends a request to the service, again if need be."""

    async def __call__(
        self, method: str, path: str, *, data: bytes | None = None, into: IO[bytes] | None = None
    ) -> dict[str, Any]:
        """Return the JSON that was answered.

        Args:
            method: of HTTP.
            path: below the address of the service, with its query.
            data: a file, which is sent with the options.
            into: where the answer is written instead.

        Raises:
            FileFailed: the service refuses it.
            RunEnded: it would refuse any.
        """


async def read_as_job(ask: Ask, output: str, data: bytes, into: IO[bytes]) -> Reading:
    """Read a file, and write its output; the job is deleted, however this ends.

    Args:
        ask: sends the requests.
        output: name of the endpoint that writes it.
        data: the file.
        into: where the output is written.

    Raises:
        FileFailed: the service does not take the job, or it failed.
        RunEnded: no file can be read.
    """
    job = await ask("POST", f"jobs?output={output}", data=data)
    path = f"jobs/{job['id']}"
    try:
        pause = _FIRST_PAUSE_SECONDS
        while job["state"] in ("queued", "running"):
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311
            pause = min(pause * 1.5, _LONGEST_PAUSE_SECONDS)
            job = await ask("GET", path)
        if job["state"] == "cancelled":
            raise FileFailed("job_cancelled", "Its job was cancelled.", transient=True)
        if job["state"] == "failed":
            error = job["errors"][-1]  # that of the job comes after those of pages
            raise FileFailed(error["code"], error["error"])
        await ask("GET", f"{path}/result", into=into)
    finally:
        with suppress(FileFailed, RunEnded, TimeoutError):
            async with asyncio.timeout(_DELETE_SECONDS):
                await ask("DELETE", path)
    unread = [error["number"] for error in job["errors"] if "number" in error]
    return Reading(pages=job["pages"], unread=unread)
