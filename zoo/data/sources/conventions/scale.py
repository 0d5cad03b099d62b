"""Prices on another scale than those beside them: other units, reverse splits and splits that were not adjusted for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zoo.data.pages import stock_blocks
from zoo.data.panel import Panel

FACTOR = 4.5
"""A price this many times another one, or less than one part of it, is on another scale."""
UNDONE_DAYS = 3
NEAR = 0.25  # of the way, in logs
_NAMED = 3
_CENTS = (90, 111)  # a hundred times, and the move of a day


@dataclass(frozen=True)
class ScaleBreaks:
    """Where prices change their scale, by stock and day, `[K]` each.

    Attributes:
        day, stock: positions in the panel.
        field: the price.
        price: its value there.
        before: the last close before; of open, high and low the close of the same day.
        undone: whether the close is back within three days, so that these prices are wrong, not those after them.
    """

    day: np.ndarray
    stock: np.ndarray
    field: np.ndarray
    price: np.ndarray
    before: np.ndarray
    undone: np.ndarray

    @property
    def ratio(self) -> np.ndarray:
        return self.price / self.before


def scale_breaks(panel: Panel) -> ScaleBreaks:
    """Closes 4.5 times the last one before, or below 1 / 4.5 of it, and opens, highs and lows as far from the close.

    A close that comes back is told once, where it leaves.
    """
    parts: list[tuple[np.ndarray, ...]] = []
    close_at = panel.fields.index("close")
    others = [k for k, name in enumerate(panel.fields) if name in ("open", "high", "low")]
    for part in stock_blocks(panel.stock_major):
        block, low = panel.stock_major[part], part.start
        close = block[:, :, close_at]
        stock, day, before, undone = _jumps(close)
        parts.append((day, stock + low, np.full(len(day), close_at), close[stock, day], before, undone))
        for k in others:
            stock, day = np.nonzero(_far(block[:, :, k], close))
            there = np.full(len(day), k), block[stock, day, k], close[stock, day], np.ones(len(day), bool)
            parts.append((day, stock + low, *there))
    day, stock, fields, price, before, undone = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.lexsort((fields != close_at, day, stock))
    day, stock, fields, price, before, undone = (a[order] for a in (day, stock, fields, price, before, undone))
    # Of one stock and day the close says enough.
    first = np.append(True, (np.diff(stock) != 0) | (np.diff(day) != 0)) if len(day) else np.empty(0, bool)
    names = np.array(panel.fields, dtype=object)[fields]
    return ScaleBreaks(*(a[first] for a in (day, stock, names, price.astype(float), before.astype(float), undone)))


def scale_notes(panel: Panel) -> list[str]:
    """One note on all breaks, naming the first with stock and day."""
    breaks = scale_breaks(panel)
    number = len(breaks.day)
    if not number:
        return []
    told = []
    for k in range(min(number, _NAMED)):
        ratio = breaks.ratio[k]
        times = f"x{ratio:.3g}" if ratio > 1 else f"1/{1 / ratio:.3g}"
        guess = "a wrong price" if breaks.undone[k] else "perhaps a split that is not adjusted for"
        if _CENTS[0] < max(ratio, 1 / ratio) < _CENTS[1]:
            guess = "perhaps in other units, such as pence"
        beside = "after" if breaks.field[k] == "close" else "beside a close of"
        prices = f"{breaks.field[k]} {breaks.price[k]:.6g} {beside} {breaks.before[k]:.6g}"
        told.append(f"{panel.symbols[breaks.stock[k]]} {panel.days[breaks.day[k]]}: {prices} ({times}, {guess})")
    more = f"; {number - _NAMED:,} more" if number > _NAMED else ""
    what = "price is" if number == 1 else "prices are"
    return [f"{number:,} {what} on another scale than the one before: {'; '.join(told)}{more}"]


def _jumps(close: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Stock, day, close before and whether it comes back, of the jumps of `[n, D]` closes."""
    none = np.empty(0, np.int64)
    results: list[tuple[np.ndarray, ...]] = [(none, none, none.astype(np.float32), none.astype(bool))]
    gaps = np.isnan(close)
    resumed = (gaps[:, :-1] & ~gaps[:, 1:]).any(axis=1)
    for stock in np.flatnonzero(_far(close[:, 1:], close[:, :-1]).any(axis=1) | resumed).tolist():
        known = np.flatnonzero(np.isfinite(close[stock]))
        values = close[stock, known]
        hits = np.flatnonzero(_far(values[1:], values[:-1])) + 1
        skip_until = -1
        for at in hits.tolist():
            if at <= skip_until:
                continue
            before, after = values[at - 1], values[at + 1 : at + 1 + UNDONE_DAYS]
            logs = np.log(np.append(after, values[at]).astype(np.float64)) - np.log(float(before))
            near = np.abs(logs[:-1]) < NEAR * abs(logs[-1])
            skip_until = at + 1 + int(near.argmax()) if near.any() else -1
            place = (np.array([stock]), known[[at]], values[[at - 1]], np.array([bool(near.any())]))
            results.append(place)
    return tuple(np.concatenate(column) for column in zip(*results, strict=True))  # type: ignore[return-value]


def _far(price: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Where two prices are on different scales; not where one is unknown."""
    with np.errstate(over="ignore"):
        return (price > other * np.float32(FACTOR)) | (price * np.float32(FACTOR) < other)
