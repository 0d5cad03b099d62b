"""What is wrong, or strange, in a panel: each check gives the cells where it strikes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from zoo.data.features.raw import previous_present
from zoo.data.pages import stock_blocks
from zoo.data.panel import Panel, presence
from zoo.data.sources.conventions.scale import NEAR, UNDONE_DAYS, ScaleBreaks, scale_breaks

STALE_DAYS = 5
LONG_CALENDAR_GAP = 10
SCALE = "close on another scale than the one before"
SCALE_WITHIN = "open, high or low on another scale than the close"
_ORDER = ("high below low", "close outside low .. high", "open outside low .. high")
_MOST_OUT_OF_ORDER = 0.01  # of the rows; a handful of wrong quotes changes no comparison
_FIRST = 3
_ROUNDING = 1e-6  # relative; adjusted prices are products rounded to float32
JUMP = 0.4
SPLIT_TOLERANCE = 0.04  # the day's own return comes on top of the split
VOLUME_DAYS = 10
VOLUME_MOVE = (0.5, 2.5)  # of the price's move, in logs; more is news
_PARTS = [(1, n) for n in (2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 50, 100)] + [(2, 3), (2, 5)]
FRACTIONS = {f"{a}/{b}": a / b for a, b in _PARTS} | {f"{b}/{a}": b / a for a, b in _PARTS}
"""Price ratios of splits and consolidations, new over old."""


@dataclass(frozen=True)
class Problem:
    """One check and the K cells or stretches of days where it strikes.

    Attributes:
        title: what is wrong.
        error: the values cannot be true; else they may be, and a researcher should know.
        day, stock: `[K]` positions in the panel, the first day of a stretch; stock is -1 for a whole day.
        values: what to print beside each, `[K]` numbers or texts by name.
        summary: one line on all of them.
    """

    title: str
    error: bool
    day: np.ndarray
    stock: np.ndarray
    values: dict[str, np.ndarray] = field(default_factory=dict)
    summary: str = ""

    @property
    def count(self) -> int:
        return len(self.day)

    @property
    def headline(self) -> str:
        """`zero volume: 4`, with the summary behind it."""
        return f"{self.title}: {self.count:,}" + (f" ({self.summary})" if self.summary else "")

    def line(self, panel: Panel, k: int) -> str:
        """`AAPL 2014-06-09: high 92, low 93`."""
        who = f"{panel.symbols[self.stock[k]]} " if self.stock[k] >= 0 else ""
        pairs = (f"{name} {_text(values[k])}".strip() for name, values in self.values.items())
        told = ", ".join(filter(None, pairs))
        return f"{who}{panel.days[self.day[k]]}" + (f": {told}" if told else "")


def counted(number: int, word: str) -> str:
    """`1 day`, `1,234 days`."""
    return f"{number:,} {word}" + ("s" if number != 1 else "")


def _text(value: object) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:,.0f}" if abs(value) >= 1e5 else f"{value:.6g}"
    return str(value)


def find_problems(panel: Panel, on_step: Callable[[int, int], None] = lambda done, total: None) -> list[Problem]:
    """All checks in a fixed order, errors first, those without a hit included."""
    checks = (_order, _missing, _gaps, _moves, _quiet, _calendar)
    problems: list[Problem] = []
    for k, check in enumerate(checks):
        problems += check(panel)
        on_step(k + 1, len(checks))
    return sorted(problems, key=lambda p: not p.error)


def misleading(problems: list[Problem], panel: Panel) -> list[Problem]:
    """What makes returns wrong: closes on another scale, prices out of order on more than 1 % of the rows."""
    rows = np.isfinite(panel.field("close")).sum()
    worst = {SCALE: 0, **dict.fromkeys(_ORDER, _MOST_OUT_OF_ORDER * rows)}
    return [p for p in problems if p.title in worst and p.count > worst[p.title]]


def verdict(problems: list[Problem], panel: Panel) -> str:
    """`validate finds 1 error, 31 warnings: ...` with the first three kinds; empty: none."""
    struck = [p for p in problems if p.count]
    errors = sum(p.count for p in struck if p.error)
    warnings = sum(p.count for p in struck) - errors
    first = "; ".join(f"{p.headline}, first {p.line(panel, 0)}" for p in struck[:_FIRST])
    return f"validate finds {counted(errors, 'error')}, {counted(warnings, 'warning')}: {first}" if struck else ""


def _cells(title: str, error: bool, where: np.ndarray, **values: np.ndarray) -> Problem:
    """A problem at the cells of `where [D, N]`, with the values `[D, N]` there."""
    stock, day = np.nonzero(where.T)
    return Problem(title, error, day, stock, {name: v[day, stock] for name, v in values.items()})


def _order(panel: Panel) -> Iterator[Problem]:
    high, low = panel.field("high"), panel.field("low")
    crossed = high < low
    yield _cells("high below low", True, crossed, high=high, low=low)
    for name in ("close", "open", "vwap"):
        price = panel.field(name)
        outside = (price > high * (1 + _ROUNDING)) | (price < low * (1 - _ROUNDING))
        # A vwap may hold trades that high and low leave out, such as those before the opening.
        error = name != "vwap"
        yield _cells(f"{name} outside low .. high", error, outside & ~crossed, **{name: price}, low=low, high=high)


def _missing(panel: Panel) -> Iterator[Problem]:
    some = panel.has_row().T
    for name in panel.fields:
        if name in panel.own_fields:
            continue  # told as coverage
        yield _cells(f"missing {name}", False, some & ~np.isfinite(panel.field(name)))


def _gaps(panel: Panel) -> Iterator[Problem]:
    close = panel.field("close")
    stock, first, length = _runs((presence(close) & ~np.isfinite(close)).T)
    longest = counted(int(length.max(initial=0)), "day")
    of_stocks = counted(len(np.unique(stock)), "stock")
    summary = f"{counted(int(length.sum()), 'day')} of {of_stocks}, longest {longest}" if len(stock) else ""
    title = "days without a close between a stock's first and last"
    yield Problem(title, False, first, stock, {"days": length}, summary)


def _runs(true: np.ndarray, least: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stock, first day and length of each run of True along `[N, D]`, the longest first."""
    edges = np.diff(np.pad(true, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    stock, first = np.nonzero(edges == 1)
    length = np.nonzero(edges == -1)[1] - first
    order = np.argsort(-length, kind="stable")
    order = order[length[order] >= least]
    return stock[order], first[order], length[order]


def _moves(panel: Panel) -> Iterator[Problem]:
    breaks = scale_breaks(panel)
    closes = breaks.field == "close"
    for title, chosen in ((SCALE, closes), (SCALE_WITHIN, ~closes)):
        values = {"": breaks.field[chosen], "is": breaks.price[chosen], "beside": breaks.before[chosen]}
        yield Problem(title, True, breaks.day[chosen], breaks.stock[chosen], values)
    yield jumps(panel, breaks)
    yield splits(panel)


def _quiet(panel: Panel) -> Iterator[Problem]:
    close = panel.field("close").T
    stock, first, changes = _runs(close[:, 1:] == close[:, :-1], STALE_DAYS - 1)
    length = changes + 1
    summary = f"{int(length.sum()):,} days, longest {int(length.max()):,}" if len(stock) else ""
    values = {"close": close[stock, first], "days": length}
    yield Problem(f"{STALE_DAYS} or more identical closes in a row", False, first, stock, values, summary)
    yield _cells("zero volume", False, panel.field("volume") == 0, close=panel.field("close"))


def _calendar(panel: Panel) -> Iterator[Problem]:
    step = np.diff(panel.days, append=panel.days[-1:]).astype(np.int64)
    silent = ~np.isfinite(panel.field("close")).any(axis=1)
    pause = f"calendar pauses of more than {LONG_CALENDAR_GAP} days"
    yield _whole_days("days on a weekend", ~np.is_busday(panel.days))
    yield _whole_days(pause, step > LONG_CALENDAR_GAP, **{"next day after": step})
    yield _whole_days("days without any close", silent)


def _whole_days(title: str, where: Any, **values: np.ndarray) -> Problem:
    """A problem on the days of `where [D]`, with the values `[D]` there."""
    day = np.flatnonzero(where)
    return Problem(title, False, day, np.full(len(day), -1), {name: v[day] for name, v in values.items()})


def jumps(panel: Panel, breaks: ScaleBreaks) -> Problem:
    """Closes more than 40 % from the one before, but for `breaks`; a remark tells those that come back."""
    stock, day, now, then = _steps(panel, lambda ratio: np.abs(ratio - 1) > JUMP)
    on_close = breaks.field == "close"
    far = ~np.isin(stock * panel.n_days + day, breaks.stock[on_close] * panel.n_days + breaks.day[on_close])
    stock, day, now, then = stock[far], day[far], now[far], then[far]
    close = panel.field("close")
    is_undone = np.zeros(len(day), dtype=bool)
    for ahead in range(1, UNDONE_DAYS + 1):
        later = np.minimum(day + ahead, panel.n_days - 1)
        # Back to where it came from, by at least three quarters of the way in logs.
        back = np.abs(np.log(close[later, stock].astype(np.float64) / then)) < NEAR * np.abs(np.log(now / then))
        is_undone |= back & (day + ahead < panel.n_days)
    remark = np.where(is_undone, f"undone within {UNDONE_DAYS} days", "").astype(object)
    summary = f"undone within {UNDONE_DAYS} days, so perhaps bad prints: {is_undone.sum()}" if is_undone.any() else ""
    values = {"close": now, "before it": then, "": remark}
    return Problem("close jumps by more than 40 %", False, day, stock, values, summary)


def _steps(
    panel: Panel, chosen: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Stock and day of the closes whose ratio to the one before is `chosen`, and both closes; some stocks at a time."""
    parts = []
    for block in stock_blocks(panel.stock_major):
        close = panel.series("close", block).astype(np.float64)
        before = previous_present(close)
        stock, day = np.nonzero(chosen(close / before))
        parts.append((stock + block.start, day, close[stock, day], before[stock, day]))
    stock, day, now, then = (np.concatenate(column) for column in zip(*parts, strict=True))
    return stock, day, now, then


def splits(panel: Panel) -> Problem:
    """Price ratios near a simple fraction, with a volume that moves the other way.

    A split by 1/2 doubles the shares traded: the median volume of the 10 days after over that of the 10 days
    before must move by `VOLUME_MOVE` as much, 1.4 to 5.7 times. Without volume nothing is suspected.
    """
    names, fractions = np.array(list(FRACTIONS), dtype=object), np.log(list(FRACTIONS.values()))
    stock, day, now, then = _steps(panel, lambda ratio: np.abs(np.log(ratio)) > 0.3)
    move = np.log(now / then)
    nearest = np.abs(move[:, None] - fractions).argmin(axis=1)
    near = np.abs(move - fractions[nearest]) < np.log1p(SPLIT_TOLERANCE)
    stock, day, move, nearest = stock[near], day[near], move[near], nearest[near]
    volume = panel.field("volume").T
    change = np.array([_volume_change(volume[s], d) for s, d in zip(stock, day, strict=True)])
    share = -change / move
    moved = (share >= VOLUME_MOVE[0]) & (share <= VOLUME_MOVE[1])
    values = {"close / close before": np.exp(move), "near": names[nearest], "volume x": np.exp(change)}
    chosen = {name: value[moved] for name, value in values.items()}
    return Problem("unadjusted split suspected", False, day[moved], stock[moved], chosen)


def _volume_change(volume: np.ndarray, day: int) -> float:
    """Log of the median volume from `day` on over that before it; NaN where either is unknown."""
    before = volume[max(day - VOLUME_DAYS, 0) : day]
    after = volume[day : day + VOLUME_DAYS]
    before, after = before[before > 0], after[after > 0]
    return float(np.log(np.median(after) / np.median(before))) if len(before) and len(after) else np.nan
