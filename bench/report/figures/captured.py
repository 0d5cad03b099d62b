"""The capture matrix as a picture."""

from __future__ import annotations

import numpy as np

from bench.report.figures.kit import style
from bench.report.figures.kit.canvas import Canvas, not_drawn
from bench.report.figures.kit.heat import Heat, draw_heat
from bench.report.figures.material import Material
from bench.scores.capture import NULL


def capture(material: Material) -> Canvas | None:
    """Share of the attainable IC by model and planted market, with intervals; on `null` the IC itself."""
    matrix = material.facts.matrix
    if matrix is None or matrix.frame.empty:
        return None
    rows = matrix.frame.to_dict("records")
    values = np.array([[row[m] for m in matrix.markets] for row in rows], dtype=np.float64)
    texts, small, tips = [], [], []
    for row in rows:
        cells = [(m, row[m], row[f"{m}_low"], row[f"{m}_high"]) for m in matrix.markets]
        texts.append([style.signed(v, 3) if m == NULL else _percent(v) for m, v, _, _ in cells])
        small.append([_bounds(m, low, high) for m, _, low, high in cells])
        tips.append([_tip(row["model"], *cell) for cell in cells])
    notes = [
        *not_drawn([row["model"] for row in rows], sorted(matrix.missing), "not ranked on every market"),
        "Small figures: 95 % intervals over the test days."
        + (f" On {NULL} there is nothing to find: its IC itself, which must hold 0." if NULL in matrix.markets else ""),
    ]
    heat = Heat(
        [row["model"] for row in rows],
        [f"{m} IC" if m == NULL else m for m in matrix.markets],
        values,
        1.0,
        texts,
        tips,
        small=small,
        plain=frozenset(i for i, m in enumerate(matrix.markets) if m == NULL),
        widest=1.0,
        notes=notes,
    )
    return draw_heat("Capture: per cent of the attainable IC on planted markets", heat)


def _bounds(market: str, low: float, high: float) -> str:
    if not np.isfinite([low, high]).all():
        return ""
    if market == NULL:
        return f"[{style.signed(low, 3)}, {style.signed(high, 3)}]"
    return f"[{_percent(low)}, {_percent(high)}]"


def _percent(share: float) -> str:
    return style.signed(100 * share, 0).removeprefix("+")


def _tip(model: str, market: str, value: float, low: float, high: float) -> str:
    if market == NULL:
        return f"{model} on {market}: IC {value:+.4f} [{low:+.4f}, {high:+.4f}]"
    return f"{model} on {market}: capture {100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
