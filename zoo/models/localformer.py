"""LocalFormer: Jiang et al., a Transformer with convolutions and a GRU for local patterns; no paper is named.

The reference (qlib 0.9.7, `pytorch_localformer`) clones its layers and has a feed-forward width of 2048,
as its Transformer does; here layers start independently and the width is 4 D (`ffn_size: 2048` is the
published setting). Its cost is said to be linear in the lookback, but with full attention it is
quadratic: `attention: window` makes it linear, each step attending to the `window_size` steps on either
side.
"""

from __future__ import annotations

from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.layers import EncoderLayer, convolve, recurrent, sinusoids
from zoo.network import Batch, Days, Membership, Network, Scores, Windows
from zoo.registry import register_model


@register_model(
    "localformer",
    title="LocalFormer",
    paper="Jiang et al., LocalFormer (no publication named)",
    complexity=("T^2 (window: T)", "N"),
    quick={"hidden_size": 32},
    published={"hidden_size": 64, "num_layers": 2, "num_heads": 2, "ffn_size": 2048},
    variants=({"attention": "window"},),
)
class LocalFormer(Network):
    """Encoder layers fed by convolutions, then a GRU.

    Args:
        num_heads: parts of the width that attend separately; None: 2, or 1 for an odd width.
        attention: `full`, or `window` where cost grows linearly with the lookback.
        window_size: steps on either side that a step attends to, with `window`.
    """

    rows_alone: ClassVar[bool] = True
    reference_keys: ClassVar[dict[str, str | None]] = {
        r"feature_layer\.": "embed.",
        r"transformer_encoder\.layers\.": "layers.",
        r"transformer_encoder\.conv\.": "convolutions.",
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
        attention: Literal["full", "window"] = "full",
        window_size: int = 16,
    ) -> None:
        super().__init__()
        window = window_size if attention == "window" else None
        self.embed = nn.Linear(n_features, hidden_size)
        self.register_buffer("positions", sinusoids(lookback, hidden_size), persistent=False)
        self.convolutions = nn.ModuleList(nn.Conv1d(hidden_size, hidden_size, 3) for _ in range(num_layers))
        self.layers = nn.ModuleList(
            EncoderLayer(hidden_size, num_heads, ffn_size, dropout, window) for _ in range(num_layers)
        )
        self.rnn = recurrent("gru", hidden_size, hidden_size, num_layers, dropout)
        self.head = nn.Linear(hidden_size, 1)

    def forward(self, x: Windows, *, day: Days | None = None, concepts: Membership | None = None) -> Scores:
        last_input, local = self._last_layer_input(x)
        return self.head(self.rnn(self._last_layer(last_input) + local, last=True))[:, 0]

    def _last_layer_input(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the last encoder layer reads, and the convolution in it: both `[S, T, D]`."""
        h = self.embed(x) + self.positions
        local = self._local(0, h)
        for i, layer in enumerate(self.layers[:-1], start=1):
            h = layer(h + local)
            local = self._local(i, h)
        return h + local, local

    def _local(self, i: int, h: Tensor) -> Tensor:
        convolution = cast(nn.Conv1d, self.convolutions[i])
        return convolve(F.pad(h, (0, 0, 1, 1)), convolution.weight, convolution.bias)

    @property
    def _last_layer(self) -> EncoderLayer:
        return cast(EncoderLayer, self.layers[-1])

    @torch.no_grad()
    def explain(self, batch: Batch) -> dict[str, Tensor]:
        """`attention [S, heads, T]`: what the last step attends to in the last layer; rows sum to 1."""
        last_input, _ = self._last_layer_input(batch.x)
        return {"attention": self._last_layer.self_attn.last_weights(last_input)}
