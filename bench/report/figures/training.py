"""Training curves: valid IC and train loss by epoch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.records.store import known
from bench.report.figures.kit import style
from bench.report.figures.kit.canvas import Canvas, Panels, dot, few_ticks, key, thinned
from bench.report.figures.material import Material

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_TRIALS = 10
_DASHES = (0, (3, 2))


def training(material: Material) -> Canvas | None:
    """One panel a model, one pair of lines a trial; models fitted as a whole have no epochs."""
    records = {m: [r for r in material.facts.board.records.values() if r["model"] == m] for m in material.models}
    drawn = {m: of_model for m, all_of in records.items() if (of_model := [r for r in all_of if r["fit"]["history"]])}
    if not drawn:
        return None
    whole = [m for m, of_model in records.items() if of_model and m not in drawn]
    notes = [f"Fitted as a whole, without epochs: {style.listed(whole)}."] if whole else []
    gone = [m for m, of_model in records.items() if not of_model]
    notes += [f"Not trained: {style.listed(gone)}."] if gone else []
    most = max(len(of_model) for of_model in drawn.values())
    if most > MOST_TRIALS:
        notes.append(f"The first {MOST_TRIALS} of {most} trials of each model.")
    return draw_training({m: of_model[:MOST_TRIALS] for m, of_model in drawn.items()}, notes)


def draw_training(drawn: dict[str, list[dict[str, Any]]], notes: list[str]) -> Canvas:
    """One panel by name, with the records of its trials."""
    from matplotlib.ticker import MaxNLocator

    panels = Panels(
        "Training curves",
        list(drawn),
        x="epoch",
        y="valid IC",
        legend=[
            key("valid IC (left)", color=style.OWN),
            key("epoch kept", color=style.OWN, marker="o", linestyle="none"),
            key("train loss as a share of the first epoch's (right), by stage", color=style.OTHER, linestyle=_DASHES),
        ],
        notes=notes,
        right=0.5,
        height=0.95 if len(drawn) > 1 else 1.9,
        widest=2.6 if len(drawn) > 1 else 5.0,
        longest=16 if len(drawn) > 1 else 60,
        share_x=False,
    )
    losses: list[Axes] = []
    for i, (name, axes) in enumerate(panels):
        records = drawn[name]
        loss = axes.twinx()
        losses.append(loss)
        for record in records:
            _draw(axes, loss, record)
        last = i % panels.columns == panels.columns - 1 or i == len(drawn) - 1
        loss.tick_params(labelright=last, right=last, length=2.5 if last else 0)
        loss.spines["right"].set_visible(last)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        few_ticks(loss, y=3)
        epochs = "; ".join(
            f"seed {r['seed']} epoch {r['fit']['best_epoch']} of {len(r['fit']['history'])}" for r in records
        )
        panels.canvas.tip(axes, f"{records[0]['model']}: kept {epochs}")
    low = min(a.dataLim.ymin for a in losses)
    high = max(a.dataLim.ymax for a in losses)
    for loss in losses:
        margin = 0.06 * (high - low or 1.0)
        loss.set_ylim(low - margin, high + margin)
    few_ticks(panels.axes[0])
    return panels.canvas


def _draw(axes: Axes, loss: Axes, record: dict[str, Any]) -> None:
    history = record["fit"]["history"]
    # Stages follow each other; the epochs of a stage begin anew.
    epoch = np.arange(1, len(history) + 1)
    valid = np.array([known(h.get("valid_ic")) for h in history])
    train = np.array([known(h.get("train_loss")) for h in history])
    at = thinned(len(history), 100)
    axes.plot(epoch[at], valid[at], color=style.OWN, linewidth=1.0, alpha=0.85)
    best = record["fit"]["best_epoch"]
    stage = history[-1].get("stage")
    at_best = [i for i, h in enumerate(history) if h.get("epoch") == best and h.get("stage") == stage]
    if at_best:
        dot(axes, float(epoch[at_best[-1]]), float(valid[at_best[-1]]), markersize=3.6)
    # A stage may minimise another loss than the one before it.
    stages = [h.get("stage") for h in history]
    for name in dict.fromkeys(stages):
        of_stage = np.array([s == name for s in stages])
        first = next((v for v in train[of_stage] if math.isfinite(v) and v != 0), math.nan)
        line = at[of_stage[at]]
        loss.plot(epoch[line], train[line] / first, color=style.OTHER, linestyle=_DASHES, linewidth=0.9, alpha=0.85)
