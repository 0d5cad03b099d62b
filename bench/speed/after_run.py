"""One-day latency of a finished run's models: one cross-section from windows to scores, as in live use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch

from bench.experiment.entries.trials import ExternalTrial
from bench.experiment.plan import Plan
from bench.experiment.trial import Trial
from bench.records.documents import read_json, write_json
from bench.records.machine import device_name, machine_id, torch_threads
from bench.records.store import RunStore
from bench.speed.clock import time_calls
from zoo import checkpoint, registry, trainer
from zoo.config import DataConfig
from zoo.data.features import features_of
from zoo.data.normalize import RobustStats
from zoo.data.split import DayRange, Fold
from zoo.data.windows import Dataset, Segment
from zoo.network import Network
from zoo.registry import Scope


def measure_latency(plan: Plan, store: RunStore, keys: list[str], rounds: int = 30) -> None:
    """Time the first stored trial of each model, interleaved, and keep the raw samples in `latency.json`.

    After all training, on one intra-op thread (CPU). What was measured before on the same machine stays.
    """
    path = store.folder / "latency.json"
    stored = (read_json(path).content or {}).get("machines", {})
    finished = [t for t in plan.trials if t.key in keys and not isinstance(t, ExternalTrial)]
    first = {t.model: t for t in reversed(finished)}
    wanted = {t.model: t for t in finished if first[t.model] is t and t.key not in stored.get(machine_id(t.device), {})}
    if not wanted:
        return
    with torch_threads(1):
        timings = time_calls(_calls(plan, store, wanted.values()), rounds=rounds)
    for name, trial in wanted.items():
        stored.setdefault(machine_id(trial.device), {})[trial.key] = {
            "model": name,
            "device": trial.device,
            "device_name": device_name(trial.device),
            "threads": 1,
            "stocks": int(plan.panel.member[plan.folds[trial.fold].test.stop - 1].sum()),
            "seconds": list(timings[name].samples),
        }
    write_json(path, {"machines": stored})


def _calls(plan: Plan, store: RunStore, trials: Iterable[Trial]) -> dict[str, Callable[[], Any]]:
    """By model, a call that scores the last test day; one dataset for all models of a fold that see the data alike."""
    days: dict[Any, Segment] = {}
    calls = {}
    for trial in trials:
        forecaster, where = checkpoint.load(store.trial_folder(trial.key)), (trial.data, trial.fold, trial.device)
        if where not in days:
            days[where] = last_day(plan, *where, forecaster.stats)
        scope = registry.get_spec(trial.network).scope
        # Fills what a network keeps of past days.
        trainer.predict(forecaster.model.to(trial.device), days[where], scope=scope)
        calls[trial.model] = partial(_score, forecaster.model, days[where], scope)
    return calls


@torch.no_grad()
def _score(model: Network, day: Segment, scope: Scope) -> None:
    for batch in day.batches(day.n_rows, scope=scope):
        model.score(batch)


def last_day(plan: Plan, data: DataConfig, fold: int, device: str, stats: RobustStats) -> Segment:
    """The last test day of a fold, in a dataset of no more days than its scores read.

    What a network remembers of past days reaches one lookback further back than the day's own window.
    """
    stop = plan.folds[fold].test.stop
    reach = features_of(data, plan.panel.fields).warmup + data.lookback + data.label.reach
    panel = plan.panel.part(days=slice(max(stop - 1 - reach, 0), stop))
    none, day = DayRange(0, 0), DayRange(panel.n_days - 1, panel.n_days)
    return Dataset(panel, data, Fold(fold, none, none, day, 0), device=device, stats=stats).test
