"""Statistics of daily series: how sure a mean is, which models differ, and which could have been told apart.

The daily series (IC, Rank IC, excess return) is the unit of all statistics: days on axis 0, models on axis 1,
NaN for a day that is skipped. Resampling lives in `bench.stats.bootstrap`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.stats.bootstrap import block_length, resampled_means
from zoo.errors import ZooError
from zoo.shapes import Bool, Float, Num


def newey_west_t(series: Num[np.ndarray, " D"], lags: int | None = None) -> float:
    """t statistic of the mean of `series [D]` with a Newey & West (1987) standard error.

    t = mean / sqrt(S / n), S = g_0 + 2 sum_{j=1..L} (1 - j / (L + 1)) g_j, g_j the j-th autocovariance with
    divisor n. Skipped days are left out and the rest taken as adjacent. NaN for fewer than 2 days or a
    constant series.

    Args:
        lags: L; None takes floor(4 (n / 100)^(2/9)) (Newey & West 1994).

    Raises:
        ZooError: negative `lags`.
    """
    values = np.asarray(series, dtype=np.float64)
    values = values[np.isfinite(values)]
    n = len(values)
    if lags is not None and lags < 0:
        raise ZooError(f"Newey-West needs lags >= 0, got {lags}")
    if n < 2 or np.ptp(values) == 0:
        return float("nan")
    depth = min(int(4 * (n / 100) ** (2 / 9)) if lags is None else lags, n - 1)
    deviation = values - values.mean()
    covariance = [deviation[j:] @ deviation[: n - j] / n for j in range(depth + 1)]
    long_run = covariance[0] + 2 * sum((1 - j / (depth + 1)) * covariance[j] for j in range(1, depth + 1))
    return float(values.mean() / np.sqrt(long_run / n)) if long_run > 0 else float("nan")


def overlap_lags(n_days: int, overlap: float) -> int | None:
    """Lags of a Newey-West error on labels that overlap for some days: as usual, and no fewer than are shared."""
    usual = int(4 * (n_days / 100) ** (2 / 9))
    return None if overlap - 1 <= usual else int(overlap) - 1


def pvalues_of(mean: Num[np.ndarray, " P"], resampled: Num[np.ndarray, "B P"]) -> Float[np.ndarray, " P"]:
    """Two-sided p-values `[P]` that the true means are 0, from means `[P]` and their draws `[B, P]`.

    p = (1 + #{|draw - mean| >= |mean|}) / (B + 1) (Davison & Hinkley 1997, eq. 4.11); NaN where a draw is missing.
    """
    # The slack keeps the rounding of a sum from deciding about equality where the differences are all alike.
    extreme = (np.abs(resampled - mean) >= np.abs(mean) * (1 - 1e-12)).sum(axis=0)
    defined = np.isfinite(resampled).all(axis=0)
    return np.where(defined, (1 + extreme) / (len(resampled) + 1), np.nan)


def holm(pvalues: Num[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
    """Holm (1979) step-down adjusted p-values `[P]`: significant at level a where <= a, family-wise.

    The k-th smallest of m is multiplied by m - k + 1, made non-decreasing and capped at 1. NaN stays NaN and
    does not count towards m.
    """
    raw = np.asarray(pvalues, dtype=np.float64)
    adjusted = np.full(raw.shape, np.nan)
    present = np.flatnonzero(np.isfinite(raw))
    order = present[np.argsort(raw[present], kind="stable")]
    steps = raw[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


@dataclass(frozen=True)
class VarianceSplit:
    """What makes a mean IC uncertain, by source; every figure is a standard deviation of one seed's mean.

    Attributes:
        seeds: between seeds: luck of initialisation and batch order, the same on all days.
        days: between day-blocks: luck of the period, the same for all seeds; already that of the whole
            period's mean.
        rest: seed by block: what neither explains; already that of the whole period's mean.
        n_seeds, n_blocks: size of the table behind it. A figure that it cannot give is NaN.
    """

    seeds: float
    days: float
    rest: float
    n_seeds: int
    n_blocks: int


def variance_split(daily: Num[np.ndarray, "seeds D"], *, block: float | None = None) -> VarianceSplit:
    """Split the variance of the mean of `daily [seeds, D]` into seeds and day-blocks, never pooled.

    Two-way random effects without replication (Searle, Casella & McCulloch 1992, ch. 4) on the table of S
    seeds x B block means: var_seeds = (MS_seeds - MS_rest) / B, var_days = (MS_blocks - MS_rest) / S / B,
    var_rest = MS_rest / B, each at least 0. Blocks are runs of `block` days (None:
    `bench.stats.bootstrap.block_length`) of the days that all seeds have. With one seed `days` holds the whole
    between-block variance and the other two are NaN.
    """
    table = np.atleast_2d(np.asarray(daily, dtype=np.float64))
    n_seeds = len(table)
    days = table[:, np.isfinite(table).all(axis=0)]
    length = block_length(days.T) if block is None and days.shape[1] else max(block or 1.0, 1.0)
    n_blocks = int(days.shape[1] / length)
    nan = float("nan")
    if n_blocks < 2:
        return VarianceSplit(nan, nan, nan, n_seeds, n_blocks)
    means = np.column_stack([part.mean(axis=1) for part in np.array_split(days, n_blocks, axis=1)])
    by_seed, by_block = means.mean(axis=1), means.mean(axis=0)
    ms_blocks = n_seeds * by_block.var(ddof=1)
    if n_seeds == 1:
        return VarianceSplit(nan, float(np.sqrt(ms_blocks / n_blocks)), nan, n_seeds, n_blocks)
    ms_seeds = n_blocks * by_seed.var(ddof=1)
    rest = means - by_seed[:, None] - by_block + means.mean()
    ms_rest = (rest**2).sum() / ((n_seeds - 1) * (n_blocks - 1))
    return VarianceSplit(
        seeds=float(np.sqrt(max(ms_seeds - ms_rest, 0.0) / n_blocks)),
        days=float(np.sqrt(max(ms_blocks - ms_rest, 0.0) / n_seeds / n_blocks)),
        rest=float(np.sqrt(ms_rest / n_blocks)),
        n_seeds=n_seeds,
        n_blocks=n_blocks,
    )


def false_positive_interval(n: int, level: float = 0.05, confidence: float = 0.95) -> tuple[float, float]:
    """Where the false-positive rate of `n` independent tests at `level` falls, with probability `confidence`.

    Central quantiles of Binomial(n, level) / n.

    Raises:
        ZooError: `n` below 1, or a probability outside (0, 1).
    """
    if n < 1 or not (0 < level < 1 and 0 < confidence < 1):
        raise ZooError(f"need n >= 1 and probabilities in (0, 1), got n={n}, level={level}, {confidence=}")
    # Not from scipy.stats, whose import takes longer than a report may.
    from scipy.special import bdtr

    below = bdtr(np.arange(n + 1), n, level)
    tail = (1 - confidence) / 2
    low, high = (int(np.searchsorted(below, p)) for p in (tail, 1 - tail))
    return low / n, high / n


@dataclass(frozen=True)
class ConfidenceSet:
    """The models that cannot be told from the best one.

    Attributes:
        pvalues: `[M]`, the smallest size at which the model would be left out; NaN for a model without
            scores.
        included: `[M]` bool, in the set: cannot be told from the best.
        n_days: days used, those on which every model with scores has one.
    """

    pvalues: Float[np.ndarray, " M"]
    included: Bool[np.ndarray, " M"]
    n_days: int


def model_confidence_set(
    daily: Num[np.ndarray, "D M"],
    size: float = 0.10,
    *,
    draws: int = 1000,
    seed: int = 0,
    block: float | None = None,
) -> ConfidenceSet:
    """The models of `daily [D, M]` that hold the best mean with confidence 1 - `size`.

    Hansen, Lunde & Nason (2011), Econometrica 79(2), with the range statistic T_R and the stationary bootstrap. Tested
    against `arch.bootstrap.MCS`; not used from there, because importing it takes longer than all else a report does.
    Identical columns enter once and share their p-value, because their difference has no variance. Columns without
    any day stay out. `block` None estimates it from the deviations from the day's mean over models.

    Raises:
        ZooError: `size` outside (0, 1).
    """
    if not 0 < size < 1:
        raise ZooError(f"the size of a model confidence set lies between 0 and 1, got {size}")
    columns = np.asarray(daily, dtype=np.float64)
    pvalues = np.full(columns.shape[1], np.nan)
    scored = np.flatnonzero(np.isfinite(columns).any(axis=0))
    common = columns[:, scored][np.isfinite(columns[:, scored]).all(axis=1)]
    if len(scored) and len(common):
        distinct, copy_of = np.unique(common, axis=1, return_inverse=True)
        block = relative_block(distinct) if block is None else block
        resampled = resampled_means(distinct, draws=draws, seed=seed, block=block)
        pvalues[scored] = range_pvalues(distinct.mean(axis=0), resampled)[copy_of.ravel()]
        if len(common) == 1:
            pvalues[scored] = 1.0  # a single day excludes nobody
    return ConfidenceSet(pvalues, pvalues > size, len(common))


def relative_block(columns: Num[np.ndarray, "D M"], least: float = 1.0) -> float:
    """`block_length` of complete `columns [D, M]` relative to each other: each day less its mean over the columns."""
    return block_length(columns - columns.mean(axis=1, keepdims=True), least)


def range_pvalues(mean: Num[np.ndarray, " K"], resampled: Num[np.ndarray, "B K"]) -> Float[np.ndarray, " K"]:
    """p-values `[K]` of models with `mean [K]` and bootstrap means `resampled [B, K]`, higher is better.

    As long as two are left: the largest t among their differences against its bootstrap distribution gives the step's
    p-value, and the worse model of that pair leaves. A model's p-value is the largest up to its step; the last has 1.
    """
    lead = mean - mean[:, None]  # [i, j]: by how much j is better than i
    drawn = resampled[:, None, :] - resampled[:, :, None] - lead
    sd = np.sqrt((drawn**2).mean(axis=0))
    # Models that differ by a constant are told apart by any draw.
    t = np.divide(lead, sd, out=np.where(lead == 0, 0.0, np.copysign(np.inf, lead)), where=sd > 0)
    drawn = np.divide(drawn, sd, out=np.zeros_like(drawn), where=sd > 0)
    pvalues, left, reached = np.ones(len(mean)), np.arange(len(mean)), 0.0
    while len(left) > 1:
        among = t[np.ix_(left, left)]
        largest = drawn[:, left[:, None], left].max(axis=(1, 2))
        reached = max(reached, float((among.max() < largest).mean()))
        worst = int(among.max(axis=1).argmax())
        pvalues[left[worst]] = reached
        left = np.delete(left, worst)
    return pvalues
