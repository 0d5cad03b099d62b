"""Tables of what forecasts rest on."""

from __future__ import annotations

import pandas as pd

from bench.text.tables import Column, Definition, Table, frame_rows, table_of

_SHARE = Definition(
    "share",
    "mean |change of the score| when a field (a feature column, at all days of the window) takes the values of another "
    "stock of the same day, over the sum of that of all fields; in brackets the lowest and the highest seed",
)
_CONTROL = Definition("untrained", "the same share in networks of the same shape with untrained weights")
_LOST = Definition("IC lost", "the IC less that after the exchange; interval over days")
_BACK = Definition("days back", "mean days back of the change when whole days of the window are exchanged")
_PEERS = Definition(
    "other stocks' rows",
    "change of a score when all other stocks' rows are exchanged, over that and its change when its own row is",
)
IMPORTANCE_TABLE = (
    Column("model", "model"),
    Column("field", "first field"),
    Column("share", "share, % [seeds]", ".1f~", 100, _SHARE),
    Column("control", "untrained, %", ".1f", 100, _CONTROL),
    Column("ic_lost", "IC lost [95 %]", "+.3f~", 1.0, _LOST),
    Column("n_above", "fields above untrained", ",.0f"),
    Column("days_back", "days back [seeds]", ".1f~", 1.0, _BACK),
    Column("control_days_back", "days back, untrained", ".1f"),
    Column("peers", "other stocks' rows, % [seeds]", ".0f~", 100, _PEERS),
    Column("control_peers", "other stocks' rows, untrained, %", ".0f", 100),
    Column("n_trials", "seeds", ",.0f"),
    Column("seconds", "s per trial", ".3g"),
)
INPUT_TABLE = (
    Column("model", "model"),
    Column("name", "field"),
    Column("share", "share, % [seeds]", ".1f~", 100),
    Column("control", "untrained, % [95 %]", ".1f~", 100),
    Column("ic_lost", "IC lost [95 %]", "+.4f~"),
    Column("change", "change of the score, sd", ".2f"),
)


def importance_table(frame: pd.DataFrame) -> Table | None:
    """One row per model, of `bench.attribution.importance_frames.importance_frame`; None where nothing was measured."""
    return table_of("importance", IMPORTANCE_TABLE, frame_rows(frame))


def input_table(frame: pd.DataFrame) -> Table | None:
    """One row per model and field, of `bench.attribution.importance_frames.input_frame`; None where there are none."""
    return table_of("inputs", INPUT_TABLE, frame_rows(frame), ["model", "axis", "name"])
