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
from bench.attribution.truth import NoTruthError, Truth, truth_of
from bench.experiment.config import ExperimentConfig
from bench.experiment.entries.names import data_of, first_day_of, reading_of
from bench.records.documents import read_json, write_json
from bench.records.machine import torch_threads
from bench.records.store import RunStore
from zoo import checkpoint
from zoo.config import DataConfig
from zoo.data.features import features_of
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
        NoTruthError: not a planted market or one without truth, or features that are no cells.
        ConfigError: data other than the run's; no stored trial of a named model.
    """
    effort = effort or Effort()
    run = store.run()
    chosen = chosen_trials(store, run, models, all_seeds)
    market = planted_market_from_spec(_planted(store.name, run))
    panel, config, folds = open_data(store.name, run)

    def truth_for(data: DataConfig) -> Truth:
        features = features_of(data, panel.fields)
        return truth_of(market, ", ".join(data.entries), tuple(features.columns), features.lookback)

    views: Any = [data_of(model, config) for model in run["models"]]
    if len(set(views)) == 1:
        truth_for(views[0])  # Where there is nothing to find for any of them, that is said at once.
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
                data = data_of(trial["model"], config)
                if dataset is None or dataset.fold != fold or dataset.config != data:
                    dataset = Dataset(panel, data, fold, stats=forecaster.stats)
                entry = measure_trial(forecaster, dataset, truth_for(data), effort)
            except ZooError as error:
                failures[trial["model"]] = str(error)
                continue
            stored["trials"][trial["key"]] = {**trial, "settings": settings, **entry}
            write_json(path, stored)
            on_trial(trial["model"], trial["seed"], time.perf_counter() - began)
    return failures


def _planted(name: str, run: dict[str, Any]) -> str:
    """The source of a run on a planted market.

    Raises:
        NoTruthError: the run is on other data.
    """
    source = str(run["config"]["data"]["source"])
    if not source.startswith(PREFIX):
        raise NoTruthError(
            f"run '{name}' is on {run['data']['name']}: the truth is known on planted markets only; "
            f"run one with: python -m bench run --data {PREFIX}mixed"
        )
    return source


def open_data(name: str, run: dict[str, Any]) -> tuple[Panel, ExperimentConfig, list[Fold]]:
    """The data of a run, as it was run on them, its configuration and its folds.

    Raises:
        ConfigError: they are no longer the same.
        DataError: they cannot be read.
    """
    config = ExperimentConfig.model_validate(run["config"])
    data = config.data
    panel = open_panel(reading_of(config, run["models"]))
    if panel.fingerprint != run["data"]["fingerprint"]:
        what = "market" if str(data.source).startswith(PREFIX) else "data"
        raise ConfigError(f"run '{name}': {panel.name} is no longer the {what} it was run on; run it again")
    start = first_day_of(config, run["models"], panel.fields)
    return panel, config, make_folds(panel.days, data.split, data.label.reach, start)


def chosen_trials(
    store: RunStore, run: dict[str, Any], models: list[str] | None, all_seeds: bool
) -> list[dict[str, Any]]:
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
