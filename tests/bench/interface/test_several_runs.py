"""Several horizons and markets of one experiment: a run each, and their results side by side."""

from __future__ import annotations

import json

import numpy as np
import pytest

import bench
from bench.experiment.config import load_config
from bench.interface.several import Results, expand
from bench.stats.bootstrap import block_length
from zoo.errors import ConfigError

QUICKLY = {"models": ["linear"], "seeds": 1, "jobs": 1, "figures": False, "progress": False, "lookback": 5}


def test_a_list_of_horizons_is_a_run_each_with_its_own_reach():
    config = load_config(None, {"name": "mine", "data.label.horizon": [1, 5, 20]})
    runs = expand(config)
    assert [one.name for one in runs.values()] == ["mine-h1", "mine-h5", "mine-h20"]
    assert [one.data.label.reach for one in runs.values()] == [2, 6, 21]
    assert list(runs) == ["h1", "h5", "h20"]


def test_a_horizon_of_a_list_has_the_keys_that_it_has_alone():
    alone = load_config(None, {"name": "mine-h5", "data.label.horizon": 5})
    listed = expand(load_config(None, {"name": "mine", "data.label.horizon": [1, 5]}))["h5"]
    assert listed.model_dump(mode="json") == alone.model_dump(mode="json")
    assert "horizons" not in listed.model_dump(mode="json")


def test_markets_and_horizons_multiply():
    config = load_config(None, {"name": "m", "markets": ["local", "null"], "data.label.horizon": [1, 2]})
    runs = expand(config)
    assert list(runs) == ["local-h1", "local-h2", "null-h1", "null-h2"]
    assert {one.matrix for one in runs.values()} == {"m-h1", "m-h2"}
    assert len({one.name for one in runs.values()}) == 4


@pytest.mark.parametrize("horizon", [[], [0], [1, 1], [1.5], ["a"]])
def test_lists_that_are_no_horizons_are_refused(horizon):
    with pytest.raises(ConfigError, match="horizon"):
        load_config(None, {"data.label.horizon": horizon})


def test_compare_gives_a_mapping_of_results_with_one_table(tmp_path):
    found = bench.compare(
        "planted:local?stocks=20&days=200",
        name="mine",
        label={"horizon": [1, 5]},
        results=tmp_path,
        portfolio={"topk": 5},
        **QUICKLY,
    )
    assert isinstance(found, Results)
    assert list(found) == ["h1", "h5"]
    assert found["h5"].name == "mine-h5"
    assert found.table.index.names == ["run", "model"]
    assert found.table.loc[("h1", "linear"), "ic"] == found["h1"].table.loc["linear", "ic"]
    assert found._repr_html_().count("<h3>") == 2
    with pytest.raises(ConfigError, match=r"no run 'h50' among these \(did you mean 'h5'\?\)"):
        found["h50"]
    run = json.loads((tmp_path / "runs" / "mine-h5" / "run.json").read_text())
    assert run["folds"][0]["embargo"] == 6
    assert run["data"]["label"] == "close(t+6)/close(t+1) - 1"


def test_compare_takes_several_markets(tmp_path):
    found = bench.compare(
        "planted:mixed?stocks=20&days=200", name="mine", markets=["local", "null"], results=tmp_path, **QUICKLY
    )
    assert list(found) == ["local", "null"]
    assert len(found.table) == 2


def test_no_block_is_shorter_than_labels_overlap():
    rng = np.random.default_rng(0)
    series = np.convolve(rng.normal(size=139), np.ones(20), "valid")
    assert block_length(series) < 20 == block_length(series, 20)
    assert block_length(series, 1.0) == block_length(series)
