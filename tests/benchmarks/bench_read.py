"""Reading a folder of many CSV files, one per stock: the first load and the one from the cache.

    python tests/benchmarks/bench_read.py [--files 100] [--rows 1000] [--rounds 3]
    python tests/benchmarks/bench_read.py --files 1000 --rows 3000 --rounds 1 --before REV

Writes random walks (date, open, high, low, close, volume to two decimals, stocks listed at any time) and opens the
folder in a process of its own per load: wall seconds, and CPU seconds of it and of the processes it starts, imports
left out. With `--before` every round also loads the same files with another revision of this repository, in turns, and
the last line is the ratio; both must see the same panel.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def generate(folder: Path, n_files: int, n_rows: int, seed: int = 0) -> None:
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(seed)
    folder.mkdir()
    calendar = pd.bdate_range("2005-01-03", periods=n_rows + n_rows // 4).strftime("%Y-%m-%d").to_numpy()
    for n in range(n_files):
        first = int(rng.integers(0, n_rows // 4 + 1))
        noise = rng.standard_normal((5, n_rows))
        close = 20 * np.exp(np.cumsum(noise[0] * 0.02))
        spread = 1 + 0.005 * np.abs(noise[1:4])
        frame = pd.DataFrame(
            {
                "date": calendar[first : first + n_rows],
                "open": close * spread[0],
                "high": close * spread[1] * spread[0],
                "low": close / spread[2],
                "close": close,
                "volume": np.exp(12 + noise[4]).astype(np.int64),
            }
        )
        frame.round(2).to_csv(folder / f"S{n:05d}.csv", index=False)


def load(source: Path) -> None:
    """In a child: open the folder, print what it took."""
    import numpy  # noqa: F401
    import pandas  # noqa: F401
    import pyarrow.csv  # noqa: F401

    from zoo.config import DataConfig
    from zoo.data.sources import open_panel

    began, cpu = time.perf_counter(), _cpu()
    panel = open_panel(DataConfig(source=str(source)))
    took = {"wall": time.perf_counter() - began, "cpu": _cpu() - cpu}
    print(json.dumps({**took, "shape": panel.values.shape, "fingerprint": panel.fingerprint}))


def _cpu() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def in_child(code: Path, source: Path, cache: Path) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(code), "ALPHA_ZOO_CACHE": str(cache)}
    command = [sys.executable, __file__, "--load", str(source)]
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(run.stdout.splitlines()[-1])


def compare(folder: Path, revisions: dict[str, Path], rounds: int) -> None:
    """Loads of every revision in turns; raises where they see different panels."""
    took: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for k in range(rounds):
        for name, code in revisions.items():
            for stage in ("first load", "from the cache"):
                result = in_child(code, folder / "market", folder / f"cache-{k}-{name}")
                took.setdefault((stage, name), []).append(result)
    panels = {(result["fingerprint"], *result["shape"]) for results in took.values() for result in results}
    if len(panels) > 1:
        raise SystemExit(f"the panels differ: {panels}")
    days, stocks, fields = next(iter(panels))[1:]
    print(f"panel: {days:,} days x {stocks:,} stocks x {fields} fields; load {os.getloadavg()[0]:.1f}\n")
    print(f"{'':16s} {'revision':10s} {'wall s':>8s} {'cpu s':>8s}   (median of {rounds})")
    medians = {}
    for (stage, name), results in took.items():
        medians[stage, name] = [statistics.median(result[key] for result in results) for key in ("wall", "cpu")]
        wall, cpu = medians[stage, name]
        print(f"{stage:16s} {name:10s} {wall:8.2f} {cpu:8.2f}")
    if len(revisions) > 1:
        for stage in ("first load", "from the cache"):
            before, now = (medians[stage, name] for name in revisions)
            print(f"{stage}: {before[0] / now[0]:.2f} times as fast by the wall clock, CPU {before[1] / now[1]:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--before", metavar="REV", help="a revision to compare with")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.load:
        load(args.load)
        return
    with tempfile.TemporaryDirectory() as name:
        folder, revisions = Path(name), {"now": ROOT}
        generate(folder / "market", args.files, args.rows)
        size = sum(file.stat().st_size for file in (folder / "market").iterdir())
        print(f"{args.files:,} files x {args.rows:,} rows, {size / 1e6:,.0f} MB")
        git = ["git", "-C", str(ROOT), "worktree"]
        if args.before:
            subprocess.run([*git, "add", "--detach", "--quiet", str(folder / "before"), args.before], check=True)
            revisions = {args.before: folder / "before", **revisions}
        try:
            compare(folder, revisions, args.rounds)
        finally:
            if args.before:
                subprocess.run([*git, "remove", "--force", str(folder / "before")], check=True)


if __name__ == "__main__":
    main()
