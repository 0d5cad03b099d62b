"""The daily metrics of stored trials: each is of one formula, that of the code, or it is not read.

A record names for every column of its `daily.parquet` the `formula_hash` it was computed under. Imports no torch.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench.experiment.evidence import read_scores
from bench.metrics import Metric, Scored, list_metrics
from bench.metrics.daily import summary
from bench.metrics.formula import formula_hash
from bench.records.store import RunStore
from zoo.data.labels import raw_label, train_label

if TYPE_CHECKING:
    from bench.experiment.plan import Plan

DAILY = "daily.parquet"


def formulas() -> dict[str, str]:
    """The hash of every daily metric's code."""
    return {m.name: formula_hash(m) for m in list_metrics(derived=False)}


def outdated(record: Mapping[str, Any]) -> list[Metric]:
    """Daily metrics that a stored trial lacks, or has by another formula than the code's."""
    stored = record.get("formulas", {})
    return [m for m in list_metrics(derived=False) if stored.get(m.name) != formula_hash(m)]


def read_daily(store: RunStore, record: Mapping[str, Any]) -> pd.DataFrame:
    """A trial's days: `datetime` and a column per daily metric, NaN throughout where that is `outdated`."""
    daily = pd.read_parquet(store.trial_folder(record["key"]) / DAILY)
    daily[[m.name for m in outdated(record)]] = np.nan
    return daily.loc[:, ["datetime", *(m.name for m in list_metrics(derived=False))]]


def compute_outdated(plan: Plan, store: RunStore, keys: Collection[str]) -> int:
    """Compute what is `outdated` in stored trials anew from their scores; the number of trials that had any.

    Raises:
        ZooError: a metric fails, or stored scores are not of the plan's data.
    """
    label = raw_label(plan.panel, plan.config.data.label)
    changed = 0
    for trial in plan.trials:
        record = store.record(trial.key) if trial.key in keys else None
        metrics = outdated(record) if record is not None else []
        if record is None or not metrics:
            continue
        scored = scored_anew(plan, store, trial.key, trial.fold, label)
        daily = pd.read_parquet(store.trial_folder(trial.key) / DAILY)
        daily = daily.assign(**{m.name: m.series(scored) for m in metrics})
        _replace(store, record, daily)
        changed += 1
    return changed


def scored_anew(plan: Plan, store: RunStore, key: str, fold: int, label: np.ndarray) -> Scored:
    """Stored scores of a fold's test days beside their labels.

    Args:
        label: `[D, N]`, the raw label of the plan's panel.

    Raises:
        DataError: the scores are not of the plan's data.
    """
    test = plan.folds[fold].test
    days = slice(test.start, test.stop)
    # In single precision, as the network gave them: the same metric then has the same bits.
    scores = read_scores(store, key, plan.panel, test).astype(np.float32)
    return Scored(scores, label[days].astype(np.float64), train_label(label[days]))


def _replace(store: RunStore, record: dict[str, Any], daily: pd.DataFrame) -> None:
    """Store a trial with another daily frame, its scores and weights as they are."""
    folder = store.trial_folder(record["key"])

    def fill(temporary: Path) -> None:
        for name in record["files"]:
            shutil.copyfile(folder / name, temporary / name)
        daily.to_parquet(temporary / DAILY, index=False)

    known = {**record.get("formulas", {}), **formulas()}
    store.write_trial({**record, "metrics": summary(daily), "formulas": known}, fill)
