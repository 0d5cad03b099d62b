"""How the time of a day grows with the lookback and with the number of stocks."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd

from bench.report.figures.kit import style
from bench.report.figures.kit.canvas import Canvas, Panels, key, log_ticks, plain_ticks
from bench.report.figures.material import Material, matching, rows_where
from bench.speed.scaling_frames import scaling_points

_SYMBOL = {"lookback": "T", "stocks": "N"}


def scaling_lookback(material: Material) -> Canvas | None:
    """Time of a day against the lookback."""
    return _scaling(material, "lookback", "lookback T, days", "stocks")


def scaling_stocks(material: Material) -> Canvas | None:
    """Time of a day against the number of stocks."""
    return _scaling(material, "stocks", "stocks N", "lookback")


def _scaling(material: Material, axis: str, x: str, other: str) -> Canvas | None:
    from matplotlib.ticker import FixedLocator

    points = _one_machine(scaling_points(material.store.results))
    points = rows_where(points, (points["axis"] == axis) & np.isfinite(points["time_p50_ms"]))
    measured = set(points["model"])
    names = [m for m in material.models if m in measured] + sorted(measured - set(material.models))
    if not names:
        return None
    device = str(points["device"].tolist()[0])
    frame = material.facts.frame("scaling" if device == "cpu" else f"scaling-{device}")
    exponents = frame.drop_duplicates("model").set_index("model") if len(frame) else frame
    fixed = "/".join(f"{f}" for f in sorted(set(points["fixed"])))
    legend = [
        key("this model: median, bar between the quartiles", marker="o", color=style.OWN),
        key("all others", color=style.INK, alpha=0.35, linewidth=0.7),
    ]
    symbol = _SYMBOL[axis]
    note = [f"{symbol}^p: time grows with the power p of {symbol} over the three largest sizes."] if len(frame) else []
    panels = Panels(
        f"Time of a day against {x.split(' ')[0]}",
        names,
        longest=13,
        x=f"{x} ({other} {fixed}, {device})",
        y="ms a day",
        legend=legend,
        wanted=material.models,
        notes=note,
    )
    by_model = {m: matching(points, model=m).sort_values(by="size") for m in names}
    # The scales are shared: set for every panel they would be set anew for all panels each time.
    panels.axes[0].set(xscale="log", yscale="log")
    for name, axes in panels:
        # One line with gaps: a line for every pair of models would make the file three times as large.
        rivals = [rows for rival, rows in by_model.items() if rival != name]
        x_all = np.concatenate([np.append(rows["size"], np.nan) for rows in rivals] or [np.empty(0)])
        y_all = np.concatenate([np.append(rows["time_p50_ms"], np.nan) for rows in rivals] or [np.empty(0)])
        axes.plot(x_all, y_all, color=style.INK, alpha=0.35, linewidth=0.7, zorder=1)
        own = by_model[name]
        axes.vlines(own["size"], own["time_p25_ms"], own["time_p75_ms"], color=style.OWN, linewidth=2.2, alpha=0.5)
        axes.plot(own["size"], own["time_p50_ms"], color=style.OWN, marker="o", zorder=3)
        times = ", ".join(f"{row['size']}: {row['time_p50_ms']:.3g} ms" for row in own.to_dict("records"))
        panels.canvas.tip(axes, f"{name} by {axis}: {times}")
        panels.value(axes, _exponent(exponents, name, axis))
    sizes = sorted(set(points["size"]))
    plain_ticks(panels.axes[0].xaxis, FixedLocator(sizes[:: max(1, math.ceil(len(sizes) / 4))]))
    log_ticks(panels.axes[0].yaxis, 50, (1.0, 3.0))
    return panels.canvas


def _one_machine(points: pd.DataFrame) -> pd.DataFrame:
    """The points of one device, the CPU if it was measured; of several machines the one that measured most models."""
    if points.empty:
        return points
    devices = sorted(set(points["device"]), key=lambda d: (d != "cpu", d))
    points = matching(points, device=devices[0])
    machines = sorted(set(points["machine"]), key=lambda m: (-matching(points, machine=m)["model"].nunique(), m))
    return matching(points, machine=machines[0])


def _exponent(frame: pd.DataFrame, model: str, axis: str) -> str:
    """The growth over the three largest sizes, as T^1.02."""
    column = f"time_exponent_{axis}_end"
    if column not in frame.columns or model not in frame.index:
        return ""
    value = float(frame.loc[model, column])  # type: ignore[arg-type]
    return f"~ {_SYMBOL[axis]}^{value:.2f}" if math.isfinite(value) else ""
