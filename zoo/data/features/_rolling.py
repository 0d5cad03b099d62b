"""Statistics over the last d days of every day.

A window is merged from two shorter ones, the later as it is and the earlier as it was some days ago: 60
days are 30 + 30, 30 are 20 + 10, down to single days. Seven merges replace 60 days of sums, and a result
still reads the days of its own window only, always in the same order: no drift, no look-ahead, no
dependence to the last bit on which stocks or windows are computed together.

Spread is merged by the pairwise update of Chan, Golub and LeVeque (1983), a sum of squares about each
part's own mean. Nothing is subtracted, so the near-constant window of a high price loses no digits, and a
constant window has a spread of exactly 0.

Series are `[n, D]`, stock by day; a value that is not finite is missing and drops out of its windows.
Statistics are `[n, D]` float64, NaN where a window has too few values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from zoo.shapes import Num

PARTS = {2: (1, 1), 3: (2, 1), 5: (3, 2), 10: (5, 5), 20: (10, 10), 30: (20, 10), 60: (30, 30)}
"""The lengths of the later and the earlier part of each window."""

FLAT = 2e-5
"""A standard deviation up to this is taken for 0 where a statistic would divide by it."""

State = tuple[np.ndarray, ...]


def days_ago(values: Num[np.ndarray, "n D"], d: int, fill: float = np.nan) -> Num[np.ndarray, "n D"]:
    """`values [n, D]` as they were d calendar days ago, `fill` before the first."""
    out = np.empty_like(values)
    out[:, :d] = fill
    out[:, d:] = values[:, :-d]
    return out


class Windows(ABC):
    """What has to be known of each window, for window lengths that are computed when first asked for."""

    empty = 0.0
    """The state of a window without any day."""

    def __init__(self, *day: np.ndarray) -> None:
        self._states: dict[int, State] = {1: day}

    def state(self, d: int) -> State:
        if d not in self._states:
            later, earlier = PARTS[d]
            before = tuple(days_ago(part, later, self.empty) for part in self.state(earlier))
            self._states[d] = self.merge(self.state(later), before, d)
        return self._states[d]

    @abstractmethod
    def merge(self, a: State, b: State, d: int) -> State:
        """The state of a window of d days, made of its later part `a` and its earlier part `b`."""


class Counts(Windows):
    """Days present in each window, and the weights with which means and spreads of its parts are merged."""

    def __init__(self, present: np.ndarray) -> None:
        self.present = present
        super().__init__(present.astype(np.float64))
        self._weights: dict[int, State] = {}

    def merge(self, a: State, b: State, d: int) -> State:
        n = a[0] + b[0]
        share = b[0] / np.maximum(n, 1)
        self._weights[d] = share, a[0] * share
        return (n,)

    def n(self, d: int) -> np.ndarray:
        return self.state(d)[0]

    def weights(self, d: int) -> State:
        """The earlier part's share of the days, and the weight of the squared gap between the means."""
        self.state(d)
        return self._weights[d]

    def day(self, values: np.ndarray) -> np.ndarray:
        """The values as float64, 0 where not present."""
        return np.where(self.present, values, 0).astype(np.float64)

    def sd(self, spread: np.ndarray, d: int) -> np.ndarray:
        """Standard deviation (ddof 1, from 2 values) of windows with this sum of squares about the mean."""
        n = self.n(d)
        return np.sqrt(spread / np.where(n > 1, n - 1, np.nan))


class Masks:
    """Counts of the masks met, one for all series that miss the same days."""

    def __init__(self) -> None:
        self._met: list[Counts] = []

    def counts(self, present: np.ndarray) -> Counts:
        for counts in self._met:
            if np.array_equal(counts.present, present):
                return counts
        self._met.append(Counts(present))
        return self._met[-1]


class Totals(Windows):
    """Sums; 0 where a window has no value."""

    def __init__(self, values: np.ndarray) -> None:
        super().__init__(np.where(np.isfinite(values), values, 0).astype(np.float64))

    def merge(self, a: State, b: State, d: int) -> State:
        return (a[0] + b[0],)

    def total(self, d: int) -> np.ndarray:
        return self.state(d)[0]


class Moments(Windows):
    """Mean (from 1 value) and standard deviation (ddof 1, from 2 values)."""

    def __init__(self, values: np.ndarray, masks: Masks) -> None:
        self.counts = masks.counts(np.isfinite(values))
        mean = self.counts.day(values)
        super().__init__(mean, np.zeros_like(mean))

    def merge(self, a: State, b: State, d: int) -> State:
        share, weight = self.counts.weights(d)
        gap = b[0] - a[0]
        return a[0] + gap * share, a[1] + b[1] + gap * gap * weight

    def mean(self, d: int) -> np.ndarray:
        return np.where(self.counts.n(d) > 0, self.state(d)[0], np.nan)

    def sd(self, d: int) -> np.ndarray:
        return self.counts.sd(self.state(d)[1], d)


class Trend(Moments):
    """Least squares line through the values against their day (from 2 values), and the moments."""

    def __init__(self, values: np.ndarray, masks: Masks) -> None:
        super().__init__(values, masks)
        mean, zero = self.state(1)
        self._states[1] = mean, zero, zero, zero, zero

    def merge(self, a: State, b: State, d: int) -> State:
        """Of (mean, spread; mean and spread of the lag in days; co-spread)."""
        share, weight = self.counts.weights(d)
        gap, lag_gap = b[0] - a[0], b[2] + PARTS[d][0] - a[2]
        weighted = lag_gap * weight
        return (
            a[0] + gap * share,
            a[1] + b[1] + gap * gap * weight,
            a[2] + lag_gap * share,
            a[3] + b[3] + lag_gap * weighted,
            a[4] + b[4] + gap * weighted,
        )

    def slope(self, d: int) -> np.ndarray:
        *_, lag_spread, co = self.state(d)
        return -co / lag_spread

    def r_squared(self, d: int) -> np.ndarray:
        """NaN where the values are flat."""
        _, spread, _, lag_spread, co = self.state(d)
        return np.where(self.sd(d) <= FLAT, np.nan, co * co / (lag_spread * spread))

    def residual(self, today: np.ndarray, d: int) -> np.ndarray:
        """Today's value less that of the line."""
        mean, _, lag, *_ = self.state(d)
        return today - (mean + self.slope(d) * lag)


class Correlation(Windows):
    """Pearson correlation over the days that have both values (from 2).

    NaN where either series is flat, judged on all its own values, as the reference does.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray, masks: Masks) -> None:
        present = [np.isfinite(side) for side in (x, y)]
        self.counts = masks.counts(present[0] & present[1])
        means = [self.counts.day(side) for side in (x, y)]
        zero = np.zeros_like(means[0])
        super().__init__(*means, zero, zero, zero)
        self._own = [
            None if masks.counts(mask) is self.counts else Moments(side, masks)
            for mask, side in zip(present, (x, y), strict=True)
        ]

    def merge(self, a: State, b: State, d: int) -> State:
        """Of (mean x, mean y, spread x, spread y, co-spread)."""
        share, weight = self.counts.weights(d)
        x, y = b[0] - a[0], b[1] - a[1]
        weighted = x * weight
        return (
            a[0] + x * share,
            a[1] + y * share,
            a[2] + b[2] + x * weighted,
            a[3] + b[3] + y * y * weight,
            a[4] + b[4] + y * weighted,
        )

    def value(self, d: int) -> np.ndarray:
        _, _, *spreads, co = self.state(d)
        out = co / np.sqrt(spreads[0] * spreads[1])
        for own, spread in zip(self._own, spreads, strict=True):
            out[(self.counts.sd(spread, d) if own is None else own.sd(d)) <= FLAT] = np.nan
        return out
