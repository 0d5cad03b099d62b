"""alpha158: 158 price and volume factors per stock and day, as qlib's handler of that name defines them.

Below, C, O, H, L, W and V are a day's close, open, high, low, vwap and volume; C1 and V1 are those of the
calendar day before, never filled; d is a window length. A window is the last d calendar days, fewer
before the stock has d; days whose value (or pair of values) is missing drop out, except in IMAX, IMIN and
CNT. Fields and the arithmetic between them are float32, window statistics and what is made from them
float64, results float32.

A stock's first day is the first on which it has a value or is a member; before it, every factor is NaN. After
its last day the windows go on as if it were suspended, since on that day nobody knew that it was the last.

`alpha158_20` is 20 of these factors over a window of 20 days. Rows missing inside such a window are filled
forward, then backward, where the window is gathered; the factors here are never filled.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import NamedTuple

import numpy as np

from zoo.data.features import _rolling as rolling
from zoo.data.panel import FIELDS, Panel
from zoo.errors import ConfigError, DataError, did_you_mean

WINDOWS = (5, 10, 20, 30, 60)
_TINY = 1e-12
_BLOCK = 12_000  # stock-days computed together: the arrays of a window statistic then stay in the cache


class _Moves(NamedTuple):
    """Sums of a window's gains and losses, both positive."""

    up: np.ndarray
    down: np.ndarray

    @property
    def total(self) -> np.ndarray:
        return self.up + self.down + _TINY


class _Block:
    """The fields of some stocks, float32 `[n, D]`, and their window statistics, computed when first used."""

    def __init__(self, panel: Panel, stocks: slice, windows: Sequence[int]) -> None:
        rows = panel.stock_major[stocks]
        missing = np.full(rows.shape[:2], np.nan, dtype=np.float32)
        fields = [
            np.ascontiguousarray(rows[:, :, panel.fields.index(name)]) if name in panel.fields else missing
            for name in FIELDS
        ]
        self.O, self.H, self.L, self.C, self.W, self.V = fields
        self.windows = windows
        self.alive = panel.member.T[stocks].copy()
        for values in fields:
            self.alive |= np.isfinite(values)
        np.logical_or.accumulate(self.alive, axis=1, out=self.alive)
        self.age = np.cumsum(self.alive, axis=1)
        self.C1, self.V1 = days_ago(self.C, 1), days_ago(self.V, 1)

    def _series(self, values: np.ndarray) -> rolling.Series:
        return rolling.Series(values, max(self.windows, default=1))

    @cached_property
    def lines(self) -> dict[int, tuple[rolling.Moments, rolling.Line]]:
        return self._series(self.C).lines(self.windows)

    @cached_property
    def highs(self) -> dict[int, rolling.Extreme]:
        return rolling.maxima(self.H, self.alive, self.windows)

    @cached_property
    def lows(self) -> dict[int, rolling.Extreme]:
        """Of -L."""
        return rolling.maxima(-self.L, self.alive, self.windows)

    @cached_property
    def quantiles(self) -> dict[int, list[np.ndarray]]:
        return rolling.quantiles(self.C, (0.8, 0.2), self.windows)

    @cached_property
    def ranks(self) -> dict[int, np.ndarray]:
        return rolling.ranks(self.C, self.windows)

    @cached_property
    def corr(self) -> dict[int, np.ndarray]:
        return rolling.correlations(self.C, np.log(self.V + 1), self.windows)

    @cached_property
    def cord(self) -> dict[int, np.ndarray]:
        return rolling.correlations(self.C / self.C1, np.log(self.V / self.V1 + 1), self.windows)

    @cached_property
    def volume(self) -> dict[int, rolling.Moments]:
        return self._series(self.V).moments(self.windows)

    @cached_property
    def moved_volume(self) -> dict[int, rolling.Moments]:
        return self._series(np.abs(self.C / self.C1 - 1) * self.V).moments(self.windows)

    @cached_property
    def price_moves(self) -> dict[int, _Moves]:
        return self._moves(self.C - self.C1)

    @cached_property
    def volume_moves(self) -> dict[int, _Moves]:
        return self._moves(self.V - self.V1)

    def _moves(self, change: np.ndarray) -> dict[int, _Moves]:
        up, down = (self._series(np.maximum(side, 0)).totals(self.windows) for side in (change, -change))
        return {d: _Moves(up[d], down[d]) for d in self.windows}

    @cached_property
    def _rises(self) -> np.ndarray:
        return np.cumsum(self.C > self.C1, axis=1)

    @cached_property
    def _falls(self) -> np.ndarray:
        return np.cumsum(self.C < self.C1, axis=1)

    def days(self, d: int) -> np.ndarray:
        """Calendar days in each window."""
        return np.minimum(self.age, d)

    def rises(self, d: int) -> np.ndarray:
        return rolling.last_days(self._rises, d) / self.days(d)

    def falls(self, d: int) -> np.ndarray:
        return rolling.last_days(self._falls, d) / self.days(d)

    def place(self, extreme: rolling.Extreme, d: int) -> np.ndarray:
        """1-based position of an extreme, from the window's first day."""
        return self.days(d) - extreme.lag

    def range_position(self, d: int) -> np.ndarray:
        low = -self.lows[d].value
        return (self.C - low) / (self.highs[d].value - low + _TINY)


def days_ago(values: np.ndarray, d: int) -> np.ndarray:
    """`values [n, D]` as they were d calendar days ago, NaN before the first."""
    out = np.full_like(values, np.nan)
    out[:, d:] = values[:, :-d]
    return out


_DAILY: dict[str, Callable[[_Block], np.ndarray]] = {
    "KMID": lambda b: (b.C - b.O) / b.O,
    "KLEN": lambda b: (b.H - b.L) / b.O,
    "KMID2": lambda b: (b.C - b.O) / (b.H - b.L + _TINY),
    "KUP": lambda b: (b.H - np.maximum(b.O, b.C)) / b.O,
    "KUP2": lambda b: (b.H - np.maximum(b.O, b.C)) / (b.H - b.L + _TINY),
    "KLOW": lambda b: (np.minimum(b.O, b.C) - b.L) / b.O,
    "KLOW2": lambda b: (np.minimum(b.O, b.C) - b.L) / (b.H - b.L + _TINY),
    "KSFT": lambda b: (2 * b.C - b.H - b.L) / b.O,
    "KSFT2": lambda b: (2 * b.C - b.H - b.L) / (b.H - b.L + _TINY),
    "OPEN0": lambda b: b.O / b.C,
    "HIGH0": lambda b: b.H / b.C,
    "LOW0": lambda b: b.L / b.C,
    "VWAP0": lambda b: b.W / b.C,
}

_WINDOWED: dict[str, Callable[[_Block, int], np.ndarray]] = {
    "ROC": lambda b, d: days_ago(b.C, d) / b.C,
    "MA": lambda b, d: b.lines[d][0].mean / b.C,
    "STD": lambda b, d: b.lines[d][0].sd / b.C,
    "BETA": lambda b, d: b.lines[d][1].slope / b.C,
    "RSQR": lambda b, d: b.lines[d][1].r_squared,
    "RESI": lambda b, d: b.lines[d][1].residual / b.C,
    "MAX": lambda b, d: b.highs[d].value / b.C,
    "MIN": lambda b, d: -b.lows[d].value / b.C,
    "QTLU": lambda b, d: b.quantiles[d][0] / b.C,
    "QTLD": lambda b, d: b.quantiles[d][1] / b.C,
    "RANK": lambda b, d: b.ranks[d],
    "RSV": lambda b, d: b.range_position(d),
    "IMAX": lambda b, d: b.place(b.highs[d], d) / d,
    "IMIN": lambda b, d: b.place(b.lows[d], d) / d,
    "IMXD": lambda b, d: (b.place(b.highs[d], d) - b.place(b.lows[d], d)) / d,
    "CORR": lambda b, d: b.corr[d],
    "CORD": lambda b, d: b.cord[d],
    "CNTP": lambda b, d: b.rises(d),
    "CNTN": lambda b, d: b.falls(d),
    "CNTD": lambda b, d: b.rises(d) - b.falls(d),
    "SUMP": lambda b, d: b.price_moves[d].up / b.price_moves[d].total,
    "SUMN": lambda b, d: b.price_moves[d].down / b.price_moves[d].total,
    "SUMD": lambda b, d: (b.price_moves[d].up - b.price_moves[d].down) / b.price_moves[d].total,
    "VMA": lambda b, d: b.volume[d].mean / (b.V + _TINY),
    "VSTD": lambda b, d: b.volume[d].sd / (b.V + _TINY),
    "WVMA": lambda b, d: b.moved_volume[d].sd / (b.moved_volume[d].mean + _TINY),
    "VSUMP": lambda b, d: b.volume_moves[d].up / b.volume_moves[d].total,
    "VSUMN": lambda b, d: b.volume_moves[d].down / b.volume_moves[d].total,
    "VSUMD": lambda b, d: (b.volume_moves[d].up - b.volume_moves[d].down) / b.volume_moves[d].total,
}

_KEYS: dict[str, tuple[str, int]] = {name: (name, 0) for name in _DAILY} | {
    f"{name}{d}": (name, d) for name in _WINDOWED for d in WINDOWS
}
ALPHA158_NAMES: tuple[str, ...] = tuple(_KEYS)
"""The factors in qlib's order."""

# fmt: off
ALPHA158_20_NAMES: tuple[str, ...] = (
    "RESI5", "WVMA5", "RSQR5", "KLEN", "RSQR10",
    "CORR5", "CORD5", "CORR10", "ROC60", "RESI10",
    "VSTD5", "RSQR60", "CORR60", "WVMA60", "STD5",
    "RSQR20", "CORD60", "CORD10", "CORR20", "KLOW",
)
# fmt: on
"""The factors of `alpha158_20`, in its order."""


def alpha158(
    panel: Panel,
    columns: Sequence[str] | None = None,
    out: np.ndarray | None = None,
    stocks: slice | None = None,
    workers: int | None = None,
) -> np.ndarray:
    """The factors `columns` (default: all, `ALPHA158_NAMES`) as `[stock, day, factor]` float32.

    Stocks are computed in small blocks that do not affect each other, so results larger than memory are
    written by going through the panel in slices of `stocks`, with the same slices of a file mapped anew
    each time as `out`.

    Args:
        panel: a field it lacks makes the factors that read it NaN.
        columns: factors to compute, in the order wanted; time is spent only on what they need.
        out: where to write, `[stocks selected, D, len(columns)]` float32; returned.
        stocks: the stocks to compute, contiguous; default all.
        workers: threads; default one per core.

    Raises:
        ConfigError: a column that is not one of the 158.
        DataError: `out` of another shape or type, `stocks` with a step.
    """
    names = ALPHA158_NAMES if columns is None else tuple(columns)
    for name in names:
        if name not in _KEYS:
            raise ConfigError(f"alpha158 has no factor {name!r}{did_you_mean(name, _KEYS)}")
    first, last, step = (stocks or slice(None)).indices(panel.n_stocks)
    if step != 1:
        raise DataError(f"alpha158: stocks must be a contiguous slice, not one with step {step}")
    shape = (max(last - first, 0), panel.n_days, len(names))
    if out is None:
        out = np.empty(shape, dtype=np.float32)
    elif out.shape != shape or out.dtype != np.float32:
        raise DataError(f"alpha158: out is {out.dtype} {out.shape}, but float32 {shape} is needed")
    result, size = out, max(1, _BLOCK // panel.n_days)

    def compute(at: int) -> None:
        chunk = slice(at, min(at + size, last))
        result[at - first : chunk.stop - first] = _factors(panel, names, chunk).transpose(1, 2, 0)

    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        for _ in pool.map(compute, range(first, last, size)):  # map cancels what is left when one fails
            pass
    return result


def _factors(panel: Panel, names: Sequence[str], stocks: slice) -> np.ndarray:
    """`[factor, stock, day]` float32 of a block of stocks."""
    windows = sorted({_KEYS[name][1] for name in names} - {0})
    with np.errstate(all="ignore"):  # missing values and divisions by 0 give NaN and inf, as in the reference
        block = _Block(panel, stocks, windows)
        out = np.empty((len(names), *block.C.shape), dtype=np.float32)
        for i, name in enumerate(names):
            factor, d = _KEYS[name]
            out[i] = _WINDOWED[factor](block, d) if d else _DAILY[factor](block)
        return out
