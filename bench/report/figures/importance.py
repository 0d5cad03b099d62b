"""Which days and fields the explanations of a model point to, beside those that the planted market reads."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bench.records.store import RunStore
from bench.report.figures.kit import style
from bench.report.figures.kit.canvas import Canvas, Panels, few_ticks, key, not_drawn
from bench.report.figures.kit.heat import Heat, draw_heat
from bench.report.figures.material import Material, matching, rows_where

MOST_FIELDS = 16
_NATIVE = "native"


def lag_importance(material: Material) -> Canvas | None:
    """Share of the attribution by day of the window; attention over lags where a model has it."""
    lags = matching(material.profiles, axis="lag")
    method = _methods(material.best_method, lags)
    drawn = [m for m in material.models if m in method]
    if not drawn:
        return None
    panels = Panels(
        f"Attribution by day of the window, on {_market(material.explained)}",
        drawn,
        x="days back",
        y="share, %",
        legend=[
            key("best method of explanation", color=style.OWN),
            key("the model's own attention", color=style.OTHER, linestyle=(0, (3, 2))),
            key("days the market reads", color=style.INK, marker="v", linestyle="none", markersize=4),
        ],
        wanted=material.models,
        height=1.05,
    )
    for model, axes in panels:
        best_rows = matching(lags, model=model, method=method[model])
        back, share = np.asarray(best_rows["name"]).astype(int), 100 * np.asarray(best_rows["share"])
        axes.fill_between(back, 0, share, step="mid", color=style.OWN, alpha=0.35, linewidth=0)
        axes.step(back, share, where="mid", color=style.OWN, linewidth=1.1)
        own = matching(lags, model=model, method=_NATIVE)
        if len(own) and method[model] != _NATIVE:
            attended = np.asarray(own["name"]).astype(int), 100 * np.asarray(own["share"])
            axes.step(*attended, where="mid", color=style.OTHER, linestyle=(0, (3, 2)))
        read = back[np.asarray(best_rows["read"])]
        above = axes.get_xaxis_transform()
        axes.plot(read, np.full(len(read), 1.0), "v", color=style.INK, markersize=3.2, transform=above, clip_on=False)
        found = ", ".join(
            f"{b} back {s:.0f} %" for b, s in sorted(zip(back, share, strict=True), key=lambda p: -p[1])[:5]
        )
        panels.canvas.tip(axes, f"{model}, {method[model]}: {found}")
    panels.axes[0].invert_xaxis()
    panels.axes[0].set_ylim(bottom=0)
    few_ticks(panels.axes[0], x=5)
    return panels.canvas


def field_importance(material: Material) -> Canvas | None:
    """Share of the attribution by field, with frames around those that the market reads."""
    fields = matching(material.profiles, axis="field")
    method = _methods(material.best_method, fields)
    drawn = [m for m in material.models if m in method]
    if not drawn:
        return None
    shown = pd.concat([matching(fields, model=m, method=method[m]) for m in drawn])
    table = shown.pivot(index="model", columns="name", values="share").loc[drawn]
    order = shown.drop_duplicates("name").sort_values("position", kind="stable")["name"].tolist()
    largest = table.max().sort_values(ascending=False, kind="stable").index[:MOST_FIELDS]
    columns = [name for name in order if name in set(largest)]
    read = set(rows_where(shown, shown["read"])["name"])
    values = table[columns].to_numpy()
    texts = [[f"{100 * v:.0f}" for v in row] for row in values]
    tips = [
        [f"{m}, {method[m]}: {name} {100 * v:.1f} %" for name, v in zip(columns, row, strict=True)]
        for m, row in zip(drawn, values, strict=True)
    ]
    notes = not_drawn(drawn, material.models)
    if read & set(columns):
        notes.append("Framed: fields that the planted market reads.")
    if len(columns) < len(order):
        notes.append(f"The {len(columns)} of {len(order)} fields with the largest shares.")
    boxed = frozenset(i for i, name in enumerate(columns) if name in read)
    labels = [style.short(name, 12) for name in columns]
    heat = Heat(drawn, labels, values, float(np.nanmax(values)), texts, tips, boxed=boxed, notes=notes)
    return draw_heat(f"Attribution by field, per cent, on {_market(material.explained)}", heat)


def _market(store: RunStore) -> str:
    return style.short(str(store.run()["data"]["name"]), 40)


def _methods(best: dict[str, str], profiles: pd.DataFrame) -> dict[str, str]:
    """The method that is drawn by model: the best one if it has this axis, otherwise the first that has."""
    found: dict[str, str] = {}
    for model in dict.fromkeys(profiles["model"].tolist()):
        there = list(dict.fromkeys(matching(profiles, model=model)["method"]))
        fallback = next((m for m in there if m != _NATIVE), there[0])
        found[model] = best[model] if best.get(model) in there else fallback
    return found
