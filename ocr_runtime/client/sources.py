"""Files, folders and URLs -> the files to read, each with the name of its output.

scans/         scans/a/1.pdf  ->  a/1.pdf.txt
scans/a/1.pdf                 ->  1.pdf.txt
https://example.org/a/1.pdf   ->  example.org/a/1.pdf.txt
"""

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from ocr_runtime.client.errors import UsageError

SUFFIXES = frozenset(
    {
        *(".pdf", ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp"),
        *(".bmp", ".dib", ".tif", ".tiff", ".gif", ".avif"),
    }
)
"""Of the files of a folder that are read; a file that is named itself may have any suffix."""

_URL = re.compile(r"https?://", re.IGNORECASE)
_OTHER_URL = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_UNSAFE = re.compile(r'[\x00-\x1f<>:"|?*\\/]')
_LONGEST_PART = 120
"""Characters of a part of a URL that are kept in a name."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file to read.

    Args:
        name: its path or URL.
        target: name of its output below the folder of outputs, with slashes.
    """

    name: str
    target: str

    @property
    def is_url(self) -> bool:
        return bool(_URL.match(self.name))

    @property
    def told(self) -> str:
        """What messages call it."""
        return without_secrets(self.name) if self.is_url else self.name

    @property
    def recorded(self) -> str:
        """What outcomes call it: the same wherever the command is run, and no secret."""
        return self.told if self.is_url else os.path.abspath(self.name)  # noqa: PTH100, links stay


def without_secrets(url: str) -> str:
    """Return a URL as it may be told: without user, password, query and fragment."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(not a URL)"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


@dataclass(frozen=True, slots=True)
class Listing:
    """The files to read, in a fixed order, and how many others the folders hold."""

    sources: list[Source]
    left_out: int


def listed(arguments: Sequence[str], *, suffix: str, out: Path | None) -> Listing:
    """List what is to be read.

    Args:
        arguments: paths of files and folders, and URLs.
        suffix: of the outputs, as ".txt".
        out: folder of the outputs, from which nothing is read; None: there is none.

    Raises:
        UsageError: nothing is there, two outputs would have one name, or the outputs would lie
            among the files.
    """
    sources: list[Source] = []
    left_out = 0
    for argument in arguments:
        if _URL.match(argument):
            sources.append(Source(argument, _name_of_url(argument) + suffix))
        elif _OTHER_URL.match(argument):
            raise UsageError(f"{without_secrets(argument)}: only http and https are fetched")
        elif os.path.isdir(argument):  # noqa: PTH112, as os.walk
            for path, below in _walk(argument, out):
                if os.path.splitext(path)[1].lower() in SUFFIXES:  # noqa: PTH122
                    sources.append(Source(path, below + suffix))
                else:
                    left_out += 1
        elif os.path.exists(argument):  # noqa: PTH110
            sources.append(Source(argument, Path(argument).name + suffix))
        else:
            raise UsageError(f"there is no file {argument}")
    _check_names(sources)
    return Listing(sources, left_out)


def _walk(folder: str, out: Path | None) -> Iterator[tuple[str, str]]:
    """Yield the path of each file of a folder, hidden ones excepted, and its name below it."""
    unread = None if out is None else str(out.resolve())
    if unread is not None and _is_in(os.path.realpath(folder), unread):
        raise UsageError(f"--out {out} holds the files of {folder}: name another folder")
    for place, folders, files in os.walk(folder, onerror=_refuse):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and os.path.realpath(os.path.join(place, name)) != unread  # noqa: PTH118
        )
        for name in sorted(files):
            if not name.startswith("."):
                path = os.path.join(place, name)  # noqa: PTH118
                yield path, Path(os.path.relpath(path, folder)).as_posix()


def _refuse(error: OSError) -> None:
    raise UsageError(f"{error.filename}: {error.strerror}") from error


def _is_in(path: str, folder: str) -> bool:
    return Path(path).is_relative_to(folder)


def _name_of_url(url: str) -> str:
    """Make a name of a URL that is safe on every file system; a query is told by its hash."""
    try:
        parts = urlsplit(url)
    except ValueError as exc:
        raise UsageError(f"an address is damaged: {exc}") from exc
    if not parts.hostname:
        raise UsageError(f"{without_secrets(url)}: the address names no host")
    names = [unquote(part) for part in parts.path.split("/")]
    kept = [
        _UNSAFE.sub("_", name)[-_LONGEST_PART:] for name in names if name not in ("", ".", "..")
    ]
    name = "/".join([_UNSAFE.sub("_", parts.netloc.rpartition("@")[2]), *(kept or ["index"])])
    if parts.query:
        name += f".{hashlib.sha256(parts.query.encode()).hexdigest()[:8]}"
    return name


def _check_names(sources: Sequence[Source]) -> None:
    """Refuse two outputs of one name; there are file systems where `A` and `a` are one."""
    named: dict[str, Source] = {}
    for source in sources:
        other = named.setdefault(source.target.casefold(), source)
        if other is not source:
            raise UsageError(
                f"{other.told} and {source.told} would both be written to {source.target}: "
                "read them into different folders, or name the folder that holds both"
            )
