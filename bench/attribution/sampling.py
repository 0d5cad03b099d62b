"""Which rows of the test segment are explained, and a network made ready for them."""

from __future__ import annotations

import numpy as np
import torch

from zoo import registry, trainer
from zoo.data.split import DayRange
from zoo.data.windows import Dataset, Segment
from zoo.errors import ConfigError
from zoo.network import Batch, Network


def prepared(model: Network, dataset: Dataset, last: int, scope: registry.Scope) -> Network:
    """The network in eval mode, its state brought up to the last day that it is asked about."""
    if type(model).on_epoch is not Network.on_epoch:
        trainer.predict(model, Segment(dataset, DayRange(last, last + 1)), scope=scope)
    return model.eval()


def labelled_days(dataset: Dataset) -> np.ndarray:
    """Test days on which an IC can be taken."""
    days = np.arange(dataset.fold.test.start, dataset.fold.test.stop)
    found = (np.isfinite(dataset.raw_label[days]) & dataset.panel.member[days]).sum(axis=1)
    if not (found > 2).any():
        raise ConfigError(f"{dataset.panel.name}: no test day has three stocks with a label")
    return days[found > 2]


def spread(days: np.ndarray, count: int) -> list[int]:
    """At most `count` of the days, evenly spread, from the first to the last."""
    at = np.unique(np.linspace(0, len(days) - 1, min(count, len(days))).round().astype(int))
    return [int(day) for day in np.asarray(days)[at]]


def day_batch(dataset: Dataset, day: int) -> Batch:
    """All rows of a day."""
    n = dataset.panel.n_stocks
    return dataset.batch(torch.from_numpy(np.flatnonzero(dataset.panel.member[day]) + day * n))


def sampled_rows(batch: Batch, count: int) -> torch.Tensor:
    """Positions of `count` stocks of the batch: of a fixed random order of all stocks, the first that are there."""
    priority = np.random.default_rng(0).permutation(int(batch.stock.max()) + 1)[batch.stock.numpy()]
    return torch.from_numpy(np.sort(np.argsort(priority, kind="stable")[:count]))


def take(batch: Batch, rows: torch.Tensor) -> Batch:
    """The batch of some of its rows."""
    concepts = None if batch.concepts is None else batch.concepts[rows]
    return Batch(batch.x[rows], batch.label[rows], batch.day[rows], batch.stock[rows], concepts)
