"""Closes that jump: news, bad prints, or splits that the prices were not adjusted for."""

from __future__ import annotations

import numpy as np

from bench.data.problem import Problem
from zoo.data.features.raw import previous_present
from zoo.data.panel import Panel
from zoo.data.sources.conventions.scale import NEAR, UNDONE_DAYS, ScaleBreaks

JUMP = 0.4
SPLIT_TOLERANCE = 0.04  # the day's own return comes on top of the split
VOLUME_DAYS = 10
VOLUME_MOVE = (0.5, 2.5)  # of the price's move, in logs; more is news
_PARTS = [(1, n) for n in (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 50, 100)] + [(2, 3), (2, 5)]
FRACTIONS = {f"{a}/{b}": a / b for a, b in _PARTS} | {f"{b}/{a}": b / a for a, b in _PARTS}
"""Price ratios of splits and consolidations, new over old."""


def jumps(panel: Panel, breaks: ScaleBreaks) -> Problem:
    """Closes more than 40 % away from the last one before them, but for those on another scale, the `breaks`.

    A remark tells those that come back.
    """
    close = panel.field("close").T.astype(np.float64)
    before = previous_present(close)
    far = np.abs(close / before - 1) > JUMP
    far[breaks.stock[breaks.field == "close"], breaks.day[breaks.field == "close"]] = False
    stock, day = np.nonzero(far)
    now, then = close[stock, day], before[stock, day]
    is_undone = np.zeros(len(day), dtype=bool)
    for ahead in range(1, UNDONE_DAYS + 1):
        later = np.minimum(day + ahead, close.shape[1] - 1)
        # Back to where it came from, by at least three quarters of the way in logs.
        back = np.abs(np.log(close[stock, later] / then)) < NEAR * np.abs(np.log(now / then))
        is_undone |= back & (day + ahead < close.shape[1])
    remark = np.where(is_undone, f"undone within {UNDONE_DAYS} days", "").astype(object)
    summary = f"undone within {UNDONE_DAYS} days, so perhaps bad prints: {is_undone.sum()}" if is_undone.any() else ""
    values = {"close": now, "before it": then, "": remark}
    return Problem("close jumps by more than 40 %", False, day, stock, values, summary)


def splits(panel: Panel) -> Problem:
    """Price ratios near a simple fraction, with a volume that moves the other way.

    A split by 1/2 doubles the number of shares traded, so the volume (median of the 10 days from the split over that
    of the 10 days before) must move by half to two and a half times as much in logs: 1.4 to 5.7 times. Without
    volume nothing is suspected.
    """
    close = panel.field("close").T.astype(np.float64)
    ratio = close / previous_present(close)
    names, fractions = np.array(list(FRACTIONS), dtype=object), np.log(list(FRACTIONS.values()))
    stock, day = np.nonzero(np.abs(np.log(ratio)) > 0.3)
    move = np.log(ratio[stock, day])
    nearest = np.abs(move[:, None] - fractions).argmin(axis=1)
    near = np.abs(move - fractions[nearest]) < np.log1p(SPLIT_TOLERANCE)
    stock, day, move, nearest = stock[near], day[near], move[near], nearest[near]
    volume = panel.field("volume").T
    change = np.array([_volume_change(volume[s], d) for s, d in zip(stock, day, strict=True)])
    share = -change / move
    moved = (share >= VOLUME_MOVE[0]) & (share <= VOLUME_MOVE[1])
    stock, day, move, nearest = stock[moved], day[moved], move[moved], nearest[moved]
    values = {"close / close before": np.exp(move), "near": names[nearest], "volume x": np.exp(change[moved])}
    return Problem("unadjusted split suspected", False, day, stock, values)


def _volume_change(volume: np.ndarray, day: int) -> float:
    """Log of the median volume from `day` on over that before it; NaN where either is unknown."""
    before = volume[max(day - VOLUME_DAYS, 0) : day]
    after = volume[day : day + VOLUME_DAYS]
    before, after = before[before > 0], after[after > 0]
    return float(np.log(np.median(after) / np.median(before))) if len(before) and len(after) else np.nan
