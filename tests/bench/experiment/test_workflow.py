"""Workflow files of qlib become experiments: what is not understood is refused, what differs is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import bench
from bench.experiment.config import ExperimentConfig, load_config
from bench.experiment.plan import entry_of
from bench.experiment.workflow import read_experiment, workflow_notes
from bench.interface.settings import configure
from tests.bench.cli_runs import run_cli
from tests.bench.experiment.qlib_workflows import MODELS, SMALL_SPANS, changed, small_folder, workflow, write
from zoo.errors import ConfigError

HANDLER = "task.dataset.kwargs.handler"
KWARGS = f"{HANDLER}.kwargs"
PUBLISHED = Path(__file__).parents[3] / "configs" / "published"


def loaded(document: dict[str, Any], folder: Path) -> ExperimentConfig:
    return load_config(write(document, folder))


def told(document: dict[str, Any], folder: Path) -> str:
    return "\n".join(workflow_notes(write(document, folder)))


@pytest.mark.parametrize("model", sorted(set(MODELS) - {"lightgbm", "mlp", "tabnet"}))
def test_the_published_file_of_a_model_is_its_published_experiment(model: str, tmp_path: Path) -> None:
    config, published = loaded(workflow(model), tmp_path), load_config(PUBLISHED / f"{model}.yaml")
    params, train = entry_of(model, config)
    wanted, alike = entry_of(model, published)
    assert {key: params[key] for key in wanted} == wanted
    if model != "linear":
        assert train == alike
    assert (config.data.features, config.data.lookback) == ("alpha360", 60)


def test_trees_are_grown_on_all_rows_where_lightgbm_would(tmp_path: Path) -> None:
    params, _ = entry_of("lightgbm", loaded(workflow("lightgbm"), tmp_path))
    published, _ = entry_of("lightgbm", load_config(PUBLISHED / "lightgbm.yaml"))
    assert params == published | {"min_data_in_leaf": 20, "bagging_fraction": 1.0}
    assert "bagging_fraction 0.8789 is not used" in told(workflow("lightgbm"), tmp_path)
    params, _ = entry_of("lightgbm", loaded(workflow("lightgbm", bagging_freq=1), tmp_path))
    assert params["bagging_fraction"] == 0.8789


def test_the_steps_of_a_plain_net_become_epochs_between_looks_at_valid(tmp_path: Path) -> None:
    params, train = entry_of("mlp", loaded(workflow("mlp"), tmp_path))
    assert (train.max_steps_per_epoch, train.max_epochs, train.patience) == (20, 400, 50)
    assert (params["hidden_size"], params["num_layers"], train.grad_clip) == (256, 1, None)


def test_data_and_portfolio_are_those_of_the_file(tmp_path: Path) -> None:
    config = loaded(workflow("gru"), tmp_path)
    assert config.data.source == "~/.qlib/qlib_data/cn_data#csi300"
    assert config.data.split.model_dump(include={"train", "valid", "test"}) == {
        "train": ("2008-01-01", "2014-12-31"),
        "valid": ("2015-01-01", "2016-12-31"),
        "test": ("2017-01-01", "2020-08-01"),
    }
    assert (config.data.label.lag, config.data.label.horizon) == (1, 1)
    kept = {"topk": 50, "n_drop": 5, "limit": 0.095, "lot": 100, "initial": 1e8, "benchmark": "SH000300"}
    assert config.portfolio.model_dump(include=set(kept)) == kept
    assert (config.portfolio.cost_open, config.portfolio.cost_close, config.portfolio.cost_minimum) == (5e-4, 15e-4, 5)


@pytest.mark.parametrize(("model", "batch"), [("gru", 800), ("gats", 1), ("transformer", 8192)])
def test_a_class_on_windows_reads_the_selected_factors(model: str, batch: int, tmp_path: Path) -> None:
    config = loaded(workflow(model, handler="Alpha158", step_len=20), tmp_path)
    assert (config.data.features, config.data.lookback) == ("alpha158_20", 20)
    assert entry_of(model, config)[1].batch_size == batch


def test_settings_that_a_file_leaves_out_are_those_of_qlibs_class(tmp_path: Path) -> None:
    document = changed(workflow("tcn"), "task.model.kwargs", {})
    params, train = entry_of("tcn", loaded(document, tmp_path))
    assert (params["kernel_size"], train.lr, train.batch_size) == (5, 1e-4, 2000)


@pytest.mark.parametrize(
    ("expression", "lag", "horizon"),
    [
        ("Ref($close,-2)/Ref($close,-1)-1", 1, 1),
        ("Ref($close, -5)/$close - 1", 0, 5),
        ("Ref($open,-6)/Ref($open,-1)-1", 1, 5),
    ],
)
def test_a_return_is_a_label(expression: str, lag: int, horizon: int, tmp_path: Path) -> None:
    label = loaded(changed(workflow(), f"{KWARGS}.label", [expression]), tmp_path).data.label
    assert (label.lag, label.horizon, label.price) == (lag, horizon, "open" if "open" in expression else "close")


def test_a_folder_may_be_given_by_frequency(tmp_path: Path) -> None:
    document = changed(workflow(), "qlib_init.provider_uri", {"day": "/data/cn", "1min": "/data/cn_1min"})
    assert loaded(document, tmp_path).data.source == "/data/cn#csi300"
    assert "ignored: qlib_init.provider_uri.1min" in told(document, tmp_path)


@pytest.mark.parametrize(
    ("dotted", "value", "message"),
    [
        ("task.model.class", "GRUU", "no model 'GRUU' here (did you mean 'GRU'?)"),
        ("task.model.module_path", "qlib.contrib.model.pytorch_grus", "did you mean 'qlib.contrib.model.pytorch_gru'"),
        ("task.model.kwargs.loss", "mae", "'mae' is not done here"),
        ("task.model.kwargs.lr", "fast", "must be a number, got 'fast'"),
        ("task.model.kwargs.optimizer", "gd", "every network is trained by Adam"),
        ("task.model.kwargs.d_feat", 5, "alpha360 has 6 columns a day, got 5"),
        ("task.modle", {}, "is not understood (did you mean 'model'?)"),
        ("task.dataset.class", "MTSDatasetH", "reads a DatasetH, got MTSDatasetH"),
        (f"{HANDLER}.class", "Alpha36", "no handler 'Alpha36' here (did you mean 'Alpha360'?)"),
        (f"{KWARGS}.label", ["Ref($vwap, -2) / Ref($vwap, -1) - 1"], "is no label here"),
        (f"{KWARGS}.fit_end_time", "2016-12-31", "normalised by their values in train"),
        (f"{KWARGS}.infer_processors.0.class", "MinMaxNorm", "no processor 'MinMaxNorm' of features"),
        (f"{KWARGS}.learn_processors.1.class", "CSRankNrm", "did you mean 'CSRankNorm'"),
        (f"{KWARGS}.filter_pipe", [{"filter_type": "NameDFilter"}], "a universe is data.universe"),
        (f"{KWARGS}.instrumets", "csi300", "is not understood (did you mean 'instruments'?)"),
        ("task.record.2.kwargs.config.backtest.exchange_kwargs.deal_price", "open", "orders are filled at the close"),
        ("task.record.2.kwargs.config.strategy.class", "WeightStrategy", "there is TopkDropoutStrategy"),
        ("task.record.0.class", "SignalRecords", "did you mean 'SignalRecord'"),
        ("qlib_init.region", "eu", "no region 'eu'"),
        ("qlib_init.provider", "x", "did you mean 'provider_uri'"),
    ],
)
def test_what_is_not_done_here_is_refused_by_its_path(dotted: str, value: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(changed(workflow(), dotted, value), tmp_path)
    assert message in str(error.value)
    assert f"'{dotted}'" in str(error.value)
    assert "workflow_config_gru_Alpha360.yaml, line " in str(error.value)


def test_a_choice_of_other_columns_is_refused(tmp_path: Path) -> None:
    document = workflow(handler="Alpha158", step_len=20)
    path = f"{KWARGS}.infer_processors.0.kwargs.col_list"
    with pytest.raises(ConfigError, match="20 columns of alpha158_20 can be chosen; 'KMID' is not among them"):
        loaded(changed(document, path, ["KMID", "RESI5"]), tmp_path)


@pytest.mark.parametrize(
    ("model", "dotted", "value", "sentence"),
    [
        ("alstm", "task.model.kwargs.rnn_type", "LSTM", "rnn_type 'LSTM': qlib's ALSTM takes it without a use for it"),
        ("gru", "task.model.kwargs.hiden_size", 128, "without a use for it (did you mean 'hidden_size'?)"),
        ("gats", "task.model.kwargs.model_path", "a/b.pkl", "starts fresh, not from the weights of a/b.pkl"),
        ("gru", f"{KWARGS}.learn_processors.1.class", "CSZScoreNorm", "the label trained on is its rank"),
        ("lightgbm", f"{KWARGS}.infer_processors", [], "missing ones 0; raw there"),
        ("gru", f"{KWARGS}.end_time", "2019-12-31", "test is 2017-01-01 .. 2019-12-31"),
        ("gru", "task.record.2.kwargs.config.backtest.end_time", "2019-01-01", "the portfolio runs over the test days"),
        ("gru", "task.model.kwargs.GPU", 1, "ignored: task.model.kwargs.GPU"),
    ],
)
def test_what_is_done_otherwise_is_told(model: str, dotted: str, value: Any, sentence: str, tmp_path: Path) -> None:
    document = changed(workflow(model), dotted, value)
    assert sentence in told(document, tmp_path)
    assert sentence in loaded(document, tmp_path).note


def test_the_exchange_of_a_region_is_qlibs(tmp_path: Path) -> None:
    document = changed(workflow(), "qlib_init.region", "us")
    document = changed(document, "task.record.2.kwargs.config.backtest.exchange_kwargs", {})
    portfolio = loaded(document, tmp_path).portfolio
    assert (portfolio.limit, portfolio.lot, portfolio.cost_open, portfolio.cost_close) == (None, 1, 15e-4, 25e-4)


def test_the_seed_of_a_file_is_the_runs(tmp_path: Path) -> None:
    assert loaded(workflow("gru", seed=7), tmp_path).seeds == [7]
    assert loaded(workflow("gru"), tmp_path).seeds == [0, 1, 2]


def test_several_files_are_one_comparison(tmp_path: Path) -> None:
    names = {m: f"workflow_config_{m}_Alpha360.yaml" for m in ("gru", "tcn")}
    files = [write(workflow(m, folder=tmp_path), tmp_path, name) for m, name in names.items()]
    config = configure(files, {})
    assert list(config.models) == ["gru", "tcn"]
    assert (config.name, config.models["tcn"].train["batch_size"]) == ("gru-tcn", 2000)


def test_windows_may_differ_from_file_to_file(tmp_path: Path) -> None:
    long = write(workflow("gru"), tmp_path, "workflow_config_gru_Alpha360.yaml")
    short = write(workflow("gru", handler="Alpha158", step_len=20), tmp_path, "workflow_config_gru_Alpha158.yaml")
    document, _, _ = read_experiment([long, short])
    assert list(document["models"]) == ["gru_Alpha360", "gru_Alpha158"]
    entry = document["models"]["gru_Alpha158"]
    assert (entry["model"], entry["data"]) == ("gru", {"features": "alpha158_20", "lookback": 20})


@pytest.mark.parametrize(
    ("dotted", "value", "key"),
    [
        (f"{KWARGS}.instruments", "csi500", "data.source"),
        ("task.dataset.kwargs.segments.test", ["2017-01-01", "2019-12-31"], "data.split.test"),
        ("task.record.2.kwargs.config.strategy.kwargs.topk", 30, "portfolio.topk"),
    ],
)
def test_files_that_cannot_be_compared_are_refused_by_the_key(
    dotted: str, value: Any, key: str, tmp_path: Path
) -> None:
    files = [write(workflow(), tmp_path), write(changed(workflow("tcn"), dotted, value), tmp_path, "other.yaml")]
    with pytest.raises(ConfigError, match=rf"{key} differs: .* in other\.yaml"):
        read_experiment(files)


def test_an_experiment_beside_a_workflow_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no workflow of qlib"):
        read_experiment([write(workflow(), tmp_path), PUBLISHED / "gru.yaml"])


def test_a_missing_folder_is_an_error_that_says_how_to_come_by_one(tmp_path: Path) -> None:
    answer = run_cli("check", write(workflow(folder=tmp_path / "cn_data"), tmp_path), "--results", tmp_path)
    assert answer.code == 2
    assert f"no folder {tmp_path / 'cn_data'}" in answer.err
    assert "bench data fetch qlib-cn" in answer.err
    assert "--data DIR#csi300" in answer.err


def test_a_workflow_is_checked_and_run_as_it_is(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "cn")
    document = workflow("linear", folder=folder, spans=SMALL_SPANS)
    document = changed(document, "task.record.2.kwargs.config.strategy.kwargs", {"topk": 3, "n_drop": 1})
    file = write(document, tmp_path, "workflow_config_linear_Alpha360.yaml")
    checked = run_cli("check", file, "--results", tmp_path / "results")
    assert checked.code == 0, checked.err
    assert "linear_Alpha360: 3 trials (linear)" in checked.out
    assert "note: ignored: task.record.1.kwargs.ana_long_short" in checked.out
    answer = run_cli("run", file, "--results", tmp_path / "results", "--seeds", "1")
    assert answer.code == 0, answer.err
    report = (tmp_path / "results" / "runs" / "linear_Alpha360" / "comparison.md").read_text(encoding="utf-8")
    assert "protocol qlib workflow" in report
    assert "fitted with an intercept" in report


def test_the_interface_takes_a_workflow_and_changes_on_top(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "cn")
    file = write(workflow("gru", folder=folder, spans=SMALL_SPANS), tmp_path)
    small = {"gru": {"params": {"hidden_size": 4}}}
    result = bench.compare(
        config=file, models=small, train={"max_epochs": 1}, seeds=1, results=tmp_path / "r", jobs=1, figures=False,
        progress=False, device="cpu",
    )  # fmt: skip
    assert sorted(result.models) == ["gru", "linear"]


def test_files_with_features_of_their_own_run_side_by_side(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "cn")
    kept = {"folder": folder, "spans": SMALL_SPANS}
    long = write(workflow("linear", **kept), tmp_path, "workflow_config_linear_Alpha360.yaml")
    short = write(workflow("linear", handler="Alpha158", **kept), tmp_path, "workflow_config_linear_Alpha158.yaml")
    answer = run_cli("run", long, short, "--results", tmp_path / "r", "--seeds", "1", "--no-figures")
    assert answer.code == 0, answer.err
    assert {"linear_Alpha158", "linear_Alpha360"} <= set(bench.open(results=tmp_path / "r").table.index)
