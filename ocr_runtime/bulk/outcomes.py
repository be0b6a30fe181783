"""What became of pieces -> one row for each file, written once nothing of the file is missing."""

import time
from dataclasses import dataclass
from typing import Any

from ocr_runtime.bulk.chunks import Piece
from ocr_runtime.bulk.rows import Failure
from ocr_runtime.bulk.target import Begun, Target

_MOST_ROWS = 1000
_MOST_SECONDS = 30.0
"""Rows are written when there are so many, or when the oldest is so old."""


@dataclass(frozen=True, kw_only=True)
class PieceOutcome:
    """What an actor reports of a piece; its rows are written.

    Args:
        piece: that was read, or begun.
        page_count: of its file; None: it is not known.
        numbers: of the pages that have a row now.
        failed: how many of these were not read.
        seconds: that they took.
        failure: of the file, if it could not be opened; else of the first page that was not read.
        left: the pages that were not got to.
    """

    piece: Piece
    page_count: int | None
    numbers: tuple[int, ...]
    failed: int
    seconds: float
    failure: Failure | None
    left: Piece | None


@dataclass(kw_only=True)
class Totals:
    """Of one run.

    Args:
        files: how many had something missing at its start.
        files_done: how many of these have a row now.
        files_failed: how many of these have a page that was not read, or were not opened.
        failed_before: how many others an earlier run could not read.
        pages: how many were read.
        pages_failed: how many were not.
        failures: of up to 20 files, the name and what was wrong.
    """

    files: int = 0
    files_done: int = 0
    files_failed: int = 0
    failed_before: int = 0
    pages: int = 0
    pages_failed: int = 0
    failures: list[tuple[str, Failure]]

    @property
    def all_read(self) -> bool:
        """Whether each file of SOURCE was read, by this run or an earlier one."""
        return self.files_done == self.files and not (self.files_failed or self.failed_before)


_SHOWN = 20


class Outcomes:
    """Keeps what is known of the files that are not finished.

    Args:
        target: where rows are written.
        begun: what earlier runs left of these files.
        files: how many are to be finished.
    """

    def __init__(self, target: Target, begun: dict[str, Begun], *, files: int) -> None:
        self._target = target
        self._begun = begun
        self._rows: list[dict[str, Any]] = []
        self._written = time.monotonic()
        self.totals = Totals(files=files, failures=[])

    def finish_complete(self) -> set[str]:
        """Write the rows of files whose pages were all read before; return their names."""
        complete = {
            source: begun
            for source, begun in self._begun.items()
            if begun.page_count and len(begun.pages) >= begun.page_count
        }
        for source, begun in complete.items():
            self._finish(source, begun, begun.failure)
        return set(complete)

    def record(self, outcome: PieceOutcome) -> None:
        """Add what was reported of a piece."""
        source = outcome.piece.source
        begun = self._begun.setdefault(source, Begun())
        begun.page_count = max(begun.page_count, outcome.page_count or 0)
        begun.pages.update(outcome.numbers)
        begun.failed += outcome.failed
        begun.seconds += outcome.seconds
        begun.failure = begun.failure or outcome.failure
        self.totals.pages += len(outcome.numbers) - outcome.failed
        self.totals.pages_failed += outcome.failed
        unopened = not begun.page_count and outcome.failure is not None
        if unopened or len(begun.pages) >= begun.page_count > 0:
            self._finish(source, begun, begun.failure)

    def _finish(self, source: str, begun: Begun, failure: Failure | None) -> None:
        self._begun.pop(source, None)
        self._rows.append(
            {
                "source": source,
                "page_count": begun.page_count or None,
                "read": len(begun.pages) - begun.failed,
                "failed": begun.failed,
                "seconds": round(begun.seconds, 3),
                "code": failure and failure.code,
                "error": failure and failure.error,
            }
        )
        self.totals.files_done += 1
        if failure:
            self.totals.files_failed += 1
            if len(self.totals.failures) < _SHOWN:
                self.totals.failures.append((source, failure))
        if len(self._rows) >= _MOST_ROWS or time.monotonic() - self._written > _MOST_SECONDS:
            self.write()

    def write(self) -> None:
        """Write the rows that are not written yet."""
        if self._rows:
            self._target.write_files(self._rows)
        self._rows = []
        self._written = time.monotonic()
