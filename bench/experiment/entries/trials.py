"""A file of scores on a fold as a trial: nothing is trained, all that follows a fit is as for any model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.experiment.formulas import DAILY, formulas
from bench.experiment.trial import Trial, Window
from bench.metrics.daily import daily_scores, summary
from bench.records.machine import versions
from bench.records.store import FORMAT, RunStore, digest_of, key_of
from zoo import checkpoint
from zoo.data.labels import raw_label, train_label

if TYPE_CHECKING:
    from bench.experiment.config import ExperimentConfig
    from bench.experiment.entries.external import ScoreFile
    from bench.experiment.plan import Plan
    from zoo.data.panel import Panel
    from zoo.data.split import Fold


@dataclass(frozen=True)
class ExternalTrial(Trial):
    """Scores of one file on one fold.

    Attributes:
        scores: `[test days, N]` float32.
        file: name of the file.
    """

    scores: np.ndarray = field(default_factory=lambda: np.empty((0, 0)), compare=False, repr=False)
    file: str = ""


def external_trials(
    files: list[ScoreFile],
    config: ExperimentConfig,
    panel: Panel,
    folds: list[Fold],
    device: str,
    covered: dict[int, bytes],
) -> list[ExternalTrial]:
    """A trial per fold and file; its key is a hash of the scores, label, days and data.

    Args:
        covered: by fold the rows that are scored, as `Trial.covered`.
    """
    trials = []
    for fold in folds:
        dates, rows = fold.dates(panel.days), covered[fold.index]
        for one in files:
            scores = one.scores[fold.test.start : fold.test.stop]
            parts = (
                FORMAT,
                "external",
                one.name,
                digest_of(scores.tobytes()),
                config.data.label.model_dump(mode="json"),
            )
            key = key_of(*parts, dates, panel.fingerprint, fold.index, one.seed, *([digest_of(rows)] if rows else []))
            window = Window(fold.index, 0)
            trials.append(
                ExternalTrial(
                    *(
                        one.name,
                        one.name,
                        {},
                        config.train,
                        {},
                        config.data,
                        config.data,
                        window,
                        one.seed,
                        device,
                        key,
                        rows,
                    ),
                    scores=scores,
                    file=one.path.name,
                )
            )
    return trials


def store_external(trial: ExternalTrial, plan: Plan, store: RunStore) -> dict[str, Any]:
    """Score and store; returns the record. Figures of a fit are null."""
    fold, panel = plan.folds[trial.fold], plan.panel
    test = slice(fold.test.start, fold.test.stop)
    scores = trial.restrict(trial.scores)
    label = raw_label(panel, plan.config.data.label)[test]
    daily = daily_scores(scores, label, train_label(label))
    daily.insert(0, "datetime", panel.days[test].astype("datetime64[ns]"))
    record = {
        "key": trial.key,
        "model": trial.model,
        "external": trial.file,
        "title": trial.model,
        "scope": "",
        "params": {},
        "params_set": {},
        "train": {},
        "train_set": {},
        "data": trial.data.model_dump(mode="json"),
        "fingerprint": panel.fingerprint,
        "fold": trial.fold,
        "segments": fold.dates(panel.days),
        "seed": trial.seed,
        "device": trial.device,
        "n_parameters": 0,
        "metrics": summary(daily),
        "formulas": formulas(),
        "fit": {"seconds": None, "best_epoch": None, "steps": 0, "rows_per_step": None, "facts": {}, "history": []},
        "predict_seconds": None,
        "versions": versions(),
    }

    def fill(folder: Any) -> None:
        series = checkpoint.score_series(scores, panel, fold.test).dropna()
        series.reset_index().to_parquet(folder / "scores.parquet", index=False)
        daily.to_parquet(folder / DAILY, index=False)

    store.write_trial(record, fill)
    return record
