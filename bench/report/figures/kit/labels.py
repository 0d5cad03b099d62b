"""Names beside points where they hide neither each other nor the points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from bench.report.figures.kit import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DISTANCES = (7.0, 13.0, 22.0, 34.0)
_DIRECTIONS = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))
_POINT = 5.0


def place_labels(
    axes: Axes, x: np.ndarray, y: np.ndarray, names: Sequence[str], bars: Sequence[tuple[float, float, float, float]]
) -> None:
    """Write every name beside its point, in points of 1/72 inch; the limits of the axes must stand.

    Greedy: each name takes the place around its point, near ones first, that covers least of what is there: points,
    names placed before, error bars, and what lies outside the axes. A line leads to names that are not close.

    Args:
        bars: ends `x, y, x, y` of straight lines along an axis.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    scale = 72.0 / figure.dpi
    points = axes.transData.transform(np.column_stack([x, y])) * scale
    bounds = np.array(axes.get_window_extent().extents) * scale
    taken = [np.array([px - _POINT, py - _POINT, px + _POINT, py + _POINT]) for px, py in points]
    for ends in np.array(bars).reshape(-1, 2, 2):
        (ax, ay), (bx, by) = axes.transData.transform(ends) * scale
        taken.append(np.array([min(ax, bx) - 1, min(ay, by) - 1, max(ax, bx) + 1, max(ay, by) + 1]))
    for i in map(int, np.argsort(-points[:, 1], kind="stable")):
        text = style.short(names[i])
        wide, tall = 0.62 * style.TEXT_SIZE * len(text), 1.25 * style.TEXT_SIZE
        half = np.array([wide / 2, tall / 2])
        others = taken[:i] + taken[i + 1 :]
        places: list[tuple[float, np.ndarray]] = []
        for rank, distance in enumerate(_DISTANCES):
            for order, (dx, dy) in enumerate(_DIRECTIONS):
                shift = distance / np.hypot(dx, dy)
                centre = points[i] + np.array([dx * (shift + wide / 2), dy * (shift + tall / 2)])
                box = np.concatenate([centre - half, centre + half])
                hidden = 3 * sum(_overlap(box, b) for b in others) + 4 * (wide * tall - _overlap(box, bounds))
                places.append((hidden + 9.0 * rank + 0.5 * order, box))
        _, best = min(places, key=lambda place: place[0])
        taken.append(best)
        offset = (best[:2] + best[2:]) / 2 - points[i]
        far = np.hypot(*np.maximum(np.abs(offset) - half, 0)) > _DISTANCES[1] - 1
        axes.annotate(
            text,
            (x[i], y[i]),
            (offset[0], offset[1]),
            textcoords="offset points",
            ha="center",
            va="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": style.INK, "linewidth": 0.5, "shrinkB": 4} if far else None,
        )


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    wide = min(a[2], b[2]) - max(a[0], b[0])
    tall = min(a[3], b[3]) - max(a[1], b[1])
    return float(max(wide, 0.0) * max(tall, 0.0))
