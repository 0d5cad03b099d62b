"""Datasets seen through a filter: one that notes which days are read, one whose labels are shuffled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from zoo.data.windows import Dataset, Segment
from zoo.network import Batch


class View(Dataset):
    """A dataset that answers as another does; its segments belong to the view, so that what is read goes through it."""

    def __init__(self, inner: Dataset) -> None:
        self.__dict__.update(inner.__dict__)
        self.inner = inner
        self.train = Segment(self, inner.train.days)
        self.valid = Segment(self, inner.valid.days)
        self.test = Segment(self, inner.test.days)

    def batch(self, row: Tensor) -> Batch:
        return self.inner.batch(row)


class Watched(View):
    """Notes the latest day of which a row was asked for."""

    latest = -1

    def batch(self, row: Tensor) -> Batch:
        if len(row):
            self.latest = max(self.latest, int(row.max()) // self.panel.n_stocks)
        return super().batch(row)


class Shuffled(View):
    """Labels permuted at random among the stocks of each day, in all segments."""

    def __init__(self, inner: Dataset, seed: int) -> None:
        rng = np.random.default_rng(seed)
        raw, ranked = inner.raw_label.copy(), inner.train_label.copy()
        for day in range(len(raw)):
            there = np.flatnonzero(np.isfinite(raw[day]))
            other = rng.permutation(there)
            raw[day, there], ranked[day, there] = raw[day, other], ranked[day, other]
        super().__init__(inner)
        self.raw_label, self.train_label = raw, ranked
        self.given = torch.from_numpy(ranked.astype(np.float32).ravel())

    def batch(self, row: Tensor) -> Batch:
        found = super().batch(row)
        return replace(found, label=self.given[row.cpu()].to(found.label.device))
