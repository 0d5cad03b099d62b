"""How much faster the exact fast forms are than the literal ones, measured in turns within one run.

    python -m tests.benchmarks.bench_exact_forms [--only TEXT] [--rounds N] [--threads N]

Each case has its own process and is warmed up once; then fast and literal step alternate. The ratio is the
median over rounds.
Exit status 1 if a ratio is below its bar or a limit is exceeded.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from tests.benchmarks import cases_cross, cases_sequence
from tests.benchmarks.cases_sequence import Step

CASES = [*cases_sequence.CASES, *cases_cross.CASES]
LIMITS = cases_cross.LIMITS


def seconds(step: Step) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def alone(function: Callable[..., tuple], *arguments: object) -> tuple:
    """Call in a process of its own: the allocator after one case would change the times of the next."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, arguments)


def _measure_pair(
    fast: Callable[[], Step], literal: Callable[[], Step], rounds: int, threads: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Seconds of each round's fast and literal step, taken in turns."""
    torch.set_num_threads(threads)
    quick, slow = fast(), literal()
    quick()
    slow()
    quick_times, slow_times = zip(*((seconds(quick), seconds(slow)) for _ in range(rounds)), strict=True)
    return quick_times, slow_times


def compare(
    name: str, fast: Callable[[], Step], literal: Callable[[], Step], bar: float, rounds: int, threads: int
) -> bool:
    quick, slow = alone(_measure_pair, fast, literal, rounds, threads)
    ratios = [b / a for a, b in zip(quick, slow, strict=True)]
    ratio = statistics.median(ratios)
    print(
        f"{name:32} {1e3 * statistics.median(quick):10.2f} {1e3 * statistics.median(slow):10.2f} "
        f"{ratio:8.2f} {min(ratios):8.2f} {max(ratios):8.2f} {bar:6.1f}  {'ok' if ratio >= bar else 'BELOW'}",
        flush=True,
    )
    return ratio >= bar


def _peak_mib() -> float:
    # getrusage would count the parent: its peak survives fork and exec
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def _measure_limit(make: Callable[[], Step], threads: int) -> tuple[float, float]:
    """Median seconds of a step and MiB that it adds to the peak of resident memory."""
    torch.set_num_threads(threads)
    step = make()
    before = _peak_mib()
    times = [seconds(step) for _ in range(5)]
    return statistics.median(times[1:]), _peak_mib() - before


def hold(name: str, make: Callable[[], Step], most_seconds: float, most_mib: float, threads: int) -> bool:
    took, added = alone(_measure_limit, make, threads)
    kept = took <= most_seconds and added <= most_mib
    print(
        f"{name:32} {took:8.2f} s (most {most_seconds:g}) {added:8.0f} MiB (most {most_mib:g})  "
        f"{'ok' if kept else 'EXCEEDED'}",
        flush=True,
    )
    return kept


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose name holds this text")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    print(f"torch {torch.__version__}, CPU, {options.threads} thread(s), {options.rounds} rounds")
    print(f"{'case':32} {'fast ms':>10} {'literal ms':>10} {'ratio':>8} {'least':>8} {'most':>8} {'bar':>6}")
    results = [
        compare(name, fast, literal, bar, options.rounds, options.threads)
        for name, fast, literal, bar in CASES
        if options.only.lower() in name.lower()
    ]
    results += [
        hold(name, make, most_seconds, most_mib, options.threads)
        for name, make, most_seconds, most_mib in LIMITS
        if options.only.lower() in name.lower()
    ]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
