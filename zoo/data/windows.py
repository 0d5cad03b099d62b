"""Rows gathered on the device that trains: fitted features, the dataset of one fold, and its segments."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from zoo.config import DataConfig
from zoo.data.features import features_of
from zoo.data.features.base import FeatureSet
from zoo.data.features.columns import Joined, JointWindows
from zoo.data.labels import raw_label, train_label
from zoo.data.normalize import RobustStats
from zoo.data.pages import is_mapped, read_runs, release, stock_blocks
from zoo.data.panel import Panel
from zoo.data.split import DayRange, Fold
from zoo.network import Batch

_RESIDENT = 256 << 20  # bytes of a mapped file that may become resident; rows of larger ones are read
_SHARE_OF_DEVICE = 0.6  # of the free memory, at most, for columns
_STOCKS = 64  # moved to a device at a time


class Windows:
    """Normalised windows of any (day, stock) of one panel.

    Memory is that of the feature set's columns, once: `[N, D, F]` float32. Where statistics do not depend on the lag,
    columns are normalised once and a window is a plain copy; otherwise windows are normalised as they are gathered.
    So are those of columns mapped from a file, which are not copied at all, unless they fit on the device.

    Args:
        feature_set: what `source` and `stats` are of.
        source: as `FeatureSet.source` gives it; not changed.
        stats: as `FeatureSet.fit_stats` gives them.
        device: where windows are wanted.
        present: `[N, D]` bool, as `FeatureSet.present` gives it.
        reuse: normalise in the memory of `source`, which nobody else may need.
    """

    def __init__(
        self,
        feature_set: FeatureSet,
        source: np.ndarray,
        stats: RobustStats,
        device: torch.device | str,
        present: np.ndarray | None = None,
        *,
        reuse: bool = False,
    ) -> None:
        self.lookback = feature_set.lookback
        self._feature_set, self._source = feature_set, source
        self._device = self._home = torch.device(device)
        if is_mapped(source) and not _fits(source, self._device):
            self._home = torch.device("cpu")
        at_once = not feature_set.stats_per_lag and not (is_mapped(source) and self._home.type == "cpu")
        values = _moved(source, self._home, copy=at_once and not reuse)
        normalizer = stats.to(self._home)
        if at_once:
            normalizer.apply(values)
        self._per_window = None if at_once else normalizer
        self._missing = 0.0 if at_once else torch.nan
        self._days, columns = source.shape[1:]
        self._flat = values.view(-1, columns)
        self._present = None if present is None else torch.from_numpy(present).to(self._home).view(-1)
        self._whole = _whole_windows(present, self.lookback) if present is not None and self._on_host else None
        # View [window, T, F] on the flat rows; window i starts at row i. Nothing is copied.
        count = max(len(self._flat) - self.lookback + 1, 0)
        self._view = self._flat.as_strided((count, self.lookback, columns), (columns, columns, 1))
        self._read = is_mapped(source) and self._on_host and source.nbytes > _RESIDENT

    @property
    def _on_host(self) -> bool:
        return self._home.type == "cpu"

    def gather(self, day: Tensor, stock: Tensor) -> Tensor:
        """`x [S, T, F]` float32 of rows (`day [S]`, `stock [S]` int64 on any one device), on the device asked for."""
        day, stock = day.to(self._home), stock.to(self._home)
        window = self._host_windows(day, stock) if self._on_host else self._windows(day, stock)
        if self._per_window is not None:
            window = self._per_window.apply(self._feature_set.window_to_features(window))
        return window.to(self._device)

    def _host_windows(self, day: Tensor, stock: Tensor) -> Tensor:
        """As `_windows`, 3x as fast where no row is missing: numpy copies each window as one run."""
        if len(self._view) == 0:
            return self._windows(day, stock)
        row = stock * self._days + day
        first = (row - (self.lookback - 1)).clamp_(min=0)
        runs = first.numpy()
        window = torch.from_numpy(
            read_runs(self._source, runs, self.lookback) if self._read else self._view.numpy()[runs]
        )
        whole = day >= self.lookback - 1
        if self._whole is not None:
            whole &= self._whole[row]
        if not bool(whole.all()):
            part = ~whole
            inside, there = self._rows(day[part], stock[part])
            inside = (
                (inside - first[part, None]).clamp_(0, self.lookback - 1)[:, :, None].expand(-1, -1, window.shape[2])
            )
            window[part] = window[part].gather(1, inside).masked_fill_(~there[:, :, None], self._missing)
        return window

    def _windows(self, day: Tensor, stock: Tensor) -> Tensor:
        """Windows row by row."""
        row, there = self._rows(day, stock)
        # A row without anything to read reads some row, and is blanked.
        window = self._flat[row.clamp(max=len(self._flat) - 1)]
        return window.masked_fill_(~there[:, :, None], self._missing)

    def _rows(self, day: Tensor, stock: Tensor) -> tuple[Tensor, Tensor]:
        """The flat row that each of a window's rows reads, `[S, T]`, and whether there is one.

        Missing rows are filled where the feature set fills them.
        """
        steps = torch.arange(self.lookback, device=day.device)
        on = day[:, None] - (self.lookback - 1) + steps
        row = stock[:, None] * self._days + on.clamp(min=0)
        there = on >= 0
        if self._present is not None:
            there = there & self._present[row]
            first = torch.where(there, steps, self.lookback).amin(dim=1, keepdim=True)
            latest = torch.where(there, steps, -1).cummax(dim=1).values
            row = row[:, -1:] - (self.lookback - 1) + torch.maximum(latest, first)
            there = (first < self.lookback).expand_as(row)
        return row, there


def _fits(source: np.ndarray, device: torch.device) -> bool:
    """Whether columns leave room on a device for what trains on them."""
    if device.type != "cuda":
        return False
    free, _ = torch.cuda.mem_get_info(device)
    return source.nbytes < free * _SHARE_OF_DEVICE


def _moved(source: np.ndarray, device: torch.device, *, copy: bool) -> Tensor:
    """`source` on a device; mapped sources a block of stocks at a time."""
    if not is_mapped(source):
        return torch.from_numpy(source).to(device, copy=copy)
    if device.type == "cpu":
        return torch.from_numpy(source)
    moved = torch.empty(source.shape, device=device)
    for at in range(0, len(source), _STOCKS):
        moved[at : at + _STOCKS] = torch.from_numpy(source[at : at + _STOCKS])
        release(source)
    return moved


def _whole_windows(present: np.ndarray, lookback: int) -> Tensor:
    """Flat `[N * D]` bool: no row is missing in the window that ends on a day, among days that have one."""
    whole = np.empty(present.shape, dtype=bool)
    for stocks in stock_blocks(present):
        gone = np.cumsum(~present[stocks], axis=1, dtype=np.int32)
        before = np.zeros_like(gone)
        before[:, lookback:] = gone[:, :-lookback]
        whole[stocks] = gone == before
    return torch.from_numpy(whole.ravel())


def _fitted(
    feature_set: FeatureSet, panel: Panel, train: DayRange, stats: RobustStats | None, device: torch.device
) -> tuple[Windows | JointWindows, RobustStats]:
    if isinstance(feature_set, Joined):
        given = [None] * len(feature_set.parts) if stats is None else feature_set.split_stats(stats)
        fits = [_fitted(p, panel, train, own, device) for p, own in zip(feature_set.parts, given, strict=True)]
        return JointWindows([windows for windows, _ in fits]), feature_set.joined_stats([own for _, own in fits])
    source = feature_set.source(panel)
    stats = stats or feature_set.fit_stats(source, panel.member, train)
    own = not np.may_share_memory(source, panel.values)
    windows = Windows(feature_set, source, stats, device, feature_set.present(panel), reuse=own)
    del source
    release(panel.values)
    return windows, stats


class Dataset:
    """A panel seen through a data configuration: features fitted on the fold's train days, labels, segments.

    Attributes:
        panel, config, fold, feature_set: what it was made of.
        stats: the fitted normalisation.
        raw_label: `[D, N]` float32, NaN where unknown.
        train_label: `[D, N]` float64, per-day rank-normalised; made when it is first asked for.
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
        self.feature_set = features_of(config, panel.fields)
        self.windows, self.stats = _fitted(self.feature_set, panel, fold.train, stats, self.device)
        self.raw_label = raw_label(panel, config.label)
        self._label = torch.from_numpy(train_label(self.raw_label, np.float32).ravel()).to(self.device)
        spans = () if panel.concepts is None else (panel.concepts.start, panel.concepts.end)
        self._concepts = tuple(torch.from_numpy(part).to(self.device) for part in spans) or None
        self.train, self.valid, self.test = (Segment(self, days) for days in (fold.train, fold.valid, fold.test))

    def __repr__(self) -> str:
        spans = ", ".join(f"{name} {a} .. {b}" for name, (a, b) in self.fold.dates(self.panel.days).items())
        shape = f"{', '.join(self.config.entries)} [{self.lookback}, {self.n_features}]"
        return f"<Dataset {self.panel.name}: {shape}, {spans}, {self.panel.n_stocks:,} stocks>"

    @cached_property
    def train_label(self) -> np.ndarray:
        return train_label(self.raw_label)

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
        if len(chosen) == 0:
            return
        if scope == "day":
            yield from self._day_batches(chosen, rows, generator)
            return
        if generator is not None:
            chosen = chosen[torch.randperm(len(chosen), generator=generator)]
        for part in chosen.split(rows):
            yield self.dataset.batch(part)

    def _day_batches(self, chosen: Tensor, rows: int, generator: torch.Generator | None) -> Iterator[Batch]:
        _, counts = torch.unique_consecutive(chosen // self.dataset.panel.n_stocks, return_counts=True)
        days = chosen.split(counts.tolist())
        per_step = max(1, round(rows / (len(chosen) / len(days))))
        order = torch.arange(len(days)) if generator is None else torch.randperm(len(days), generator=generator)
        for part in order.split(per_step):
            yield self.dataset.batch(torch.cat([days[i] for i in part.tolist()]))
