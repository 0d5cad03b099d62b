"""Days and months along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_PERIODS = 36
_STEPS = (1, 2, 3, 6, 12, 24, 60, 120, 240)


def day_numbers(index: pd.Index) -> np.ndarray:
    """Days since 1970 `[D]`, float64."""
    return pd.DatetimeIndex(index).to_numpy().astype("datetime64[D]").astype(np.float64)


def label_days(axes: Axes, numbers: np.ndarray, most: int = 3) -> None:
    """Ticks at the first of some months, as YYYY-MM, or of some years; at the first day where no month begins."""
    positions, labels = _ticks(numbers, most)
    axes.set_xticks(positions, labels)


def _ticks(numbers: np.ndarray, most: int) -> tuple[list[float], list[str]]:
    first, last = (np.datetime64(int(n), "D") for n in (numbers.min(), numbers.max()))
    months = np.arange(first.astype("datetime64[M]"), last.astype("datetime64[M]") + 1)
    begun = months[months.astype("datetime64[D]") >= first]
    for step in _STEPS:
        chosen = begun[begun.astype(int) % step == 0]
        if 0 < len(chosen) <= most:
            positions = chosen.astype("datetime64[D]").astype(float).tolist()
            return positions, [str(m)[: 4 if step >= 12 else 7] for m in chosen]
    return [float(numbers.min())], [str(first)]


def periods(index: pd.Index) -> tuple[pd.PeriodIndex, str]:
    """The month of every day; the quarter or the year where there would be more than `MOST_PERIODS` of them."""
    days = pd.DatetimeIndex(index)
    for frequency, word in (("M", "month"), ("Q", "quarter")):
        by_day = days.to_period(frequency)
        if by_day.nunique() <= MOST_PERIODS:
            return by_day, word
    return days.to_period("Y"), "year"


def period_labels(by_day: list[pd.Period]) -> tuple[list[str], list[str]]:
    """Upper and lower label of each period: month or quarter, and the year where it begins."""
    upper, lower = [], []
    for i, period in enumerate(by_day):
        kind = str(period.freqstr)[0]
        upper.append({"M": f"{period.month:02d}", "Q": f"Q{period.quarter}"}.get(kind, str(period.year)))
        begins = i == 0 or by_day[i - 1].year != period.year
        lower.append(str(period.year) if begins and kind in "MQ" else "")
    return upper, lower
