"""What the forecasts of a run's models rest on, on any data; kept in `importance.json` of the run.

What is measured: `bench.attribution.exchange`, on some test days of every stored trial of a fold, and on networks of
the same shape with untrained weights. What those show is owed to the architecture and to the data, not to anything
learned.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bench.attribution.exchange import Exchanged, exchange, other_stocks, scored_rows
from bench.attribution.importance_frames import IMPORTANCE
from bench.attribution.run import chosen_trials, open_data
from bench.attribution.sampling import day_batch, labelled_days, prepared, sampled_rows, spread, take
from bench.attribution.trial import redrawn
from bench.attribution.truth import resampled_means
from bench.experiment.entries.names import data_of
from bench.records.documents import read_json, write_json
from bench.records.machine import torch_threads
from bench.records.store import RunStore
from bench.stats.bootstrap import interval
from zoo import checkpoint, registry
from zoo.data.windows import Dataset
from zoo.errors import ZooError
from zoo.network import Network


@dataclass(frozen=True)
class Sample:
    """What is looked at.

    Attributes:
        days: test days, spread evenly over those with labels; fewer where `most` says so, at least two.
        rows: stocks a day, drawn once; networks that read the whole day are given all of it.
        rows_peers: stocks a day whose scores are taken apart by whose row they read, for those networks.
        control_draws: networks with untrained weights, on the first `control_days` of the days.
        control_days: days that those are looked at on.
        most: rows scored for one trial and its controls; days are left out until that is kept.
    """

    days: int = 12
    rows: int = 200
    rows_peers: int = 8
    control_draws: int = 5
    control_days: int = 4
    most: int = 2_000_000


def measure_importance(
    store: RunStore,
    *,
    models: list[str] | None = None,
    all_seeds: bool = True,
    sample: Sample | None = None,
    fresh: bool = False,
    on_trial: Callable[[str, int, float], None] = lambda model, seed, seconds: None,
) -> dict[str, str]:
    """Measure all stored seeds of each model, or its first trial, and keep the figures in `importance.json`.

    Runs on one CPU thread. Trials measured before with the same sample are left as they are; a file that is damaged is
    replaced.

    Returns:
        Why a model could not be measured, by model.

    Raises:
        ConfigError: data other than the run's; no stored trial of a named model.
        DataError: the run's data cannot be read.
    """
    sample = sample or Sample()
    run = store.run()
    settings = asdict(sample)
    path = store.folder / IMPORTANCE
    stored = read_json(path).content or {"data": run["data"]["name"], "trials": {}}
    pending = [
        t
        for t in chosen_trials(store, run, models, all_seeds)
        if fresh or stored["trials"].get(t["key"], {}).get("settings") != settings
    ]
    failures: dict[str, str] = {}
    if not pending:
        return failures
    panel, config, folds = open_data(store.name, run)
    dataset: Dataset | None = None
    controls: dict[Any, dict[str, Any] | None] = {}
    with torch_threads(1):
        for trial in pending:
            began = time.perf_counter()
            try:
                forecaster = checkpoint.load(store.trial_folder(trial["key"]))
                fold = folds[trial["fold"]]
                data = data_of(trial["model"], config)
                if dataset is None or dataset.fold != fold or dataset.config != data:
                    dataset = Dataset(panel, data, fold, stats=forecaster.stats)
                # Networks drawn anew are the same for every seed of a model.
                control = (trial["model"], trial["fold"])
                entry = measure_one(forecaster, dataset, sample, controls.get(control))
                controls[control] = entry["control"]
            except ZooError as error:
                failures[trial["model"]] = str(error)
                continue
            seconds = time.perf_counter() - began
            stored["trials"][trial["key"]] = {**trial, "settings": settings, **entry, "seconds": seconds}
            write_json(path, stored)
            on_trial(trial["model"], trial["seed"], seconds)
    return failures


def measure_one(
    forecaster: checkpoint.Forecaster, dataset: Dataset, sample: Sample, control: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The entry of a trained model in `importance.json`, without what names its trial.

    Args:
        control: of another seed of the same model, to be taken instead of being measured again.

    Raises:
        ConfigError: no test day on which an IC can be taken.
    """
    scope = registry.get_spec(forecaster.name).scope
    labelled = labelled_days(dataset)
    shape = (dataset.lookback, dataset.n_features)
    widest = int(dataset.panel.member[labelled].sum(axis=1).max())
    explained = min(sample.rows_peers, widest) if scope == "day" else 0
    cost = scored_rows(widest if scope == "day" else min(sample.rows, widest), shape, explained)
    n_days = min(sample.days, max(2, sample.most // cost - sample.control_draws * sample.control_days))
    days = spread(labelled, n_days)
    batches = {}
    for day in days:
        batch = day_batch(dataset, day)
        batches[day] = batch if scope == "day" else take(batch, sampled_rows(batch, sample.rows))

    def look(model: Network, some: list[int]) -> list[Exchanged]:
        prepared(model, dataset, some[-1], scope)
        found = []
        for day in some:
            batch = batches[day]
            label = dataset.raw_label[day, batch.stock.numpy()]
            rows = sampled_rows(batch, explained) if scope == "day" else None
            found.append(exchange(model, batch, label, other_stocks(len(batch), day), rows))
        return found

    found = look(forecaster.model, days)
    if control is None:
        few = [days[i] for i in range(0, len(days), max(1, len(days) // sample.control_days))][: sample.control_days]
        draws = (redrawn(forecaster, dataset, seed) for seed in range(sample.control_draws))
        looked = [look(model, few) for model in draws if model is not None]
        control = {
            "fields": [_rounded(_mean(one, "fields")) for one in looked],
            "lags": [_rounded(_mean(one, "lags")) for one in looked],
            "peers": [_peers(one) for one in looked],
            "scored": sum(day.scored for one in looked for day in one),
        }
    return {
        "scope": scope,
        "fields": list(dataset.feature_set.columns),
        "lags": list(range(dataset.lookback - 1, -1, -1)),
        "days": [str(dataset.panel.days[day]) for day in days],
        "rows": sum(len(batch) for batch in batches.values()),
        "scored": sum(day.scored for day in found) + control["scored"],
        "ic": float(np.mean([day.ic for day in found])),
        "by_field": _part(found, "fields"),
        "by_lag": _part(found, "lags"),
        "peers": _peers(found),
        "control": control,
    }


def _part(found: list[Exchanged], axis: str) -> dict[str, list[float]]:
    """Change and IC lost by part; the interval of the loss is a bootstrap over days, which lie apart."""
    lost = np.stack([getattr(day, f"{axis}_ic") for day in found])
    low = high = np.full(lost.shape[1], np.nan)
    if len(lost) > 1:
        low, high = interval(resampled_means(lost, np.arange(len(lost)), np.zeros(len(lost), dtype=int), draws=1000))
    return {
        "change": _rounded(_mean(found, axis)),
        "ic_lost": _rounded(lost.mean(axis=0)),
        "ic_lost_low": _rounded(low),
        "ic_lost_high": _rounded(high),
    }


def _rounded(values: np.ndarray) -> list[float]:
    """To five significant digits: a set of many fields is kept for every trial."""
    return [float(f"{value:.5g}") for value in values]


def _mean(found: list[Exchanged], axis: str) -> np.ndarray:
    return np.mean([getattr(day, axis) for day in found], axis=0)


def _peers(found: list[Exchanged]) -> float:
    """The share that comes from other stocks' rows; NaN for sample scope, and where no row moves a score."""
    own, others = (float(np.mean([getattr(day, name) for day in found])) for name in ("own", "others"))
    return others / (own + others) if own + others > 0 else float("nan")
