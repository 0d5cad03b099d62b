"""Statistics over the last d days of every day, for several window lengths d at once.

A window is summed afresh for each day, lag by lag from today into the past. The sums of a short window
are those of a longer one on the way, so all lengths cost one pass over the longest, and a day's result
reads its own window only, to the bit: no drift, no look-ahead, no dependence on which stocks are computed
together.

Sums are taken about the window's last present value. As that value lies in the window, (mean - pivot)^2
is at most n * var: no digits cancel in the near-constant window of a high price, and a constant window
has variance 0.

Series are `[n, D]`, stock by day; a value that is not finite is missing and drops out of its windows. Results
are float64 `[n, D]` per window length, NaN where a window has too few values. `windows` are ascending.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

FLAT = 2e-5
"""A standard deviation up to this is taken for 0 where a statistic would divide by it."""


class Moments(NamedTuple):
    """`mean` (from 1 value) and `sd` (ddof 1, from 2 values)."""

    mean: np.ndarray
    sd: np.ndarray


class Line(NamedTuple):
    """Least squares line through the window's values against their day (from 2 values).

    `r_squared` is NaN in a flat window; `residual` is today's and means nothing where today is missing.
    """

    slope: np.ndarray
    r_squared: np.ndarray
    residual: np.ndarray


class Extreme(NamedTuple):
    """`value`, the largest in the window, and `lag`, the days since the first of the days that hold it.

    A missing day does not count for the value; for the lag it counts as the largest of all.
    """

    value: np.ndarray
    lag: np.ndarray


class Series:
    """A series prepared for windows of up to `reach` days.

    Attributes:
        present: `[n, D]` bool.
        pivot: `[n, D]` float64, the last present value; 0 before the first.
    """

    def __init__(self, values: np.ndarray, reach: int) -> None:
        self.present = np.isfinite(values)
        filled = np.where(self.present, values, 0).astype(np.float64)
        days = np.arange(values.shape[1])
        last = np.maximum.accumulate(np.where(self.present, days, 0), axis=1)
        self.pivot = np.take_along_axis(filled, last, axis=1)
        self._filled = lags(filled, reach, 0)
        self._weights = lags(self.present.astype(np.float64), reach, 0)

    def terms(self, n_lags: int) -> Iterator[np.ndarray]:
        """Value less today's pivot, 0 where missing, at lag 0, 1, ...; each overwrites the one before."""
        term = np.empty_like(self.pivot)
        for value, weight in zip(self._filled[:n_lags], self._weights[:n_lags], strict=True):
            np.subtract(value, self.pivot, out=term)
            yield np.multiply(term, weight, out=term)

    @cached_property
    def _counted(self) -> np.ndarray:
        return np.cumsum(self.present, axis=1)

    def count(self, d: int) -> np.ndarray:
        """Values present in each window, int64."""
        return last_days(self._counted, d)

    def totals(self, windows: Sequence[int]) -> dict[int, np.ndarray]:
        """Sums (from 1 value)."""
        total, out = np.zeros_like(self.pivot), {}
        for d, value in enumerate(self._filled[: windows[-1]], start=1):
            total += value
            if d in windows:
                out[d] = np.where(self.count(d) > 0, total, np.nan)
        return out

    def moments(self, windows: Sequence[int]) -> dict[int, Moments]:
        """Means and standard deviations."""
        s, ss, out = np.zeros_like(self.pivot), np.zeros_like(self.pivot), {}
        for d, term in enumerate(self.terms(windows[-1]), start=1):
            s += term
            term *= term
            ss += term
            if d in windows:
                n = self.count(d)
                out[d] = Moments(self.pivot + s / n, np.sqrt(_scatter(n, s, ss) / (n - 1)))
        return out

    def lines(self, windows: Sequence[int]) -> dict[int, tuple[Moments, Line]]:
        """Moments and regression lines."""
        s, ss, earlier = (np.zeros_like(self.pivot) for _ in range(3))
        day, out = np.arange(s.shape[1]), {}
        # Days are integers, so that these running sums are exact.
        day_sums = np.cumsum(self.present * day, axis=1), np.cumsum(self.present * day**2, axis=1)
        for d, term in enumerate(self.terms(windows[-1]), start=1):
            earlier += s
            s += term
            term *= term
            ss += term
            if d not in windows:
                continue
            n = self.count(d)
            sx, sxx = (last_days(sums, d) for sums in day_sums)
            sxx = sxx - 2 * day * sx + n * day**2  # days counted from today: 0, -1, ...
            sx = sx - n * day
            sxy = earlier - (d - 1) * s  # summation by parts
            scatter = _scatter(n, s, ss)
            co, xx, yy = n * sxy - sx * s, n * sxx - sx**2, n * scatter
            slope = co / xx
            moments = Moments(self.pivot + s / n, np.sqrt(scatter / (n - 1)))
            r_squared = np.where(moments.sd <= FLAT, np.nan, co * co / (xx * yy))
            out[d] = moments, Line(slope, r_squared, (slope * sx - s) / n)
        return out


def lags(values: np.ndarray, reach: int, fill: float) -> list[np.ndarray]:
    """`values [n, D]` as they were 0, 1, ... `reach - 1` days ago, `fill` before the first day; all views."""
    n, n_days = values.shape
    front = np.full((n, reach - 1), fill, dtype=values.dtype)
    padded = np.concatenate([front, values], axis=1)
    return [padded[:, reach - 1 - k : reach - 1 - k + n_days] for k in range(reach)]


def last_days(running: np.ndarray, d: int) -> np.ndarray:
    """Sums over the last d days from integer running sums `[n, D]`."""
    out = running.copy()
    out[:, d:] -= running[:, :-d]
    return out


def _scatter(n: np.ndarray, s: np.ndarray, ss: np.ndarray) -> np.ndarray:
    """Sum of squares about the mean, from sums about any pivot."""
    return np.maximum(ss - s * s / n, 0)


def correlations(a: np.ndarray, b: np.ndarray, windows: Sequence[int]) -> dict[int, np.ndarray]:
    """Pearson correlations over the days that have both values (from 2).

    NaN where either series is flat, judged on all its own values, as the reference does.
    """
    reach = windows[-1]
    both = np.isfinite(a) & np.isfinite(b)
    x, y = (Series(np.where(both, side, np.nan), reach) for side in (a, b))
    own = [
        None if np.array_equal(both, np.isfinite(side)) else Series(side, reach).moments(windows)
        for side in (a, b)
    ]
    sx, sxx, sy, syy, sxy, product = (np.zeros_like(x.pivot) for _ in range(6))
    out = {}
    for d, (p, q) in enumerate(zip(x.terms(reach), y.terms(reach), strict=True), start=1):
        sx += p
        sy += q
        sxy += np.multiply(p, q, out=product)
        sxx += np.multiply(p, p, out=product)
        syy += np.multiply(q, q, out=product)
        if d in windows:
            n = x.count(d)
            scatter = _scatter(n, sx, sxx), _scatter(n, sy, syy)
            shared = [np.sqrt(side / (n - 1)) for side in scatter]
            sds = [sd if alone is None else alone[d].sd for sd, alone in zip(shared, own, strict=True)]
            flat = (sds[0] <= FLAT) | (sds[1] <= FLAT)
            out[d] = np.where(flat, np.nan, (sxy - sx * sy / n) / np.sqrt(scatter[0] * scatter[1]))
    return out


def maxima(values: np.ndarray, alive: np.ndarray, windows: Sequence[int]) -> dict[int, Extreme]:
    """Largest values (from 1 value) and where they are; `alive` marks the days from a stock's first on."""
    present = np.isfinite(values)
    counted = np.cumsum(present, axis=1)
    seen = np.where(present, values, -np.inf)
    taken = np.where(present | ~alive, seen, np.inf)
    top, held = np.full_like(seen, -np.inf), np.full_like(seen, -np.inf)
    lag, earlier = np.zeros(seen.shape, np.int16), np.empty(seen.shape, bool)
    out = {}
    both = (lags(series, windows[-1], -np.inf) for series in (seen, taken))
    for k, (value, rival) in enumerate(zip(*both, strict=True)):
        np.maximum(top, value, out=top)
        np.greater_equal(rival, held, out=earlier)
        np.copyto(lag, k, where=earlier)
        np.maximum(held, rival, out=held)
        if k + 1 in windows:
            some = last_days(counted, k + 1) > 0
            out[k + 1] = Extreme(*(np.where(some, part.astype(np.float64), np.nan) for part in (top, lag)))
    return out


def ranks(values: np.ndarray, windows: Sequence[int]) -> dict[int, np.ndarray]:
    """Percentile rank of today's value in its window, average ranks for ties; NaN where today is missing."""
    present = np.isfinite(values)
    counted = np.cumsum(present, axis=1)
    today = np.where(present, values, np.nan)
    below, out = np.zeros(values.shape, np.int16), {}
    for d, value in enumerate(lags(today, windows[-1], np.nan), start=1):
        below += value < today
        below += value <= today
        if d in windows:
            out[d] = np.where(present, (below + 1) / 2, np.nan) / last_days(counted, d)
    return out


def quantiles(
    values: np.ndarray, shares: Sequence[float], windows: Sequence[int]
) -> dict[int, list[np.ndarray]]:
    """Quantiles at `shares`, interpolated linearly (from 1 value)."""
    present = np.isfinite(values)
    counted = np.cumsum(present, axis=1)
    front = np.full((len(values), windows[-1] - 1), np.nan, dtype=values.dtype)
    padded = np.concatenate([front, np.where(present, values, np.nan)], axis=1)
    out = {}
    for d in windows:
        own = sliding_window_view(padded[:, windows[-1] - d :], d, axis=1)
        ordered = np.sort(own, axis=2)  # missing values last
        out[d] = [_pick(ordered, last_days(counted, d), share) for share in shares]
    return out


def _pick(ordered: np.ndarray, n: np.ndarray, share: float) -> np.ndarray:
    """The quantile at `share` of the first n values of the last axis of `ordered [n, D, d]`."""
    final = np.maximum(n - 1, 0)
    place = share * final
    low = place.astype(np.int64)
    window = np.arange(low.size).reshape(low.shape) * ordered.shape[2]
    flat = ordered.reshape(-1)
    lower, upper = (flat[window + at].astype(np.float64) for at in (low, np.minimum(low + 1, final)))
    return lower + (upper - lower) * (place - low)
