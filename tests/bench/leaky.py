"""Faulty pieces, one leak each, in the places where a user's own would go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bench.experiment.config import ExperimentConfig
from bench.experiment.plan import make_plan
from bench.leaks import Pieces, Subject, make_subject
from zoo import trainer
from zoo.config import UniverseConfig
from zoo.data.features.base import FeatureSet
from zoo.data.features.raw import Raw
from zoo.data.labels import raw_label, train_label
from zoo.data.normalize import RobustStats
from zoo.data.panel import Panel
from zoo.data.split import DayRange
from zoo.data.universe import apply_universe
from zoo.data.windows import Dataset, Segment
from zoo.network import Batch, EpochContext, Network, WholeModel

SOURCE = "planted:local?stocks=16&days=220"


def subject_of(
    models: str = "linear", *, pieces: Pieces | None = None, params: dict[str, Any] | None = None, **data: Any
) -> Subject:
    """The subject of a small experiment; `data` is the section of that name."""
    section = {"source": SOURCE, "lookback": 5, **data}
    names = models.split(",")
    entries = {name: {"params": (params or {}).get(name, {})} for name in names}
    config = ExperimentConfig.model_validate(
        {"data": section, "models": entries, "baseline": None, "seeds": [0], "device": "cpu"}
    )
    return make_subject(make_plan(config, models), pieces)


# Feature sets


class Centred(Raw):
    """Its close is a mean over the days before and after."""

    name = "centred"

    def source(self, panel: Panel) -> np.ndarray:
        out = super().source(panel)
        padded = np.pad(out[:, :, 3], ((0, 0), (1, 1)))
        out[:, :, 3] = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
        return out


class Backfilled(Raw):
    """A missing value is that of the next day that has one."""

    name = "backfilled"

    def source(self, panel: Panel) -> np.ndarray:
        out = super().source(panel)
        for day in range(out.shape[1] - 2, -1, -1):
            out[:, day] = np.where(np.isnan(out[:, day]), out[:, day + 1], out[:, day])
        return out


class ScaledOnAll(Raw):
    """Divided by its sd over all days before anything is fitted."""

    name = "scaled_on_all"

    def source(self, panel: Panel) -> np.ndarray:
        out = super().source(panel)
        out[:, :, 4] /= np.nanstd(out[:, :, 4])
        return out


class FittedOnAll(Raw):
    """Its statistics are those of all days."""

    name = "fitted_on_all"

    def fit_stats(self, source: np.ndarray, member: np.ndarray, train: DayRange) -> RobustStats:
        return super().fit_stats(source, member, DayRange(0, len(member)))


class WithLabel(Raw):
    """Has the return it is to predict among its columns."""

    name = "with_label"
    columns = (*Raw.columns, "target")

    def source(self, panel: Panel) -> np.ndarray:
        close = panel.field("close").T
        target = np.full_like(close, np.nan)
        target[:, :-2] = close[:, 2:] / close[:, 1:-1] - 1
        return np.concatenate([super().source(panel)[:, :, :5], target[:, :, None]], axis=2)


class Vendor(FeatureSet):
    """A column that the data come with."""

    name = "vendor"
    columns = ("rating",)

    def __init__(self, lookback: int = 5) -> None:
        self.lookback, self.warmup = lookback, lookback - 1

    def source(self, panel: Panel) -> np.ndarray:
        return np.ascontiguousarray(panel.field("rating").T[:, :, None])


LEAKY_FEATURES = (Centred, Backfilled, ScaledOnAll, FittedOnAll, WithLabel, Vendor)


def rated_with_hindsight(subject: Subject) -> Subject:
    """The data with a column `rating` that a vendor has computed from the label."""
    panel = subject.sample
    label = raw_label(panel, subject.data.label)
    rating = (label + 0.01 * np.random.default_rng(0).normal(size=label.shape)).astype(np.float32)
    sample = replace(
        panel, fields=(*panel.fields, "rating"), values=np.concatenate([panel.values, rating[:, :, None]], axis=2)
    )
    return replace(subject, sample=sample, data=subject.data.model_copy(update={"features": "vendor"}))


# Datasets


class OneDayAhead(Dataset):
    """Windows end on the next day."""

    def batch(self, row: Tensor) -> Batch:
        found = super().batch(row)
        later = (found.day + 1).clamp(max=self.panel.n_days - 1)
        return replace(found, x=self.windows.gather(later, found.stock))


class LastConcepts(Dataset):
    """Rows have the concepts of the last day."""

    def batch(self, row: Tensor) -> Batch:
        found = super().batch(row)
        assert self.panel.concepts is not None
        last = np.full(len(row), self.panel.n_days - 1)
        return replace(found, concepts=torch.from_numpy(self.panel.concepts.at(last, found.stock.numpy())))


class Relabelled(Dataset):
    """Its labels are what `labels` makes of the right ones."""

    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.raw_label, self.train_label = self.labels()
        self.given = torch.from_numpy(self.train_label.astype(np.float32).ravel())

    def batch(self, row: Tensor) -> Batch:
        return replace(super().batch(row), label=self.given[row])


class RankedOverAllDays(Relabelled):
    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        return self.raw_label, train_label(self.raw_label.reshape(1, -1)).reshape(self.raw_label.shape)


class LongerLabel(Relabelled):
    """Holds for five days what is declared as one."""

    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        raw = raw_label(self.panel, self.config.label.model_copy(update={"horizon": 5}))
        return raw, train_label(raw)


class LateLabel(Relabelled):
    """Trains on the return of three days later."""

    def labels(self) -> tuple[np.ndarray, np.ndarray]:
        later = np.full_like(self.train_label, np.nan)
        later[:-3] = self.train_label[3:]
        return self.raw_label, np.where(np.isfinite(self.raw_label), np.nan_to_num(later), np.nan)


class MisplacedLabel(Dataset):
    """Hands out the label of the stock's neighbour in the batch."""

    def batch(self, row: Tensor) -> Batch:
        found = super().batch(row)
        return replace(found, label=found.label.roll(1))


# Models


class Reads(Network):
    """A linear score of the last day; the base of models that read more."""

    def __init__(self, *, n_features: int, lookback: int) -> None:
        super().__init__()
        self.head = nn.Linear(n_features, 1)

    def forward(self, x: Tensor, *, day: Tensor | None = None, concepts: Tensor | None = None) -> Tensor:
        return self.head(x[:, -1])[:, 0]


class ReadsLabels(Reads):
    def score(self, batch: Batch) -> Tensor:
        return super().score(batch) + batch.label.nan_to_num()


class ReadsBatch(Reads):
    """Subtracts the mean of its batch, whatever days that holds."""

    def forward(self, x: Tensor, *, day: Tensor | None = None, concepts: Tensor | None = None) -> Tensor:
        score = super().forward(x)
        return score * score.detach().mean()


class ReadsNextDay(Reads):
    """Adds the mean score of the latest day of the batch."""

    def forward(self, x: Tensor, *, day: Tensor | None = None, concepts: Tensor | None = None) -> Tensor:
        score = super().forward(x)
        if day is None:
            return score
        return score * score[day == day.max()].detach().abs().sum()


class RemembersTooMuch(Reads):
    """Keeps labels by day and stock, and reads them without waiting for them to be known."""

    memory: Tensor | None = None

    def on_epoch(self, context: EpochContext) -> None:
        self.memory = torch.zeros(context.n_days, context.n_stocks)
        for batch in context.replay():
            self.memory[batch.day, batch.stock] = batch.label.nan_to_num()

    def score(self, batch: Batch) -> Tensor:
        assert self.memory is not None
        return super().score(batch) + self.memory[(batch.day - 1).clamp(min=0), batch.stock]


class LearnsEverything(WholeModel):
    """Ridge regression on all segments of the data it is given a segment of."""

    weight: Tensor

    def __init__(self, *, n_features: int, lookback: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(n_features * lookback))

    def forward(self, x: Tensor, *, day: Tensor | None = None, concepts: Tensor | None = None) -> Tensor:
        return x.flatten(1) @ self.weight

    def fit(self, train: Any, valid: Any, config: Any) -> dict[str, Any]:
        batches = [b for s in (train, valid, train.dataset.test) for b in s.batches(4096, labelled=True)]
        x, y = torch.cat([b.x.flatten(1) for b in batches]), torch.cat([b.label for b in batches])
        self.weight.copy_(torch.linalg.solve(x.T @ x + torch.eye(x.shape[1]), x.T @ y))
        return {}


# The rest


def fit_until_best_on_test(model: Network, train: Segment, valid: Segment, *args: Any, **kwargs: Any) -> Any:
    return trainer.fit(model, train, train.dataset.test, *args, **kwargs)


def fit_on_train_and_valid(model: Network, train: Segment, valid: Segment, *args: Any, **kwargs: Any) -> Any:
    both = Segment(train.dataset, DayRange(train.days.start, valid.days.stop))
    return trainer.fit(model, both, valid, *args, **kwargs)


def predict_one_day_late(model: Network, segment: Segment, **kwargs: Any) -> np.ndarray:
    """Gives each day the scores of the next."""
    stop = min(segment.days.stop + 1, segment.dataset.panel.n_days)
    later = trainer.predict(model, Segment(segment.dataset, DayRange(segment.days.start + 1, stop)), **kwargs)
    missing = len(segment.days) - len(later)
    return np.concatenate([later, np.full((missing, later.shape[1]), np.nan, dtype=np.float32)])


def universe_of_all_time(panel: Panel, universe: UniverseConfig) -> Panel:
    """The stocks that trade most over the whole of the data."""
    dollars = np.nansum(panel.field("close").astype(np.float64) * panel.field("volume"), axis=0)
    chosen = np.argsort(-dollars)[: universe.top_liquidity]
    return replace(panel, member=panel.member & np.isin(np.arange(panel.n_stocks), chosen))


def universe_of_survivors(panel: Panel, universe: UniverseConfig) -> Panel:
    """The rule as it should be, without the stocks that are delisted later."""
    survives = np.isfinite(panel.field("close")[-5:]).any(axis=0)
    panel = apply_universe(panel, universe)
    return replace(panel, member=panel.member & survives)


def pooled_metrics(score: np.ndarray, raw: np.ndarray, ranked: np.ndarray) -> Any:
    """Daily metrics of scores that are standardised over all days."""
    from bench.metrics.daily import daily_scores

    return daily_scores((score - score.mean()) / score.std(), raw, ranked)


def on_dataset(cls: type[Dataset]) -> Callable[[], Subject]:
    return lambda: subject_of(pieces=Pieces(dataset=cls))
