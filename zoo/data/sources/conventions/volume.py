"""Volume: in shares, adjusted as prices are, so that close x volume is money. Some sources leave it raw.

A split by 1 : 2 doubles `factor` (adjusted / original price) and the number of shares that change hands. Raw volume
doubles with it, adjusted volume does not move: the slope of log volume against log factor is 1 or 0.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from zoo.data.pages import stock_blocks
from zoo.data.panel import Panel
from zoo.data.sources.conventions.change import sampled

_JUMP = 0.05  # of log factor, at least: dividends move it by less, and no volume with it
_DAYS = 5  # whose mean log volume is compared with that of as many before
_ODDS = 3.0  # log odds, 20 : 1, from which on the data have decided


def settle_volume(panel: Panel, choice: Literal["auto", "raw", "adjusted"]) -> Panel:
    """The panel with adjusted volume; values are changed in place.

    Args:
        choice: `raw`: it is divided by `factor`. `adjusted`: it is taken as it is. `auto`: decided from the days on
            which `factor` jumps; where they are too few it is taken as it is.
    """
    if "volume" not in panel.fields or choice == "adjusted":
        return panel
    if "factor" not in panel.fields:
        if choice == "auto":
            return panel
        return panel.with_notes(
            "volume is raw (data.volume), but there is no factor, adjusted / original price, to adjust it by: it is "
            "taken as it is"
        )
    if choice == "raw":
        return _adjusted(panel, "volume is raw (data.volume)")
    jumps, slope, odds = _slope(panel)
    if not jumps:
        return panel
    seen = f"log volume moves by {slope:.2f} of the jumps of log factor on {jumps:,} days"
    if abs(odds) < _ODDS:
        return panel.with_notes(
            f"whether volume is adjusted cannot be told ({seen}): it is taken as adjusted (data.volume: raw)"
        )
    if odds < 0:
        return panel.with_notes(f"volume is adjusted as prices are ({seen})")
    return _adjusted(panel, f"volume is raw beside adjusted prices ({seen})")


def _slope(panel: Panel) -> tuple[int, float, float]:
    """Jumps of factor; slope of log volume against log factor at them; log odds of raw against adjusted volume."""
    volume, factor = sampled(panel, "volume"), sampled(panel, "factor")
    with np.errstate(divide="ignore", invalid="ignore"):
        volume = np.log(np.where(volume > 0, volume, np.nan))
        move = np.diff(np.log(_filled(factor)), axis=1)
    stock, day = np.nonzero(np.abs(move) >= _JUMP)
    change = _changes(volume, stock, day + 1)
    # What volume does on ordinary days is the noise: as many days as there are jumps would tell it badly.
    some = np.random.default_rng(0).integers(0, max(volume.shape[1] - 1, 1), (64, len(volume))) + 1
    ordinary = _changes(volume, np.arange(len(volume)), some)
    ordinary = ordinary[np.isfinite(ordinary)]
    at = np.isfinite(change)
    if not at.any() or not len(ordinary):
        return 0, np.nan, 0.0
    weight = move[stock, day][at]
    squares = float((weight**2).sum())
    slope = float((weight * change[at]).sum()) / squares
    noise = max(1.4826 * float(np.median(np.abs(ordinary))), 0.05)
    return int(at.sum()), slope, (slope - 0.5) * squares / noise**2


def _changes(log_volume: np.ndarray, stock: np.ndarray, day: np.ndarray) -> np.ndarray:
    """Mean of the days from `day` on less that of the days before; NaN where there is none of either."""
    steps = np.arange(_DAYS).reshape(-1, *(1,) * day.ndim)
    sides = []
    for on in (day + steps, day - 1 - steps):
        inside = (on >= 0) & (on < log_volume.shape[1])
        values = np.where(inside, log_volume[stock, np.clip(on, 0, log_volume.shape[1] - 1)], np.nan)
        count = np.isfinite(values).sum(axis=0)
        sides.append(np.nansum(values, axis=0) / np.where(count > 0, count, np.nan))
    return sides[0] - sides[1]


def _adjusted(panel: Panel, why: str) -> Panel:
    volume, factor = (panel.fields.index(name) for name in ("volume", "factor"))
    without = 0
    for block in stock_blocks(panel.stock_major):
        values = panel.stock_major[block]
        divisor = _filled(values[:, :, factor])
        without += int((np.isnan(divisor) & np.isfinite(values[:, :, volume])).any(axis=1).sum())
        values[:, :, volume] /= np.where(np.isnan(divisor), 1, divisor)
    lacking = f"; {without:,} stocks without a factor keep theirs" if without else ""
    return panel.with_notes(
        f"{why}: it is divided by factor, so that close x volume is money (data.volume: adjusted leaves it){lacking}"
    )


def _filled(factor: np.ndarray) -> np.ndarray:
    """`[n, D]` with the last known factor, before the first the first; NaN where a stock has none."""
    days = np.arange(factor.shape[1], dtype=np.int32)
    known = np.isfinite(factor)
    latest = np.maximum.accumulate(np.where(known, days, -1), axis=1)
    return np.take_along_axis(factor, np.where(latest >= 0, latest, known.argmax(axis=1)[:, None]), axis=1)
