"""Rows as Parquet: the types of the columns, and whole files as bytes."""

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

_ROWS = 10_000  # in memory at the same time
_REAL = ("likeness", "distance", "milliseconds", "tile_p_defective", "tile_distance")


def column_types(columns: Sequence[str]) -> dict[str, str]:
    """The type of each column by the names of Arrow: double, bool, int64 or string."""
    return {name: _type_of(name) for name in columns}


def write_parquet(
    to: Path | BinaryIO, rows: Iterable[Mapping[str, Any]], columns: Sequence[str]
) -> None:
    """Write ``rows`` to a file or an open stream; a row may have more than the ``columns``."""
    import pyarrow
    from pyarrow import parquet

    types = column_types(columns)
    schema = pyarrow.schema([(n, pyarrow.type_for_alias(each)) for n, each in types.items()])
    source = iter(rows)
    with parquet.ParquetWriter(to, schema) as writer:
        while True:
            batch = [{name: row[name] for name in columns} for row in islice(source, _ROWS)]
            writer.write_table(pyarrow.Table.from_pylist(batch, schema))
            if len(batch) < _ROWS:
                return


def parquet_bytes(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """A Parquet file of ``rows``."""
    buffer = io.BytesIO()
    write_parquet(buffer, rows, columns)
    return buffer.getvalue()


def parquet_rows(content: bytes) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file that this program wrote."""
    import pyarrow
    from pyarrow import parquet

    with parquet.ParquetFile(pyarrow.BufferReader(content)) as file:
        for batch in file.iter_batches(_ROWS):
            yield from batch.to_pylist()


def _type_of(name: str) -> str:
    if name.startswith("p_") or name in _REAL:
        return "double"
    if name == "unlike":
        return "bool"
    whole = name.startswith(("n_", "tile_")) or name == "photos"
    return "int64" if whole else "string"
