"""Columns named by stock and field at once: in header lines of their own, or in one name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from zoo.data.sources.columns import key, role_of
from zoo.data.sources.tables.dates import parse_moments

_OTHERS = frozenset({"dividends", "stocksplits", "capitalgains", "repaired", "amount", "turnover", "openinterest"})
_FIELDS = ("open", "high", "low", "close", "adj_close", "vwap", "volume", "factor", "change")
_CORNERS = frozenset(
    {"", "ticker", "tickers", "symbol", "symbols", "price", "attributes", "field", "date", "dates", "unnamed0"}
)
_LONGEST = 200  # characters of a name; what is longer is no name of a stock and a field
_TUPLE = re.compile(r"""\(['"](.*)['"], ['"](.*)['"]\)""")
_WORD = r"(adj(?:usted)?[ _.]?close|open|high|low|close|vwap|volume)"
_FIELD_FIRST = re.compile(rf"(?i){_WORD}[ _|:/.-]+(\S.*)")
_FIELD_LAST = re.compile(rf"(?i)(.*\S)[ _|:/.-]+{_WORD}")


@dataclass(frozen=True)
class Levels:
    """Columns of stocks and fields: their names, the date's, column -> (stock, field), header lines below the first."""

    names: list[str]
    date: str
    cells: Mapping[str, tuple[str, str]]
    header_rows: int


def header_levels(names: Sequence[str], rows: Sequence[Sequence[str]], above: Sequence[str] = ()) -> Levels | None:
    """Two header lines, one of fields and one of stocks in either order, and perhaps a third that names the dates.

    Args:
        names: the line that was taken for the header.
        rows: those below it.
        above: the one above it; a stock may be written once over all of its fields.
    """
    lines = [[_bare(name) for name in names], *rows[:2]]
    if len(above) == len(names) and len(names) > 1 and any(above[1:]) and len(set(names[1:])) < len(names) - 1:
        filled = list(above)
        for k in range(2, len(filled)):
            filled[k] = filled[k] or filled[k - 1]
        levels = _two(filled, lines[0])
        return levels and _with_third(levels, lines[1:2], 0, lines[0][0])
    if len(lines) < 2 or len(lines[1]) != len(names) or key(lines[1][0]) not in _CORNERS:
        return None
    levels = _two(lines[0], lines[1])
    return levels and _with_third(levels, lines[2:3], 1, "Date")


def name_levels(names: Sequence[str]) -> Levels | None:
    """Names such as `('Close', 'AAPL')`, `Close_AAPL` or `AAPL Close` in every column but the date's.

    Names with a word between are taken so only where every one of several stocks has the same fields.
    """
    pairs: dict[str, tuple[str, str]] = {}
    rest: list[str] = []
    tuples = False
    if any(len(name) > _LONGEST for name in names):
        return None
    for name in names:
        if match := _TUPLE.fullmatch(name):
            tuples = True
            (rest.append(name) if not match[2] or not match[1] else pairs.update({name: (match[2], match[1])}))
        elif match := _FIELD_FIRST.fullmatch(name):
            pairs[name] = (match[2], match[1])
        elif match := _FIELD_LAST.fullmatch(name):
            pairs[name] = (match[1], match[2])
        else:
            rest.append(name)
    if tuples and pairs and not all(_is_field(field) for _, field in pairs.values()):
        pairs = {name: (field, stock) for name, (stock, field) in pairs.items()}
    dates = [name for name in rest if role_of(_inner(name), outright=False) == "date"]
    if not dates or not pairs or len(set(names)) < len(names) or (len(rest) > len(dates)):
        return None
    cells = {name: (stock, role) for name, (stock, field) in pairs.items() if (role := role_of(field)) in _FIELDS}
    by_stock: dict[str, set[str]] = {}
    for stock, role in cells.values():
        by_stock.setdefault(stock, set()).add(role)
    closes = all({"close", "adj_close"} & fields for fields in by_stock.values())
    alike = len({frozenset(fields) for fields in by_stock.values()}) == 1
    if not closes or not (tuples or (alike and len(by_stock) > 1)):
        return None
    return Levels(list(names), dates[0], cells, 0)


def _two(one: Sequence[str], two: Sequence[str]) -> Levels | None:
    first, second = one[1:], two[1:]
    if not first or not all(first) or not all(second):
        return None
    fields, stocks = (first, second) if _all_fields(first) else (second, first)
    if _all_fields(first) and _all_fields(second) and key(one[0]) in ("ticker", "tickers", "symbol", "symbols"):
        fields, stocks = second, first
    if not _all_fields(fields) or not any(role_of(field) in ("close", "adj_close") for field in fields):
        return None
    pairs = list(zip(stocks, fields, strict=True))
    if len(set(pairs)) < len(pairs):
        return None
    names = ["Date", *(f"{field} {stock}" for stock, field in pairs)]
    cells = {name: (stock, str(role_of(field))) for name, (stock, field) in zip(names[1:], pairs, strict=True)}
    return Levels(names, "Date", {name: cell for name, cell in cells.items() if cell[1] in _FIELDS}, 1)


def _with_third(levels: Levels, third: Sequence[Sequence[str]], below: int, date: str) -> Levels:
    """The levels with the number of header lines below the first, of which the last may name the dates alone."""
    alone = bool(third) and bool(third[0]) and not any(third[0][1:]) and bool(third[0][0]) and not _dated(third[0][0])
    return Levels(levels.names, levels.date, levels.cells, below + alone)


def _dated(text: str) -> bool:
    import numpy as np

    return not bool(np.isnat(parse_moments(np.array([text], dtype=np.str_)).days[0]))


def _bare(name: str) -> str:
    """The header's own text of a column that got a name for lack of one."""
    return "" if name.startswith("Unnamed: ") else name


def _inner(name: str) -> str:
    match = _TUPLE.fullmatch(name)
    return (match[1] or match[2]) if match else name


def _is_field(name: str) -> bool:
    return role_of(name) in _FIELDS or key(name) in _OTHERS


def _all_fields(names: Sequence[str]) -> bool:
    return all(map(_is_field, names))
