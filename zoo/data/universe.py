"""Universes: which of a panel's stocks are members on which day, from a file or by a rule that reads no later day."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from zoo.config import UniverseConfig
from zoo.data.pages import stock_blocks
from zoo.data.panel import Panel
from zoo.data.sources import paths
from zoo.data.sources.cells import Table, to_days, to_names
from zoo.data.sources.columns import CONCEPT_ROLES, PANEL_ROLES, missing, recognise, shorten
from zoo.data.sources.qlib import instrument_spans
from zoo.errors import DataError

ROLES = {
    "symbol": PANEL_ROLES["symbol"],
    "date": PANEL_ROLES["date"],
    "start": CONCEPT_ROLES["start"],
    "end": CONCEPT_ROLES["end"],
}


def apply_universe(panel: Panel, universe: UniverseConfig) -> Panel:
    """The panel with membership restricted to a universe; its values, and so the history of windows, stay whole.

    A stock is a member where both the source and the universe say so.

    Args:
        universe: `file`, one of
            qlib instruments (`.txt`: symbol, first day, last day);
            CSV or Parquet with symbol, start, end (inclusive, empty = open);
            CSV or Parquet with date, symbol: the members of each date, which stay until the next date in the file;
            or `top_liquidity`, see `most_liquid`.

    Raises:
        DataError: an unreadable file, none of its symbols or days in the panel, no volume to rank by.
    """
    if universe.top_liquidity is not None:
        inside = most_liquid(panel, universe.top_liquidity, universe.window, universe.rebalance)
        when = "every day" if universe.rebalance == "day" else "on the first trading day of each month"
        told = [
            f"the {universe.top_liquidity} stocks of highest mean close x volume over the {universe.window} days "
            f"up to the choice, chosen {when}"
        ]
    else:
        inside, told = _listed(panel, Path(str(universe.file)).expanduser())
    member = panel.member & inside
    if not member.any():
        raise DataError(f"{panel.name}: the universe ({told[0]}) has no member that the data know on that day")
    per_day = member.sum(axis=1)
    counts = f"{per_day.min()} to {per_day.max()} of {panel.n_stocks} stocks a day"
    if not per_day.all():
        days = panel.days[per_day > 0]
        told.append(f"{int((per_day == 0).sum())} days have no member; those that have: {days[0]} .. {days[-1]}")
    notes = (*panel.notes, f"universe restricted to {told[0]}: {counts}", *told[1:])
    restricted = replace(panel, member=member, notes=notes)
    # All but the membership is in the whole panel's fingerprint, which may be known without reading the values.
    digest = hashlib.blake2b(panel.fingerprint.encode() + np.packbits(member).tobytes(), digest_size=8)
    restricted.__dict__["fingerprint"] = digest.hexdigest()
    return restricted


def members_only(panel: Panel) -> Panel:
    """The panel without the stocks that are never members; the others keep their history."""
    ever = panel.member.any(axis=0)
    if ever.all():
        return panel
    part = panel.part(np.flatnonzero(ever))
    # The whole panel and its membership tell as much; the values need not be read again.
    part.__dict__["fingerprint"] = hashlib.blake2b(
        b"members only" + panel.fingerprint.encode(), digest_size=8
    ).hexdigest()
    return part.with_notes(f"{int((~ever).sum()):,} of {panel.n_stocks:,} stocks are never members and are left out")


def most_liquid(panel: Panel, count: int, window: int, rebalance: str) -> np.ndarray:
    """The `count` stocks with the highest mean dollar volume, `[D, N]` bool.

    Dollar volume is close x volume, 0 on a day without trade, so that a stock listed yesterday does not lead by one
    busy day. The mean runs over the last `window` days including the day of the choice, of what there is at the
    panel's start. Only members of the panel that have traded in the window are chosen; ties go by symbol.

    Raises:
        DataError: the panel has no volume.
    """
    months = panel.days.astype("datetime64[M]")
    new = np.ones(panel.n_days, dtype=bool)
    if rebalance == "month":
        new[1:] = months[1:] != months[:-1]
    days = np.flatnonzero(new)
    total = _dollar_volume(panel, days, window)
    chosen = np.zeros(panel.member.shape, dtype=bool)
    for day, until, dollars in zip(days, np.append(days[1:], panel.n_days), total, strict=True):
        dollars[~panel.member[day]] = 0.0
        best = np.argsort(-dollars, kind="stable")[:count]
        chosen[day:until, best[dollars[best] > 0]] = True
    return chosen


def _dollar_volume(panel: Panel, days: np.ndarray, window: int) -> np.ndarray:
    """Sum of close x volume over the `window` days up to each of `days`, `[len(days), N]` float64."""
    total = np.zeros((len(days), panel.n_stocks))
    known = False
    for block in stock_blocks(panel.stock_major):
        close, volume = (panel.series(name, block) for name in ("close", "volume"))
        known |= bool(np.isfinite(volume).any())
        dollars = (close.astype(np.float64) * volume).T
        dollars[~np.isfinite(dollars)] = 0.0
        # The oldest day first, whatever is worked on at once: equal sums then tie exactly.
        for back in range(window - 1, -1, -1):
            there = days >= back
            total[there, block] += dollars[days[there] - back]
    if not known:
        raise DataError(f"{panel.name}: top_liquidity ranks by close x volume, but the data have no volume")
    return total


def _listed(panel: Panel, file: Path) -> tuple[np.ndarray, list[str]]:
    """Membership as a file has it, and what to say of it."""
    if not file.is_file():
        raise DataError(f"{file}: no such file of members{paths.nearest(file)}")
    if file.suffix.lower() == ".txt":
        listed = instrument_spans(file, file.name, panel.days)
        names = list(listed)
        rows = [(k, first, last) for k, name in enumerate(names) for first, last in listed[name]]
        who, low, high = np.array(rows).T
        told = [file.name]
    else:
        table = paths.open_table(file, roles=ROLES)
        roles = recognise(table.columns, table.where, ROLES)
        if "symbol" not in roles:
            raise missing("symbol", table.columns, table.where)
        who, names = to_names(table, roles["symbol"])
        if "start" in roles or "end" in roles:
            low, high = _spans(table, roles, panel.days, len(who))
            told = [file.name]
        elif "date" in roles:
            low, high, last = _lists(table, roles["date"], panel.days)
            told = [f"{file.name} (lists by date, each until the next; the last one is of {last})"]
        else:
            advice = "; give symbol, start, end or date, symbol"
            raise missing("start", table.columns, table.where, advice)
    stock = _stocks(panel, names, file.name)
    inside = np.zeros(panel.member.shape, dtype=bool)
    for s, first, stop in zip(stock[who].tolist(), low.tolist(), (high + 1).tolist(), strict=True):
        if s >= 0:
            inside[first:stop, s] = True
    if not inside.any():
        raise DataError(f"{file.name}: has no member on any day of the data, {panel.days[0]} .. {panel.days[-1]}")
    strange = int((stock < 0).sum())
    if strange:
        told.append(f"{strange} of the {len(names)} symbols of {file.name} are not in the data and are left out")
    return inside, told


def _stocks(panel: Panel, names: list[str], where: str) -> np.ndarray:
    """Position in the panel of each name, -1 where it has none; case counts only where it tells symbols apart."""
    symbols = panel.symbols.tolist()
    fold = str.casefold if len({s.casefold() for s in symbols}) == len(symbols) else str
    position = {fold(symbol): k for k, symbol in enumerate(symbols)}
    stock = np.array([position.get(fold(name), -1) for name in names], dtype=np.int64)
    if not (stock >= 0).any():
        near = f"the file has {shorten(names[0])!r}, the data {shorten(symbols[0])!r}" if names else "it has no rows"
        raise DataError(f"{where}: none of its symbols is in the data; {near}")
    return stock


def _spans(table: Table, roles: dict[str, str], days: np.ndarray, n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last calendar position of each row."""
    never = np.full(n_rows, np.datetime64("NaT", "D"))
    start, end = (to_days(table, roles[role], optional=True) if role in roles else never for role in ("start", "end"))
    if (start > end).any():
        at = int((start > end).argmax())
        raise table.bad_cell(table.read(roles["end"]), roles["end"], at, f"lies before {roles['start']!r} of its row")
    low = np.where(np.isnat(start), 0, np.searchsorted(days, start, "left"))
    high = np.where(np.isnat(end), len(days), np.searchsorted(days, end, "right")) - 1
    return low, high


def _lists(table: Table, column: str, days: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.datetime64]:
    """First and last calendar position of each row, and the date of the last list."""
    date = to_days(table, column)
    dates, which = np.unique(date, return_inverse=True)
    starts = np.append(np.searchsorted(days, dates, "left"), len(days))
    return starts[which], starts[which + 1] - 1, dates[-1]
