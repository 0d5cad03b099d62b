"""GRU: Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder".

The reference (qlib 0.9.7, `pytorch_gru`) computes the same function; nothing is changed.
"""

from __future__ import annotations

from typing import ClassVar

from torch import nn

from zoo.layers import recurrent
from zoo.network import Days, Membership, Network, Scores, Windows
from zoo.registry import register_model


@register_model(
    "gru",
    title="GRU",
    paper="Cho et al. 2014, Learning phrase representations using RNN encoder-decoder, EMNLP",
    complexity=("T", "N"),
    quick={"hidden_size": 32},
    published={"hidden_size": 64, "num_layers": 2},
)
class GRU(Network):
    """Recurrent net whose top layer's last step is read by a linear head."""

    rows_alone: ClassVar[bool] = True
    reference_keys: ClassVar[dict[str, str | None]] = {r"fc_out\.": "head."}

    def __init__(
        self,
        *,
        n_features: int,
        lookback: int,
        hidden_size: int = 64,
        num_layers: int = 2,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.rnn = recurrent("gru", n_features, hidden_size, num_layers, dropout)
        self.head = nn.Linear(hidden_size, 1)

    def forward(self, x: Windows, *, day: Days | None = None, concepts: Membership | None = None) -> Scores:
        return self.head(self.rnn(x, last=True))[:, 0]
