"""Tables of the interpretability score."""

from __future__ import annotations

import pandas as pd

from bench.text.cells import DASH
from bench.text.language import phrase
from bench.text.tables import Column, Table, frame_rows, table_of

SCORE_TABLE = (
    Column("model", "model"),
    Column("interpretability", "interpretability [95 %]", ".2f~"),
    Column("method", "best method"),
    Column("auprc", "AUPRC", ".2f"),
    Column("control_auprc", "untrained", ".2f"),
    Column("chance", "chance", ".2f"),
    Column("peers", "peers", ".2f"),
    Column("deletion", "deletion (IC)", "+.3f"),
    Column("native_axis", "explains itself by"),
    Column("seconds_per_day", "s per day", ".3g"),
)
METHOD_TABLE = (
    Column("model", "model"),
    Column("method", "method"),
    Column("auprc", "AUPRC [95 %]", ".2f~"),
    Column("control_auprc", "untrained", ".2f"),
    Column("chance", "chance", ".2f"),
    Column("auprc_lag", "AUPRC lags", ".2f"),
    Column("chance_lag", "chance lags", ".2f"),
    Column("auprc_peers", "AUPRC peers", ".2f"),
    Column("chance_peers", "chance peers", ".2f"),
    Column("deletion", "deletion (IC) [95 %]", ".3f~"),
    Column("seconds_per_day", "s per day", ".3g"),
)


def interpretability_table(scores: pd.DataFrame) -> Table | None:
    """One row per model, of `bench.attribution.frames.interpretability_scores`; None where nothing was measured."""
    return _table("interpretability", SCORE_TABLE, scores, "model")


def method_table(frame: pd.DataFrame) -> Table | None:
    """One row per model and method, of `bench.attribution.frames.interpretability_frame`; None if there are none."""
    return _table("methods", METHOD_TABLE, frame, ["model", "method"])


def _table(name: str, columns: tuple[Column, ...], frame: pd.DataFrame, row: str | list[str]) -> Table | None:
    rows = frame_rows(frame)
    for entry in rows:
        entry["native_axis"] = phrase(entry.get("native_axis") or DASH)
        entry["method"] = phrase(entry["method"].replace("_", " "))
    return table_of(name, columns, rows, row)
