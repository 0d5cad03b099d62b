"""Parquet files -> tables of rows, read column by column so that a whole market fits."""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from zoo.data.files import file_size
from zoo.data.sources.cells import UNREADABLE, Table
from zoo.data.sources.columns import PANEL_ROLES, Synonyms
from zoo.data.sources.layout import Layout, recognise_layout
from zoo.data.sources.layout.kinds import Kind
from zoo.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

EAGER_ROWS = 1_000_000  # below, one read of all columns: a directory of small files is opened once each


def parquet_table(
    path: Path,
    *,
    where: str | None = None,
    roles: Mapping[str, Synonyms] = PANEL_ROLES,
    keep: Container[str] = (),
    own: Container[str] = (),
) -> tuple[Table, Layout]:
    """The columns of a Parquet file that its layout needs or that are in `keep` or `own`; rows are counted from 1.

    Raises:
        DataError: pyarrow is missing, the file is gone or no Parquet file, or a column to read holds lists or structs.
    """
    where = where or path.name
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise DataError(f"{where}: Parquet needs pyarrow; pip install pyarrow") from None
    file_size(path, where)
    failures = (pa.ArrowException, OSError, *UNREADABLE)
    try:
        schema = pq.read_schema(path)
        n_rows = pq.read_metadata(path).num_rows
    except failures as error:
        raise _unreadable(where, error) from None
    header = tuple(schema.names)
    kinds: dict[str, Kind] = {field.name: _kind(field.type) for field in schema}
    layout = recognise_layout(list(header), kinds, path.name, where, roles)
    wanted = {column for column in header if column in layout.wanted or column in keep or column in own}
    # Of two columns of one name neither can be named.
    names = [column for column in header if column in wanted and header.count(column) == 1]
    nested = {name: str(schema.field(name).type) for name in names if pa.types.is_nested(schema.field(name).type)}
    coded = [name for name in names if pa.types.is_string(schema.field(name).type)]

    def load(columns: list[str]) -> pa.Table:
        try:
            with pq.ParquetFile(path, read_dictionary=coded) as file:
                # One thread: the harness runs one process per core.
                return file.read(columns=columns, use_threads=False).unify_dictionaries()
        except failures as error:
            raise _unreadable(where, error) from None

    plain = [name for name in names if name not in nested]
    whole = load(plain) if plain and n_rows <= EAGER_ROWS else None

    def read(column: str) -> pd.Series:
        if column in nested:
            raise DataError(f"{where}: column {column!r} cannot be read (it holds {nested[column][:80]})")
        if column not in plain:
            raise DataError(f"{where}: column {column!r} is there twice; rename or drop one")
        try:
            return _series((whole if whole is not None else load([column])).column(column))
        except failures as error:
            reason = str(error).split("\n")[0][:120]
            raise DataError(f"{where}: column {column!r} cannot be read ({reason})") from None

    wordy = frozenset(f.name for f in schema if _kind(f.type) in ("text", "date") and not pa.types.is_boolean(f.type))
    return Table(where, header, read, wordy=wordy), layout


def _kind(stored: Any) -> Kind:
    import pyarrow as pa

    if pa.types.is_integer(stored):
        return "int"
    if pa.types.is_floating(stored) or pa.types.is_decimal(stored):
        return "float"
    return "date" if pa.types.is_temporal(stored) else "text"


def _series(column: Any) -> pd.Series:
    return column.to_pandas(date_as_object=False, split_blocks=True)


def _unreadable(where: str, error: Exception) -> DataError:
    reason = str(error).split("\n")[0][:160]
    return DataError(f"{where}: no readable Parquet file ({reason})")
