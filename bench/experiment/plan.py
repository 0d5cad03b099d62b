"""From a configuration to trials: everything that can be wrong with it is found here, before any work."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from bench.experiment.config import ALL, ExperimentConfig, ModelEntry
from bench.experiment.trial import Trial, make_trial
from bench.records.machine import resolve_device, versions
from bench.records.store import key_of
from zoo import registry
from zoo.config import Label, TrainConfig
from zoo.data.features import features_of
from zoo.data.features.columns import check_known
from zoo.data.labels import raw_label
from zoo.data.panel import Panel
from zoo.data.sources import open_panel
from zoo.data.sources.planted import PREFIX, get_market, planted_params
from zoo.data.split import Fold, make_folds
from zoo.errors import ConfigError, ModelError, did_you_mean


@dataclass(frozen=True)
class Plan:
    """What a run will do.

    Attributes:
        config: the experiment.
        models: the models asked for, then the baseline if it was not.
        panel, folds: the data, loaded once to fingerprint it and to place the segments.
        trials: in running order: all models of one fold and seed before the next.
        config_hash: 8 hex digits over everything that decides the numbers.
        device: `cpu` or `cuda`, resolved.
    """

    config: ExperimentConfig
    models: list[str]
    panel: Panel
    folds: list[Fold]
    trials: list[Trial]
    config_hash: str
    device: str

    def describe(self, command: list[str]) -> dict[str, Any]:
        """The run as stored in `run.json`: all the report needs besides the records."""
        panel = self.panel
        in_universe = panel.member[self.folds[0].train.start : self.folds[-1].test.stop].sum(axis=1)
        return {
            "name": self.config.name,
            "protocol": self.config.protocol,
            "note": self.config.note,
            "command": shlex.join(["python", "-m", "bench", *command]),
            "config": self.config.model_dump(mode="json"),
            "config_hash": self.config_hash,
            "models": self.models,
            "baseline": self.config.baseline,
            "device": self.device,
            "trials": [{"key": t.key, "model": t.model, "fold": t.fold, "seed": t.seed} for t in self.trials],
            "data": {
                "name": panel.name,
                "source": self.config.data.source,
                "fingerprint": panel.fingerprint,
                "days": [str(panel.days[0]), str(panel.days[-1])],
                "n_days": panel.n_days,
                "n_stocks": panel.n_stocks,
                "periods_per_year": panel.periods_per_year,
                "stocks_per_day": [
                    int(in_universe.min()),
                    int(np.median(in_universe)),
                    int(in_universe.max()),
                ],
                "notes": list(panel.notes),
                "label": self.config.data.label.definition,
                "snapshot_concepts": bool(panel.concepts is not None and panel.concepts.snapshot),
            },
            "market": _market_of(self.config.data.source),
            "folds": [
                {**f.dates(panel.days), "embargo": f.embargo} | ({"note": f.note} if f.note else {}) for f in self.folds
            ],
            "versions": versions(),
        }


def _market_of(source: str) -> dict[str, Any] | None:
    """What is recorded of a planted market, so that a report needs no plugin; None for other data."""
    return get_market(planted_params(source)[0]).describe() if source.startswith(PREFIX) else None


def make_plan(config: ExperimentConfig, patterns: str | None) -> Plan:
    """Check a configuration against the registry and the data, and lay out its trials.

    Args:
        config: the experiment.
        patterns: models to run, comma list of names and globs; None takes those of the configuration.

    Raises:
        ZooError: anything that would keep a trial from starting, except what `UnavailableError` covers.
    """
    configured = models_of(config)
    models = registry.find_models(patterns) if patterns else configured
    if config.baseline is not None and registry.get_spec(config.baseline).name not in models:
        models = [*models, config.baseline]
    device = resolve_device(config.device)
    entries = {name: entry_of(name, config) for name in models}
    panel = open_panel(config.data)
    feature_set = features_of(config.data, panel.fields)
    if panel.n_days <= feature_set.warmup:
        raise ConfigError(
            f"{panel.name}: {panel.n_days} days, but one row reads {feature_set.warmup + 1}; "
            f"lower data.lookback or give more history"
        )
    price = getattr(config.data.label, "price", "close")
    if price not in panel.fields:
        raise ConfigError(
            f"data.label.price: the label is made of {price} prices, but {panel.name} has only "
            f"{', '.join(panel.fields)}"
        )
    folds = make_folds(panel.days, config.data.split, config.data.label.reach, feature_set.warmup)
    _check_members(panel, folds)
    _check_labels(panel, folds, config.data.label)
    for fold in folds:
        check_known(feature_set, panel, fold.train)
    trials = [
        make_trial(
            name,
            entries[name][0],
            entries[name][1],
            config.models[name].train if name in config.models else {},
            config.data,
            fold.index,
            seed,
            # Fitted in closed form or by a CPU library: a GPU would only hold the windows.
            device if registry.get_spec(name).gradient_trained else "cpu",
            panel.fingerprint,
        )
        for fold in folds
        for seed in config.seeds
        for name in models
    ]
    settings = config.model_dump(mode="json", exclude={"name", "note", "models"})
    config_hash = key_of(settings, panel.fingerprint, [t.key for t in trials])[:8]
    return Plan(config, models, panel, folds, trials, config_hash, device)


def models_of(config: ExperimentConfig) -> list[str]:
    """The models of a configuration, in its order; `all`, and none named, stand for every model.

    Raises:
        ConfigError: settings of a model that there is not, or of several at once.
    """
    known = registry.list_models()
    for name, entry in config.models.items():
        if entry != ModelEntry() and name not in known:
            if name == ALL:
                raise ConfigError(f"models.{ALL}: takes no settings; what all models share stands under train")
            raise ConfigError(f"models: no model '{name}'{did_you_mean(name, known)}")
    try:
        return registry.find_models(["*" if name == ALL else name for name in config.models] or "*")
    except ModelError as error:
        raise ConfigError(f"models: {error}") from None


def _check_members(panel: Panel, folds: list[Fold]) -> None:
    for fold in folds:
        for name, (first, last) in fold.dates(panel.days).items():
            days = getattr(fold, name)
            most = int(panel.member[days.start : days.stop].sum(axis=1).max(initial=0))
            if most < 2:
                what = "no stock is a member" if most == 0 else "the universe is one stock, with none to compare it to,"
                raise ConfigError(
                    f"{panel.name}: {what} on any {name} day of fold {fold.index}, {first} .. {last}; "
                    f"check data.universe and data.split"
                )


def _check_labels(panel: Panel, folds: list[Fold], label: Label) -> None:
    labelled: Any = (np.isfinite(raw_label(panel, label)) & panel.member).any(axis=1)
    for fold in folds:
        if not labelled[fold.test.start : fold.test.stop].any():
            first, last = fold.dates(panel.days)["test"]
            raise ConfigError(
                f"{panel.name}: no member has a label on any test day of fold {fold.index}, {first} .. {last}: a label "
                f"reads prices up to {label.reach} days later; check data.split and data.label"
            )


def entry_of(name: str, config: ExperimentConfig) -> tuple[dict[str, Any], TrainConfig]:
    """Checked parameters and training settings of one model."""
    entry = config.models.get(name, ModelEntry())
    spec = registry.get_spec(name)
    params = spec.sized(config.size) | spec.check_params(entry.params, where=f"models.{name}.params")
    known = TrainConfig.model_fields
    for key in entry.train:
        if key not in known:
            raise ConfigError(f"models.{name}.train: unknown key '{key}'{did_you_mean(key, known)}")
    try:
        train = TrainConfig.model_validate({**config.train.model_dump(), **entry.train})
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(
            f"models.{name}.train.{problem['loc'][0]}: {problem['msg'].lower()}, got {problem['input']!r}"
        ) from None
    return params, train
