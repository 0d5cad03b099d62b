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


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        *((4.2e6, "money", "4.20 M"), (999_999, "money", "1.00 M"), (123_456, "money", "123 k"), (7.5, "money", "7.5")),
        *(
            (2.5e9, "money", "2.50 bn"),
            (math.nan, "money", "–"),
            (6.08e6, "count", "6.08 M"),
            (3.1e9, "count", "3.10 G"),
        ),
        *((0, "bytes", "0 B"), (3 * 2**20, "bytes", "3.00 MiB"), (512, "bytes", "512 B")),
    ],
)
def test_a_magnitude_has_three_digits_and_a_unit(value, form, text):
    assert f"{Cell('t.m.x', value):{form}}" == text


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
