"""How often a panel has bars, and whether its stocks share a calendar."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from zoo.data.sources.columns import listed

if TYPE_CHECKING:
    from zoo.data.panel import Panel

USUAL = 252.0
_BY_WEEKDAYS = {6: 300.0, 7: 365.0}
_BY_GAP = (
    (1.5, USUAL, "daily"),
    (10, 52.0, "weekly"),
    (20, 26.0, "fortnightly"),
    (45, 12.0, "monthly"),
    (135, 4.0, "quarterly"),
)
_LONG_GAP = 366  # days without any row, after which one of the dates beside may be wrong
_RARE = 0.3  # share of the days between the first and the last close, below which bars are of another frequency
_SELDOM = 0.05  # share of days below which a weekday is no trading day


def periods_per_year(days: np.ndarray) -> float:
    """Bars a year of a calendar `[D]` datetime64[D]: 252 or, with seven trading days a week, 365; 52, 26, 12, 4, 1.

    The median step decides, so that holidays and missing years do not; below two days it is 252.
    """
    if len(days) < 2:
        return USUAL
    gap = float(np.median(np.diff(days).astype(np.int64)))
    weekdays = np.bincount((days.astype(np.int64) + 3) % 7, minlength=7) / len(days)
    for longest, periods, _ in _BY_GAP:
        if gap <= longest:
            return _BY_WEEKDAYS.get(int((weekdays >= _SELDOM).sum()), USUAL) if periods == USUAL else periods
    return 1.0


def usual_days(close: np.ndarray) -> np.ndarray:
    """`[D]` bool, days on which at least half of the usual number of stocks has a close; `close` is `[D, N]`."""
    traded = np.isfinite(close).sum(axis=1)
    return traded * 2 >= np.median(traded[traded > 0]) if traded.any() else traded > 0


def calendar_notes(panel: Panel) -> list[str]:
    """What is not as with daily bars on weekdays: other bars, and stocks that trade on weekends among others."""
    notes = []
    periods = panel.periods_per_year
    if periods != USUAL and panel.n_days > 1:
        gap = float(np.median(np.diff(panel.days).astype(np.int64)))
        name = next((name for longest, _, name in _BY_GAP if gap <= longest), "yearly")
        what = "seven days a week" if periods == 365 else f"{name} bars"
        notes.append(f"{what}: a year has {periods:g} periods, a lookback of 20 spans {20 * 365.25 / periods:.0f} days")
    traded = np.isfinite(panel.field("close"))
    gaps = np.diff(panel.days).astype(np.int64) if periods > 1 else np.empty(0, np.int64)
    if len(gaps) and gaps.max() > _LONG_GAP:
        at = int(gaps.argmax())
        beside = f"{panel.days[at]} is followed by {panel.days[at + 1]}"
        notes.append(f"no row for {gaps[at] / 365.25:.1f} years: {beside}; is one of the dates wrong?")
    first, last = traded.argmax(axis=0), panel.n_days - 1 - traded[::-1].argmax(axis=0)
    rare = (last - first >= 20) & (traded.sum(axis=0) < _RARE * (last - first + 1))
    if rare.any() and not rare.all():
        told = f"{int(rare.sum()):,} of {panel.n_stocks:,} symbols ({listed(panel.symbols[rare])})"
        notes.append(
            f"{told} have a close on less than {_RARE:.0%} of their days: are their bars of another frequency?"
        )
    weekend = ~np.is_busday(panel.days)
    at_weekends = traded[weekend].sum(axis=0) > 0.1 * np.maximum(traded.sum(axis=0), 1)
    n_mixed = int(at_weekends.sum())
    if 0 < n_mixed < panel.n_stocks:
        closed = int((~usual_days(panel.field("close"))).sum())
        names = listed(panel.symbols[at_weekends])
        told = f"{n_mixed:,} of {panel.n_stocks:,} symbols trade on weekends ({names}), the others do not"
        notes.append(f"{told}: on {closed:,} of {panel.n_days:,} days most are closed, which are no cross-section")
    return notes
