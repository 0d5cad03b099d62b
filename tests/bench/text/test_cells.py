from __future__ import annotations

import math

import pandas as pd
import pytest

from bench.text.cells import Cell, cell, cells_of


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("{:.2f}", "0.50"),
        ("{:+.2f}", "+0.50"),
        ("{:.2f~}", "0.50 [0.40, 0.70]"),
        ("{:+.2f~}", "+0.50 [+0.40, +0.70]"),
        ("{:.2f±}", "0.50 ± 0.15"),
        ("{:.0%}", "50%"),
    ],
)
def test_a_cell_prints_its_value_and_where_asked_its_interval(spec, text):
    assert spec.format(Cell("t.m.x", 0.5, 0.4, 0.7)) == text


def test_a_cell_that_was_not_measured_is_a_dash_and_one_without_interval_a_number():
    assert f"{Cell('t.m.x', math.nan):.2f~}" == "–"
    assert f"{Cell('t.m.x', 0.5):.2f~}" == "0.50"
    assert f"{Cell('t.m.x', 190.0):,}" == "190"


def test_per_cent_scales_the_interval_and_keeps_the_name():
    scaled = Cell("t.m.x", 0.5, 0.4, 0.7).percent
    assert (scaled.id, scaled.value, scaled.low, scaled.high) == ("t.m.x", 50, 40, 70)


def test_a_frame_gives_a_cell_per_number_with_low_and_high_or_half_as_its_interval():
    frame = pd.DataFrame(
        [{"model": "gru", "ic": 0.1, "ic_half": 0.02, "gain": 3.0, "gain_low": 1.0, "gain_high": 4.0, "native": True}]
    )
    found = cells_of("main", frame, "model")
    assert set(found) == {"main.gru.ic", "main.gru.gain", "main.gru.native"}
    assert (found["main.gru.ic"].low, found["main.gru.ic"].high) == pytest.approx((0.08, 0.12))
    assert (found["main.gru.gain"].low, found["main.gru.gain"].high) == (1, 4)
    assert found["main.gru.native"].value == 1


def test_rows_of_two_names_are_joined():
    frame = pd.DataFrame([{"a": "x", "b": "y", "difference": 0.3}])
    assert set(cells_of("pairs", frame, ["a", "b"])) == {"pairs.x-y.difference"}


def test_a_cell_nobody_measured_is_there_without_a_value():
    assert not cell({}, "main.gru.ic").measured
