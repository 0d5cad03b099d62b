"""Does a stored run say the same here? Its metrics from its scores, and its scores from training anew."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from bench.experiment.config import ExperimentConfig
from bench.experiment.entries.trials import ExternalTrial
from bench.experiment.evidence import SCORES
from bench.experiment.formulas import read_daily, scored_anew
from bench.experiment.plan import Plan, make_plan
from bench.experiment.trial import Trial, run_trial
from bench.metrics import list_metrics
from bench.records.machine import resolve_device, torch_threads
from bench.records.store import RunStore, known
from bench.scores.compare import TrialComparison, compare_frames, compare_records
from zoo.data.labels import raw_label
from zoo.errors import ConfigError, DataError


@dataclass(frozen=True)
class Retrained:
    """A trial trained anew beside the stored one.

    Attributes:
        comparison: of the two.
        same_code: whether the sources of the model and the trainer are those of then, as the trial's key tells.
        rank_ic: of then, and of now.
        then, now: device, and versions of what the numbers depend on.
    """

    comparison: TrialComparison
    same_code: bool
    rank_ic: tuple[float, float]
    then: dict[str, str]
    now: dict[str, str]


def plan_of(store: RunStore, source: str | None = None) -> Plan:
    """The plan that a stored run was made by, on the same data.

    Args:
        source: where the data are here; None takes the stored place.

    Raises:
        ConfigError: the stored configuration means nothing to this version.
        DataError: the data cannot be read, or are not those of the run.
    """
    run = store.run()
    try:
        config = ExperimentConfig.model_validate(run["config"])
    except ValidationError as error:
        problem = error.errors()[0]
        raise ConfigError(
            f"run '{store.name}': its configuration cannot be read by this version: "
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
        ) from None
    data = config.data.model_copy(update={"source": source or config.data.source})
    # Where the run's device is not there, the processor: last digits differ then, and both devices are told.
    device = run["device"] if run["device"] == "cpu" else resolve_device("auto")
    changes: dict[str, Any] = {"data": data, "device": device}
    if config.missing_scores == "refuse":
        # Their scores are stored, and the files may be gone; where they restrict the others they are needed.
        changes |= {"scores": {}, "baseline": None if config.baseline in config.scores else config.baseline}
    plan = make_plan(config.model_copy(update=changes), ",".join(m for m in run["models"] if m not in config.scores))
    stored, here = run["data"]["fingerprint"], plan.panel.fingerprint
    if stored != here:
        raise DataError(
            f"run '{store.name}' was made with other data: {data.source} has the fingerprint {here[:12]}, the run "
            f"{stored[:12]}; --data names the place of the same data"
        )
    return plan


def recompute(plan: Plan, store: RunStore) -> list[TrialComparison]:
    """Daily metrics computed anew from stored scores, beside the stored ones; trials without scores are left out."""
    label = raw_label(plan.panel, plan.config.data.label)
    comparisons = []
    for trial, record in _stored(plan, store):
        if not (store.trial_folder(record["key"]) / SCORES).is_file():
            continue
        scored = scored_anew(plan, store, record["key"], trial.fold, label)
        daily = pd.DataFrame({m.name: m.series(scored) for m in list_metrics(derived=False)})
        kept: Any = read_daily(store, record).drop(columns="datetime").dropna(axis="columns", how="all")
        verdict = compare_frames(kept, daily.loc[:, list(kept)], "daily series")
        comparisons.append(TrialComparison(trial.model, trial.fold, trial.seed, *verdict))
    return comparisons


def retrain(
    plan: Plan, store: RunStore, count: int, on_done: Callable[[Retrained], None] = lambda retrained: None
) -> list[Retrained]:
    """Train some stored trials anew, spread evenly over the run, in a folder that is thrown away.

    Raises:
        ZooError: a trial fails.
    """
    stored = [(t, r) for t, r in _stored(plan, store) if not isinstance(t, ExternalTrial)]
    chosen = np.unique(np.linspace(0, len(stored) - 1, min(count, len(stored))).round().astype(int))
    done = []
    for trial, record in (stored[i] for i in chosen):
        with tempfile.TemporaryDirectory() as folder, torch_threads(1):
            anew = RunStore(Path(folder), store.name)
            made = run_trial(trial, anew)
            verdict = compare_records(store, record, anew, anew.record(trial.key) or {})
        comparison = TrialComparison(trial.model, trial.fold, trial.seed, *verdict)
        rank_ic = known(record["metrics"]["rank_ic"]), known(made["metrics"]["rank_ic"])
        done.append(
            Retrained(comparison, trial.key == record["key"], rank_ic, _environment(record), _environment(made))
        )
        on_done(done[-1])
    return done


def _environment(record: dict[str, Any]) -> dict[str, str]:
    return {"device": record["device"], **record["versions"]}


def _stored(plan: Plan, store: RunStore) -> list[tuple[Trial, dict[str, Any]]]:
    """The trials of a plan with their stored records, by model, fold and seed: code that changed changes keys."""
    keys = {(t["model"], t["fold"], t["seed"]): t["key"] for t in store.run()["trials"]}
    found = [(t, keys.get((t.model, t.fold, t.seed))) for t in plan.trials]
    return [(t, r) for t, key in found if key and store.is_recorded(key) and (r := store.record(key)) is not None]
