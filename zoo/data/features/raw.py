"""raw: day-relative OHLCV, any lookback."""

from __future__ import annotations

import numpy as np

from zoo.data.features.base import FeatureSet
from zoo.data.pages import stock_blocks
from zoo.data.panel import Panel
from zoo.shapes import Float

_VOLUME_DAYS = 20


class Raw(FeatureSet):
    """open, high, low, close over the last present close before t, minus 1; volume over its own recent mean, in logs.

    volume(t) = log((V(t) + 1) / (mean of the present V over the last 20 days, t included, + 1)). No value reads
    anything after its own day, and none depends on the window it is seen in, so that a window is a plain copy.
    """

    name = "raw"
    columns = ("open", "high", "low", "close", "volume")
    reads = columns

    def __init__(self, lookback: int = 20) -> None:
        self.lookback = lookback
        self.warmup = lookback - 1 + _VOLUME_DAYS

    def source(self, panel: Panel) -> Float[np.ndarray, "N D F"]:
        out = np.empty((panel.n_stocks, panel.n_days, len(self.columns)), dtype=np.float32)
        for stocks in stock_blocks(panel.stock_major):
            before = previous_present(panel.series("close", stocks))
            for f, name in enumerate(self.columns[:4]):
                out[stocks, :, f] = panel.series(name, stocks) / before - 1
            volume = panel.series("volume", stocks)
            out[stocks, :, 4] = np.log((volume + 1) / (trailing_mean(volume, _VOLUME_DAYS) + 1))
        return out


def previous_present(values: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N D"]:
    """The last finite value strictly before each day; `[N, D]` -> `[N, D]`, NaN before the first."""
    days = np.arange(values.shape[1])
    latest = np.maximum.accumulate(np.where(np.isfinite(values), days, -1), axis=1)
    before = np.concatenate([np.full((len(values), 1), -1), latest[:, :-1]], axis=1)
    found = np.take_along_axis(values, np.maximum(before, 0), axis=1)
    return np.where(before >= 0, found, np.nan).astype(values.dtype)


def trailing_mean(values: Float[np.ndarray, "N D"], days: int) -> Float[np.ndarray, "N D"]:
    """Mean of the finite values of the last `days` days, t included; `[N, D]` -> `[N, D]` float64.

    Summed afresh per window rather than as a difference of running sums: a cumulative sum carries the rounding of
    early large volumes into every later window.
    """
    padded = np.pad(values.astype(np.float64), ((0, 0), (days - 1, 0)), constant_values=np.nan)
    present = np.isfinite(padded)
    padded[~present] = 0.0
    total, count = np.zeros(values.shape), np.zeros(values.shape)
    for k in range(days):
        total += padded[:, k : k + values.shape[1]]
        count += present[:, k : k + values.shape[1]]
    return np.divide(total, count, out=np.full(values.shape, np.nan), where=count > 0)
