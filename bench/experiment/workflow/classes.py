"""qlib's model classes: which model each is here, and what its constructor takes when a file says nothing.

Facts of qlib 0.9.7, `qlib.contrib.model`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PARAMS = {
    **{name: name for name in ("hidden_size", "num_layers", "dropout", "kernel_size", "n_d", "n_a", "n_steps")},
    **{name: name for name in ("n_shared", "n_ind", "relax", "pretrain")},
    "d_model": "hidden_size",
    "n_chans": "hidden_size",
    "out_dim": "hidden_size",
    "nhead": "num_heads",
    "base_model": "rnn_type",
    "vbs": "virtual_batch_size",
    "ps": "pretrain_hidden",
}
"""Names of hyper-parameters there -> here."""
TRAIN = {
    "n_epochs": "max_epochs",
    "lr": "lr",
    "early_stop": "patience",
    "batch_size": "batch_size",
    "reg": "weight_decay",
}
"""Names of training settings there -> here."""
IGNORED = ("GPU", "n_jobs")
"""What says where and not what is computed."""


@dataclass(frozen=True)
class Reference:
    """A model class of qlib.

    Attributes:
        model: its name here.
        module: in `qlib.contrib.model`.
        defaults: of constructor arguments that have a counterpart here.
        windows: what differs in the module of the same name with `_ts`; None where there is none.
        swallows: whether the constructor takes further keywords without a use for them.
        params, train: what is so whatever a file says.
        told: what is done otherwise here.
    """

    model: str
    module: str
    defaults: Mapping[str, Any]
    windows: Mapping[str, Any] | None = None
    swallows: bool = True
    params: Mapping[str, Any] = field(default_factory=dict)
    train: Mapping[str, Any] = field(default_factory=dict)
    told: tuple[str, ...] = ()


_LOOP = {"n_epochs": 200, "lr": 1e-3, "early_stop": 20, "batch_size": 2000}
_RECURRENT = {"d_feat": 6, "hidden_size": 64, "num_layers": 2, "dropout": 0.0, **_LOOP}
_GRAPH = {k: v for k, v in _RECURRENT.items() if k != "batch_size"} | {"base_model": "GRU"}
_ENCODER = {
    **{"d_feat": 20, "d_model": 64, "nhead": 2, "num_layers": 2, "dropout": 0.0},
    **{"n_epochs": 100, "lr": 1e-4, "early_stop": 5, "batch_size": 2048, "reg": 1e-3},
}
_WIDE = {"ffn_size": 2048}  # torch's default, which the reference takes
_DAILY = {"batch_size": 1}  # rounded up to one whole day

CLASSES: dict[str, Reference] = {
    "LSTM": Reference("lstm", "pytorch_lstm", _RECURRENT, {}),
    "GRU": Reference("gru", "pytorch_gru", _RECURRENT, {}),
    "ALSTM": Reference("alstm", "pytorch_alstm", _RECURRENT, {}, params={"rnn_type": "gru"}),
    "TransformerModel": Reference("transformer", "pytorch_transformer", _ENCODER, {"batch_size": 8192}, params=_WIDE),
    "LocalformerModel": Reference("localformer", "pytorch_localformer", _ENCODER, {"batch_size": 8192}, params=_WIDE),
    "TCN": Reference(
        "tcn",
        "pytorch_tcn",
        {"d_feat": 6, "n_chans": 128, "kernel_size": 5, "num_layers": 5, "dropout": 0.5, **_LOOP, "lr": 1e-4},
        {"num_layers": 2, "dropout": 0.0, "lr": 1e-3},
    ),
    "GATs": Reference("gats", "pytorch_gats", _GRAPH, {"d_feat": 20}, train=_DAILY),
    "HIST": Reference(
        "hist",
        "pytorch_hist",
        _GRAPH,
        train=_DAILY,
        told=("hist: concepts are those of data.concepts (--concepts FILE) or of a column of the data",),
    ),
    "TabnetModel": Reference(
        "tabnet",
        "pytorch_tabnet",
        {
            **{
                "d_feat": 158,
                "out_dim": 64,
                "n_d": 64,
                "n_a": 64,
                "n_shared": 2,
                "n_ind": 2,
                "n_steps": 5,
                "relax": 1.3,
                "vbs": 2048,
            },
            **{"pretrain": True, "ps": 0.3, "n_epochs": 100, "lr": 1e-2, "early_stop": 20, "batch_size": 4096},
        },
        swallows=False,
        params={"update_prior": False, "pretrain_target": "hidden"},
        told=("tabnet: its head is trained; qlib's optimiser leaves it as it was drawn",),
    ),
}
"""Networks with plain arguments."""
OTHERS = {
    "TRAModel": "pytorch_tra",
    "LinearModel": "linear",
    "DNNModelPytorch": "pytorch_nn",
    "LGBModel": "gbdt",
}
"""Classes with arguments of their own, and their modules."""
