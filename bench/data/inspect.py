"""A panel at a glance: its size, who is covered when, what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.data.refused import refused_cells
from bench.data.survivorship import survivorship_of
from bench.data.validate import Problem, counted, find_problems
from zoo.data.panel import Panel

SHADES = (("█", 0.99), ("▓", 0.90), ("▒", 0.50), ("░", 0.0))
"""A block and the share of stocks it needs more than, the highest first; nobody is a dot."""
PLAIN_SHADES = (("#", 0.99), ("+", 0.90), ("-", 0.50), (".", 0.0))


@dataclass(frozen=True)
class Overview:
    """What `data inspect` tells.

    Attributes:
        panel: the data.
        problems: every check, errors first, those without a hit included.
        months: `[M]` datetime64[M].
        coverage: `[M]` share of stock-days with a close.
        stocks: `[M]` stocks with a close on at least one day.
    """

    panel: Panel
    problems: list[Problem]
    months: np.ndarray
    coverage: np.ndarray
    stocks: np.ndarray

    @property
    def headline(self) -> str:
        p = self.panel
        closes = int(np.isfinite(p.field("close")).sum())
        share = 100 * closes / (p.n_days * p.n_stocks)
        whole = int(np.isfinite(p.field("close")).all(axis=0).sum())
        return (
            f"{p.name}: {p.n_stocks:,} stocks x {p.n_days:,} days, {p.days[0]} .. {p.days[-1]}; {closes:,} closes, "
            f"{share:.1f} % of all cells; {counted(whole, 'stock')} with every day; fields {', '.join(p.fields)}"
        )

    @property
    def survivorship(self) -> str:
        """A hint at a universe that was chosen with hindsight."""
        return f"survivorship: {survivorship_of(self.panel).sentence}"


def inspect_panel(
    panel: Panel, source: str | Path | None = None, on_step: Callable[[int, int], None] = lambda done, total: None
) -> Overview:
    """All checks and the coverage of a panel.

    Args:
        source: where it was read from, to find values that the reader refused.
    """
    refused = [] if source is None else refused_cells(source, panel, on_step)
    months, days, closes = _by_month(panel)
    return Overview(
        panel=panel,
        problems=[*refused, *find_problems(panel, on_step)],
        months=months,
        coverage=closes.sum(axis=1) / (days * panel.n_stocks),
        stocks=(closes > 0).sum(axis=1),
    )


def _by_month(panel: Panel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Months `[M]`, the days of each `[M]`, and on how many of them a stock has a close `[M, N]`."""
    months, first = np.unique(panel.days.astype("datetime64[M]"), return_index=True)
    closes = np.isfinite(panel.field("close")).astype(np.int32)
    return months, np.diff(np.append(first, panel.n_days)), np.add.reduceat(closes, first, axis=0)


def heatmap(overview: Overview, *, plain: bool = False) -> list[str]:
    """Coverage as text: a line a year, a block a month; `plain` without block characters."""
    shades, none = (PLAIN_SHADES, " ") if plain else (SHADES, "·")
    legend = ", ".join(f"{mark} > {100 * above:.0f} %" for mark, above in shades)
    lines = [f"coverage, share of stocks with a close by month ({legend})", "      J F M A M J J A S O N D  stocks"]
    years = overview.months.astype("datetime64[Y]")
    for year in np.unique(years):
        chosen = years == year
        marks = [" "] * 12
        for month, share in zip(overview.months[chosen].astype(int) % 12, overview.coverage[chosen], strict=True):
            marks[month] = next((mark for mark, above in shades if share > above), none)
        low, high = overview.stocks[chosen].min(), overview.stocks[chosen].max()
        count = f"{low:,}" if low == high else f"{low:,} .. {high:,}"
        lines.append(f"{year}  {' '.join(marks)}  {count}")
    return lines


def coverage_figure(panel: Panel, file: Path) -> None:
    """Coverage by month as a picture: stocks by their first close, in at most 500 rows.

    Raises:
        DataError: matplotlib is missing or the file cannot be written.
    """
    from zoo.errors import DataError

    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise DataError(f"{file}: figures need matplotlib; pip install matplotlib") from None
    close = np.isfinite(panel.field("close"))
    _, days, closes = _by_month(panel)
    begun = np.where(close.any(axis=0), close.argmax(axis=0), panel.n_days)
    ended = np.where(close.any(axis=0), close[::-1].argmax(axis=0), panel.n_days)
    share = (closes / days[:, None])[:, np.lexsort((ended, begun))]
    starts = np.unique(np.linspace(0, panel.n_stocks, min(panel.n_stocks, 500) + 1).astype(int)[:-1])
    rows = np.add.reduceat(share, starts, axis=1) / np.diff(np.append(starts, panel.n_stocks))
    figure = Figure(figsize=(10, 5), layout="constrained")
    axes = figure.subplots()
    years = [panel.days[0], panel.days[-1]]
    low, high = (float(day.astype("datetime64[D]").astype(int) / 365.2425 + 1970) for day in years)
    image = axes.imshow(
        rows.T, aspect="auto", vmin=0, vmax=1, cmap="Blues", extent=(low, high, panel.n_stocks, 0), interpolation="none"
    )
    axes.set(title=f"{panel.name}: share of the month's days with a close", xlabel="year", ylabel="stock, by first day")
    figure.colorbar(image)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(file, dpi=120)
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: figure cannot be written ({error})") from None
