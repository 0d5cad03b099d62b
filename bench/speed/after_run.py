"""One-day latency of a finished run's models: one cross-section from windows to scores, as in live use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from bench.experiment.plan import Plan
from bench.experiment.trial import Trial
from bench.records.documents import read_json, write_json
from bench.records.machine import device_name, machine_id, torch_threads
from bench.records.store import RunStore
from bench.speed.clock import time_calls
from zoo import checkpoint, registry, trainer
from zoo.data.split import DayRange
from zoo.data.windows import Dataset, Segment


def measure_latency(plan: Plan, store: RunStore, keys: list[str], rounds: int = 30) -> None:
    """Time the first stored trial of each model, interleaved, and keep the raw samples in `latency.json`.

    Runs in this process, alone and after all training, on one intra-op thread (CPU). Trials measured before on the
    same machine are left as they are.
    """
    path = store.folder / "latency.json"
    stored = (read_json(path).content or {}).get("machines", {})
    first: dict[str, Trial] = {}
    for trial in plan.trials:
        if trial.key in keys:
            first.setdefault(trial.model, trial)
    wanted = {name: trial for name, trial in first.items() if trial.key not in stored.get(machine_id(trial.device), {})}
    if not wanted:
        return
    with torch_threads(1):
        timings = time_calls({name: _one_day(plan, store, t) for name, t in wanted.items()}, rounds=rounds)
    for name, trial in wanted.items():
        machine = stored.setdefault(machine_id(trial.device), {})
        machine[trial.key] = {
            "model": name,
            "device": trial.device,
            "device_name": device_name(trial.device),
            "threads": 1,
            "stocks": int(plan.panel.member[plan.folds[trial.fold].test.stop - 1].sum()),
            "seconds": list(timings[name].samples),
        }
    write_json(path, {"machines": stored})


def _one_day(plan: Plan, store: RunStore, trial: Trial) -> Callable[[], Any]:
    """A call that scores the last test day with the stored model."""
    forecaster = checkpoint.load(store.trial_folder(trial.key))
    fold = plan.folds[trial.fold]
    dataset = Dataset(plan.panel, trial.data, fold, device=trial.device, stats=forecaster.stats)
    model = forecaster.model.to(trial.device).eval()
    day = Segment(dataset, DayRange(fold.test.stop - 1, fold.test.stop))
    scope = registry.get_spec(trial.model).scope
    trainer.predict(model, day, scope=scope)

    def call() -> Any:
        with torch.no_grad():
            return [model.score(batch) for batch in day.batches(day.n_rows, scope=scope)]

    return call
