"""Tables of the interpretability score."""

from __future__ import annotations

import math

import pandas as pd

from bench.text.tables import Column, Row, Table, frame_rows, number, seconds


def _range(row: Row, name: str, digits: int = 2) -> str:
    """`0.52 [0.41, 0.60]`; the number alone where it has no interval."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if not (math.isfinite(low) and math.isfinite(high)):
        return number(row[name], digits)
    return f"{number(row[name], digits)} [{number(low, digits)}, {number(high, digits)}]"


SCORE_TABLE: list[Column] = [
    Column("model", lambda r: r["model"], lambda r: r["model"]),
    Column("interpretability [95 %]", lambda r: _range(r, "interpretability"), lambda r: r["interpretability"]),
    Column("best method", lambda r: r["method"].replace("_", " "), lambda r: r["method"]),
    Column("AUPRC", lambda r: number(r["auprc"], 2), lambda r: r["auprc"]),
    Column("untrained", lambda r: number(r["control_auprc"], 2), lambda r: r["control_auprc"]),
    Column("chance", lambda r: number(r["chance"], 2), lambda r: r["chance"]),
    Column("peers", lambda r: number(r["peers"], 2), lambda r: r["peers"]),
    Column("deletion (IC)", lambda r: number(r["deletion"], 3, True), lambda r: r["deletion"]),
    Column("explains itself by", lambda r: r["native_axis"] or "–", lambda r: r["native_axis"]),
    Column("s per day", lambda r: seconds(r["seconds_per_day"]), lambda r: r["seconds_per_day"]),
]

METHOD_TABLE: list[Column] = [
    Column("model", lambda r: r["model"], lambda r: r["model"]),
    Column("method", lambda r: r["method"].replace("_", " "), lambda r: r["method"]),
    Column("AUPRC [95 %]", lambda r: _range(r, "auprc"), lambda r: r["auprc"]),
    Column("untrained", lambda r: number(r["control_auprc"], 2), lambda r: r["control_auprc"]),
    Column("chance", lambda r: number(r["chance"], 2), lambda r: r["chance"]),
    Column("AUPRC lags", lambda r: number(r["auprc_lag"], 2), lambda r: r["auprc_lag"]),
    Column("chance lags", lambda r: number(r["chance_lag"], 2), lambda r: r["chance_lag"]),
    Column("AUPRC peers", lambda r: number(r["auprc_peers"], 2), lambda r: r["auprc_peers"]),
    Column("chance peers", lambda r: number(r["chance_peers"], 2), lambda r: r["chance_peers"]),
    Column("deletion (IC) [95 %]", lambda r: _range(r, "deletion", 3), lambda r: r["deletion"]),
    Column("s per day", lambda r: seconds(r["seconds_per_day"]), lambda r: r["seconds_per_day"]),
]

_TEXT = {"model", "best method", "method", "explains itself by"}


def interpretability_table(scores: pd.DataFrame) -> Table | None:
    """One row per model, of `bench.attribution.frames.interpretability_scores`; None where nothing was measured."""
    return _table(SCORE_TABLE, scores)


def method_table(frame: pd.DataFrame) -> Table | None:
    """One row per model and method, of `bench.attribution.frames.interpretability_frame`; None if there are none."""
    return _table(METHOD_TABLE, frame)


def _table(columns: list[Column], frame: pd.DataFrame) -> Table | None:
    if frame.empty:
        return None
    rows = [[column.text(row) for column in columns] for row in frame_rows(frame)]
    headers = [column.header for column in columns]
    return Table(headers, rows, [header not in _TEXT for header in headers])
