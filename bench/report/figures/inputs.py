"""What the scores of each model rest on: fields, and days back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench.report.figures.kit import style
from bench.report.figures.kit.canvas import WIDTH, Canvas, few_ticks, key, not_drawn
from bench.report.figures.material import Material, matching

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_FIELDS = 10
_COLUMNS = 4
_BAR, _LAGS, _HEAD, _BETWEEN, _FOOT = 0.15, 0.55, 0.3, 0.3, 0.34  # inches
_LEFT, _GAP, _RIGHT, _TOP = 1.0, 0.16, 0.12, 0.52
_DASHES = (0, (3, 2))


def feature_importance(material: Material) -> Canvas | None:
    """For each model, bars by field over the profile by day back, beside untrained networks."""
    fields, lags = (matching(material.inputs, axis=axis) for axis in ("field", "lag"))
    there = set(fields["model"])
    drawn = [m for m in material.models if m in there]
    if not drawn:
        return None
    names, notes = _names(matching(fields, model=drawn[0]), fields)
    bare = [m for m in drawn if not np.isfinite(matching(fields, model=m)["control"]).any()]
    notes = [*not_drawn(drawn, material.models), *notes]
    notes += [f"Has no untrained form: {style.listed(bare)}."] if bare else []
    columns = min(_COLUMNS, len(drawn))
    width = min((WIDTH - _LEFT - _RIGHT - _GAP * (columns - 1)) / columns, 2.6)
    bars = _BAR * len(names) + 0.08
    profile = _BETWEEN + _LAGS if len(lags) else 0.0
    tall = _HEAD + bars + profile + _FOOT
    rows = math.ceil(len(drawn) / columns)
    whole = max(_LEFT + columns * (width + _GAP) + _RIGHT, 6.4)
    canvas = Canvas("What moves the scores, by field and by day back", _TOP + rows * tall, whole, notes)
    canvas.legend(
        [
            key("share, %; whisker: lowest to highest seed", color=style.OWN, linewidth=5, alpha=0.45),
            key("untrained networks; whisker: 95 % of them", color=style.OTHER, marker="D", markersize=3),
        ]
    )
    widest = _widest(fields, drawn, names)
    first: Axes | None = None
    for i, model in enumerate(drawn):
        row, column = divmod(i, columns)
        left = _LEFT + column * (width + _GAP)
        bottom = (rows - 1 - row) * tall + _FOOT
        axes = canvas.axes(left, bottom + profile, width, bars, xlim=(0, widest))
        _bars(canvas, axes, model, matching(fields, model=model), names, labelled=column == 0)
        peers = material.facts.cell(f"importance.{model}.peers")
        if peers.measured:
            told = f"other stocks' rows {peers.percent:.0f} %"
            axes.set_title(told, loc="right", fontsize=style.SMALL_SIZE, pad=4, color=style.INK)
        if len(mine := matching(lags, model=model)):
            below = canvas.axes(left, bottom, width, _LAGS, sharex=first, sharey=first)
            first = first or below
            _profile(canvas, below, model, mine, labelled=column == 0)
    if first is not None:
        first.invert_xaxis()
        first.set_ylim(bottom=0)
        few_ticks(first, x=5, y=3)
    return canvas


def _names(of_one: pd.DataFrame, fields: pd.DataFrame) -> tuple[list[str], list[str]]:
    """The fields that are drawn, the largest share of any model first, and a note on those that are not."""
    largest: Any = fields.groupby("name")["share"].max()
    largest = largest.sort_values(ascending=False, kind="stable")
    names = [str(name) for name in largest.index[:MOST_FIELDS]]
    if len(names) == len(largest):
        # All of them: in the order of the input.
        names = of_one.sort_values("position")["name"].tolist()
        return names, []
    return names, [f"The {len(names)} of {len(largest)} fields with the largest share in any model."]


def _widest(fields: pd.DataFrame, drawn: list[str], names: list[str]) -> float:
    shown: Any = fields[fields["model"].isin(drawn) & fields["name"].isin(names)]
    # What few untrained networks may show can be many times as wide as what they do.
    most = np.nanmax(np.append(shown[["share", "control"]].to_numpy(), 0.01))
    ends = shown[["share_high", "control_high"]].to_numpy()
    return 106 * float(min(np.nanmax(np.append(ends, most)), 1.6 * most, 1.0))


def _bars(canvas: Canvas, axes: Axes, model: str, rows: pd.DataFrame, names: list[str], *, labelled: bool) -> None:
    by_name = rows.set_index("name").reindex(names)
    at = np.arange(len(names), dtype=float)
    share, control = 100 * by_name["share"].to_numpy(), 100 * by_name["control"].to_numpy()
    axes.barh(at, np.nan_to_num(share), height=0.62, color=style.OWN, alpha=0.45, linewidth=0)
    for name, place, colour, width in (("share", at - 0.12, style.OWN, 1.2), ("control", at + 0.2, style.OTHER, 0.8)):
        low, high = (100 * by_name[f"{name}_{end}"].to_numpy() for end in ("low", "high"))
        whole = np.isfinite(low) & np.isfinite(high)
        axes.hlines(place[whole], np.maximum(low[whole], 0), high[whole], color=colour, linewidth=width)
    axes.plot(control, at + 0.2, "D", color=style.OTHER, markersize=2.6)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_yticks(at, [style.short(name, 15) for name in names] if labelled else [""] * len(names))
    axes.tick_params(axis="y", length=0)
    axes.set_title(style.short(model), loc="left", fontsize=style.TEXT_SIZE, pad=4, fontweight="bold", color=style.INK)
    few_ticks(axes, x=4, y=None)
    order = sorted(zip(names, share, strict=True), key=lambda pair: -np.nan_to_num(pair[1]))[:5]
    canvas.tip(axes, f"{model}: " + ", ".join(f"{name} {value:.0f} %" for name, value in order))


def _profile(canvas: Canvas, axes: Axes, model: str, rows: pd.DataFrame, *, labelled: bool) -> None:
    back, share = rows["name"].to_numpy().astype(int), 100 * rows["share"].to_numpy()
    low, high = (100 * rows[f"share_{end}"].to_numpy() for end in ("low", "high"))
    axes.fill_between(back, 0, share, step="mid", color=style.OWN, alpha=0.35, linewidth=0)
    axes.step(back, share, where="mid", color=style.OWN, linewidth=1.1)
    if np.isfinite(low).any():
        axes.vlines(back, np.maximum(low, 0), high, color=style.OWN, linewidth=0.7, alpha=0.7)
    axes.step(back, 100 * rows["control"].to_numpy(), where="mid", color=style.OTHER, linestyle=_DASHES, linewidth=0.9)
    axes.tick_params(labelleft=labelled)
    axes.set_xlabel("days back", fontsize=style.SMALL_SIZE, labelpad=1)
    order = sorted(zip(back, share, strict=True), key=lambda pair: -np.nan_to_num(pair[1]))[:5]
    canvas.tip(axes, f"{model}: " + ", ".join(f"{day} back {value:.0f} %" for day, value in order))
