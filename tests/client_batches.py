"""Parts of `rapidocr-bento read` for tests: a manifest, a reader that echoes, one over HTTP."""

import asyncio
from typing import IO

from ocr_runtime.client.batch import Batch, files_left
from ocr_runtime.client.begun import Begun
from ocr_runtime.client.fetching import Fetcher
from ocr_runtime.client.manifest import Manifest
from ocr_runtime.client.over_http import OverHTTP
from ocr_runtime.client.readers import Reader, Reading
from ocr_runtime.client.sources import listed
from ocr_runtime.client.window import Window


def opened(folder, **options):
    return Manifest(folder, to="text", options=options)


def over_http(address: str = "http://localhost:3000", **changed: object) -> OverHTTP:
    given = {"fields": {}, "key": "", "timeout_seconds": 5, "retries": 0, "most": 8} | changed
    return OverHTTP(address, "text", **given)


class Echo:
    """Answers with the bytes of a file."""

    def __init__(self) -> None:
        self.window = Window(start=1, most=1)

    async def read(self, data: bytes, into: IO[bytes]) -> Reading:
        into.write(data)
        return Reading(pages=1)

    async def close(self) -> None:
        pass


def read_all(folder, manifest: Manifest, reader: Reader, begun: Begun | None = None) -> None:
    async def read() -> None:
        fetcher = Fetcher(max_mb=1)
        batch = Batch(
            reader=reader,
            fetcher=fetcher,
            manifest=manifest,
            out=manifest.path.parent,
            on_outcome=lambda _: None,
            begun=begun,
        )
        try:
            sources = listed([str(folder)], suffix=".txt", out=None).sources
            left = files_left(sources, manifest, manifest.path.parent, retry_failed=False)
            await batch.read(left)
        finally:
            await fetcher.close()

    asyncio.run(read())
