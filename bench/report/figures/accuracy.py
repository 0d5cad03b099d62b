"""How well and how steadily the models rank the stocks."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from bench.advice.facts import Facts
from bench.report.figures import calendar
from bench.report.figures.kit import style
from bench.report.figures.kit.canvas import (
    Canvas,
    Panels,
    dot,
    few_ticks,
    key,
    log_ticks,
    not_drawn,
    thinned,
    zero_line,
)
from bench.report.figures.kit.heat import Heat, draw_heat, even_scale
from bench.report.figures.kit.labels import place_labels
from bench.report.figures.material import Material, rows_where
from bench.scores.capture import NULL
from bench.scores.rows import overlap_of
from bench.stats.bootstrap import block_length, bootstrap_means, interval
from bench.text.cells import Cell, cell_of

_MARKERS = {"sample": ("o", "one stock at a time"), "day": ("s", "a whole day at once")}


def pareto(material: Material) -> Canvas | None:
    """Rank IC against the latency of one day, with the models that no other beats in both."""
    timed_models = _accuracy_and_latency(material.facts)
    if timed_models.empty:
        return None
    notes = not_drawn(timed_models["model"].tolist(), material.models, "without Rank IC on all days or without latency")
    canvas = Canvas("Rank IC against latency", 4.9, 7.6, notes)
    axes = canvas.axes(0.75, 0.55, 6.6, 3.7, xscale="log")
    scopes = [s for s in _MARKERS if s in set(timed_models["scope"])]
    size = {"linestyle": "none", "markersize": 6.5, "color": style.OWN}
    full, hollow = {"markerfacecolor": style.OWN}, {"markerfacecolor": "none"}
    canvas.legend(
        [
            key("on the front", marker="o", **size),
            key("another model is faster and better", marker="o", **size, **hollow),
            *(key(_MARKERS[s][1], marker=_MARKERS[s][0], linestyle="none", color=style.INK) for s in scopes),
        ]
    )
    front = _front(timed_models)
    ahead = rows_where(timed_models, front).sort_values(by="latency")
    axes.step(ahead["latency"], ahead["rank_ic"], where="post", linestyle=(0, (4, 3)), color=style.INK, linewidth=1.1)
    bars = []
    for row, leads in zip(timed_models.to_dict("records"), front, strict=True):
        x, y, half = row["latency"], row["rank_ic"], row["half"]
        if math.isfinite(half):
            axes.vlines(x, y - half, y + half, color=style.OWN, linewidth=1.2, alpha=0.8)
            bars.append((x, y - half, x, y + half))
        if row["slow"] > x:
            axes.hlines(y, x, row["slow"], color=style.OWN, linewidth=0.7, alpha=0.6)
            bars.append((x, y, row["slow"], y))
        mark = dot(axes, x, y, _MARKERS.get(row["scope"], ("D", ""))[0], **size, **(full if leads else hollow))
        text = f"{row['model']}: Rank IC {row['rank_ic']:.4f} ± {half:.4f}, {x:.3g} ms"
        canvas.tip(mark, text + (", on the front" if leads else ""))
    axes.set_xlabel("latency of one day, ms: median, thin line to the 90th percentile")
    axes.set_ylabel("Rank IC, line: 95 % interval")
    axes.margins(0.12, 0.12)
    log_ticks(axes.xaxis, 300, (1.0, 2.0, 5.0))
    few_ticks(axes, y=6)
    place_labels(
        axes,
        timed_models["latency"].to_numpy(),
        timed_models["rank_ic"].to_numpy(),
        timed_models["model"].tolist(),
        bars,
    )
    return canvas


def _accuracy_and_latency(facts: Facts) -> pd.DataFrame:
    """One row per ranked model with both; the latency of the trained models, or else that of `bench time`."""
    board = facts.board.frame
    names = {"rank_ic_half": "half", "latency_ms": "latency", "latency_p90_ms": "slow"}
    frame = rows_where(board, board["ranked"]).rename(columns=names)
    timing = facts.frame("timing")
    # Never both: they are of different days and thread counts.
    if not np.isfinite(frame["latency"]).any() and len(timing):
        timed = timing.drop_duplicates("model").set_index("model").reindex(frame["model"].tolist())
        frame["latency"], frame["slow"] = timed["one_day_p50_ms"].to_numpy(), timed["one_day_p90_ms"].to_numpy()
    return rows_where(frame, np.isfinite(frame["rank_ic"]) & (frame["latency"] > 0))


def _front(frame: pd.DataFrame) -> np.ndarray:
    """Which rows no other row beats: none is both as fast and as good, and better in one."""
    fast, good = np.asarray(frame["latency"]), np.asarray(frame["rank_ic"])
    beaten = (fast[None] <= fast[:, None]) & (good[None] >= good[:, None])
    beaten &= (fast[None] < fast[:, None]) | (good[None] > good[:, None])
    return np.logical_not(beaten.any(axis=1))


def cumulative_rank_ic(material: Material) -> Canvas | None:
    """The daily Rank IC added up, one panel a model, each beside the baseline."""
    daily, drawn = material.facts.board.daily, material.daily_models
    if not drawn:
        return None
    days = calendar.day_numbers(daily.index)
    total = {m: daily[m].fillna(0.0).cumsum().to_numpy() for m in drawn}
    baseline = material.facts.board.baseline
    legend = [key("sum over the days so far", color=style.OWN)]
    if baseline in total:
        legend.append(key(f"{style.short(baseline)}, the baseline", color=style.INK, linestyle=(0, (4, 2))))
    panels = Panels(
        "Cumulative Rank IC",
        drawn,
        y="sum of daily Rank IC",
        legend=legend,
        wanted=material.models,
    )
    at = thinned(len(days))
    rows = material.facts.board.frame.set_index("model")
    for model, axes in panels:
        zero_line(axes)
        if baseline in total and model != baseline:
            axes.plot(days[at], total[baseline][at], color=style.INK, linestyle=(0, (4, 2)), linewidth=0.9)
        seen = at[daily[model].notna().to_numpy()[: at[-1] + 1].cumsum()[at] > 0]
        axes.plot(days[seen], total[model][seen], color=style.OWN)
        row = rows.loc[model]
        value = f"{row['rank_ic']:.3f} ± {row['rank_ic_half']:.3f}"
        axes.text(0.04, 0.97, value, transform=axes.transAxes, va="top", fontsize=style.SMALL_SIZE)
        mean = f"mean Rank IC {row['rank_ic']:.4f} ± {row['rank_ic_half']:.4f} over {row['n_days']} days"
        panels.canvas.tip(axes, f"{model}: sum {total[model][-1]:.2f}, {mean}")
    calendar.label_days(panels.axes[0], days)
    few_ticks(panels.axes[0])
    return panels.canvas


def ic_by_month(material: Material) -> Canvas | None:
    """Mean Rank IC of every model in every month."""
    daily, drawn = material.facts.board.daily, material.daily_models
    if not drawn:
        return None
    when, word = calendar.periods(daily.index)
    days = np.isfinite(daily[drawn].to_numpy(dtype=np.float64))
    columns = sorted(set(when[np.flatnonzero(days.any(axis=1))]))
    inside = np.array([when == p for p in columns], dtype=np.float64)
    counts = (inside @ days).T
    with np.errstate(invalid="ignore"):
        values = (inside @ np.where(days, daily[drawn].to_numpy(), 0.0)).T / counts
    tips = [
        [f"{m}, {p}: Rank IC {values[r, c]:.4f}, {counts[r, c]:.0f} days" for c, p in enumerate(columns)]
        for r, m in enumerate(drawn)
    ]
    texts = [[style.signed(v, 2).removeprefix("+") for v in row] for row in values]
    upper, lower = calendar.period_labels(columns)
    notes = not_drawn(drawn, material.models)
    heat = Heat(drawn, upper, values, even_scale(values), texts, tips, lower=lower, widest=0.6, notes=notes)
    return draw_heat(f"Rank IC by {word}", heat, "mean Rank IC")


def ic_by_year(material: Material) -> Canvas | None:
    """Mean Rank IC of every model in every year with its interval, one panel a year."""
    daily, drawn = material.facts.board.daily, material.daily_models
    if not drawn:
        return None
    years = pd.DatetimeIndex(daily.index).year
    panels = Panels(
        "Rank IC by year",
        sorted(set(years.astype(str))),
        x="mean Rank IC, line: 95 % interval over the year's days",
        notes=not_drawn(drawn, material.models),
        height=0.3 + 0.17 * len(drawn),
        left=1.25,
    )
    position = np.arange(len(drawn))
    for year, axes in panels:
        of_year = daily.loc[years == int(year), drawn]
        mean, days = of_year.mean().to_numpy(), of_year.notna().sum().to_numpy()
        block = block_length(of_year.to_numpy(), overlap_of(material.facts.run))
        low, high = interval(bootstrap_means(of_year.to_numpy(), draws=2000, seed=0, block=block))
        axes.axvline(0.0, color=style.INK, linewidth=0.6, alpha=0.6, zorder=0)
        axes.hlines(position, low, high, color=style.OWN, linewidth=1.1, alpha=0.75)
        for i, model in enumerate(drawn):
            if math.isfinite(mean[i]):
                # Hollow where the interval holds zero.
                full = low[i] > 0 or high[i] < 0
                mark = dot(axes, mean[i], i, markerfacecolor=style.OWN if full else "none")
                bounds = f"[{low[i]:.4f}, {high[i]:.4f}]"
                panels.canvas.tip(mark, f"{model}, {year}: Rank IC {mean[i]:.4f} {bounds}, {days[i]} days")
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    panels.axes[0].set_ylim(len(drawn) - 0.4, -0.6)
    panels.axes[0].set_yticks(position, [style.short(m) for m in drawn])
    few_ticks(panels.axes[0], x=4, y=None)
    return panels.canvas


def capture(material: Material) -> Canvas | None:
    """Share of the attainable IC by model and planted market, with intervals; on `null` the IC itself."""
    matrix = material.facts.matrix
    if matrix is None or matrix.frame.empty:
        return None
    cells = [{m: cell_of(row, m, "capture") for m in matrix.markets} for row in matrix.frame.to_dict("records")]
    models = matrix.frame["model"].tolist()
    notes = [
        *not_drawn(models, sorted(matrix.missing), "not ranked on every market"),
        "Small figures: 95 % intervals over the test days."
        + (f" On {NULL} there is nothing to find: its IC itself, which must hold 0." if NULL in matrix.markets else ""),
    ]
    heat = Heat(
        models,
        [f"{m} IC" if m == NULL else m for m in matrix.markets],
        matrix.frame[matrix.markets].to_numpy(dtype=np.float64),
        1.0,
        [[_text(m, row[m].value) for m in matrix.markets] for row in cells],
        [[_tip(model, m, row[m]) for m in matrix.markets] for model, row in zip(models, cells, strict=True)],
        small=[[_bounds(m, row[m]) for m in matrix.markets] for row in cells],
        plain=frozenset(i for i, m in enumerate(matrix.markets) if m == NULL),
        widest=1.0,
        notes=notes,
    )
    return draw_heat("Capture: per cent of the attainable IC on planted markets", heat)


def _text(market: str, value: float) -> str:
    return style.signed(value, 3) if market == NULL else style.signed(100 * value, 0).removeprefix("+")


def _bounds(market: str, cell: Cell) -> str:
    return f"[{_text(market, cell.low)}, {_text(market, cell.high)}]" if cell.has_interval else ""


def _tip(model: str, market: str, cell: Cell) -> str:
    figure = (
        f"IC {cell:+.4f~}"
        if market == NULL
        else f"capture {cell.percent:.1f} % [{cell.percent.low:.1f}, {cell.percent.high:.1f}]"
    )
    return f"{model} on {market}: {figure}"
