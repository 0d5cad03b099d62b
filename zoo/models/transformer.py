"""Transformer: Vaswani et al. 2017, "Attention is all you need", its encoder.

The reference (qlib 0.9.7, `pytorch_transformer`) clones one layer, so that all start from the same
weights, carries that template as dead parameters, and has a feed-forward width of 2048, 32 times its own.
Here layers start independently and the width is 4 D; `ffn_size: 2048` is the published setting. Only the
last step is scored, so the last layer is computed for its last query only: the same function for about
half the work.
"""

from __future__ import annotations

from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from zoo.layers import EncoderLayer, sinusoids
from zoo.network import Batch, Days, Membership, Network, Scores, Windows
from zoo.registry import register_model


@register_model(
    "transformer",
    title="Transformer",
    paper="Vaswani et al. 2017, Attention is all you need, NeurIPS",
    complexity=("T^2", "N"),
    quick={"hidden_size": 32},
    published={"hidden_size": 64, "num_layers": 2, "num_heads": 2, "ffn_size": 2048},
)
class Transformer(Network):
    """Encoder with full attention over the lookback.

    Args:
        num_heads: parts of the width that attend separately; None: 2, or 1 for an odd width.
    """

    rows_alone: ClassVar[bool] = True
    reference_keys: ClassVar[dict[str, str | None]] = {
        r"feature_layer\.": "embed.",
        r"transformer_encoder\.layers\.": "layers.",
        r"decoder_layer\.": "head.",
        r"encoder_layer\.": None,
        r"pos_encoder\.pe$": None,
    }
    positions: Tensor

    def __init__(
        self,
        *,
        n_features: int,
        lookback: int,
        hidden_size: int = 64,
        num_layers: int = 2,
        num_heads: int | None = None,
        dropout: float = 0.0,
        ffn_size: int | None = None,
    ) -> None:
        super().__init__()
        self.embed = nn.Linear(n_features, hidden_size)
        self.register_buffer("positions", sinusoids(lookback, hidden_size), persistent=False)
        self.layers = nn.ModuleList(EncoderLayer(hidden_size, num_heads, ffn_size, dropout) for _ in range(num_layers))
        self.head = nn.Linear(hidden_size, 1)

    def _before_last_layer(self, x: Tensor) -> Tensor:
        h = self.embed(x) + self.positions
        for layer in self.layers[:-1]:
            h = layer(h)
        return h

    def forward(self, x: Windows, *, day: Days | None = None, concepts: Membership | None = None) -> Scores:
        return self.head(self._last_layer.last(self._before_last_layer(x)))[:, 0]

    @property
    def _last_layer(self) -> EncoderLayer:
        return cast(EncoderLayer, self.layers[-1])

    @torch.no_grad()
    def explain(self, batch: Batch) -> dict[str, Tensor]:
        """`attention [S, heads, T]`: what the last step attends to in the last layer; rows sum to 1."""
        return {"attention": self._last_layer.self_attn.last_weights(self._before_last_layer(batch.x))}
