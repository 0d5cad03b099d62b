"""How well an attribution finds what a planted market reads: truth, average precision, intervals. Imports no torch.

Attributions are averages of absolute values over explained rows, so they are compared as rankings only: which inputs
come first. The area under the precision-recall curve is the average precision; ties count as their mean over all
orders, so an attribution that tells nothing apart scores exactly the chance level.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from zoo.data.sources.planted import PlantedMarket
from zoo.errors import ConfigError

CELL_FEATURES = {"raw": True, "alpha360": False}
"""Feature sets whose inputs are (lag, field) cells: whether prices are given over the previous day's close."""


class NoTruthError(ConfigError):
    """Nothing is known of what the data's signal reads, so that no attribution can be right or wrong."""


@dataclass(frozen=True)
class Truth:
    """What there is to find.

    Attributes:
        fields: the F input columns.
        cells: `[T, F]` bool, oldest day first as in `Batch.x`: the market's signal reads this cell of the stock or of
            its peers. Cells outside the window or the columns are not among them.
        peers: `[N, N]` bool, or None where the signal reads no other stock.
    """

    fields: tuple[str, ...]
    cells: np.ndarray
    peers: np.ndarray | None

    @property
    def lags(self) -> np.ndarray:
        """`[T]` bool: some field of that day is read."""
        return np.asarray(self.cells.any(axis=1))


def truth_of(market: PlantedMarket, features: str, fields: tuple[str, ...], lookback: int) -> Truth:
    """The truth of a market on the inputs of a feature set.

    Raises:
        NoTruthError: the inputs are not (lag, field) cells, or the market reads none of them.
    """
    if features not in CELL_FEATURES:
        raise NoTruthError(
            f"data.features '{features}': its inputs are factors, not fields of days, so that the planted truth does "
            f"not apply; attributions are scored on {' and '.join(CELL_FEATURES)}"
        )
    cells = np.zeros((lookback, len(fields)), dtype=bool)
    for of in ("own", "peers"):
        for name, lag in market.cells(of=of, day_relative=CELL_FEATURES[features]):
            if name in fields and lag < lookback:
                cells[lookback - 1 - lag, fields.index(name)] = True
    if not cells.any():
        raise NoTruthError(f"{market.panel.name}: its signal reads no input, an attribution has nothing to find")
    return Truth(fields, cells, market.peers if market.peers.any() else None)


def average_precision(scores: np.ndarray, truth: np.ndarray) -> float:
    """Area under the precision-recall curve of `scores` for finding `truth` (bool), both of one shape.

    The mean over the true items of the precision at their rank. Tied items: the expectation over their random order.
    NaN if no item or every item is true, or a score is not finite.
    """
    flat, wanted = np.asarray(scores, dtype=np.float64).ravel(), np.asarray(truth, dtype=bool).ravel()
    n_true = int(wanted.sum())
    if n_true in (0, len(wanted)) or not np.isfinite(flat).all():
        return float("nan")
    order = np.argsort(-flat, kind="stable")
    flat, wanted = flat[order], wanted[order]
    first = np.flatnonzero(np.r_[True, flat[1:] != flat[:-1]])
    size = np.diff(np.r_[first, len(flat)])
    within = np.add.reduceat(wanted.astype(np.float64), first)
    before = np.cumsum(within) - within
    tie = np.repeat(np.arange(len(first)), size)
    rank = np.arange(len(flat)) + 1.0
    # At a given rank of a tie: the chance that its item is true, times what is then expected true up to this rank.
    others = np.where(size > 1, (within - 1) / np.maximum(size - 1, 1), 0.0)
    expected = before[tie] + 1 + others[tie] * (rank - 1 - first[tie])
    return float(np.sum((within / size)[tie] * expected / rank) / n_true)


def chance_level(truth: np.ndarray) -> float:
    """Expected average precision of a random order; a little above the share of true items, the more the fewer."""
    return average_precision(np.zeros(np.shape(truth)), truth)


def above(value: float, floor: float) -> float:
    """`(value - floor) / (1 - floor)`: 0 at the floor, 1 for a perfect ranking, negative below the floor."""
    return (value - floor) / (1 - floor) if floor < 1 else float("nan")


def peer_precision(attribution: np.ndarray, rows: np.ndarray, truth: np.ndarray) -> float:
    """Mean over explained stocks of the average precision of ranking all other stocks.

    Args:
        attribution: `[R, N]`, influence of stock j on the score of stock `rows[i]`.
        rows: `[R]` positions among the N stocks.
        truth: `[N, N]` bool.
    """
    found = [
        average_precision(np.delete(values, row), np.delete(truth[row], row))
        for row, values in zip(rows, attribution, strict=True)
    ]
    return mean_of(found)


def peer_chance(rows: np.ndarray, truth: np.ndarray) -> float:
    """Expected `peer_precision` of a random order."""
    return mean_of([chance_level(np.delete(truth[row], row)) for row in rows])


def resampled_means(
    values: np.ndarray, day: np.ndarray, stock: np.ndarray, *, draws: int = 500, seed: int = 0
) -> np.ndarray:
    """Means `[draws, ...]` of `values [R, ...]` over resampled days and stocks.

    Days and stocks are drawn with replacement, each on its own, and a row counts as often as its day times its stock
    was drawn (the pigeonhole bootstrap: Owen 2007, The Annals of Applied Statistics 1(2)): rows that share a day or a
    stock are not independent.
    """
    rng = np.random.default_rng(seed)
    weight = np.ones((draws, len(values)))
    for group in (day, stock):
        _, member = np.unique(group, return_inverse=True)
        n = int(member.max()) + 1
        weight *= rng.multinomial(n, np.full(n, 1 / n), size=draws)[:, member]
    total = weight.sum(axis=1, keepdims=True)
    flat = values.reshape(len(values), -1).astype(np.float64)
    means = np.divide(weight @ flat, total, out=np.full((draws, flat.shape[1]), np.nan), where=total > 0)
    return means.reshape(draws, *values.shape[1:])


def precision_interval(
    values: np.ndarray, truth: np.ndarray, day: np.ndarray, stock: np.ndarray, *, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of the average precision of the mean of `values [R, ...]` over days and stocks, within 0 .. 1.

    Resampling adds noise to a mean, noise blurs its ranking, and so resampled precisions lie below the precision of
    the whole on average: their quantiles are moved by that distance.
    """
    found = np.array([average_precision(mean, truth) for mean in resampled_means(values, day, stock, seed=seed)])
    found = found[np.isfinite(found)]
    if len(found) == 0:
        return float("nan"), float("nan")
    whole = average_precision(values.mean(axis=0, dtype=np.float64), truth)
    low, high = np.clip(np.quantile(found, [0.025, 0.975]) - found.mean() + whole, 0, 1)
    return float(low), float(high)


def finite(values: Iterable[float | None]) -> list[float]:
    """Those that are numbers."""
    return [float(value) for value in values if value is not None and math.isfinite(value)]


def mean_of(values: Iterable[float | None]) -> float:
    """Mean of the numbers; NaN where there are none."""
    numbers = finite(values)
    return float(np.mean(numbers)) if numbers else math.nan
