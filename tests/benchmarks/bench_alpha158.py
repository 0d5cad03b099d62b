"""alpha158 against the same factors in pandas, one stock at a time, and against qlib where it is installed.

    python tests/benchmarks/bench_alpha158.py [--stocks 24] [--days 3000] [--rounds 3]
    python tests/benchmarks/bench_alpha158.py --whole 5000 --file alpha158.f32

The contestants take turns within one run, one thread each, on the same panel, and are timed in processor
time, which other work on the machine disturbs less. The first line of each says how far its values are from
ours. `--whole` computes a whole market into a file and prints wall time and peak memory.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from zoo.data.features.alpha158 import ALPHA158_NAMES, WINDOWS, alpha158
from zoo.data.panel import FIELDS, Panel, presence

TINY = 1e-12


def synthetic(n_stocks: int, n_days: int, seed: int = 0) -> Panel:
    """Random walks with 1 % of the days suspended."""
    rng = np.random.default_rng(seed)
    values = np.empty((n_stocks, n_days, len(FIELDS)), dtype=np.float32)
    for stock in values:
        close = 20 * np.exp(np.cumsum(rng.normal(0, 0.02, n_days)))
        open_ = close * (1 + rng.normal(0, 0.01, n_days))
        high, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * 0.99
        volume = np.exp(rng.normal(12, 0.5, n_days))
        stock[:] = np.stack([open_, high, low, close, (high + low + close) / 3, volume], axis=1)
        stock[rng.random(n_days) < 0.01] = np.nan
    by_day = values.transpose(1, 0, 2)
    days = np.datetime64("2000-01-03") + np.arange(n_days)
    symbols = np.array([f"S{i:05d}" for i in range(n_stocks)])
    return Panel(days, symbols, FIELDS, by_day, presence(by_day[:, :, 3]), name="synthetic")


def pandas_alpha158(frame: pd.DataFrame) -> pd.DataFrame:
    """The factors of one stock, `frame [day, field]`, with pandas' own rolling windows."""
    o, h, low, c, w, v = (frame[name] for name in FIELDS)
    c1, v1 = c.shift(1), v.shift(1)
    span, top, bottom = h - low + TINY, np.maximum(o, c), np.minimum(o, c)
    out = {
        "KMID": (c - o) / o,
        "KLEN": (h - low) / o,
        "KMID2": (c - o) / span,
        "KUP": (h - top) / o,
        "KUP2": (h - top) / span,
        "KLOW": (bottom - low) / o,
        "KLOW2": (bottom - low) / span,
        "KSFT": (2 * c - h - low) / o,
        "KSFT2": (2 * c - h - low) / span,
        "OPEN0": o / c,
        "HIGH0": h / c,
        "LOW0": low / c,
        "VWAP0": w / c,
    }
    t = pd.Series(np.arange(len(c), dtype=float), index=c.index).where(c.notna())
    log_volume, log_change = np.log(v + 1), np.log(v / v1 + 1)
    ratio, moved = c / c1, (c / c1 - 1).abs() * v
    up, down = (c > c1).astype(float), (c < c1).astype(float)
    gain, loss, v_gain, v_loss = (np.maximum(x, 0) for x in (c - c1, c1 - c, v - v1, v1 - v))
    for d in WINDOWS:

        def roll(x: pd.Series, d: int = d) -> pd.core.window.Rolling:
            return x.rolling(d, min_periods=1)

        mean, sd, n = roll(c).mean(), roll(c).std(), roll(c).count()
        st, stt, sc = roll(t).sum(), roll(t * t).sum(), roll(c).sum()
        co, tt = n * roll(t * c).sum() - st * sc, n * stt - st * st
        slope = co / tt
        r_squared = (co * co / (tt * (n - 1) * n * sd**2)).where(sd > 2e-5)
        top, bottom = roll(h).max(), roll(low).min()
        i_max, i_min = (roll(x).apply(f, raw=True) + 1 for x, f in ((h, np.argmax), (low, np.argmin)))
        flat = (sd <= 2e-5) | (roll(log_volume).std() <= 2e-5)
        flat_change = (roll(ratio).std() <= 2e-5) | (roll(log_change).std() <= 2e-5)
        rises, falls = roll(up).mean(), roll(down).mean()
        gains, losses, v_gains, v_losses = (roll(x).sum() for x in (gain, loss, v_gain, v_loss))
        moves, v_moves = gains + losses + TINY, v_gains + v_losses + TINY
        out |= {
            f"ROC{d}": c.shift(d) / c,
            f"MA{d}": mean / c,
            f"STD{d}": sd / c,
            f"BETA{d}": slope / c,
            f"RSQR{d}": r_squared,
            f"RESI{d}": (c - mean - slope * (t - st / n)) / c,
            f"MAX{d}": top / c,
            f"MIN{d}": bottom / c,
            f"QTLU{d}": roll(c).quantile(0.8) / c,
            f"QTLD{d}": roll(c).quantile(0.2) / c,
            f"RANK{d}": roll(c).rank(pct=True),
            f"RSV{d}": (c - bottom) / (top - bottom + TINY),
            f"IMAX{d}": i_max / d,
            f"IMIN{d}": i_min / d,
            f"IMXD{d}": (i_max - i_min) / d,
            f"CORR{d}": roll(c).corr(log_volume).mask(flat),
            f"CORD{d}": roll(ratio).corr(log_change).mask(flat_change),
            f"CNTP{d}": rises,
            f"CNTN{d}": falls,
            f"CNTD{d}": rises - falls,
            f"SUMP{d}": gains / moves,
            f"SUMN{d}": losses / moves,
            f"SUMD{d}": (gains - losses) / moves,
            f"VMA{d}": roll(v).mean() / (v + TINY),
            f"VSTD{d}": roll(v).std() / (v + TINY),
            f"WVMA{d}": roll(moved).std() / (roll(moved).mean() + TINY),
            f"VSUMP{d}": v_gains / v_moves,
            f"VSUMN{d}": v_losses / v_moves,
            f"VSUMD{d}": (v_gains - v_losses) / v_moves,
        }
    return pd.DataFrame({name: out[name] for name in ALPHA158_NAMES}, dtype=np.float32)


def with_pandas(panel: Panel) -> np.ndarray:
    days = pd.DatetimeIndex(panel.days)
    frames = (pd.DataFrame(stock, index=days, columns=list(panel.fields)) for stock in panel.stock_major)
    return np.stack([pandas_alpha158(frame).to_numpy() for frame in frames])


def qlib_runner(panel: Panel, root: Path) -> Callable[[Panel], np.ndarray]:
    """qlib's own expressions of these factors, on one process, over a data directory written to `root`."""
    import qlib
    from qlib.contrib.data.loader import Alpha158DL
    from qlib.data import D

    days = pd.DatetimeIndex(panel.days).strftime("%Y-%m-%d").tolist()
    symbols = [f"SH{i:06d}" for i in range(panel.n_stocks)]
    for part in ("calendars", "instruments"):
        (root / part).mkdir()
    (root / "calendars/day.txt").write_text("\n".join(days) + "\n")
    (root / "instruments/all.txt").write_text("".join(f"{s}\t{days[0]}\t{days[-1]}\n" for s in symbols))
    for symbol, stock in zip(symbols, panel.stock_major, strict=True):
        folder = root / "features" / symbol.lower()
        folder.mkdir(parents=True)
        for name, column in zip(panel.fields, stock.T, strict=True):
            np.concatenate([[0], column]).astype("<f4").tofile(folder / f"{name}.day.bin")
    qlib.init(provider_uri=str(root), region="cn", logging_level=40, kernels=1)
    price = {"windows": [0], "feature": ["OPEN", "HIGH", "LOW", "VWAP"]}
    expressions, _ = Alpha158DL.get_feature_config({"kbar": {}, "price": price, "rolling": {}})

    def run(panel: Panel) -> np.ndarray:
        frame = D.features(symbols, expressions, days[0], days[-1], disk_cache=0)
        return frame.to_numpy(np.float32).reshape(panel.n_stocks, panel.n_days, -1)

    return run


def compare(panel: Panel, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        contestants: dict[str, Callable[[Panel], np.ndarray]] = {
            "ours": lambda panel: alpha158(panel, workers=1),
            "pandas": with_pandas,
        }
        if importlib.util.find_spec("qlib"):
            contestants["qlib"] = qlib_runner(panel, Path(folder))
        ours = contestants["ours"](panel)
        seconds: dict[str, list[float]] = {name: [] for name in contestants}
        for _ in range(rounds):
            for name, run in contestants.items():
                if name == "qlib":
                    forget_qlib()
                begin = time.process_time()
                values = run(panel)
                seconds[name].append(time.process_time() - begin)
                if len(seconds[name]) == 1:
                    print(f"{name:7s} differs by {np.nanmax(np.abs(values - ours)):.1e} at most")
    for name, taken in seconds.items():
        each = [1e3 * s / panel.n_stocks for s in taken]
        ratio = statistics.median(t / o for t, o in zip(taken, seconds["ours"], strict=True))
        spread = f"({min(each):.1f} .. {max(each):.1f})"
        print(f"{name:7s} {statistics.median(each):8.1f} ms/stock {spread:>18s} {ratio:6.1f} x ours")


def forget_qlib() -> None:
    from qlib.data.cache import H

    H.clear()


def whole(panel: Panel, file: Path, block: int = 100) -> None:
    """Every factor of every stock into `file`, float32 `[stock, day, factor]`."""
    begin = time.perf_counter()
    with file.open("wb") as sink:
        for at in range(0, panel.n_stocks, block):
            sink.write(alpha158(panel, stocks=slice(at, at + block)).data)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{panel.n_stocks} stocks x {panel.n_days} days: {seconds:.0f} s on {os.cpu_count()} cores, "
        f"{file.stat().st_size / 2**30:.1f} GiB written, peak memory {peak:.1f} GiB "
        f"(panel {panel.values.nbytes / 2**30:.2f} GiB)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stocks", type=int, default=24)
    parser.add_argument("--days", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--whole", type=int, metavar="STOCKS", help="instead, a whole market into --file")
    parser.add_argument("--file", type=Path, default=Path(tempfile.gettempdir()) / "alpha158.f32")
    args = parser.parse_args()
    if args.whole:
        whole(synthetic(args.whole, args.days), args.file)
    else:
        compare(synthetic(args.stocks, args.days), args.rounds)


if __name__ == "__main__":
    main()
