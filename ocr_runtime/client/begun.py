"""Which files were being read when the process of an earlier run ended -> which to read alone.

    + a/1.pdf.txt       its reading began
    - a/1.pdf.txt       and ended, however that was
    + a/2.pdf.txt       the process ended meanwhile

A decoder that crashes ends the process without a word, and with it the reading of other files. So
those that were being read then are read after all others, one at a time: if it happens again, that
file was at fault.
"""

import json
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ocr_runtime.client.errors import FileFailed

_MOST = 2
"""How often a file may have been read when the process ended, before it is given up."""


class Begun:
    """The files that are being read, on the disk; a context manager, which ends in order.

    Args:
        path: of the file that names them; it is there only while there is something to say.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._crashes: Counter[str] = Counter()
        with suppress(FileNotFoundError):
            for line in path.read_text("ascii", errors="replace").splitlines():
                with suppress(ValueError):  # not written to its end
                    target = str(json.loads(line[2:]))
                    self._crashes[target] = self._crashes[target] + 1 if line[0] == "+" else 0
        self._file = path.open("w")
        self._write_crashes()

    def is_suspect(self, target: str) -> bool:
        """Whether the process of an earlier run ended while the file was being read."""
        return self._crashes[target] > 0

    def begin(self, target: str) -> None:
        """Note that a file is being read now.

        Raises:
            FileFailed: it ended the process too often.
        """
        if self._crashes[target] >= _MOST:
            raise FileFailed(
                "reader_crashed", f"The command ended {_MOST} times while it was being read."
            )
        self._write("+", target)

    def end(self, target: str) -> None:
        """Note that the outcome of a file is recorded."""
        self._crashes.pop(target, None)
        self._write("-", target)

    def _write_crashes(self) -> None:
        for target, times in self._crashes.items():
            for _ in range(times):
                self._write("+", target)

    def _write(self, sign: str, target: str) -> None:
        # Flushed, but not written to the disk: it is to outlive the process, not the machine.
        self._file.write(f"{sign} {json.dumps(target)}\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):  # of a full disk
            self._file.seek(0)
            self._file.truncate()
            self._write_crashes()
        with suppress(OSError):
            self._file.close()
        if not self._crashes.total():
            self._path.unlink(missing_ok=True)
