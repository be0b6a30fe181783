"""Page -> a row of the results, as plain values: what is sent between processes and stored.

Nothing here needs Ray or PyArrow, so that the process that reads pages loads neither.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ocr_runtime.bulk.chunks import Piece
from ocr_runtime.documents.document import Document
from ocr_runtime.outputs import hocr, markdown, text
from ocr_runtime.reading.page import Line, Page

Row = dict[str, Any]
"""Names of columns, see `parquet.PAGES`, and their values; a column that is missing is null."""


def _lines(page: Page, _: Document) -> list[Row]:
    return [_line(line) for line in page.lines]


def _line(line: Line) -> Row:
    box = None if line.box is None else [[round(x, 2), round(y, 2)] for x, y in line.box]
    return {"text": line.text or "", "score": round(line.score, 4), "box": box}


OUTPUTS: dict[str, Callable[[Page, Document], Any]] = {
    "text": lambda page, _: text.write(page),
    "markdown": lambda page, document: "".join(markdown.write_pages([page], document)),
    "lines": _lines,
    "hocr": lambda page, document: "".join(hocr.write_pages([page], document)),
}
"""By column: what it holds of a page that was read."""

DEFAULT_OUTPUTS = ("text", "markdown", "lines")

NEED_WORDS = {"hocr"}
"""Outputs for which the words of each line are found too."""


def row(page: Page, document: Document, outputs: Sequence[str]) -> Row:
    """Write the row of a page that was read.

    Args:
        page: what was read.
        document: whose page it is.
        outputs: keys of `OUTPUTS`.
    """
    found = {
        "page": page.number,
        "width": page.width,
        "height": page.height,
        "dpi": page.dpi,
        "orientation": page.orientation,
        "skew": round(page.skew, 2),
    }
    return found | {name: _storable(OUTPUTS[name](page, document)) for name in outputs}


def _storable(value: Any) -> Any:
    """Replace halves of UTF-16 pairs, which the own text of a PDF may hold: UTF-8 has none."""
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    if isinstance(value, list):
        return [_storable(each) for each in value]
    if isinstance(value, dict):
        return {key: _storable(each) for key, each in value.items()}
    return value


@dataclass(frozen=True)
class Failure:
    """Why a page, or a whole file, was not read.

    Args:
        code: stable; one of `ocr_runtime.errors`, or of `OWN_CODES`.
        error: a sentence.
    """

    code: str
    error: str


UNREADABLE = Failure("unreadable_file", "The file cannot be fetched.")
TOO_LARGE = Failure("file_too_large", "The file has more than 1 GiB.")
CRASHED = Failure("reader_crashed", "The process that read this page ended.")
NOT_TRIED = Failure("not_tried", "This page was not tried, as others failed.")
CHANGED = Failure("file_changed", "The file has fewer pages than it had before.")
LOST = Failure("actor_lost", "Each actor that tried to read this file was lost.")

OWN_CODES = [each.code for each in (UNREADABLE, TOO_LARGE, CRASHED, NOT_TRIED, CHANGED, LOST)]


@dataclass(kw_only=True)
class PieceResult:
    """What became of a piece.

    Args:
        piece: that was read, or begun.
        pages: how many pages its file has; None: it could not be opened.
        rows: one for each page, failures too.
        failure: of the file, if `pages` is None.
        left: the pages that were not got to.
    """

    piece: Piece
    pages: int | None = None
    rows: list[Row] = field(default_factory=list)
    failure: Failure | None = None
    left: Piece | None = None

    @property
    def following(self) -> int:
        """The number of the first page that has no row yet."""
        return self.piece.first + len(self.rows)

    def last(self, most: int) -> int:
        """The number of the last page that is read now, where at most so many are."""
        last = self.piece.first + most - 1
        end = self.piece.last or self.pages
        return last if end is None else min(last, end)

    def unopened(self, failure: Failure, most: int) -> None:
        """Note that the file cannot be opened: failed rows, where it is known of which pages."""
        if self.pages is None and self.piece.last is None:
            self.failure = failure
        else:
            self.fail_rest(failure, most)

    def fail_rest(self, failure: Failure, most: int) -> None:
        """Add a failed row for each page that is to be read now and has none."""
        for number in range(self.following, self.last(most) + 1):
            self.failed_row(number, failure)

    def leave_rest(self, most: int) -> None:
        """Note which pages of the piece are left for later."""
        end = self.piece.last or self.pages
        if end is not None and self.last(most) < end:
            self.left = replace(self.piece, first=self.last(most) + 1, last=end)

    def failed_row(self, number: int, failure: Failure, seconds: float = 0.0) -> None:
        """Add the row of a page that was not read."""
        self.rows.append(
            {"page": number, "code": failure.code, "error": failure.error, "seconds": seconds}
        )
