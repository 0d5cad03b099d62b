"""What a feature set is: how a panel becomes rows `x [S, T, F]`.

A feature set is stateless. It turns a panel into `source` columns `[N, D, F]` and a raw window `[S, T, F]` of them
into features. Statistics are fitted by `fit_stats` and live in `RobustStats`, so that a checkpoint can carry them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
from torch import Tensor

from zoo.data.normalize import RobustStats, fit_robust
from zoo.data.panel import Panel
from zoo.data.split import DayRange


class FeatureSet(ABC):
    """One way to see a panel.

    Attributes:
        name: as in YAML.
        columns: names of the F features.
        lookback: window length T in days.
        warmup: days before a day t that a row of t reads at most; rows of earlier days would be mostly empty.
    """

    name: ClassVar[str]
    columns: tuple[str, ...]
    lookback: int
    warmup: int

    @property
    def n_features(self) -> int:
        return len(self.columns)

    @abstractmethod
    def source(self, panel: Panel) -> np.ndarray:
        """The columns that windows are cut from, `[N, D, F]` float32, C-contiguous, NaN = missing."""

    @abstractmethod
    def fit_stats(self, source: np.ndarray, member: np.ndarray, train: DayRange) -> RobustStats:
        """Robust z-score statistics over the member rows (`member [D, N]`) of the train days, and of no other day."""

    def window_to_features(self, window: Tensor) -> Tensor:
        """Raw features of raw windows `[S, T, F]`, in place where possible; by default the window itself."""
        return window

    stats_per_lag: ClassVar[bool] = False
    """True where every (lag, column) has statistics of its own; False where a column has one pair for all lags."""


class ColumnFeatureSet(FeatureSet):
    """A feature set whose value at (day, stock, column) does not depend on the window it is seen in."""

    def fit_stats(self, source: np.ndarray, member: np.ndarray, train: DayRange) -> RobustStats:
        days = slice(train.start, train.stop)
        rows = member[days].T

        def columns() -> Iterator[np.ndarray]:
            for f in range(source.shape[2]):
                yield source[:, days, f][rows]

        return fit_robust(columns(), (source.shape[2],))
