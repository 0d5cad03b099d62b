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
from zoo.data.pages import release
from zoo.data.panel import FIELDS, Panel
from zoo.data.split import DayRange
from zoo.shapes import Bool, Float

_TOGETHER = 16  # columns: 64 bytes, a cache line
_BLOCK = 1 << 25  # values of a source that are looked at before its pages are released: 128 MiB


class FeatureSet(ABC):
    """One way to see a panel.

    Attributes:
        name: as in YAML.
        columns: names of the F features.
        lookback: window length T in days.
        reads: the fields of a panel that features are made of.
        warmup: days before a day t that a row of t reads at most; rows of earlier days would be mostly empty.
    """

    name: ClassVar[str]
    columns: tuple[str, ...]
    reads: tuple[str, ...] = FIELDS
    lookback: int
    warmup: int

    @property
    def n_features(self) -> int:
        return len(self.columns)

    @abstractmethod
    def source(self, panel: Panel) -> Float[np.ndarray, "N D F"]:
        """The columns that windows are cut from, `[N, D, F]` float32, C-contiguous, NaN = missing.

        Where they are large they may be mapped from a file (`zoo.data.features.mapped`).
        """

    def fit_stats(
        self, source: Float[np.ndarray, "N D F"], member: Bool[np.ndarray, "D N"], train: DayRange
    ) -> RobustStats:
        """Robust z-score statistics over the member rows (`member [D, N]`) of the train days, and of no other day.

        By default one pair a column, whose values do not depend on the window they are seen in.
        """
        return fit_robust(_member_columns(source, member, train), (source.shape[2],))

    def window_to_features(self, window: Float[Tensor, "S T F"]) -> Float[Tensor, "S T F"]:
        """Raw features of raw windows `[S, T, F]`, in place where possible; by default the window itself."""
        return window

    def present(self, panel: Panel) -> Bool[np.ndarray, "N D"] | None:
        """`[N, D]` bool, the days on which a stock has a row, where windows fill those that are missing.

        A missing row inside a window is that of the last day before it in the window that has one, else that of the
        first day after it. None, the default: missing rows stay missing.
        """
        return None

    stats_per_lag: bool = False
    """True where every (lag, column) has statistics of its own; False where a column has one pair for all lags."""


def _member_columns(source: np.ndarray, member: np.ndarray, train: DayRange) -> Iterator[np.ndarray]:
    """Each column of `source` at the member rows of the train days.

    Some columns at a time: that many share a cache line, which takes as long to fetch for one as for all. Some stocks
    at a time: a mapped source never becomes resident as a whole.
    """
    rows = member[train.start : train.stop].T
    n_stocks, n_days, n_columns = source.shape
    size = max(1, _BLOCK // (n_days * n_columns))
    for first in range(0, n_columns, _TOGETHER):
        some = slice(first, min(first + _TOGETHER, n_columns))
        columns = np.empty((some.stop - some.start, np.count_nonzero(rows)), dtype=np.float32)
        done = 0
        for at in range(0, n_stocks, size):
            stocks = slice(at, at + size)
            values = source[stocks, train.start : train.stop, some][rows[stocks]]
            columns[:, done : done + len(values)] = values.T
            done += len(values)
            release(source)
        yield from columns
