"""`Result`: what a finished run says, as frames, files and models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from cli_runs import SMALL, key_of_trial, run_cli

import bench
import zoo
from bench.records.store import RunStore
from zoo.errors import ConfigError, ModelError

SOURCE = "planted:local?stocks=20&days=200"


@pytest.fixture(scope="module")
def result(finished) -> bench.Result:
    return bench.open("small", finished)


def test_a_run_opens_by_name_by_folder_and_as_the_last(finished, result):
    assert bench.open(finished / "runs" / "small").name == "small"
    assert bench.open(results=finished).name == "small"
    assert repr(result) == f"<Result of run 'small': gru, tcn, linear on {SOURCE}, seeds 0, 1>"
    with pytest.raises(ConfigError, match="did you mean 'small'"):
        bench.open("smal", finished)


def test_verdict_and_table_are_those_of_show(finished, result):
    shown = run_cli("show", "small", "--results", finished).out
    assert result.verdict in shown
    assert sorted(result.table.index) == ["gru", "linear", "tcn"]
    assert result.table["rank_ic"].is_monotonic_decreasing
    for value in result.table["rank_ic"]:
        assert f"{value:.4f}" in shown
    assert len(result.pairs) == 3
    assert result.failures.empty


def test_the_mean_of_the_daily_series_is_the_table(result):
    daily = result.daily
    assert list(daily.columns[:4]) == ["model", "fold", "seed", "datetime"]
    by_day = daily.groupby(["model", "datetime"])["rank_ic"].mean()
    means = by_day.groupby("model").mean()
    pd.testing.assert_series_equal(means, result.table["rank_ic"].sort_index(), check_names=False)


def test_what_is_given_away_can_be_changed_without_harm(result):
    table, daily, pairs = result.table, result.daily, result.pairs
    table["rank_ic"], daily["rank_ic"], pairs["difference"] = 7.0, 7.0, 7.0
    for figures in (result.table["rank_ic"], result.daily["rank_ic"], result.pairs["difference"]):
        assert not figures.eq(7.0).any()


def test_predictions_are_the_mean_over_seeds_of_what_the_models_predict(result):
    scores = result.predictions
    assert list(scores.index.names) == ["datetime", "instrument"]
    assert set(scores.columns) == {"gru", "tcn", "linear"}
    first, last = (f"{day:%Y-%m-%d}" for day in scores.index.get_level_values(0)[[0, -1]])
    again = result.models["gru"].predict(SOURCE, start=first, end=last)
    pd.testing.assert_series_equal(scores["gru"], again, check_names=False, atol=1e-6)
    single = pd.concat([f.predict(SOURCE, start=first, end=last) for f in result.models["gru"].seeds.values()], axis=1)
    np.testing.assert_allclose(single.mean(axis=1), again, atol=1e-6)


def test_predictions_that_are_not_stored_are_told(own_copy):
    (RunStore.open(own_copy, "small").trial_folder(key_of_trial(own_copy, "tcn", 1)) / "scores.parquet").unlink()
    found = bench.open("small", own_copy)
    assert len(found.table) == 3
    with pytest.raises(ConfigError, match=r"does not hold the scores of tcn .* makes them again"):
        _ = found.predictions


def test_models_are_found_by_name_and_predict_frames_and_panels(result):
    assert list(result.models) == ["gru", "tcn", "linear"]
    assert "gru" in result.models
    assert "gro" not in result.models
    with pytest.raises(ConfigError, match="did you mean 'gru'"):
        result.models["gro"]
    panel = zoo.load_panel(SOURCE)
    model = result.models["linear"]
    assert sorted(model.seeds) == [0, 1]
    assert repr(model) == "<TrainedModel linear of run 'small', the last fold>"
    scores = model.predict(panel, start=str(panel.days[-2]))
    assert len(scores) == 2 * panel.n_stocks
    pd.testing.assert_series_equal(scores, model.predict(panel.to_frame(), start=str(panel.days[-2])), atol=1e-6)
    with pytest.raises(ConfigError, match="in fold 7"):
        model.fold(7).predict(panel)


def test_report_and_figures_are_files(result, tmp_path):
    path = result.report(tmp_path / "out", lang="zh", figures=False)
    assert path == tmp_path / "out" / "comparison.md"
    assert path.with_suffix(".html").is_file()
    assert result.figures == {}


def test_figures_of_the_report_by_name(own_copy):
    answer = run_cli("report", "small", "--results", own_copy)
    assert answer.code == 0, answer.err
    figures = bench.open("small", own_copy).figures
    assert "pareto" in figures
    assert all(path.is_file() for path in figures.values())


def test_failed_trials_stand_in_failures_and_a_result_comes_all_the_same(plugin, tmp_path):
    file = plugin("failing", 'def training_loss(self, *given):\n    raise RuntimeError("no luck")')
    found = bench.compare(
        config=SMALL, models="failing", plugins=file, seeds=1, jobs=1, figures=False, progress=False, results=tmp_path
    )
    (row,) = found.failures.itertuples(index=False)
    assert (row.model, row.seed) == ("failing", 0)
    assert "no luck" in row.error
    assert found.table.loc["failing", "n_trials"] == 0
    assert list(found.predictions.columns) == ["linear"]


HOSTILE = """
import numpy as np
from bench.metrics import register_metric

@register_metric("sharp", title="<script>alert(1)</script>", definition="a test.", format=".1f")
def sharp(day_scores) -> np.ndarray:
    return np.ones(len(day_scores.names))
"""


def test_html_holds_verdict_and_table_and_names_are_escaped(own_copy, plugin_metric, tmp_path):
    plugin_metric("unused", "np.ones(1)")  # So that the registry forgets what this test registers.
    file = tmp_path / "hostile.py"
    file.write_text(HOSTILE)
    found = bench.compare(
        config=SMALL, models="gru,tcn", plugins=file, jobs=1, figures=False, progress=False, results=own_copy
    )
    html = found._repr_html_()
    assert "has the highest mean Rank IC" in html
    assert "&lt;script&gt;alert(1)" in html
    assert "<script" not in html
    assert html.count("<tr>") == 4


def test_zoo_loads_a_model_of_a_run_without_the_benchmark(finished, result):
    ours = result.models["gru"].seeds[1].predict(SOURCE)
    for run in ("small", finished / "runs" / "small"):
        forecaster = zoo.load(run, model="gru", seed=1, results=finished)
        pd.testing.assert_series_equal(forecaster.predict(SOURCE), ours)
    assert repr(forecaster).startswith("<Forecaster gru: raw features of 5 days, ")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"model": "gruu", "seed": 0}, r"no model 'gruu' \(did you mean 'gru'\?\); it has gru, linear, tcn"),
        ({"model": "gru"}, "choose a seed of 0, 1"),
        ({"seed": 0}, "choose a model of gru, linear, tcn"),
        ({"model": "gru", "seed": 5}, "no seed 5; it has 0, 1"),
        ({"model": "gru", "seed": 0, "fold": 2}, "no fold 2; it has 0"),
    ],
)
def test_zoo_says_what_else_must_be_chosen(finished, chosen, message):
    with pytest.raises(ModelError, match=message):
        zoo.load("small", results=finished, **chosen)


def test_zoo_names_the_nearest_run_and_a_trial_needs_no_choice(finished):
    with pytest.raises(ModelError, match="did you mean 'small'"):
        zoo.load("smal", model="gru", results=finished)
    trial = finished / "runs" / "small" / "trials" / key_of_trial(finished, "gru")
    assert zoo.load(trial).name == "gru"
    with pytest.raises(ModelError, match="holds one trained model"):
        zoo.load(trial, seed=0)
