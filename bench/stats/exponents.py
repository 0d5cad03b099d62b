"""How cost grows: the exponent b of cost = a * size^b, from measured points."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from zoo.shapes import Float, Num

END = 3
"""Largest sizes whose slope is the exponent at the end."""
_DRAWS = 2000


def fitted(sizes: Sequence[float], costs: Sequence[float]) -> tuple[float, float, float]:
    """(exponent, low, high): least squares of log cost on log size with its 95 % t interval.

    The interval holds the noise of the points and their bend: a cost that has overhead or several terms is no power.
    NaN for fewer than two sizes; an interval needs three.
    """
    if len(sizes) < 2:
        return math.nan, math.nan, math.nan
    x, y = np.log(np.asarray(sizes, dtype=float)), np.log(np.asarray(costs, dtype=float))
    slope = _slopes(x, y[None])[0]
    free = len(x) - 2
    if free < 1:
        return float(slope), math.nan, math.nan
    from scipy.special import stdtrit

    dx = x - x.mean()
    residual = y - y.mean() - slope * dx
    error = math.sqrt(residual @ residual / free / (dx @ dx))
    half = float(stdtrit(free, 0.975)) * error
    return float(slope), float(slope) - half, float(slope) + half


def fitted_end(
    sizes: Sequence[float], samples: Sequence[Num[np.ndarray, " _"]], *, seed: int = 0
) -> tuple[float, float, float]:
    """(exponent, low, high) over the `END` largest sizes, of the medians of raw samples.

    The interval is the 95 % percentile one of 2000 bootstrap draws, each resampling the samples of every size; it is
    NaN where a size has one sample. NaN for fewer than `END` sizes.
    """
    if len(sizes) < END:
        return math.nan, math.nan, math.nan
    x = np.log(np.asarray(sizes[-END:], dtype=float))
    last = [np.asarray(s, dtype=float) for s in samples[-END:]]
    slope = float(_slopes(x, np.log([[np.median(s) for s in last]]))[0])
    if min(len(s) for s in last) < 2:
        return slope, math.nan, math.nan
    generator = np.random.default_rng(seed)
    medians = [np.median(s[generator.integers(0, len(s), (_DRAWS, len(s)))], axis=1) for s in last]
    low, high = np.quantile(_slopes(x, np.log(np.stack(medians, axis=1))), [0.025, 0.975])
    return slope, float(low), float(high)


def _slopes(x: Float[np.ndarray, " K"], y: Float[np.ndarray, "B K"]) -> Float[np.ndarray, " B"]:
    """Least-squares slopes `[B]` of `y [B, K]` on `x [K]`."""
    dx = x - x.mean()
    return (y - y.mean(axis=1, keepdims=True)) @ dx / (dx @ dx)
