"""One trial: model x params x dataset x fold x seed; the unit that is run, stored, resumed and distributed."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.experiment.code_hash import code_of, source_hash
from bench.experiment.entries.names import warmup_of
from bench.experiment.formulas import DAILY, formulas
from bench.experiment.training import train_and_score, warm_up
from bench.metrics.daily import daily_scores, summary
from bench.records.machine import versions
from bench.records.store import FORMAT, RunStore, digest_of, key_of
from zoo import checkpoint, registry, trainer
from zoo.config import DataConfig, TrainConfig, WalkForwardSplit
from zoo.data.features import own_sources
from zoo.data.labels import train_label
from zoo.data.panel import Panel
from zoo.data.sources import open_panel
from zoo.data.split import make_folds
from zoo.data.windows import Dataset
from zoo.errors import ModelError
from zoo.training.snapshot import Snapshots


@dataclass(frozen=True)
class Window:
    """Which days of a calendar a trial is about.

    Attributes:
        fold: index of the fold.
        first_day: calendar position from which all models of the run have whole rows; folds are made from there.
        moved: the fold is another than it would be without the other models.
    """

    fold: int
    first_day: int
    moved: bool = False


@dataclass(frozen=True)
class Trial:
    """Everything needed to run a trial in any process.

    Attributes:
        model: the name under which its row is shown.
        network: registry key; the same but for a variant.
        params: hyper-parameters that differ from the model's defaults.
        train: the model's training settings, overrides applied.
        overrides: the training settings that differ from the shared ones.
        data: the data configuration, as the model sees them.
        reading: as they are read, for all models of the run.
        window: the fold.
        seed: of initialisation, batch order and dropout.
        device: `cpu` or `cuda`.
        key: identifies the trial in the store.
        covered: packed bits of the rows `[test days, N]` that are scored; empty = all.
    """

    model: str
    network: str
    params: dict[str, Any]
    train: TrainConfig
    overrides: dict[str, Any]
    data: DataConfig
    reading: DataConfig
    window: Window
    seed: int
    device: str
    key: str
    covered: bytes = field(default=b"", repr=False)

    def restrict(self, scores: np.ndarray) -> np.ndarray:
        """Scores `[test days, N]` without the rows that are not scored."""
        if not self.covered:
            return scores
        rows = np.unpackbits(np.frombuffer(self.covered, dtype=np.uint8), count=scores.size).astype(bool)
        return np.where(rows.reshape(scores.shape), scores, np.float32(np.nan))

    @property
    def fold(self) -> int:
        """The index of the fold."""
        return self.window.fold

    @property
    def label(self) -> str:
        """As printed: `gru fold 1 seed 0`, or `gru seed 0` where there is but one fold."""
        fold = f"fold {self.fold} " if isinstance(self.data.split, WalkForwardSplit) else ""
        return f"{self.model} {fold}seed {self.seed}"


def make_trial(
    model: str,
    network: str,
    params: dict[str, Any],
    train: TrainConfig,
    overrides: dict[str, Any],
    data: DataConfig,
    reading: DataConfig,
    window: Window,
    seed: int,
    device: str,
    fingerprint: str,
    covered: bytes = b"",
) -> Trial:
    """A trial with its key: a hash of model source, params, data, split, train config, seed, device, format version.

    A record is stored under its key and shown under its name, so a variant's name counts, beside its network's: with
    the settings of the plain model it is a row, and a trial, of its own.
    """
    # What these name, in whatever place and format, is in the fingerprint.
    settings = data.model_dump(mode="json", exclude={"source", "concepts", "universe", "feature_files"})
    key = key_of(
        FORMAT,
        model if model == network else [model, network],
        source_hash(network),
        params,
        train.model_dump(mode="json"),
        settings,
        fingerprint,
        [window.fold, window.first_day] if window.moved else window.fold,
        seed,
        device,
        *([digest_of(covered)] if covered else []),
        *([code_of(file) for file in own_sources(data)]),
    )
    return Trial(model, network, params, train, overrides, data, reading, window, seed, device, key, covered)


_panels: dict[Any, Panel] = {}
_datasets: dict[Any, Dataset] = {}


def keep_panel(reading: Any, panel: Panel) -> None:
    """From now on trials of this process on the data take the panel, instead of reading the same once more."""
    _panels.setdefault(reading, panel)


@contextmanager
def panel_at_hand(reading: Any, panel: Panel) -> Iterator[None]:
    """`keep_panel` within the block; after it the memory that trials shared is free."""
    keep_panel(reading, panel)
    try:
        yield
    finally:
        del _panels[reading]
        _datasets.clear()
        gc.collect()  # A dataset and its segments hold each other.


def panel_of(reading: Any) -> Panel:
    """The panel at hand, or read.

    Raises:
        DataError: it cannot be read.
    """
    return _panels[reading] if reading in _panels else open_panel(reading)


def _dataset(trial: Trial) -> Dataset:
    # One per process: successive trials of a worker share the dataset of the same fold. The last one goes first, so
    # that memory holds one.
    asked = (trial.reading, trial.data, trial.window, trial.device)
    if asked not in _datasets:
        if _datasets:
            _datasets.clear()
            gc.collect()
        _datasets[asked] = dataset_of(
            panel_of(trial.reading), trial.data, trial.fold, trial.device, trial.window.first_day
        )
    return _datasets[asked]


def dataset_of(panel: Panel, data: DataConfig, fold: int, device: str, first_day: int | None = None) -> Dataset:
    """The dataset of one fold of a panel, the folds made from `first_day` on; by default from its first whole row."""
    start = warmup_of(data, panel.fields) if first_day is None else first_day
    folds = make_folds(panel.days, data.split, data.label.reach, start)
    return Dataset(panel, data, folds[fold], device=device)


def run_trial(
    trial: Trial,
    store: RunStore,
    on_epoch: Callable[[trainer.Epoch], None] | None = None,
    *,
    snapshot_every: float = 180.0,
) -> dict[str, Any]:
    """Train, predict the test segment, score, store; returns the record.

    A long fit keeps its state every `snapshot_every` seconds; after a kill it goes on from there with the same bits.

    Raises:
        ZooError: the model cannot run on this data or its training diverged.
    """
    spec = registry.get_spec(trial.network)
    dataset = _dataset(trial)
    warm_up(trial.network, trial.params, trial.train, dataset)
    snapshots = Snapshots(store.unfinished / trial.key, snapshot_every)
    trained = train_and_score(
        trial.network, trial.params, trial.train, dataset, trial.seed, on_epoch=on_epoch, snapshots=snapshots
    )
    model, fit, scores = trained.model, trained.fit, trained.scores
    test = slice(dataset.fold.test.start, dataset.fold.test.stop)
    missing = int((dataset.panel.member[test] & ~np.isfinite(scores)).sum())
    if missing:
        # Every model is compared on the same rows; leaving some out would flatter it.
        raise ModelError(f"{missing} of the {dataset.test.n_rows} test scores are not finite numbers")
    scores, label = trial.restrict(scores), dataset.raw_label[test]
    daily = daily_scores(scores, label, train_label(label))
    daily.insert(0, "datetime", dataset.panel.days[test].astype("datetime64[ns]"))
    defaults = {name: p.default for name, p in spec.parameters.items()}
    record = {
        "key": trial.key,
        "model": trial.model,
        "title": spec.title if trial.model == trial.network else f"{spec.title} ({trial.model})",
        "scope": spec.scope,
        "params": {**defaults, **trial.params},
        "params_set": trial.params,
        "train": trial.train.model_dump(mode="json"),
        "train_set": trial.overrides,
        "data": trial.data.model_dump(mode="json"),
        "fingerprint": dataset.panel.fingerprint,
        "fold": trial.fold,
        "segments": dataset.fold.dates(dataset.panel.days),
        "seed": trial.seed,
        "device": trial.device,
        "n_parameters": sum(p.numel() for p in model.parameters()) or _fitted_numbers(model),
        "metrics": summary(daily),
        "formulas": formulas(),
        "fit": {
            "seconds": fit.seconds,
            "best_epoch": fit.best_epoch,
            "steps": fit.steps,
            "rows_per_step": fit.rows_per_step,
            "facts": fit.facts,
            "history": [asdict(epoch) for epoch in fit.history],
        },
        "predict_seconds": trained.predict_seconds,
        "versions": versions(),
    }
    if trial.model != trial.network:
        record["network"] = trial.network

    def fill(folder: Path) -> None:
        series = checkpoint.score_series(scores, dataset.panel, dataset.fold.test)
        series = series.dropna() if trial.covered else series
        series.reset_index().to_parquet(folder / "scores.parquet", index=False)
        daily.to_parquet(folder / DAILY, index=False)
        checkpoint.save(folder, model, trial.network, trial.params, dataset)

    store.write_trial(record, fill)
    snapshots.clear()
    return record


def _fitted_numbers(model: torch.nn.Module) -> int:
    """Numbers a model without gradient parameters has fitted: its float buffers."""
    return sum(b.numel() for b in model.buffers() if b.is_floating_point())
