"""Rows -> the bytes of a Parquet file; Parquet files -> a table."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
from pyarrow import dataset, fs
from pyarrow import parquet as pq

PAGES = pa.schema(
    [
        ("source", pa.string()),
        ("page", pa.int32()),
        ("page_count", pa.int32()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("dpi", pa.float32()),
        ("orientation", pa.int16()),
        ("skew", pa.float32()),
        ("text", pa.string()),
        ("markdown", pa.string()),
        (
            "lines",
            pa.list_(
                pa.struct(
                    [
                        ("text", pa.string()),
                        ("score", pa.float32()),
                        ("box", pa.list_(pa.list_(pa.float32()))),
                    ]
                )
            ),
        ),
        ("hocr", pa.string()),
        ("seconds", pa.float32()),
        ("code", pa.string()),
        ("error", pa.string()),
    ]
)
"""One row a page. `code` and `error` are null if it was read, all that was read is null if not."""

FILES = pa.schema(
    [
        ("source", pa.string()),
        ("page_count", pa.int32()),
        ("read", pa.int32()),
        ("failed", pa.int32()),
        ("seconds", pa.float64()),
        ("code", pa.string()),
        ("error", pa.string()),
    ]
)
"""One row a file, written when nothing of it is missing. `page_count` is null if the file was not
opened; `code` and `error` are those of the file, or of its first page that was not read."""

PATH = "__filename"
"""A column that each table has: the file of the row."""


def encoded(rows: Sequence[dict[str, Any]], schema: pa.Schema) -> bytes:
    """Write rows as a Parquet file; a column that a row lacks is null."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), sink, compression="zstd")
    return bytes(sink.getvalue())


def table(
    system: fs.FileSystem, paths: Sequence[str], schema: pa.Schema, columns: Sequence[str]
) -> pa.Table:
    """Read columns of Parquet files.

    Raises:
        OSError, ValueError: a file cannot be read, or is no Parquet file.
    """
    if not paths:
        of_path = pa.field(PATH, pa.string())
        return schema.append(of_path).empty_table().select(list(columns))
    files = dataset.dataset(list(paths), schema=schema, filesystem=system, format="parquet")
    return files.to_table(columns=list(columns))
