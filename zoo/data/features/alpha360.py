"""alpha360: 60 days of six fields, each divided by the last day's close (volume by the last volume).

The 360 columns (field-major: close, open, high, low, vwap, volume; lags 59 .. 0) never exist as columns: windows are
gathered from the panel's six fields and divided on the device that trains.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from torch import Tensor

from zoo.data.features.base import FeatureSet
from zoo.data.normalize import RobustStats, fit_robust
from zoo.data.pages import stock_blocks
from zoo.data.panel import Panel
from zoo.data.split import DayRange
from zoo.errors import ConfigError
from zoo.shapes import Bool, Float

_CLOSE, _VOLUME = 0, 5
_TINY = np.float32(1e-12)
_WIDE = 5


class Alpha360(FeatureSet):
    """price(t - d) / close(t), volume(t - d) / (volume(t) + 1e-12), d = 59 .. 0 calendar days.

    A suspended day is NaN, and so is the whole window of a stock without a close on day t.
    """

    name = "alpha360"
    columns = ("close", "open", "high", "low", "vwap", "volume")
    stats_per_lag = True

    def __init__(self, lookback: int = 60) -> None:
        if lookback != 60:
            raise ConfigError(
                f"data.lookback: alpha360 is defined on 60 days, got {lookback}; features 'raw' takes any lookback"
            )
        self.lookback = lookback
        self.warmup = lookback - 1

    def source(self, panel: Panel) -> Float[np.ndarray, "N D F"]:
        out = np.empty((panel.n_stocks, panel.n_days, len(self.columns)), dtype=np.float32)
        for stocks in stock_blocks(panel.stock_major):
            for f, name in enumerate(self.columns):
                out[stocks, :, f] = panel.series(name, stocks)
        return out

    def window_to_features(self, window: Float[Tensor, "S T F"]) -> Float[Tensor, "S T F"]:
        last = window[:, -1:, :]
        divisor = last[:, :, _CLOSE : _CLOSE + 1].repeat(1, 1, _WIDE * len(self.columns))
        divisor[:, :, _VOLUME :: len(self.columns)] = last[:, :, _VOLUME:] + float(_TINY)
        # _WIDE days at once: a division over rows of six is bound by its loop, not by its arithmetic.
        wide = window.reshape(len(window), self.lookback // _WIDE, divisor.shape[2])
        return wide.div_(divisor).view(window.shape)

    def fit_stats(
        self, source: Float[np.ndarray, "N D F"], member: Bool[np.ndarray, "D N"], train: DayRange
    ) -> RobustStats:
        absent = ~member[train.start : train.stop].T
        before = min(self.lookback - 1, train.start)

        def columns() -> Iterator[np.ndarray]:
            for f in range(len(self.columns)):
                if f in (0, _VOLUME):  # prices share one divisor; no more than one is held
                    divisor = source[:, train.start : train.stop, _VOLUME if f else _CLOSE] + (_TINY if f else 0)
                    divisor[absent] = np.nan
                field = np.full((len(source), self.lookback - 1 + len(train)), np.nan, dtype=np.float32)
                field[:, self.lookback - 1 - before :] = source[:, train.start - before : train.stop, f]
                for k in range(self.lookback):
                    with np.errstate(divide="ignore", invalid="ignore"):
                        column = field[:, k : k + len(train)] / divisor
                    yield column.ravel()

        by_field = fit_robust(columns(), (len(self.columns), self.lookback))
        return RobustStats(by_field.center.T.copy(), by_field.scale.T.copy())
