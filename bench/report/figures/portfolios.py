"""What the scores earn after costs: cumulative excess return, drawdown, months."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench.report.figures import calendar
from bench.report.figures.kit import style
from bench.report.figures.kit.canvas import Canvas, Panels, few_ticks, key, not_drawn, thinned, zero_line
from bench.report.figures.kit.heat import Heat, draw_heat, even_scale
from bench.report.figures.material import Material

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BEFORE = (0, (3, 2))


def cumulative_excess(material: Material) -> Canvas | None:
    """Excess return over the benchmark added up, after and before costs, one panel a model."""

    def draw(panels: Panels, axes: Axes, model: str, days: np.ndarray, frame: pd.DataFrame) -> str:
        at = thinned(len(days))
        after, before = (100 * frame[c].cumsum().to_numpy() for c in ("excess", "before"))
        axes.plot(days[at], before[at], color=style.OTHER, linestyle=_BEFORE, linewidth=0.9)
        axes.plot(days[at], after[at], color=style.OWN)
        cell = material.facts.cell(f"portfolio.{model}.annual_excess").percent
        return f"{model}: {after[-1]:+.1f} % over {len(days)} days, {cell:+.1f~} % a year after costs"

    legend = [
        key("after costs", color=style.OWN),
        key("before costs", color=style.OTHER, linestyle=_BEFORE, linewidth=0.9),
    ]
    return _panels(material, draw, "Cumulative excess return", legend=legend)


def drawdown(material: Material) -> Canvas | None:
    """How far the cumulative excess return after costs lies below its highest point so far."""

    def draw(panels: Panels, axes: Axes, model: str, days: np.ndarray, frame: pd.DataFrame) -> str:
        total = frame["excess"].cumsum().to_numpy()
        below = 100 * (total - np.maximum.accumulate(np.maximum(total, 0.0)))
        at = np.union1d(thinned(len(days)), [int(below.argmin())])
        axes.fill_between(days[at], below[at], 0, color=style.OWN, alpha=0.35, linewidth=0)
        axes.plot(days[at], below[at], color=style.OWN, linewidth=0.9)
        when = frame.index[int(below.argmin())]
        panels.value(axes, f"min {style.signed(float(below.min()), 1)}")
        return f"{model}: deepest {below.min():.2f} % on {when:%Y-%m-%d}"

    title = "Drawdown of the cumulative excess return after costs"
    return _panels(material, draw, title, notes=["Daily series: mean over seeds."])


def monthly_return(material: Material) -> Canvas | None:
    """Excess return after costs of every model in every month."""
    series = material.portfolios
    if not series:
        return None
    wide = pd.DataFrame({m: frame["excess"] for m, frame in series.items()}).sort_index()
    when, word = calendar.periods(wide.index)
    columns = sorted(set(when))
    parts = [wide.to_numpy()[np.asarray(when == p)] for p in columns]
    there = np.array([np.isfinite(part).any(axis=0) for part in parts])
    values = 100 * np.where(there, [np.nansum(part, axis=0) for part in parts], np.nan).T
    texts = [[style.signed(v, 1) for v in row] for row in values]
    tips = [[f"{m}, {p}: {values[r, c]:+.2f} %" for c, p in enumerate(columns)] for r, m in enumerate(series)]
    upper, lower = calendar.period_labels(columns)
    notes = not_drawn(list(series), material.models)
    heat = Heat(list(series), upper, values, even_scale(values), texts, tips, lower=lower, widest=0.6, notes=notes)
    return draw_heat(f"Excess return after costs by {word}, per cent", heat, "%")


def _panels(
    material: Material,
    draw: Callable[[Panels, Axes, str, np.ndarray, pd.DataFrame], str],
    title: str,
    **look: Any,
) -> Canvas | None:
    """One panel a model; `draw` answers with what a reader sees on pointing at it."""
    series = material.portfolios
    if not series:
        return None
    panels = Panels(title, list(series), y="% of the account", wanted=material.models, longest=13, **look)
    for model, axes in panels:
        zero_line(axes)
        whole = series[model][["excess", "cost"]].dropna().assign(before=lambda f: f["excess"] + f["cost"])
        panels.canvas.tip(axes, draw(panels, axes, model, calendar.day_numbers(whole.index), whole))
    days = [calendar.day_numbers(frame.index) for frame in series.values()]
    calendar.label_days(panels.axes[0], np.concatenate(days))
    few_ticks(panels.axes[0])
    return panels.canvas
