"""Files of columns, joined to a panel point-in-time, and files of labels, joined on their days."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from zoo.config import ColumnLabel, DataConfig, FeatureFile
from zoo.data.own.asked import Asked, field_of, matches
from zoo.data.own.columns import named, numbers
from zoo.data.pages import release, room_like, stock_blocks
from zoo.data.panel import Panel
from zoo.data.sources.cells import Table, to_days, to_names
from zoo.data.sources.columns import PANEL_ROLES, listed, missing, recognise, shorten
from zoo.data.sources.values import LIMITS
from zoo.errors import ConfigError, DataError

_KEYS = {role: PANEL_ROLES[role] for role in ("date", "symbol")}


@dataclass(frozen=True)
class Keyed:
    """One file of columns.

    Attributes:
        table: its rows.
        roles: the columns of dates and symbols.
        columns: field -> the spelling of its column, of those that are asked for.
        how: when its rows are known.
        label: whether it is the file of a given label.
    """

    table: Table
    roles: dict[str, str]
    columns: dict[str, list[str]]
    how: FeatureFile
    label: bool = False


def asked_of(config: DataConfig) -> tuple[Asked, list[Keyed]]:
    """The columns that a configuration wants of its source, and the files that give others.

    Raises:
        DataError: a file is missing, cannot be read, or has no dates or symbols.
        ConfigError: two files have a column that is asked for, or a label's file has not its column.
    """
    from zoo.data.features import FEATURE_SETS

    entries = tuple(entry for entry in config.entries if entry not in FEATURE_SETS)
    tables = [_open(one, Asked(entries), "data.feature_files") for one in config.feature_files if entries]
    elsewhere = {keyed.table.where: tuple(_numbers(keyed)) for keyed in tables}
    for entry in entries:
        having = [where for where, names in elsewhere.items() if matches(entry, names)]
        same = {name for names in elsewhere.values() for name in matches(entry, names)}
        if len(having) > len(same):
            raise ConfigError(f"data.features: {entry!r} is a column of {' and of '.join(having)}; rename one")
    label = config.label if isinstance(config.label, ColumnLabel) else None
    if label is not None and label.file is not None:
        found = _open(FeatureFile(file=label.file), Asked(label=label.column), "data.label.file")
        if not found.columns:
            Asked(label=label.column).check(found.table.where, (), _numbers(found), found.table.wordy)
        tables.append(replace(found, label=True))
        label = None
    # Prices are every panel's; only other columns have to be looked for.
    return Asked(entries, label and label.column, elsewhere, tuple(FEATURE_SETS)), tables


def with_files(panel: Panel, config: DataConfig, tables: list[Keyed]) -> Panel:
    """The panel with the columns of its files behind its fields, and what was left out told.

    Raises:
        DataError: a (date, symbol) that a file has twice, no symbol of a file in the data, or a cell that is no number.
    """
    notes = []
    if config.feature_files and not any(not keyed.label for keyed in tables):
        notes.append("data.feature_files are not read: data.features asks for no column")
    new = [(keyed, name) for keyed in tables for name in keyed.columns]
    for keyed in tables:
        if not keyed.columns:
            names = listed(_numbers(keyed), 8)
            notes.append(f"{keyed.table.where}: data.features asks for none of its columns ({names})")
    if not new:
        return panel.with_notes(*notes)
    clash = [name for _, name in new if name in panel.fields]
    if clash:
        raise ConfigError(f"data.features: {clash[0]!r} is a column of {panel.name} and of a feature file; rename one")
    values = room_like(panel.values, (panel.n_stocks, panel.n_days, len(panel.fields) + len(new)))
    for stocks in stock_blocks(panel.stock_major):
        values[stocks, :, : len(panel.fields)] = panel.stock_major[stocks]
        values[stocks, :, len(panel.fields) :] = np.nan
        release(values)
    at = len(panel.fields)
    for keyed in tables:
        if keyed.columns:
            width = len(keyed.columns)
            notes += _join(keyed, panel, values[:, :, at : at + width])
            at += width
    fields = (*panel.fields, *(name for _, name in new))
    return replace(panel, fields=fields, values=values.transpose(1, 0, 2)).with_notes(*notes)


def _open(how: FeatureFile, own: Asked, place: str) -> Keyed:
    from zoo.data.sources.paths import nearest, open_table

    path = Path(how.file).expanduser()
    if not path.is_file():
        what = "is a folder; give one file" if path.is_dir() else f"no such file{nearest(path)}"
        raise DataError(f"{place}: {path}: {what}")
    table = open_table(path, where=how.file, roles=_KEYS, own=own)
    roles = recognise(table.columns, table.where, _KEYS)
    for role in _KEYS:
        if role not in roles:
            raise missing(role, table.columns, table.where, f"; {place} needs a row per date and symbol")
    columns = named([(table, set(roles.values()))], own, table.where, (), check=False)
    wordy = [column for column in table.wordy if column not in roles.values()]
    for entry in own.entries:
        if text := matches(entry, wordy) if field_of(entry) is None and own.explicit(entry) else []:
            raise ConfigError(f"data.features: column {text[0]!r} of {table.where} holds no numbers")
    # A price belongs to the source, whatever other files repeat of it.
    return Keyed(table, roles, {name: cells for name, cells in columns.items() if field_of(name) is None}, how)


def _numbers(keyed: Keyed) -> list[str]:
    not_own = {*keyed.roles.values(), *keyed.table.wordy}
    return [column for column in keyed.table.columns if column not in not_own and field_of(column) is None]


def _join(keyed: Keyed, panel: Panel, out: np.ndarray) -> list[str]:
    """Fill `out [N, D, columns]`; a row of a label is of its own day only."""
    table, how = keyed.table, keyed.how
    day = to_days(table, keyed.roles["date"])
    codes, names = to_names(table, keyed.roles["symbol"])
    position = _positions(names, panel.symbols.tolist())
    stock = np.array([*position, -1], dtype=np.int64)[codes]
    _refuse_twice(keyed, day, codes, stock)
    if not (stock >= 0).any():
        example = f"the file has {shorten(names[0])!r}, the data {shorten(panel.symbols[0])!r}" if names else "no rows"
        raise DataError(f"{table.where}: none of its symbols is in the data; {example}")
    known = day + np.timedelta64(how.as_of, "D")
    late = known > panel.days[-1]
    notes = _outside(keyed, stock, late, names, position, panel)
    rows = np.flatnonzero((stock >= 0) & ~late)
    rows = rows[np.lexsort((known[rows], stock[rows]))]
    borders = np.searchsorted(stock[rows], np.arange(panel.n_stocks + 1))
    columns = {}
    infinite = 0
    for name, spelled in keyed.columns.items():
        values = numbers(table, spelled)
        assert values is not None
        bad = (values > LIMITS.max) | (values < LIMITS.min)
        infinite += int(bad.sum())
        columns[name] = np.where(bad, np.nan, values)
    if infinite:
        notes.append(f"{table.where}: {infinite:,} values are infinite or beyond float32 and are treated as missing")
    n_off = 0
    for n in range(panel.n_stocks):
        own = rows[borders[n] : borders[n + 1]]
        if not len(own):
            continue
        latest = np.searchsorted(known[own], panel.days, side="right") - 1
        seen = latest >= 0
        row = own[np.maximum(latest, 0)]
        if keyed.label:
            seen &= day[row] == panel.days
            n_off += len(own) - int(seen.sum())
        elif how.max_age is not None:
            seen &= panel.days - day[row] <= np.timedelta64(how.max_age, "D")
        for k, values in enumerate(columns.values()):
            out[n, seen, k] = values[row[seen]]
    if n_off:
        notes.append(f"{table.where}: {n_off:,} rows are of days that the data have not, and are left out")
    return notes


def _positions(names: list[str], symbols: list[str]) -> list[int]:
    """The stock of every name of a file, -1 where there is none; case does not count where it tells none apart."""
    exact = {symbol: k for k, symbol in enumerate(symbols)}
    folded: dict[str, list[int]] = {}
    for symbol, k in exact.items():
        folded.setdefault(symbol.casefold(), []).append(k)
    alike = {text: group[0] for text, group in folded.items() if len(group) == 1}
    return [exact.get(name, alike.get(name.casefold(), -1)) for name in names]


def _refuse_twice(keyed: Keyed, day: np.ndarray, codes: np.ndarray, stock: np.ndarray) -> None:
    who = np.where(stock >= 0, stock, -1 - codes.astype(np.int64))
    order = np.lexsort((np.arange(len(day)), day, who))
    again = order[1:][(np.diff(who[order]) == 0) & (np.diff(day[order]).astype(np.int64) == 0)]
    if len(again):
        series = keyed.table.series(keyed.roles["symbol"])
        second = int(again.min())
        raise DataError(
            f"{keyed.table.where}: row {keyed.table.row(series, second)} repeats {shorten(series.iloc[second])} on "
            f"{day[second]}; {len(again):,} such in all, keep one row per date and symbol"
        )


def _outside(
    keyed: Keyed, stock: np.ndarray, late: np.ndarray, names: list[str], position: list[int], panel: Panel
) -> list[str]:
    where, as_of, max_age = keyed.table.where, keyed.how.as_of, keyed.how.max_age
    strange = [name for name, at in zip(names, position, strict=True) if at < 0]
    notes = []
    if not keyed.label:
        days = f"{as_of} calendar days after its date" if as_of else "from its date on"
        forgotten = "" if max_age is None else f" and forgotten {max_age} calendar days after it"
        notes.append(f"{where}: joined point-in-time, a row is known {days}{forgotten}")
    if strange:
        n_rows = int((stock < 0).sum())
        notes.append(f"{where}: {n_rows:,} rows of {len(strange):,} symbols that the data have not: {listed(strange)}")
    if n_late := int((late & (stock >= 0)).sum()):
        notes.append(f"{where}: {n_late:,} rows are known after the last day of the data, {panel.days[-1]}")
    return notes
