"""Literal slow forms of what `zoo` computes in a faster way, on the parameters of the network given."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from zoo.layers import SelfAttention, sinusoids
from zoo.models.tcn import TCN
from zoo.models.transformer import Transformer


def tcn(network: TCN, x: Tensor) -> Tensor:
    """Scores `[S]`: every block convolves every step with its dilation."""
    h = x.transpose(1, 2)
    for i, block in enumerate(network.blocks):
        inner = h
        for conv in (block.conv1, block.conv2):
            weight = torch._weight_norm(conv.weight_v, conv.weight_g, 0)
            padded = F.pad(inner, ((weight.shape[2] - 1) * 2**i, 0))
            inner = block.dropout(F.relu(F.conv1d(padded, weight, conv.bias, dilation=2**i)))
        h = F.relu(inner + block.skip(h))
    return network.head(h[:, :, -1])[:, 0]


class LiteralTransformer(nn.Module):
    """torch's own encoder layers on all steps; state keys as in `Transformer`."""

    def __init__(self, like: Transformer) -> None:
        super().__init__()
        first, n_features = like.layers[0], like.embed.in_features
        self.embed = nn.Linear(n_features, like.embed.out_features)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                like.embed.out_features,
                first.self_attn.num_heads,
                first.linear1.out_features,
                first.dropout.p,
                batch_first=True,
            )
            for _ in like.layers
        )
        self.head = nn.Linear(like.embed.out_features, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.embed(x) + sinusoids(x.shape[1], self.embed.out_features)
        for layer in self.layers:
            h = layer(h)
        return self.head(h[:, -1])[:, 0]


def transformer(network: Transformer, x: Tensor) -> Tensor:
    """Scores `[S]`: every layer attends from every step."""
    literal = LiteralTransformer(network).train(network.training)
    return functional_call(literal, dict(network.named_parameters()), (x,))


def attention(module: SelfAttention, h: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs `[S, T, D]` and weights `[S, heads, T, T]` of full attention under a band mask."""
    steps = h.shape[1]
    query, key, value = F.linear(h, module.in_proj_weight, module.in_proj_bias).chunk(3, dim=2)
    query, key, value = (side.unflatten(2, (module.num_heads, -1)).transpose(1, 2) for side in (query, key, value))
    logits = query @ key.transpose(2, 3) / query.shape[3] ** 0.5
    distance = (torch.arange(steps)[:, None] - torch.arange(steps)).abs()
    if module.window is not None:
        logits = logits.masked_fill(distance > module.window, -torch.inf)
    weights = logits.softmax(3)
    return module.out_proj((weights @ value).transpose(1, 2).flatten(2)), weights
