"""The one pivot: tables of long rows (date, symbol, prices) -> Panel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from zoo.data.panel import FIELDS, Concepts, Panel, presence
from zoo.data.sources.cells import Table, to_days, to_floats, to_names
from zoo.data.sources.columns import key, missing, recognise, shorten
from zoo.data.sources.concepts import concepts_of_rows
from zoo.data.sources.values import Tally, absent_fields
from zoo.errors import DataError

BLOCK = 1 << 20  # rows scattered at a time: index arrays of a block are 8 MiB whatever the file's size
EXTRA = ("factor", "change")


@dataclass
class _Part:
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


def frame_panel(frame: pd.DataFrame, *, name: str = "frame", concepts: str | None = None) -> Panel:
    """A long frame -> Panel; date and symbol may be columns or index levels, as (datetime, instrument).

    Raises:
        DataError: as `tables_panel`; messages count rows from 1.
    """
    if frame.columns.nlevels > 1:
        raise DataError(f"{name}: its columns have {frame.columns.nlevels} levels; stack them into long rows")
    index = frame.index
    if isinstance(index, (pd.MultiIndex, pd.DatetimeIndex)) or (index.name is not None):
        labels = [str(label) for label in index.names if label is not None]
        frame = frame.reset_index(drop=bool(labels) and set(labels) <= set(map(str, frame.columns)))
    else:
        frame = frame.reset_index(drop=True)
    names = tuple(str(column) for column in frame.columns)
    position = {column: k for k, column in enumerate(names)}
    table = Table(name, names, lambda column: frame.iloc[:, position[column]])
    return tables_panel([table], name, concepts=concepts)


def tables_panel(tables: Sequence[Table], name: str, *, concepts: str | None = None) -> Panel:
    """Long rows of one or several tables -> Panel; fields are those that any table has.

    Where there is an adjusted close it becomes the close, and open, high, low and vwap are scaled with it
    in float64; volume stays as it is. Membership runs from a stock's first to its last close.

    Args:
        concepts: the column that groups stocks; by default `sector`, else `industry`, where there is one.

    Raises:
        DataError: no rows, a column missing or ambiguous, a cell that is no date or number, a (date, symbol)
            pair that occurs twice. Each names file and row.
    """
    several = "; every table of a directory is read: move away what is no daily data" if len(tables) > 1 else ""
    parts = [_read_keys(table, several) for table in tables]
    empty = [part.table.where for part in parts if not len(part.day)]
    parts = [part for part in parts if len(part.day)]
    if not parts:
        raise DataError(f"{name}: no rows below the header; a row per stock and day is needed")
    days, symbols = _place_on_grid(parts, name)
    tally = Tally()
    fields = _fields(parts)
    values = np.full((len(symbols), len(days), len(fields)), np.nan, dtype=np.float32)
    flat = values.reshape(-1, len(fields))
    for part in parts:
        unseen = np.ones(len(part.day), bool)
        for field, column in _columns(part, tally, unseen):
            for rows, cells in part.cells(len(days)):
                flat[cells, fields.index(field)] = column[rows]
        tally.blank += int(unseen.sum())
    close = values[:, :, fields.index("close")].T
    if not np.isfinite(close).any():
        raise DataError(f"{name}: no row has a close price")
    notes = [*_reading(parts), *tally.notes(), *absent_fields(fields)]
    if empty:
        some = ", ".join(empty[:3]) + (", ..." if len(empty) > 3 else "")
        files = "file without rows is" if len(empty) == 1 else "files without rows are"
        notes.append(f"{len(empty)} {files} left out: {some}")
    notes.append("universe: each stock from its first to its last close, as the source states no membership")
    group, group_notes = _concepts(parts, len(symbols), len(days), concepts)
    return Panel(
        days=days,
        symbols=symbols,
        fields=fields,
        values=values.transpose(1, 0, 2),
        member=presence(close),
        concepts=group,
        name=name,
        notes=(*notes, *group_notes),
    )


def _read_keys(table: Table, advice: str) -> _Part:
    roles = recognise(table.columns, table.where)
    if "date" not in roles:
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
    return _Part(table, roles, day, stock, names)


def _place_on_grid(parts: Sequence[_Part], name: str) -> tuple[np.ndarray, np.ndarray]:
    """The days and symbols of all parts, whose `day` and `stock` become positions among them."""
    first = min(int(part.day.min()) for part in parts)
    present = np.zeros(max(int(part.day.max()) for part in parts) - first + 1, dtype=bool)
    known: set[str] = set()
    for part in parts:
        part.day -= np.int32(first)
        present[part.day] = True
        used = np.bincount(part.stock, minlength=len(part.names)) > 0
        known.update(text for text, seen in zip(part.names, used, strict=True) if seen)
    days = (np.flatnonzero(present) + first).astype("datetime64[D]")
    symbols = sorted(known)
    _check_size(len(days), len(symbols), sum(len(part.day) for part in parts), name)
    calendar = (np.cumsum(present) - 1).astype(np.int32)
    position = {text: k for k, text in enumerate(symbols)}
    occupied = np.zeros(len(days) * len(symbols), dtype=bool)
    for part in parts:
        part.day = calendar[part.day]
        part.stock = np.array([position.get(text, 0) for text in part.names], dtype=np.int32)[part.stock]
        for _, cells in part.cells(len(days)):
            occupied[cells] = True
    if int(occupied.sum()) < sum(len(part.day) for part in parts):
        raise _duplicate(parts, days, symbols)
    return days, np.array(symbols, dtype=np.str_)


def _check_size(n_days: int, n_stocks: int, n_rows: int, name: str) -> None:
    cells = n_days * n_stocks
    if cells > 1e8 and n_rows < cells / 1000:
        raise DataError(
            f"{name}: {n_rows:,} rows name {n_stocks:,} symbols on {n_days:,} days, less than one cell in a "
            f"thousand; is the symbol column really the stock?"
        )


def _duplicate(parts: Sequence[_Part], days: np.ndarray, symbols: list[str]) -> DataError:
    cells = np.concatenate([cells for part in parts for _, cells in part.cells(len(days))])
    part_of = np.repeat(np.arange(len(parts)), [len(part.day) for part in parts])
    row_of = np.concatenate([np.arange(len(part.day)) for part in parts])
    order = np.argsort(cells, kind="stable")
    again = order[1:][np.diff(cells[order]) == 0]
    second = int(again.min())
    first = int(np.flatnonzero(cells == cells[second])[0])

    def place(at: int) -> tuple[str, int]:
        table, roles = parts[part_of[at]].table, parts[part_of[at]].roles
        return table.where, table.row(table.read(roles["date"]), int(row_of[at]))

    (file, row), (other_file, other_row) = place(second), place(first)
    stock, day = divmod(int(cells[second]), len(days))
    other = f"row {other_row}" if other_file == file else f"{other_file} row {other_row}"
    return DataError(
        f"{file}: row {row} repeats {shorten(symbols[stock])} on {days[day]}, already in {other}; "
        f"{len(again):,} such row{'s' if len(again) > 1 else ''} in all, keep one row per stock and day"
    )


def _fields(parts: Sequence[_Part]) -> tuple[str, ...]:
    found = {role for part in parts for role in part.roles} | {"close"}
    found |= {"factor" for part in parts if {"close", "adj_close"} <= set(part.roles)}
    return tuple(name for name in (*FIELDS, *EXTRA) if name in found)


def _columns(part: _Part, tally: Tally, unseen: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Field by field, cleaned and adjusted float64 columns; `unseen` ends as the rows without any value."""

    def column(role: str) -> np.ndarray:
        values = to_floats(part.table, part.roles[role])
        unseen[:] &= np.isnan(values)
        return values

    ratio: np.ndarray | None = None
    if "adj_close" in part.roles:
        adjusted = tally.clean("adj_close", column("adj_close"))
        if "close" in part.roles:
            ratio = adjusted / tally.clean("close", column("close"))
            if "factor" not in part.roles:
                yield "factor", ratio
        yield "close", adjusted
    for role in (*FIELDS, *EXTRA):
        if role not in part.roles or (role == "close" and "adj_close" in part.roles):
            continue
        values = column(role)
        if ratio is not None and role in ("open", "high", "low", "vwap"):
            values = values * ratio
        yield role, tally.clean(role, values)


def _reading(parts: Sequence[_Part]) -> list[str]:
    """What columns were read as what, and how prices were adjusted."""
    roles, columns = parts[0].roles, parts[0].table.columns
    told = [f"{column} as {role}" if key(column) != key(role) else column for role, column in roles.items()]
    told = [shorten(text) for text in told]
    if "symbol" not in roles:
        told.insert(1, "the file's name as symbol")
    ignored = [shorten(column, 30) for column in columns if column not in roles.values()]
    left = f"; ignored: {', '.join(ignored[:8])}{', ...' if len(ignored) > 8 else ''}" if ignored else ""
    notes = [f"columns read: {', '.join(told)}{left}"]
    both = [part for part in parts if {"close", "adj_close"} <= set(part.roles)]
    if both:
        scaled = [role for role in ("open", "high", "low", "vwap") if role in both[0].roles]
        also = f"; {', '.join(scaled)} scaled by adj_close / close, volume left as it is" if scaled else ""
        notes.append(f"close is the adjusted close ({both[0].roles['adj_close']}){also}")
    elif any("adj_close" in part.roles for part in parts):
        notes.append("close is the adjusted close; there is no unadjusted one, so other prices are not scaled")
    else:
        notes.append("no adjusted close: prices are used as they are")
    return notes


def _concepts(
    parts: Sequence[_Part], n_stocks: int, n_days: int, column: str | None
) -> tuple[Concepts | None, list[str]]:
    """Concepts from a column of the rows, and the note on them."""
    chosen = [column or part.roles.get("sector") or part.roles.get("industry") for part in parts]
    grouped = [(part, name) for part, name in zip(parts, chosen, strict=True) if name in part.table.columns]
    if not grouped:
        return None, []
    position: dict[str, int] = {}
    code = np.full(n_stocks * n_days, -1, dtype=np.int32)
    for part, name in grouped:
        codes, own = to_names(part.table, name, optional=True)
        into = np.array([position.setdefault(text, len(position)) for text in own] + [-1], dtype=np.int32)
        for rows, cells in part.cells(n_days):
            code[cells] = into[codes[rows]]
    if (code < 0).all() and column is not None:
        raise DataError(f"{grouped[0][0].table.where}: column {column!r} of concepts is empty")
    if (code < 0).all():
        return None, [f"concepts: column {grouped[0][1]} is empty"]
    return concepts_of_rows(code.reshape(n_stocks, n_days), list(position), grouped[0][1])
