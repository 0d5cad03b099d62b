"""Times models side by side: scenarios x modes x two passes, then memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bench.experiment.config import ExperimentConfig
from bench.experiment.entries.names import seen_by
from bench.records.machine import versions
from bench.speed.clock import block_size, collector_off, rounds_of, seconds_of, time_calls
from bench.speed.memory import MIB, Remote, peak_mib
from bench.speed.modes import Mode
from bench.speed.workloads import (
    SCENARIOS,
    STEPS,
    BuiltModel,
    Scenario,
    TimedModel,
    Work,
    build_for_timing,
    make_dataset,
)
from zoo.data.windows import Dataset
from zoo.errors import UnavailableError, ZooError

PASSES = 2
_WARMUP, _WARMUP_SECONDS = 3, 0.3
_HELD: tuple[Scenario, ...] = ("train_step", "one_day")  # whose memory is measured

Entries = dict[str, dict[str, Any]]
"""What is stored of each model in one mode."""


@dataclass(frozen=True)
class Request:
    """What is to be timed.

    Attributes:
        config: parameters, features and lookback of the models.
        stocks: names of one day.
        rounds: most rounds of a scenario in one pass.
        seconds: aimed at for a scenario in one pass, all models together; at least 5 rounds are made.
    """

    config: ExperimentConfig
    models: Sequence[str]
    modes: Sequence[Mode]
    device: str
    stocks: int = 300
    scenarios: Sequence[Scenario] = SCENARIOS
    rounds: int = 40
    seconds: float = 8.0


def measure_models(request: Request, remote: Remote, say: Callable[[str], None]) -> Iterator[dict[str, dict[str, Any]]]:
    """Entries `model -> mode -> {settings, model, scenarios, memory}` of each mode as soon as it is measured.

    A model, mode or scenario that does not work has the reason in place of samples. Memory is measured by `remote`.
    """
    datasets = _datasets(request)
    built_models: dict[str, BuiltModel] = {}
    refused: dict[str, str] = {}
    for name in request.models:
        try:
            built_models[name] = build_for_timing(name, request.config, datasets[name], request.device)
        except UnavailableError as error:
            refused[name] = str(error)
    for mode in request.modes:
        entries: Entries = {}
        timed_models: dict[str, TimedModel] = {}
        for name in request.models:
            built, reason = built_models.get(name), refused.get(name, "")
            try:
                if built is not None:
                    timed_models[name] = TimedModel(built, mode, datasets[name])
            except Exception as error:  # noqa: BLE001 - compilers may raise anything; the reason is recorded
                reason = _reason(error)
            entries[name] = {
                "settings": _settings(request, datasets[name]),
                "model": {} if built is None else built.record,
                "scenarios": {s: {"reason": reason} for s in request.scenarios},
                "memory": {},
            }
        _time_mode(request, mode, timed_models, entries, say)
        if mode != "graphs":  # The memory of a captured graph is not told apart.
            began = time.perf_counter()
            for name, timed in timed_models.items():
                entries[name]["memory"] = _memory(request, name, timed, entries[name], remote)
            say(f"{mode} memory: {time.perf_counter() - began:.0f} s")
        yield {name: {mode: entry} for name, entry in entries.items()}


def _datasets(request: Request) -> dict[str, Dataset]:
    """The rows of each model, shared by those that see the data alike."""
    made: dict[Any, Dataset] = {}
    datasets: dict[str, Dataset] = {}
    for name in request.models:
        config: Any = seen_by(name, request.config)
        if config.data not in made:
            made[config.data] = make_dataset(config, request.stocks, request.device)
        datasets[name] = made[config.data]
    return datasets


def _settings(request: Request, dataset: Dataset) -> dict[str, Any]:
    return {
        "config": request.config.name,
        "features": dataset.feature_set.name,
        "n_features": dataset.n_features,
        "lookback": dataset.lookback,
        "stocks": request.stocks,
        "steps_per_epoch": STEPS,
        "offline_rows": dataset.test.n_rows,
        "threads": torch.get_num_threads(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "unset"),
        "weights": "untrained",
        "data": dataset.panel.name,
        "versions": versions(),
    }


def _time_mode(
    request: Request, mode: Mode, timed_models: dict[str, TimedModel], entries: Entries, say: Callable[[str], None]
) -> None:
    """Fill in the samples of all models of a mode."""
    ready = {s: _prepare(s, timed_models, entries) for s in request.scenarios}
    for turn in range(PASSES):
        for scenario, (works, durations) in ready.items():
            if not works:
                continue
            for name, work in works.items():
                timed_models[name].model.train(work.training)
            block = {n: block_size(d) for n, d in durations.items()}
            per_round = sum(d * (block[n] + (block[n] > 1)) for n, d in durations.items())
            rounds = rounds_of(request.seconds, per_round, request.rounds)
            began, calls = time.perf_counter(), {n: w.call for n, w in works.items()}
            # Long calls are warm from their preparation, and their own start is a small part of them.
            timings = time_calls(calls, rounds=rounds, warmup=int(per_round < 1), block=block)
            for name, timing in timings.items():
                entries[name]["scenarios"][scenario]["samples"].append([round(s, 7) for s in timing.samples])
            took = time.perf_counter() - began
            say(f"{mode} {scenario}, pass {turn + 1} of {PASSES}: {len(works)} models, {rounds} rounds, {took:.0f} s")


def _prepare(
    scenario: Scenario, timed_models: dict[str, TimedModel], entries: Entries
) -> tuple[dict[str, Work], dict[str, float]]:
    """Works that ran two or three times without error, and seconds of their last call."""
    works: dict[str, Work] = {}
    durations: dict[str, float] = {}
    for name, timed in timed_models.items():
        result = entries[name]["scenarios"][scenario]
        try:
            work = timed.work(scenario)
            timed.model.train(work.training)
            took: list[float] = []
            with collector_off():
                while len(took) < 2 or (len(took) < _WARMUP and sum(took) < _WARMUP_SECONDS):
                    took.append(seconds_of(work.call))
        except Exception as error:  # noqa: BLE001 - compilers may raise anything; the reason is recorded
            result["reason"] = _reason(error)
            continue
        works[name], durations[name] = work, max(took[-1], 1e-7)
        del result["reason"]
        result |= {"rows": work.rows, "first_call_s": round(took[0], 6), "samples": []}
    return works, durations


def _memory(
    request: Request, name: str, timed: TimedModel, entry: dict[str, Any], remote: Remote
) -> dict[str, float | None]:
    """The memory of a training step and of a day, of those that were timed."""
    measured: list[Scenario] = [s for s in _HELD if "samples" in entry["scenarios"].get(s, {})]
    if not measured or request.device != "cpu":
        return memory_of(timed, measured)
    return remote(memory_alone, request, name, timed.mode, measured)


def memory_alone(request: Request, name: str, mode: Mode, scenarios: Sequence[Scenario]) -> dict[str, float | None]:
    """`memory_of` a model that is built anew."""
    dataset = make_dataset(seen_by(name, request.config), request.stocks, request.device)
    built = build_for_timing(name, request.config, dataset, request.device)
    return memory_of(TimedModel(built, mode, dataset), scenarios)


def memory_of(timed: TimedModel, scenarios: Sequence[Scenario]) -> dict[str, float | None]:
    """Peak MiB by scenario: weights, buffers, optimiser, and what a call adds; not the dataset."""
    peaks: dict[str, float | None] = {}
    for scenario in scenarios:
        work = timed.work(scenario)
        timed.model.train(work.training)

        def call(work: Work = work) -> None:
            work.call()
            # Gradients that stay would count as there before the next step.
            timed.model.zero_grad(set_to_none=True)

        grown = peak_mib(call, str(timed.dataset.device))
        state = timed.state_bytes(work.training) / MIB
        peaks[scenario] = None if grown is None else round(grown + state, 3)
    return peaks


def _reason(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return text if isinstance(error, ZooError) else f"{type(error).__name__}: {text}"[:300]
