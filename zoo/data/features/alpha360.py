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
from zoo.data.panel import Panel
from zoo.data.split import DayRange
from zoo.errors import ConfigError

_CLOSE, _VOLUME = 0, 5
_TINY = np.float32(1e-12)


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

    def source(self, panel: Panel) -> np.ndarray:
        return np.stack([panel.field(name).T for name in self.columns], axis=2)

    def window_to_features(self, window: Tensor) -> Tensor:
        last = window[:, -1:, :].clone()
        divisor = last[:, :, _CLOSE : _CLOSE + 1].expand_as(last).clone()
        divisor[:, :, _VOLUME] = last[:, :, _VOLUME] + float(_TINY)
        return window.div_(divisor)

    def fit_stats(self, source: np.ndarray, member: np.ndarray, train: DayRange) -> RobustStats:
        rows = member[train.start : train.stop].T
        divisors = {f: np.ascontiguousarray(source[:, train.start : train.stop, f]) for f in (_CLOSE, _VOLUME)}
        divisors[_VOLUME] = divisors[_VOLUME] + _TINY

        def columns() -> Iterator[np.ndarray]:
            for lag in range(self.lookback - 1, -1, -1):
                # Days before the panel's first are missing, not wrapped around.
                short = max(lag - train.start, 0)
                days = slice(train.start - lag + short, train.stop - lag)
                for f in range(len(self.columns)):
                    divisor = divisors[_VOLUME if f == _VOLUME else _CLOSE]
                    column = source[:, days, f] / divisor[:, short:]
                    yield column[rows[:, short:]]

        return fit_robust(columns(), (self.lookback, len(self.columns)))
