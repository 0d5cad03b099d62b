"""From a configuration to trials: everything that can be wrong with it is found here, before any work."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from bench.experiment.config import ExperimentConfig, ModelEntry
from bench.experiment.entries.external import ScoreFile, read_scores_of
from bench.experiment.entries.names import (
    check_name,
    data_of,
    find_models,
    first_day_of,
    first_problem,
    models_of,
    network_of,
    reading_of,
    warmup_of,
)
from bench.experiment.entries.trials import ExternalTrial, external_trials
from bench.experiment.trial import Trial, Window, make_trial
from bench.experiment.workflow import check_source
from bench.records.machine import resolve_device, versions
from bench.records.store import key_of
from zoo import registry
from zoo.config import DataConfig, Label, TrainConfig
from zoo.data.features import features_of
from zoo.data.features.columns import check_known
from zoo.data.labels import raw_label
from zoo.data.panel import Panel
from zoo.data.sources import open_panel
from zoo.data.sources.planted import PREFIX, get_market, planted_params
from zoo.data.split import Fold, make_folds
from zoo.errors import ConfigError, DataError, did_you_mean


@dataclass(frozen=True)
class Plan:
    """What a run will do.

    Attributes:
        config: the experiment.
        models: the models asked for, then the baseline if it was not.
        external_notes: what is told of scores from elsewhere.
        panel, folds: the data, loaded once to fingerprint it and to place the segments.
        trials: in running order: all models of one fold and seed before the next, those that see the data alike
            before those that see them otherwise, so that each dataset is made once a fold.
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
    external_notes: tuple[str, ...] = ()

    @property
    def rows(self) -> list[str]:
        """The models, then the rows of scores from elsewhere."""
        return [*self.models, *self.config.scores]

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
            "models": self.rows,
            "baseline": self.config.baseline,
            "device": self.device,
            "trials": [
                {"key": t.key, "model": t.model, "fold": t.fold, "seed": t.seed}
                | ({"external": True} if isinstance(t, ExternalTrial) else {})
                for t in self.trials
            ],
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
        } | ({"external": list(self.external_notes)} if self.config.scores else {})


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
    check_source(config.data.source, config.protocol)
    configured = models_of(config)
    models = find_models(patterns, config) if patterns else configured
    for k, name in enumerate(config.scores):
        check_name(name, "scores", [*registry.list_models(), *config.models, *list(config.scores)[:k]])
    if config.baseline is not None and config.baseline not in [*models, *config.scores]:
        if config.baseline not in config.models:
            registry.get_spec(config.baseline)
        models = [*models, config.baseline]
    device = resolve_device(config.device)
    entries = {name: entry_of(name, config) for name in models}
    reading = reading_of(config, models)
    panel = open_panel(reading)
    first_day = first_day_of(config, models, panel.fields)
    if panel.n_days <= first_day:
        raise ConfigError(
            f"{panel.name}: {panel.n_days} days, but one row reads {first_day + 1}; "
            f"lower data.lookback or give more history"
        )
    panel = panel.with_notes(*_shared_start(config, models, panel))
    price = getattr(config.data.label, "price", "close")
    if price not in panel.fields:
        raise ConfigError(
            f"data.label.price: the label is made of {price} prices, but {panel.name} has only "
            f"{', '.join(panel.fields)}"
        )
    folds = make_folds(panel.days, config.data.split, config.data.label.reach, first_day)
    _check_members(panel, folds)
    _check_labels(panel, folds, config.data.label)
    files = read_scores_of(config.scores, panel, folds)
    covered, told = _covered(files, config, panel, folds)
    seen = {name: data_of(name, config) for name in models}
    for data in dict.fromkeys(map(_hashable, seen.values())):
        for fold in folds:
            check_known(features_of(data, panel.fields), panel, fold.train)
    trials: list[Trial] = [
        make_trial(
            name,
            network_of(name, config.models),
            *entries[name],
            config.models[name].train if name in config.models else {},
            data,
            reading,
            _window(panel, data, fold, first_day),
            seed,
            # Fitted in closed form or by a CPU library: a GPU would only hold the windows.
            device if registry.get_spec(network_of(name, config.models)).gradient_trained else "cpu",
            panel.fingerprint,
            covered[fold.index],
        )
        for fold in folds
        for data in dict.fromkeys(map(_hashable, seen.values()))
        for seed in config.seeds
        for name in models
        if seen[name] == data
    ]
    trials += external_trials(files, config, panel, folds, device, covered)
    settings = config.model_dump(mode="json", exclude={"name", "note", "models"})
    config_hash = key_of(settings, panel.fingerprint, [t.key for t in trials])[:8]
    return Plan(config, models, panel, folds, trials, config_hash, device, told)


def _covered(
    files: list[ScoreFile], config: ExperimentConfig, panel: Panel, folds: list[Fold]
) -> tuple[dict[int, bytes], tuple[str, ...]]:
    """By fold the rows that every file scores, as `Trial.covered` has them; and what is told of the files.

    Raises:
        DataError: a file lacks rows and that is refused, or no two rows of any day are left.
    """
    notes = [note for one in files for note in one.notes]
    lacking = [one for one in files if one.absent.any()]
    if not lacking:
        return dict.fromkeys((fold.index for fold in folds), b""), tuple(notes)
    if config.missing_scores == "refuse":
        raise DataError(
            f"scores.{lacking[0].name}: {lacking[0].path}: {lacking[0].absence(panel)}; every model is compared on the "
            f"same rows: add them, or restrict all models to the rows that are there with --missing-scores restrict"
        )
    absent = np.any([one.absent for one in files], axis=0)
    rows, kept = {}, 0
    total = sum(int(panel.member[fold.test.start : fold.test.stop].sum()) for fold in folds)
    for fold in folds:
        test = slice(fold.test.start, fold.test.stop)
        there = panel.member[test] & ~absent[test]
        if there.sum(axis=1).max(initial=0) < 2:
            raise DataError(f"scores: no test day of fold {fold.index} has two rows that every file scores")
        kept += int(there.sum())
        rows[fold.index] = np.packbits(there).tobytes()
    notes += [f"{one.name}: {one.path.name}: {one.absence(panel)}" for one in lacking]
    notes.append(
        f"all models are scored on the {kept:,} of {total:,} rows of the test days that every file of scores has "
        f"(missing_scores: restrict)"
    )
    return rows, tuple(notes)


def _hashable(data: DataConfig) -> Any:
    return data  # That a frozen section is hashable is not visible in its type.


def _window(panel: Panel, data: DataConfig, fold: Fold, first_day: int) -> Window:
    """The fold a model is trained on; as its own where no other model of the run has moved it."""
    try:
        own = make_folds(panel.days, data.split, data.label.reach, warmup_of(data, panel.fields))
    except ConfigError:
        own = []
    moved = fold.index >= len(own) or own[fold.index] != fold
    return Window(fold.index, first_day, moved)


def _shared_start(config: ExperimentConfig, models: list[str], panel: Panel) -> list[str]:
    """What is told where models need unequally long histories."""
    warmups = {name: warmup_of(data_of(name, config), panel.fields) for name in models}
    most = max(warmups.values())
    if len(set(warmups.values())) == 1:
        return []
    longest = [name for name, days in warmups.items() if days == most]
    return [
        f"the folds of all models begin after the {most} days of history that a row of {', '.join(longest)} reads, so "
        f"that all are trained and scored on the same days"
    ]


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
    """Checked parameters and training settings of one model or variant."""
    entry = config.models.get(name, ModelEntry())
    spec = registry.get_spec(network_of(name, config.models))
    params = spec.sized(config.size) | spec.check_params(entry.params, where=f"models.{name}.params")
    known = TrainConfig.model_fields
    for key in entry.train:
        if key not in known:
            raise ConfigError(f"models.{name}.train: unknown key '{key}'{did_you_mean(key, known)}")
    try:
        train = TrainConfig.model_validate({**config.train.model_dump(), **entry.train})
    except ValidationError as error:
        raise ConfigError(f"models.{name}.train.{first_problem(error)}") from None
    return params, train
