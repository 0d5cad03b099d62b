"""Workflow files of qlib, made of what its benchmarks publish: settings by model, in a layout of our own."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from tests.data.source_files import write_qlib
from zoo.data.features.alpha158 import ALPHA158_20_NAMES

SPANS = {
    "train": ["2008-01-01", "2014-12-31"],
    "valid": ["2015-01-01", "2016-12-31"],
    "test": ["2017-01-01", "2020-08-01"],
}
HOME = "qlib.contrib.model"
LOOP = {"n_epochs": 200, "lr": "1e-3", "early_stop": 20, "batch_size": 800, "metric": "loss", "loss": "mse", "GPU": 0}
SMALL = {"d_feat": 6, "hidden_size": 64, "num_layers": 2, "dropout": 0.0}
TRA = {
    "model_config": {"input_size": 6, "hidden_size": 64, "num_layers": 2, "rnn_arch": "LSTM", "use_attn": True},
    "tra_config": {"num_states": 3, "hidden_size": 32, "tau": 1.0, "src_info": "LR_TPE"},
    **{"lr": "1e-3", "n_epochs": 100, "early_stop": 20, "lamb": 1.0, "rho": 0.99, "alpha": 0.5, "pretrain": True},
    **{"transport_method": "router", "memory_mode": "sample", "seed": 0, "logdir": None, "eval_test": True},
}
TREES = {
    **{"loss": "mse", "colsample_bytree": 0.8879, "learning_rate": 0.0421, "subsample": 0.8789, "max_depth": 8},
    **{"lambda_l1": 205.6999, "lambda_l2": 580.9768, "num_leaves": 210, "num_threads": 20},
}
GRAPH = {
    **{k: v for k, v in LOOP.items() if k != "batch_size"},
    **{"lr": "1e-4", "base_model": "LSTM", "model_path": "weights/lstm.pkl"},
}
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "lstm": ("LSTM", "pytorch_lstm", SMALL | LOOP),
    "gru": ("GRU", "pytorch_gru", SMALL | LOOP),
    "alstm": ("ALSTM", "pytorch_alstm", SMALL | LOOP | {"rnn_type": "LSTM"}),
    "transformer": ("TransformerModel", "pytorch_transformer", {"d_feat": 6, "seed": 0}),
    "localformer": ("LocalformerModel", "pytorch_localformer", {"d_feat": 6, "seed": 0, "n_jobs": 20}),
    "tcn": (
        "TCN",
        "pytorch_tcn",
        LOOP | {"d_feat": 6, "num_layers": 5, "n_chans": 128, "kernel_size": 3, "dropout": 0.5, "batch_size": 2000},
    ),
    "gats": ("GATs", "pytorch_gats", SMALL | GRAPH | {"dropout": 0.7}),
    "hist": (
        "HIST",
        "pytorch_hist",
        SMALL | GRAPH | {"metric": "ic", "stock2concept": "c.npy", "stock_index": "i.json"},
    ),
    "tra": ("TRAModel", "pytorch_tra", TRA),
    "tabnet": ("TabnetModel", "pytorch_tabnet", {"d_feat": 360, "pretrain": True, "seed": 993}),
    "linear": ("LinearModel", "linear", {"estimator": "ols"}),
    "mlp": (
        "DNNModelPytorch",
        "pytorch_nn",
        {
            **{"loss": "mse", "lr": 0.002, "optimizer": "adam", "max_steps": 8000, "batch_size": 4096, "GPU": 0},
            "pt_model_kwargs": {"input_dim": 360},
        },
    ),
    "lightgbm": ("LGBModel", "gbdt", TREES),
}


def workflow(
    model: str = "gru",
    *,
    handler: str = "Alpha360",
    step_len: int | None = None,
    folder: str | Path = "~/.qlib/qlib_data/cn_data",
    market: str = "csi300",
    spans: dict[str, list[str]] | None = None,
    **kwargs: Any,
) -> dict[str, Any]:
    """The document of one workflow; `step_len` takes the class on windows, and 20 columns of Alpha158."""
    spans = spans or SPANS
    name, module, published = MODELS[model]
    first, last = spans["train"][0], spans["test"][1]
    feature = {"fields_group": "feature"}
    chosen = [{"class": "FilterCol", "kwargs": feature | {"col_list": list(ALPHA158_20_NAMES)}}] if step_len else []
    loaded = {
        **{"start_time": first, "end_time": last, "fit_start_time": first, "fit_end_time": spans["train"][1]},
        "instruments": market,
        "infer_processors": [
            *chosen,
            {"class": "RobustZScoreNorm", "kwargs": feature | {"clip_outlier": True}},
            {"class": "Fillna", "kwargs": feature},
        ],
        "learn_processors": [
            {"class": "DropnaLabel"},
            {"class": "CSRankNorm", "kwargs": {"fields_group": "label"}},
        ],
        "label": ["Ref($close, -2) / Ref($close, -1) - 1"],
    }
    segments = dict(spans)
    dataset: dict[str, Any] = {
        "handler": {"class": handler, "module_path": "qlib.contrib.data.handler", "kwargs": loaded},
        "segments": segments,
    }
    kind, where = "DatasetH", "qlib.data.dataset"
    if step_len:
        kind, module = "TSDatasetH", f"{module}_ts"
        dataset["step_len"] = step_len
    if model == "tra":
        kind, where = "MTSDatasetH", "qlib.contrib.data.dataset"
        dataset |= {"seq_len": 60, "horizon": 2, "input_size": 6, "num_states": 3, "batch_size": 1024}
        dataset |= {"memory_mode": "sample", "drop_last": True, "n_samples": None}
    if model == "tabnet":
        segments |= {"pretrain": spans["train"], "pretrain_validation": spans["valid"]}
    exchange = {"limit_threshold": 0.095, "deal_price": "close", "open_cost": 5e-4, "close_cost": 15e-4, "min_cost": 5}
    placeholders = {"model": "<MODEL>", "dataset": "<DATASET>"}
    analysis = {
        "strategy": {
            "class": "TopkDropoutStrategy",
            "module_path": "qlib.contrib.strategy",
            "kwargs": {"signal": "<PRED>", "topk": 50, "n_drop": 5},
        },
        "backtest": {
            **{"start_time": spans["test"][0], "end_time": spans["test"][1], "account": 100000000},
            **{"benchmark": "SH000300", "exchange_kwargs": exchange},
        },
    }
    home = "qlib.workflow.record_temp"
    return {
        "qlib_init": {"provider_uri": str(folder), "region": "cn"},
        **{"market": market, "benchmark": "SH000300", "data_handler_config": loaded, "port_analysis_config": analysis},
        "task": {
            "model": {
                "class": name,
                "module_path": f"{HOME}.{module}",
                "kwargs": {**published, **({"d_feat": 20} if step_len else {}), **kwargs},
            },
            "dataset": {"class": kind, "module_path": where, "kwargs": dataset},
            "record": [
                {"class": "SignalRecord", "module_path": home, "kwargs": placeholders},
                {"class": "SigAnaRecord", "module_path": home, "kwargs": {"ana_long_short": False, "ann_scaler": 252}},
                {"class": "PortAnaRecord", "module_path": home, "kwargs": {"config": analysis}},
            ],
        },
    }


def changed(document: dict[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    """A copy with one value in another's place; anchors no longer share it."""
    document = copy.deepcopy(document)
    here: Any = document
    *parents, last = dotted.split(".")
    for parent in parents:
        here = here[int(parent)] if isinstance(here, list) else here[parent]
    here[last] = value
    return document


def write(document: dict[str, Any], folder: Path, name: str = "workflow_config_gru_Alpha360.yaml") -> Path:
    """As a file; what is shared becomes an anchor and its aliases."""
    file = folder / name
    file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    return file


def small_folder(folder: Path, days: list[str] | None = None, stocks: int = 8, market: str = "csi300") -> Path:
    """A random market in qlib's format with an index SH000300 beside it."""
    rng = np.random.default_rng(0)
    days = days or [str(day) for day in np.busday_offset("2020-01-01", np.arange(260), roll="forward")]
    features = {}
    for name in [f"sh60000{i}" for i in range(stocks)] + ["sh000300"]:
        close = 50 * np.exp(np.cumsum(rng.normal(0, 0.02, len(days))))
        spread = {"open": close * 0.99, "high": close * 1.02, "low": close * 0.97, "close": close, "vwap": close}
        values = spread | {"volume": rng.integers(1, 10**6, len(days)), "factor": np.ones(len(days))}
        features[name] = {field: (0, list(numbers)) for field, numbers in values.items()}
    lines = [f"SH60000{i}\t{days[0]}\t{days[-1]}" for i in range(stocks)]
    return write_qlib(folder, days, features, {"all": lines, market: lines})


SMALL_SPANS = {
    "train": ["2020-01-01", "2020-09-30"],
    "valid": ["2020-10-01", "2020-11-15"],
    "test": ["2020-11-16", "2020-12-20"],
}
"""Segments within the days of `small_folder`."""
