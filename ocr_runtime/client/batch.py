"""Files to read -> their outputs in a folder, each written whole or not at all, and recorded once.

    source --Fetcher--> bytes --Reader--> draft --commit--> output --record--> manifest

A run that is killed between the last two reads that one file again.
"""

import asyncio
import errno
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ocr_runtime.client.begun import Begun
from ocr_runtime.client.errors import FileFailed, RunEnded, UsageError
from ocr_runtime.client.fetching import Fetcher
from ocr_runtime.client.manifest import Draft, Manifest, Outcome
from ocr_runtime.client.readers import Reader
from ocr_runtime.client.sources import Source

_NO_FILE_CAN_BE_WRITTEN = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}


def is_left(source: Source, manifest: Manifest, out: Path, *, retry_failed: bool) -> bool:
    """Whether a file is to be read in this run.

    Args:
        source: the file.
        manifest: of earlier runs.
        out: folder of the outputs.
        retry_failed: whether files that failed, or of which pages did, are read again.

    Raises:
        UsageError: its output is that of another file.
    """
    outcome = manifest.outcome(source.target)
    if outcome is None:
        return True
    if outcome.source != source.recorded:
        raise UsageError(
            f"{out / source.target} is the output of {outcome.source}: name another folder"
        )
    if not outcome.is_ok:
        return retry_failed or outcome.transient
    if outcome.unread and retry_failed:
        return True
    return not (out / source.target).exists()  # it was deleted


def files_left(
    sources: Iterable[Source], manifest: Manifest, out: Path, *, retry_failed: bool
) -> list[Source]:
    """List the files to be read in this run, see `is_left`.

    Those without an outcome come first: what ended an earlier run cannot keep them from being read.
    """
    left = [each for each in sources if is_left(each, manifest, out, retry_failed=retry_failed)]
    return sorted(left, key=lambda source: manifest.outcome(source.target) is not None)


class Batch:
    """Reads files into a folder.

    Args:
        reader: reads their bytes.
        fetcher: loads them.
        manifest: takes their outcomes.
        out: folder of the outputs.
        on_outcome: called with each outcome when it is recorded.
        begun: told which files are being read; None: none of them can end this process.
    """

    def __init__(
        self,
        *,
        reader: Reader,
        fetcher: Fetcher,
        manifest: Manifest,
        out: Path,
        on_outcome: Callable[[Outcome], None],
        begun: Begun | None = None,
    ) -> None:
        self._reader = reader
        self._fetcher = fetcher
        self._manifest = manifest
        self._out = out
        self._on_outcome = on_outcome
        self._begun = begun

    async def read(self, sources: Iterable[Source]) -> None:
        """Read files, as many at once as the reader takes, and then the suspects one by one.

        Raises:
            RunEnded: no file can be read; the others that were begun are not recorded.
        """
        window = self._reader.window
        suspects = []
        try:
            async with asyncio.TaskGroup() as tasks:
                for source in sources:
                    if self._begun and self._begun.is_suspect(source.target):
                        suspects.append(source)
                        continue
                    await window.enter()
                    tasks.create_task(self._read_one(source))
        except* RunEnded as group:
            ended = group.exceptions[0]
        else:
            for source in suspects:
                await window.enter()
                await self._read_one(source)
            return
        raise ended

    async def _read_one(self, source: Source) -> None:
        start = time.monotonic()
        ends_run = ""
        try:
            try:
                outcome = await self._outcome(source, start)
            except FileFailed as exc:
                ends_run = exc.ends_run
                outcome = Outcome(
                    target=source.target,
                    source=source.recorded,
                    code=exc.code,
                    error=str(exc),
                    transient=exc.transient,
                    seconds=_since(start),
                )
            try:
                self._manifest.record(outcome)
                if self._begun:
                    self._begun.end(source.target)
            except OSError as exc:
                raise RunEnded(f"{self._manifest.path}: {exc.strerror}") from exc
            self._on_outcome(outcome)
            if ends_run:
                raise RunEnded(ends_run)
        finally:
            self._reader.window.leave()

    async def _outcome(self, source: Source, start: float) -> Outcome:
        data = await self._fetcher.load(source)
        try:
            if self._begun:
                self._begun.begin(source.target)
            with Draft(self._out / source.target) as draft:
                reading = await self._reader.read(data, draft.file)
                size = draft.commit()
        except OSError as exc:
            if exc.errno in _NO_FILE_CAN_BE_WRITTEN:
                raise RunEnded(f"{self._out / source.target}: {exc.strerror}") from exc
            if exc.errno == errno.ENAMETOOLONG:
                raise FileFailed("name_too_long", "The name of its output is too long.") from exc
            raise FileFailed(
                "name_unusable", f"Its output cannot have its name: {exc.strerror}."
            ) from exc
        return Outcome(
            target=source.target,
            source=source.recorded,
            bytes=size,
            pages=reading.pages,
            unread=reading.unread,
            seconds=_since(start),
        )


def _since(start: float) -> float:
    return round(time.monotonic() - start, 3)
