"""Chunk -> its files fetched, their pages read, and one Parquet file of rows written.

    chunk --fetch, while the file before is read--> bytes --ReaderProcess--> rows --> TARGET/pages

`ChunkReader` knows nothing of Ray, which runs one in each actor (`cluster`).
"""

import logging
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from ocr_runtime.bulk.chunks import Chunk, Piece
from ocr_runtime.bulk.cores import Cores
from ocr_runtime.bulk.outcomes import PieceOutcome
from ocr_runtime.bulk.reader_process import ReaderProcess
from ocr_runtime.bulk.rows import LOST, TOO_LARGE, UNREADABLE, Failure, PieceResult
from ocr_runtime.bulk.sources import Sources
from ocr_runtime.bulk.target import Target
from ocr_runtime.settings import Settings

_MOST_BYTES = 1 << 30
"""Of a file: it is held twice, and a third time by the process of a PDF."""

_MOST_UNANSWERED = 20
"""So many files one after the other that an actor cannot fetch, for no fault of theirs, end the
run: the next one reads them. Otherwise an outage would make all files failures, at full speed."""

_MOST_REASON = 300
"""Characters of a reason that are kept."""

_RESULT_SETTINGS = {
    "det_model_path",
    "cls_model_path",
    "rec_model_path",
    "config",
    "profile",
    "orientation",
    "layout",
    "max_det_pixels",
}
"""Fields of `Settings` that decide on what is read on a page, not on which pages are."""

_log = logging.getLogger("rapidocr")


class StoreFailed(Exception):
    """No file can be fetched any more; `str(error)` is one line that says why."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What every actor of a run has to know.

    Args:
        source, target: addresses, see `Place.at`.
        outputs: keys of `rows.OUTPUTS`.
        cores: of each actor.
        text_layer: "auto", "never" or "only", see `opening.open_document`.
        dpi: of PDFs; None: that of their images.
        environ: the settings, as environment variables.
    """

    source: str
    target: str
    outputs: tuple[str, ...]
    cores: int
    text_layer: str
    dpi: int | None
    environ: Mapping[str, str]

    def how(self) -> dict[str, Any]:
        """What decides on the results of a file, as values of JSON.

        Raises:
            SettingsError: the settings cannot be used.
        """
        settings = Settings.from_environ(self.environ)
        variables = Settings.variables().items()
        return {
            "outputs": sorted(self.outputs),
            "text_layer": self.text_layer,
            "dpi": self.dpi,
            **{
                variable: None if getattr(settings, name) is None else str(getattr(settings, name))
                for variable, name in variables
                if name in _RESULT_SETTINGS
            },
        }


class ChunkReader:
    """Reads chunks, one after the other.

    Args:
        job: what it is to do with each.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._sources = Sources(job.source)
        self._target = Target(job.target)
        self._fetching = ThreadPoolExecutor(1, thread_name_prefix="fetch")
        self._cores = Cores()
        self._reader: ReaderProcess | None = None
        self._unanswered = 0

    def start(self, *, node_cores: float) -> None:
        """Load the models.

        Args:
            node_cores: how many cores the Ray node hands out.

        Raises:
            SettingsError: the settings or a model cannot be used.
        """
        self._reader = ReaderProcess(
            outputs=self._job.outputs,
            cores=self._job.cores,
            text_layer=self._job.text_layer,
            dpi=self._job.dpi,
            environ=self._job.environ,
            only_on=self._cores.claim(self._job.cores, of_node=node_cores),
        )

    def read(self, chunk: Chunk) -> list[PieceOutcome]:
        """Read a chunk and write its rows.

        Returns:
            What became of each piece, once the rows are written.

        Raises:
            OSError: the rows cannot be written.
            StoreFailed: no file can be fetched any more.
            SettingsError: the process that reads pages does not start any more.
        """
        results: list[PieceResult] = []
        pages = 0
        fetched = self._fetched(chunk.pieces[0])
        for index, piece in enumerate(chunk.pieces):
            data, following = fetched, chunk.pieces[index + 1 : index + 2]
            if pages >= chunk.most_pages:
                results.append(PieceResult(piece=piece, left=piece))
                continue
            content = data.result()
            fetched = self._fetched(*following) if following else data
            results.append(self._read(piece, content, most=chunk.most_pages - pages))
            pages += len(results[-1].rows)
        _write(self._target, chunk, results)
        return [_outcome(result) for result in results]

    def _fetched(self, piece: Piece) -> "Future[bytes | Failure]":
        return self._fetching.submit(self._fetch, piece.source)

    def _fetch(self, source: str) -> bytes | Failure:
        try:
            data = self._sources.read(source, most_bytes=_MOST_BYTES + 1)
        except (OSError, ValueError) as exc:
            reason = " ".join(str(exc).split())[:_MOST_REASON]
            _log.warning("%r cannot be fetched: %r", source, reason)
            self._unanswered = self._unanswered + 1 if _is_of_the_store(exc) else 0
            if self._unanswered >= _MOST_UNANSWERED:
                raise StoreFailed(f"SOURCE cannot be read any more: {reason}") from exc
            return replace(UNREADABLE, error=f"{UNREADABLE.error[:-1]}: {reason}")
        self._unanswered = 0
        return data if len(data) <= _MOST_BYTES else TOO_LARGE

    def _read(self, piece: Piece, data: bytes | Failure, *, most: int) -> PieceResult:
        if isinstance(data, Failure):
            result = PieceResult(piece=piece)
            result.unopened(data, most)
            result.leave_rest(most)
            return result
        if self._reader is None:
            raise RuntimeError("this reader was not started")
        return self._reader.read(data, piece, most=most)

    def close(self) -> None:
        """End the process that reads, and let others have its cores."""
        self._fetching.shutdown(cancel_futures=True)
        if self._reader is not None:
            self._reader.close()
        self._cores.release()


def _is_of_the_store(error: Exception) -> bool:
    """Whether other files are likely to have the same error, as when a store does not answer."""
    of_the_file = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
    return isinstance(error, OSError) and not isinstance(error, of_the_file)


def _outcome(result: PieceResult) -> PieceOutcome:
    failed = [row for row in result.rows if "code" in row]
    failure = result.failure
    if failure is None and failed:
        failure = Failure(failed[0]["code"], failed[0]["error"])
    return PieceOutcome(
        piece=result.piece,
        page_count=result.pages,
        numbers=tuple(row["page"] for row in result.rows),
        failed=len(failed),
        seconds=sum(row["seconds"] for row in result.rows),
        failure=failure,
        left=result.left,
    )


def lost(chunk: Chunk, target: Target) -> list[PieceOutcome]:
    """Write that the piece of a chunk was not read, as it ended each actor that tried."""
    results = [PieceResult(piece=piece) for piece in chunk.pieces]
    for result in results:
        result.unopened(LOST, chunk.most_pages)
        result.leave_rest(chunk.most_pages)
    _write(target, chunk, results)
    return [_outcome(result) for result in results]


def _write(target: Target, chunk: Chunk, results: list[PieceResult]) -> None:
    rows = [
        {"source": result.piece.source, "page_count": result.pages} | row
        for result in results
        for row in result.rows
    ]
    if rows:
        target.write_pages(chunk.name, rows)
