"""The model of a workflow -> parameters and training settings here."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.experiment.workflow.classes import CLASSES, IGNORED, OTHERS, PARAMS, TRAIN, Reference
from bench.experiment.workflow.data import Data
from bench.experiment.workflow.keys import Keys, class_of
from zoo.errors import did_you_mean

_HOME = "qlib.contrib.model"


@dataclass(frozen=True)
class Model:
    """A model as an entry of `models`, and the seed that a file gives it."""

    name: str
    params: dict[str, Any]
    train: dict[str, Any]
    seed: int | None = None


def read_model(model: Keys, dataset: Keys, data: Data) -> Model:
    """The model of a workflow.

    Raises:
        ConfigError: a class that there is not here, or arguments that are not understood or not done here.
    """
    name, module = class_of(model)
    known = {**{c: r.module for c, r in CLASSES.items()}, **OTHERS}
    if name not in known:
        near = did_you_mean(name, known)
        raise model.refuse("class", f"no model {name!r} here{near}; there are {', '.join(known)}")
    kwargs = model.section("kwargs")
    model.done()
    homes = {f"{_HOME}.{known[name]}": False}
    if name in CLASSES and CLASSES[name].windows is not None:
        homes[f"{_HOME}.{known[name]}_ts"] = True
    if module not in homes:
        near = did_you_mean(module, homes)
        raise model.refuse("module_path", f"{name} is of {' or '.join(homes)}{near}, got {module!r}")
    expected = "MTSDatasetH" if name == "TRAModel" else "TSDatasetH" if homes[module] else "DatasetH"
    if data.dataset != expected:
        raise dataset.refuse("class", f"{module} reads a {expected}, got {data.dataset}")
    seed = _seed(kwargs)
    if name in CLASSES:
        params, train = _network(name, CLASSES[name], kwargs, data, homes[module])
        found = Model(CLASSES[name].model, params, train, seed)
    else:
        found = Model(*_OTHERS[name](kwargs, dataset, data), seed)
    kwargs.done()
    return found


def _seed(kwargs: Keys) -> int | None:
    seed = kwargs.take("seed")
    if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or seed < 0):
        raise kwargs.refuse("seed", f"must be a number from 0 on, got {seed!r}")
    return seed


def _whole(kwargs: Keys, name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise kwargs.refuse(name, f"must be a whole number, got {value!r}")
    return int(value)


def _network(
    name: str, reference: Reference, kwargs: Keys, data: Data, windows: bool
) -> tuple[dict[str, Any], dict[str, Any]]:
    tell, model = kwargs.reading.tell, reference.model
    defaults = {**reference.defaults, **((reference.windows or {}) if windows else {})}
    flat = name == "TabnetModel"
    _columns(kwargs, "d_feat", data, flat, defaults.pop("d_feat"))
    _trained_alike(kwargs, model)
    kwargs.ignore(*IGNORED)
    params: dict[str, Any] = dict(reference.params)
    train: dict[str, Any] = {"grad_clip": 3.0, **reference.train}
    for key, default in defaults.items():
        value = kwargs.take(key, default) if isinstance(default, (str, bool)) else kwargs.number(key, default)
        whole = isinstance(default, int) and not isinstance(default, bool)
        value = _whole(kwargs, key, value) if whole else value
        if key == "base_model":
            if str(value) not in ("GRU", "LSTM"):
                raise kwargs.refuse(key, f"must be GRU or LSTM, got {value!r}")
            value = str(value).lower()
        if key in TRAIN:
            train[TRAIN[key]] = value
        else:
            params[PARAMS[key]] = value
    if "base_model" in defaults:
        paths = [kwargs.take(key) for key in ("model_path", "stock2concept", "stock_index")]
        if paths[0]:
            tell(f"{model}: its recurrent net starts fresh, not from the weights of {paths[0]}")
    if flat:
        _tabnet(kwargs, train["max_epochs"])
    for sentence in reference.told:
        tell(sentence)
    if reference.swallows:
        for key in kwargs.left:
            value = kwargs.take(key)
            near = did_you_mean(key, [*defaults, "d_feat", "metric", "loss", "optimizer"])
            tell(f"{key} {value!r}: qlib's {name} takes it without a use for it{near}; nor is it used here")
    return params, train


def _tabnet(kwargs: Keys, epochs: int) -> None:
    kwargs.only("final_out_dim", 1, what="a row has one score")
    kwargs.only("pretrain_loss", "custom", what="hidden entries are reconstructed")
    if path := kwargs.take("pretrain_file"):
        kwargs.reading.tell(f"tabnet: the state of {path} is neither read nor written")
    if (first := kwargs.number("pretrain_n_epochs", 50)) != epochs:
        kwargs.reading.tell(f"tabnet: at most {epochs} epochs of pre-training, as of training, instead of {first:g}")


def _columns(kwargs: Keys, name: str, data: Data, flat: bool, default: int) -> None:
    """Refuse a number of inputs that is not that of the data; qlib would fold other days into it."""
    size = data.n_features * (data.lookback if flat else 1)
    given = kwargs.number(name, default)
    if given != size:
        what = f"{data.features} has {size} {'inputs' if flat else 'columns a day'}"
        raise kwargs.refuse(name, f"{what}, got {given!r}{'' if name in kwargs else ', the default'}")


def _trained_alike(kwargs: Keys, model: str) -> None:
    """What the one trainer does alike for every network."""
    kwargs.only("loss", "mse", what="qlib's networks are trained on squared error")
    optimizer = str(kwargs.take("optimizer", "adam"))
    if optimizer.lower() != "adam":
        raise kwargs.refuse("optimizer", f"{optimizer!r} is not done here: every network is trained by Adam")
    metric = kwargs.take("metric", "")
    if metric in ("", "loss", None):
        kwargs.reading.tell(f"{model}: stops on the IC of valid instead of the loss there")
    elif metric != "ic":
        raise kwargs.refuse("metric", f"{metric!r} is not done here: every network stops on the IC of valid")


def _tra(kwargs: Keys, dataset: Keys, data: Data) -> tuple[str, dict[str, Any], dict[str, Any]]:
    backbone, router = kwargs.section("model_config"), kwargs.section("tra_config")
    _columns(backbone, "input_size", data, flat=False, default=16)
    backbone.must("rnn_arch", "GRU", "LSTM", what="the backbone is an LSTM")
    backbone.only("use_attn", True, what="the backbone has attention")
    router.only("src_info", "LR_TPE", what="the router reads the backbone's summary and past errors")
    if router.take("rnn_arch", "GRU") != "LSTM":
        kwargs.reading.tell("tra: the router is an LSTM where the file has a GRU, qlib's default")
    router.only("num_layers", 1, what="the router has one layer")
    router.only("dropout", 0, 0.0, what="the router has no dropout")
    states = router.take("num_states", 1)
    kwargs_of = dataset.section("kwargs")
    if kwargs_of.take("num_states", 0) != states:
        raise kwargs_of.refuse("num_states", f"must be that of tra_config, {states}")
    params = {
        "hidden_size": backbone.take("hidden_size", 64),
        "num_layers": backbone.take("num_layers", 2),
        "dropout": backbone.number("dropout", 0.0),
        "num_states": states,
        "router_hidden": router.take("hidden_size", 8),
        "tau": router.number("tau", 1.0),
        "alpha": kwargs.number("alpha", 1.0),
        "lamb": kwargs.number("lamb", 0.0),
        "rho": kwargs.number("rho", 0.99),
        "pretrain": bool(kwargs.take("pretrain", False)),
    }
    backbone.done()
    router.done()
    kwargs.only("model_type", "RNN", what="the backbone is recurrent")
    kwargs.must("transport_method", "none", "router", what="rows are routed to predictors")
    kwargs.only("memory_mode", "sample", what="a memory is kept for each stock and day")
    kwargs.only("update_freq", 1, what="every batch is a step")
    kwargs.only("init_state", None, what="every model starts fresh")
    for key in ("reset_router", "freeze_model", "freeze_predictors"):
        kwargs.only(key, False, what="every part is trained")
    kwargs.ignore("eval_train", "eval_test", "logdir", *IGNORED)
    if "smooth_steps" in kwargs and kwargs.take("smooth_steps") != 1:
        kwargs.reading.tell("tra: evaluated with the weights of its last step, not with their mean over smooth_steps")
    rows = kwargs_of.take("batch_size", -1)
    train = {
        "lr": kwargs.number("lr", 1e-3),
        "max_epochs": kwargs.take("n_epochs", 500),
        "patience": kwargs.take("early_stop", 50),
        "batch_size": rows if rows > 0 else -rows,
        "max_steps_per_epoch": kwargs.take("max_steps_per_epoch"),
        "grad_clip": None,
    }
    return "tra", params, train


def _linear(kwargs: Keys, dataset: Keys, data: Data) -> tuple[str, dict[str, Any], dict[str, Any]]:
    kwargs.only("estimator", "ols", what="its penalty counts rows, that of params.l2 does not")
    kwargs.only("alpha", 0.0, 0, what="ordinary least squares has no penalty")
    kwargs.only("include_valid", False, what="no model is fitted on valid")
    if not kwargs.take("fit_intercept", False):
        kwargs.reading.tell("linear: fitted with an intercept, which the file leaves out")
    return "linear", {"l2": 0.0}, {}


def _mlp(kwargs: Keys, dataset: Keys, data: Data) -> tuple[str, dict[str, Any], dict[str, Any]]:
    net = kwargs.section("pt_model_kwargs")
    _columns(net, "input_dim", data, flat=True, default=360)
    layers = list(net.take("layers", [256]))
    if not layers or len(set(layers)) != 1:
        raise net.refuse("layers", f"hidden layers are of one width, got {layers}")
    net.only("act", "LeakyReLU", what="activations are those of mlp")
    net.done()
    kwargs.only("pt_model_uri", "qlib.contrib.model.pytorch_nn.Net", what="the network is mlp")
    kwargs.only("loss", "mse", what="returns are forecast, not classes")
    optimizer = str(kwargs.take("optimizer", "gd"))
    if optimizer.lower() != "adam":
        raise kwargs.refuse("optimizer", f"{optimizer!r} is not done here: every network is trained by Adam")
    for key in ("init_model", "valid_key"):
        kwargs.only(key, None, "learn", what="every model starts fresh and is judged on valid")
    kwargs.ignore("eval_train_metric", "data_parall", "tensorboard", "tensorboard_name", *IGNORED)
    tell = kwargs.reading.tell
    tell("mlp: ReLU without batch normalisation and dropout, where qlib's has LeakyReLU with both")
    tell("mlp: stops on the IC of valid instead of the loss there")
    lowered = [kwargs.take(key) for key in ("lr_decay", "lr_decay_steps")] != [None, None]
    if kwargs.take("scheduler", "default") is not None or lowered:
        tell("mlp: its learning rate stays as it is; qlib lowers it")
    every, steps = kwargs.take("eval_steps", 20), kwargs.take("max_steps", 300)
    train = {
        "lr": kwargs.number("lr", 1e-3),
        "batch_size": kwargs.take("batch_size", 2000),
        "weight_decay": kwargs.number("weight_decay", 0.0),
        # An epoch here is what qlib trains between two looks at valid.
        "max_steps_per_epoch": every,
        "max_epochs": math.ceil(steps / every),
        "patience": kwargs.take("early_stop_rounds", 50),
        "grad_clip": None,
    }
    return "mlp", {"hidden_size": layers[0], "num_layers": len(layers), "dropout": 0.0}, train


_TREES = {
    "learning_rate": ("learning_rate", 0.1, ("eta", "shrinkage_rate")),
    "num_leaves": ("num_leaves", 31, ("max_leaves", "max_leaf_nodes")),
    "max_depth": ("max_depth", -1, ()),
    "min_data_in_leaf": ("min_data_in_leaf", 20, ("min_child_samples", "min_data_per_leaf")),
    "lambda_l1": ("lambda_l1", 0.0, ("reg_alpha", "l1_regularization")),
    "lambda_l2": ("lambda_l2", 0.0, ("reg_lambda", "l2_regularization", "lambda")),
    "feature_fraction": ("feature_fraction", 1.0, ("colsample_bytree", "sub_feature")),
    "bagging_fraction": ("bagging_fraction", 1.0, ("subsample", "sub_row", "bagging")),
    "num_boost_round": ("num_rounds", 1000, ("num_iterations", "n_estimators")),
    "early_stopping_rounds": ("patience", 50, ("early_stopping_round",)),
}
"""lightgbm's name -> name here, its default, other names it goes by there."""


def _lightgbm(kwargs: Keys, dataset: Keys, data: Data) -> tuple[str, dict[str, Any], dict[str, Any]]:
    kwargs.only("loss", "mse", what="returns are forecast, not classes")
    kwargs.ignore("num_threads", "n_jobs", "nthread", "verbosity", "verbose", "seed", "device")
    params: dict[str, Any] = {}
    for key, (name, default, aliases) in _TREES.items():
        value = kwargs.number(key, default)
        for alias in aliases:
            value = kwargs.number(alias, value)
        params[name] = _whole(kwargs, key, value) if isinstance(default, int) else float(value)
    frequency = max(kwargs.number("bagging_freq", 0), kwargs.number("subsample_freq", 0))
    if params["bagging_fraction"] != 1 and not frequency:
        kwargs.reading.tell(
            f"lightgbm: bagging_fraction {params['bagging_fraction']:g} is not used, as there, where bagging_freq is 0"
        )
        params["bagging_fraction"] = 1.0
    elif frequency > 1:
        kwargs.reading.tell("lightgbm: rows are drawn anew for every tree")
    kwargs.reading.tell("lightgbm: the number of trees is chosen by the IC of valid instead of squared error")
    return "lightgbm", params, {}


_OTHERS: dict[str, Callable[[Keys, Keys, Data], tuple[str, dict[str, Any], dict[str, Any]]]] = {
    "TRAModel": _tra,
    "LinearModel": _linear,
    "DNNModelPytorch": _mlp,
    "LGBModel": _lightgbm,
}
