"""The capture matrix as a picture."""

from __future__ import annotations

import numpy as np

from bench.report.figures.kit import style
from bench.report.figures.kit.canvas import Canvas, not_drawn
from bench.report.figures.kit.heat import Heat, draw_heat
from bench.report.figures.material import Material
from bench.scores.capture import NULL
from bench.text.cells import Cell, cell_of


def capture(material: Material) -> Canvas | None:
    """Share of the attainable IC by model and planted market, with intervals; on `null` the IC itself."""
    matrix = material.facts.matrix
    if matrix is None or matrix.frame.empty:
        return None
    rows = matrix.frame.to_dict("records")
    cells = [[cell_of(row, market, "capture") for market in matrix.markets] for row in rows]
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
        [[_text(m, cell.value) for m, cell in zip(matrix.markets, row, strict=True)] for row in cells],
        [
            [_tip(model, m, c) for m, c in zip(matrix.markets, row, strict=True)]
            for model, row in zip(models, cells, strict=True)
        ],
        small=[[_bounds(m, cell) for m, cell in zip(matrix.markets, row, strict=True)] for row in cells],
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
