"""Tables of `bench time`: speed and memory, how they grow, and how far two passes agree."""

from __future__ import annotations

import math
import re

import pandas as pd

from bench.speed.clock import UNSTABLE_SPREAD
from bench.text.cells import DASH
from bench.text.language import listed, phrase, retold, translate
from bench.text.tables import Column, ModelName, Table, frame_rows, table_of

TIMING_TABLE = (
    Column("model", "model"),
    Column("mode", "mode"),
    Column("one_day_p50_ms", "one day p50 ms", ".3g"),
    Column("one_day_p90_ms", "p90", ".3g"),
    Column("one_day_p99_ms", "p99", ".3g"),
    Column("one_day_spread", "spread %", ".1f", 100),
    Column("one_stock_p50_ms", "one stock p50 ms", ".3g"),
    Column("one_stock_p99_ms", "p99", ".3g"),
    Column("train_step_p50_ms", "train step p50 ms", ".3g"),
    Column("train_step_p99_ms", "p99", ".3g"),
    Column("train_samples_per_s", "train samples/s", ",.0f"),
    Column("offline_samples_per_s", "offline samples/s", ",.0f"),
    Column("train_memory_mib", "train peak MiB", ".3g"),
    Column("one_day_memory_mib", "one day peak MiB", ".3g"),
    Column("n_parameters", "parameters", ",.0f"),
    Column("flops_forward", "kFLOPs a row", ".1f", 1e-3),
)
SCALING_TABLE = (
    Column("model", "model"),
    Column("theory_lookback", "theory in T"),
    Column("theory_stocks", "theory in N"),
    *(
        Column(f"{quantity}_exponent_{axis}{part}", f"{quantity} in {name}{header}", ".2f~")
        for axis, name in (("lookback", "T"), ("stocks", "N"))
        for quantity in ("time", "memory")
        for part, header in (("", " [95 %]"), ("_end", ", large"))
    ),
    Column("largest_lookback", "largest T", ",.0f"),
    Column("largest_stocks", "largest N", ",.0f"),
    Column("what", "what"),
)


def timing_table(frame: pd.DataFrame, name: str = "timing") -> Table | None:
    """Rows of `bench.speed.frames.timing_frame`, fastest one-day latency first within machine, device and mode."""
    rows = frame_rows(frame.sort_values(["machine", "device", "mode", "one_day_p50_ms"], kind="stable"))
    for row in rows:
        model = row["model"]
        text = phrase("{model} (unstable)", model=model) if row["unstable"] else model
        row |= {"model": ModelName(text, (model,)), "mode": f"{row['device']} {row['mode']}"}
    return table_of(name, TIMING_TABLE, rows)


def scaling_table(frame: pd.DataFrame, name: str = "scaling") -> Table | None:
    """Rows of `bench.speed.scaling_frames.scaling_frame`: theory, exponents over all sizes, over the three largest."""
    rows = [r for r in frame_rows(frame) if not (math.isnan(r["largest_lookback"]) and math.isnan(r["largest_stocks"]))]
    for row in rows:
        label = row["model"]
        # `localformer.attention` and `gru[hidden_size=64]` are about a model, too.
        row |= {"model": ModelName(label, (re.split(r"[.\[]", label)[0],)), "what": retold(row["what"])}
        row |= {key: phrase(row.get(key) or DASH) for key in ("theory_lookback", "theory_stocks")}
    return table_of(name, SCALING_TABLE, rows)


def repeat_line(frame: pd.DataFrame) -> str:
    """How far the two passes of the whole measurement agree, and which rows are unstable."""
    repeats = [
        (abs(float(row[key])), f"{row['model']} {row['mode']}, {key.removesuffix('_repeat')}")
        for row in frame_rows(frame)
        for key in frame.columns
        if key.endswith("_repeat") and math.isfinite(row[key])
    ]
    if not repeats:
        return translate("Repeat-run spread: nothing was measured twice.")
    values = pd.Series([value for value, _ in repeats])
    worst, where = max(repeats)
    unstable = [f"{r['model']} {r['mode']}" for r in frame_rows(frame) if r["unstable"]]
    line = translate(
        "Repeat-run spread (the whole measurement twice, difference of the two medians over their mean): median "
        "{median:.1%}, 90 % of {n} figures within {most:.1%}, largest {worst:.1%} ({where}).",
        median=float(values.median()),
        n=len(repeats),
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
