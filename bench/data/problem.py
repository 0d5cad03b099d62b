"""Something wrong, or strange, in data, with the cells where it strikes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from zoo.data.panel import Panel


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
