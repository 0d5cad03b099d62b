"""Rows of tables on the grid of their days and stocks: keys read, spellings of one stock brought together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from zoo.data.sources.cells import Table, parse_dates, to_days, to_names
from zoo.data.sources.columns import listed, missing, recognise, shorten
from zoo.errors import DataError

BLOCK = 1 << 20  # rows scattered at a time: index arrays of a block are 8 MiB whatever the file's size


@dataclass
class Part:
    """One table and where its rows lie: `day` and `stock`, `[rows]` int32 positions.

    Until the grid is known, `day` counts from 1970 and `stock` indexes `names`.
    """

    table: Table
    roles: dict[str, str]
    day: np.ndarray
    stock: np.ndarray
    names: list[str]

    def cells(self, n_days: int) -> Iterator[tuple[slice, np.ndarray]]:
        """Rows, a block at a time, and their flat positions in a stock-major `[N, D]` array."""
        for low in range(0, len(self.day), BLOCK):
            rows = slice(low, low + BLOCK)
            yield rows, self.stock[rows].astype(np.int64) * n_days + self.day[rows]


def read_keys(table: Table, advice: str) -> Part:
    roles = recognise(table.columns, table.where)
    if "date" not in roles:
        texts = pd.Series(table.columns, dtype=object)
        numbers = pd.Series(pd.to_numeric(texts, errors="coerce"))
        if not roles and (not np.isnat(parse_dates(texts)).all() or (len(texts) > 0 and numbers.notna().all())):
            first = ", ".join(shorten(name, 20) for name in table.columns[:4])
            raise DataError(f"{table.where}: its header line holds values ({first}), no names; put one above them")
        raise missing("date", table.columns, table.where, advice)
    if "symbol" not in roles and table.symbol is None:
        advice += "; for one stock per file give the directory, the file's name is then the symbol"
        raise missing("symbol", table.columns, table.where, advice)
    if "close" not in roles and "adj_close" not in roles:
        raise missing("close", table.columns, table.where, advice)
    day = to_days(table, roles["date"]).astype(np.int64).astype(np.int32)
    if "symbol" in roles:
        stock, names = to_names(table, roles["symbol"])
    else:
        stock, names = np.zeros(len(day), dtype=np.int32), [str(table.symbol)]
    return Part(table, roles, day, stock, names)


def place_on_grid(parts: Sequence[Part], name: str) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The days and symbols of all parts, whose `day` and `stock` become positions among them, and notes on symbols."""
    first = min(int(part.day.min()) for part in parts)
    present = np.zeros(max(int(part.day.max()) for part in parts) - first + 1, dtype=bool)
    rows: Counter[str] = Counter()
    for part in parts:
        part.day -= np.int32(first)
        present[part.day] = True
        rows.update(dict(zip(part.names, np.bincount(part.stock, minlength=len(part.names)).tolist(), strict=True)))
    days = (np.flatnonzero(present) + first).astype("datetime64[D]")
    spelling = _spellings(parts, rows)
    symbols = sorted(set(spelling.values()))
    _check_size(len(days), len(symbols), sum(len(part.day) for part in parts), name)
    calendar = (np.cumsum(present) - 1).astype(np.int32)
    position = {text: k for k, text in enumerate(symbols)}
    occupied = np.zeros(len(days) * len(symbols), dtype=bool)
    for part in parts:
        part.day = calendar[part.day]
        stocks = [position.get(spelling.get(text, text), 0) for text in part.names]
        part.stock = np.array(stocks, dtype=np.int32)[part.stock]
        for _, cells in part.cells(len(days)):
            occupied[cells] = True
    if int(occupied.sum()) < sum(len(part.day) for part in parts):
        raise _duplicate(parts, days, symbols)
    other = [f"{text} = {one}" for text, one in spelling.items() if text != one]
    notes = [f"{len(other):,} spellings {_differ(other)} and are one stock: {listed(other)}"] if other else []
    return days, np.array(symbols, dtype=np.str_), notes


def _spellings(parts: Sequence[Part], rows: Counter[str]) -> dict[str, str]:
    """Every symbol that has rows -> how it is spelled in most of them; those that share days stay apart."""
    by_fold: dict[str, list[str]] = {}
    for text in sorted((text for text, number in rows.items() if number), key=lambda text: (-rows[text], text)):
        by_fold.setdefault(_fold(text), []).append(text)
    result = {texts[0]: texts[0] for texts in by_fold.values()}
    for texts in by_fold.values():
        taken: set[int] = set(_days_of(parts, texts[0])) if len(texts) > 1 else set()
        for text in texts[1:]:
            own = set(_days_of(parts, text))
            result[text] = text if own & taken else texts[0]
            taken |= own
    return result


def _differ(symbols: Sequence[str]) -> str:
    """In what spellings of stocks differ, one spelling of each given."""
    numbers = [symbol.partition(" = ")[0].isdigit() for symbol in symbols]
    what = "leading zeros" if all(numbers) else "case or leading zeros" if any(numbers) else "case"
    return f"differ in {what} only"


def _fold(symbol: str) -> str:
    """What spellings of one stock share: case does not count, nor do the zeros before a number that programs lose."""
    return symbol.lstrip("0") if symbol.isdigit() else symbol.casefold()


def _days_of(parts: Sequence[Part], text: str) -> list[int]:
    return [
        day for part in parts if text in part.names for day in part.day[part.stock == part.names.index(text)].tolist()
    ]


def check_twins(close: np.ndarray, symbols: np.ndarray) -> list[str]:
    """A note on symbols that differ in case or zeros alone and trade on the same days; `close` is `[D, N]`.

    Raises:
        DataError: their prices are the same: one of them is a copy.
    """
    by_fold: dict[str, list[int]] = {}
    for k, symbol in enumerate(symbols.tolist()):
        by_fold.setdefault(_fold(symbol), []).append(k)
    twins = [(group[0], other) for group in by_fold.values() for other in group[1:]]
    for one, two in twins:
        both = np.isfinite(close[:, one]) & np.isfinite(close[:, two])
        if both.sum() > 1 and (close[both, one] == close[both, two]).all():
            raise DataError(
                f"{symbols[one]} and {symbols[two]} {_differ([symbols[one]])} and have the same prices; keep one"
            )
    names = listed(f"{symbols[one]} and {symbols[two]}" for one, two in twins)
    if not twins:
        return []
    how = _differ([symbols[one] for one, _ in twins])
    return [f"symbols that {how} trade on the same days and are two stocks: {names}"]


def _check_size(n_days: int, n_stocks: int, n_rows: int, name: str) -> None:
    cells = n_days * n_stocks
    if cells > 1e8 and n_rows < cells / 1000:
        raise DataError(
            f"{name}: {n_rows:,} rows name {n_stocks:,} symbols on {n_days:,} days, less than one cell in a "
            f"thousand; is the symbol column really the stock?"
        )


def _duplicate(parts: Sequence[Part], days: np.ndarray, symbols: list[str]) -> DataError:
    cells = np.concatenate([cells for part in parts for _, cells in part.cells(len(days))])
    part_of = np.repeat(np.arange(len(parts)), [len(part.day) for part in parts])
    row_of = np.concatenate([np.arange(len(part.day)) for part in parts])
    order = np.argsort(cells, kind="stable")
    again = order[1:][np.diff(cells[order]) == 0]
    second = int(again.min())
    first = int(np.flatnonzero(cells == cells[second])[0])

    def place(at: int) -> tuple[str, int, str]:
        part = parts[part_of[at]]
        series = part.table.read(part.roles["date"])
        return part.table.where, part.table.row(series, int(row_of[at])), str(series.iloc[int(row_of[at])])

    (file, row, moment), (other_file, other_row, other_moment) = place(second), place(first)
    stock, day = divmod(int(cells[second]), len(days))
    other = f"row {other_row}" if other_file == file else f"{other_file} row {other_row}"
    within = f" (at {moment} and {other_moment}: make daily bars of those within a day)"
    return DataError(
        f"{file}: row {row} repeats {shorten(symbols[stock])} on {days[day]}, already in {other}"
        f"{within if moment != other_moment and file == other_file else ''}; "
        f"{len(again):,} such row{'s' if len(again) > 1 else ''} in all, keep one row per stock and day"
    )
