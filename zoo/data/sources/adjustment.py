"""What columns were read as what and how prices are adjusted, and that adjusted and other prices are not joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from zoo.data.sources.columns import key, listed, shorten
from zoo.data.sources.parts import Part
from zoo.errors import DataError


def reading_notes(parts: Sequence[Part], owned: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """What columns were read as what, those of the user's own (`owned`) by their name, and how prices were adjusted."""
    roles, columns = parts[0].roles, parts[0].table.columns
    told = [f"{column} as {role}" if key(column) != key(role) else column for role, column in roles.items()]
    told = [shorten(text) for text in told]
    if "symbol" not in roles:
        told.insert(1, "the file's name as symbol")
    own = {spelling for spellings in (owned or {}).values() for spelling in spellings}
    told += [shorten(column) for column in columns if column in own]
    ignored = [column for column in columns if column not in roles.values() and column not in own]
    left = f"; ignored: {listed(ignored, 8, 30)}" if ignored else ""
    notes = [f"columns read: {', '.join(told)}{left}"]
    adjusted = [part for part in parts if "adj_close" in part.roles]
    both = [part for part in adjusted if "close" in part.roles]
    if both:
        scaled = [role for role in ("open", "high", "low", "vwap") if role in both[0].roles]
        also = f"; {', '.join(scaled)} scaled by adj_close / close, volume left as it is" if scaled else ""
        notes.append(f"close is the adjusted close ({both[0].roles['adj_close']}){also}")
    elif adjusted:
        notes.append("close is the adjusted close; there is no unadjusted one, so other prices are not scaled")
    else:
        notes.append("no adjusted close: prices are used as they are")
    if adjusted and len(adjusted) < len(parts):
        others = listed(part.table.where for part in parts if "adj_close" not in part.roles)
        notes.append(f"{len(parts) - len(adjusted):,} of {len(parts):,} files have no adjusted close: {others}")
    return notes


def check_seams(parts: Sequence[Part], days: np.ndarray, symbols: np.ndarray) -> None:
    """Refuse a stock that one file has with an adjusted close and another one without.

    Raises:
        DataError: the return from the one to the other would be made up.
    """
    adjusted = [part for part in parts if "adj_close" in part.roles]
    if not adjusted or len(adjusted) == len(parts):
        return
    stocks = {part.table.where: np.unique(part.stock) for part in parts}
    have = np.unique(np.concatenate([stocks[part.table.where] for part in adjusted]))
    for part in parts:
        if "adj_close" in part.roles:
            continue
        shared = np.intersect1d(stocks[part.table.where], have)
        if len(shared):
            one = next(other for other in adjusted if shared[0] in other.stock)
            when = [days[each.day[each.stock == shared[0]].max()] for each in (one, part)]
            raise DataError(
                f"{part.table.where}: has no adjusted close for {shorten(symbols[shared[0]])} (to {when[1]}), but "
                f"{one.table.where} has one (to {when[0]}): the return between them would be made up; give all files "
                f"of a stock an adjusted close, or none ({len(shared):,} such stocks)"
            )
