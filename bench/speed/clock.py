"""How long things take: raw samples first, summaries on read. Loads torch only to time."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

UNSTABLE_SPREAD = 0.25
"""A timing is called unstable when half the distance of its quartiles exceeds this share of its median."""

CLOCK_TOLERANCE = 0.05
"""Relative error from which the check against a known duration counts as failed."""


@dataclass(frozen=True)
class Timing:
    """Seconds of repeated calls, in order, warm-up left out."""

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        return float(np.median(self.samples))

    def percentile(self, q: float) -> float:
        return float(np.percentile(self.samples, q))

    @property
    def spread(self) -> float:
        """Half the interquartile range over the median."""
        low, high = np.percentile(self.samples, [25, 75])
        return float((high - low) / 2 / self.median)

    @property
    def unstable(self) -> bool:
        return self.spread > UNSTABLE_SPREAD


def time_calls(
    calls: Mapping[str, Callable[[], Any]],
    *,
    rounds: int = 30,
    warmup: int = 3,
    block: Mapping[str, int] | None = None,
) -> dict[str, Timing]:
    """Time several calls interleaved: every round runs each, so that a slow moment of the machine meets all.

    On CUDA the queue is drained before the clock starts and before it stops. The garbage collector is off.

    Args:
        rounds: how often each has its turn, after `warmup` turns that do not count.
        block: samples of a turn, by default 1. A turn of several begins with a call that does not count: what ran
            before left its own data in the caches.
    """
    synchronize = synchronizer()
    samples: dict[str, list[float]] = {name: [] for name in calls}
    sizes = dict.fromkeys(calls, 1) | dict(block or {})
    with collector_off():
        for turn in range(warmup + rounds):
            for name, call in calls.items():
                lead = int(sizes[name] > 1)
                for i in range(lead + sizes[name]):
                    synchronize()
                    start = time.perf_counter()
                    call()
                    synchronize()
                    if turn >= warmup and i >= lead:
                        samples[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(values)) for name, values in samples.items()}


def seconds_of(call: Callable[[], Any]) -> float:
    """Seconds of one call, what it gave the GPU to do included."""
    wait, start = synchronizer(), time.perf_counter()
    call()
    wait()
    return time.perf_counter() - start


def block_size(seconds: float) -> int:
    """Samples of a turn of a call that takes so long: as many as fill 10 ms, at most 20."""
    return min(max(int(0.01 / seconds), 1), 20)


def rounds_of(seconds: float, per_round: float, most: int) -> int:
    """Rounds that take the seconds aimed at, at least 5 of at most `most`."""
    return min(max(int(seconds / max(per_round, 1e-7)), 5), max(most, 1))


def synchronizer() -> Callable[[], None]:
    """Waits until the GPU is done, where there is one."""
    import torch

    return torch.cuda.synchronize if torch.cuda.is_available() else (lambda: None)


@contextmanager
def collector_off() -> Iterator[None]:
    """No garbage collection in between."""
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(frozen=True)
class ClockCheck:
    """An operation of known duration, timed like a model; seconds, the measured ones a median."""

    operation: str
    expected: float
    measured: float

    @property
    def relative_error(self) -> float:
        return self.measured / self.expected - 1

    @property
    def passed(self) -> bool:
        return abs(self.relative_error) <= CLOCK_TOLERANCE

    def record(self) -> dict[str, Any]:
        return {**asdict(self), "relative_error": self.relative_error, "passed": self.passed}


def check_clock(device: str = "cpu", *, rounds: int = 20) -> list[ClockCheck]:
    """Time operations whose duration another clock knows.

    The kernel's timer ends a sleep; the processor's counter, which the timing clock is not read from, ends a spin. On
    CUDA the GPU's own event clock times a matrix product, too.
    """
    expected, calls = {}, {}
    for seconds in (0.005, 0.02):
        for kind, operation in (("sleep", time.sleep), ("spin", _spin)):
            name = f"{kind} {1000 * seconds:g} ms"
            expected[name], calls[name] = seconds, partial(operation, seconds)
    timings = time_calls(calls, rounds=rounds, warmup=1)
    checks = [ClockCheck(name, expected[name], timing.median) for name, timing in timings.items()]
    return [*checks, _check_events(rounds)] if device.startswith("cuda") else checks


def _spin(seconds: float) -> None:
    clock = getattr(time, "CLOCK_MONOTONIC_RAW", time.CLOCK_MONOTONIC)
    end = time.clock_gettime(clock) + seconds
    while time.clock_gettime(clock) < end:
        pass


def _check_events(rounds: int) -> ClockCheck:
    import torch

    matrix = torch.randn(4096, 4096, device="cuda")
    by_events: list[float] = []

    def product() -> None:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        for _ in range(20):
            torch.matmul(matrix, matrix)
        end.record()
        end.synchronize()
        by_events.append(begin.elapsed_time(end) / 1000)

    timing = time_calls({"product": product}, rounds=rounds, warmup=3)["product"]
    return ClockCheck("20 matrix products, by CUDA events", float(np.median(by_events[3:])), timing.median)
