"""Data made to differ on chosen days, and datasets that note what is read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from zoo.data.panel import Panel
from zoo.data.windows import Dataset, Segment
from zoo.network import Batch

_SHOCK = 0.3  # sd of the logarithm: more than a robust statistic shrugs off
_GONE = 0.1  # share of the (day, stock) cells that lose their values


def changed(panel: Panel, start: int, stop: int | None = None, *, members: bool = True, seed: int = 0) -> Panel:
    """The panel with other values on days `start .. stop - 1` (None: to the end).

    Values are multiplied by log-normal factors, a tenth of the cells is emptied, empty ones are filled. In the last
    stocks of a random order, one in five, all values go: they are delisted. From `start` on stocks swap concepts.

    Args:
        members: also turn a fifth of the memberships of these days.
    """
    rng = np.random.default_rng([seed, start])
    values, member = panel.values.copy(), panel.member.copy()
    part = values[start:stop]
    typical = pd.DataFrame(part.reshape(-1, len(panel.fields))).median().fillna(1.0).to_numpy(np.float32)
    filled = np.where(np.isfinite(part), part, typical)
    filled = (filled * np.exp(rng.normal(0, _SHOCK, part.shape))).astype(np.float32)
    gone = rng.random(part.shape[:2]) < _GONE
    if stop is None:
        gone[:, rng.permutation(panel.n_stocks)[: panel.n_stocks // 5]] = True
    filled[gone] = np.nan
    values[start:stop] = filled
    if members:
        member[start:stop] ^= rng.random(part.shape[:2]) < 0.2
    concepts = panel.concepts
    if concepts is not None and start < panel.n_days:
        other = rng.permutation(panel.n_stocks)
        first, last = np.maximum(concepts.start[:, other], start), np.minimum(concepts.end, start - 1)
        concepts = replace(
            concepts,
            start=np.concatenate([concepts.start, first]).astype(np.int32),
            end=np.concatenate([last, concepts.end[:, other]]).astype(np.int32),
        )
    return replace(panel, values=values, member=member, concepts=concepts)


def holed(panel: Panel, days: tuple[int, ...], *, seed: int = 0) -> Panel:
    """The panel with suspensions: single days anywhere, and a week around each of `days`.

    Without them, filling missing values from the future would go unseen on data that miss none.
    """
    rng = np.random.default_rng(seed)
    values = panel.values.copy()
    values[rng.random(panel.member.shape) < 0.01] = np.nan
    some = max(1, panel.n_stocks // 8)
    for day in days:
        values[max(day - 2, 0) : day + 4, rng.permutation(panel.n_stocks)[:some]] = np.nan
    return replace(panel, values=values)


class View(Dataset):
    """A dataset that answers as another does; what its segments read goes through the view."""

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
        batch = super().batch(row)
        return replace(batch, label=self.given[row.cpu()].to(batch.label.device))
