"""What reads the bytes of a file: the engine in this process, or a service; see the modules."""

from dataclasses import dataclass, field
from typing import IO, Protocol

from ocr_runtime.client.errors import RunEnded
from ocr_runtime.client.window import Window


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What is known of a file that was read.

    Args:
        pages: how many pages were asked for; None: unknown.
        unread: numbers of those that were not read.
    """

    pages: int | None = None
    unread: list[int] = field(default_factory=list)


class Reader(Protocol):
    """Reads files; several at once.

    Args:
        window: how many.
    """

    window: Window

    async def read(self, data: bytes, into: IO[bytes]) -> Reading:
        """Read a file, and write the output; where it fails, something may have been written.

        Raises:
            FileFailed: this file was not read.
            RunEnded: no file can be read.
        """

    async def close(self) -> None:
        """End what is under way; nothing is read afterwards."""


def write(into: IO[bytes], part: bytes) -> None:
    """Write a part of an output.

    Raises:
        RunEnded: it cannot be written; nor can that of another file.
    """
    try:
        into.write(part)
    except OSError as exc:
        raise RunEnded(f"the output cannot be written: {exc.strerror}") from exc
