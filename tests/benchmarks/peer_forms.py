"""The reference's networks (qlib 0.9.7) written down literally, on the parameters of our network: the peers.

Each function takes our network and a batch and returns scores `[S]`. Recurrent nets are torch's own; nothing is pruned.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from tests.models import oracles
from tests.models.oracles_cross import gats_attend, hist_head
from zoo.layers import sinusoids
from zoo.network import Batch


@cache
def torchs_own(rnn: nn.RNNBase) -> nn.RNNBase:
    """torch's recurrent net with the same parameters."""
    kind = nn.LSTM if isinstance(rnn, nn.LSTM) else nn.GRU
    own = kind(rnn.input_size, rnn.hidden_size, rnn.num_layers, batch_first=True, dropout=rnn.dropout)
    for name, parameter in rnn.named_parameters():
        setattr(own, name, parameter)
    return own


def recurrent(network: Any, batch: Batch) -> Tensor:
    """GRU, LSTM."""
    outputs, _ = torchs_own(network.rnn)(batch.x)
    return network.head(outputs[:, -1, :]).squeeze()


def alstm(network: Any, batch: Batch) -> Tensor:
    outputs, _ = torchs_own(network.rnn)(torch.tanh(network.embed(batch.x)))
    hidden = torch.tanh(network.dropout(network.attention(outputs)))
    score = torch.softmax(network.attention_score(hidden), dim=1)
    context = torch.sum(torch.mul(outputs, score), dim=1)
    return network.head(torch.cat((outputs[:, -1, :], context), dim=1))[..., 0]


def transformer(network: Any, batch: Batch) -> Tensor:
    return oracles.transformer(network, batch.x)


class _LocalFormer(nn.Module):
    def __init__(self, like: Any) -> None:
        super().__init__()
        width, first = like.embed.out_features, like.layers[0]
        self.embed = nn.Linear(like.embed.in_features, width)
        self.convolutions = nn.ModuleList(nn.Conv1d(width, width, 3, padding=1) for _ in like.layers)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, first.self_attn.num_heads, first.linear1.out_features, first.dropout.p)
            for _ in like.layers
        )
        self.rnn = nn.GRU(width, width, like.rnn.num_layers, batch_first=False, dropout=like.rnn.dropout)
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = (self.embed(x) + sinusoids(x.shape[1], self.embed.out_features)).transpose(1, 0)
        local = h
        for convolution, layer in zip(self.convolutions, self.layers, strict=True):
            local = convolution(h.transpose(1, 0).transpose(2, 1)).transpose(2, 1).transpose(1, 0)
            h = layer(h + local)
        outputs, _ = self.rnn(h + local)
        return self.head(outputs.transpose(1, 0)[:, -1, :]).squeeze()


def localformer(network: Any, batch: Batch) -> Tensor:
    literal = _local_former(network).train(network.training)
    return functional_call(literal, dict(network.named_parameters()), (batch.x,))


@cache
def _local_former(network: Any) -> nn.Module:
    return _LocalFormer(network)


def gats(network: Any, batch: Batch) -> Tensor:
    """One day, every pair of stocks concatenated."""
    hidden = torchs_own(network.rnn)(batch.x)[0][:, -1, :]
    return network.fc_out(F.leaky_relu(network.fc(gats_attend(network, hidden)))).squeeze()


def hist(network: Any, batch: Batch) -> Tensor:
    """One day."""
    assert batch.concepts is not None
    return hist_head(network, torchs_own(network.rnn)(batch.x)[0][:, -1, :], batch.concepts)


def tcn(network: Any, batch: Batch) -> Tensor:
    return oracles.tcn(network, batch.x)


FORMS: dict[str, Callable[[Any, Batch], Tensor]] = {
    "gru": recurrent,
    "lstm": recurrent,
    "alstm": alstm,
    "gats": gats,
    "hist": hist,
    "transformer": transformer,
    "localformer": localformer,
    "tcn": tcn,
}
