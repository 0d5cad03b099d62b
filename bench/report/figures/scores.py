"""What the scores look like and whether they keep their word: distribution, deciles, calibration."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from bench.report.figures.kit import style
from bench.report.figures.kit.canvas import Canvas, Panels, dot, few_ticks, key, zero_line
from bench.report.figures.material import Material, matching, rows_where


def score_distribution(material: Material) -> Canvas | None:
    """Histogram of the scores standardised within their day, one panel a model."""
    frame = material.histograms
    drawn = [m for m in material.models if m in set(frame["model"])]
    if not drawn:
        return None
    panels = Panels(
        "Distribution of the scores",
        drawn,
        x="score, standardised within its day; the outermost bins hold what lies beyond",
        y="share of scores, %",
        legend=[
            key("scores", color=style.OWN),
            key("normal distribution", color=style.INK, linestyle=(0, (4, 2)), linewidth=0.9),
        ],
        wanted=material.models,
    )
    for model, axes in panels:
        rows = matching(frame, model=model)
        edges = np.append(rows["low"], rows["high"].tolist()[-1])
        share = np.asarray(rows["share"])
        axes.stairs(100 * share, edges, fill=True, color=style.OWN, alpha=0.35, linewidth=0)
        axes.stairs(100 * share, edges, color=style.OWN, linewidth=1.1)
        axes.stairs(100 * _normal(edges), edges, color=style.INK, linestyle=(0, (4, 2)), linewidth=0.9, baseline=None)
        beyond = share[(edges[1:] <= -3) | (edges[:-1] >= 3)].sum()
        panels.canvas.tip(axes, f"{model}: {100 * beyond:.2f} % of the scores lie 3 or more standard deviations off")
    panels.axes[0].set_ylim(bottom=0)
    few_ticks(panels.axes[0], x=4)
    return panels.canvas


def _normal(edges: np.ndarray) -> np.ndarray:
    """Share of a normal distribution in each bin, the tails in the outermost."""
    below = np.array([NormalDist().cdf(float(edge)) for edge in edges])
    below[0], below[-1] = 0.0, 1.0
    return np.diff(below)


def deciles(material: Material) -> Canvas | None:
    """Mean label of every decile of the score, above or below the day's mean, with its interval."""
    frame = material.deciles
    drawn = [m for m in material.models if np.isfinite(frame.loc[frame["model"] == m, "excess"]).any()]
    if not drawn:
        return None
    panels = Panels(
        "Label by decile of the score",
        drawn,
        x="decile of the score within the day, 10 = highest",
        y="bp beyond the day's mean",
        legend=[key("mean over days, line: 95 % interval", color=style.OWN, marker="o")],
        wanted=material.models,
    )
    for model, axes in panels:
        rows = matching(frame, model=model)
        zero_line(axes)
        axes.vlines(rows["decile"], 1e4 * rows["excess_low"], 1e4 * rows["excess_high"], color=style.OWN, linewidth=1.1)
        for row in rows.to_dict("records"):
            value, low, high = (1e4 * row[f"excess{end}"] for end in ("", "_low", "_high"))
            if math.isfinite(value):
                mark = dot(axes, row["decile"], value, markersize=2.6)
                tip = f"{model}, decile {row['decile']}: {value:+.1f} bp [{low:+.1f}, {high:+.1f}]"
                panels.canvas.tip(mark, f"{tip}, {row['names']:.0f} names a day")
    panels.axes[0].set_xticks([1, 4, 7, 10])
    few_ticks(panels.axes[0])
    return panels.canvas


def calibration(material: Material) -> Canvas | None:
    """What was forecast in each decile against what came, both on the scale of the training label."""
    frame = material.deciles
    drawn = [m for m in material.models if np.isfinite(frame.loc[frame["model"] == m, "train_label"]).any()]
    if not drawn:
        return None
    panels = Panels(
        "Calibration by decile of the score",
        drawn,
        x="mean score, in units of the training label",
        y="mean training label",
        legend=[
            key("deciles", color=style.OWN, marker="o"),
            key("as forecast", color=style.INK, linestyle=(0, (4, 2)), linewidth=0.9),
        ],
        wanted=material.models,
    )
    for model, axes in panels:
        rows = matching(frame, model=model)
        rows = rows_where(rows, np.isfinite(rows["train_label"])).sort_values(by="decile")
        ends = np.array([rows["score"].min(), rows["score"].max()])
        axes.plot(ends, ends, color=style.INK, linestyle=(0, (4, 2)), linewidth=0.9)
        axes.plot(rows["score"], rows["train_label"], color=style.OWN, linewidth=1.0, marker="o", markersize=3.2)
        came = "; ".join(
            f"decile {row['decile']} forecast {row['score']:+.3f}, came {row['train_label']:+.3f}"
            for row in rows.iloc[[-1, 0]].to_dict("records")
        )
        panels.canvas.tip(axes, f"{model}: {came}")
    few_ticks(panels.axes[0], x=3)
    return panels.canvas
