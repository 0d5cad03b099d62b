"""Seed, build, fit, score: the one path of trials, calibrations, timings and leak checks to a model."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo import registry, trainer
from zoo.config import TrainConfig
from zoo.data.split import DayRange
from zoo.data.windows import Dataset, Segment
from zoo.network import Network
from zoo.training.snapshot import Snapshots

WARM_UP_ROWS = 1000
"""Train rows of a warm-up: so few that it takes no time, enough for trees to be grown."""


@dataclass(frozen=True)
class Trained:
    """A fitted model, how its fit went, its scores `[test days, N]` and the seconds that scoring took."""

    model: Network
    fit: trainer.FitResult
    scores: np.ndarray
    predict_seconds: float


def seeded_model(name: str, params: dict[str, Any], dataset: Dataset, seed: int) -> Network:
    """A fresh model for the windows of a dataset, every generator it may draw from seeded before.

    Raises:
        UnavailableError: a package is missing, or concepts that it needs.
        ModelError: parameters that it cannot be built with.
    """
    trainer.check_requirements(name, dataset.panel.concepts is not None)
    trainer.seed_everything(seed)
    return registry.build(name, n_features=dataset.n_features, lookback=dataset.lookback, **params)


def warm_up(name: str, params: dict[str, Any], config: TrainConfig, dataset: Dataset) -> None:
    """Take a step of a fit that is thrown away, on the first train days: a clock that starts after it starts warm.

    What a process does once (torch's first step takes seconds, kernels are loaded, an allocator grows) is then part of
    no trial, whichever comes first. What fails here fails in the fit, and is told there.
    """
    spec, few = registry.get_spec(name), _first_rows(dataset, dataset.fold.train)
    # Trees stop early on valid days; what reads history back to the first train day is spared that.
    judge = few if spec.gradient_trained else _first_rows(dataset, dataset.fold.valid)
    short = config.model_copy(update={"max_epochs": 1, "max_steps_per_epoch": 1})
    with suppress(Exception), warnings.catch_warnings(action="ignore"):
        trainer.fit(seeded_model(name, params, dataset, 0), few, judge, short, scope=spec.scope)


def _first_rows(dataset: Dataset, days: DayRange) -> Segment:
    """The first days with `WARM_UP_ROWS` rows that have a label."""
    labelled = (np.isfinite(dataset.raw_label) & dataset.panel.member)[days.start : days.stop].sum(axis=1)
    last = days.start + int(np.searchsorted(labelled.cumsum(), WARM_UP_ROWS))
    return Segment(dataset, DayRange(days.start, min(last + 1, days.stop)))


def train_and_score(
    name: str,
    params: dict[str, Any],
    config: TrainConfig,
    dataset: Dataset,
    seed: int,
    *,
    on_epoch: Callable[[trainer.Epoch], None] | None = None,
    snapshots: Snapshots | None = None,
) -> Trained:
    """Fit a fresh model on the train segment and score the test segment; `on_epoch`, `snapshots` as `trainer.fit`.

    Raises:
        ZooError: the model cannot run on this data or its training diverged.
    """
    scope = registry.get_spec(name).scope
    model = seeded_model(name, params, dataset, seed)
    train, valid = dataset.train, dataset.valid
    fit = trainer.fit(model, train, valid, config, scope=scope, seed=seed, on_epoch=on_epoch, snapshots=snapshots)
    began = time.perf_counter()
    scores = trainer.predict(model, dataset.test, scope=scope)
    return Trained(model, fit, scores, time.perf_counter() - began)
