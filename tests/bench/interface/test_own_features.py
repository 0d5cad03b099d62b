"""A run on columns of one's own, from the call to the scores of new data."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import bench
import zoo
from bench.experiment.config import ExperimentConfig, load_config, parse_override
from bench.experiment.plan import make_plan
from tests.data.own_frames import priced
from zoo.errors import ConfigError, DataError

QUICKLY = {"models": ["linear"], "seeds": 1, "jobs": 1, "figures": False, "progress": False, "lookback": 2}
STOCKS = tuple("ABCDEFGH")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The results folder of a run on a frame with two globbed columns, a file and a given label."""
    folder = tmp_path_factory.mktemp("own")
    frame = priced(160, STOCKS)
    roe = pd.DataFrame({"date": "2020-01-01", "symbol": STOCKS, "roe": np.arange(8.0)})
    roe.to_csv(folder / "roe.csv", index=False)
    bench.compare(
        frame,
        name="own",
        features=["alpha_*", "roe", "alpha158_20"],
        feature_files=[{"file": str(folder / "roe.csv"), "as_of": 1}],
        label={"column": "y", "reach": 5},
        results=folder,
        portfolio={"topk": 2},
        **QUICKLY,
    )
    return folder


def test_a_run_tells_coverage_and_label_and_keeps_the_embargo(run):
    told = json.loads((run / "runs" / "own" / "run.json").read_text())
    assert told["data"]["label"] == "column y (reach 5 days)"
    assert told["folds"][0]["embargo"] == 5
    assert any(note.startswith("3 own columns") for note in told["data"]["notes"])
    assert "column y (reach 5 days)" in (run / "runs" / "own" / "comparison.md").read_text()


def test_new_data_are_scored_without_label_and_with_more_columns_than_trained_on(run):
    model = zoo.load("own", model="linear", results=run)
    frame = priced(160, STOCKS)
    scores = model.predict(frame.drop(columns="y").assign(alpha_3=1.0))
    pd.testing.assert_series_equal(scores, model.predict(frame), check_exact=True)
    assert model.data.features == ("alpha_1", "alpha_2", "roe", "alpha158_20")


def test_new_data_that_lack_a_column_are_refused(run):
    model = zoo.load("own", model="linear", results=run)
    with pytest.raises(ConfigError, match="'alpha_2' is no feature set and no column of frame"):
        model.predict(priced(160, STOCKS).drop(columns="alpha_2"))
    with pytest.raises(DataError, match=r"no alpha_1 from .* but the model was trained with"):
        model.predict(priced(160, STOCKS).assign(alpha_1=np.nan))


def test_trial_keys_change_with_the_content_of_a_file_and_not_with_its_place(run, tmp_path):
    def keys(text: str, name: str) -> list[str]:
        (tmp_path / name).write_text(text)
        data = {"source": "planted:local?stocks=8&days=200", "features": ["raw", "roe"], "lookback": 2}
        data["feature_files"] = [str(tmp_path / name)]
        config = ExperimentConfig.model_validate({"data": data, "models": "linear", "seeds": [0]})
        return [trial.key for trial in make_plan(config, None).trials]

    symbols = zoo.load_panel("planted:local?stocks=8&days=200").symbols
    rows = "date,symbol,roe\n" + "".join(f"2000-01-03,{s},{k}\n" for k, s in enumerate(symbols))
    assert keys(rows, "one.csv") == keys(rows, "two.csv") != keys(rows.replace(",7\n", ",9\n"), "three.csv")


def test_lists_on_the_command_line_and_unknown_keys_of_files():
    for text in ("data.features=[raw, pe]", "data.features=raw,pe", "data.features=raw, pe"):
        assert load_config(None, dict([parse_override(text)])).data.features == ("raw", "pe")
    assert load_config(None, {"data.features": ["raw"]}).data.features == "raw"
    with pytest.raises(ConfigError, match=r"unknown key 'data.feature_files.0.as_off' \(did you mean 'as_of'\?\)"):
        load_config(None, {"data.feature_files": [{"file": "a.csv", "as_off": 3}]})
    with pytest.raises(ConfigError, match=r"unknown key 'data.label.horizon'"):
        load_config(None, {"data.label": {"column": "y", "reach": 3, "horizon": 2}})


def test_speed_on_a_simulated_market_refuses_columns_that_it_has_not():
    from bench.speed.workloads import make_dataset

    with pytest.raises(ConfigError, match="speed is measured on a simulated market"):
        make_dataset(load_config(None, {"data.features": ["raw", "pe"]}), 5, "cpu")
