"""`change`: close(t) / close(t-1) - 1. Some sources store per cent, others money."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from zoo.data.panel import Panel

SCALES = {100: "per cent", 10_000: "basis points"}
_NEAR = 0.05  # of a scale: returns of total and of price differ by dividends on few days
_SMALL = 1e-4  # returns below this are mostly rounding
_VALUES = 4_000_000  # of one field: a whole market decides as well by every k-th stock
_FITS = 1e-3  # largest median gap between a stored and a computed return


def settle_change(panel: Panel) -> Panel:
    """The panel with `change` as a fraction, or without it where it is no daily return."""
    if "change" not in panel.fields or panel.n_days < 2:
        return panel
    close, change = sampled(panel, "close"), sampled(panel, "change")[:, 1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        computed = close[:, 1:] / close[:, :-1] - 1
    both = np.isfinite(computed) & np.isfinite(change)
    computed, change = computed[both], change[both]
    if not len(computed) or np.median(np.abs(computed - change)) < _FITS:
        return panel
    moved = np.abs(computed) > _SMALL
    ratio = float(np.median(change[moved] / computed[moved])) if moved.any() else 1.0
    scale = next((scale for scale in SCALES if abs(ratio / scale - 1) < _NEAR), None)
    at = panel.fields.index("change")
    if scale is not None and np.median(np.abs(computed - change / scale)) < _FITS:
        panel.values[:, :, at] /= np.float32(scale)
        return panel.with_notes(
            f"change is stored in {SCALES[scale]} ({ratio:.4g} x the returns of {len(computed):,} closes) and is "
            f"divided by {scale}"
        )
    keep = [k for k in range(len(panel.fields)) if k != at]
    return replace(
        panel,
        fields=tuple(panel.fields[k] for k in keep),
        values=panel.stock_major[:, :, keep].transpose(1, 0, 2),
        notes=(*panel.notes, "column change is not close(t) / close(t-1) - 1 and is left out"),
    )


def sampled(panel: Panel, field: str) -> np.ndarray:
    """`[n, D]` float64 values of one field of all stocks, of every k-th in a large panel."""
    step = max(1, panel.n_stocks * panel.n_days // _VALUES)
    return panel.stock_major[::step, :, panel.fields.index(field)].astype(np.float64)
