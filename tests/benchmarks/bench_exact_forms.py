"""How much faster the exact fast forms are than the literal ones, measured in turns within one run.

    python -m tests.benchmarks.bench_exact_forms [--only TEXT] [--rounds N] [--threads N]

Each case is warmed up once, then fast and literal step alternate; the ratio is the median over rounds.
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


def compare(name: str, fast: Step, literal: Step, bar: float, rounds: int) -> bool:
    fast()
    literal()
    pairs = [(seconds(fast), seconds(literal)) for _ in range(rounds)]
    ratios = sorted(slow / quick for quick, slow in pairs)
    ratio = statistics.median(ratios)
    quick, slow = (1e3 * statistics.median(side) for side in zip(*pairs, strict=True))
    print(
        f"{name:32} {quick:10.2f} {slow:10.2f} {ratio:8.2f} {ratios[0]:8.2f} {ratios[-1]:8.2f} {bar:6.1f}  "
        f"{'ok' if ratio >= bar else 'BELOW'}",
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
    # a process of its own: the peak of this one already holds the literal forms
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        took, added = pool.apply(_measure_limit, (make, threads))
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
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, CPU, {options.threads} thread(s), {options.rounds} rounds")
    print(f"{'case':32} {'fast ms':>10} {'literal ms':>10} {'ratio':>8} {'least':>8} {'most':>8} {'bar':>6}")
    results = [
        compare(name, fast(), literal(), bar, options.rounds)
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
