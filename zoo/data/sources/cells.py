"""Columns of text, numbers or dates -> arrays of days, names and floats; a cell that is none is an error."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from zoo.data.sources.columns import listed, role_of, shorten
from zoo.data.sources.tables.dates import NAT, Moments, parse_dates, parse_moments
from zoo.data.sources.tables.names import bare_names
from zoo.data.sources.tables.numbers import BLANK, dotted_thousands, parse_numbers
from zoo.data.sources.tables.zones import in_zone, own_days
from zoo.errors import DataError

__all__ = ["NAT", "Table", "parse_dates", "to_days", "to_floats", "to_names"]

YEARS = (np.datetime64("1700-01-01"), np.datetime64("2100-01-01"))
UNREADABLE = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError, RecursionError)
"""What libraries raise on values they cannot hold; readers turn it into a DataError that names file and column."""


def unreadable() -> tuple[type[Exception], ...]:
    """`UNREADABLE` and, where pyarrow is in use, its own errors: columns of its types are decoded when used."""
    arrow = sys.modules.get("pyarrow")
    return UNREADABLE if arrow is None else (*UNREADABLE, arrow.ArrowException)


@dataclass(frozen=True)
class Table:
    """Rows of one file or frame, read column by column.

    Attributes:
        where: the file, as named in messages.
        columns: all its column names.
        read: column name -> its values; the index of the series counts rows from 0.
        first_row: the number that messages give to the first row (2 where a header line comes before it).
        symbol: the stock of all rows, where the file has no symbol column.
        holds: the one field of all cells, where there is a column per stock.
        mark: the decimal mark that the numbers of the file prove, where they prove one.
        separator: what stands between the cells of a text file.
        texts: as `read`, the cells as they are written; None where the format has numbers.
        wordy: columns that hold texts or dates by their first cells or their type, and no numbers.
        zone: the time zone that moments are moved to; None leaves it to their times of day.
        told: what was decided about the values while they were read, and of which columns; see `tell`.
    """

    where: str
    columns: tuple[str, ...]
    read: Callable[[str], pd.Series]
    first_row: int = 1
    symbol: str | None = None
    holds: str | None = None
    mark: str | None = None
    separator: str = ","
    texts: Callable[[str], pd.Series] | None = None
    wordy: frozenset[str] = frozenset()
    zone: str | None = None
    told: dict[str, list[str]] = field(default_factory=dict)

    def tell(self, text: str, column: str | None = None) -> None:
        """Keep a sentence on the values, and the column that it is about."""
        columns = self.told.setdefault(text, [])
        if column is not None and column not in columns:
            columns.append(column)

    def series(self, column: str) -> pd.Series:
        """The values of a column.

        Raises:
            DataError: they are of a kind that no cell can have.
        """
        try:
            return self.read(column)
        except unreadable() as error:
            raise self.bad_column(column, error) from None

    def bad_column(self, column: str, error: Exception | str) -> DataError:
        """The error for a column that cannot be read at all."""
        reason = str(error).split("\n")[0][:120] or type(error).__name__
        return DataError(f"{self.where}: column {column!r} cannot be read ({reason})")

    def row(self, series: pd.Series, position: int) -> int:
        """The number of a row as a user counts them."""
        return self.first_row + int(series.index[position])

    def bad_cell(self, series: pd.Series, column: str, position: int, problem: str) -> DataError:
        """The error for one cell: `problem`, or that it is empty."""
        cell = f"{self.where}: row {self.row(series, position)}, column {column!r}"
        try:
            value = series.iloc[position]
        except unreadable() as error:
            return self.bad_column(column, error)
        empty = value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)) or value is pd.NA
        if empty or not str(value).strip():
            return DataError(f"{cell} is empty; fill it or remove the row")
        return DataError(f"{cell}: {shorten(value)!r} {problem}")


def kind(series: pd.Series) -> str:
    """NumPy's one-letter kind of a column; `O` for text, categories and objects."""
    if isinstance(series.dtype, pd.DatetimeTZDtype):
        return "M"
    found = getattr(series.dtype, "kind", "O")
    return found if found in "biufMmc" else "O"


def to_days(table: Table, column: str, *, optional: bool = False) -> np.ndarray:
    """A column of dates -> datetime64[D]; of moments the local date, see `zoo.data.sources.tables.zones`.

    Args:
        optional: an empty cell is NaT, and any year is a date (an end of 9999).

    Raises:
        DataError: a cell is empty, no date, or of a year that no market has, naming file, row, column and value;
            moments whose zone cannot be told.
    """
    series = table.series(column)
    try:
        moments = _moments(series)
    except unreadable() as error:
        raise table.bad_column(column, error) from None
    days = moments.days
    bad = np.isnat(days)
    if bad.any():
        if optional:
            bad[bad] = [not pd.isna(v) and str(v).strip().casefold() not in BLANK for v in series[bad]]
        if bad.any():
            problem = f"is no date ({moments.told or 'YYYY-MM-DD or YYYYMMDD'})"
            raise table.bad_cell(series, column, int(bad.argmax()), problem)
    elif moments.told:
        table.tell(moments.told)
    if not optional and len(days) and (days.min() < YEARS[0] or days.max() >= YEARS[1]):
        first = int(((days < YEARS[0]) | (days >= YEARS[1])).argmax())
        raise table.bad_cell(series, column, first, f"is {days[first]}, a year that no market has; write YYYY-MM-DD")
    if moments.seconds is None or (not (moments.seconds > 0).any() and table.zone is None):
        return days
    if table.zone is not None:
        table.tell(f"times are taken as UTC and moved to {table.zone}")
        return in_zone(days, moments.seconds, table.zone)
    days, told, unclear = own_days(days, moments.seconds)
    if unclear:
        raise DataError(f"{table.where}: column {column!r}: {unclear}")
    if told:
        table.tell(told)
    return days


def _moments(series: pd.Series) -> Moments:
    """Row by row, what `parse_moments` finds in the values of a column."""
    what = kind(series)
    if what == "M":
        aware = isinstance(series.dtype, pd.DatetimeTZDtype)
        stamps = (series.dt.tz_localize(None) if aware else series).to_numpy()
        days = stamps.astype("datetime64[D]")
        if aware and str(series.dtype.tz) not in ("UTC", "UTC+00:00", "+00:00", "Etc/UTC"):  # type: ignore[union-attr]
            return Moments(days)
        if not aware and ((stamps == days.astype(stamps.dtype)) | np.isnat(days)).all():
            return Moments(days)
        seconds = (stamps.astype("datetime64[s]") - days).astype(np.int64)
        return Moments(days, np.where(np.isnat(days), -1, seconds))
    codes, values = (
        (series.cat.codes.to_numpy(), series.cat.categories.to_numpy())
        if isinstance(series.dtype, pd.CategoricalDtype)
        else pd.factorize(series)
    )
    if what in "iuf":
        numbers = np.asarray(values, dtype=np.float64)
        whole = (numbers == np.floor(numbers)) & (numbers >= 0) & (numbers < 9e18)
        texts = np.array([str(int(v)) if ok else str(v) for v, ok in zip(values, whole, strict=True)], dtype=np.str_)
    else:
        # Texts alone are as they are; twenty times faster than one by one.
        texts = np.asarray(values, dtype=object)
        if pd.api.types.infer_dtype(texts, skipna=False) != "string":
            texts = np.array([_name(value) for value in values], dtype=object)
        texts = texts.astype(np.str_)
    found = parse_moments(texts)
    if found.ambiguous:
        at = pd.unique(codes[codes >= 0])
        ordered = parse_moments(texts[at], in_order=True)
        days = np.full(len(texts), NAT)
        days[at] = ordered.days
        # Categories that no row has are not looked at again.
        seconds = None if ordered.seconds is None else np.full(len(texts), -1)
        if seconds is not None:
            seconds[at] = ordered.seconds
        found = Moments(days, seconds, ordered.told)
    seconds = None if found.seconds is None else np.append(found.seconds, -1)[codes]
    return Moments(np.append(found.days, NAT)[codes], seconds, found.told)


def to_floats(table: Table, column: str) -> np.ndarray:
    """A column of numbers -> `[rows]` float64, NaN where empty; spellings as `parse_numbers` knows them.

    Raises:
        DataError: a cell is no number, or the decimal mark cannot be told, naming file, row, column and value.
    """
    series = table.series(column)
    what = kind(series)
    if what in "iuf":
        values = series.to_numpy(dtype=np.float64, na_value=np.nan)
        if table.texts is None or not _may_be_thousands(table, column, values):
            return values
        series = table.texts(column)
        thousands = dotted_thousands(series.dropna().astype(str))
        if not thousands and table.mark != ",":
            return values
        if thousands and table.mark != "," and table.separator == ",":
            first = int(series.astype(str).str.contains(".", regex=False).to_numpy(dtype=bool).argmax())
            problem = "may have a decimal or a thousands point, as all of the column; write it without points"
            raise table.bad_cell(series, column, first, problem)
        return _from_texts(table, column, series, ",")
    if what != "O":
        raise table.bad_column(column, f"it holds {series.dtype}, no numbers")
    plain = series.astype(object)
    try:
        numbers = pd.Series(pd.to_numeric(plain, errors="coerce")).to_numpy(dtype=np.float64, na_value=np.nan)
    except unreadable():
        numbers = np.full(len(plain), np.nan)
    suspects = np.flatnonzero(np.isnan(numbers) & plain.notna().to_numpy())
    if table.mark != "," and all(str(plain.iloc[k]).strip().casefold() in BLANK for k in suspects):
        return numbers
    return _from_texts(table, column, series, table.mark)


def _may_be_thousands(table: Table, column: str, values: np.ndarray) -> bool:
    """Whether floats may have been read from points between thousands: all have three decimals and are small."""
    if table.mark == ",":
        return True
    if role_of(column, outright=False) != "volume" or not len(values):
        return False
    known = values[np.isfinite(values)]
    thousands = known * 1000
    small = bool((known != np.floor(known)).any() and (known < 1000).all())
    return small and bool((np.abs(thousands - np.rint(thousands)) < 1e-6).all())


def _from_texts(table: Table, column: str, series: pd.Series, mark: str | None) -> np.ndarray:
    try:
        values, bad, told = parse_numbers(series.astype(object).map(_name).fillna(""), mark)
    except unreadable() as error:
        raise table.bad_column(column, error) from None
    if bad.any():
        problem = "is no number; correct it or leave it empty"
        if "?" in told:
            problem = "may have a decimal or a thousands comma, as all of the column; write it without commas"
        raise table.bad_cell(series, column, int(bad.argmax()), problem)
    for text in sorted(told):
        table.tell(text, column)
    return values


def to_names(table: Table, column: str, *, optional: bool = False) -> tuple[np.ndarray, list[str]]:
    """A column of names -> `[rows]` int32 codes and the names they index, each once, without blanks around them.

    Args:
        optional: an empty cell gets code -1 rather than an error.

    Raises:
        DataError: a cell is empty or holds a NUL character.
    """
    series = table.series(column)
    try:
        if isinstance(series.dtype, pd.CategoricalDtype):
            codes, values = series.cat.codes.to_numpy(), series.cat.categories
        else:
            codes, values = pd.factorize(series)
        raw = [_name(value) for value in values]
    except unreadable() as error:
        raise table.bad_column(column, error) from None
    texts = bare_names(raw)
    names = list(dict.fromkeys(text for text in texts if text))
    position = {name: k for k, name in enumerate(names)}
    into = np.array([position.get(text, -1) for text in texts] + [-1], dtype=np.int32)
    codes = into[codes]
    if not optional and (codes < 0).any():
        raise table.bad_cell(series, column, int((codes < 0).argmax()), "is no name")
    for k, name in enumerate(names):
        if "\0" in name and (codes == k).any():
            raise table.bad_cell(series, column, int((codes == k).argmax()), "holds a NUL character")
    changed = [(text, name) for text, name in zip(raw, texts, strict=True) if name and text != name]
    blanks = [text for text, name in changed if text.strip() == name]
    if blanks:
        table.tell(f"blanks around names are cut, such as {blanks[0]!r}", column)
    marked = [f"{text!r} = {name}" for text, name in changed if text.strip() != name]
    if marked:
        table.tell(f"full-width letters and marks of spreadsheets in names are taken off: {listed(marked)}", column)
    return codes, names


def _name(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else "" if np.isnan(value) else str(value)
    return "" if value is None or value is pd.NA or value is pd.NaT else str(value)
