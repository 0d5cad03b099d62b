"""Wide tables and pairs -> tables of long rows, on the grid of their days and stocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations

import numpy as np
import pandas as pd

from zoo.data.sources.cells import Table, to_days, to_floats, to_names
from zoo.data.sources.columns import listed, role_of
from zoo.data.sources.layout import Layout, field_of
from zoo.data.sources.tables.dates import parse_moments
from zoo.errors import DataError

_BAR_COLUMNS = 15  # more are stocks
_BAR_LEAST, _BAR_ROWS = 15, 1000
_BAR_STEADY, _BAR_NOISE = 20, 1e-9  # three times what random walks have; what rounding adds
_BAR_WRONG = 0.02  # rows of which a bar may be wrong
_BAR_RANGE = 1.2  # high / low of most bars, also of months
_NEGATIVE = 0.01  # share of negative values from which on these are no prices


@dataclass
class Block:
    """Values of one field, `[days, stocks]` float64, and the rows of the table that they come from."""

    table: Table
    field: str
    days: np.ndarray
    stocks: list[str]
    values: np.ndarray
    rows: np.ndarray | None = None


def long_table(table: Table, layout: Layout) -> Table:
    """A table as rows date, symbol and fields; of a long one the table itself.

    Raises:
        DataError: a cell is no number, a day or stock is there twice, or prices are negative: those are returns.
    """
    if layout.kind == "long":
        return table
    if layout.kind == "pairs":
        return joined(table, _pairs(table, layout))
    blocks = _transposed(table, layout) if layout.kind == "transposed" else _wide(table, layout)
    return replace(joined(table, blocks), holds=layout.field)


def join_fields(tables: Sequence[Table]) -> Table:
    """One table of tables that each hold one field."""
    blocks = []
    for table in tables:
        codes, stocks = to_names(table, "symbol")
        days, at = np.unique(to_days(table, "date"), return_inverse=True)
        values = np.full((len(days), len(stocks)), np.nan)
        values[at, codes] = to_floats(table, str(table.holds))
        blocks.append(Block(table, str(table.holds), days, stocks, values))
    together = replace(tables[0], where=listed((table.where for table in tables), 6), told={})
    for table in tables:
        for text, columns in table.told.items():
            for column in columns or [None]:
                together.tell(text, column)
    return joined(together, blocks)


def joined(table: Table, blocks: Sequence[Block]) -> Table:
    """The long rows of blocks; a cell that two blocks fill is an error, one that none fills is no row."""
    days = np.unique(np.concatenate([block.days for block in blocks])) if blocks else np.empty(0, "datetime64[D]")
    stocks = sorted({stock for block in blocks for stock in block.stocks})
    position = {stock: k for k, stock in enumerate(stocks)}
    fields = {block.field: np.full((len(stocks), len(days)), np.nan) for block in blocks}
    numbers = np.zeros((len(stocks), len(days)), np.int64)
    for block in blocks:
        at = np.ix_(np.array([position[stock] for stock in block.stocks]), np.searchsorted(days, block.days))
        twice = np.isfinite(fields[block.field][at]) & np.isfinite(block.values.T)
        if twice.any():
            stock, day = np.argwhere(twice)[0]
            there = f"{block.stocks[stock]} on {block.days[day]}"
            raise DataError(f"{block.table.where}: repeats {block.field} of {there}; keep one")
        fields[block.field][at] = np.where(np.isnan(block.values.T), fields[block.field][at], block.values.T)
        if block.rows is not None:
            numbers[at] = block.rows
    filled = np.logical_or.reduce([~np.isnan(values) for values in fields.values()])
    stock, day = np.nonzero(filled)
    index = pd.Index(numbers[stock, day])
    columns = {
        "date": pd.Series(days[day].astype("datetime64[s]"), index=index),
        "symbol": pd.Series(
            pd.Categorical.from_codes(stock.astype(np.int32), pd.Index(stocks, dtype=object)), index=index
        ),
        **{name: pd.Series(values[stock, day], index=index) for name, values in fields.items()},
    }
    return replace(table, columns=tuple(columns), read=columns.__getitem__, symbol=None, mark=None, texts=None)


def _wide(table: Table, layout: Layout) -> list[Block]:
    numbers = {column: to_floats(table, column) for column in layout.cells}
    if layout.field is not None and field_of(table.where.rpartition("/")[2]) is None:
        _refuse_bar(table, numbers)
    days, rows = _once(table, layout.roles["date"])
    by_field: dict[str, dict[str, str]] = {}
    for column, (stock, name) in layout.cells.items():
        columns = by_field.setdefault(name, {})
        if columns.setdefault(stock.strip(), column) != column:
            raise DataError(f"{table.where}: two columns hold the {name} of {stock!r}; keep one")
    n_stocks = len({stock for stock, _ in layout.cells.values()})
    if layout.field is not None:
        table.tell("one column per stock, read as", layout.field)
    elif n_stocks > 1:
        table.tell("one column per stock and field")
    blocks = []
    for name, columns in by_field.items():
        values = np.stack([numbers[column][rows] for column in columns.values()], axis=1)
        blocks.append(Block(table, name, days, list(columns), _prices(table, name, values), rows))
    return blocks


def _refuse_bar(table: Table, numbers: Mapping[str, np.ndarray]) -> None:
    """Raise where columns are the open, high, low and close of one stock under names that are not known.

    One of them is hardly ever below and one hardly ever above two others, all within a bar's range, and none of
    their ratios drifts as that of two stocks does.
    """
    if not 4 <= len(numbers) <= _BAR_COLUMNS:
        return
    names = list(numbers)
    values = np.stack([column[:_BAR_ROWS] for column in numbers.values()])
    priced = np.where(values > 0, values, np.nan)
    together = [
        {k for k in range(len(names)) if k != one and _steady(priced[one], priced[k])} for one in range(len(names))
    ]
    for high, low in permutations(range(len(names)), 2):
        if high not in together[low] or np.mean(priced[high] < priced[low]) > _BAR_WRONG:
            continue
        between = [
            k
            for k in sorted(together[high] & together[low])
            if np.mean((priced[k] > priced[high]) | (priced[k] < priced[low])) <= _BAR_WRONG
        ]
        for one, two in combinations(between, 2):
            if two in together[one]:
                raise DataError(
                    f"{table.where}: {names[high]!r} is never below and {names[low]!r} never above {names[one]!r} and "
                    f"{names[two]!r}: these are no stocks but the prices of one; name the columns open, high, low, "
                    f"close and volume (or the file after its field, as close.csv, if they are stocks)"
                )


def _steady(one: np.ndarray, two: np.ndarray) -> bool:
    """Whether the ratio of two columns is near 1 and changes as noise does: von Neumann's ratio, 2 of noise, is
    about 6 / rows of a random walk."""
    ratio = np.log(one / two)
    ratio = ratio[np.isfinite(ratio)]
    if len(ratio) < _BAR_LEAST or np.median(np.abs(ratio)) > np.log(_BAR_RANGE):
        return False
    spread = float(np.var(ratio))
    return spread < _BAR_NOISE or float(np.mean(np.diff(ratio) ** 2)) > spread * min(1.0, _BAR_STEADY / len(ratio))


def _once(table: Table, column: str) -> tuple[np.ndarray, np.ndarray]:
    """The days of a column in order, each of which must be there once, and their rows."""
    days = to_days(table, column)
    order = np.argsort(days, kind="stable")
    again = np.flatnonzero(np.diff(days[order]) == np.timedelta64(0, "D"))
    if len(again):
        at = int(order[again[0] + 1])
        series = table.series(column)
        raise DataError(f"{table.where}: row {table.row(series, at)} repeats {days[at]}; keep one row per day")
    return days[order], order


def _transposed(table: Table, layout: Layout) -> list[Block]:
    codes, stocks = to_names(table, layout.roles["symbol"])
    if len(stocks) < len(codes):
        raise DataError(f"{table.where}: a stock has two rows below columns of dates; keep one")
    days = parse_moments(np.array(list(layout.cells), dtype=np.str_)).days
    table.tell("one row per stock and one column per day, read as", "close")
    values = np.stack([to_floats(table, column) for column in layout.cells])
    order = np.argsort(days, kind="stable")
    if (np.diff(days[order]) == np.timedelta64(0, "D")).any():
        raise DataError(f"{table.where}: two columns are of the same day; keep one")
    return [Block(table, "close", days[order], [stocks[k] for k in codes], _prices(table, "close", values[order]))]


def _pairs(table: Table, layout: Layout) -> list[Block]:
    days = to_days(table, layout.roles["date"])
    codes, stocks = to_names(table, layout.roles["symbol"])
    kinds, names = to_names(table, layout.roles["field"])
    roles = [role_of(name) for name in names]
    known = [role for role in roles if role is not None and role not in ("date", "symbol", "sector", "industry")]
    if not {"close", "adj_close"} & set(known) or len(set(known)) < len(known):
        listing = listed((repr(name) for name in names), 8)
        column = layout.roles["field"]
        raise DataError(f"{table.where}: column {column!r} names no close, or a field twice; it has {listing}")
    values = to_floats(table, layout.roles["value"])
    table.tell("a row per stock, day and field")
    calendar, day = np.unique(days, return_inverse=True)
    blocks = []
    for k, role in enumerate(roles):
        if role not in known:
            continue
        rows = np.flatnonzero(kinds == k)
        cell = codes[rows].astype(np.int64) * len(calendar) + day[rows]
        order = np.argsort(cell, kind="stable")
        again = np.flatnonzero(np.diff(cell[order]) == 0)
        if len(again):
            at = int(rows[order[again[0] + 1]])
            row = table.row(table.series(layout.roles["date"]), at)
            raise DataError(f"{table.where}: row {row} repeats {names[k]} of {stocks[codes[at]]} on {days[at]}")
        grid = np.full((len(stocks), len(calendar)), np.nan)
        grid[codes[rows], day[rows]] = values[rows]
        blocks.append(Block(table, role, calendar, stocks, grid.T))
    return blocks


def _prices(table: Table, name: str, values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    share = float((values[known] < 0).mean()) if known.any() else 0.0
    if name != "change" and share > _NEGATIVE:
        reason = f"{share:.0%} of the values below its columns of stocks are negative: these are no prices"
        raise DataError(f"{table.where}: {reason}; give closes, not returns")
    return values
