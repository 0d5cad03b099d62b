"""Times models side by side: scenarios x modes x two passes, then memory; gives the record to be stored."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from bench.experiment.config import ExperimentConfig
from bench.records.machine import versions
from bench.speed.clock import collector_off, synchronizer, time_calls
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
_LEAST_ROUNDS = 5
_HELD: tuple[Scenario, ...] = ("train_step", "one_day")  # whose memory is measured
_BLOCK_SECONDS, _LONGEST_BLOCK = 0.01, 20


@dataclass(frozen=True)
class Request:
    """What is to be timed.

    Attributes:
        config: parameters, features and lookback of the models.
        models, modes, scenarios: which.
        device: `cpu` or `cuda`.
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
    """Entries `model -> mode -> {settings, model, scenarios, memory}` as `bench.speed.frames` stores them.

    One dictionary per mode, as soon as it is measured: compiling takes long and may be interrupted.

    Memory is measured by `remote`, see `memory.memory_process`. A model, mode or scenario that does not work has the
    reason in place of samples.
    """
    dataset = make_dataset(request.config, request.stocks, request.device)
    built_models, refused = _build_all(request, dataset)
    for mode in request.modes:
        entries: dict[str, dict[str, Any]] = {name: {} for name in request.models}
        for name in request.models:
            model = built_models[name].record if name in built_models else {}
            entries[name][mode] = {
                "settings": _settings(request, dataset),
                "model": model,
                "scenarios": {s: {"reason": refused.get(name, "")} for s in request.scenarios},
                "memory": {},
            }
        timed_models: dict[str, TimedModel] = {}
        for name, built in built_models.items():
            try:
                timed_models[name] = TimedModel(built, mode, dataset)
            except Exception as error:  # noqa: BLE001 - compilers may raise anything; the reason is recorded
                for result in entries[name][mode]["scenarios"].values():
                    result["reason"] = _reason(error)
        _time_mode(request, mode, timed_models, entries, say)
        _add_memory(request, mode, timed_models, entries, remote, say)
        yield entries


def _build_all(request: Request, dataset: Dataset) -> tuple[dict[str, BuiltModel], dict[str, str]]:
    built, refused = {}, {}
    for name in request.models:
        try:
            built[name] = build_for_timing(name, request.config, dataset, request.device)
        except UnavailableError as error:
            refused[name] = str(error)
    return built, refused


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
    request: Request,
    mode: Mode,
    timed_models: dict[str, TimedModel],
    entries: dict[str, dict[str, Any]],
    say: Callable[[str], None],
) -> None:
    """Fill in the samples of all timed_models of a mode."""
    ready = {s: _prepare(s, mode, timed_models, entries) for s in request.scenarios}
    for turn in range(PASSES):
        for scenario, (works, durations) in ready.items():
            if not works:
                continue
            _switch(timed_models, works)
            block = {n: min(max(int(_BLOCK_SECONDS / d), 1), _LONGEST_BLOCK) for n, d in durations.items()}
            per_round = sum(d * (block[n] + (block[n] > 1)) for n, d in durations.items())
            rounds = min(max(int(request.seconds / per_round), _LEAST_ROUNDS), max(request.rounds, 1))
            began, calls = time.perf_counter(), {n: w.call for n, w in works.items()}
            # Long calls are warm from their preparation, and their own start is a small part of them.
            timings = time_calls(calls, rounds=rounds, warmup=int(per_round < 1), block=block)
            for name, timing in timings.items():
                result = entries[name][mode]["scenarios"][scenario]
                result["samples"].append([round(s, 7) for s in timing.samples])
            took = time.perf_counter() - began
            say(f"{mode} {scenario}, pass {turn + 1} of {PASSES}: {len(works)} models, {rounds} rounds, {took:.0f} s")


def _prepare(
    scenario: Scenario, mode: Mode, timed_models: dict[str, TimedModel], entries: dict[str, dict[str, Any]]
) -> tuple[dict[str, Work], dict[str, float]]:
    """Works that ran two or three times without error, and seconds of their last call."""
    works: dict[str, Work] = {}
    durations: dict[str, float] = {}
    wait = synchronizer()
    for name, timed in timed_models.items():
        result = entries[name][mode]["scenarios"][scenario]
        try:
            work = timed.work(scenario)
            timed.model.train(work.training)
            took: list[float] = []
            with collector_off():
                while len(took) < 2 or (len(took) < _WARMUP and sum(took) < _WARMUP_SECONDS):
                    start = time.perf_counter()
                    work.call()
                    wait()
                    took.append(time.perf_counter() - start)
        except Exception as error:  # noqa: BLE001 - compilers may raise anything; the reason is recorded
            result["reason"] = _reason(error)
            continue
        works[name], durations[name] = work, max(took[-1], 1e-7)
        del result["reason"]
        result |= {"rows": work.rows, "first_call_s": round(took[0], 6), "samples": []}
    return works, durations


def _add_memory(
    request: Request,
    mode: Mode,
    timed_models: dict[str, TimedModel],
    entries: dict[str, dict[str, Any]],
    remote: Remote,
    say: Callable[[str], None],
) -> None:
    """Fill in the memory of a training step and of a day; that of a captured graph is not told apart."""
    if mode == "graphs":
        return
    began = time.perf_counter()
    for name, timed in timed_models.items():
        results = entries[name][mode]["scenarios"]
        wanted: list[Scenario] = [s for s in _HELD if "samples" in results.get(s, {})]
        if not wanted:
            continue
        if request.device == "cpu":
            entries[name][mode]["memory"] = remote(memory_alone, request, name, mode, wanted)
        else:
            entries[name][mode]["memory"] = memory_of(timed, wanted)
    say(f"{mode} memory: {time.perf_counter() - began:.0f} s")


def memory_alone(request: Request, name: str, mode: Mode, scenarios: Sequence[Scenario]) -> dict[str, float | None]:
    """`memory_of` a model that is built anew."""
    dataset = make_dataset(request.config, request.stocks, request.device)
    built = build_for_timing(name, request.config, dataset, request.device)
    return memory_of(TimedModel(built, mode, dataset), scenarios)


def memory_of(timed: TimedModel, scenarios: Sequence[Scenario]) -> dict[str, float | None]:
    """Peak MiB by scenario: weights, buffers and the optimiser's state, and what a call adds; not the dataset."""
    found: dict[str, float | None] = {}
    for scenario in scenarios:
        work = timed.work(scenario)
        timed.model.train(work.training)

        def call(work: Work = work) -> None:
            work.call()
            # Gradients that stay would count as there before the next step.
            timed.model.zero_grad(set_to_none=True)

        grown = peak_mib(call, str(timed.dataset.device))
        state = timed.state_bytes(work.training) / MIB
        found[scenario] = None if grown is None else round(grown + state, 3)
    return found


def _switch(timed_models: dict[str, TimedModel], works: dict[str, Work]) -> None:
    for name, work in works.items():
        timed_models[name].model.train(work.training)


def _reason(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return text if isinstance(error, ZooError) else f"{type(error).__name__}: {text}"[:300]
