"""Figures of one trial: training, scores over time, their distribution, importance of the inputs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from bench.attribution.frames import FILE
from bench.experiment.evidence import SCORES
from bench.records.documents import read_json
from bench.records.store import RunStore
from bench.report.figures import calendar
from bench.report.figures.kit import style
from bench.report.figures.kit.canvas import Canvas, Panels, few_ticks, key, thinned
from bench.report.figures.kit.heat import Heat, draw_heat
from bench.report.figures.training import draw_training

STOCKS = 6
BINS = 60


def trial_training(store: RunStore, record: dict[str, Any]) -> Canvas | None:
    """The training curves; None for a model fitted as a whole."""
    if not record["fit"]["history"]:
        return None
    return draw_training({_name(record): [record]}, [])


def trial_predictions(store: RunStore, record: dict[str, Any]) -> Canvas | None:
    """The scores of some stocks over the test days within the range of the day's scores."""
    wide = _scores(store, record)
    if wide is None:
        return None
    days = calendar.day_numbers(wide.index)
    low, high = np.nanquantile(wide.to_numpy(), [0.1, 0.9], axis=1)
    # The most complete ones, and of those some that are spread over the alphabet: nothing that depends on the scores.
    counts = wide.notna().sum()
    whole = sorted(counts.index[counts == counts.max()])
    chosen = [whole[i] for i in thinned(len(whole), STOCKS)]
    panels = Panels(
        f"Scores of {_name(record)} over time",
        chosen,
        y="score",
        legend=[
            key("score of the stock", color=style.OWN),
            key("middle 80 % of the day's scores", color=style.INK, linewidth=6, alpha=0.25),
        ],
        most=3,
        height=1.3,
    )
    at = thinned(len(days), 250)
    for symbol, axes in panels:
        axes.fill_between(days[at], low[at], high[at], color=style.INK, alpha=0.25, linewidth=0)
        scores = wide[symbol].to_numpy()
        axes.plot(days[at], scores[at], color=style.OWN, linewidth=1.0)
        scored = np.isfinite(scores)
        panels.canvas.tip(axes, f"{symbol}: mean score {scores[scored].mean():+.4f} on {scored.sum()} days")
    calendar.label_days(panels.axes[0], days, most=4)
    few_ticks(panels.axes[0])
    return panels.canvas


def trial_distribution(store: RunStore, record: dict[str, Any]) -> Canvas | None:
    """Histogram of all scores, and how wide they are spread on each day."""
    wide = _scores(store, record)
    if wide is None:
        return None
    values = wide.to_numpy()
    finite = values[np.isfinite(values)]
    panels = Panels(
        f"Scores of {_name(record)}",
        ["share of all scores, %", "standard deviation within the day"],
        longest=40,
        most=2,
        height=1.7,
        gap=0.6,
        widest=3.5,
        share_x=False,
        share_y=False,
    )
    left, right = panels.axes
    # Outliers would leave all others in one bin; the outermost bins hold what lies beyond.
    low, high = np.quantile(finite, [0.001, 0.999])
    edges = np.linspace(low, high if high > low else low + 1.0, BINS + 1)
    counts, _ = np.histogram(np.clip(finite, edges[0], edges[-1]), bins=edges)
    left.stairs(100 * counts / len(finite), edges, fill=True, color=style.OWN, alpha=0.35, linewidth=0)
    left.stairs(100 * counts / len(finite), edges, color=style.OWN, linewidth=1.1)
    panels.canvas.tip(left, f"mean {finite.mean():+.4f}, standard deviation {finite.std():.4f}, {len(finite):,} scores")
    days = calendar.day_numbers(wide.index)
    spread = wide.std(axis=1, ddof=0).to_numpy()
    at = thinned(len(days), 250)
    right.plot(days[at], spread[at], color=style.OWN, linewidth=1.0)
    right.set_ylim(bottom=0)
    panels.canvas.tip(right, f"median {np.nanmedian(spread):.4f}")
    calendar.label_days(right, days, most=4)
    few_ticks(left, x=5)
    few_ticks(right)
    return panels.canvas


def trial_importance(store: RunStore, record: dict[str, Any]) -> Canvas | None:
    """Share of the attribution by day and field, from the best method; None where the trial is not explained."""
    entry = (read_json(store.folder / FILE).content or {}).get("trials", {}).get(record["key"])
    methods = {n: m for n, m in (entry or {}).get("methods", {}).items() if m.get("by_cell")}
    if entry is None or not methods:
        return None
    name = max(methods, key=lambda n: methods[n]["auprc"] if methods[n]["auprc"] is not None else -math.inf)
    values = np.array(methods[name]["by_cell"], dtype=np.float64).T
    fields, lags = [str(f) for f in entry["fields"]], [int(lag) for lag in entry["lags"]]
    largest = np.sort(np.argsort(-values.sum(axis=1), kind="stable")[:24])
    values, fields = values[largest], [fields[i] for i in largest]
    read = {(int(lag), str(field)) for lag, field in entry["truth"]}
    texts = [
        [f"{100 * v:.0f}" + ("*" if (lag, f) in read else "") for lag, v in zip(lags, row, strict=True)]
        for f, row in zip(fields, values, strict=True)
    ]
    tips = [
        [
            f"{f}, {lag} days back: {100 * v:.2f} %" + (", read by the market" if (lag, f) in read else "")
            for lag, v in zip(lags, row, strict=True)
        ]
        for f, row in zip(fields, values, strict=True)
    ]
    notes = [f"Columns: days back. Method: {style.short(name, 40)}." + (" *: the market reads it." if read else "")]
    heat = Heat(fields, [str(lag) for lag in lags], values, float(values.max()), texts, tips, widest=0.6, notes=notes)
    return draw_heat(f"Attribution of {_name(record)}, per cent", heat, "share")


def _scores(store: RunStore, record: dict[str, Any]) -> pd.DataFrame | None:
    """The stored scores as days by stocks; None where they were not kept."""
    path = store.trial_folder(record["key"]) / SCORES
    if not path.is_file():
        return None
    frame = pd.read_parquet(path, columns=["datetime", "instrument", "score"])
    wide = frame.pivot(index="datetime", columns="instrument", values="score").sort_index().astype(np.float64)
    wide = wide.dropna(how="all")
    return wide if len(wide) else None


def _name(record: dict[str, Any]) -> str:
    return f"{style.short(record['model'], 30)}, seed {record['seed']}, fold {record['fold']}"
