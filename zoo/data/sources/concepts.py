"""Groups of stocks: a column of the rows (sector, industry), or a file symbol, concept[, start, end]."""

from __future__ import annotations

import numpy as np

from zoo.data.panel import Concepts
from zoo.data.sources.cells import Table, to_days, to_names
from zoo.data.sources.columns import CONCEPT_ROLES, missing, recognise, shorten
from zoo.errors import DataError


def concepts_of_rows(code: np.ndarray, names: list[str], column: str) -> tuple[Concepts, list[str]]:
    """Concepts from one code per stock and day, and the note on them.

    Where no stock ever changes its concept the column holds no dates: today's concepts stand for all of
    history (`snapshot`). Otherwise each holds from the day it first appears until the next one does.

    Args:
        code: `[N, D]` position in `names`, -1 where unknown.
    """
    n_stocks, n_days = code.shape
    order = sorted(range(len(names)), key=names.__getitem__)
    names = [names[k] for k in order]
    code = np.append(np.argsort(order), -1).astype(np.int32)[code]
    highest = code.max(axis=1)
    lowest = np.where(code >= 0, code, len(names)).min(axis=1)
    snapshot = bool((lowest >= highest).all())
    if snapshot:
        stock = np.flatnonzero(highest >= 0)
        what, start, end = highest[stock], np.zeros_like(stock), np.full_like(stock, n_days - 1)
    else:
        stock, what, start, end = _runs(code)
    built = _spans(stock, what, start, end, n_stocks, names, snapshot)
    return built, [_note(built, f"column {column}")]


def _runs(code: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(stock, code, first day, last day) of every stretch of one code; unknown days take the code before."""
    n_days = code.shape[1]
    last = np.maximum.accumulate(np.where(code >= 0, np.arange(n_days, dtype=np.int32), -1), axis=1)
    filled = np.where(last >= 0, np.take_along_axis(code, np.maximum(last, 0), axis=1), -1)
    stock, start = np.nonzero(np.diff(filled, axis=1, prepend=-1))
    end = np.append(start[1:] - 1, n_days - 1)
    end[np.append(stock[1:] != stock[:-1], True)] = n_days - 1
    return stock, filled[stock, start], start, end


def read_concepts(table: Table, symbols: np.ndarray, days: np.ndarray) -> tuple[Concepts, list[str]]:
    """Concepts from a table symbol, concept[, start, end] with both days inclusive and empty = open.

    Where no row in use has a date they are a `snapshot`: today's concepts stand for all of history.

    Args:
        symbols, days: `[N]` and `[D]` of the panel.

    Raises:
        DataError: a column or symbol is missing, a span ends before it starts, or no symbol is in the panel.
    """
    roles = recognise(table.columns, table.where, CONCEPT_ROLES)
    for role in ("symbol", "concept"):
        if role not in roles:
            raise missing(role, table.columns, table.where)
    who, own = to_names(table, roles["symbol"])
    what, names = to_names(table, roles["concept"])
    position = {text: k for k, text in enumerate(symbols.tolist())}
    stock = np.array([position.get(text, -1) for text in own], dtype=np.int64)[who]
    dates = {role: to_days(table, roles[role], optional=True) for role in ("start", "end") if role in roles}
    low, high = np.zeros(len(who), np.int64), np.full(len(who), len(days) - 1, np.int64)
    if "start" in dates:
        low = np.where(np.isnat(dates["start"]), low, np.searchsorted(days, dates["start"], side="left"))
    if "end" in dates:
        high = np.where(np.isnat(dates["end"]), high, np.searchsorted(days, dates["end"], side="right") - 1)
    if len(dates) == 2 and (wrong := dates["start"] > dates["end"]).any():
        problem = f"lies before {roles['start']!r} of the same row"
        raise table.bad_cell(table.read(roles["end"]), roles["end"], int(wrong.argmax()), problem)
    inside = (stock >= 0) & (low <= high)
    if not (stock >= 0).any():
        near = f"the file has {shorten(own[0])!r}, the data {shorten(symbols[0])!r}" if own else "the file has no rows"
        raise DataError(f"{table.where}: none of its symbols is in the data; {near}")
    snapshot = all(np.isnat(dated[inside]).all() for dated in dates.values())
    used = sorted({names[k] for k in np.unique(what[inside])})
    if not used:
        raise DataError(f"{table.where}: no span touches the days of the data, {days[0]} .. {days[-1]}")
    rank = {name: k for k, name in enumerate(used)}
    what = np.array([rank.get(name, -1) for name in names], dtype=np.int64)[what]
    rows = np.unique(np.stack([stock, what, low, high], axis=1)[inside], axis=0)
    built = _spans(*rows.T, n_stocks=len(symbols), names=used, snapshot=snapshot)
    notes = [_note(built, table.where)]
    strange = len(set(own) - set(position))
    if strange:
        notes.append(f"{strange} symbols of {table.where} are not in the data and are left out")
    return built, notes


def _spans(
    stock: np.ndarray,
    what: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    n_stocks: int,
    names: list[str],
    snapshot: bool,
) -> Concepts:
    """Concepts from a list of memberships; the k-th of a stock in a concept gets slot k."""
    pair = stock.astype(np.int64) * len(names) + what
    order = np.argsort(pair, kind="stable")
    pair, start, end = pair[order], start[order], end[order]
    slot = np.arange(len(pair)) - np.searchsorted(pair, pair)
    shape = (int(slot.max(initial=0)) + 1, n_stocks, len(names))
    first, last = np.ones(shape, dtype=np.int32), np.zeros(shape, dtype=np.int32)
    at = (slot, *np.divmod(pair, len(names)))
    first[at], last[at] = start, end
    return Concepts(names=tuple(names), start=first, end=last, snapshot=snapshot)


def _note(concepts: Concepts, source: str) -> str:
    n_without = int((concepts.start > concepts.end).all(axis=(0, 2)).sum())
    dates = "without dates, so today's stand for all of history" if concepts.snapshot else "with dates"
    without = f"; {n_without} stocks have none" if n_without else ""
    return f"concepts: {len(concepts.names)} from {source}, {dates}{without}"
