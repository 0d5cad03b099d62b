"""What is wrong, or strange, in a panel: each check gives the cells where it strikes."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from bench.data.jumps import jumps, splits
from bench.data.problem import Problem, counted
from zoo.data.panel import Panel, presence
from zoo.data.sources.conventions.scale import scale_breaks

STALE_DAYS = 5
LONG_CALENDAR_GAP = 10
SCALE = "close on another scale than the one before"
SCALE_WITHIN = "open, high or low on another scale than the close"
_ORDER = ("high below low", "close outside low .. high", "open outside low .. high")
_MOST_OUT_OF_ORDER = 0.01  # of the rows; a handful of wrong quotes changes no comparison
_FIRST = 3
_ROUNDING = 1e-6  # relative; adjusted prices are products rounded to float32


def find_problems(panel: Panel, on_step: Callable[[int, int], None] | None = None) -> list[Problem]:
    """All checks in a fixed order, errors first, those without a hit included.

    Values a reader refuses (zero, negative or infinite) are missing in a panel; `refused_cells` finds them.
    """
    checks: list[Callable[[Panel], Iterator[Problem]]] = [_order, _missing, _gaps, _moves, _stale, _volume, _calendar]
    problems: list[Problem] = []
    for k, check in enumerate(checks):
        problems += check(panel)
        if on_step is not None:
            on_step(k + 1, len(checks))
    return sorted(problems, key=lambda p: not p.error)


def misleading(problems: list[Problem], panel: Panel) -> list[Problem]:
    """The problems that make returns wrong: closes on another scale, prices out of order on more than 1 % of the rows.

    Returns are those of closes: one low at a tenth of its close changes no label.
    """
    rows = np.isfinite(panel.field("close")).sum()
    worst = {SCALE: 0, **dict.fromkeys(_ORDER, _MOST_OUT_OF_ORDER * rows)}
    return [p for p in problems if p.title in worst and p.count > worst[p.title]]


def verdict(problems: list[Problem], panel: Panel) -> str:
    """`validate finds 1 error, 31 warnings: ...` with the first three kinds; empty where there are none."""
    struck = [p for p in problems if p.count]
    errors = sum(p.count for p in struck if p.error)
    warnings = sum(p.count for p in struck) - errors
    first = "; ".join(f"{p.headline}, first {p.line(panel, 0)}" for p in struck[:_FIRST])
    return f"validate finds {counted(errors, 'error')}, {counted(warnings, 'warning')}: {first}" if struck else ""


def runs(true: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every run of True along the days of `[N, D]`: stock, first day, number of days."""
    edges = np.diff(np.pad(true, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    stock, first = np.nonzero(edges == 1)
    return stock, first, np.nonzero(edges == -1)[1] - first


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
    some = np.isfinite(panel.values).any(axis=2)
    for name in panel.fields:
        yield _cells(f"missing {name}", False, some & ~np.isfinite(panel.field(name)))


def _gaps(panel: Panel) -> Iterator[Problem]:
    close = panel.field("close")
    absent = (presence(close) & ~np.isfinite(close)).T
    stock, first, length = runs(absent)
    worst = np.argsort(-length, kind="stable")
    stocks = len(np.unique(stock))
    longest = counted(int(length.max(initial=0)), "day")
    summary = f"{counted(int(length.sum()), 'day')} of {counted(stocks, 'stock')}, longest {longest}"
    title = "days without a close between a stock's first and last"
    yield Problem(title, False, first[worst], stock[worst], {"days": length[worst]}, summary if len(stock) else "")


def _moves(panel: Panel) -> Iterator[Problem]:
    breaks = scale_breaks(panel)
    closes = breaks.field == "close"
    for title, chosen in ((SCALE, closes), (SCALE_WITHIN, ~closes)):
        values = {"": breaks.field[chosen], "is": breaks.price[chosen], "beside": breaks.before[chosen]}
        yield Problem(title, True, breaks.day[chosen], breaks.stock[chosen], values)
    yield jumps(panel, breaks)
    yield splits(panel)


def _stale(panel: Panel) -> Iterator[Problem]:
    close = panel.field("close").T
    same = np.zeros(close.shape, dtype=bool)
    same[:, 1:] = close[:, 1:] == close[:, :-1]
    stock, first, length = runs(same)
    long = np.flatnonzero(length >= STALE_DAYS - 1)
    long = long[np.argsort(-length[long], kind="stable")]
    stock, first, length = stock[long], first[long] - 1, length[long] + 1
    summary = f"{int(length.sum()):,} days, longest {int(length.max(initial=0)):,}" if len(stock) else ""
    yield Problem(
        f"{STALE_DAYS} or more identical closes in a row",
        False,
        first,
        stock,
        {"close": close[stock, first], "days": length},
        summary,
    )


def _volume(panel: Panel) -> Iterator[Problem]:
    yield _cells("zero volume", False, panel.field("volume") == 0, close=panel.field("close"))


def _calendar(panel: Panel) -> Iterator[Problem]:
    weekend = np.flatnonzero(~np.is_busday(panel.days))
    yield Problem("days on a weekend", False, weekend, np.full(len(weekend), -1))
    step = np.diff(panel.days).astype(np.int64)
    gap = np.flatnonzero(step > LONG_CALENDAR_GAP)
    yield Problem(
        f"calendar pauses of more than {LONG_CALENDAR_GAP} days",
        False,
        gap,
        np.full(len(gap), -1),
        {"next day after": step[gap]},
    )
    silent = np.flatnonzero(~np.isfinite(panel.field("close")).any(axis=1))
    yield Problem("days without any close", False, silent, np.full(len(silent), -1))
