"""The daily return that portfolios are measured against: the equal-weight universe, or an index."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from bench.records.store import digest
from zoo.data.panel import Panel
from zoo.data.sources import paths, read_index
from zoo.data.sources.cells import to_days, to_floats
from zoo.data.sources.columns import missing, recognise
from zoo.data.split import Fold
from zoo.errors import DataError, did_you_mean
from zoo.shapes import Bool, Float

UNIVERSE = "equal-weight universe"


def benchmark_settings(benchmark: str | None, source: str) -> dict[str, str | None]:
    """What identifies a benchmark: its name as printed, and a checksum of its file or closes (None for the universe).

    Raises:
        DataError: neither a symbol of the source nor a file.
    """
    if benchmark is None:
        return {"benchmark": UNIVERSE, "benchmark_digest": None}
    closes = _own_index(benchmark, source)
    if closes is not None:
        content = closes.index.to_numpy().astype(np.int64).tobytes() + closes.to_numpy().tobytes()
        return {"benchmark": benchmark, "benchmark_digest": hashlib.sha256(content).hexdigest()}
    path, column = _split(benchmark, source)
    return {"benchmark": path.name + (f"#{column}" if column else ""), "benchmark_digest": digest(path)}


def benchmark_return(benchmark: str | None, source: str, panel: Panel, folds: list[Fold]) -> Float[np.ndarray, " D"]:
    """Daily return `[D]` of the benchmark on the panel's calendar; an index needs a close on all test days.

    Args:
        benchmark: None = the members of the panel, equal weights; a symbol of `source`, where that is a folder in
            qlib's format; else `FILE` or `FILE#COLUMN`, a CSV or Parquet file with a row per day: its date, and its
            close or the named column.

    Raises:
        DataError: neither a symbol of the source nor a file; the file cannot be read as an index; no close on a test
            day or the day before the first.
    """
    if benchmark is None:
        return universe_return(panel.field("close"), panel.member)
    closes = _own_index(benchmark, source)
    if closes is not None:
        name = benchmark
        level = closes.reindex(panel.days.astype("datetime64[ns]")).to_numpy()
    else:
        path, column = _split(benchmark, source)
        name, level = path.name, _read_index(path, column, panel.days)
    for fold in folds:
        needed = np.arange(max(fold.test.start - 1, 0), fold.test.stop)
        absent = needed[np.isnan(level[needed])]
        if len(absent):
            raise DataError(
                f"portfolio.benchmark {name}: no close on {panel.days[absent[0]]} ({len(absent)} of the "
                f"{len(needed)} days {panel.days[needed[0]]} .. {panel.days[needed[-1]]} that are needed); give an "
                f"index that covers the test days"
            )
    return np.append(np.nan, level[1:] / level[:-1] - 1)


def universe_return(close: Float[np.ndarray, "D N"], member: Bool[np.ndarray, "D N"]) -> Float[np.ndarray, " D"]:
    """Equal-weight daily return `[D]` of a universe: the mean of close / last present close - 1.

    The mean runs over the stocks with a close today and one before that were members the day before: whoever holds
    the universe could not know today's additions. NaN where there are none, as on the first day.
    """
    returns = np.full(len(close), np.nan)
    last_close = np.full(close.shape[1], np.nan)
    for t in range(len(close)):
        price = close[t].astype(np.float64)
        moved = price / last_close - 1
        counted = np.isfinite(moved) & member[max(t - 1, 0)]
        if counted.any():
            returns[t] = moved[counted].mean()
        np.copyto(last_close, price, where=np.isfinite(price))
    return returns


def _own_index(benchmark: str, source: str) -> pd.Series | None:
    """Closes of the benchmark in the qlib folder that is run on; None where there are none."""
    if not _is_qlib(source):
        return None
    try:
        return read_index(source, benchmark)
    except DataError:
        return None


def _is_qlib(source: str) -> bool:
    if source.startswith(("planted:", "installed:")):
        return False
    folder = paths.split_market(source)[0]
    return (folder / "features").is_dir() and (folder / "calendars").is_dir()


def _split(benchmark: str, source: str) -> tuple[Path, str | None]:
    path, column = Path(benchmark).expanduser(), None
    if not path.is_file() and "#" in benchmark:
        head, _, column = benchmark.rpartition("#")
        path = Path(head).expanduser()
    if path.is_file():
        return path, column or None
    if not _is_qlib(source):
        raise DataError(f"portfolio.benchmark {path}: no such file{paths.nearest(path)}")
    symbols = [folder.name.upper() for folder in (paths.split_market(source)[0] / "features").iterdir()]
    near = did_you_mean(benchmark.upper(), symbols)
    raise DataError(
        f"portfolio.benchmark {benchmark}: neither a symbol with closes in {source}{near} nor a file"
        f"{paths.nearest(path)}"
    )


def _read_index(path: Path, column: str | None, days: np.ndarray) -> np.ndarray:
    """Closes `[D]` of the index on the calendar `days`, NaN where it has none."""
    table = paths.open_table(path, keep=[column] if column else [])
    roles = recognise(table.columns, table.where)
    if "date" not in roles:
        raise missing("date", table.columns, table.where)
    if column is not None and column not in table.columns:
        raise DataError(f"{table.where}: no column {column!r}{did_you_mean(column, table.columns)}")
    if column is None and table.holds is not None:
        raise DataError(f"{table.where}: no close column but a column for each of several; name one as FILE#COLUMN")
    if column is None and "close" not in roles:
        raise missing("close", table.columns, table.where, "; name another as FILE#COLUMN")
    when = to_days(table, roles["date"])
    close = to_floats(table, column or roles["close"])
    unique_days, count = np.unique(when, return_counts=True)
    if (count > 1).any():
        raise DataError(f"{table.where}: {unique_days[count > 1][0]} has several rows; an index has one row per day")
    wrong = (close <= 0) | np.isinf(close)
    if wrong.any():
        at = int(wrong.argmax())
        raise DataError(f"{table.where}: the close of {when[at]} is {close[at]}: must be above 0")
    return pd.Series(close, index=when).reindex(days).to_numpy()
