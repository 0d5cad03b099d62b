"""Extremes, quantiles and ranks over the last d days of every day; conventions as in `_rolling`."""

from __future__ import annotations

import numpy as np

from zoo.data.features._rolling import PARTS, State, Windows, days_ago


class Maxima(Windows):
    """The largest value (from 1 value), and how many days ago the first of the days that hold it was.

    A missing day does not count for the value; for its place it counts as the largest of all, if the stock
    was `alive` (`[n, D]` bool, from its first day on).
    """

    empty = -np.inf

    def __init__(self, values: np.ndarray, alive: np.ndarray) -> None:
        present = np.isfinite(values)
        value = np.where(present, values, -np.inf)
        super().__init__(value, np.where(present | ~alive, value, np.inf), np.zeros_like(value))

    def merge(self, a: State, b: State, d: int) -> State:
        """Of (value, value where missing is the largest, lag of the latter)."""
        lag = np.where(b[1] >= a[1], b[2] + PARTS[d][0], a[2])
        return np.maximum(a[0], b[0]), np.maximum(a[1], b[1]), lag

    def value(self, d: int) -> np.ndarray:
        value = self.state(d)[0].astype(np.float64)
        value[np.isneginf(value)] = np.nan
        return value

    def lag(self, d: int) -> np.ndarray:
        value, _, lag = self.state(d)
        return np.where(np.isneginf(value), np.nan, lag.astype(np.float64))


class Quantiles(Windows):
    """Linearly interpolated quantiles at `shares` (from 1 value)."""

    empty = np.inf

    def __init__(self, values: np.ndarray, shares: tuple[float, ...]) -> None:
        present = np.isfinite(values)
        super().__init__(np.where(present, values, np.inf))
        self._seen = np.cumsum(present, axis=1)
        self._shares = shares
        self._values: dict[int, list[np.ndarray]] = {}

    def merge(self, a: State, b: State, d: int) -> State:
        """Of the values in ascending order, missing ones last."""
        return tuple(_merge_sorted(a, b))

    def value(self, share: float, d: int) -> np.ndarray:
        if d not in self._values:
            n = self._seen - days_ago(self._seen, d, 0)
            ordered = np.stack(self.state(d)).reshape(-1)
            self._values[d] = [_pick(ordered, n, share, d) for share in self._shares]
        return self._values[d][self._shares.index(share)]


def _pick(ordered: np.ndarray, n: np.ndarray, share: float, d: int) -> np.ndarray:
    """The quantile of the first `n [...]` values of each window in `ordered`, a flat `[d, ...]`."""
    last = np.maximum(np.arange(d + 1) - 1, 0)  # for each possible n
    place = share * last
    low = place.astype(np.int64)
    up = np.minimum(low + 1, last) - low
    fraction = np.where(np.arange(d + 1) > 0, place - low, np.nan)
    at = low[n] * n.size
    at += np.arange(n.size).reshape(n.shape)
    lower = ordered[at].astype(np.float64)
    at += up[n] * n.size
    return lower + (ordered[at] - lower) * fraction[n]


def _merge_sorted(a: State, b: State) -> list[np.ndarray]:
    """Batcher's odd-even merge of two ascending sequences of arrays (Knuth, vol. 3, 5.3.4)."""
    if not a or not b:
        return [*a, *b]
    if len(a) == len(b) == 1:
        return [np.minimum(a[0], b[0]), np.maximum(a[0], b[0])]
    first, *even = _merge_sorted(a[::2], b[::2])
    odd = _merge_sorted(a[1::2], b[1::2])
    out = [first]
    for x, y in zip(odd, even, strict=False):
        out += [np.minimum(x, y), np.maximum(x, y)]
    paired = min(len(odd), len(even))
    return out + odd[paired:] + even[paired:]


class Ranks:
    """Percentile rank of today's value, average ranks for ties; NaN where today is missing."""

    def __init__(self, values: np.ndarray) -> None:
        present = np.isfinite(values)
        self._today = np.where(present, values, np.nan)
        self._seen = np.cumsum(present, axis=1)
        self._restart()

    def _restart(self) -> None:
        self._lags, self._below = 0, np.zeros(self._today.shape, np.int8)  # at most 2 a day, 119 in 60 days

    def value(self, d: int) -> np.ndarray:
        """Cheapest when asked for in ascending order of d."""
        if d < self._lags:
            self._restart()
        today, smaller = self._today, np.empty(self._today.shape, bool)
        n_days = today.shape[1]
        for k in range(self._lags, min(d, n_days)):
            then, now = today[:, : n_days - k], today[:, k:]
            for compare in (np.less, np.less_equal):
                compare(then, now, out=smaller[:, k:])
                self._below[:, k:] += smaller[:, k:].view(np.int8)
        self._lags = d
        n = self._seen - days_ago(self._seen, d, 0)
        return np.where(np.isnan(today), np.nan, (self._below + 1.0) / 2) / n
