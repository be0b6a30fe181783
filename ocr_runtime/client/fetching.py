"""Source -> the bytes of its file, from the disk or over HTTP."""

import asyncio
from pathlib import Path

import httpx

from ocr_runtime.client.errors import FileFailed
from ocr_runtime.client.sources import Source

_SECONDS = 60.0
"""Longest silence of a server."""


class Fetcher:
    """Loads files; URLs are fetched from here, never by the service.

    Args:
        max_mb: largest file that is fetched from a URL, in MiB.
    """

    def __init__(self, *, max_mb: int) -> None:
        self._max_mb = max_mb
        self._client = httpx.AsyncClient(follow_redirects=True, max_redirects=5, timeout=_SECONDS)

    async def close(self) -> None:
        await self._client.aclose()

    async def load(self, source: Source) -> bytes:
        """Load a file.

        Raises:
            FileFailed: it cannot be read or fetched, is too large, or is empty.
        """
        if source.is_url:
            data = await self._fetch(source.name)
        else:
            try:
                data = await asyncio.to_thread(Path(source.name).read_bytes)
            except OSError as exc:
                raise FileFailed("unreadable_file", f"It cannot be read: {exc.strerror}.") from exc
        if not data:
            raise FileFailed("empty_file", "The file is empty.")
        return data

    async def _fetch(self, url: str) -> bytes:
        data = bytearray()
        try:
            async with self._client.stream("GET", url) as response:
                if not response.is_success:
                    status = f"{response.status_code} {response.reason_phrase}".strip()
                    raise FileFailed("not_fetched", f"Its server answered {status}.")
                async for chunk in response.aiter_bytes():
                    data += chunk
                    if len(data) > self._max_mb << 20:
                        raise FileFailed(
                            "too_large", f"It has more than {self._max_mb} MiB (--max-mb)."
                        )
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            reason = str(exc) or type(exc).__name__
            raise FileFailed(
                "not_fetched", f"It could not be fetched: {reason}.", transient=True
            ) from exc
        return bytes(data)
