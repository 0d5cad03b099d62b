"""What is timed: one model of an experiment, in one mode, on rows of a simulated market.

Speed does not depend on the weights, so networks keep their initial ones. Models fitted as a whole are fitted on a few
days of a planted signal, on which the size of trees depends.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch

from bench.anatomy import cost
from bench.experiment.config import ExperimentConfig
from bench.experiment.entries.names import network_of
from bench.experiment.plan import entry_of
from bench.experiment.training import seeded_model
from bench.speed.modes import Mode, check_agreement, executed
from zoo import registry, trainer
from zoo.config import DataConfig, TrainConfig
from zoo.data.features import make_feature_set
from zoo.data.features.columns import Columns, parts_of
from zoo.data.own.asked import field_of
from zoo.data.sources import open_panel
from zoo.data.split import DayRange, Fold
from zoo.data.windows import Dataset, Segment
from zoo.errors import ConfigError, UnavailableError
from zoo.network import Batch, Network, WholeModel
from zoo.registry import ModelSpec, Scope
from zoo.training.step import Step, make_optimizer

Scenario = Literal["train_step", "train_epoch", "one_day", "one_stock", "offline"]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)
STEPS = 4
"""Optimiser steps of the bounded epoch of `train_epoch`."""
TEST_DAYS = 10
"""Days of the segment that `offline` scores."""
_FIT_DAYS = 20
_BATCHES = 4  # that `train_step` goes through: on one alone a loss soon vanishes


@dataclass(frozen=True)
class Work:
    """One call to be timed, on how many rows, and whether the network is in training mode."""

    call: Callable[[], Any]
    rows: int
    training: bool


def make_dataset(config: ExperimentConfig, stocks: int, device: str) -> Dataset:
    """A market of `stocks` names, all members every day, seen through the experiment's features and lookback.

    Raises:
        ConfigError: the feature set does not offer the lookback, or there are too few or too many stocks.
    """
    features = make_feature_set(config.data.features, config.data.lookback)
    if any(field_of(name) is None for part in parts_of(features) if isinstance(part, Columns) for name in part.columns):
        raise ConfigError("data.features: speed is measured on a simulated market, which has no columns of your own")
    reach, first = config.data.label.reach, features.warmup
    batch = max([config.train.batch_size, *(e.train.get("batch_size", 0) for e in config.models.values())])
    train = DayRange(first, first + max(_FIT_DAYS, math.ceil((STEPS + 1) * max(batch, stocks) / stocks)))
    valid = DayRange(train.stop + reach, train.stop + reach + 5)
    test = DayRange(valid.stop + reach, valid.stop + reach + TEST_DAYS)
    source = f"planted:mixed?stocks={stocks}&days={test.stop + reach}"
    data = DataConfig(source=source, features=config.data.features, lookback=features.lookback, label=config.data.label)
    return Dataset(open_panel(data), data, Fold(0, train, valid, test, reach), device=device)


@dataclass(frozen=True)
class BuiltModel:
    """A model built for the dataset, and what is recorded of it."""

    name: str
    spec: ModelSpec
    model: Network
    train: TrainConfig
    record: dict[str, Any]


def build_for_timing(name: str, config: ExperimentConfig, dataset: Dataset, device: str) -> BuiltModel:
    """Build one model, count the FLOPs of a row, and put it on the device.

    Raises:
        UnavailableError: a package is missing, or it is fitted as a whole and would not run on the GPU.
        ZooError: parameters that it cannot be built with.
    """
    spec = registry.get_spec(network_of(name, config.models))
    params, train = entry_of(name, config)
    title = spec.title if name == spec.name else f"{spec.title} ({name})"
    model = seeded_model(spec.name, params, dataset, 0)
    record: dict[str, Any] = {"title": title, "params": params, "flops_forward": None, "flops_step": None}
    if isinstance(model, WholeModel):
        if device != "cpu":
            raise UnavailableError("fitted as a whole: it runs on the CPU, see the CPU's record")
        few = Segment(dataset, DayRange(dataset.train.days.start, dataset.train.days.start + _FIT_DAYS))
        record["fit"] = trainer.fit(model, few, dataset.valid, train, scope=spec.scope).facts
        counted = sum(b.numel() for b in model.buffers() if b.is_floating_point())
        return BuiltModel(name, spec, model, train, {**record, "n_parameters": counted or None})
    model.on_stage(model.stages[-1])
    record["n_parameters"] = sum(p.numel() for p in model.parameters())
    record["flops_forward"], record["flops_step"] = cost.flops_per_row(
        model, dataset.lookback, dataset.n_features, rows=dataset.panel.n_stocks
    )
    model.to(device)
    # Fills what a network keeps of past days; afterwards every day of the panel has been replayed.
    trainer.predict(model, _last_day(dataset), scope=spec.scope)
    return BuiltModel(name, spec, model, train, record)


class TimedModel:
    """A built model in one mode, ready to be timed."""

    def __init__(self, built: BuiltModel, mode: Mode, dataset: Dataset) -> None:
        """Raises UnavailableError where the model has no such mode."""
        if mode != "eager" and isinstance(built.model, WholeModel):
            raise UnavailableError("fitted as a whole: there is no network to compile")
        self.model, self.dataset = built.model, dataset
        self.scope: Scope = built.spec.scope
        self.train = built.train
        self.rows_per_step = dataset.train.rows_per_step(self.train.batch_size)
        self.score, self.training_loss = executed(self.model, mode, str(dataset.device))
        self.model.eval()
        if mode != "eager":
            check_agreement(self.model, self.score, dataset.batch(torch.from_numpy(_last_day(dataset).rows)))
        self.mode, self.step = mode, None
        self.optimizer = None if isinstance(self.model, WholeModel) else make_optimizer(self.model, self.train)

    def work(self, scenario: Scenario) -> Work:
        """Raises UnavailableError where there is no such work for this model in this mode."""
        last = torch.from_numpy(_last_day(self.dataset).rows)
        order = torch.Generator().manual_seed(0)
        if scenario in ("train_step", "train_epoch"):
            self._check_trainable()
        if scenario == "train_step":
            batches = itertools.cycle(list(itertools.islice(self._training_batches(order), _BATCHES)))
            return Work(lambda: self.steps([next(batches)]), self.rows_per_step, True)
        if scenario == "train_epoch":
            return Work(lambda: self.epoch(order), STEPS * self.rows_per_step, True)
        if scenario == "one_day":
            return Work(lambda: self._scores_on_host(self.dataset.batch(last)), len(last), False)
        if scenario == "one_stock":
            return Work(lambda: self._scores_on_host(self.dataset.batch(last[:1])), 1, False)
        return Work(self._score_segment, self.dataset.test.n_rows, False)

    def epoch(self, order: torch.Generator) -> None:
        """The first `STEPS` steps of an epoch, windows gathered as they are needed."""
        self.steps(itertools.islice(self._training_batches(order), STEPS))

    def _training_batches(self, order: torch.Generator) -> Iterator[Batch]:
        return self.dataset.train.batches(self.rows_per_step, scope=self.scope, generator=order, labelled=True)

    def steps(self, batches: Iterable[Batch]) -> None:
        """Optimiser steps as `zoo.trainer` takes them; the losses stay on the device."""
        assert self.training_loss is not None
        assert self.optimizer is not None
        compiled = None if self.mode == "eager" else self.training_loss
        self.step = self.step or Step(self.model, self.optimizer, self.train, self.scope, compiled)
        for batch in batches:
            self.step(batch)

    def state_bytes(self, training: bool) -> int:
        """Bytes of weights and buffers, in training also of Adam's averages."""
        tensors = [*self.model.parameters(), *self.model.buffers()]
        if training and self.optimizer is not None:
            averages = (v for state in self.optimizer.state.values() for v in state.values())
            tensors += [v for v in averages if isinstance(v, torch.Tensor)]
        return sum(t.numel() * t.element_size() for t in tensors)

    def _check_trainable(self) -> None:
        if isinstance(self.model, WholeModel):
            raise UnavailableError("fitted as a whole: it takes no optimiser steps")
        if self.training_loss is None:
            raise UnavailableError(
                "a training step cannot be captured: the losses select the labelled rows on the host"
            )

    @torch.no_grad()
    def _scores_on_host(self, batch: Batch) -> torch.Tensor:
        return self.score(batch).float().cpu()

    def _score_segment(self) -> None:
        for batch in self.dataset.test.batches(trainer.EVALUATION_ROWS, scope=self.scope):
            self._scores_on_host(batch)


def _last_day(dataset: Dataset) -> Segment:
    stop = dataset.test.days.stop
    return Segment(dataset, DayRange(stop - 1, stop))
