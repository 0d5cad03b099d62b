"""How a table lays out stocks, days and fields, recognised before any column is taken for a field.

long         a row per stock and day, fields in columns; the stock in a column, a folder's or the file's name
wide         a row per day, a column per stock, or per stock and field; the field in the file's name, in the columns'
             names or in header lines of their own; also a row per stock and a column per day
pairs        a row per stock, day and field
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from zoo.data.sources.columns import PANEL_ROLES, PRICES, Synonyms, key, recognise, role_of
from zoo.data.sources.layout.headers import header_levels, name_levels
from zoo.data.sources.layout.kinds import Kind, kinds_of, names_are_dates

FIELD_WORDS = frozenset({"field", "variable", "item", "attribute", "indicator", "metric", "feature", "price", "指标"})
VALUE_WORDS = frozenset({"value", "values", "val", "0", "unnamed3", "数值"})
_NO_TICKERS = """
amount turnover turn return returns ret shrout marketcap mktcap pe pb pctchg pctchange preclose prevclose trades
dividends stocksplits amplitude signal label score weight price settle openinterest value id
成交额 振幅 涨跌幅 涨跌额 换手率
"""
NO_TICKERS = frozenset(_NO_TICKERS.split())
"""Columns that are no stocks; where one of them is found columns are not taken for stocks."""


@dataclass(frozen=True)
class Layout:
    """Where a table keeps what.

    Attributes:
        kind: see above; `transposed` is wide with a column per day.
        names: the columns' names, each once where `cells` names them.
        roles: role -> column; of pairs also `field` and `value`.
        cells: of wide tables, column -> (stock, field).
        field: of wide tables, the one field of all cells where there is only one.
        header_rows: lines below the first header line that are header too.
    """

    kind: Literal["long", "wide", "transposed", "pairs"]
    names: Sequence[str]
    roles: Mapping[str, str]
    cells: Mapping[str, tuple[str, str]]
    field: str | None = None
    header_rows: int = 0

    @property
    def numbers(self) -> frozenset[str]:
        """The columns that hold numbers."""
        numeric = (*PRICES, "volume", "factor", "change", "value")
        return frozenset(self.cells) | {column for role, column in self.roles.items() if role in numeric}

    @property
    def wanted(self) -> frozenset[str]:
        """All columns that are read."""
        return frozenset(self.cells) | frozenset(self.roles.values())


def recognise_layout(
    names: Sequence[str],
    sample: Sequence[Sequence[str]] | Mapping[str, Kind],
    file: str,
    where: str,
    roles: Mapping[str, Synonyms] = PANEL_ROLES,
    *,
    above: Sequence[str] = (),
) -> Layout:
    """The layout of a table.

    Args:
        names: its columns, as the header names them.
        sample: the first rows as texts, or the kind of every column where the format knows it.
        file: the file's name: that of a field says what a column per stock holds.
        roles: any but `PANEL_ROLES` are those of long tables.
        above: the line above the header, where it has as many cells.

    Raises:
        DataError: two columns fill one role equally well.
    """
    if roles is not PANEL_ROLES:
        return Layout("long", names, recognise(names, where, roles), {})
    rows = [] if isinstance(sample, Mapping) else sample
    levels = header_levels(names, rows, above)
    if levels is None and {"date", "close"} <= {role_of(name) for name in names}:
        return Layout("long", names, recognise(names, where), {})
    levels = levels or name_levels(names)
    if levels is not None:
        fields = {field for _, field in levels.cells.values()}
        one = fields.pop() if len(fields) == 1 else None
        return Layout("wide", levels.names, {"date": levels.date}, levels.cells, one, levels.header_rows)
    kinds = sample if isinstance(sample, Mapping) else kinds_of(names, rows)
    by_key = {key(name): name for name in reversed(names)}
    field, value = (next((by_key[w] for w in words if w in by_key), None) for words in (FIELD_WORDS, VALUE_WORDS))
    if field is not None and value is not None and kinds[field] == "text":
        found = recognise([name for name in names if name not in (field, value)], where)
        if {"date", "symbol"} <= found.keys() and not {"close", "adj_close"} & found.keys():
            return Layout("pairs", names, {**found, "field": field, "value": value}, {})
    return (
        _transposed(names, kinds)
        or _wide(names, kinds, rows, file)
        or Layout("long", names, recognise(names, where), {})
    )


def field_of(file: str) -> str | None:
    """The field that a file's name names: `close.csv`, `adj_close.parquet`, `sp500 volume.csv`."""
    stem = re.sub(r"(?i)(\.(csv|txt|tsv|dat|parquet|pq|gz|zip|bz2|xz))+$", "", file)
    stem = re.sub(r"(?i)adj(usted)?[ _.-]*close", "adjclose", stem)
    parts = [part for part in re.split(r"[^^\w]|_", stem) if part]
    found = {role for part in (stem, *parts) if (role := role_of(part)) in (*PRICES, "volume", "factor")}
    return found.pop() if len(found) == 1 else None


def _transposed(names: Sequence[str], kinds: Mapping[str, Kind]) -> Layout | None:
    dated = names_are_dates(names)
    others = [name for name, is_date in zip(names, dated, strict=True) if not is_date]
    if sum(dated) < 3 or len(others) > 3 or len(set(names)) < len(names):
        return None
    symbol = next((name for name in others if role_of(name, outright=False) == "symbol"), others[0] if others else None)
    if symbol is None or kinds[symbol] == "float":
        return None
    cells = {name: (name, "close") for name, is_date in zip(names, dated, strict=True) if is_date}
    return Layout("transposed", names, {"symbol": symbol}, cells, "close")


def _wide(names: Sequence[str], kinds: Mapping[str, Kind], rows: Sequence[Sequence[str]], file: str) -> Layout | None:
    """A column per stock: most columns are numbers of no name known, and none of them is a close."""
    dates = [
        name for name in names if kinds[name] in ("date", "text", "int") and role_of(name, outright=False) == "date"
    ]
    tiers = PANEL_ROLES["date"]
    dates.sort(key=lambda name: (kinds[name] != "date", next(k for k, tier in enumerate(tiers) if key(name) in tier)))
    date = dates[0] if dates else names[0] if names and kinds[names[0]] == "date" else None
    # A header that holds a date itself is a row of values.
    if date is None or kinds_of([date], [[date]])[date] == "date":
        return None
    others = [name for name in names if name != date and not _is_counter(name, kinds)]
    if len(set(others)) < len(others) or any(kinds[name] in ("text", "date") for name in others):
        return None
    keys = {name: key(name) for name in others}
    roles = {name: role_of(name, outright=False) for name in others}
    if any(role in ("close", "adj_close") and len(keys[name]) > 1 for name, role in roles.items()):
        return None
    if any(word in NO_TICKERS for word in keys.values()):
        return None
    # An integer column that is named as one of symbols holds symbols: `code` beside prices.
    if any(role == "symbol" and kinds[name] == "int" and len(others) < 10 for name, role in roles.items()):
        return None
    unknown = [name for name in others if roles[name] is None]
    spelled = [name for name in others if role_of(name) in (*PRICES, "volume", "factor")]
    named = field_of(file)
    if not unknown or len(unknown) < (1 if named else 2) or len(spelled) * 2 > len(unknown):
        return None
    if named is None and _is_bar(names, roles, len(unknown), rows):
        return None
    field = named or "close"
    return Layout("wide", names, {"date": date}, {name: (name, field) for name in others}, field)


def _is_counter(name: str, kinds: Mapping[str, Kind]) -> bool:
    """Row numbers, or what stands behind separators that end the lines."""
    return key(name).startswith("unnamed") and kinds[name] in ("int", "empty")


def _is_bar(
    names: Sequence[str], roles: Mapping[str, str | None], n_unknown: int, rows: Sequence[Sequence[str]]
) -> bool:
    """Whether o, h, l, c are the bar of one stock and no tickers: low and high enclose the others in every row."""
    by_role: dict[str, list[str]] = {}
    for name, role in roles.items():
        by_role.setdefault(role or "", []).append(name)
    bar = [by_role.get(role, []) for role in ("open", "high", "low", "close")]
    if any(len(columns) != 1 for columns in bar):
        return False
    at = [names.index(columns[0]) for columns in bar]
    n_bars = 0
    for row in rows:
        try:
            o, h, low, c = (float(row[k]) for k in at)
        except (ValueError, IndexError):
            continue
        if not low <= min(o, c) <= max(o, c) <= h <= 2 * low:
            return False
        n_bars += 1
    return n_bars > 0 or n_unknown < 2
