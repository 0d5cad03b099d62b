"""Rows of another tool as segments of the trainer: windows as they come, days and stocks from their index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from zoo.config import DataConfig, LabelConfig
from zoo.data.panel import Panel
from zoo.data.split import DayRange, Fold
from zoo.data.windows import Dataset
from zoo.errors import ConfigError, DataError
from zoo.network import Batch


@dataclass(frozen=True)
class Part:
    """The R rows of one segment.

    Attributes:
        index: (datetime, instrument) of each row, each once.
        gather: positions `[S]` int64 -> windows `[S, T, F]` float32, finite.
        label, raw_label: `[R]` float32 to train on and float64 to judge by, NaN where missing.
        lookback, n_features: T and F.
    """

    index: pd.MultiIndex
    gather: Callable[[np.ndarray], np.ndarray]
    label: np.ndarray
    raw_label: np.ndarray
    lookback: int
    n_features: int

    @classmethod
    def of_frame(cls, frame: pd.DataFrame, lookback: int, name: str) -> Part:
        """Rows whose columns are windows written out field by field, oldest day first.

        Raises:
            DataError: no row.
            ConfigError: a number of columns that `lookback` does not divide.
        """
        _check_rows(len(frame), name)
        x = np.nan_to_num(frame["feature"].to_numpy(dtype=np.float32))
        if x.shape[1] % lookback:
            raise ConfigError(f"ZooModel: lookback {lookback} does not divide the {x.shape[1]} columns of a row")
        label = np.asarray(frame["label"], dtype=np.float64).reshape(len(frame), -1)[:, 0]
        windows = x.reshape(len(x), -1, lookback).transpose(0, 2, 1)
        index = pd.MultiIndex.from_tuples(frame.index, names=["datetime", "instrument"])
        return cls(index, lambda rows: windows[rows], label.astype(np.float32), label, lookback, x.shape[1] // lookback)

    @classmethod
    def of_sampler(cls, sampler: Any, name: str) -> Part:
        """Rows of a sampler whose items are windows `[T, F + 1]`, the label last.

        Raises:
            DataError: no row.
        """
        _check_rows(len(sampler), name)
        index: pd.MultiIndex = sampler.get_index().set_names(["datetime", "instrument"])

        def gather(rows: np.ndarray) -> np.ndarray:
            return np.nan_to_num(np.asarray(sampler[rows])[:, :, :-1].astype(np.float32))

        last = [
            np.asarray(sampler[rows])[:, -1, -1]
            for rows in np.array_split(np.arange(len(index)), 1 + len(index) // 4096)
        ]
        label = np.concatenate(last).astype(np.float64)
        n_features = gather(np.arange(1)).shape[2]
        return cls(index, gather, label.astype(np.float32), label, sampler.step_len, n_features)

    def with_raw_label(self, raw: pd.Series | None) -> Part:
        """The same rows judged by another label, looked up by day and stock."""
        if raw is None:
            return self
        return replace(self, raw_label=raw.reindex(self.index).to_numpy(dtype=np.float64))


def _check_rows(count: int, name: str) -> None:
    if count == 0:
        raise DataError(f"ZooModel: the segment {name} of the dataset has no row")


class RowDataset(Dataset):
    """Parts on one calendar, which must not share days; stands where the trainer expects a `Dataset`.

    Its panel has days, symbols and membership, the row being there, and no prices.

    Raises:
        DataError: parts that share a day, or a row twice.
    """

    def __init__(self, parts: list[Part], reach: int, device: str) -> None:
        self.parts, self.device = parts, torch.device(device)
        days = pd.Index(np.unique(np.concatenate([p.index.get_level_values(0).to_numpy() for p in parts])))
        names = pd.Index(sorted({str(s) for p in parts for s in p.index.get_level_values(1).unique()}))
        self._places = [
            (days.get_indexer(p.index.get_level_values(0)), names.get_indexer(p.index.get_level_values(1).astype(str)))
            for p in parts
        ]
        shape = (len(days), len(names))
        self._position = np.full(shape, -1, dtype=np.int64)
        self.raw_label = np.full(shape, np.nan)
        label = np.full(shape, np.nan, dtype=np.float32)
        self._starts = np.cumsum([0, *(len(p.index) for p in parts)])
        for part, place, first in zip(parts, self._places, self._starts, strict=False):
            if (self._position[place] >= 0).any() or len(np.unique(place[0] * shape[1] + place[1])) < len(part.index):
                raise DataError("ZooModel: a day and stock has two rows; segments must not overlap")
            self._position[place] = first + np.arange(len(part.index))
            self.raw_label[place], label[place] = part.raw_label, part.label
        spans = [self.days_of(k) for k in range(len(parts))]
        nothing = DayRange(0, 0)
        self.fold = Fold(0, spans[0], nothing, nothing, 0)
        self.config = DataConfig(label=LabelConfig(lag=max(reach - 1, 0), horizon=1))
        member = self._position >= 0
        blank = np.full((*shape, 1), np.nan, dtype=np.float32)
        calendar = days.to_numpy().astype("datetime64[D]")
        self.panel = Panel(calendar, names.to_numpy().astype(np.str_), ("close",), blank, member)
        self._label = torch.from_numpy(label.ravel()).to(self.device)

    def __repr__(self) -> str:
        return f"<RowDataset: {self._starts[-1]:,} rows of [{self.lookback}, {self.n_features}]>"

    def days_of(self, part: int) -> DayRange:
        """The calendar positions of a part."""
        day = self._places[part][0]
        return DayRange(int(day.min()), int(day.max()) + 1)

    def places_of(self, part: int) -> tuple[np.ndarray, np.ndarray]:
        """Calendar position and number of the stock of each row of a part."""
        return self._places[part]

    @property
    def n_features(self) -> int:
        return self.parts[0].n_features

    @property
    def lookback(self) -> int:
        return self.parts[0].lookback

    def batch(self, row: Tensor) -> Batch:
        """As `Dataset.batch`."""
        position = self._position.ravel()[row.cpu().numpy()]
        x = np.empty((len(position), self.lookback, self.n_features), dtype=np.float32)
        for part, first in zip(self.parts, self._starts, strict=False):
            inside = (position >= first) & (position < first + len(part.index))
            if inside.any():
                x[inside] = part.gather(position[inside] - first)
        row = row.to(self.device)
        n = self.panel.n_stocks
        return Batch(torch.from_numpy(x).to(self.device), self._label[row], row // n, row % n)
