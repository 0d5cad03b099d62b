"""Per-day cross-sectional ranks and correlations: the one definition of IC and Rank IC.

All functions take `[D, N]` arrays (days x stocks) in which NaN means absent, and work on whole arrays at once.
"""

from __future__ import annotations

import numpy as np


def rank_rows(values: np.ndarray) -> np.ndarray:
    """Average ranks 1 .. n of the finite entries of each row; `[D, N]` -> `[D, N]` float64, NaN where absent."""
    values = np.asarray(values)
    days, stocks = values.shape
    if stocks == 0:
        return np.empty((days, 0))
    present = np.isfinite(values)
    order = np.argsort(np.where(present, values, np.inf), axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    first_of_tie = np.ones((days, stocks), dtype=bool)
    first_of_tie[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    # One running tie number over the whole array; as every row opens a new one, ties never span rows.
    tie = np.cumsum(first_of_tie.ravel()) - 1
    starts = np.flatnonzero(first_of_tie)
    ends = np.append(starts[1:], first_of_tie.size)
    # Positions i .. j-1 (0-based within the row) share the mean of ranks i+1 .. j.
    mean_rank = (starts + ends + 1) / 2 - (starts // stocks) * stocks
    ranks = np.empty((days, stocks))
    np.put_along_axis(ranks, order, mean_rank[tie].reshape(days, stocks), axis=1)
    ranks[~present] = np.nan
    return ranks


def pearson_rows(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Pearson correlation of each row over the entries finite in both; `[D, N]`, `[D, N]` -> `[D]` float64.

    NaN for a row with fewer than 2 such entries or with a constant side.
    """
    both = np.isfinite(a) & np.isfinite(b)
    count = both.sum(axis=1)
    safe = np.maximum(count, 1)

    def centred(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        filled = np.where(both, values, 0.0).astype(np.float64, copy=False)
        deviation = filled - (filled.sum(axis=1) / safe)[:, None]
        deviation[~both] = 0.0
        top = np.where(both, values, -np.inf).max(axis=1, initial=-np.inf)
        bottom = np.where(both, values, np.inf).min(axis=1, initial=np.inf)
        return deviation, top > bottom

    da, varies_a = centred(a)
    db, varies_b = centred(b)
    scale = np.sqrt(np.einsum("dn,dn->d", da, da) * np.einsum("dn,dn->d", db, db))
    defined = (count >= 2) & varies_a & varies_b & (scale > 0)
    product = np.einsum("dn,dn->d", da, db)
    return np.divide(product, scale, out=np.full(len(scale), np.nan), where=defined)


def spearman_rows(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Spearman correlation (Pearson of average ranks) of each row over the entries finite in both."""
    both = np.isfinite(a) & np.isfinite(b)
    return pearson_rows(rank_rows(np.where(both, a, np.nan)), rank_rows(np.where(both, b, np.nan)))


def percentile_rank_rows(values: np.ndarray) -> np.ndarray:
    """Average ranks divided by the number of finite entries of the row, in (0, 1]."""
    ranks = rank_rows(values)
    return ranks / np.maximum(np.isfinite(ranks).sum(axis=1), 1)[:, None]
