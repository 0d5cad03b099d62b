"""Model confidence set: the models that cannot be told from the best one.

Hansen, Lunde & Nason (2011), "The Model Confidence Set", Econometrica 79(2), with the range statistic T_R and the
stationary bootstrap. Tested against `arch.bootstrap.MCS` on the same draws; not used from there, because importing it
takes longer than all else a report does.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.stats.bootstrap import block_length, resampled_means
from zoo.errors import ZooError


@dataclass(frozen=True)
class ConfidenceSet:
    """Model confidence set.

    Attributes:
        pvalues: `[M]`, the smallest size at which the model would be left out; NaN for a model without
            scores.
        included: `[M]` bool, in the set: cannot be told from the best.
        n_days: days used, those on which every model with scores has one.
    """

    pvalues: np.ndarray
    included: np.ndarray
    n_days: int


def model_confidence_set(
    daily: np.ndarray,
    size: float = 0.10,
    *,
    draws: int = 1000,
    seed: int = 0,
    block: float | None = None,
) -> ConfidenceSet:
    """The models of `daily [D, M]` that hold the best mean with confidence 1 - `size`.

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


def relative_block(columns: np.ndarray) -> float:
    """`block_length` of complete `columns [D, M]` relative to each other: each day less its mean over the columns."""
    return block_length(columns - columns.mean(axis=1, keepdims=True))


def range_pvalues(mean: np.ndarray, resampled: np.ndarray) -> np.ndarray:
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
