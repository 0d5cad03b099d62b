"""A column that carries a planted signal is found with it; dated a day too early it is flagged."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import bench
from bench.experiment.config import ExperimentConfig
from bench.experiment.plan import make_plan
from bench.leaks import make_subject, own
from zoo.data.sources.planted import planted_market_from_spec

SPEC = "planted:local?stocks=60&days=400&rho=0.09&seed=3"


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """Prices of a planted market, and the signal that forecasts them as a file of its own."""
    folder = tmp_path_factory.mktemp("planted")
    planted = planted_market_from_spec(SPEC)
    panel, signal = planted.panel, planted.signal
    prices = panel.to_frame().reset_index()
    prices.rename(columns={"datetime": "date", "instrument": "symbol"}).to_parquet(folder / "prices.parquet")
    frame = pd.DataFrame(signal, index=panel.days.astype("datetime64[ns]"), columns=panel.symbols)
    for name, shift in (("honest", 0), ("early", -1)):
        rows = frame.shift(shift).stack().rename("signal").rename_axis(["date", "symbol"]).reset_index()
        rows.to_csv(folder / f"{name}.csv", index=False)
    return folder


def test_a_column_that_carries_the_signal_is_found_with_it_and_not_without(market, tmp_path):
    def ic(**settings):
        found = bench.compare(
            market / "prices.parquet",
            models=["linear"],
            seeds=1,
            lookback=1,
            results=tmp_path,
            jobs=1,
            figures=False,
            progress=False,
            **settings,
        )
        return found.table.loc["linear", "ic"]

    signal = ic(name="with", features=["signal"], feature_files=[str(market / "honest.csv")])
    without = ic(name="without", features=["volume"])
    assert signal > 0.05 > abs(without) + 0.01
    notes = json.loads((tmp_path / "runs" / "with" / "run.json").read_text())["data"]["notes"]
    assert any(note.startswith("1 own column; share of member rows with a value: signal") for note in notes)


@pytest.mark.parametrize(("file", "flagged"), [("honest", False), ("early", True)])
def test_a_file_that_is_dated_a_day_too_early_is_flagged(market, file, flagged):
    config = {
        "data": {
            "source": str(market / "prices.parquet"),
            "features": ["signal"],
            "feature_files": [str(market / f"{file}.csv")],
            "lookback": 1,
        },
        "models": "linear",
    }
    subject = make_subject(make_plan(ExperimentConfig.model_validate(config), None))
    told = list(own.own_columns_early(subject))
    assert bool(told) == flagged
    assert all("'signal'" in text and "the next day" in text for text in told)


def test_honest_columns_at_the_limit_are_flagged_as_seldom_as_stated():
    rng = np.random.default_rng(0)
    tests, sets = 4, 1500
    flagged = sum(
        any(own.is_early(daily, 0.1, tests) for daily in rng.normal(0.1, 0.08, (tests, 120))) for _ in range(sets)
    )
    assert flagged / sets <= own.FALSE_ALARMS + 3 * np.sqrt(own.FALSE_ALARMS / sets)


def test_forecasts_as_strong_as_any_known_pass_and_facts_do_not():
    rng = np.random.default_rng(1)
    assert not own.is_early(rng.normal(0.08, 0.05, 400), 0.1, 10)
    assert own.is_early(rng.normal(-0.3, 0.1, 200), 0.1, 100)
