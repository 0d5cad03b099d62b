"""Runs read back from the programs that were told of them; each needs its extra."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cli_runs import SMALL, Answer, run_cli

import bench
from bench.records.store import RunStore
from bench.tracking.content import trial_content

# Theirs, which this package cannot mend.
pytestmark = pytest.mark.filterwarnings("ignore")


def run_small(results: Path, track: str, *more: Any) -> Answer:
    answer = run_cli(
        *("run", SMALL, "--models", "gru,linear", "--seeds", "1", "--jobs", "1", "--track", track),
        *("--results", results, *more),
    )
    assert answer.code == 0, answer.err
    assert "warning: tracker" not in answer.out
    return answer


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the database of the results folder."""
    for name in ("mlflow", "sqlalchemy", "alembic"):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install 'alpha-zoo[mlflow]'")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow.tracking import MlflowClient

    return MlflowClient(tracking_uri=f"sqlite:///{tmp_path.resolve() / 'mlflow.db'}")


def runs_of(client: Any, name: str = "alpha-zoo") -> tuple[list[Any], list[Any]]:
    """The parents and the children of an experiment."""
    found = client.search_runs([client.get_experiment_by_name(name).experiment_id])
    children = [run for run in found if "mlflow.parentRunId" in run.data.tags]
    return [run for run in found if run not in children], children


def test_mlflow_holds_a_run_with_a_child_for_each_trial_and_all_their_figures(client, tmp_path):
    run_small(tmp_path, "mlflow", "--figures")
    (parent,), children = runs_of(client)
    store = RunStore.open(tmp_path, "small")
    assert parent.info.status == "FINISHED"
    assert parent.data.params["train.max_epochs"] == "2"
    table = bench.open("small", tmp_path).table
    for model in ("gru", "linear"):
        for column in ("rank_ic", "rank_ic_half", "ic", "icir", "mse", "fit_seconds", "n_parameters"):
            assert parent.data.metrics[f"{model}/{column}"] == pytest.approx(table.loc[model, column]), column
    files = {item.path for item in client.list_artifacts(parent.info.run_id)}
    assert {"comparison.md", "comparison.html", "final_report.json", "figures"} <= files
    drawn = {item.path for item in client.list_artifacts(parent.info.run_id, "figures")}
    assert {"figures/training.svg", "figures/training.png"} <= drawn
    assert {child.data.tags["trial_key"] for child in children} == set(store.keys())
    for child in children:
        told = trial_content(store, child.data.tags["trial_key"])
        assert told is not None
        assert child.info.status == "FINISHED"
        assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert told.tags.items() <= child.data.tags.items()
        assert child.data.params["data.lookback"] == "5"
        for name, value in told.metrics.items():
            assert child.data.metrics[name] == pytest.approx(value), name
        for name, values in told.epochs.items():
            history = client.get_metric_history(child.info.run_id, name)
            assert sorted((m.step, m.value) for m in history) == values


def test_mlflow_is_told_a_trial_once_and_half_told_ones_anew(client, tmp_path):
    run_small(tmp_path, "mlflow")
    parents, before = runs_of(client)
    run_small(tmp_path, "mlflow")
    assert [run.info.run_id for run in runs_of(client)[0]] == [run.info.run_id for run in parents]
    assert {run.info.run_id for run in runs_of(client)[1]} == {run.info.run_id for run in before}
    # As after a kill: the tag that comes last is missing.
    client.delete_tag(before[0].info.run_id, "record")
    run_small(tmp_path, "mlflow", "--seeds", "2")
    parents, after = runs_of(client)
    assert len(parents) == 1
    assert len(after) == 4
    assert before[0].info.run_id not in {run.info.run_id for run in after}
    assert parents[0].data.tags["now.seeds"] == "[0, 1]"
    assert parents[0].data.params["seeds"] == "[0]"


def test_mlflow_takes_the_usual_environment(client, tmp_path, monkeypatch):
    from mlflow.tracking import MlflowClient

    elsewhere = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", elsewhere)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "mine")
    run_small(tmp_path / "results", "mlflow")
    parents, children = runs_of(MlflowClient(tracking_uri=elsewhere), "mine")
    assert (len(parents), len(children)) == (1, 2)
    assert not (tmp_path / "results" / "mlflow.db").exists()


def test_a_server_that_cannot_be_reached_is_a_warning(client, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    answer = run_cli(
        *("run", SMALL, "--models", "linear", "--seeds", "1", "--jobs", "1", "--track", "mlflow"),
        *("--results", tmp_path / "results"),
    )
    assert answer.code == 0
    assert answer.out.count("warning: tracker mlflow failed") == 1


def events_in(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0, "tensors": 0}).Reload()


@pytest.fixture
def tensorboard() -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed: pip install 'alpha-zoo[tensorboard]'")


@pytest.mark.usefixtures("tensorboard")
def test_tensorboard_holds_the_epochs_and_figures_of_each_trial_and_of_the_run(tmp_path):
    run_small(tmp_path, "tensorboard", "--figures")
    store = RunStore.open(tmp_path, "small")
    place = tmp_path / "tensorboard" / "small"
    keys = store.keys()
    assert len(keys) == 2
    for key in keys:
        told = trial_content(store, key)
        assert told is not None
        (folder,) = place.glob(f"*-{key}")
        found = events_in(folder)
        for name, values in told.epochs.items():
            read = [(event.step, event.value) for event in found.Scalars(f"epoch/{name}")]
            assert read == [(step, pytest.approx(value, rel=1e-6)) for step, value in values]
        for name, value in told.metrics.items():
            assert found.Scalars(f"final/{name}")[0].value == pytest.approx(value, rel=1e-6), name
        text = found.Tensors("parameters")[0].tensor_proto.string_val[0].decode()
        assert "- **data.lookback**: 5" in text
        assert "hparams" in found.summary_metadata["_hparams_/session_start_info"].plugin_data.plugin_name
    whole = events_in(place / "run")
    table = bench.open("small", tmp_path).table
    assert whole.Scalars("rank_ic/gru")[0].value == pytest.approx(table.loc["gru", "rank_ic"], rel=1e-6)
    assert "figures/training" in whole.Tags()["images"]
    report = whole.Tensors("report")[0].tensor_proto.string_val[0].decode()
    assert report == (store.folder / "comparison.md").read_text(encoding="utf-8")


@pytest.mark.usefixtures("tensorboard")
def test_tensorboard_is_told_a_trial_once_and_anew_where_it_changed(tmp_path):
    run_small(tmp_path, "tensorboard")
    place = tmp_path / "tensorboard" / "small"
    before = {path: path.stat().st_mtime_ns for path in place.glob("*-*/events*")}
    assert len(before) == 2
    (next(place.glob("gru-*")) / "record").write_text("another")
    run_small(tmp_path, "tensorboard")
    after = {path: path.stat().st_mtime_ns for path in place.glob("*-*/events*")}
    assert len(after) == 2
    assert {path.parent.name.split("-")[0] for path in set(before) & set(after)} == {"linear"}
    assert len(list((place / "run").iterdir())) == 1
