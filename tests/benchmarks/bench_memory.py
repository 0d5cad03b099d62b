"""Peak memory of every stage between a market on disk and a whole run, against its bar.

    python tests/benchmarks/bench_memory.py [--stocks 500] [--days 1000] [--top 100] [--folder DIR]
    python tests/benchmarks/bench_memory.py --stocks 7000 --days 14000 --top 500 --folder DIR

The second has the size of a market with all of its history. Writes a folder in qlib's format (random walks, five
fields, stocks that are listed and delisted over all of history) and runs every stage in a process of its own, whose
peak resident memory is the system's count of it: pages of mapped files that it touched included. The bar is 2.5 times
the panel that the stage works on, and 700 MB. The cache lies in the folder; stages after the first find the panel in
it. `run` is `bench run` of linear and lightgbm on the universe of the `--top` most traded: training, one-day latency,
portfolios, diagnostics; `report` is its report.
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
    from zoo.config import DataConfig
    from zoo.data.panel import Panel
    from zoo.data.windows import Dataset

# The parent imports nothing heavy: a child starts with the peak memory of what it was forked from.

FIELDS = ("open", "high", "low", "close", "volume")
TIMES, MORE = 2.5, 700e6  # the bar: panels, and bytes beside them
BATCHES = 200


def generate(folder: Path, n_stocks: int, n_days: int, seed: int = 0) -> None:
    """Stocks are listed at any time and stay for a third of history on average: half of all cells are empty."""
    import numpy as np

    rng = np.random.default_rng(seed)
    days = np.busday_offset("1970-01-01", np.arange(n_days), roll="forward")
    for name in ("calendars", "instruments", "features"):
        (folder / name).mkdir(parents=True)
    (folder / "calendars" / "day.txt").write_text("\n".join(map(str, days)) + "\n")
    lines = []
    for n in range(n_stocks):
        first = int(rng.integers(0, n_days - 60)) if n else 0
        stop = min(n_days, first + 60 + int(rng.exponential(n_days))) if n else n_days
        noise = rng.standard_normal((5, stop - first))
        close = 20 * np.exp(np.cumsum(noise[0] * 0.02))
        volume = np.exp(12 + 2 * rng.standard_normal() + 0.5 * noise[4])
        spread = 1 + 0.005 * np.abs(noise[1:4])
        values = {"open": close * spread[0], "high": close * spread[1] * spread[0], "low": close / spread[2]}
        home = folder / "features" / f"s{n:05d}"
        home.mkdir()
        for name, column in {**values, "close": close, "volume": volume}.items():
            np.concatenate([[first], column]).astype("<f4").tofile(home / f"{name}.day.bin")
        lines.append(f"S{n:05d}\t{days[first]}\t{days[stop - 1]}\n")
    (folder / "instruments" / "all.txt").write_text("".join(lines))


def _config(source: str, top: int, features: str) -> DataConfig:
    from zoo.config import DataConfig, UniverseConfig

    universe = UniverseConfig(top_liquidity=top) if top else None
    lookback = {"raw": 20, "alpha158": 1, "alpha360": 60}[features]
    return DataConfig(source=source, universe=universe, features=features, lookback=lookback)


def _opened(source: str, top: int) -> Panel:
    from zoo.data.sources import open_panel

    return open_panel(_config(source, top, "raw"))


def opened(source: str, top: int) -> int:
    return _opened(source, top).values.nbytes


def labelled(source: str, top: int) -> int:
    from zoo.config import LabelConfig
    from zoo.data.labels import raw_label, train_label

    panel = _opened(source, top)
    train_label(raw_label(panel, LabelConfig()))
    return panel.values.nbytes


def _dataset(source: str, top: int, features: str) -> Dataset:
    from zoo.data.features import make_feature_set
    from zoo.data.split import make_folds
    from zoo.data.windows import Dataset

    config = _config(source, top, features)
    panel, feature_set = _opened(source, top), make_feature_set(features, config.lookback)
    (fold,) = make_folds(panel.days, config.split, config.label.reach, feature_set.warmup)
    return Dataset(panel, config, fold)


def windows_of(features: str) -> Callable[[str, int], int]:
    def stage(source: str, top: int) -> int:
        """Features, labels and the batches with which an epoch begins."""
        import torch

        dataset = _dataset(source, top, features)
        generator = torch.Generator().manual_seed(0)
        for k, _ in enumerate(dataset.train.batches(1024, generator=generator, labelled=True)):
            if k == BATCHES:
                break
        return dataset.panel.values.nbytes

    return stage


def whole_run(source: str, top: int) -> int:
    """A run's trials and all that is measured on them afterwards."""
    from bench.experiment.config import load_config
    from bench.experiment.plan import make_plan
    from bench.runner import execute_plan

    settings = {"data": _config(source, top, "raw").model_dump(mode="json"), "seeds": [0], "device": "cpu"}
    plan = make_plan(load_config(None, settings), "linear,lightgbm")
    outcome = execute_plan(plan, Path(source).parent / "results", [])
    if outcome.failed:
        raise SystemExit(f"{outcome.failed} of {len(plan.trials)} trials failed, see {Path(source).parent}")
    return plan.panel.values.nbytes


def inspected(source: str, top: int) -> int:
    """`bench data inspect`, which makes all checks of `bench data validate`."""
    from bench.data.inspect import inspect_panel

    panel = _opened(source, 0)
    inspect_panel(panel, source)
    return panel.values.nbytes


def reported(source: str, top: int) -> int:
    """`bench report` of the run before it; reads records, no panel."""
    from bench.records.runs import last_run
    from bench.report import write_report

    results = Path(source).parent / "results"
    write_report(results, last_run(results))
    return 0


READ, INSPECT, RUN, REPORT = "panel, read from the folder", "inspect", "run", "report"
STAGES: dict[str, Callable[[str, int], int]] = {
    "imports": lambda source, top: 0,
    READ: opened,
    "panel, from the cache": opened,
    "labels": labelled,
    "raw": windows_of("raw"),
    "alpha158": windows_of("alpha158"),
    "alpha360": windows_of("alpha360"),
    INSPECT: inspected,
    RUN: whole_run,
    REPORT: reported,
}
"""Those named for features: features, labels, and batches for training."""


def child(stage: str, source: str, top: int) -> None:
    import zoo.data.sources.qlib
    import zoo.data.windows  # noqa: F401

    begin = time.perf_counter()
    panel = STAGES[stage](source, top)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": time.perf_counter() - begin, "peak": peak, "panel": panel}))


def in_child(stage: str, folder: Path, top: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--stage", stage, "--folder", str(folder), "--top", str(top)]
    path = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "ALPHA_ZOO_CACHE": str(folder.parent / "cache"), "PYTHONPATH": path}
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(run.stdout.splitlines()[-1])


def table(folder: Path, n_stocks: int, n_days: int, top: int, skipped: list[str]) -> bool:
    """Print the peak of every stage; whether all stay below their bar."""
    market = folder / "market"
    # In a child too, for the memory it takes.
    size = ["--stocks", str(n_stocks), "--days", str(n_days)]
    subprocess.run([sys.executable, __file__, "--generate", "--folder", str(market), *size], check=True)
    whole = 4 * len(FIELDS) * n_stocks * n_days
    print(f"{n_stocks:,} stocks x {n_days:,} days, {len(FIELDS)} fields: {whole / 1e6:,.0f} MB\n")
    print(
        f"{'universe':>9s}  {'stage':28s} {'seconds':>8s} {'panel MB':>9s} {'peak MB':>9s} {'bar MB':>9s} {'ratio':>6s}"
    )
    held = True
    for universe in (0, top) if top else (0,):
        # The second time the folder has been read and inspected; a run is that of the smaller universe.
        elsewhere = (READ, INSPECT) if universe else (RUN, REPORT)
        for stage in (s for s in STAGES if s not in (*skipped, *elsewhere)):
            result = in_child(stage, market, universe)
            bar = TIMES * result["panel"] + MORE
            ratio = f"{result['peak'] / result['panel']:6.1f}" if result["panel"] else ""
            held &= result["peak"] <= bar
            mark = "" if result["peak"] <= bar else "  above"
            print(
                f"{universe or 'all':>9}  {stage:28s} {result['seconds']:8.1f} {result['panel'] / 1e6:9,.0f} "
                f"{result['peak'] / 1e6:9,.0f} {bar / 1e6:9,.0f} {ratio:>6s}{mark}",
                flush=True,
            )
    return held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stocks", type=int, default=500)
    parser.add_argument("--days", type=int, default=1000)
    parser.add_argument("--top", type=int, default=100, help="size of the universe of the second half; 0 leaves it out")
    parser.add_argument("--skip", nargs="*", default=[], choices=STAGES, help="alpha158: 32 panels on disk")
    parser.add_argument("--folder", type=Path, help="where market and cache lie; default: a temporary one")
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    parser.add_argument("--generate", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.stage:
        child(args.stage, str(args.folder), args.top)
    elif args.generate:
        generate(args.folder, args.stocks, args.days)
    else:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            sys.exit(0 if table(Path(folder), args.stocks, args.days, args.top, args.skip) else 1)


if __name__ == "__main__":
    main()
