"""Columns of the user's own as features, and several sets side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from zoo.data.features.base import FeatureSet
from zoo.data.normalize import RobustStats
from zoo.data.pages import room_like, stock_blocks
from zoo.data.panel import Panel
from zoo.data.split import DayRange
from zoo.errors import DataError
from zoo.shapes import Bool, Float


class Columns(FeatureSet):
    """Fields of a panel as they are, over any lookback; a missing value stays missing until it is normalised.

    Args:
        names: of the panel's fields.
    """

    name = "columns"

    def __init__(self, names: Sequence[str], lookback: int) -> None:
        self.columns = self.reads = tuple(names)
        self.lookback = lookback
        self.warmup = lookback - 1

    def source(self, panel: Panel) -> Float[np.ndarray, "N D F"]:
        absent = [name for name in self.columns if name not in panel.fields]
        if absent:
            raise DataError(f"{panel.name}: no column {absent[0]!r}; it has {', '.join(panel.fields)}")
        out = room_like(panel.values, (panel.n_stocks, panel.n_days, len(self.columns)))
        at = [panel.fields.index(name) for name in self.columns]
        for stocks in stock_blocks(panel.stock_major):
            out[stocks] = panel.stock_major[stocks][:, :, at]
        return out

    def fit_stats(
        self, source: Float[np.ndarray, "N D F"], member: Bool[np.ndarray, "D N"], train: DayRange
    ) -> RobustStats:
        """As every set's.

        Raises:
            DataError: a column has no value on any train day of a member.
        """
        stats = super().fit_stats(source, member, train)
        _refuse_empty([name for name, scale in zip(self.columns, stats.scale, strict=True) if np.isinf(scale)])
        return stats


class Joined(FeatureSet):
    """Several sets side by side, over the same days; each keeps its own way to fill and normalise its columns.

    Args:
        parts: of one lookback. A column that several have is named after its set, too: `raw.close`.
    """

    name = "joined"

    def __init__(self, parts: Sequence[FeatureSet]) -> None:
        self.parts = tuple(parts)
        count = Counter(column for part in self.parts for column in part.columns)
        # `close` of raw is another number than the column `close`.
        self.columns = tuple(
            f"{part.name}.{column}" if count[column] > 1 and not isinstance(part, Columns) else column
            for part in self.parts
            for column in part.columns
        )
        self.reads = tuple(dict.fromkeys(name for part in self.parts for name in part.reads))
        self.lookback = self.parts[0].lookback
        self.warmup = max(part.warmup for part in self.parts)
        self.stats_per_lag = any(part.stats_per_lag for part in self.parts)

    def source(self, panel: Panel) -> Float[np.ndarray, "N D F"]:
        raise NotImplementedError("each part has a source of its own")

    def joined_stats(self, stats: Sequence[RobustStats]) -> RobustStats:
        """Those of the parts as one, `[F]`, or `[T, F]` where a part has them per lag."""

        def beside(arrays: Sequence[np.ndarray]) -> np.ndarray:
            if self.stats_per_lag:
                arrays = [np.broadcast_to(a, (self.lookback, a.shape[-1])) for a in arrays]
            return np.concatenate(arrays, axis=-1)

        return RobustStats(beside([s.center for s in stats]), beside([s.scale for s in stats]))

    def split_stats(self, stats: RobustStats) -> list[RobustStats]:
        """The parts' statistics of `joined_stats`."""
        found, at = [], 0
        for part in self.parts:
            columns = slice(at, at := at + part.n_features)
            arrays = [a[..., columns] for a in (stats.center, stats.scale)]
            if self.stats_per_lag and not part.stats_per_lag:
                arrays = [a[0] for a in arrays]
            found.append(RobustStats(*(np.ascontiguousarray(a) for a in arrays)))
        return found


def parts_of(feature_set: FeatureSet) -> tuple[FeatureSet, ...]:
    """The sets that one is made of: itself, unless several are joined."""
    return feature_set.parts if isinstance(feature_set, Joined) else (feature_set,)


def check_known(feature_set: FeatureSet, panel: Panel, train: DayRange) -> None:
    """See to it that every column of the user's own has a value on the train days, before any work.

    Raises:
        DataError: one has none in any member's row.
    """
    names = [name for part in parts_of(feature_set) if isinstance(part, Columns) for name in part.columns]
    days = slice(train.start, train.stop)
    found: set[str] = set()
    for stocks in stock_blocks(panel.stock_major):
        member = panel.member[days, stocks].T
        found |= {name for name in names if np.isfinite(panel.series(name, stocks)[:, days][member]).any()}
    _refuse_empty([name for name in names if name not in found])


def _refuse_empty(names: Sequence[str]) -> None:
    if names:
        raise DataError(
            f"data.features: {' and '.join(map(repr, names[:5]))} {'has' if len(names) == 1 else 'have'} no value "
            f"in any member's row of the train days; leave out, or train on later days"
        )


@runtime_checkable
class _Gathers(Protocol):
    def gather(self, day: Tensor, stock: Tensor) -> Tensor: ...


class JointWindows:
    """The windows of several sets side by side."""

    def __init__(self, parts: Sequence[_Gathers]) -> None:
        self._parts = parts

    def gather(self, day: Tensor, stock: Tensor) -> Tensor:
        """As `Windows.gather`."""
        return torch.cat([part.gather(day, stock) for part in self._parts], dim=-1)
