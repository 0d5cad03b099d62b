"""Frames of what `bench time --scaling` measured: exponents, and the points behind them. Imports no torch."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.speed.frames import optional_float, read_records
from bench.stats.exponents import fitted, fitted_end

_AXES = ("lookback", "stocks")
SCALING_COLUMNS = {
    "machine": "str",
    "device": "str",
    "model": "str",
    "what": "str",
    "theory_lookback": "str",
    "theory_stocks": "str",
    "device_name": "str",
    "threads": "int64",
    "fixed_stocks": "float64",
    "fixed_lookback": "float64",
    **{
        f"{quantity}_exponent_{axis}{part}": "float64"
        for axis in _AXES
        for quantity in ("time", "memory")
        for part in ("", "_low", "_high", "_end", *(("_end_low", "_end_high") if quantity == "time" else ()))
    },
    "largest_lookback": "float64",
    "largest_stocks": "float64",
    "reason": "str",
}
"""Columns and dtypes of `scaling_frame`.

`theory_<axis>` is how the model says its cost grows, empty where it says nothing.
`*_exponent_<axis>` is the slope of log median (time) or log peak (memory) on log size, `_low` and `_high` its 95 % t
interval, which is wide where the points bend; `_end` the slope over the three largest sizes, where overhead counts
least, for time with a 95 % bootstrap interval of the raw samples. `fixed_stocks` is the size of the day while the
lookback varies, `fixed_lookback` the lookback while the stocks vary; `largest_*` the largest size measured.
"""
POINT_COLUMNS = {
    "machine": "str",
    "device": "str",
    "model": "str",
    "axis": "str",
    "size": "int64",
    "fixed": "int64",
    "time_p50_ms": "float64",
    "time_p25_ms": "float64",
    "time_p75_ms": "float64",
    "memory_mib": "float64",
    "reason": "str",
}
"""Columns and dtypes of `scaling_points`: one row per model, axis and size; `reason` where a size was skipped."""


def scaling_frame(results: Path) -> pd.DataFrame:
    """One row per (machine, device, model); see `SCALING_COLUMNS`. Empty where nothing was measured."""
    return frame_of(read_records(results, scaling=True))


def frame_of(records: list[dict[str, Any]]) -> pd.DataFrame:
    """`scaling_frame` of records at hand."""
    rows = [_scaling_row(record, label, entry) for record in records for label, entry in record["entries"].items()]
    frame = pd.DataFrame(rows, columns=list(SCALING_COLUMNS)).astype(SCALING_COLUMNS)
    return frame.sort_values(["machine", "device", "model"], kind="stable").reset_index(drop=True)


def _scaling_row(record: dict[str, Any], label: str, entry: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = {
        **{key: record[key] for key in ("machine", "device", "device_name")},
        "model": label,
        "what": entry["what"],
        **dict(zip(("theory_lookback", "theory_stocks"), entry.get("complexity", ("", "")), strict=True)),
        "threads": entry["settings"]["threads"],
    }
    reasons = [entry["reason"]] if entry.get("reason") else []
    for axis, sweep in entry["axes"].items():
        row["fixed_stocks" if axis == "lookback" else "fixed_lookback"] = sweep["fixed"]
        reasons += [f"{axis} {p['size']}: {p['reason']}" for p in sweep["points"] if "reason" in p]
        timed = [p for p in sweep["points"] if "samples" in p]
        if not timed:
            continue
        row[f"largest_{axis}"] = timed[-1]["size"]
        name = f"time_exponent_{axis}"
        samples = [np.asarray(p["samples"]) for p in timed]
        sizes = [p["size"] for p in timed]
        row |= dict(
            zip((name, f"{name}_low", f"{name}_high"), fitted(sizes, [np.median(s) for s in samples]), strict=True)
        )
        row |= dict(
            zip((f"{name}_end", f"{name}_end_low", f"{name}_end_high"), fitted_end(sizes, samples), strict=True)
        )
        name = f"memory_exponent_{axis}"
        held = [p for p in timed if p["memory_mib"]]
        sizes, peaks = [p["size"] for p in held], [p["memory_mib"] for p in held]
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), fitted(sizes, peaks), strict=True))
        row[f"{name}_end"] = fitted_end(sizes, [np.asarray([p]) for p in peaks])[0]
    row["reason"] = "; ".join(reasons)
    return row


def scaling_points(results: Path) -> pd.DataFrame:
    """The points behind `scaling_frame`; see `POINT_COLUMNS`."""
    rows = []
    for record in read_records(results, scaling=True):
        for label, entry in record["entries"].items():
            for axis, sweep in entry["axes"].items():
                for point in sweep["points"]:
                    quartiles = [math.nan] * 3
                    if "samples" in point:
                        quartiles = [1000 * float(v) for v in np.percentile(point["samples"], [25, 50, 75])]
                    rows.append(
                        {
                            **{key: record[key] for key in ("machine", "device")},
                            "model": label,
                            "axis": axis,
                            "size": point["size"],
                            "fixed": sweep["fixed"],
                            **dict(zip(("time_p25_ms", "time_p50_ms", "time_p75_ms"), quartiles, strict=True)),
                            "memory_mib": optional_float(point.get("memory_mib")),
                            "reason": point.get("reason", ""),
                        }
                    )
    return pd.DataFrame(rows, columns=list(POINT_COLUMNS)).astype(POINT_COLUMNS)
