"""How much there is of columns of the user's own, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo.data.own.asked import LABEL
from zoo.data.pages import stock_blocks
from zoo.data.panel import Panel

_SHOWN = 20
HALF = 0.5


def coverage(panel: Panel, names: Sequence[str]) -> dict[str, tuple[float, bool]]:
    """Column -> the share of member rows that have a value, and whether all of these are the same."""
    members = max(int(panel.member.sum()), 1)
    count, low, high = np.zeros(len(names)), np.full(len(names), np.inf), np.full(len(names), -np.inf)
    for stocks in stock_blocks(panel.stock_major):
        inside = panel.member[:, stocks].T
        for k, name in enumerate(names):
            values = panel.series(name, stocks)[inside]
            values = values[np.isfinite(values)]
            if len(values):
                count[k] += len(values)
                low[k], high[k] = min(low[k], values.min()), max(high[k], values.max())
    return {name: (count[k] / members, bool(count[k] and low[k] == high[k])) for k, name in enumerate(names)}


def coverage_notes(panel: Panel) -> list[str]:
    """One sentence on the columns of the user's own, the doubtful ones first; none where there are none."""
    names = [name for name in panel.own_fields if not name.startswith(LABEL)]
    if not names:
        return []
    found = coverage(panel, names)
    order = sorted(names, key=lambda name: (found[name][0] >= HALF and not found[name][1], found[name][0]))
    told = [_told(name, *found[name]) for name in order[:_SHOWN]]
    doubtful = sum(share < HALF or constant for share, constant in found.values())
    first = f", {doubtful} of them doubtful" if doubtful else ""
    more = (
        f"; {len(names) - _SHOWN:,} more from {100 * found[order[_SHOWN]][0]:.0f} % up" if len(names) > _SHOWN else ""
    )
    what = "column" if len(names) == 1 else "columns"
    return [f"{len(names)} own {what}{first}; share of member rows with a value: {', '.join(told)}{more}"]


def label_notes(panel: Panel, column: str) -> list[str]:
    """One sentence on a given label: how many member rows have it, whether it is constant."""
    name = f"{LABEL}{column}"
    if name not in panel.fields:
        return []
    share, constant = coverage(panel, [name])[name]
    values, some = panel.field(name), panel.member
    days = [day[has & np.isfinite(day)] for day, has in zip(values, some, strict=True)]
    flat = sum(len(day) > 1 and bool(np.ptp(day) == 0) for day in days)
    told = f"label {column}: {100 * share:.1f} % of member rows have one"
    if constant:
        return [f"{told}; it is CONSTANT, so that there is nothing to forecast"]
    return [told + (f"; on {flat:,} days it is the same for all, which no correlation can be taken of" if flat else "")]


def _told(name: str, share: float, constant: bool) -> str:
    percent = f"{100 * share:.0f} %" if share >= 0.005 or not share else "< 0.5 %"
    marks = ", ".join(mark for mark, is_so in (("below half", share < HALF), ("constant", constant)) if is_so)
    return f"{name} {percent} ({marks})" if marks else f"{name} {percent}"
