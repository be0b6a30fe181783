"""A folder or a prefix of an object store -> a file system of PyArrow, and a path on it.

"/data/scans", "s3://bucket/scans?region=eu-west-1", "gs://bucket/scans" --Place.at--> Place
"""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pyarrow import fs


@dataclass(frozen=True)
class Place:
    """A path on a file system.

    Args:
        system: of PyArrow.
        path: absolute on a local disk; in an object store it begins with the bucket.
    """

    system: fs.FileSystem
    path: str

    @classmethod
    def at(cls, address: str) -> Self:
        """Find the place that an address names.

        Args:
            address: of a local file or folder, or a URI as PyArrow takes it, which may hold
                parameters: `s3://bucket/path?endpoint_override=host:port&scheme=http`.

        Raises:
            ValueError: no file system has addresses like this one.
        """
        if "://" not in address:
            return cls(fs.LocalFileSystem(), os.path.abspath(address))  # noqa: PTH100 - links stay
        try:
            system, path = fs.FileSystem.from_uri(address)
        except (OSError, NotImplementedError) as exc:  # pyarrow.ArrowInvalid is a ValueError
            raise ValueError(f"{address}: {exc}") from exc
        return cls(system, path)

    def __truediv__(self, name: str) -> "Place":
        return Place(self.system, f"{self.path.rstrip('/')}/{name}")

    @property
    def is_local(self) -> bool:
        return isinstance(self.system, fs.LocalFileSystem)

    def info(self) -> fs.FileInfo:
        (info,) = self.system.get_file_info([self.path])
        return info

    def files(self) -> list[str]:
        r"""List the paths of the files below it, at any depth; none if it does not exist.

        Links to folders are not followed, as they may lead in a circle. What is not UTF-8 in a
        local path is written with a backslash, as `\xff`; the file cannot be read under that name.

        Raises:
            OSError: it, or a folder below it, cannot be listed.
        """
        if self.is_local:
            return [_readable(path) for path in _local_files(self.path)]
        chosen = fs.FileSelector(self.path, allow_not_found=True, recursive=True)
        return [info.path for info in self.system.get_file_info(chosen) if info.is_file]

    def read(self, most_bytes: int | None = None) -> bytes:
        """Read the file, or so many bytes of it.

        Raises:
            OSError: it cannot be read.
        """
        with self.system.open_input_stream(self.path) as stream:
            return bytes(stream.read(most_bytes))

    def write(self, data: bytes) -> None:
        """Write the file so that it is there whole or not at all, in place of an earlier one.

        Object stores do this by themselves. On a disk it is written under another name, which
        readers of Parquet ignore, and then renamed.

        Raises:
            OSError: it cannot be written.
        """
        if not self.is_local:
            with self.system.open_output_stream(self.path) as stream:
                stream.write(data)
            return
        path = Path(self.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            with unfinished.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def delete(self) -> None:
        """Delete the file."""
        self.system.delete_file(self.path)


def _local_files(folder: str) -> Iterator[str]:
    def fail(error: OSError) -> None:
        if not (isinstance(error, FileNotFoundError) and error.filename == folder):
            raise error

    for parent, _, names in os.walk(folder, onerror=fail):
        for name in names:
            path = os.path.join(parent, name)  # noqa: PTH118 - for each of millions of files
            if os.path.isfile(path):  # noqa: PTH113 - as above
                yield path


def _readable(path: str) -> str:
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")
