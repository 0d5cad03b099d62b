"""The reference's own classes (pyqlib 0.9.7) with its step, for `bench_peer.py --peer reference`.

Built at the sizes of our network, with weights of their own: times do not depend on them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from zoo.network import Batch, Network

WHERE: Mapping[str, tuple[str, str]] = {
    "gru": ("pytorch_gru", "GRUModel"),
    "lstm": ("pytorch_lstm", "LSTMModel"),
    "alstm": ("pytorch_alstm", "ALSTMModel"),
    "gats": ("pytorch_gats", "GATModel"),
    "hist": ("pytorch_hist", "HISTModel"),
    "tcn": ("pytorch_tcn", "TCNModel"),
    "transformer": ("pytorch_transformer", "Transformer"),
    "localformer": ("pytorch_localformer", "Transformer"),
    "tra": ("pytorch_tra", "RNN"),
}
"""Module of `qlib.contrib.model` and class by our name of a model."""


def missing() -> str | None:
    """Why the classes cannot be had here; None where they can."""
    return None if find_spec("qlib") else "pyqlib is not installed: pip install 'alpha-zoo[qlib]'"


def reference(model: str, ours: Network, batch: Batch) -> tuple[torch.nn.Module, Callable[[], Tensor], Callable | None]:
    """The reference's network, its scores of `batch`, and its own loss where that is not the mean square of them."""
    module, name = WHERE[model]
    made = getattr(import_module(f"qlib.contrib.model.{module}"), name)
    rows, _, features = batch.x.shape
    rnn: Any = getattr(ours, "rnn", None)
    x = batch.x.transpose(1, 2).reshape(rows, -1)  # its rows are factor by factor
    if model == "tra":
        return _tra(import_module(f"qlib.contrib.model.{module}"), ours, batch)
    if model == "tcn":
        blocks: Any = ours.get_submodule("blocks")
        widths = [block.conv1.weight_v.shape[0] for block in blocks]
        network = made(features, 1, widths, blocks[0].conv1.weight_v.shape[2], blocks[0].dropout.p)
    elif model in ("transformer", "localformer"):
        layer: Any = ours.get_submodule("layers.0")
        width, layers = layer.linear1.in_features, len(list(ours.get_submodule("layers").children()))
        network = made(features, width, layer.self_attn.num_heads, layers, layer.dropout.p)
    else:
        kind = {"base_model": "LSTM"} if model in ("gats", "hist") else {}
        network = made(features, rnn.hidden_size, rnn.num_layers, rnn.dropout, **kind)
    if model == "hist":
        torch.get_device = lambda input: input.device  # it asks for the device's number, which a CPU has not
    given = (x, batch.concepts) if model == "hist" else (x,)
    return network, lambda: network(*given), None


def _tra(module: Any, ours: Any, batch: Batch) -> tuple[torch.nn.Module, Callable[[], Tensor], Callable[[], Tensor]]:
    rnn, states, router = ours.backbone.rnn, ours.num_states, ours.router
    backbone = module.RNN(rnn.input_size, rnn.hidden_size, rnn.num_layers, "LSTM", dropout=rnn.dropout)
    adaptor = module.TRA(backbone.output_size, states, router.hidden_size, "LSTM", tau=ours.tau)
    memory = torch.rand(len(batch), batch.x.shape[1] - ours.reach, states)

    def scores() -> Tensor:
        predictions, choice, _ = adaptor(backbone(batch.x), memory)
        return (choice * predictions).sum(1)

    def loss() -> Tensor:
        predictions, choice, share = adaptor(backbone(batch.x), memory)
        found = module.transport_sample(
            predictions, batch.label, choice, share, memory.mean(1), None, "router", ours.alpha, training=True
        )
        return found[0] - ours.lamb * share.log().mul(found[3]).sum(1).mean()

    return torch.nn.ModuleList([backbone, adaptor]), scores, loss
