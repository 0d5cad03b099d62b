"""A whole market on one machine: time and peak memory of what stands between a file and the first training batch.

    python tests/benchmarks/bench_market.py [--stocks 5000] [--days 3000] [--folder DIR]

Writes a synthetic Parquet file (random walks, 1 % of the days suspended) and prints one table. Every stage runs in a
process of its own, whose peak resident memory is the system's count of it: pages of mapped files that it touched
included. Imports are not timed, and their memory is the first line's. The cache lies in the folder too; stages that end
in "(mapped)" or "cached" find in it what the one before them left.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.data.panel import Panel
    from zoo.data.windows import Dataset

# The parent imports nothing heavy: a child starts with the peak memory of what it was forked from.

BATCH = 1024
SECONDS = 3.0  # of gathering, per measurement


def generate(file: Path, n_stocks: int, n_days: int, seed: int = 0) -> None:
    """Long rows date, symbol, open, high, low, close, vwap, volume, a row group per hundred stocks."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(seed)
    days = np.busday_offset("2010-01-01", np.arange(n_days), roll="forward")
    writer = None
    for first in range(0, n_stocks, 100):
        shape = (min(100, n_stocks - first), n_days)
        noise = (rng.standard_normal(shape, dtype=np.float32) for _ in range(5))
        close = 20 * np.exp(np.cumsum(next(noise) * 0.02, axis=1))
        open_ = close * (1 + 0.01 * next(noise))
        high = np.maximum(open_, close) * (1 + 0.005 * np.abs(next(noise)))
        low = np.minimum(open_, close) * (1 - 0.005 * np.abs(next(noise)))
        volume = np.round(np.exp(12 + 0.5 * next(noise)))
        kept = rng.random(shape) >= 0.01
        stock, day = np.nonzero(kept)
        symbols = pa.array([f"S{i:05d}" for i in range(first, first + shape[0])])
        columns: dict[str, Any] = {
            "date": days[day],
            "symbol": pa.DictionaryArray.from_arrays(pa.array(stock.astype(np.int32)), symbols).cast(pa.string()),
        }
        prices = {"open": open_, "high": high, "low": low, "close": close, "vwap": (high + low + close) / 3}
        columns |= {name: values[kept].astype(np.float32) for name, values in (*prices.items(), ("volume", volume))}
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def load(file: Path) -> Panel:
    from zoo.data.sources import load_panel

    return load_panel(file)


def imports(file: Path) -> str:
    import pyarrow.parquet  # noqa: F401

    import zoo.data.sources.tables.parquet
    import zoo.data.windows  # noqa: F401

    return ""


def loaded(file: Path) -> str:
    panel = load(file)
    return f"{panel.n_stocks:,} stocks x {panel.n_days:,} days, {panel.values.nbytes / 2**20:,.0f} MiB"


def touched(file: Path) -> str:
    """The mapped panel, every value read once."""
    import numpy as np

    present = sum(int(np.isfinite(stock).sum()) for stock in load(file).stock_major)
    return f"{present:,} values present"


def source_of(name: str, lookback: int) -> Callable[[Path], str]:
    def stage(file: Path) -> str:
        from zoo.data.features import make_feature_set

        source = make_feature_set(name, lookback).source(load(file))
        return f"{source.shape[2]} columns, {source.nbytes / 2**30:.2f} GiB"

    return stage


def fitted(name: str, lookback: int) -> Callable[[Path], str]:
    def stage(file: Path) -> str:
        from zoo.data.features import make_feature_set
        from zoo.data.split import DayRange

        panel, feature_set = load(file), make_feature_set(name, lookback)
        source, begin = feature_set.source(panel), time.perf_counter()
        train = DayRange(feature_set.warmup, int(0.6 * panel.n_days))
        stats = feature_set.fit_stats(source, panel.member, train)
        return f"{stats.center.size} columns, {time.perf_counter() - begin:.1f} s of it the statistics"

    return stage


def gathered(name: str, lookback: int) -> Callable[[Path], str]:
    def stage(file: Path) -> str:
        """Training batches on one thread: windows as they are cut, and as a network gets them."""
        import torch

        torch.set_num_threads(1)
        dataset = _dataset(load(file), name, lookback)
        rows = torch.from_numpy(dataset.train.rows)
        rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]
        n_stocks = dataset.panel.n_stocks
        windows = dataset.windows
        cut = _rate(lambda row: windows._host_windows(row // n_stocks, row % n_stocks), rows)
        ready = _rate(lambda row: windows.gather(row // n_stocks, row % n_stocks), rows)
        return f"{cut / 1e6:.2f} M samples/s cut, {ready / 1e6:.2f} M normalised"

    return stage


def _dataset(panel: Panel, name: str, lookback: int) -> Dataset:
    import numpy as np

    from zoo.config import DataConfig
    from zoo.data.features import make_feature_set
    from zoo.data.normalize import RobustStats
    from zoo.data.split import make_folds
    from zoo.data.windows import Dataset

    config = DataConfig(features=name, lookback=lookback)
    feature_set = make_feature_set(name, lookback)
    shape = (lookback, feature_set.n_features) if feature_set.stats_per_lag else (feature_set.n_features,)
    stats = RobustStats(np.ones(shape, np.float32), np.full(shape, 0.1, np.float32))
    (fold,) = make_folds(panel.days, config.split, config.label.reach, feature_set.warmup)
    return Dataset(panel, config, fold, stats=stats)


def _rate(gather: Callable[[Any], Any], rows: Any) -> float:
    """Samples per second of this thread's processor time, which others on the machine disturb less."""
    done, begin = 0, time.thread_time()
    while time.thread_time() - begin < SECONDS:
        at = done % (len(rows) - BATCH)
        gather(rows[at : at + BATCH])
        done += BATCH
    return done / (time.thread_time() - begin)


STAGES: dict[str, tuple[Callable[[Path], str], str]] = {
    "imports": (imports, ""),
    "panel load, cold": (loaded, ""),
    "panel load, cached": (loaded, "< 1 s"),
    "panel read through, cached": (touched, ""),
    "alpha158 computed": (source_of("alpha158", 1), "< 360 s, < 8 GiB"),
    "alpha158 again (mapped)": (source_of("alpha158", 1), ""),
    "alpha158 z-score fitted (mapped)": (fitted("alpha158", 1), "< 8 GiB"),
    "alpha158 x 1 day batches (mapped)": (gathered("alpha158", 1), "< 8 GiB"),
    "alpha360 z-score fitted": (fitted("alpha360", 60), "<= 3 x panel"),
    "alpha360 batches": (gathered("alpha360", 60), "aim > 1 M/s"),
}


def child(stage: str, file: Path) -> None:
    work, _ = STAGES[stage]
    imports(file)
    begin = time.perf_counter()
    said = work(file)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(json.dumps({"seconds": seconds, "peak": peak, "said": said}))


def in_child(stage: str, file: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, "--stage", stage, "--file", str(file)]
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "ALPHA_ZOO_CACHE": str(file.parent / "cache"), "PYTHONPATH": path}
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(run.stdout.splitlines()[-1])


def table(n_stocks: int, n_days: int, folder: Path) -> None:
    file = folder / "market.parquet"
    # In a child too, for the memory it takes.
    subprocess.run(
        [sys.executable, __file__, "--generate", str(file), "--stocks", str(n_stocks), "--days", str(n_days)],
        check=True,
    )
    panel = 4 * 6 * n_stocks * n_days / 2**20
    print(f"{n_stocks:,} stocks x {n_days:,} days, file {file.stat().st_size / 2**20:,.0f} MiB, ", end="")
    print(f"panel {panel:,.0f} MiB, {os.cpu_count()} cores\n")
    print(f"{'stage':34s} {'seconds':>8s} {'peak MiB':>9s} {'x panel':>8s}  {'bar':18s}")
    base = 0.0
    for stage, (_, bar) in STAGES.items():
        result = in_child(stage, file)
        base = base or result["peak"]
        above = (result["peak"] - base) / panel
        print(
            f"{stage:34s} {result['seconds']:8.1f} {result['peak']:9,.0f} {above:8.1f}  {bar:18s} {result['said']}",
            flush=True,
        )
    print("\nx panel: peak above that of the imports, in panels. Rates are per core.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stocks", type=int, default=5000)
    parser.add_argument("--days", type=int, default=3000)
    parser.add_argument("--folder", type=Path, help="where file and cache lie (12 GB); default: a temporary one")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--generate", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.stage:
        child(args.stage, args.file)
    elif args.generate:
        generate(args.generate, args.stocks, args.days)
    else:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            table(args.stocks, args.days, Path(folder))


if __name__ == "__main__":
    main()
