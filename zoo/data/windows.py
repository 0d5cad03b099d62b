"""Rows gathered on the device that trains: fitted features, the dataset of one fold, and its segments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from zoo.config import DataConfig
from zoo.data.features import make_feature_set
from zoo.data.features.base import FeatureSet
from zoo.data.labels import raw_label, train_label
from zoo.data.normalize import RobustStats
from zoo.data.panel import Panel
from zoo.data.split import DayRange, Fold
from zoo.network import Batch


class Windows:
    """Normalised windows of any (day, stock) of one panel.

    Memory is that of the feature set's columns, once: `[N, T - 1 + D, F]` float32, padded in front with missing
    days so that every window is one contiguous run. Where statistics do not depend on the lag, columns are
    normalised once and a window is a plain copy; otherwise windows are normalised as they are gathered.
    """

    def __init__(
        self, feature_set: FeatureSet, source: np.ndarray, stats: RobustStats, device: torch.device | str
    ) -> None:
        stocks, days, columns = source.shape
        self.lookback = feature_set.lookback
        self._feature_set = feature_set
        self._per_window = stats.to(device) if feature_set.stats_per_lag else None
        padded = torch.full((stocks, self.lookback - 1 + days, columns), torch.nan)
        padded[:, self.lookback - 1 :] = torch.from_numpy(source)
        if self._per_window is None:
            stats.to("cpu").apply(padded)
        self._flat = padded.view(-1, columns).to(device)
        self._days = self.lookback - 1 + days
        # View [window, T, F] on the flat rows; window i starts at row i. Nothing is copied.
        count = max(len(self._flat) - self.lookback + 1, 0)
        self._view = self._flat.as_strided((count, self.lookback, columns), (columns, columns, 1))

    def gather(self, day: Tensor, stock: Tensor) -> Tensor:
        """`x [S, T, F]` float32 of rows (`day [S]`, `stock [S]` int64 on the same device)."""
        start = stock * self._days + day
        if self._view.device.type == "cpu":
            # numpy copies each overlapping window as one run, 3x torch's element-wise index kernel.
            window = torch.from_numpy(self._view.numpy()[start.numpy()])
        else:
            window = self._view[start]
        if self._per_window is None:
            return window
        return self._per_window.apply(self._feature_set.window_to_features(window))


class Dataset:
    """A panel seen through a data configuration: features fitted on the fold's train days, labels, segments.

    Attributes:
        panel, config, fold, feature_set: what it was made of.
        stats: the fitted normalisation.
        raw_label: `[D, N]` float64, NaN where unknown.
        train_label: `[D, N]` float64, per-day rank-normalised.
        train, valid, test: the segments of the fold.
    """

    def __init__(
        self,
        panel: Panel,
        config: DataConfig,
        fold: Fold,
        *,
        device: torch.device | str = "cpu",
        stats: RobustStats | None = None,
    ) -> None:
        self.panel, self.config, self.fold = panel, config, fold
        self.device = torch.device(device)
        self.feature_set = make_feature_set(config.features, config.lookback)
        source = self.feature_set.source(panel)
        self.stats = stats or self.feature_set.fit_stats(source, panel.member, fold.train)
        self.windows = Windows(self.feature_set, source, self.stats, self.device)
        del source
        self.raw_label = raw_label(panel, config.label)
        self.train_label = train_label(self.raw_label)
        self._label = torch.from_numpy(self.train_label.astype(np.float32).ravel()).to(self.device)
        self._concepts = None
        if panel.concepts is not None:
            self._concepts = tuple(
                torch.from_numpy(part).to(self.device) for part in (panel.concepts.start, panel.concepts.end)
            )
        self.train = Segment(self, fold.train)
        self.valid = Segment(self, fold.valid)
        self.test = Segment(self, fold.test)

    @property
    def n_features(self) -> int:
        return self.feature_set.n_features

    @property
    def lookback(self) -> int:
        return self.feature_set.lookback

    def batch(self, row: Tensor) -> Batch:
        """The batch of flat row numbers `day * n_stocks + stock`, `[S]` int64 on any device."""
        row = row.to(self.device)
        day, stock = row // self.panel.n_stocks, row % self.panel.n_stocks
        concepts = None
        if self._concepts is not None:
            start, end = (part[:, stock] for part in self._concepts)
            at = day[None, :, None]
            concepts = ((start <= at) & (at <= end)).any(dim=0).float()
        return Batch(self.windows.gather(day, stock), self._label[row], day, stock, concepts)


class Segment:
    """The member rows of a range of days; implements `zoo.network.Rows`.

    Attributes:
        dataset, days: what it is a segment of.
        rows: `[R]` int64 flat row numbers `day * n_stocks + stock`, in (day, stock) order.
    """

    def __init__(self, dataset: Dataset, days: DayRange) -> None:
        self.dataset, self.days = dataset, days
        stocks = dataset.panel.n_stocks
        self.rows = np.flatnonzero(dataset.panel.member[days.start : days.stop]) + days.start * stocks

    @property
    def n_rows(self) -> int:
        return len(self.rows)

    @property
    def labelled_rows(self) -> np.ndarray:
        """The rows that have a label."""
        return self.rows[np.isfinite(self.dataset.raw_label.ravel()[self.rows])]

    def rows_per_step(self, batch_size: int) -> int:
        """Rows of one optimiser step, the same for every scope: whole days closest to `batch_size`, at least one."""
        labelled = self.labelled_rows
        days = len(np.unique(labelled // self.dataset.panel.n_stocks))
        per_day = len(labelled) / max(days, 1)
        if per_day == 0:
            return batch_size
        return max(1, round(max(1, round(batch_size / per_day)) * per_day))

    def batches(
        self,
        rows: int,
        *,
        scope: Literal["sample", "day"] = "sample",
        generator: torch.Generator | None = None,
        labelled: bool = False,
    ) -> Iterator[Batch]:
        """See `zoo.network.Rows.batches`."""
        chosen = torch.from_numpy(self.labelled_rows if labelled else self.rows)
        if scope == "day":
            yield from self._day_batches(chosen, rows, generator)
            return
        if generator is not None:
            chosen = chosen[torch.randperm(len(chosen), generator=generator)]
        for part in chosen.split(rows):
            yield self.dataset.batch(part)

    def _day_batches(self, chosen: Tensor, rows: int, generator: torch.Generator | None) -> Iterator[Batch]:
        if len(chosen) == 0:
            return
        _, counts = torch.unique_consecutive(chosen // self.dataset.panel.n_stocks, return_counts=True)
        days = chosen.split(counts.tolist())
        per_step = max(1, round(rows / (len(chosen) / len(days))))
        order = torch.arange(len(days)) if generator is None else torch.randperm(len(days), generator=generator)
        for part in order.split(per_step):
            yield self.dataset.batch(torch.cat([days[i] for i in part.tolist()]))
