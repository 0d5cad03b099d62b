"""Days without trade. Some sources leave them out; others repeat the last close with a volume of 0, or none.

A quote that nobody traded at is no price: its returns are exactly 0, and nothing can be bought at it. Such a day is
emptied, as all that reads a panel knows a day without trade.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from zoo.data.pages import stock_blocks
from zoo.data.panel import Panel

_SAME = 1e-6  # relative: a repeated price, through float32 and an adjustment
_MOSTLY = 0.5  # share of days without volume on which the close is repeated, from which on these are suspensions
WORDS = {True: "0", False: "missing"}


def settle_suspended(panel: Panel, choice: Literal["auto", "keep", "drop"]) -> Panel:
    """The panel with days without trade emptied; values are changed in place.

    Args:
        choice: `drop`: wherever volume is 0. `keep`: nowhere. `auto`: where volume is 0 or missing and the last close
            is repeated in a bar without range, if that is what most of such days look like; otherwise a volume of 0
            means that it is unknown. Stocks that never have a volume are not judged.
    """
    if "volume" not in panel.fields or choice == "keep":
        return panel
    if choice == "drop":
        return _emptied(panel, [True], "volume is 0", repeated=False)
    counts = {zero: np.zeros(2, dtype=np.int64) for zero in WORDS}
    for block in stock_blocks(panel.stock_major):
        for zero, count in counts.items():
            count += [days.sum() for days in _quiet(panel, block, zero=zero)]
    chosen = [zero for zero, (quiet, repeated) in counts.items() if repeated > _MOSTLY * quiet]
    if chosen:
        when = " or ".join(WORDS[zero] for zero in chosen)
        return _emptied(panel, chosen, f"volume is {when} and the close repeated", repeated=True)
    quiet, repeated = counts[True].tolist()
    if quiet:
        return panel.with_notes(
            f"volume is 0 on {quiet:,} quoted days, but the close is repeated on only {repeated:,} of them: they "
            f"are kept as traded (data.suspended: drop empties them)"
        )
    return panel


def _emptied(panel: Panel, kinds: list[bool], when: str, *, repeated: bool) -> Panel:
    days = stocks = 0
    for block in stock_blocks(panel.stock_major):
        # All are found before any is emptied.
        empty: np.ndarray = np.logical_or.reduce([_quiet(panel, block, zero=zero)[repeated] for zero in kinds])
        # What is known of a company is known on a day without trade, too.
        market = [k for k, name in enumerate(panel.fields) if name not in panel.own_fields]
        day_stock = np.nonzero(empty)
        for k in market:
            panel.stock_major[block][(*day_stock, k)] = np.nan
        days, stocks = days + int(empty.sum()), stocks + int(empty.any(axis=1).sum())
    if not days:
        return panel
    return panel.with_notes(
        f"{when} on {days:,} days of {stocks:,} stocks: suspended, not traded (data.suspended: keep leaves them)"
    )


def _quiet(panel: Panel, block: slice, *, zero: bool) -> tuple[np.ndarray, np.ndarray]:
    """`[n, D]` bool twice: quoted days of volume 0 (else: without one) of stocks that trade, and the repeated ones."""

    def field(name: str) -> np.ndarray:
        return panel.stock_major[block, :, panel.fields.index(name)]

    close, volume = field("close"), field("volume")
    quiet = np.equal(volume, 0) if zero else np.isnan(volume)
    quiet &= np.isfinite(close)
    quiet &= np.any(volume > 0, axis=1, keepdims=True)
    stale = quiet.copy()
    rows = np.flatnonzero(quiet.any(axis=1))
    if len(rows):
        stale[rows] &= _repeats(close[rows])
        for name in ("open", "high", "low"):
            if name in panel.fields:
                other = field(name)[rows]
                stale[rows] &= np.isnan(other) | _same(other, close[rows])
    return quiet, stale


def _repeats(close: np.ndarray) -> np.ndarray:
    """Where a close is that of the last quoted day before; before the first there is nothing to repeat."""
    days = np.arange(close.shape[1], dtype=np.int32)
    latest = np.maximum.accumulate(np.where(np.isfinite(close), days, -1), axis=1)
    before = np.concatenate([np.full((len(close), 1), -1, np.int32), latest[:, :-1]], axis=1)
    return (before >= 0) & _same(close, np.take_along_axis(close, np.maximum(before, 0), axis=1))


def _same(price: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.abs(price - other) <= _SAME * np.abs(other)
