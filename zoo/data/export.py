"""Factors as a frame indexed (datetime, instrument), whole or streamed into a Parquet file.

Rows are the members of each day, in (datetime, instrument) order; history before a membership feeds the windows.
A feature set whose columns do not depend on the window gives its columns; one whose columns do (`alpha360`) gives
every (column, lag) of its window, `CLOSE59` .. `VOLUME0`. Missing rows are never filled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from zoo.data.features import FEATURE_SETS, make_feature_set
from zoo.data.features.base import FeatureSet
from zoo.data.features.columns import parts_of
from zoo.data.files import whole_file
from zoo.data.pages import release
from zoo.data.panel import Panel
from zoo.data.sources import load_panel
from zoo.data.split import DayRange
from zoo.errors import ConfigError, DataError

OnStep = Callable[[int, int], None]
"""Called with the days done and the days in all."""
BLOCK = 64 << 20  # bytes of factors gathered at a time


def compute_features(
    data: Panel | pd.DataFrame | str | Path,
    name: str | Sequence[str] = "alpha158",
    *,
    normalize: bool = False,
    fit_end: str | None = None,
    fit_start: str | None = None,
    on_step: OnStep | None = None,
) -> pd.DataFrame:
    """The factors of a feature set: a row per member and day, a float32 column per factor.

    Args:
        data: a panel, or what `load_panel` makes one of: a frame, a path or another source.
        name: `alpha158`, `alpha158_20`, `alpha360` or `raw`; columns of the data, globs of them; or a list of these.
        normalize: robust z-score of each column, fitted on the member rows of the days from `fit_start` (default:
            the first) to `fit_end`, both included; clipped to +-3, NaN -> 0.
        on_step: told the progress.

    Raises:
        ConfigError: unknown set; `normalize` without `fit_end`, which would let the future into the statistics.
        DataError: no members, or as `load_panel`.
    """
    check_options(name, normalize, fit_end, fit_start)
    columns = [entry for entry in _entries(name) if entry not in FEATURE_SETS]
    panel = data if isinstance(data, Panel) else load_panel(data, columns=columns)
    factors = _Factors(panel, _feature_set(name, panel.fields), _train_days(panel, normalize, fit_start, fit_end))
    values = np.empty((len(factors.names), int(panel.member.sum())), dtype=np.float32)
    at = 0
    for day, stock in _blocks(panel, len(factors.names), on_step):
        values[:, at : at + len(day)] = factors.at(day, stock).T
        at += len(day)
    index = _index(panel, *np.nonzero(panel.member))
    return pd.DataFrame(values.T, index=index, columns=factors.names, copy=False)


def write_features(
    panel: Panel,
    name: str | Sequence[str],
    path: str | Path,
    *,
    normalize: bool = False,
    fit_end: str | None = None,
    fit_start: str | None = None,
    on_step: OnStep | None = None,
) -> tuple[int, int]:
    """As `compute_features`, into a Parquet file that `pandas.read_parquet` gives back as that frame.

    Memory does not grow with the number of rows. An existing file is replaced, and only when the new one is complete.

    Returns:
        Rows and columns written.

    Raises:
        ConfigError, DataError: as `compute_features`; or `path` cannot be written, or pyarrow is missing.
    """
    path = Path(path)
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise DataError(f"{path}: Parquet needs pyarrow; pip install pyarrow") from None
    check_options(name, normalize, fit_end, fit_start)
    feature_set, train = _feature_set(name, panel.fields), _train_days(panel, normalize, fit_start, fit_end)
    written = 0
    with whole_file(path) as temporary, ExitStack() as closing:
        factors = _Factors(panel, feature_set, train)
        writer: pq.ParquetWriter | None = None
        for day, stock in _blocks(panel, len(factors.names), on_step):
            index = _index(panel, day, stock)
            frame = pd.DataFrame(factors.at(day, stock), index=index, columns=factors.names, copy=False)
            table = pa.Table.from_pandas(frame, nthreads=1)
            if writer is None:
                # Factors hardly repeat: a dictionary of them would only cost time.
                writer = pq.ParquetWriter(temporary, table.schema, use_dictionary=list(index.names))  # type: ignore[arg-type]
                closing.enter_context(writer)
            writer.write_table(table)
            written += len(frame)
    return written, len(factors.names)


def check_options(name: str | Sequence[str], normalize: bool, fit_end: str | None, fit_start: str | None) -> None:
    """Raise the ConfigError that the options would meet whatever the data, before the data are read."""
    if all(entry in FEATURE_SETS for entry in _entries(name)):
        _feature_set(name, ())
    if not normalize and (fit_start or fit_end):
        raise ConfigError("fit_start and fit_end need normalize (--normalize); nothing is fitted without it")
    if normalize and fit_end is None:
        raise ConfigError(
            "normalize needs fit_end (--fit-end), the last day of the train segment: "
            "the statistics must not see what comes after it"
        )
    for option, date in (("fit-start", fit_start), ("fit-end", fit_end)):
        try:
            np.asarray(date or "1970-01-01", dtype="datetime64[D]")
        except ValueError:
            raise ConfigError(
                f"{option.replace('-', '_')} (--{option}): {date!r} is not a date; write YYYY-MM-DD"
            ) from None


class _Factors:
    """Named columns of values at any (day, stock) of a panel."""

    def __init__(self, panel: Panel, feature_set: FeatureSet, train: DayRange | None) -> None:
        if not panel.member.any():
            raise DataError(f"{panel.name}: no stock is a member on any day, so there are no rows")
        self._parts = (
            [_Factors(panel, part, train) for part in parts_of(feature_set)] if not _single(feature_set) else []
        )
        if self._parts:
            self.names = [column for part in self._parts for column in part.names]
            return
        columns, lookback = feature_set.columns, feature_set.lookback
        self._feature_set = feature_set
        self._source = feature_set.source(panel)
        self._stats = None if train is None else feature_set.fit_stats(self._source, panel.member, train)
        self._lags = np.arange(lookback - 1, -1, -1) if feature_set.stats_per_lag else None
        self.names = list(columns)
        if self._lags is not None:
            self.names = [f"{column.upper()}{lag}" for column in columns for lag in self._lags]

    def at(self, day: np.ndarray, stock: np.ndarray) -> np.ndarray:
        """`[R, columns]` float32 of rows (`day [R]`, `stock [R]`)."""
        if self._parts:
            return np.concatenate([part.at(day, stock) for part in self._parts], axis=1)
        if self._lags is None:
            return self._normalised(torch.from_numpy(self._columns(day, stock))).numpy()
        past = day[:, None] - self._lags
        window = self._source[stock[:, None], np.maximum(past, 0)]  # [R, T, F]
        window[past < 0] = np.nan
        x = self._normalised(self._feature_set.window_to_features(torch.from_numpy(window)))
        return x.transpose(1, 2).reshape(len(x), -1).numpy()

    def _columns(self, day: np.ndarray, stock: np.ndarray) -> np.ndarray:
        """`[R, F]` of rows on neighbouring days, copied run by run as the source may be mapped from a file."""
        n_stocks, n_days, n_columns = self._source.shape
        days = slice(int(day[0]), int(day[-1]) + 1)
        dense = np.empty((days.stop - days.start, n_stocks, n_columns), dtype=np.float32)
        size = max(1, BLOCK // (4 * n_days * n_columns))
        for at in range(0, n_stocks, size):
            some = slice(at, at + size)
            dense[:, some] = self._source[some, days].transpose(1, 0, 2)
            release(self._source)
        return dense[day - days.start, stock]

    def _normalised(self, x: torch.Tensor) -> torch.Tensor:
        return x if self._stats is None else self._stats.to("cpu").apply(x)


def _blocks(panel: Panel, n_columns: int, on_step: OnStep | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The member rows (day, stock) in order, some days at a time."""
    width = max(1, BLOCK // (4 * n_columns * panel.n_stocks))
    for first in range(0, panel.n_days, width):
        day, stock = np.nonzero(panel.member[first : first + width])
        if len(day):
            yield day + first, stock
        if on_step is not None:
            on_step(min(first + width, panel.n_days), panel.n_days)


def _entries(name: str | Sequence[str]) -> tuple[str, ...]:
    return (name,) if isinstance(name, str) else tuple(name)


def _single(feature_set: FeatureSet) -> bool:
    return parts_of(feature_set) == (feature_set,)


def _feature_set(name: str | Sequence[str], fields: Sequence[str]) -> FeatureSet:
    """The sets and columns of a name or list; sets of several lookbacks have that of the longest."""
    sets = [FEATURE_SETS[entry]() for entry in _entries(name) if entry in FEATURE_SETS]  # type: ignore[call-arg]
    return make_feature_set(name, max((one.lookback for one in sets), default=1), fields)


def _train_days(panel: Panel, normalize: bool, start: str | None, end: str | None) -> DayRange | None:
    if not normalize or end is None:
        return None
    train = DayRange(panel.position(start) if start else 0, panel.position(end, side="right"))
    if not len(train):
        raise ConfigError(
            f"no day to fit on from {start or panel.days[0]} to {end}; "
            f"the data runs {panel.days[0]} .. {panel.days[-1]}"
        )
    return train


def _index(panel: Panel, day: np.ndarray, stock: np.ndarray) -> pd.MultiIndex:
    days = pd.Index(panel.days.astype("datetime64[ns]"))
    symbols = pd.Index(panel.symbols.astype(object))
    return pd.MultiIndex(levels=[days, symbols], codes=[day, stock], names=["datetime", "instrument"])
