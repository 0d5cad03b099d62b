"""What is checked: the pieces of the pipeline that a configuration names, on a sample of its data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import torch

from bench.experiment.entries.names import data_of, network_of
from bench.experiment.plan import Plan, entry_of
from bench.experiment.training import seeded_model
from bench.leaks.perturb import changed, holed
from bench.metrics.daily import daily_scores
from zoo import registry, trainer
from zoo.config import DataConfig, TrainConfig
from zoo.data.features import features_of
from zoo.data.panel import Panel
from zoo.data.sources import whole_panel
from zoo.data.split import DayRange, Fold
from zoo.data.universe import apply_universe
from zoo.data.windows import Dataset
from zoo.errors import UnavailableError
from zoo.network import Batch, Network
from zoo.registry import Scope

SEED = 0
STOCKS = 30  # of the sample
TRAIN_DAYS, OTHER_DAYS = 100, 40  # of the sample's train, and of its valid and of its test segment
_STEPS = 3


@dataclass(frozen=True)
class Pieces:
    """The functions a run is made of, each of which a check can be given another for.

    Attributes:
        universe: `(panel, universe config) -> panel` with that membership.
        dataset: `(panel, data config, fold, *, stats=None) -> Dataset`.
        fit: as `zoo.trainer.fit`.
        predict: as `zoo.trainer.predict`.
        metrics: as `bench.metrics.daily.daily_scores`.
    """

    universe: Callable[..., Panel] = apply_universe
    dataset: Callable[..., Dataset] = Dataset
    fit: Callable[..., Any] = trainer.fit
    predict: Callable[..., np.ndarray] = trainer.predict
    metrics: Callable[..., Any] = daily_scores


@dataclass(frozen=True)
class Contender:
    """A model of the configuration with its settings, `train` cut down to a few steps; `network`: its registry key."""

    name: str
    network: str
    scope: Scope
    params: dict[str, Any]
    train: TrainConfig
    gradient_trained: bool


@dataclass(frozen=True, eq=False)
class Subject:
    """One experiment under test.

    Attributes:
        data: the data configuration.
        base, panel: all of the data before and after the universe is applied.
        folds: the folds of a run.
        sample, fold: some stocks and days of `panel`, with suspensions added, around the borders of the last fold;
            the gap between its segments is that of the run.
        contenders: the models that can run.
        skipped: why others cannot, by model.
        pieces: what is under test.
    """

    data: DataConfig
    base: Panel
    panel: Panel
    folds: list[Fold]
    sample: Panel
    fold: Fold
    contenders: tuple[Contender, ...]
    skipped: dict[str, str] = field(default_factory=dict)
    pieces: Pieces = Pieces()
    _changed: dict[tuple[int, bool], Dataset] = field(default_factory=dict)

    @cached_property
    def dataset(self) -> Dataset:
        """The sample as networks see it."""
        return self.pieces.dataset(self.sample, self.data, self.fold)

    @property
    def days(self) -> tuple[int, ...]:
        """Days after which the data are changed: the last of train, one of valid, one of test."""
        return _probe_days(self.fold)

    def rows(self, days: np.ndarray) -> torch.Tensor:
        """The rows of all stocks on some days of the sample."""
        stocks = self.sample.n_stocks
        return torch.from_numpy((days[:, None] * stocks + np.arange(stocks)).ravel())

    @property
    def test_batch(self) -> Batch:
        """The members of one test day, the last of `days`."""
        rows = self.dataset.test.rows
        return self.dataset.batch(torch.from_numpy(rows[rows // self.sample.n_stocks == self.days[-1]]))

    def of(self, panel: Panel, *, refit: bool = False) -> Dataset:
        """Another panel of the sample's shape, under the sample's statistics or its own (`refit`)."""
        return self.pieces.dataset(panel, self.data, self.fold, stats=None if refit else self.dataset.stats)

    def after(self, day: int, *, members: bool) -> Dataset:
        """The sample with everything after `day` changed; kept, as several checks ask for it."""
        key = (day, members)
        if key not in self._changed:
            self._changed[key] = self.of(changed(self.sample, day + 1, members=members))
        return self._changed[key]

    @cached_property
    def fits(self) -> dict[str, Network | str]:
        """Each contender after a few steps on the sample, or why it cannot be fitted."""
        fits: dict[str, Network | str] = {}
        for contender in self.contenders:
            try:
                fits[contender.name] = fit(self, contender, self.dataset)
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything; that is a finding
                fits[contender.name] = f"{type(error).__name__}: {error}"
        return fits

    @property
    def fitted(self) -> list[tuple[Contender, Network]]:
        """The contenders that could be fitted."""
        pairs = [(c, self.fits[c.name]) for c in self.contenders]
        return [(c, model) for c, model in pairs if isinstance(model, Network)]

    def date(self, day: int) -> str:
        """Date of a day of the sample."""
        return str(self.sample.days[day])


def untrained(contender: Contender, dataset: Dataset) -> Network:
    """A contender as every seed builds it."""
    return seeded_model(contender.network, contender.params, dataset, SEED).to(dataset.device)


def fit(subject: Subject, contender: Contender, dataset: Dataset, *, epochs: int | None = None) -> Network:
    """A contender after a few steps on a dataset; the same dataset gives the same weights."""
    model = untrained(contender, dataset)
    settings = contender.train.model_copy(update={"max_epochs": epochs}) if epochs else contender.train
    subject.pieces.fit(model, dataset.train, dataset.valid, settings, scope=contender.scope, seed=SEED)
    return model


def make_subjects(plan: Plan) -> list[Subject]:
    """A subject for each way in which models of a plan see its data."""
    views: Any = [data_of(name, plan.config) for name in plan.models]
    return [make_subject(plan, data=data) for data in dict.fromkeys(views)]


def make_subject(plan: Plan, pieces: Pieces | None = None, data: DataConfig | None = None) -> Subject:
    """The subject of a plan: those of its models that see `data` (default: the experiment's) and a sample of its last
    fold, on the CPU.
    """
    pieces = pieces or Pieces()
    data = data or plan.config.data
    base = panel = plan.panel
    if data.universe is not None:
        base = whole_panel(data)
        panel = pieces.universe(base, data.universe)
    warmup = features_of(data, panel.fields).warmup
    sample, fold = _sample_of(panel, plan.folds[-1], warmup, data.label.reach)
    contenders, skipped = [], {}
    for name in (name for name in plan.models if data_of(name, plan.config) == data):
        network = network_of(name, plan.config.models)
        try:
            trainer.check_requirements(network, panel.concepts is not None)
        except UnavailableError as error:
            skipped[name] = str(error)
            continue
        params, train = entry_of(name, plan.config)
        spec = registry.get_spec(network)
        short = {"max_epochs": 2, "max_steps_per_epoch": _STEPS, "batch_size": min(train.batch_size, 500)}
        train = train.model_copy(update=short)
        contenders.append(Contender(name, network, spec.scope, params, train, spec.gradient_trained))
    return Subject(data, base, panel, plan.folds, sample, fold, tuple(contenders), skipped, pieces)


def _sample_of(panel: Panel, fold: Fold, warmup: int, reach: int) -> tuple[Panel, Fold]:
    """The stocks that are members most often, on days around the borders of a fold.

    Valid days beyond `OTHER_DAYS` move the train segment up to them, so that the gaps stay as they are.
    """
    test = DayRange(fold.test.start, min(fold.test.stop, fold.test.start + OTHER_DAYS))
    valid = DayRange(max(fold.valid.start, fold.valid.stop - OTHER_DAYS), fold.valid.stop)
    stop = fold.train.stop + valid.start - fold.valid.start
    train = DayRange(max(fold.train.start, stop - TRAIN_DAYS), stop)
    first = max(0, train.start - warmup)
    last = min(max(test.stop, valid.stop) + reach, panel.n_days)
    seen = panel.member[first:last].sum(axis=0)
    stocks = np.sort(np.argsort(-seen, kind="stable")[:STOCKS])
    small = panel.part(stocks, slice(first, last))
    train, valid, test = (DayRange(r.start - first, r.stop - first) for r in (train, valid, test))
    own = Fold(0, train, valid, test, fold.embargo)
    return holed(small, _probe_days(own)), own


def _probe_days(fold: Fold) -> tuple[int, ...]:
    """The last train day, and days well inside valid and test."""
    return fold.train.stop - 1, fold.valid.start + len(fold.valid) // 2, fold.test.start + len(fold.test) // 2
