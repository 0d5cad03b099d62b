"""Stationary block bootstrap of daily series: intervals of means that respect dependence over days.

Every function takes days on axis 0; NaN marks a day that is skipped. The resampled days are shared by all
columns, so the interval of a difference comes from subtracting two columns of the same draws.
"""

from __future__ import annotations

import numpy as np

from zoo.errors import ZooError

MIN_DAYS_FOR_BLOCK = 20
"""Below this many days a block length cannot be estimated; `fallback_block` is used instead."""

_CHUNK = 250  # draws generated at once: bounds memory to 250 x days; fixed, so it never alters the draws


def as_columns(daily: np.ndarray) -> np.ndarray:
    """`[D]` or `[D, M]` -> `[D, M]` float64, infinities as NaN, without the days that no column has.

    Raises:
        ZooError: more than two axes.
    """
    columns = np.asarray(daily, dtype=np.float64)
    if columns.ndim == 1:
        columns = columns[:, None]
    if columns.ndim != 2:
        raise ZooError(f"a daily series has axes [day] or [day, model], not {columns.ndim} axes")
    columns = np.where(np.isfinite(columns), columns, np.nan)
    return columns[np.isfinite(columns).any(axis=1)]


def fallback_block(n_days: int) -> float:
    """n^(1/3), the rate at which the optimal block grows; for series too short or constant to estimate it."""
    return max(1.0, float(n_days) ** (1 / 3))


def block_length(daily: np.ndarray) -> float:
    """Mean block length in days that suits all columns of `daily [D, M]`, at least 1.

    Politis & White (2004, corrected 2009) for the stationary bootstrap, per column, then the mean over the
    columns that vary and have at least `MIN_DAYS_FOR_BLOCK` days: the shared draws need one length, and the
    estimate of a single column is noisy, so that the largest of many would mostly be an accident.
    `fallback_block` if none qualify.
    """
    from arch.bootstrap import optimal_block_length

    columns = as_columns(daily)
    lengths: list[float] = []
    for column in columns.T:
        present = column[np.isfinite(column)]
        if len(present) >= MIN_DAYS_FOR_BLOCK and np.ptp(present) > 1e-12 * np.abs(present).max():
            with np.errstate(all="ignore"):
                lengths.append(float(optimal_block_length(present)["stationary"].iloc[0]))
    usable = [length for length in lengths if np.isfinite(length)]
    return max(1.0, float(np.mean(usable))) if usable else fallback_block(len(columns))


def stationary_days(n_days: int, n_draws: int, block: float, rng: np.random.Generator) -> np.ndarray:
    """Resampled days `[n_draws, n_days]` int64 of the stationary bootstrap (Politis & Romano 1994).

    A block begins at a uniform day, runs on through the (circular) calendar, and ends with probability 1 /
    block.
    """
    position = np.arange(n_days)
    begins = rng.random((n_draws, n_days)) < 1.0 / block
    begins[:, 0] = True
    first_day = rng.integers(0, n_days, size=(n_draws, n_days))
    begun_at = np.maximum.accumulate(np.where(begins, position, 0), axis=1)
    return (np.take_along_axis(first_day, begun_at, axis=1) + position - begun_at) % n_days


def bootstrap_means(daily: np.ndarray, *, draws: int = 1000, seed: int = 0, block: float | None = None) -> np.ndarray:
    """Means of resampled days `[draws, M]` of `daily [D, M]` (or `[D]`), the same days for all columns.

    Each mean runs over the column's own days in the resample; NaN where it has none there. Deterministic by
    `seed`.

    Args:
        block: mean block length in days; None estimates it with `block_length`.

    Raises:
        ZooError: `draws` below 1, or a block below 1 day.
    """
    columns = as_columns(daily)
    if draws < 1 or (block is not None and not block >= 1):
        raise ZooError(f"bootstrap needs draws >= 1 and block >= 1 day, got draws={draws}, block={block}")
    n_days, n_columns = columns.shape
    if n_days == 0:
        return np.full((draws, n_columns), np.nan)
    block = block_length(columns) if block is None else block
    present = np.isfinite(columns)
    # Centred on the column mean, so that long sums lose no digits and a constant column stays constant.
    centre = np.nansum(columns, axis=0) / np.maximum(present.sum(axis=0), 1)
    both = np.hstack([np.where(present, columns - centre, 0.0), present.astype(np.float64)])
    rng = np.random.default_rng(seed)
    totals = np.empty((draws, 2 * n_columns))
    for begin in range(0, draws, _CHUNK):
        size = min(_CHUNK, draws - begin)
        days = stationary_days(n_days, size, block, rng)
        row = np.arange(size)[:, None] * n_days
        times_drawn = np.bincount((days + row).ravel(), minlength=size * n_days).reshape(size, n_days)
        totals[begin : begin + size] = times_drawn @ both
    total, count = totals[:, :n_columns], totals[:, n_columns:]
    return centre + np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)


def interval(draws: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Percentile interval (low `[M]`, high `[M]`) of `draws [B, M]`; NaN for a column with a missing draw.

    Raises:
        ZooError: `level` outside (0, 1).
    """
    if not 0 < level < 1:
        raise ZooError(f"the level of an interval lies between 0 and 1, got {level}")
    tail = (1 - level) / 2
    low, high = np.quantile(draws, [tail, 1 - tail], axis=0)
    return low, high


def half_width(draws: np.ndarray, level: float = 0.95) -> np.ndarray:
    """Half the width of `interval`, `[M]`: what a table prints after the plus-minus sign."""
    low, high = interval(draws, level)
    return (high - low) / 2
