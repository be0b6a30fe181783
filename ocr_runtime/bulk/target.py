"""TARGET: what is there of earlier runs, and what is added to it.

    TARGET/pages/NAME.parquet   one row a page      (see `parquet.PAGES`)
    TARGET/files/NAME.parquet   one row a file      (see `parquet.FILES`)
    TARGET/run.json             how the first run read

A file of either kind appears whole or not at all, so a run may be ended at any time. The rows of a
chunk are one file, whose name follows from the chunk: an attempt that is made again, because its
node was lost, writes the same file. Nothing is ever added for a page that has a row.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ocr_runtime.bulk import parquet
from ocr_runtime.bulk.places import Place
from ocr_runtime.bulk.rows import Failure


class NoTarget(Exception):
    """TARGET cannot be used; `str(error)` is one line that says why."""


@dataclass(kw_only=True)
class Begun:
    """What is there of a file of which some pages are missing, or the row of the file itself.

    Args:
        page_count: how many pages it has.
        pages: the numbers of those that have a row.
        failed: how many of these were not read.
        seconds: that they took.
        failure: of the first of these that was not read.
    """

    page_count: int = 0
    pages: set[int] = field(default_factory=set)
    failed: int = 0
    seconds: float = 0.0
    failure: Failure | None = None


class Target:
    """The results at an address.

    Raises:
        NoTarget: it is no folder and none can be made.
    """

    def __init__(self, address: str) -> None:
        try:
            self.place = Place.at(address)
            if self.place.info().is_file:
                raise NoTarget(f"{address}: is a file")
        except (OSError, ValueError) as exc:
            raise NoTarget(f"{address}: {exc}") from exc

    def begin(self, how: Mapping[str, Any]) -> None:
        """Note how this run reads, if there are no results yet.

        Args:
            how: what decides on names and results, as values of JSON.

        Raises:
            NoTarget: its results were read in another way: the names of their files may mean other
                files, or they differ from those of this run. Or the note cannot be read or written.
        """
        note = self.place / "run.json"
        try:
            before = json.loads(note.read()) if note.info().is_file else {}
            other = [name for name in how if name not in before or before[name] != how[name]]
            if other and before and (self._paths("pages") or self._paths("files")):
                values = [f"{name} ({before.get(name)}, not {how[name]})" for name in other]
                raise NoTarget(f"{self.place.path}: was begun with other {', '.join(values)}")
            if other:
                note.write(json.dumps(how, indent=1).encode() + b"\n")
        except (OSError, ValueError, TypeError) as exc:
            raise NoTarget(f"{note.path}: {exc}") from exc

    def _paths(self, kind: str) -> list[str]:
        """The files of rows; others, as those that were not finished, begin with a dot."""
        try:
            paths = (self.place / kind).files()
        except OSError as exc:
            raise NoTarget(f"{self.place.path}/{kind}: {exc}") from exc
        return sorted(
            path
            for path in paths
            if path.endswith(".parquet") and not path.rpartition("/")[2].startswith(".")
        )

    def _table(self, kind: str, schema: pa.Schema, columns: Sequence[str]) -> pa.Table:
        paths = self._paths(kind)
        try:
            return parquet.table(self.place.system, paths, schema, columns)
        except (OSError, ValueError) as exc:
            raise NoTarget(f"{self.place.path}/{kind}: {exc}") from exc

    def finished(self) -> tuple[pa.Array, pa.Array]:
        """Return the names of the files of which nothing is missing, and of those that failed."""
        files = self._table("files", parquet.FILES, ["source", "code"])
        failed = files.filter(pc.is_valid(files["code"]))
        return files["source"].combine_chunks(), failed["source"].combine_chunks()

    def begun(self, finished: pa.Array) -> dict[str, Begun]:
        """What is there of files that are not finished, by their names."""
        columns = ["source", "page", "page_count", "seconds", "code", "error"]
        pages = self._table("pages", parquet.PAGES, columns)
        pages = pages.filter(pc.invert(pc.is_in(pages["source"], value_set=finished)))
        found: dict[str, Begun] = {}
        # Of a page that is there twice, `drop_doubles` keeps a row without a code.
        rows = sorted(pages.to_pylist(), key=lambda row: (row["page"], row["code"] is not None))
        for row in rows:
            begun = found.setdefault(row["source"], Begun())
            begun.page_count = max(begun.page_count, row["page_count"] or 0)
            if row["page"] in begun.pages:
                continue
            begun.pages.add(row["page"])
            begun.seconds += row["seconds"] or 0.0
            if row["code"] is not None:
                begun.failed += 1
                begun.failure = begun.failure or Failure(row["code"], row["error"])
        return found

    def write_pages(self, name: str, rows: Sequence[dict[str, Any]]) -> None:
        """Write the rows of a chunk."""
        (self.place / f"pages/{name}.parquet").write(parquet.encoded(rows, parquet.PAGES))

    def write_files(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write the rows of files, of which none is there."""
        name = hashlib.sha256("\0".join(row["source"] for row in rows).encode()).hexdigest()[:32]
        (self.place / f"files/{name}.parquet").write(parquet.encoded(rows, parquet.FILES))

    def drop_doubles(self) -> int:
        """Delete rows of pages that have another one; of these one that was read is kept.

        There are some after an attempt whose actor was lost, or whose command was killed, has
        written its rows all the same, while the pages were in other chunks already.

        Returns:
            How many rows were deleted.
        """
        key = ["source", "page"]
        pages = self._table("pages", parquet.PAGES, [*key, "code", parquet.PATH])
        counts = pages.group_by(key).aggregate([([], "count_all")])
        again = counts.filter(pc.greater(counts["count_all"], 1))
        if not again.num_rows:
            return 0
        kept: set[tuple[str, int]] = set()
        dropped: dict[str, set[tuple[str, int]]] = {}
        doubled = pages.join(again, key, join_type="inner").to_pylist()
        for row in sorted(doubled, key=lambda row: (row["code"] is not None, row[parquet.PATH])):
            page = (row["source"], row["page"])
            if page in kept:
                dropped.setdefault(row[parquet.PATH], set()).add(page)
            kept.add(page)
        for path, rows in dropped.items():
            table = parquet.table(self.place.system, [path], parquet.PAGES, parquet.PAGES.names)
            found = zip(table["source"].to_pylist(), table["page"].to_pylist(), strict=True)
            self._keep(path, table.filter(pa.array([page not in rows for page in found])))
        return sum(map(len, dropped.values()))

    def forget_failures(self) -> int:
        """Delete the rows of pages and files that were not read, so that they are missing.

        Ended in between, it leaves pages with rows, whose files have none: those are as they were
        once the rows of the files have been made of them again.

        Returns:
            How many files are not finished any more.
        """
        forgotten = sum(self._without_failures("files", parquet.FILES))
        for _ in self._without_failures("pages", parquet.PAGES):
            pass
        return forgotten

    def _without_failures(self, kind: str, schema: pa.Schema) -> Iterator[int]:
        for path in self._paths(kind):
            table = parquet.table(self.place.system, [path], schema, schema.names)
            kept = table.filter(pc.is_null(table["code"]))
            if kept.num_rows == table.num_rows:
                continue
            self._keep(path, kept)
            yield table.num_rows - kept.num_rows

    def _keep(self, path: str, rows: pa.Table) -> None:
        """Write a file with fewer rows; without any, delete it."""
        place = Place(self.place.system, path)
        if rows.num_rows:
            place.write(parquet.encoded(rows.to_pylist(), rows.schema))
        else:
            place.delete()
