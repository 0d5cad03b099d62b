"""Time and memory of scoring against lookback T and stocks N, on random rows of one day, untrained weights.

Besides whole networks, their attention is measured alone: beside the linear parts of a network its growth is hidden.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from bench.anatomy import cost
from bench.experiment.config import ExperimentConfig
from bench.experiment.entries.names import network_of, seen_by
from bench.experiment.plan import entry_of
from bench.records.machine import versions
from bench.speed.clock import block_size, rounds_of, seconds_of, time_calls
from bench.speed.memory import Remote, peak_mib
from zoo import registry
from zoo.data.features import make_feature_set
from zoo.layers import SelfAttention
from zoo.models._attention import dense_weights
from zoo.models.gats import GATs
from zoo.network import Network

Axis = Literal["lookback", "stocks"]
LOOKBACKS = (30, 60, 120, 240, 480, 960)
STOCKS = (100, 250, 500, 1000, 2500, 5000)
DAY = 50
"""Stocks of the day on which the lookback is varied."""
MOST_SECONDS, MOST_MIB = 5.0, 4096.0
"""What one call may take; larger sizes are skipped."""

Call = Callable[[], Any]
Make = Callable[[int, int], Call]
"""(stocks, lookback) -> a call that scores such a day."""


@dataclass(frozen=True)
class Case:
    """What is measured: a label, in words what it is, along which axes, and how to make a call."""

    label: str
    what: str
    axes: tuple[Axis, ...]
    make: Make


@dataclass(frozen=True)
class Sweep:
    """Sizes and effort; `seconds` is aimed at per case and axis, at least 5 rounds are made."""

    lookbacks: Sequence[int] = LOOKBACKS
    stocks: Sequence[int] = STOCKS
    rounds: int = 20
    seconds: float = 8.0


def measure_scaling(
    config: ExperimentConfig,
    models: Sequence[str],
    device: str,
    sweep: Sweep,
    remote: Remote,
    say: Callable[[str], None],
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Pairs (label, entry) as `merge_scaling` stores them, as soon as measured; memory by `remote`."""
    settings = {
        "config": config.name,
        "threads": torch.get_num_threads(),
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", "unset"),
        "versions": versions(),
    }
    for name in models:
        spec = registry.get_spec(network_of(name, config.models))
        missing = spec.missing_packages()
        if missing or not spec.gradient_trained:
            why = f"needs {', '.join(missing)}" if missing else "fitted as a whole: there is no network to measure"
            entry = {"settings": settings, "what": "whole model", "complexity": spec.complexity}
            yield name, {**entry, "reason": why, "axes": {}}
            continue
        for case in cases(name, config, device):
            began = time.perf_counter()
            axes = {}
            for axis in case.axes:
                points = remote(explore, config, name, case.label, axis, device, sweep)
                fixed = DAY if axis == "lookback" else seen_by(name, config).data.lookback
                axes[axis] = {"fixed": fixed, "points": time_points(case, axis, fixed, points, sweep)}
            say(f"{case.label}: {', '.join(case.axes)}, {time.perf_counter() - began:.0f} s")
            theory = spec.complexity if case.label == name else ("", "")
            yield case.label, {"settings": settings, "what": case.what, "complexity": theory, "axes": axes}


def cases(name: str, config: ExperimentConfig, device: str) -> Iterator[Case]:
    """The model as the experiment has it, its variants, and the attention of each."""
    params, _ = entry_of(name, config)
    config, spec = seen_by(name, config), registry.get_spec(network_of(name, config.models))
    n_features = make_feature_set(config.data.features, config.data.lookback).n_features
    variants = (v for v in spec.variants if any(params.get(key) != value for key, value in v.items()))
    for extra in ({}, *variants):
        text = ",".join(f"{key}={value}" for key, value in extra.items())
        label = f"{name}[{text}]" if text else name

        def network(lookback: int, extra: dict[str, Any] = extra) -> Network:
            torch.manual_seed(0)
            built = registry.build(spec.name, n_features=n_features, lookback=lookback, **{**params, **extra})
            built.on_stage(built.stages[-1])
            return built.to(device).eval()

        def whole(stocks: int, lookback: int, network: Callable[[int], Network] = network) -> Call:
            model, batch = network(lookback), cost.random_batch(stocks, lookback, n_features).to(device)
            return lambda: model.score(batch)

        built = network(config.data.lookback)
        reach = getattr(built, "receptive_field", None)
        what = "whole network, scoring one day" + (f"; it reads {reach} days at most" if reach else "")
        yield Case(label, what, ("lookback", "stocks"), whole)
        yield from _attention(label, built, device)


def _attention(label: str, model: Network, device: str) -> Iterator[Case]:
    block = next((m for m in model.modules() if isinstance(m, SelfAttention)), None)
    if block is not None:
        width = block.out_proj.in_features

        def over_time(stocks: int, lookback: int) -> Call:
            states = torch.randn(stocks, lookback, width, device=device)
            return lambda: block(states)

        reach = "all days" if block.window is None else f"{block.window} days on either side"
        what = f"one attention layer alone, every day to {reach}"
        yield Case(f"{label}.attention", what, ("lookback",), over_time)
    if isinstance(model, GATs):
        width = model.fc.in_features

        def day(stocks: int) -> tuple[Tensor, Tensor]:
            states = torch.randn(1, stocks, width, device=device)
            return states, torch.ones(1, stocks, device=device).bool()

        def over_stocks(stocks: int, lookback: int) -> Call:
            return partial(model.attend, *day(stocks))

        def dense(stocks: int, lookback: int) -> Call:
            states, mask = day(stocks)
            p, q = (model.transformation(states) @ model.a.view(2, -1).T).unbind(dim=2)
            return lambda: dense_weights(p, q, mask, model.negative_slope) @ states

        what = "the attention across stocks alone, by sorting where the network sorts (from 400 stocks)"
        yield Case(f"{label}.attention", what, ("stocks",), over_stocks)
        what = "the same attention by a matrix of all pairs, for comparison; the network does not do this on large days"
        yield Case(f"{label}.attention[dense]", what, ("stocks",), dense)


def explore(
    config: ExperimentConfig, name: str, label: str, axis: Axis, device: str, sweep: Sweep
) -> list[dict[str, Any]]:
    """`explore_case` of the case of that label."""
    case = next(c for c in cases(name, config, device) if c.label == label)
    return explore_case(case, axis, DAY if axis == "lookback" else seen_by(name, config).data.lookback, device, sweep)


@torch.no_grad()
def explore_case(case: Case, axis: Axis, fixed: int, device: str, sweep: Sweep) -> list[dict[str, Any]]:
    """Points of an axis, ascending: memory and seconds of one call, or why it was not made."""
    points: list[dict[str, Any]] = []
    stop = ""
    for size in sorted(sweep.lookbacks if axis == "lookback" else sweep.stocks):
        if stop or (stop := _too_large(points, size)):
            points.append({"size": size, "reason": stop})
            continue
        call = _call(case, axis, fixed, size)
        memory = peak_mib(call, device)
        seconds = seconds_of(call)
        if seconds > MOST_SECONDS:
            seconds = min(seconds, seconds_of(call))  # One slow moment must not cost a size.
        points.append({"size": size, "memory_mib": None if memory is None else round(memory, 4), "call_s": seconds})
        if seconds > MOST_SECONDS:
            stop = points[-1]["reason"] = f"a call at {size} takes {seconds:.1f} s, more than {MOST_SECONDS:g} s"
    return points


@torch.no_grad()
def time_points(case: Case, axis: Axis, fixed: int, points: list[dict[str, Any]], sweep: Sweep) -> list[dict[str, Any]]:
    """The points with samples, the sizes of an axis interleaved."""
    took = {str(p["size"]): max(p["call_s"], 1e-7) for p in points if "reason" not in p}
    calls = {size: _call(case, axis, fixed, int(size)) for size in took}
    block = {size: block_size(s) for size, s in took.items()}
    rounds = rounds_of(sweep.seconds, sum(s * (block[size] + 1) for size, s in took.items()), sweep.rounds)
    timings = time_calls(calls, rounds=rounds, warmup=1, block=block)
    timed = []
    for point in points:
        timed.append({key: value for key, value in point.items() if key != "call_s"})
        if (timing := timings.get(str(point["size"]))) is not None:
            timed[-1]["samples"] = [round(s, 7) for s in timing.samples]
    return timed


def _call(case: Case, axis: Axis, fixed: int, size: int) -> Call:
    return case.make(fixed, size) if axis == "lookback" else case.make(size, fixed)


def _too_large(points: list[dict[str, Any]], size: int) -> str:
    """Why a size must not be tried: with memory that grows by the square it would not fit."""
    if not points or not points[-1]["memory_mib"]:
        return ""
    last = points[-1]
    if last["memory_mib"] * (size / last["size"]) ** 2 <= MOST_MIB:
        return ""
    return f"took {last['memory_mib']:.0f} MiB at {last['size']}, might exceed {MOST_MIB:g} MiB at {size}"
