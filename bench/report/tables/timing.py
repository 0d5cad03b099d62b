"""Tables of `bench time`: speed and memory, how they grow, and how far two passes agree."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from bench.speed.clock import UNSTABLE_SPREAD
from bench.text.language import listed, retold, translate
from bench.text.tables import Column, Row, Table, frame_rows, number, seconds


def timing_table(frame: pd.DataFrame) -> Table:
    """Rows of `bench.speed.frames.timing_frame`, fastest one-day latency first within machine, device and mode."""
    columns = [
        Column("model", lambda r: translate("{model} (unstable)", model=r["model"]) if r["unstable"] else r["model"]),
        Column("mode", lambda r: f"{r['device']} {r['mode']}"),
        Column("one day p50 ms", lambda r: seconds(r["one_day_p50_ms"])),
        Column("p90", lambda r: seconds(r["one_day_p90_ms"])),
        Column("p99", lambda r: seconds(r["one_day_p99_ms"])),
        Column("spread %", lambda r: _percent(r["one_day_spread"])),
        Column("one stock p50 ms", lambda r: seconds(r["one_stock_p50_ms"])),
        Column("p99", lambda r: seconds(r["one_stock_p99_ms"])),
        Column("train step p50 ms", lambda r: seconds(r["train_step_p50_ms"])),
        Column("p99", lambda r: seconds(r["train_step_p99_ms"])),
        Column("train samples/s", lambda r: _count(r["train_samples_per_s"])),
        Column("offline samples/s", lambda r: _count(r["offline_samples_per_s"])),
        Column("train peak MiB", lambda r: seconds(r["train_memory_mib"])),
        Column("one day peak MiB", lambda r: seconds(r["one_day_memory_mib"])),
        Column("parameters", lambda r: _count(r["n_parameters"])),
        Column("kFLOPs a row", lambda r: number(r["flops_forward"] / 1000, 1)),
    ]
    ordered = frame.sort_values(["machine", "device", "mode", "one_day_p50_ms"], kind="stable")
    return _table(columns, frame_rows(ordered), text=2)


def scaling_table(frame: pd.DataFrame) -> Table:
    """Rows of `bench.speed.scaling_frames.scaling_frame`: exponents over all sizes and over the three largest."""
    columns = [
        Column("model", lambda r: r["model"]),
        *(
            Column(
                f"{quantity} in {name}{header}", lambda r, key=f"{quantity}_exponent_{axis}{part}": _exponent(r, key)
            )
            for axis, name in (("lookback", "T"), ("stocks", "N"))
            for quantity in ("time", "memory")
            for part, header in (("", " [95 %]"), ("_end", ", large"))
        ),
        Column("largest T", lambda r: _count(r["largest_lookback"])),
        Column("largest N", lambda r: _count(r["largest_stocks"])),
        Column("what", lambda r: retold(r["what"])),
    ]
    measured = [
        r for r in frame_rows(frame) if not math.isnan(r["largest_lookback"]) or not math.isnan(r["largest_stocks"])
    ]
    table = _table(columns, measured, text=1)
    table.numeric[-1] = False
    return table


def repeat_line(frame: pd.DataFrame) -> str:
    """How far the two passes of the whole measurement agree, and which rows are unstable."""
    found = [
        (abs(float(row[key])), f"{row['model']} {row['mode']}, {key.removesuffix('_repeat')}")
        for row in frame_rows(frame)
        for key in frame.columns
        if key.endswith("_repeat") and math.isfinite(row[key])
    ]
    if not found:
        return translate("Repeat-run spread: nothing was measured twice.")
    values = pd.Series([value for value, _ in found])
    worst, where = max(found)
    unstable = [f"{r['model']} {r['mode']}" for r in frame_rows(frame) if r["unstable"]]
    line = translate(
        "Repeat-run spread (the whole measurement twice, difference of the two medians over their mean): median "
        "{median:.1%}, 90 % of {n} figures within {most:.1%}, largest {worst:.1%} ({where}).",
        median=float(values.median()),
        n=len(found),
        most=float(values.quantile(0.9)),
        worst=worst,
        where=where,
    )
    if not unstable:
        return line
    warning = translate(
        "UNSTABLE (spread or repeat above {limit:.0%}): {rows}.", limit=UNSTABLE_SPREAD, rows=listed(unstable)
    )
    return line + translate(" ") + warning


def _table(columns: list[Column], rows: list[Row], *, text: int) -> Table:
    """The first `text` columns hold words."""
    numeric = [i >= text for i in range(len(columns))]
    return Table([c.header for c in columns], [[c.text(row) for c in columns] for row in rows], numeric)


def _exponent(row: Row, key: str) -> str:
    low, high = row.get(f"{key}_low", math.nan), row.get(f"{key}_high", math.nan)
    interval = f" [{number(low, 2)}, {number(high, 2)}]" if math.isfinite(low) and math.isfinite(high) else ""
    return number(row[key], 2) + interval


def _percent(value: float) -> str:
    return number(100 * value, 1)


def _count(value: Any) -> str:
    return f"{value:,.0f}" if math.isfinite(value) else "–"
