"""alpha158 written down literally, one window at a time: slow, and sharing nothing with what it checks."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy.stats import rankdata

from zoo.data.features.alpha158 import WINDOWS

TINY = 1e-12
NAN = math.nan


def factors_at(stock: Mapping[str, np.ndarray], t: int, first: int) -> dict[str, float]:
    """Every factor of one stock at day t; `stock` maps field to `[D]` float32, `first` is its first day."""
    o, h, low, c, w, v = (stock[name] for name in ("open", "high", "low", "close", "vwap", "volume"))
    c1, v1 = _day_before(c), _day_before(v)
    one, tiny = np.float32(1), np.float32(TINY)
    top, bottom, span = np.maximum(o, c)[t], np.minimum(o, c)[t], h[t] - low[t] + tiny
    out: dict[str, float] = {
        "KMID": (c[t] - o[t]) / o[t],
        "KLEN": (h[t] - low[t]) / o[t],
        "KMID2": (c[t] - o[t]) / span,
        "KUP": (h[t] - top) / o[t],
        "KUP2": (h[t] - top) / span,
        "KLOW": (bottom - low[t]) / o[t],
        "KLOW2": (bottom - low[t]) / span,
        "KSFT": (2 * c[t] - h[t] - low[t]) / o[t],
        "KSFT2": (2 * c[t] - h[t] - low[t]) / span,
        "OPEN0": o[t] / c[t],
        "HIGH0": h[t] / c[t],
        "LOW0": low[t] / c[t],
        "VWAP0": w[t] / c[t],
    }
    close, volume = float(c[t]), float(v[t] + tiny)
    series = {
        "gain": np.maximum(c - c1, 0),
        "loss": np.maximum(c1 - c, 0),
        "volume gain": np.maximum(v - v1, 0),
        "volume loss": np.maximum(v1 - v, 0),
        "moved": np.abs(c / c1 - one) * v,
        "ratio": c / c1,
        "log volume": np.log(v + one),
        "log change": np.log(v / v1 + one),
    }
    for d in WINDOWS:
        days = slice(max(first, t - d + 1), t + 1)
        x = present(c[days])
        slope, r_squared, line = _regression(c[days])
        i_max, i_min = _place(h[days], np.argmax), _place(low[days], np.argmin)
        high, bottom = _of(present(h[days]), np.max), _of(present(low[days]), np.min)
        up, down = np.mean(c[days] > c1[days]), np.mean(c[days] < c1[days])
        sums = {name: _of(present(series[name][days]), np.sum) for name in series}
        moves = sums["gain"] + sums["loss"] + TINY
        volume_moves = sums["volume gain"] + sums["volume loss"] + TINY
        moved, volumes = present(series["moved"][days]), present(v[days])
        out |= {
            f"ROC{d}": float(c[t - d] / c[t]) if t >= d else NAN,
            f"MA{d}": _of(x, np.mean) / close,
            f"STD{d}": sd(x) / close,
            f"BETA{d}": slope / close,
            f"RSQR{d}": r_squared if sd(x) > 2e-5 else NAN,
            f"RESI{d}": (close - line) / close,
            f"MAX{d}": high / close,
            f"MIN{d}": bottom / close,
            f"QTLU{d}": _of(x, lambda x: np.quantile(x, 0.8)) / close,
            f"QTLD{d}": _of(x, lambda x: np.quantile(x, 0.2)) / close,
            f"RANK{d}": rankdata(x)[-1] / len(x) if np.isfinite(close) else NAN,
            f"RSV{d}": (close - bottom) / (high - bottom + TINY),
            f"IMAX{d}": i_max / d,
            f"IMIN{d}": i_min / d,
            f"IMXD{d}": (i_max - i_min) / d,
            f"CORR{d}": _correlation(c[days], series["log volume"][days]),
            f"CORD{d}": _correlation(series["ratio"][days], series["log change"][days]),
            f"CNTP{d}": up,
            f"CNTN{d}": down,
            f"CNTD{d}": up - down,
            f"SUMP{d}": sums["gain"] / moves,
            f"SUMN{d}": sums["loss"] / moves,
            f"SUMD{d}": (sums["gain"] - sums["loss"]) / moves,
            f"VMA{d}": _of(volumes, np.mean) / volume,
            f"VSTD{d}": sd(volumes) / volume,
            f"WVMA{d}": sd(moved) / (_of(moved, np.mean) + TINY),
            f"VSUMP{d}": sums["volume gain"] / volume_moves,
            f"VSUMN{d}": sums["volume loss"] / volume_moves,
            f"VSUMD{d}": (sums["volume gain"] - sums["volume loss"]) / volume_moves,
        }
    return out


def present(values: np.ndarray) -> np.ndarray:
    return values[np.isfinite(values)].astype(np.float64)


def sd(x: np.ndarray) -> float:
    if len(x) < 2:
        return NAN
    return 0.0 if np.ptp(x) == 0 else float(np.std(x, ddof=1))


def _day_before(values: np.ndarray) -> np.ndarray:
    return np.concatenate([[np.float32(NAN)], values[:-1]])


def _of(x: np.ndarray, function) -> float:
    return float(function(x)) if len(x) else NAN


def _place(values: np.ndarray, function) -> float:
    """1-based; numpy counts a NaN as the extreme and takes the first."""
    return float(function(values)) + 1 if len(present(values)) else NAN


def _regression(window: np.ndarray) -> tuple[float, float, float]:
    """Slope, R^2 and the line's value on the window's last day."""
    at = np.flatnonzero(np.isfinite(window))
    y = window[at].astype(np.float64)
    if len(y) < 2:
        return NAN, NAN, NAN
    dx, dy = at - at.mean(), y - y.mean()
    slope = (dx @ dy) / (dx @ dx)
    r_squared = (dx @ dy) ** 2 / (dx @ dx) / (dy @ dy) if np.ptp(y) > 0 else NAN
    return slope, r_squared, y.mean() + slope * (len(window) - 1 - at.mean())


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    if sd(present(a)) <= 2e-5 or sd(present(b)) <= 2e-5:
        return NAN
    both = np.isfinite(a) & np.isfinite(b)
    x, y = a[both].astype(np.float64), b[both].astype(np.float64)
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return NAN
    dx, dy = x - x.mean(), y - y.mean()
    return float((dx @ dy) / np.sqrt((dx @ dx) * (dy @ dy)))
