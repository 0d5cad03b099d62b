"""`bench run` with `--jobs 1` and `--jobs 2`, and against another revision: wall and CPU time, the same scores.

    python tests/benchmarks/bench_run.py [--models '*'] [--epochs 2] [--seeds 2] [--rounds 1]
    python tests/benchmarks/bench_run.py --before REV

Every round runs the built-in quick experiment (planted:mixed; fewer epochs) in all ways in turns, each into a folder of
its own: wall seconds of the whole command, reports without figures included, and CPU seconds of it and of its workers.
Scores of a trial must be the same bits whatever `--jobs`. With `--before` the same command also runs in a worktree of
that revision; the mean test Rank IC of every model then stands side by side, as do its seeds' standard deviations.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass
class Way:
    """One way to run: code and jobs, and what every round took."""

    name: str
    code: Path
    jobs: int
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    load: list[float] = field(default_factory=list)


def run(way: Way, arguments: list[str], folder: Path) -> Path:
    """The results folder of one run; its times are added to `way`."""
    results = folder / f"{way.name.replace(' ', '-')}-{len(way.wall)}"
    environment = {**os.environ, "PYTHONPATH": str(way.code), "OMP_NUM_THREADS": "1"}
    environment["ALPHA_ZOO_CACHE"] = str(folder / "cache")
    command = [sys.executable, "-m", "bench", "run", *arguments, "--jobs", str(way.jobs), "--results", str(results)]
    way.load.append(os.getloadavg()[0])
    began = time.perf_counter()
    with (folder / "output.txt").open("w+") as output:
        process = subprocess.Popen(command, env=environment, cwd=way.code, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise SystemExit(f"{way.name}: exit code {process.returncode}\n{output.read()[-3000:]}")
    way.wall.append(time.perf_counter() - began)
    way.cpu.append(usage.ru_utime + usage.ru_stime)
    return results


def trials(results: Path) -> dict[tuple[str, int, int], Path]:
    """(model, fold, seed) -> the folder of a stored trial."""
    found = {}
    for file in results.glob("runs/*/trials/*/record.json"):
        record = _record(file)
        found[record["model"], record["fold"], record["seed"]] = file.parent
    return found


def _record(file: Path) -> dict[str, Any]:
    stored = json.loads(file.read_text())
    return stored.get("content", stored)


def same_scores(one: Path, other: Path) -> tuple[int, list[str]]:
    """How many trials two runs hold, and those whose scores differ in a bit or that only one has."""
    import pandas as pd

    a, b = trials(one), trials(other)
    differing = [
        f"{model} fold {fold} seed {seed}"
        for model, fold, seed in sorted(a.keys() | b.keys())
        if not {(model, fold, seed)} <= a.keys() & b.keys()
        or not pd.read_parquet(a[model, fold, seed] / "scores.parquet").equals(
            pd.read_parquet(b[model, fold, seed] / "scores.parquet")
        )
    ]
    return len(a), differing


def rank_ic(results: Path) -> dict[str, list[float]]:
    """Model -> mean Rank IC of each of its trials."""
    found: dict[str, list[float]] = defaultdict(list)
    for (model, _, _), folder in sorted(trials(results).items()):
        found[model].append(_record(folder / "record.json")["metrics"]["rank_ic"])
    return found


def print_rank_ic(before: dict[str, list[float]], now: dict[str, list[float]]) -> None:
    print(f"\n{'Rank IC':14s} {'before':>8s} {'sd':>7s} {'now':>8s} {'sd':>7s}   change in sd of before")
    for model in sorted(before.keys() | now.keys()):
        a, b = before.get(model), now.get(model)
        if a is None or b is None:
            print(f"{model:14s} only {'now' if a is None else 'before'}")
            continue
        means, spreads = (
            [statistics.fmean(x) for x in (a, b)],
            [statistics.stdev(x) if len(x) > 1 else 0 for x in (a, b)],
        )
        change = means[1] - means[0]
        by = f"{change / spreads[0]:+.2f}" if spreads[0] > 0 else f"{change:+.4f} (no spread)"
        print(f"{model:14s} {means[0]:8.4f} {spreads[0]:7.4f} {means[1]:8.4f} {spreads[1]:7.4f}   {by}")


def print_times(ways: list[Way]) -> None:
    print(f"{'way':28s} {'wall s':>8s} {'cpu s':>8s} {'load':>6s}   (median of {len(ways[0].wall)})")
    for way in ways:
        wall, cpu, load = (statistics.median(values) for values in (way.wall, way.cpu, way.load))
        print(f"{way.name:28s} {wall:8.1f} {cpu:8.1f} {load:6.1f}")


def ratio(one: Way, other: Way, what: str) -> str:
    wall = statistics.median(one.wall) / statistics.median(other.wall)
    cpu = statistics.median(one.cpu) / statistics.median(other.cpu)
    return f"{what}: wall {wall:.2f}, CPU {cpu:.2f}"


def compare(before: tuple[str, Path] | None, arguments: list[str], rounds: int, folder: Path) -> bool:
    """Run all ways in turns and print; whether scores are the same with one job and with two."""
    ways = [Way("now --jobs 1", ROOT, 1), Way("now --jobs 2", ROOT, 2)]
    if before is not None:
        ways.insert(0, Way(f"{before[0]} --jobs 2", before[1], 2))
    *_, one, two = ways
    for _ in range(rounds):
        results = {way.name: run(way, arguments, folder) for way in ways}
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    n_trials, differing = same_scores(results[one.name], results[two.name])
    print(f"{n_trials} trials, {processors} processors\n")
    print_times(ways)
    print(f"\n{ratio(one, two, '--jobs 1 / --jobs 2')}")
    print(f"scores with --jobs 1 and 2: {'differ in ' + ', '.join(differing) if differing else 'the same bits'}")
    if before is not None:
        print(ratio(ways[0], two, f"{before[0]} / now, --jobs 2"))
        print_rank_ic(rank_ic(results[ways[0].name]), rank_ic(results[two.name]))
    return n_trials > 0 and not differing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="*", help="names and globs; default: all")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", default="2", help="how many, or which, as of bench run")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--before", metavar="REV", help="a revision to compare with")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of bench run")
    args = parser.parse_args()
    settings = [f"train.max_epochs={args.epochs}", *args.set]
    arguments = ["--models", args.models, "--seeds", args.seeds, "--device", "cpu", "--name", "bench", "--no-figures"]
    arguments += [part for setting in settings for part in ("--set", setting)]
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder, before = Path(name), None
        if args.before:
            git = ["git", "-C", str(ROOT), "worktree"]
            before = args.before, folder / "before"
            subprocess.run([*git, "add", "--detach", "--quiet", str(before[1]), args.before], check=True)
            stack.callback(subprocess.run, [*git, "remove", "--force", str(before[1])], check=True)
        held = compare(before, arguments, args.rounds, folder)
    sys.exit(0 if held else 1)


if __name__ == "__main__":
    main()
