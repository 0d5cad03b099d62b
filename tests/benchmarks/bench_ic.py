"""IC and Rank IC of every day against pandas on the same scores in one run: processor time, and the largest difference.

    python -m tests.benchmarks.bench_ic [--days 3000] [--stocks 5000] [--part 100]

Scores (float32) and labels (float64) are rounded, so that they tie, and one in fifty is missing.
  ours        `pearson_rows` and `spearman_rows`
  per day     groupby("day"), then Series.corr and Series.corr(method="spearman") on each day
  by columns  pandas at its best: groupby ranks of all days at once, then sums of products by day
The contestants take turns on one thread, `part` days each at a time. `exact` is the largest error of our Rank IC on a
few days against rational arithmetic. Exit status 1 if ours is less than 8 times as fast as pandas per day, or differs.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pandas as pd

from zoo.crosssection import pearson_rows, rank_rows, spearman_rows

BAR = 8.0
TOLERANCE = 1e-12  # pandas sums in another order
EXACT_DAYS = 5

Daily = tuple[np.ndarray, np.ndarray]


def scores_and_labels(n_days: int, n_stocks: int, seed: int = 0) -> Daily:
    """Tied scores float32 and labels float64 `[D, N]`, correlated by about 0.05, with holes."""
    rng = np.random.default_rng(seed)
    label, score = np.empty((n_days, n_stocks)), np.empty((n_days, n_stocks), dtype=np.float32)
    for day in range(n_days):
        signal, noise = rng.standard_normal((2, n_stocks))
        score[day] = signal.round(3)
        label[day] = (0.02 * (0.05 * signal + noise)).round(4)
        score[day, rng.random(n_stocks) < 0.02] = np.nan
        label[day, rng.random(n_stocks) < 0.02] = np.nan
    return score, label


def ours(score: np.ndarray, label: np.ndarray) -> Daily:
    return pearson_rows(score, label), spearman_rows(score, label)


def per_day(frame: pd.DataFrame) -> Daily:
    days = frame.groupby("day")[["score", "label"]]
    ic = days.apply(lambda day: day["score"].corr(day["label"]))
    rank_ic = days.apply(lambda day: day["score"].corr(day["label"], method="spearman"))
    return ic.to_numpy(), rank_ic.to_numpy()


def by_columns(frame: pd.DataFrame) -> Daily:
    whole = frame.dropna()
    values = whole[["score", "label"]].astype(np.float64)
    ranks = values.groupby(whole["day"]).rank()
    return _correlation(values, whole["day"]), _correlation(ranks, whole["day"])


def _correlation(values: pd.DataFrame, day: pd.Series) -> np.ndarray:
    centred = values - values.groupby(day).transform("mean")
    products = pd.DataFrame(
        {
            "sl": centred["score"] * centred["label"],
            "ss": centred["score"] ** 2,
            "ll": centred["label"] ** 2,
        }
    )
    total = products.groupby(day).sum()
    return (total["sl"] / np.sqrt(total["ss"] * total["ll"])).to_numpy()


def exact_error(score: np.ndarray, label: np.ndarray, rank_ic: np.ndarray) -> float:
    """Largest relative error of the square of our Rank IC against rational arithmetic, first days."""
    worst = 0.0
    for day in range(min(EXACT_DAYS, len(score))):
        both = np.isfinite(score[day]) & np.isfinite(label[day])
        doubled = [(2 * rank_rows(side[day : day + 1, both])[0]).astype(int).tolist() for side in (score, label)]
        s, y = ([2 * rank - 2 * (len(side) + 1) for rank in side] for side in doubled)
        product = sum(i * j for i, j in zip(s, y, strict=True))
        truth = Fraction(product**2, sum(x * x for x in s) * sum(x * x for x in y))
        worst = max(worst, abs(float(Fraction(float(rank_ic[day])) ** 2 / truth - 1)))
    return worst


def timed(function: Callable[..., Daily], *arguments: object) -> tuple[float, Daily]:
    begin = time.process_time()
    found = function(*arguments)
    return time.process_time() - begin, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--days", type=int, default=3000)
    parser.add_argument("--stocks", type=int, default=5000)
    parser.add_argument("--part", type=int, default=100, help="days before the next contestant's turn")
    given = parser.parse_args()
    score, label = scores_and_labels(given.days, given.stocks)
    ours(score[:20], label[:20])
    seconds = dict.fromkeys(("ours", "per day", "by columns"), 0.0)
    parts: dict[str, list[Daily]] = {name: [] for name in seconds}
    for first in range(0, given.days, given.part):
        part = slice(first, first + given.part)
        s, y = score[part], label[part]
        frame = pd.DataFrame(
            {"day": np.repeat(np.arange(len(s)), given.stocks), "score": s.ravel(), "label": y.ravel()}
        )
        for name, call in {"ours": ours, "per day": per_day, "by columns": by_columns}.items():
            took, found = timed(call, *((s, y) if name == "ours" else (frame,)))
            seconds[name] += took
            parts[name].append(found)
    daily = {name: [np.concatenate(column) for column in zip(*found, strict=True)] for name, found in parts.items()}
    print(f"{given.days} days x {given.stocks} stocks, numpy {np.__version__}, pandas {pd.__version__}")
    print(f"{'':12}{'seconds':>10}{'x ours':>10}{'IC differs':>14}{'Rank IC differs':>18}")
    ok = seconds["per day"] >= BAR * seconds["ours"]
    for name, total in seconds.items():
        gaps = [float(np.abs(a - b).max()) for a, b in zip(daily["ours"], daily[name], strict=True)]
        print(f"{name:12}{total:10.2f}{total / seconds['ours']:10.1f}{gaps[0]:14.1e}{gaps[1]:18.1e}")
        ok &= max(gaps) <= TOLERANCE
    error = exact_error(score, label, daily["ours"][1])
    ok &= error <= TOLERANCE
    print(f"exact: relative error {error:.1e} on {EXACT_DAYS} days")
    print(f"at least {BAR:g} times as fast as pandas per day, and equal: {'yes' if ok else 'NO'}")
    sys.exit(0 if ok else 1)


if __name__ == "__main__":
    main()
