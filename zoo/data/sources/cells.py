"""Columns of text, numbers or dates -> arrays of days, names and floats; a cell that is none is an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from zoo.data.sources.columns import shorten
from zoo.errors import DataError

NAT = np.datetime64("NaT", "D")
BLANK = frozenset({"", "nan", "none", "null", "na", "n/a", "nat", "<na>", "-"})


@dataclass(frozen=True)
class Table:
    """Rows of one file or frame, read column by column.

    Attributes:
        where: the file, as named in messages.
        columns: all its column names.
        read: column name -> its values; the index of the series counts rows from 0.
        first_row: the number that messages give to the first row (2 where a header line comes before it).
        symbol: the stock of all rows, where the file has no symbol column.
    """

    where: str
    columns: tuple[str, ...]
    read: Callable[[str], pd.Series]
    first_row: int = 1
    symbol: str | None = None

    def row(self, series: pd.Series, position: int) -> int:
        """The number of a row as a user counts them."""
        return self.first_row + int(series.index[position])

    def bad_cell(self, series: pd.Series, column: str, position: int, problem: str) -> DataError:
        """The error for one cell: `problem`, or that it is empty."""
        value = series.iloc[position]
        cell = f"{self.where}: row {self.row(series, position)}, column {column!r}"
        if pd.isna(value) or not str(value).strip():
            return DataError(f"{cell} is empty; fill it or remove the row")
        return DataError(f"{cell}: {shorten(value)!r} {problem}")


def kind(series: pd.Series) -> str:
    """NumPy's one-letter kind of a column; `O` for text, categories and objects."""
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        return "M"
    found = getattr(series.dtype, "kind", "O")
    return found if found in "biufMmc" else "O"


def civil(year: Any, month: Any, day: Any) -> np.ndarray:
    """Calendar dates of integer arrays, NaT where there is no such date."""
    year, month, day = (np.asarray(part, dtype=np.int64) for part in (year, month, day))
    plausible = (year >= 1) & (year <= 9999) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    months = np.where(plausible, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + np.where(plausible, day - 1, 0)
    return np.where(plausible & (days.astype("datetime64[M]") == months), days, NAT)


def parse_dates(texts: pd.Series) -> np.ndarray:
    """`YYYY-MM-DD`, also with `/`, `.` or nothing between and a time after it -> datetime64[D]; else NaT.

    A time zone is ignored: the date is the one that is written.
    """
    parts = texts.str.strip().str.extract(
        r"^([0-9]{4})(?:([-/.])([0-9]{1,2})\2([0-9]{1,2})|([0-9]{2})([0-9]{2}))(?:[T ][0-9]{1,2}:.*|\.0)?$"
    )
    month, day = (parts[k].where(parts[k].notna(), parts[k + 2]) for k in (2, 3))
    return civil(*(part.where(part.notna(), "0").astype(np.int64) for part in (parts[0], month, day)))


def _iso_dates(texts: np.ndarray) -> np.ndarray | None:
    """As `parse_dates` for texts that are all plain `YYYY-MM-DD`, twenty times faster; else None."""
    if texts.dtype.itemsize != 40:
        return None
    codes = np.ascontiguousarray(texts).view(np.uint32).reshape(-1, 10)
    digits = codes[:, [0, 1, 2, 3, 5, 6, 8, 9]].astype(np.int64) - ord("0")
    if (codes[:, [4, 7]] != ord("-")).any() or (digits < 0).any() or (digits > 9).any():
        return None
    return civil(digits[:, :4] @ [1000, 100, 10, 1], digits[:, 4:6] @ [10, 1], digits[:, 6:] @ [10, 1])


def to_days(table: Table, column: str, *, optional: bool = False) -> np.ndarray:
    """A column of dates -> datetime64[D]; of a time-zone-aware moment its local date.

    Args:
        optional: an empty cell is NaT rather than an error.

    Raises:
        DataError: a cell is empty or no date, naming file, row, column and value.
    """
    series = table.read(column)
    what = kind(series)
    if what == "M":
        naive = series.dt.tz_localize(None) if isinstance(series.dtype, pd.DatetimeTZDtype) else series
        days = naive.to_numpy().astype("datetime64[D]")
    elif what in "iuf":
        number = series.to_numpy(dtype=np.float64, na_value=np.nan)
        whole = np.where((number >= 0) & (number < 1e8) & (number == np.floor(number)), number, 0).astype(np.int64)
        days = civil(whole // 10000, whole // 100 % 100, whole % 100)
    else:
        codes, values = pd.factorize(series)
        texts = np.asarray(values, dtype=object).astype(np.str_)
        unique = _iso_dates(texts)
        if unique is None:
            unique = parse_dates(pd.Series(texts, dtype=object)) if len(texts) else np.empty(0, "datetime64[D]")
        days = np.append(unique, NAT)[codes]
    bad = np.isnat(days)
    if optional and bad.any():
        bad &= series.notna().to_numpy()
    if bad.any():
        first = int(bad.argmax())
        raise table.bad_cell(series, column, first, "is no date (YYYY-MM-DD or YYYYMMDD)")
    return days


def to_floats(table: Table, column: str) -> np.ndarray:
    """A column of numbers -> `[rows]` float64, NaN where empty.

    Raises:
        DataError: a cell is no number, naming file, row, column and value.
    """
    series = table.read(column)
    what = kind(series)
    if what in "iuf":
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    if what != "O":
        raise table.bad_cell(series, column, 0, f"is no number (the column holds {series.dtype})")
    plain = series.astype(object)
    numbers = pd.Series(pd.to_numeric(plain, errors="coerce")).to_numpy(dtype=np.float64, na_value=np.nan)
    suspects = np.flatnonzero(np.isnan(numbers) & plain.notna().to_numpy())
    for position in suspects:
        if str(plain.iloc[position]).strip().casefold() not in BLANK:
            raise table.bad_cell(series, column, int(position), "is no number; correct it or leave it empty")
    return numbers


def to_names(table: Table, column: str, *, optional: bool = False) -> tuple[np.ndarray, list[str]]:
    """A column of names -> `[rows]` int32 codes and the names they index, each once, as text.

    Args:
        optional: an empty cell gets code -1 rather than an error.

    Raises:
        DataError: a cell is empty or holds a NUL character.
    """
    series = table.read(column)
    if isinstance(series.dtype, pd.CategoricalDtype):
        codes, values = series.cat.codes.to_numpy(), series.cat.categories
    else:
        codes, values = pd.factorize(series)
    texts = [_name(value) for value in values]
    names = list(dict.fromkeys(text for text in texts if text.strip()))
    position = {name: k for k, name in enumerate(names)}
    into = np.array([position.get(text, -1) for text in texts] + [-1], dtype=np.int32)
    codes = into[codes]
    if not optional and (codes < 0).any():
        raise table.bad_cell(series, column, int((codes < 0).argmax()), "is no name")
    for k, name in enumerate(names):
        if "\0" in name and (codes == k).any():
            raise table.bad_cell(series, column, int((codes == k).argmax()), "holds a NUL character")
    return codes, names


def _name(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
