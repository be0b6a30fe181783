"""What became of each file, one line of JSON a file, on the disk before the next file is begun.

    {"rapidocr-bento": 1, "to": "text", "options": {"dpi": 200}}
    {"target": "a/1.pdf.txt", "source": "/scans/a/1.pdf", "code": "ok", "bytes": 812, ...}
    {"target": "a/2.pdf.txt", "source": "/scans/a/2.pdf", "code": "password_required", ...}

A run that ended in the middle, however it ended, is resumed from these lines: a line that was not
written to its end counts as none. The last line of a target holds.
"""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from ocr_runtime.client.errors import UsageError

OK = "ok"


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What became of a file.

    Args:
        target: name of its output.
        source: its absolute path, or its URL without user, password and query.
        code: "ok", or why it was not read.
        error: the same as a sentence.
        transient: whether the next run tries again unasked.
        bytes: size of the output.
        pages: how many were read or not; None: unknown.
        unread: numbers of the pages that were not read.
        seconds: from its loading to its output.
    """

    target: str
    source: str
    code: str = OK
    error: str = ""
    transient: bool = False
    bytes: int = 0
    pages: int | None = None
    unread: list[int] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def is_ok(self) -> bool:
        return self.code == OK


class Manifest:
    """The manifest of one format in a folder of outputs; a context manager, which closes it.

    Args:
        out: the folder, which is made if it is not there.
        to: name of the format.
        options: all that the outputs depend on, but no secret.

    Raises:
        UsageError: another run writes to the folder, or it was begun with other options.
    """

    def __init__(self, out: Path, *, to: str, options: dict[str, Any]) -> None:
        self.path = out / f"manifest.{to}.jsonl"
        self.begun = out / f"manifest.{to}.begun"
        self.outcomes: dict[str, Outcome] = {}  # by target, in small letters
        try:
            out.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b")
        except OSError as exc:
            raise UsageError(f"--out {out}: {exc.strerror}") from exc
        try:
            self._lock()
            self._begin({"rapidocr-bento": 1, "to": to, "options": options})
        except BaseException:
            self._file.close()
            raise

    def record(self, outcome: Outcome) -> None:
        """Write a line to the disk."""
        self._append(asdict(outcome))
        self.outcomes[outcome.target.casefold()] = outcome

    def withdraw(self) -> None:
        """Take the options back where no file was recorded: a later run may have others."""
        if not self.outcomes:
            self._file.truncate(0)

    def outcome(self, target: str) -> Outcome | None:
        """Return the last outcome of a target, however its name is capitalised."""
        return self.outcomes.get(target.casefold())

    def _begin(self, head: dict[str, Any]) -> None:
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):  # the last line was not written to its end
            self._file.truncate(len(whole))
        lines = whole.splitlines()
        if not lines:
            self._append(head)
            return
        try:
            begun, *rest = map(json.loads, lines)
            self.outcomes = {line["target"].casefold(): Outcome(**line) for line in rest}
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise UsageError(f"{self.path} is damaged: name another folder") from exc
        if begun != head:
            raise UsageError(
                f"{self.path.parent} was begun with other options, {json.dumps(begun)}: name "
                "another folder, or read with the same options"
            )

    def _append(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())

    def _lock(self) -> None:
        with suppress(ImportError):  # Windows has no such lock
            import fcntl  # noqa: PLC0415

            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as exc:
                raise UsageError(f"another run writes to {self.path.parent}") from exc

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._file.close()


class Draft:
    """An output under a temporary name; a context manager, which removes what was not committed.

    Args:
        path: of the output; its folders are made.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(f"{path.name}.part")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file: IO[bytes] = self._draft.open("w+b")

    def commit(self) -> int:
        """Write it to the disk and give it its name; return its size in bytes."""
        self.file.flush()
        os.fsync(self.file.fileno())
        size = self.file.tell()
        self.file.close()
        self._draft.replace(self._path)
        return size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # of a full disk, where not all of it was written
            self.file.close()
        self._draft.unlink(missing_ok=True)
