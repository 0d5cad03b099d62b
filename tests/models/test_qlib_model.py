"""Our models inside qlib's own workflow, with the real package where it is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.bench.experiment.qlib_workflows import SMALL_SPANS, small_folder
from zoo.crosssection import pearson_rows, spearman_rows
from zoo.errors import ConfigError, DataError, UnavailableError, ZooError
from zoo.interop.rows import Part, RowDataset

needs_qlib = pytest.mark.skipif(importlib.util.find_spec("qlib") is None, reason="pyqlib is not installed")
# Its own code and mlflow's warn of what they use.
pytestmark = pytest.mark.filterwarnings("default")
TRAIN = {"max_epochs": 2, "lr": 1e-3, "batch_size": 200}


def part(days: list[str], names: list[str], seed: int = 0, lookback: int = 2) -> Part:
    index = pd.MultiIndex.from_product([pd.to_datetime(days), names], names=["datetime", "instrument"])
    rng = np.random.default_rng(seed)
    columns = pd.MultiIndex.from_tuples([*(("feature", f"f{i}") for i in range(6)), ("label", "LABEL0")])
    return Part.of_frame(pd.DataFrame(rng.normal(size=(len(index), 7)), index, columns), lookback, "train")


def test_a_row_is_a_window_written_out_field_by_field() -> None:
    rows = part(["2020-01-02"], ["A"])
    flat = np.random.default_rng(0).normal(size=(1, 7)).astype(np.float32)[0, :6]
    np.testing.assert_array_equal(rows.gather(np.array([0]))[0], flat.reshape(3, 2).T)


def test_rows_of_several_segments_are_gathered_where_they_lie() -> None:
    parts = [part(["2020-01-02", "2020-01-03"], ["A", "B"]), part(["2020-01-06"], ["B", "C"], seed=1)]
    dataset = RowDataset(parts, reach=2, device="cpu")
    assert dataset.panel.member.tolist() == [[True, True, False], [True, True, False], [False, True, True]]
    rows = np.flatnonzero(dataset.panel.member)
    import torch

    batch = dataset.batch(torch.from_numpy(rows))
    expected = np.concatenate([p.gather(np.arange(len(p.index))) for p in parts])
    np.testing.assert_array_equal(batch.x.numpy(), expected)
    np.testing.assert_array_equal(batch.label.numpy(), np.concatenate([p.label for p in parts]))
    assert (dataset.days_of(1).start, dataset.days_of(1).stop) == (2, 3)


def test_a_row_that_is_there_twice_is_an_error() -> None:
    with pytest.raises(DataError, match="two rows"):
        RowDataset([part(["2020-01-02"], ["A"]), part(["2020-01-02"], ["A"])], reach=2, device="cpu")


def test_a_lookback_that_does_not_divide_a_row_is_an_error() -> None:
    with pytest.raises(ConfigError, match="lookback 4 does not divide the 6 columns"):
        part(["2020-01-02"], ["A"], lookback=4)


def test_the_package_is_imported_with_the_module_and_nowhere_else() -> None:
    code = "import zoo.interop, zoo.trainer, sys; assert 'qlib' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(importlib.util.find_spec("qlib") is not None, reason="pyqlib is installed")
def test_without_the_package_the_error_says_what_to_install() -> None:
    from zoo.interop.qlib import ZooModel

    with pytest.raises(UnavailableError, match=r"alpha-zoo\[qlib\]"):
        ZooModel("gru")


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that qlib is initialised with, and its experiments beside it."""
    import qlib

    folder = tmp_path_factory.mktemp("qlib")
    small_folder(folder / "cn")
    manager = {
        "class": "MLflowExpManager",
        "module_path": "qlib.workflow.expm",
        "kwargs": {"uri": f"sqlite:///{folder}/runs.db", "default_exp_name": "zoo"},
    }
    qlib.init(provider_uri=str(folder / "cn"), region="cn", exp_manager=manager, kernels=1)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)  # artifacts are put where the process is
        yield folder


def task(model: dict[str, Any], *, windows: bool = False) -> dict[str, Any]:
    """qlib's task of a model; `windows`: 5 days of two columns of Alpha158 instead of Alpha360."""
    feature = {"fields_group": "feature"}
    chosen = {"class": "FilterCol", "kwargs": {**feature, "col_list": ["KLEN", "ROC5", "STD5"]}}
    handler = {
        "class": "Alpha158" if windows else "Alpha360",
        "module_path": "qlib.contrib.data.handler",
        "kwargs": {
            **{"start_time": "2020-01-01", "end_time": "2020-12-20", "instruments": "csi300"},
            **{"fit_start_time": SMALL_SPANS["train"][0], "fit_end_time": SMALL_SPANS["train"][1]},
            "infer_processors": [
                *([chosen] if windows else []),
                {"class": "RobustZScoreNorm", "kwargs": {**feature, "clip_outlier": True}},
                {"class": "Fillna", "kwargs": feature},
            ],
            "learn_processors": [
                {"class": "DropnaLabel"},
                {"class": "CSRankNorm", "kwargs": {"fields_group": "label"}},
            ],
        },
    }
    kwargs = {"handler": handler, "segments": SMALL_SPANS, **({"step_len": 5} if windows else {})}
    kind = "TSDatasetH" if windows else "DatasetH"
    records = [{"class": c, "module_path": "qlib.workflow.record_temp"} for c in ("SignalRecord", "SigAnaRecord")]
    return {
        "model": {"class": "ZooModel", "module_path": "zoo.interop.qlib", "kwargs": model},
        "dataset": {"class": kind, "module_path": "qlib.data.dataset", "kwargs": kwargs},
        "record": records,
    }


@needs_qlib
@pytest.mark.parametrize(
    ("model", "windows"),
    [("gru", False), ("gats", False), ("linear", False), ("tra", False), ("gru", True), ("tcn", True), ("tra", True)],
)
def test_a_workflow_of_qlib_trains_scores_and_records_a_model(model: str, windows: bool, market: Path) -> None:
    from qlib.model.trainer import task_train

    small = {} if model == "linear" else {"hidden_size": 4, "num_layers": 1}
    kwargs = {"model": model, "params": small, "train": TRAIN} | ({} if windows else {"lookback": 60})
    recorder = task_train(task(kwargs, windows=windows), experiment_name="zoo")
    pred, label = recorder.load_object("pred.pkl")["score"], recorder.load_object("label.pkl").iloc[:, 0]
    assert list(pred.index.names) == ["datetime", "instrument"]
    assert pred.notna().all()
    table = pd.DataFrame({"score": pred, "label": label}).dropna()
    score, truth = (table[c].unstack().to_numpy(dtype=np.float64) for c in ("score", "label"))
    for name, ours in (("ic", pearson_rows(score, truth)), ("ric", spearman_rows(score, truth))):
        recorded = recorder.load_object(f"sig_analysis/{name}.pkl").dropna().to_numpy()
        np.testing.assert_allclose(recorded, ours[np.isfinite(ours)], rtol=0, atol=1e-9)
    stored = recorder.load_object("params.pkl")
    assert stored.training.max_epochs == TRAIN["max_epochs"]


@needs_qlib
def test_a_stored_model_scores_as_before_and_tells_its_epochs(market: Path, tmp_path: Path) -> None:
    import pickle

    from qlib.utils import init_instance_by_config

    given = task({"model": "gru", "params": {"hidden_size": 4}, "train": TRAIN, "step_len": 5}, windows=True)
    model, dataset = (init_instance_by_config(given[k]) for k in ("model", "dataset"))
    evals: dict[str, list[float]] = {}
    model.fit(dataset, evals_result=evals, save_path=tmp_path / "weights.safetensors")
    assert [len(evals["train"]), len(evals["valid"])] == [2, 2]
    assert (tmp_path / "weights.safetensors").is_file()
    again = pickle.loads(pickle.dumps(model))  # noqa: S301 - what qlib stores models by
    pd.testing.assert_series_equal(again.predict(dataset, "valid"), model.predict(dataset, "valid"))
    other = init_instance_by_config(given["model"])
    other.fit(dataset)
    pd.testing.assert_series_equal(other.predict(dataset), model.predict(dataset))


@needs_qlib
@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"model": "gruu"}, "did you mean 'gru'"),
        ({"model": "hist"}, "needs concepts"),
        ({"model": "gru", "params": {"hiden_size": 3}}, "did you mean 'hidden_size'"),
        ({"model": "gru", "train": {"epochs": 3}}, "train has no key 'epochs'"),
        ({"model": "gru", "train": {"lr": -1}}, "train.lr"),
        ({"model": "gru", "lookback": 5, "step_len": 6}, "two names of one number"),
    ],
)
def test_what_cannot_be_trained_is_refused_at_once(kwargs: dict[str, Any], message: str, market: Path) -> None:
    from zoo.interop.qlib import ZooModel

    with pytest.raises(ZooError, match=message):
        ZooModel(**kwargs)
