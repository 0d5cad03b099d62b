"""Runs whose signal is strong and whose truth is known: explanations must find it, untrained ones must not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from cli_runs import SMALL, run_cli, write_prices
from typer.testing import CliRunner

from bench.attribution.deletion import Deletion, measure_deletion
from bench.attribution.frames import (
    InterpretabilityRow,
    MethodRow,
    ProfileRow,
    _method_row,
    _scored,
    attribution_profiles,
    interpretability_frame,
    interpretability_scores,
)
from bench.attribution.run import measure_attributions
from bench.attribution.trial import Effort, labelled_days, redrawn
from bench.attribution.truth import average_precision, chance_level, truth_of
from bench.cli import app
from bench.experiment.trial import dataset_of
from bench.records.store import RunStore
from bench.report.tables.interpretability import interpretability_table, method_table
from zoo import checkpoint
from zoo.config import DataConfig
from zoo.data.sources import open_panel
from zoo.data.sources.planted import planted_market_from_spec
from zoo.errors import ConfigError

STRONG = "planted:local?stocks=40&days=400&rho=0.4"
LITTLE = Effort(days=2, rows=20, rows_across=3, control_draws=2, deletion_days=10, random_orders=2)


def trained(folder: Path, models: str, data: str, *more: str) -> RunStore:
    answer = run_cli(
        "run", SMALL, "--models", models, "--data", data, "--name", "small", *more, "--jobs", "1", "--results", folder
    )
    assert answer.code == 0, answer.err
    return RunStore.open(folder, "small")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """linear, mlp and lightgbm on a strong `local`, measured."""
    store = trained(tmp_path_factory.mktemp("local"), "linear,mlp,lightgbm", STRONG, "--seeds", "2")
    assert measure_attributions(store, effort=Effort(days=3, rows=20, deletion_days=20)) == {}
    return store


@pytest.fixture(scope="module")
def relation(tmp_path_factory: pytest.TempPathFactory) -> RunStore:
    """hist on `relation`, measured."""
    store = trained(tmp_path_factory.mktemp("relation"), "hist", "planted:relation?stocks=20&days=200", "--seeds", "1")
    assert measure_attributions(store, effort=LITTLE) == {}
    return store


def row(store: RunStore, model: str, method: str) -> dict:
    frame = interpretability_frame(store).set_index(["model", "method"])
    return frame.loc[(model, method)].to_dict()


@pytest.mark.parametrize("method", ["native", "gradient_x_input", "integrated_gradients", "occlusion"])
def test_linear_on_a_strong_signal_is_explained_by_the_planted_cells(local, method):
    found = row(local, "linear", method)
    assert found["auprc"] > 0.9
    assert found["normalised"] > 0.85
    assert found["auprc_lag"] > 0.9
    assert found["deletion_low"] > 0


def test_trees_are_explained_by_gain_and_occlusion_and_have_no_untrained_twin(local):
    frame = interpretability_frame(local)
    mine = frame[frame["model"] == "lightgbm"]
    assert mine["method"].tolist() == ["native", "occlusion"]
    assert (mine["auprc"] > 3 * mine["chance"]).all()
    assert mine["control_auprc"].isna().all()


def test_redrawn_weights_fall_to_chance(local):
    """Twenty untrained networks without a taste for recent days find on average what a random order finds."""
    data = DataConfig.model_validate(local.run()["config"]["data"])
    dataset = dataset_of(open_panel(data), data, 0, "cpu")
    truth = truth_of(planted_market_from_spec(STRONG), "raw", tuple(dataset.feature_set.columns), data.lookback)
    found = {}
    for model in ("linear", "mlp"):
        key = next(t["key"] for t in local.run()["trials"] if t["model"] == model)
        forecaster = checkpoint.load(local.trial_folder(key))
        batch = next(dataset.test.batches(60))
        values = []
        for seed in range(20):
            control = redrawn(forecaster, dataset, seed)
            assert control is not None
            x = batch.x.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(control(x).sum(), x)
            values.append(average_precision((batch.x * gradient).abs().mean(dim=0).numpy(), truth.cells))
        found[model] = np.array(values)
    for model, values in found.items():
        standard_error = values.std(ddof=1) / np.sqrt(len(values))
        assert abs(values.mean() - chance_level(truth.cells)) < 3.5 * standard_error, model
        assert values.mean() + 3 * values.std(ddof=1) / np.sqrt(len(values)) < row(local, model, "occlusion")["auprc"]


def test_a_redrawn_linear_has_its_coefficients_in_another_order(local):
    data = DataConfig.model_validate(local.run()["config"]["data"])
    dataset = dataset_of(open_panel(data), data, 0, "cpu")
    forecaster = checkpoint.load(local.trial_folder(local.run()["trials"][0]["key"]))
    control = redrawn(forecaster, dataset, 0)
    assert control is not None
    before, after = forecaster.model.get_buffer("weight"), control.get_buffer("weight")
    assert not torch.equal(before, after)
    assert torch.equal(before.sort().values, after.sort().values)


def test_deletion_tells_a_good_order_from_a_bad_one(local):
    data = DataConfig.model_validate(local.run()["config"]["data"])
    dataset = dataset_of(open_panel(data), data, 0, "cpu")
    key = next(t["key"] for t in local.run()["trials"] if t["model"] == "linear")
    model = checkpoint.load(local.trial_folder(key)).model
    truth = truth_of(planted_market_from_spec(STRONG), "raw", tuple(dataset.feature_set.columns), data.lookback)
    deletion = Deletion(model, dataset, [int(d) for d in labelled_days(dataset)[:20]], "sample", 3)
    good = measure_deletion(deletion, truth.cells[None].astype(float), None)
    bad = measure_deletion(deletion, 1 - truth.cells[None].astype(float), None)
    by_lag = measure_deletion(deletion, None, truth.lags[None].astype(float))
    assert good is not None
    assert bad is not None
    assert by_lag is not None
    assert good["ic"][0] == bad["ic"][0] > 0.25
    # Half of the cells: all true ones, or none. High and low move with the close and keep some of its news.
    assert good["ic"][4] < good["ic_random"][4] < bad["ic"][4]
    assert bad["ic"][4] == pytest.approx(bad["ic"][0], abs=0.03)
    assert good["ic"][4] < good["ic"][0] / 2
    assert good["score_low"] > 0 > bad["score_high"]
    assert by_lag["unit"] == "lag"
    assert measure_deletion(deletion, None, None) is None


def test_a_twin_is_explained_on_the_same_days(local, tmp_path, monkeypatch):
    """A twin that is the model itself finds exactly what the model finds."""
    import shutil

    store = RunStore(Path(shutil.copytree(local.results, tmp_path / "copy")), "small")
    monkeypatch.setattr("bench.attribution.trial.redrawn", lambda forecaster, dataset, seed: forecaster.model)
    measure_attributions(store, models=["mlp"], effort=LITTLE)
    found = interpretability_frame(store).query("model == 'mlp'")
    assert found["control_auprc"].tolist() == pytest.approx(found["auprc"].tolist())
    scores = interpretability_scores(store).set_index("model")
    assert scores.loc["mlp", "interpretability"] == pytest.approx(0, abs=1e-9)


def test_luck_with_the_random_orders_is_part_of_the_interval_of_a_deletion():
    class SomeOrders:
        """Taking cells away costs an IC of 0, 0.1, ... 0.5, the same on every day, by the order they are taken in."""

        def curve(self, order):
            return np.zeros((5, 20))

        def random_curves(self, units):
            return np.broadcast_to(np.arange(6)[:, None, None] / 10, (6, 5, 20))

    found = measure_deletion(SomeOrders(), np.ones((1, 2, 2)), None)  # pyright: ignore[reportArgumentType]
    assert found is not None
    assert found["score"] == pytest.approx(0.25)
    half = 1.96 * 0.171 / np.sqrt(6)  # sd of the six
    assert found["score_low"] == pytest.approx(0.25 - half, abs=0.02)
    assert found["score_high"] == pytest.approx(0.25 + half, abs=0.02)


def measured_trial(auprc: float, control: list[float]) -> dict:
    """An entry of `attribution.json`, as far as the score reads it."""
    blank = {name: [None] * len(control) for name in ("auprc_lag", "auprc_peers")}
    found = {"engine": "bench", "control": {"auprc": control, **blank}, "deletion": None, "seconds_per_day": [1.0]}
    found |= {"auprc": auprc, "auprc_low": auprc, "auprc_high": auprc, "auprc_lag": None, "auprc_peers": None}
    return {"methods": {"occlusion": found}, "chance": 0.1, "chance_lag": None, "chance_peers": None}


@pytest.mark.parametrize("n_trials", [1, 3])
def test_what_untrained_networks_show_by_chance_is_within_the_interval(n_trials):
    """If training adds nothing, the lower end is above 0 in 2.5 % of cases, however much networks differ."""
    rng = np.random.default_rng(0)
    above_zero = 0
    for _ in range(2000):
        control = rng.normal(0.5, 0.1, 5).tolist()
        row = _method_row("m", "occlusion", [measured_trial(rng.normal(0.5, 0.1), control) for _ in range(n_trials)])
        above_zero += _scored(row)["interpretability_low"] > 0
    assert above_zero / 2000 == pytest.approx(0.025, abs=0.011)


def test_a_network_given_the_peers_is_scored_over_peers(relation):
    found = row(relation, "hist", "gradient_x_input")
    assert 0 <= found["auprc_peers"] <= 1
    assert found["chance_peers"] == pytest.approx(np.mean([chance_level(np.array([1] * 9 + [0] * 10))]), abs=1e-9)
    native = row(relation, "hist", "native")
    assert np.isnan(native["auprc"])
    assert native["auprc_peers"] > native["chance_peers"]
    assert np.isnan(row(relation, "linear", "occlusion")["auprc_peers"])
    scores = interpretability_scores(relation).set_index("model")
    assert scores.loc["hist", "native_axis"] == "peers"
    frame = interpretability_frame(relation).query("model == 'hist'")
    floor = frame[["chance_peers", "control_peers"]].max(axis=1)
    best = ((frame["auprc_peers"] - floor) / (1 - floor)).max()
    assert scores.loc["hist", "peers"] == pytest.approx(max(best, 0))


def test_the_frames_have_their_documented_columns_and_one_row_per_model(local):
    for frame, columns in (
        (interpretability_frame(local), MethodRow),
        (interpretability_scores(local), InterpretabilityRow),
        (attribution_profiles(local), ProfileRow),
    ):
        assert list(frame.columns) == list(columns.dtypes())
        assert len(frame) > 0
    scores = interpretability_scores(local)
    assert sorted(scores["model"]) == ["lightgbm", "linear", "mlp"]
    assert scores["interpretability"].between(0, 1).all()
    assert scores["interpretability"].is_monotonic_decreasing
    assert (scores["interpretability_low"].dropna() <= scores["interpretability_high"].dropna()).all()
    assert not scores.set_index("model").loc["mlp", "native"]


def test_profiles_are_shares_along_lags_and_fields(local):
    profiles = attribution_profiles(local)
    totals = profiles.groupby(["model", "method", "axis"])["share"].sum()
    np.testing.assert_allclose(totals, 1, atol=1e-4)
    linear = profiles[(profiles["model"] == "linear") & (profiles["method"] == "occlusion")]
    lags = linear[linear["axis"] == "lag"]
    assert lags["name"].tolist() == ["4", "3", "2", "1", "0"]
    assert lags.loc[lags["read"], "name"].tolist() == ["2", "1", "0"]
    assert lags["share"].idxmax() == lags.index[-1]
    assert lags.loc[lags["read"], "share"].mean() > 1.5 * lags.loc[~lags["read"], "share"].mean()
    fields = linear[linear["axis"] == "field"].set_index("name")
    assert fields["share"].idxmax() == "close"


def test_the_record_is_strict_json(local):
    def refuse(text: str) -> None:
        raise AssertionError(text)

    record = json.loads((local.folder / "attribution.json").read_text(), parse_constant=refuse)
    assert len(record["trials"]) == 3
    assert set(record["trials"]) <= {t["key"] for t in local.run()["trials"]}
    assert all(local.is_done(key) for key in record["trials"])


def test_measured_trials_are_not_measured_again_unless_the_effort_differs(local, tmp_path):
    import shutil

    store = RunStore(Path(shutil.copytree(local.results, tmp_path / "copy")), "small")
    before = (store.folder / "attribution.json").read_text()
    seen: list[tuple[str, int]] = []
    same = Effort(days=3, rows=20, deletion_days=20)
    measure_attributions(store, effort=same, on_trial=lambda model, seed, _: seen.append((model, seed)))
    assert seen == []
    assert (store.folder / "attribution.json").read_text() == before
    measure_attributions(
        store,
        models=["linear"],
        all_seeds=True,
        effort=LITTLE,
        on_trial=lambda model, seed, _: seen.append((model, seed)),
    )
    assert seen == [("linear", 0), ("linear", 1)]
    assert row(store, "linear", "occlusion")["n_trials"] == 2


def test_two_measurements_give_the_same_numbers(local, tmp_path):
    import shutil

    store = RunStore(Path(shutil.copytree(local.results, tmp_path / "copy")), "small")
    effort = Effort(days=3, rows=20, deletion_days=20)
    measure_attributions(store, models=["mlp"], effort=effort, fresh=True)
    mine, other = (interpretability_frame(s).query("model == 'mlp'") for s in (local, store))
    drop = ["seconds_per_day"]
    assert mine.drop(columns=drop).equals(other.drop(columns=drop))


def test_only_planted_markets_with_a_signal_can_be_scored(tmp_path):
    prices = write_prices(tmp_path / "prices.csv")
    real = trained(tmp_path / "real", "linear", str(prices), "--seeds", "1")
    with pytest.raises(ConfigError, match="planted markets only"):
        measure_attributions(real, effort=LITTLE)
    null = trained(tmp_path / "null", "linear", "planted:null?stocks=20&days=200", "--seeds", "1")
    with pytest.raises(ConfigError, match="nothing to find"):
        measure_attributions(null, effort=LITTLE)


def test_a_model_without_a_whole_trial_is_named(local):
    with pytest.raises(ConfigError, match="no whole trial of gru"):
        measure_attributions(local, models=["gru"], effort=LITTLE)


def test_a_run_that_was_not_measured_has_empty_frames_and_no_tables(finished):
    store = RunStore.open(finished, "small")
    assert interpretability_frame(store).empty
    assert interpretability_table(interpretability_scores(store)) is None
    assert method_table(interpretability_frame(store)) is None


def test_the_tables_print_every_model_with_dashes_for_what_is_unknown(local):
    scores = interpretability_table(interpretability_scores(local))
    methods = method_table(interpretability_frame(local))
    assert scores is not None
    assert methods is not None
    assert {r[0] for r in scores.texts} == {"linear", "mlp", "lightgbm"}
    untrained = scores.headers.index("untrained")
    assert next(r for r in scores.texts if r[0] == "lightgbm")[untrained] == "–"
    assert all(len(r) == len(methods.headers) == len(methods.alignment) for r in methods.texts)


def test_the_command_measures_and_prints(own_copy):
    arguments = ["attribute", "small", "--models", "linear", "--days", "1", "--results", str(own_copy)]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    assert "interpretability" in answer.output
    assert (own_copy / "runs" / "small" / "attribution.json").is_file()
    wrong = CliRunner().invoke(app, [*arguments, "--seeds", "both"])
    assert isinstance(wrong.exception, ConfigError)


def test_reading_the_record_imports_no_torch(local):
    code = (
        "import sys; from pathlib import Path; from bench.records.store import RunStore\n"
        "from bench.attribution.frames import interpretability_scores\n"
        "from bench.report.tables.interpretability import interpretability_table\n"
        f"store = RunStore.open(Path({str(local.results)!r}), 'small')\n"
        "assert interpretability_table(interpretability_scores(store)) is not None\n"
        "assert not {'torch', 'captum', 'matplotlib', 'arch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
