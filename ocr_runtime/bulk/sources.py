"""SOURCE -> the files to be read: their names in the results, and their bytes.

a folder, or a prefix of an object store --> its files, named by their path below it
a text file, *.txt or *.list             --> the files that it names, one on a line
any other file                           --> that file
"""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePosixPath

from ocr_runtime.bulk.places import Place

_LISTS = (".txt", ".list")


class NoSource(Exception):
    """SOURCE names nothing; `str(error)` is one line that says so."""


class Sources:
    """The files of one SOURCE. It can be sent to other processes, with the names alone.

    Args:
        address: of a folder, a prefix, a list or a file; see `Place.at`.

    Raises:
        NoSource: there is none of these.
    """

    def __init__(self, address: str) -> None:
        try:
            self._place = Place.at(address)
            info = self._place.info()
        except (OSError, ValueError) as exc:
            raise NoSource(f"{address}: {exc}") from exc
        self._address = address
        suffix = PurePosixPath(self._place.path).suffix.lower()
        if info.is_file:
            self._kind = "list" if suffix in _LISTS else "file"
        elif info.type.name == "Directory" or not self._place.is_local:
            self._kind = "folder"
        else:
            raise NoSource(f"{address}: there is no such file or folder")

    @property
    def root(self) -> str | None:
        """The folder that names of files start from, without credentials; None: there is none."""
        if self._kind == "list":
            return None
        path = self._place.path.rstrip("/")
        if self._kind == "file":
            path = path.rpartition("/")[0]
        return path if self._place.is_local else f"{self._place.system.type_name}://{path}"

    def names(self, *, without: Place | None = None) -> Iterator[str]:
        """List the names of the files, each once, in their order; not those that begin with a dot.

        Args:
            without: TARGET, which may be SOURCE or lie above or below it: its results are left out.

        Raises:
            NoSource: there are none, or they cannot be listed.
        """
        if self._kind == "file":
            names = iter([PurePosixPath(self._place.path).name])
        elif self._kind == "list":
            names = self._listed()
        else:
            names = self._below(without)
        first = next(names, None)
        if first is None:
            raise NoSource(f"{self._address}: holds no files")
        yield first
        yield from names

    def _listed(self) -> Iterator[str]:
        try:
            lines = self._place.read().decode().splitlines()
        except (OSError, UnicodeDecodeError) as exc:
            raise NoSource(f"{self._address}: {exc}") from exc
        names = filter(None, map(str.strip, lines))
        yield from dict.fromkeys(
            name if "://" in name else os.path.abspath(name)  # noqa: PTH100 - links stay
            for name in names
        )

    def _below(self, without: Place | None) -> Iterator[str]:
        start = self._place.path.rstrip("/") + "/"
        results: set[str] = set()
        note = None
        if without is not None and without.system == self._place.system:
            results = {(without / kind).path for kind in ("pages", "files")}
            note = (without / "run.json").path
        try:
            paths = sorted(self._place.files())
        except OSError as exc:
            raise NoSource(f"{self._address}: {exc}") from exc
        for path in paths:
            name = path.removeprefix(start)
            hidden = any(part.startswith(".") for part in name.split("/"))
            result = path.endswith(".parquet") and path.rpartition("/")[0] in results
            if not hidden and not result and path != note:
                yield name

    def read(self, name: str, *, most_bytes: int) -> bytes:
        """Read a file that `names` has listed, or so many bytes of it.

        Raises:
            OSError: it cannot be read.
        """
        return self._place_of(name).read(most_bytes)

    def _place_of(self, name: str) -> Place:
        if self._kind == "file":
            return self._place
        if self._kind == "folder":
            return self._place / name
        if "://" not in name:
            return Place(Place.at("/").system, name)
        # A key of an object store may hold any character, so it is not parsed as a URI.
        scheme, _, rest = name.partition("://")
        bucket, _, key = rest.partition("/")
        return _bucket(f"{scheme}://{bucket}") / key


@lru_cache(maxsize=64)
def _bucket(address: str) -> Place:
    return Place.at(address)
