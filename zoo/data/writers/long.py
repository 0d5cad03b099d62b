"""Panel -> long rows date, symbol, fields[, sector], sorted by symbol and date, in Parquet or CSV."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.data.panel import Panel, presence, single_concept
from zoo.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 1 << 20  # rows of one block


def states_membership(panel: Panel) -> bool:
    """Whether a reader of the rows gets the membership back: from a stock's first to its last close."""
    return np.array_equal(panel.member, presence(panel.field("close")))


def write_long(panel: Panel, path: Path, on_step: Callable[[int, int], None]) -> None:
    """One row per stock and day that has a value or is a member's; a calendar day without any gets an empty one.

    Numbers in CSV are the shortest that read back as the same float32.

    Raises:
        DataError: pyarrow is missing.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise DataError(f"{path.name}: writing needs pyarrow; pip install pyarrow") from None
    listed = panel.member.T.copy()
    for f in range(len(panel.fields)):
        listed |= np.isfinite(panel.stock_major[:, :, f])
    listed[0] |= ~listed.any(axis=0)
    sector = single_concept(panel)
    columns: list[tuple[str, Any]] = [("date", pa.date32()), ("symbol", pa.string())]
    columns += [(name, pa.float32()) for name in panel.fields]
    if sector is not None:
        columns.append(("sector", pa.string()))
    schema = pa.schema(columns)
    size = max(1, _ROWS // panel.n_days)
    with _writer(path, schema) as write:
        for at in range(0, panel.n_stocks, size):
            stocks = slice(at, at + size)
            write(_rows(panel, stocks, listed[stocks], sector, schema))
            on_step(min(at + size, panel.n_stocks), panel.n_stocks)


def _rows(panel: Panel, stocks: slice, listed: np.ndarray, sector: np.ndarray | None, schema: pa.Schema) -> pa.Table:
    import pyarrow as pa

    stock, day = np.nonzero(listed)
    values = panel.stock_major[stocks][listed]
    symbols = pa.array(panel.symbols[stocks].tolist(), pa.string())
    columns = [pa.array(panel.days[day]), symbols.take(pa.array(stock))]
    columns += [pa.array(values[:, f], pa.float32(), mask=np.isnan(values[:, f])) for f in range(values.shape[1])]
    if sector is not None:
        columns.append(pa.array(sector[stocks].tolist(), pa.string()).take(pa.array(stock)))
    return pa.Table.from_arrays(columns, schema=schema)


@contextmanager
def _writer(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    if path.name.lower().endswith(".parquet"):
        import pyarrow.parquet as pq

        with pq.ParquetWriter(path, schema) as parquet:
            yield parquet.write_table
        return
    import pyarrow.csv as pc

    options = pc.WriteOptions(quoting_style="needed")
    with ExitStack() as stack:
        stream = stack.enter_context(path.open("wb"))
        if path.name.lower().endswith(".gz"):
            stream = stack.enter_context(
                gzip.GzipFile(filename="", fileobj=stream, mode="wb", compresslevel=4, mtime=0)
            )
        table = stack.enter_context(pc.CSVWriter(stream, schema, write_options=options))
        yield table.write_table
