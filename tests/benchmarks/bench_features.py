"""Feature sets against pandas on the same panel in one run: processor time, and peak memory.

    python tests/benchmarks/bench_features.py [--stocks 300] [--days 1500] [--rounds 3]

alpha360 with its normalisation (statistics fitted on the first 60 % of the days), from a panel in memory to the
normalised values of every row:
  fitted      ours: statistics by streaming; from here on any batch can be gathered
  every row   ours: the same, then the windows of all rows in batches of 1,024, which is one epoch of all segments
  per stock   pandas, as qlib's handler: 360 columns of each stock by shift and divide, one concat, then median, MAD,
              clip and fillna on the frame
  wide        pandas at its best: shift and divide all stocks at once, then the same
alpha158 of every row: ours, and pandas' rolling windows one stock at a time, on 24 stocks (`bench_alpha158.py` has this
comparison in more detail, and qlib where it is installed).

The contestants take turns, each in a process of its own on one thread. Times are processor time, which other work on
the machine disturbs less. Memory is the peak above that of the process with the panel. Values are compared on a sample.
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
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from zoo.data.panel import Panel

# The parent imports nothing heavy: a child starts with the peak memory of what it was forked from.

BATCH = 1024
LOOKBACK = 60
TRAIN = 0.6
SAMPLE = 997  # every so many rows
ALPHA158_STOCKS = 24


def ours_fitted(panel: Panel) -> None:
    _windows(panel)


def ours_every_row(panel: Panel) -> np.ndarray:
    import numpy as np
    import torch

    windows, rows = _windows(panel), torch.arange(panel.n_stocks * panel.n_days)
    kept = []
    for row in rows.split(BATCH):
        x = windows.gather(row % panel.n_days, row // panel.n_days)
        kept.append(x[row % SAMPLE == 0].transpose(1, 2).reshape(-1, 360).numpy())  # field-major
    return np.concatenate(kept)


def _windows(panel: Panel):
    from zoo.data.features import make_feature_set
    from zoo.data.split import DayRange
    from zoo.data.windows import Windows

    feature_set = make_feature_set("alpha360", LOOKBACK)
    source = feature_set.source(panel)
    stats = feature_set.fit_stats(source, panel.member, DayRange(0, int(TRAIN * panel.n_days)))
    return Windows(feature_set, source, stats, "cpu")


def _columns(fields: dict[str, pd.DataFrame] | pd.DataFrame) -> dict:
    """The 360 columns of a stock's frame, or of all stocks' frames of each field."""
    divisor = {"volume": fields["volume"] + 1e-12}
    return {
        f"{name}{lag}": fields[name].shift(lag) / divisor.get(name, fields["close"])
        for name in ("close", "open", "high", "low", "vwap", "volume")
        for lag in range(LOOKBACK - 1, -1, -1)
    }


def pandas_per_stock(panel: Panel) -> np.ndarray:
    import pandas as pd

    days = pd.DatetimeIndex(panel.days)
    frames = {}
    for symbol, stock in zip(panel.symbols.tolist(), panel.stock_major, strict=True):
        frames[symbol] = pd.concat(_columns(pd.DataFrame(stock, index=days, columns=list(panel.fields))), axis=1)
    return _normalised(pd.concat(frames, names=["instrument", "datetime"]), panel)


def pandas_wide(panel: Panel) -> np.ndarray:
    import pandas as pd

    days = pd.DatetimeIndex(panel.days)
    fields = {name: pd.DataFrame(panel.field(name), index=days, columns=panel.symbols) for name in panel.fields}
    frame = pd.concat({name: column.unstack() for name, column in _columns(fields).items()}, axis=1)
    return _normalised(frame, panel)


def _normalised(frame: pd.DataFrame, panel: Panel) -> np.ndarray:
    """As qlib's RobustZScoreNorm and Fillna do it; members are the rows from a stock's first to its last close."""
    days = frame.index.get_level_values(1)
    train = frame[(days < panel.days[int(TRAIN * panel.n_days)]) & panel.member.T.ravel()]
    median = train.median()
    scale = (train - median).abs().median() * 1.4826 + 1e-12
    frame = ((frame - median) / scale).clip(-3, 3).fillna(0)
    return frame.to_numpy()[::SAMPLE]


def ours_alpha158(panel: Panel) -> np.ndarray:
    from zoo.data.features.alpha158 import alpha158

    return alpha158(panel, workers=1).reshape(-1, 158)[::SAMPLE]


def pandas_alpha158(panel: Panel) -> np.ndarray:
    from bench_alpha158 import with_pandas

    return with_pandas(panel).reshape(-1, 158)[::SAMPLE]


CASES: dict[str, dict[str, Callable[[Panel], np.ndarray | None]]] = {
    "alpha360, normalised": {
        "every row": ours_every_row,
        "fitted": ours_fitted,
        "per stock": pandas_per_stock,
        "wide": pandas_wide,
    },
    "alpha158": {"ours": ours_alpha158, "per stock": pandas_alpha158},
}
"""Per case, the contestants; the first is what the others are compared with."""


def child(case: str, name: str, n_stocks: int, n_days: int, file: Path) -> None:
    import warnings

    import numpy as np
    import torch
    from bench_alpha158 import synthetic

    import zoo.data.windows  # noqa: F401

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    CASES[case][name](synthetic(2, 130))  # what is loaded at the first call is neither timed nor counted
    panel = synthetic(n_stocks, n_days)
    before, begin = _peak(), time.process_time()
    sample = CASES[case][name](panel)
    seconds = time.process_time() - begin
    if sample is not None:
        np.save(file, sample)
    print(json.dumps({"seconds": seconds, "memory": _peak() - before}))


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def compare(case: str, n_stocks: int, n_days: int, rounds: int) -> None:
    print(f"{case}: {n_stocks} stocks x {n_days} days, panel {24 * n_stocks * n_days / 2**20:.0f} MiB")
    results: dict[str, list[dict[str, float]]] = {name: [] for name in CASES[case]}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for i, name in enumerate(CASES[case]):
                file = Path(folder) / f"{i}.npy"
                command = [sys.executable, __file__, "--case", case, "--name", name, "--file", str(file)]
                command += ["--stocks", str(n_stocks), "--days", str(n_days)]
                environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
                run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
                results[name].append(json.loads(run.stdout.splitlines()[-1]))
        differ = _differences(Path(folder), len(results))
    first = next(iter(results.values()))
    for (name, runs), apart in zip(results.items(), differ, strict=True):
        seconds, memory = (statistics.median(run[key] for run in runs) for key in ("seconds", "memory"))
        ratio = statistics.median(run["seconds"] / ours["seconds"] for run, ours in zip(runs, first, strict=True))
        less = memory / statistics.median(ours["memory"] for ours in first)
        print(
            f"  {name:10s} {seconds:8.2f} s ({min(r['seconds'] for r in runs):.2f} .. "
            f"{max(r['seconds'] for r in runs):.2f}) {ratio:7.1f} x   {memory:7.0f} MiB {less:7.1f} x   {apart}",
            flush=True,
        )


def _differences(folder: Path, count: int) -> list[str]:
    """How far the sampled values of each contestant are from those of the first."""
    script = (
        "import numpy as np, sys; a = np.load(sys.argv[1]); b = np.load(sys.argv[2]); "
        "print(f'{np.nanmax(np.abs(a - b)):.1e}' if np.array_equal(np.isnan(a), np.isnan(b)) else 'missing differ')"
    )
    out = []
    for i in range(count):
        files = [folder / "0.npy", folder / f"{i}.npy"]
        if i == 0 or not files[1].exists():
            out.append("")
            continue
        run = subprocess.run(
            [sys.executable, "-c", script, *map(str, files)], stdout=subprocess.PIPE, check=True, text=True
        )
        out.append(f"values within {run.stdout.strip()}")
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stocks", type=int, default=300)
    parser.add_argument("--days", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--case", choices=CASES, help="only this one")
    parser.add_argument("--name", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.name:
        child(args.case, args.name, args.stocks, args.days, args.file)
        return
    for case in [args.case] if args.case else CASES:
        n_stocks = min(args.stocks, ALPHA158_STOCKS) if case == "alpha158" else args.stocks
        compare(case, n_stocks, args.days, args.rounds)


if __name__ == "__main__":
    main()
