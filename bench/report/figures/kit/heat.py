"""A table of coloured cells: the number in every cell where it fits, otherwise hatching for those below zero."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.report.figures.kit import style
from bench.report.figures.kit.canvas import WIDTH, Canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HATCH = "////"
_LEFT, _RIGHT, _ROW, _SMALLEST_WITH_TEXT = 1.28, 0.15, 0.25, 0.36


@dataclass(frozen=True)
class Heat:
    """What is in the cells, `[rows][columns]`.

    Attributes:
        values: `[R, C]`; NaN = no cell. Colour runs from -scale over 0 to scale.
        texts: printed in the cells where they are wide enough.
        small: a second, smaller line below.
        tips: shown on pointing at a cell.
        plain: columns without colour, because they are in another unit.
        lower: a second line of column labels.
        boxed: columns with a frame.
        widest: width of a column in inches where there are few.
        notes: lines below the table.
    """

    rows: Sequence[str]
    columns: Sequence[str]
    values: np.ndarray
    scale: float
    texts: Sequence[Sequence[str]]
    tips: Sequence[Sequence[str]]
    small: Sequence[Sequence[str]] | None = None
    plain: frozenset[int] = frozenset()
    lower: Sequence[str] = ()
    boxed: frozenset[int] = frozenset()
    widest: float = 0.9
    notes: Sequence[str] = ()


def draw_heat(title: str, heat: Heat, unit: str = "") -> Canvas:
    """The cells below a line of column labels; `unit` is told in the key where the numbers do not fit."""
    from matplotlib.patches import Rectangle

    n_rows, n_columns = heat.values.shape
    width = min((WIDTH - _LEFT - _RIGHT) / max(n_columns, 1), heat.widest)
    tall = 0.36 if heat.small is not None else _ROW
    printed = width >= _SMALLEST_WITH_TEXT
    head = 0.34 + (0.0 if printed else 0.24) + (0.36 if any(heat.lower) else 0.22)
    whole = max(_LEFT + width * n_columns + _RIGHT, 5.4)
    canvas = Canvas(title, head + tall * n_rows + 0.1, whole, heat.notes)
    axes = canvas.axes(_LEFT, 0.1, width * n_columns, tall * n_rows, xlim=(0, n_columns), ylim=(n_rows, 0))
    axes.axis("off")
    for r in range(n_rows):
        axes.text(-0.06 / width, r + 0.5, style.short(heat.rows[r]), ha="right", va="center")
        for c in range(n_columns):
            value = float(heat.values[r, c])
            if not math.isfinite(value):
                axes.text(c + 0.5, r + 0.5, "–", ha="center", va="center", fontsize=style.SMALL_SIZE)
                continue
            colour = "none" if c in heat.plain else style.shade(value / heat.scale if heat.scale > 0 else 0.0)
            # Only cells without a number need the hatching to tell their sign.
            hatch = HATCH if not printed and value < 0 else None
            box = Rectangle((c, r), 1, 1, facecolor=colour, edgecolor="none", hatch=hatch, clip_on=False)
            canvas.tip(box, heat.tips[r][c])
            axes.add_patch(box)
            if printed:
                ink = style.INK if c in heat.plain else style.text_on(colour)
                at = r + (0.36 if heat.small is not None else 0.52)
                axes.text(c + 0.5, at, heat.texts[r][c], ha="center", va="center", fontsize=7.5, color=ink)
                if heat.small is not None:
                    below = heat.small[r][c]
                    axes.text(c + 0.5, r + 0.74, below, ha="center", va="center", fontsize=5.8, color=ink)
    _frame(axes, heat, width, printed)
    if not printed:
        _key(canvas, heat, unit)
    return canvas


def _frame(axes: Axes, heat: Heat, width: float, printed: bool) -> None:
    """Column labels, and frames around the columns that are marked."""
    from matplotlib.patches import Rectangle

    tall = 0.36 if heat.small is not None else _ROW
    every = max(1, math.ceil(0.19 / width)) if not printed else 1
    for c, name in enumerate(heat.columns):
        if c % every == 0:
            axes.text(c + 0.5, -0.06 / tall, name, ha="center", va="bottom", fontsize=style.SMALL_SIZE)
        if heat.lower and heat.lower[c]:
            axes.text(c, -0.2 / tall, heat.lower[c], ha="left", va="bottom", fontsize=style.SMALL_SIZE)
    look = {"facecolor": "none", "edgecolor": style.INK, "linewidth": 1.6, "clip_on": False}
    for c in sorted(heat.boxed):
        axes.add_patch(Rectangle((c, 0), 1, len(heat.rows), **look))


def _key(canvas: Canvas, heat: Heat, unit: str) -> None:
    """What the colours stand for."""
    from matplotlib.patches import Rectangle

    steps = (-1.0, -0.5, 0.0, 0.5, 1.0)
    axes = canvas.axes(_LEFT, canvas.height - canvas.foot - 0.52, 0.55 * len(steps), 0.13)
    axes.set(xlim=(0, len(steps)), ylim=(0, 1))
    axes.axis("off")
    digits = max(0, 1 - math.floor(math.log10(heat.scale))) if heat.scale > 0 else 0
    for i, step in enumerate(steps):
        hatch = HATCH if step < 0 else None
        box = Rectangle((i, 0), 0.36, 1, facecolor=style.shade(step), edgecolor="none", hatch=hatch, clip_on=False)
        axes.add_patch(box)
        label = style.signed(step * heat.scale, digits)
        axes.text(i + 0.4, 0.45, label, ha="left", va="center", fontsize=style.SMALL_SIZE)
    axes.text(len(steps) + 0.05, 0.45, unit, ha="left", va="center", fontsize=style.SMALL_SIZE)


def even_scale(values: np.ndarray) -> float:
    """The magnitude that 95 % of the cells stay below: one wild month must not pale all others. 0 without cells."""
    finite = np.abs(values[np.isfinite(values)])
    return float(np.quantile(finite, 0.95)) if len(finite) else 0.0
