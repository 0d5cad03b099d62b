"""A panel as a line and as a frame, and what takes a frame for a panel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

import zoo
from zoo.config import DataConfig
from zoo.data.panel import Concepts
from zoo.data.split import make_folds
from zoo.data.windows import Dataset

PANEL = replace(zoo.load_panel("planted:local?stocks=6&days=80"), concepts=None)


def test_a_panel_and_a_dataset_are_told_in_a_line():
    assert repr(PANEL) == (
        "<Panel planted:local?stocks=6&days=80: 80 days 2010-01-04 .. 2010-04-23, 6 stocks, "
        "open, high, low, close, vwap, volume>"
    )
    config = DataConfig(lookback=4)
    data = Dataset(PANEL, config, make_folds(PANEL.days, config.split, 2, 4)[0])
    assert repr(data).startswith("<Dataset planted:local?stocks=6&days=80: raw [4, 5], train 2010-01-")
    assert "\n" not in repr(data)


def test_the_frame_of_a_panel_is_read_back_as_the_panel():
    values = PANEL.values.copy()
    values[10, 2] = np.nan
    panel = replace(PANEL, values=values)
    frame = panel.to_frame()
    assert list(frame.index.names) == ["datetime", "instrument"]
    assert frame.index.is_monotonic_increasing
    assert zoo.load_panel(frame).fingerprint == panel.fingerprint


def test_the_frame_holds_sectors_where_a_column_can():
    first = np.zeros((1, 6, 2), dtype=np.int32)
    last = np.full((1, 6, 2), -1, dtype=np.int32)
    last[0, :3, 0] = last[0, 3:5, 1] = 79
    panel = replace(PANEL, concepts=Concepts(("banks", "steel"), first, last, snapshot=True))
    sectors = panel.to_frame()["sector"].groupby("instrument").first()
    assert sectors.tolist()[:5] == ["banks"] * 3 + ["steel"] * 2
    assert pd.isna(sectors.iloc[5])
    assert "sector" not in PANEL.to_frame()


def test_features_are_computed_of_panels_frames_and_sources_alike():
    expected = zoo.compute_features(PANEL, "raw")
    pd.testing.assert_frame_equal(zoo.compute_features(PANEL.to_frame(), "raw"), expected)
    pd.testing.assert_frame_equal(zoo.compute_features("planted:local?stocks=6&days=80", "raw"), expected)


def test_zoo_lists_its_public_names():
    assert set(dir(zoo)) == {*zoo.__all__, "__version__"}
