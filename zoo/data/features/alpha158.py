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

import numpy as np

from zoo.data.features import _order as order
from zoo.data.features import _rolling as rolling
from zoo.data.panel import FIELDS, Panel
from zoo.errors import ConfigError, DataError, did_you_mean
from zoo.shapes import Float

WINDOWS = (5, 10, 20, 30, 60)
_TINY = 1e-12
_BLOCK = 12_000  # stock-days computed together: the arrays of a window statistic then stay in the cache


class _Moves:
    """Gains and losses of a series, both counted as positive."""

    def __init__(self, change: np.ndarray, masks: rolling.Masks) -> None:
        self._counts = masks.counts(np.isfinite(change))
        self._up = rolling.Totals(np.maximum(change, 0))
        self._down = rolling.Totals(np.maximum(-change, 0))

    def up(self, d: int) -> np.ndarray:
        """Share of the gains in all moves of a window; `down` that of the losses, `net` their difference."""
        return self._up.total(d) / self._all(d)

    def down(self, d: int) -> np.ndarray:
        return self._down.total(d) / self._all(d)

    def net(self, d: int) -> np.ndarray:
        return (self._up.total(d) - self._down.total(d)) / self._all(d)

    def _all(self, d: int) -> np.ndarray:
        total = self._up.total(d) + self._down.total(d) + _TINY
        total[self._counts.n(d) == 0] = np.nan
        return total


class _Block:
    """The fields of some stocks, float32 `[n, D]`, and their window statistics, made when first used."""

    def __init__(self, panel: Panel, stocks: slice) -> None:
        rows = panel.stock_major[stocks]
        missing = np.full(rows.shape[:2], np.nan, dtype=np.float32)
        fields = [
            np.ascontiguousarray(rows[:, :, panel.fields.index(name)]) if name in panel.fields else missing
            for name in FIELDS
        ]
        self.O, self.H, self.L, self.C, self.W, self.V = fields
        self.C1, self.V1 = rolling.days_ago(self.C, 1), rolling.days_ago(self.V, 1)
        self.alive = panel.member.T[stocks].copy()
        for values in fields:
            self.alive |= np.isfinite(values)
        np.logical_or.accumulate(self.alive, axis=1, out=self.alive)
        self.age = np.cumsum(self.alive, axis=1)
        self.masks = rolling.Masks()

    close = cached_property(lambda b: rolling.Trend(b.C, b.masks))
    quantiles = cached_property(lambda b: order.Quantiles(b.C, shares=(0.8, 0.2)))
    ranks = cached_property(lambda b: order.Ranks(b.C))
    high = cached_property(lambda b: order.Maxima(b.H, b.alive))
    minus_low = cached_property(lambda b: order.Maxima(-b.L, b.alive))
    volume = cached_property(lambda b: rolling.Moments(b.V, b.masks))
    moved_volume = cached_property(lambda b: rolling.Moments(np.abs(b.C / b.C1 - 1) * b.V, b.masks))
    level_corr = cached_property(lambda b: rolling.Correlation(b.C, np.log(b.V + 1), b.masks))
    change_corr = cached_property(lambda b: rolling.Correlation(b.C / b.C1, np.log(b.V / b.V1 + 1), b.masks))
    moves = cached_property(lambda b: _Moves(b.C - b.C1, b.masks))
    volume_moves = cached_property(lambda b: _Moves(b.V - b.V1, b.masks))
    _rises = cached_property(lambda b: rolling.Totals(b.C > b.C1))
    _falls = cached_property(lambda b: rolling.Totals(b.C < b.C1))

    def days(self, d: int) -> np.ndarray:
        """Calendar days in each window."""
        return np.minimum(self.age, d)

    def rises(self, d: int) -> np.ndarray:
        """Share of days that closed higher than the day before."""
        return self._rises.total(d) / self.days(d)

    def falls(self, d: int) -> np.ndarray:
        return self._falls.total(d) / self.days(d)

    def high_at(self, d: int) -> np.ndarray:
        """1-based position of the high, from the window's first day."""
        return self.days(d) - self.high.lag(d)

    def low_at(self, d: int) -> np.ndarray:
        return self.days(d) - self.minus_low.lag(d)

    def range_position(self, d: int) -> np.ndarray:
        low = -self.minus_low.value(d)
        return (self.C - low) / (self.high.value(d) - low + _TINY)


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
    "ROC": lambda b, d: rolling.days_ago(b.C, d) / b.C,
    "MA": lambda b, d: b.close.mean(d) / b.C,
    "STD": lambda b, d: b.close.sd(d) / b.C,
    "BETA": lambda b, d: b.close.slope(d) / b.C,
    "RSQR": lambda b, d: b.close.r_squared(d),
    "RESI": lambda b, d: b.close.residual(b.C, d) / b.C,
    "MAX": lambda b, d: b.high.value(d) / b.C,
    "MIN": lambda b, d: -b.minus_low.value(d) / b.C,
    "QTLU": lambda b, d: b.quantiles.value(0.8, d) / b.C,
    "QTLD": lambda b, d: b.quantiles.value(0.2, d) / b.C,
    "RANK": lambda b, d: b.ranks.value(d),
    "RSV": lambda b, d: b.range_position(d),
    "IMAX": lambda b, d: b.high_at(d) / d,
    "IMIN": lambda b, d: b.low_at(d) / d,
    "IMXD": lambda b, d: (b.high_at(d) - b.low_at(d)) / d,
    "CORR": lambda b, d: b.level_corr.value(d),
    "CORD": lambda b, d: b.change_corr.value(d),
    "CNTP": lambda b, d: b.rises(d),
    "CNTN": lambda b, d: b.falls(d),
    "CNTD": lambda b, d: b.rises(d) - b.falls(d),
    "SUMP": lambda b, d: b.moves.up(d),
    "SUMN": lambda b, d: b.moves.down(d),
    "SUMD": lambda b, d: b.moves.net(d),
    "VMA": lambda b, d: b.volume.mean(d) / (b.V + _TINY),
    "VSTD": lambda b, d: b.volume.sd(d) / (b.V + _TINY),
    "WVMA": lambda b, d: b.moved_volume.sd(d) / (b.moved_volume.mean(d) + _TINY),
    "VSUMP": lambda b, d: b.volume_moves.up(d),
    "VSUMN": lambda b, d: b.volume_moves.down(d),
    "VSUMD": lambda b, d: b.volume_moves.net(d),
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
    out: Float[np.ndarray, "n D F"] | None = None,
    stocks: slice | None = None,
    workers: int | None = None,
) -> Float[np.ndarray, "n D F"]:
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
    with np.errstate(all="ignore"):  # missing values and divisions by 0 give NaN and inf, as in the reference
        block = _Block(panel, stocks)
        out = np.empty((len(names), *block.C.shape), dtype=np.float32)
        for i, name in enumerate(names):
            factor, d = _KEYS[name]
            out[i] = _WINDOWED[factor](block, d) if d else _DAILY[factor](block)
        return out
