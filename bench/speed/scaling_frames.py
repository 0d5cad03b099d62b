"""Frames of what `bench time --scaling` measured: exponents, and their points. Imports no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import create_model

from bench.columns import FrameRow, Real, means
from bench.speed.frames import read_records
from bench.stats.exponents import fitted, fitted_end


class _Scaling(FrameRow):
    """How the cost of a model grows."""

    machine: str = means("of the device")
    device: str = means("cpu or cuda")
    model: str = means("registry name, or that with the parameters that differ")
    what: str = means("what was measured")
    theory_lookback: str = means("how the model says its cost grows with the lookback, empty where it does not")
    theory_stocks: str = means("the same with the number of stocks")
    device_name: str = means("as the machine calls it")
    threads: int = means("of the CPU")
    fixed_stocks: Real = means("size of the day while the lookback varies")
    fixed_lookback: Real = means("lookback while the stocks vary")
    largest_lookback: Real = means("largest lookback measured")
    largest_stocks: Real = means("largest day measured")
    reason: str = means("why sizes are missing")


_SLOPES = {
    "": "slope of its logarithm on that of the {axis}",
    "_low": "lower end of its 95 % t interval, wide where the points bend",
    "_high": "upper end",
    "_end": "slope over the three largest sizes, where overhead counts least",
    "_end_low": "lower end of its 95 % bootstrap interval over raw samples",
    "_end_high": "upper end",
}
_EXPONENTS: dict[str, Any] = {
    f"{quantity}_exponent_{axis}{part}": (Real, means(f"{quantity}: {meaning.format(axis=axis)}"))
    for axis in ("lookback", "stocks")
    for quantity in ("time", "memory")
    for part, meaning in _SLOPES.items()
    if quantity == "time" or part not in ("_end_low", "_end_high")
}
ScalingRow = create_model("ScalingRow", __base__=_Scaling, **_EXPONENTS)


class PointRow(FrameRow):
    """A size at which a model was measured."""

    machine: str = means("of the device")
    device: str = means("cpu or cuda")
    model: str = means("registry name, or that with the parameters that differ")
    axis: Literal["lookback", "stocks"] = means("what varies")
    size: int = means("of the axis")
    fixed: int = means("of the other axis")
    time_p50_ms: Real = means("median time, milliseconds")
    time_p25_ms: Real = means("first quartile")
    time_p75_ms: Real = means("third quartile")
    memory_mib: Real = means("peak memory")
    reason: str = means("why the size was skipped")


def scaling_frame(results: Path) -> pd.DataFrame:
    """A `ScalingRow` per (machine, device, model)."""
    return frame_of(read_records(results, scaling=True))


def frame_of(records: list[dict[str, Any]]) -> pd.DataFrame:
    rows = [_scaling_row(record, label, entry) for record in records for label, entry in record["entries"].items()]
    return ScalingRow.frame(rows).sort_values(["machine", "device", "model"], kind="stable").reset_index(drop=True)


def _scaling_row(record: dict[str, Any], label: str, entry: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {
        **{key: record[key] for key in ("machine", "device", "device_name")},
        "model": label,
        "what": entry["what"],
        "threads": entry["settings"]["threads"],
    }
    row["theory_lookback"], row["theory_stocks"] = entry.get("complexity", ("", ""))
    reasons = [entry["reason"]] if entry.get("reason") else []
    for axis, sweep in entry["axes"].items():
        row["fixed_stocks" if axis == "lookback" else "fixed_lookback"] = sweep["fixed"]
        reasons += [f"{axis} {p['size']}: {p['reason']}" for p in sweep["points"] if "reason" in p]
        timed = [p for p in sweep["points"] if "samples" in p]
        if not timed:
            continue
        sizes, samples = [p["size"] for p in timed], [np.asarray(p["samples"]) for p in timed]
        row[f"largest_{axis}"] = sizes[-1]
        row |= _named(f"time_exponent_{axis}", fitted(sizes, [np.median(s) for s in samples]))
        row |= _named(f"time_exponent_{axis}_end", fitted_end(sizes, samples))
        held = [p for p in timed if p["memory_mib"]]
        sizes, peaks = [p["size"] for p in held], [p["memory_mib"] for p in held]
        row |= _named(f"memory_exponent_{axis}", fitted(sizes, peaks))
        row[f"memory_exponent_{axis}_end"] = fitted_end(sizes, [np.asarray([p]) for p in peaks])[0]
    row["reason"] = "; ".join(reasons)
    return row


def _named(name: str, exponent: tuple[float, float, float]) -> dict[str, float]:
    return dict(zip((name, f"{name}_low", f"{name}_high"), exponent, strict=True))


def scaling_points(results: Path) -> pd.DataFrame:
    """The points behind `scaling_frame`."""
    return PointRow.frame(
        [
            _point_row(record, label, axis, sweep["fixed"], point)
            for record in read_records(results, scaling=True)
            for label, entry in record["entries"].items()
            for axis, sweep in entry["axes"].items()
            for point in sweep["points"]
        ]
    )


def _point_row(record: dict[str, Any], label: str, axis: str, fixed: int, point: dict[str, Any]) -> dict[str, Any]:
    times = {f"time_p{q}_ms": 1000 * np.percentile(point["samples"], q) for q in (25, 50, 75) if "samples" in point}
    return {"reason": "", **record, **point, **times, "model": label, "axis": axis, "fixed": fixed}
