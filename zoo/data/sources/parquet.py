"""Parquet files -> tables of rows, read column by column so that a whole market fits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from zoo.data.sources.cells import Table
from zoo.data.sources.columns import PANEL_ROLES, Synonyms, recognise
from zoo.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

EAGER_ROWS = 1_000_000  # below, one read of all columns: a directory of small files is opened once each


def parquet_table(
    path: Path,
    *,
    where: str | None = None,
    roles: Mapping[str, Synonyms] = PANEL_ROLES,
    keep: Collection[str] = (),
) -> Table:
    """The columns of a Parquet file that fill one of `roles` or are named in `keep`; rows are counted from 1.

    Raises:
        DataError: pyarrow is missing, or the file is no Parquet file.
    """
    where = where or path.name
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise DataError(f"{where}: Parquet needs pyarrow; pip install pyarrow") from None
    try:
        schema = pq.read_schema(path)
        n_rows = pq.read_metadata(path).num_rows
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(where, error) from None
    header = tuple(schema.names)
    found = recognise(header, where, roles)
    names = [column for column in header if column in {*found.values(), *keep}]
    coded = [name for name in names if pa.types.is_string(schema.field(name).type)]

    def load(columns: list[str]) -> pa.Table:
        try:
            with pq.ParquetFile(path, read_dictionary=coded) as file:
                # One thread: the harness runs one process per core.
                return file.read(columns=columns, use_threads=False).unify_dictionaries()
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(where, error) from None

    whole = load(names) if names and n_rows <= EAGER_ROWS else None

    def read(column: str) -> pd.Series:
        return _series((whole if whole is not None else load([column])).column(column))

    return Table(where, header, read)


def _series(column: Any) -> pd.Series:
    return column.to_pandas(date_as_object=False, split_blocks=True)


def _unreadable(where: str, error: Exception) -> DataError:
    reason = str(error).split("\n")[0][:160]
    return DataError(f"{where}: no readable Parquet file ({reason})")
