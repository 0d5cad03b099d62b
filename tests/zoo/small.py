"""Small markets, datasets and models for the tests of `zoo`: a few stocks with holes, fitted in no time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import torch

from zoo import trainer
from zoo.config import DataConfig, TrainConfig
from zoo.data.features import FEATURE_SETS
from zoo.data.panel import Panel
from zoo.data.sources.planted import planted_panel
from zoo.data.split import DayRange, Fold
from zoo.data.windows import Dataset
from zoo.network import Network
from zoo.registry import build, get_spec, list_models

MODELS = list_models()
GRADIENT = [name for name in MODELS if get_spec(name).gradient_trained]
WHOLE = [name for name in MODELS if not get_spec(name).gradient_trained]
SAMPLE = [name for name in MODELS if get_spec(name).scope == "sample"]
DAY = [name for name in MODELS if get_spec(name).scope == "day"]
FEATURES = sorted(FEATURE_SETS)

_SIZES = {
    "hidden_size": 8,
    "num_heads": 2,
    "router_hidden": 4,
    "n_d": 4,
    "n_a": 4,
    "num_rounds": 5,
    "min_data_in_leaf": 2,
}
QUICK = TrainConfig(batch_size=24, max_epochs=2, max_steps_per_epoch=4, lr=5e-3)


def small_params(name: str, **others: Any) -> dict[str, Any]:
    """Parameters that make any model tiny, as far as it knows them."""
    known = get_spec(name).parameters
    return {key: value for key, value in {**_SIZES, **others}.items() if key in known}


def small_model(name: str, *, n_features: int, lookback: int, **others: Any) -> Network:
    trainer.seed_everything(0)
    return build(name, n_features=n_features, lookback=lookback, **small_params(name, **others))


@cache
def small_panel(n_days: int = 110, stocks: int = 10) -> Panel:
    """A planted market with suspended days, single holes, a late listing, a delisting and changing membership."""
    panel = planted_panel(f"planted:mixed?stocks={stocks}&days={n_days}&seed=5")
    rng = np.random.default_rng(3)
    values, member = panel.values.copy(), panel.member.copy()
    values[rng.random(values.shape[:2]) < 0.03] = np.nan
    values[rng.random(values.shape) < 0.01] = np.nan
    values[: n_days // 4, 0] = np.nan
    member[: n_days // 4, 0] = False
    values[-n_days // 8 :, 1] = np.nan
    member[-n_days // 8 :, 1] = False
    member[n_days // 2 : n_days // 2 + 9, 2:5] = False
    return replace(panel, values=values, member=member)


def changed_after(panel: Panel, t: int, seed: int = 11) -> Panel:
    """The same panel up to day t, anything after."""
    rng = np.random.default_rng(seed)
    values, member = panel.values.copy(), panel.member.copy()
    later = values[t + 1 :]
    later *= rng.uniform(0.3, 3, later.shape).astype(np.float32)
    later[rng.random(later.shape[:2]) < 0.2] = np.nan
    member[t + 1 :] = rng.random(member[t + 1 :].shape) < 0.7
    return replace(panel, values=values, member=member)


def lookback_of(features: str) -> int:
    """A short window where the feature set lets one choose, else its own."""
    return FEATURE_SETS[features]().lookback if features != "raw" else 6


def small_fold(panel: Panel, warmup: int) -> Fold:
    """Train, valid and test of 60, 20 and 20 % of the days that have a full window, two days of embargo."""
    usable = panel.n_days - warmup
    a, b = warmup + int(0.6 * usable), warmup + int(0.8 * usable)
    return Fold(0, DayRange(warmup, a - 2), DayRange(a, b - 2), DayRange(b, panel.n_days), 2)


@cache
def shared_dataset(features: str = "raw", changed: int | None = None) -> Dataset:
    """The small market through a feature set, for all tests that only read it; another one after day `changed`."""
    dataset = small_dataset(features)
    if changed is None:
        return dataset
    return Dataset(changed_after(dataset.panel, changed), dataset.config, dataset.fold, stats=dataset.stats)


def small_dataset(features: str = "raw", panel: Panel | None = None, lookback: int | None = None) -> Dataset:
    panel = small_panel() if panel is None else panel
    config = DataConfig(source="small", features=features, lookback=lookback or lookback_of(features))
    warmup = FEATURE_SETS[features](lookback=config.lookback).warmup  # type: ignore[call-arg]
    return Dataset(panel, config, small_fold(panel, warmup))


@dataclass(frozen=True)
class Fitted:
    model: Network
    dataset: Dataset
    result: trainer.FitResult


def fit_small(name: str, dataset: Dataset, config: TrainConfig = QUICK, seed: int = 0, **params: Any) -> Fitted:
    """A tiny model trained for a few steps, everything seeded."""
    trainer.seed_everything(seed)
    params = small_params(name, **params)
    model = build(name, n_features=dataset.n_features, lookback=dataset.lookback, **params)
    result = trainer.fit(model, dataset.train, dataset.valid, config, scope=get_spec(name).scope, seed=seed)
    return Fitted(model, dataset, result)


@cache
def fitted(name: str, features: str = "raw") -> Fitted:
    """One trained model per name and feature set for all tests that only read it."""
    return fit_small(name, shared_dataset(features))


def same_state(a: Network, b: Network) -> bool:
    """Whether two models hold bit-identical numbers."""
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)
