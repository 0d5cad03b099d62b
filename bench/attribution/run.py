"""Attributions of a finished run's models against the planted truth; kept in `attribution.json` of the run.

What is measured on each model: `bench.attribution.trial`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from bench.attribution.frames import FILE
from bench.attribution.trial import Effort, measure_trial
from bench.attribution.truth import Truth, truth_of
from bench.experiment.config import ExperimentConfig
from bench.experiment.entries.names import data_of, first_day_of
from bench.records.documents import read_json, write_json
from bench.records.machine import torch_threads
from bench.records.store import RunStore
from zoo import checkpoint
from zoo.config import DataConfig
from zoo.data.features import make_feature_set
from zoo.data.panel import Panel
from zoo.data.sources import open_panel
from zoo.data.sources.planted import PREFIX, planted_market_from_spec
from zoo.data.split import Fold, make_folds
from zoo.data.windows import Dataset
from zoo.errors import ConfigError, ZooError


def measure_attributions(
    store: RunStore,
    *,
    models: list[str] | None = None,
    all_seeds: bool = False,
    effort: Effort | None = None,
    fresh: bool = False,
    on_trial: Callable[[str, int, float], None] = lambda model, seed, seconds: None,
) -> dict[str, str]:
    """Measure the first stored trial of each model, or those of all seeds, and keep the results in `attribution.json`.

    Runs on one CPU thread. Trials measured before with the same effort are left as they are.

    Returns:
        Why a model could not be measured, by model.

    Raises:
        ConfigError: not a planted market or one without truth, features that are no cells, or data other than the
            run's; no stored trial of a named model.
    """
    effort = effort or Effort()
    run = store.run()
    chosen = _trials(store, run, models, all_seeds)
    panel, folds, truth_for = _explainable(store.name, run)
    settings = asdict(effort)
    path = store.folder / FILE
    stored = read_json(path).content or {"market": panel.name, "trials": {}}
    dataset: Dataset | None = None
    failures: dict[str, str] = {}
    with torch_threads(1):
        for trial in chosen:
            if not fresh and settings.items() <= stored["trials"].get(trial["key"], {}).get("settings", {}).items():
                continue
            began = time.perf_counter()
            try:
                forecaster = checkpoint.load(store.trial_folder(trial["key"]))
                fold = folds[trial["fold"]]
                data, truth = truth_for(trial["model"])
                if dataset is None or dataset.fold != fold or dataset.config != data:
                    dataset = Dataset(panel, data, fold, stats=forecaster.stats)
                entry = measure_trial(forecaster, dataset, truth, effort)
            except ZooError as error:
                failures[trial["model"]] = str(error)
                continue
            stored["trials"][trial["key"]] = {**trial, "settings": settings, **entry}
            write_json(path, stored)
            on_trial(trial["model"], trial["seed"], time.perf_counter() - began)
    return failures


def _explainable(name: str, run: dict[str, Any]) -> tuple[Panel, list[Fold], Callable[[str], tuple[DataConfig, Truth]]]:
    """The data of a run on a planted market, its folds, and by model the data as it sees them and what there is to find
    in them.
    """
    config = ExperimentConfig.model_validate(run["config"])
    data = config.data
    if not str(data.source).startswith(PREFIX):
        raise ConfigError(
            f"run '{name}' is on {run['data']['name']}: the truth is known on planted markets only; "
            f"run one with: python -m bench run --data {PREFIX}mixed"
        )
    panel = open_panel(data)
    if panel.fingerprint != run["data"]["fingerprint"]:
        raise ConfigError(f"run '{name}': {panel.name} is no longer the market it was run on; run it again")
    market = planted_market_from_spec(str(data.source))

    def truth_for(model: str) -> tuple[DataConfig, Truth]:
        seen = data_of(model, config)
        features = make_feature_set(seen.features, seen.lookback)
        return seen, truth_of(market, seen.features, tuple(features.columns), features.lookback)

    views: Any = [data_of(model, config) for model in run["models"]]
    if len(set(views)) == 1:
        truth_for(run["models"][0])  # Where there is nothing to find for any of them, that is said at once.
    folds = make_folds(panel.days, data.split, data.label.reach, first_day_of(config, run["models"]))
    return panel, folds, truth_for


def _trials(store: RunStore, run: dict[str, Any], models: list[str] | None, all_seeds: bool) -> list[dict[str, Any]]:
    """The first stored trial of each model, or all seeds of its first fold, in the run's order."""
    trained = [t for t in run["trials"] if not t.get("external")]
    done = [t for t in trained if (models is None or t["model"] in models) and store.is_done(t["key"])]
    first: dict[str, dict[str, Any]] = {}
    for trial in done:
        first.setdefault(trial["model"], trial)
    missing = [name for name in models or [] if name not in first]
    if missing or not first:
        raise ConfigError(f"run '{store.name}' has no whole trial{' of ' + ', '.join(missing) if missing else ''}")
    fold = {name: trial["fold"] for name, trial in first.items()}
    return [t for t in done if (all_seeds and t["fold"] == fold[t["model"]]) or t is first[t["model"]]]
