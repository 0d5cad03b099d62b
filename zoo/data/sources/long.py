"""The one pivot: tables of long rows (date, symbol, prices) -> Panel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from zoo.data.own import columns as own_columns
from zoo.data.own.asked import Asked, refuse_wide
from zoo.data.panel import EXTRA, FIELDS, Concepts, Panel, presence
from zoo.data.sources.adjustment import check_seams, reading_notes
from zoo.data.sources.bad_files import BadFiles
from zoo.data.sources.cells import Table, kind, to_floats, to_names
from zoo.data.sources.columns import OPTIONAL, listed
from zoo.data.sources.concepts import concepts_of_rows
from zoo.data.sources.layout import recognise_layout
from zoo.data.sources.layout.grid import long_table
from zoo.data.sources.layout.kinds import Kind
from zoo.data.sources.parts import Part, check_twins, place_on_grid, read_keys
from zoo.data.sources.tables.zones import known_zone
from zoo.data.sources.values import Tally, absent_fields
from zoo.errors import DataError


def frame_panel(
    frame: pd.DataFrame,
    *,
    name: str = "frame",
    concepts: str | None = None,
    timezone: str | None = None,
    own: Asked | None = None,
) -> Panel:
    """A frame -> Panel; date and symbol may be columns or index levels, as (datetime, instrument), or it may be wide.

    Raises:
        DataError: as `tables_panel`; messages count rows from 1.
    """
    frame = flat_frame(frame)
    names = tuple(str(column) for column in frame.columns)
    position = {column: k for k, column in enumerate(names)}
    kinds: dict[str, Kind] = {column: _KINDS.get(kind(frame.iloc[:, k]), "text") for k, column in enumerate(names)}
    wordy = own_columns.wordy_of(frame, names, kinds) if own else frozenset()
    zone = known_zone(timezone)
    table = Table(name, names, lambda column: frame.iloc[:, position[column]], zone=zone, wordy=wordy)
    layout = recognise_layout(names, kinds, name, name)
    if own and own.beyond_prices and layout.kind != "long":
        refuse_wide(name)
    return tables_panel([long_table(table, layout)], name, concepts=concepts, own=own)


def flat_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with the levels of its index as columns, unless they are nothing but row numbers or there already."""
    index = frame.index
    if isinstance(index, (pd.MultiIndex, pd.DatetimeIndex)) or (index.name is not None):
        labels = [str(label) for label in index.names if label is not None]
        return frame.reset_index(drop=bool(labels) and set(labels) <= set(map(str, frame.columns)))
    return frame.reset_index(drop=True)


_KINDS: dict[str, Kind] = {"i": "int", "u": "int", "f": "float", "M": "date"}


def tables_panel(
    tables: Sequence[Table],
    name: str,
    *,
    concepts: str | None = None,
    bad: BadFiles | None = None,
    own: Asked | None = None,
) -> Panel:
    """Long rows of one or several tables -> Panel; fields are those that any table has.

    Where there is an adjusted close it becomes the close, and open, high, low and vwap are scaled with it
    in float64; volume stays as it is. Membership runs from a stock's first to its last close.

    Args:
        concepts: the column that groups stocks; by default `sector`, else `industry`, where there is one.
        bad: gathers the errors of single tables; by default the first one is raised.
        own: further columns, which become fields behind the usual ones.

    Raises:
        DataError: no rows, a column missing or ambiguous, a cell that is no date or number, a (date, symbol)
            pair that occurs twice, a stock with and without adjusted close. Each names file and row.
    """
    bad = bad or BadFiles(1, skip=False)
    several = "; every table of a directory is read: move away what is no daily data" if len(tables) > 1 else ""
    keyed = [bad.attempt(table.where, lambda table=table: read_keys(table, several)) for table in tables]
    bad.settle()
    parts = [part for part in keyed if part is not None and len(part.day)]
    empty = [part.table.where for part in keyed if part is not None and not len(part.day)]
    if not parts:
        raise DataError(f"{name}: no rows below the header; a row per stock and day is needed")
    days, symbols, symbol_notes = place_on_grid(parts, name)
    check_seams(parts, days, symbols)
    tally = Tally()
    fields = _fields(parts)
    owned = own_columns.choose(parts, own, name, fields) if own else {}
    values = np.full((len(symbols), len(days), len(fields) + len(owned)), np.nan, dtype=np.float32)
    n_bad = len(bad.errors)
    for part in parts:
        bad.attempt(part.table.where, lambda part=part: _scatter(part, tally, values, fields, owned))
    bad.settle()
    if len(bad.errors) > n_bad:
        # Their keys are in the grid already.
        good = [table for table in tables if table.where not in bad.errors]
        return tables_panel(good, name, concepts=concepts, bad=bad, own=own)
    if _fields(parts) != fields:
        read = [k for k, field in enumerate(fields) if field in _fields(parts)]
        values = values[:, :, [*read, *range(len(fields), values.shape[2])]]
        fields = _fields(parts)
    close = values[:, :, fields.index("close")].T
    if not np.isfinite(close).any():
        raise DataError(f"{name}: no row has a close price")
    symbol_notes += check_twins(close, symbols)
    notes = [
        *reading_notes(parts, owned),
        *_told(parts),
        *own_columns.notes(parts, owned),
        *symbol_notes,
        *tally.notes(),
        *absent_fields(fields),
        *bad.notes(),
    ]
    if empty:
        files = "file without rows is" if len(empty) == 1 else "files without rows are"
        notes.append(f"{len(empty)} {files} left out: {listed(empty)}")
    notes.append("universe: each stock from its first to its last close, as the source states no membership")
    group, group_notes = _concepts(parts, len(symbols), len(days), concepts)
    return Panel(
        days=days,
        symbols=symbols,
        fields=(*fields, *owned),
        values=values.transpose(1, 0, 2),
        member=presence(close),
        concepts=group,
        name=name,
        notes=(*notes, *group_notes),
    )


def _told(parts: Sequence[Part]) -> list[str]:
    """What was decided about the values of each file, once, with the files where they are not all."""
    files: dict[str, list[str]] = {}
    for part in parts:
        for text, columns in part.table.told.items():
            told = f"{text}: {listed(columns, 8)}" if columns else text
            files.setdefault(told, []).append(part.table.where)
    total = len(parts)
    return [
        text if len(where) == total else f"{text} ({len(where):,} of {total:,} files: {listed(where)})"
        for text, where in files.items()
    ]


def _scatter(
    part: Part,
    tally: Tally,
    values: np.ndarray,
    fields: Sequence[str],
    owned: Mapping[str, Sequence[str]],
) -> None:
    """Write the columns of a part to their cells of `[N, D, F]`, those of the user's own behind the `fields`."""
    flat = values.reshape(-1, values.shape[2])
    unseen = np.ones(len(part.day), bool)
    for field, column in _columns(part, tally, unseen):
        for rows, cells in part.cells(values.shape[1]):
            flat[cells, fields.index(field)] = column[rows]
    tally.blank += int(unseen.sum())
    for k, name in enumerate(owned, start=len(fields)):
        column = own_columns.numbers(part.table, owned[name])
        if column is not None:
            column = tally.finite(name, column)
            for rows, cells in part.cells(values.shape[1]):
                flat[cells, k] = column[rows]


def _fields(parts: Sequence[Part]) -> tuple[str, ...]:
    found = {role for part in parts for role in part.roles} | {"close"}
    found |= {"factor" for part in parts if {"close", "adj_close"} <= set(part.roles)}
    return tuple(name for name in (*FIELDS, *EXTRA) if name in found)


def _columns(part: Part, tally: Tally, unseen: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Field by field, cleaned and adjusted float64 columns; `unseen` ends as the rows without any value."""

    def column(role: str) -> np.ndarray:
        values = to_floats(part.table, part.roles[role])
        unseen[:] &= np.isnan(values)
        return values

    ratio: np.ndarray | None = None
    if "adj_close" in part.roles:
        adjusted = tally.clean("adj_close", column("adj_close"))
        if "close" in part.roles:
            close = tally.clean("close", column("close"))
            ratio = adjusted / close
            alone = int((np.isnan(adjusted) & np.isfinite(close)).sum())
            if alone:
                told = "rows have a close but no adjusted close: no price, as a return to it would be made up"
                part.table.tell(f"{alone:,} {told}")
            if "factor" not in part.roles:
                yield "factor", ratio
        yield "close", adjusted
    for role in (*FIELDS, *EXTRA):
        if role not in part.roles or (role == "close" and "adj_close" in part.roles):
            continue
        try:
            values = column(role)
        except DataError as error:
            if role not in OPTIONAL:
                raise
            part.table.tell(f"a column that nobody needs is left out ({error})", part.roles.pop(role))
            continue
        if ratio is not None and role in ("open", "high", "low", "vwap"):
            values = values * ratio
        yield role, tally.clean(role, values)


def _concepts(
    parts: Sequence[Part], n_stocks: int, n_days: int, column: str | None
) -> tuple[Concepts | None, list[str]]:
    """Concepts from a column of the rows, and the note on them."""
    chosen = [column or part.roles.get("sector") or part.roles.get("industry") for part in parts]
    grouped = [(part, name) for part, name in zip(parts, chosen, strict=True) if name in part.table.columns]
    if not grouped:
        return None, []
    position: dict[str, int] = {}
    code = np.full(n_stocks * n_days, -1, dtype=np.int32)
    for part, name in grouped:
        try:
            codes, own = to_names(part.table, name, optional=True)
        except DataError:
            if column is not None:
                raise
            return None, [f"concepts: column {name} cannot be read"]
        into = np.array([position.setdefault(text, len(position)) for text in own] + [-1], dtype=np.int32)
        for rows, cells in part.cells(n_days):
            code[cells] = into[codes[rows]]
    if (code < 0).all() and column is not None:
        raise DataError(f"{grouped[0][0].table.where}: column {column!r} of concepts is empty")
    if (code < 0).all():
        return None, [f"concepts: column {grouped[0][1]} is empty"]
    return concepts_of_rows(code.reshape(n_stocks, n_days), list(position), grouped[0][1])
