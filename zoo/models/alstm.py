"""ALSTM: Feng et al. 2019, "Enhancing stock movement prediction with adversarial training", its predictor.

Without the adversarial term; an ancestor is the dual-stage attention of Qin et al. 2017 (DA-RNN). The
reference (qlib 0.9.7, `pytorch_alstm`) computes the same function but ignores `rnn_type` and always runs
a GRU, which is therefore the default here; `rnn_type: lstm` is honoured.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from zoo.kernels.attention import attend
from zoo.layers import Dropout, RnnType, recurrent
from zoo.network import Batch, Days, Membership, Network, Scores, Windows
from zoo.registry import register_model


@register_model(
    "alstm",
    title="ALSTM",
    paper="Feng et al. 2019, Enhancing stock movement prediction with adversarial training, IJCAI",
    complexity=("T", "N"),
    quick={"hidden_size": 32},
    published={"hidden_size": 64, "num_layers": 2},
)
class ALSTM(Network):
    """Recurrent net with attention over its steps.

    Args:
        att_dim: width of the attention's hidden layer; None: hidden_size // 2.
        dropout: between the layers of the recurrent net, and in the attention.
    """

    rows_alone: ClassVar[bool] = True
    reference_keys: ClassVar[dict[str, str | None]] = {
        r"net\.fc_in\.": "embed.",
        r"att_net\.att_fc_in\.": "attention.",
        r"att_net\.att_fc_out\.": "attention_score.",
        r"fc_out\.": "head.",
    }

    def __init__(
        self,
        *,
        n_features: int,
        lookback: int,
        hidden_size: int = 64,
        num_layers: int = 2,
        dropout: float = 0.0,
        rnn_type: RnnType = "gru",
        att_dim: int | None = None,
    ) -> None:
        super().__init__()
        att_dim = max(hidden_size // 2, 1) if att_dim is None else att_dim
        self.embed = nn.Linear(n_features, hidden_size)
        self.rnn = recurrent(rnn_type, hidden_size, hidden_size, num_layers, dropout)
        self.attention = nn.Linear(hidden_size, att_dim)
        self.attention_score = nn.Linear(att_dim, 1, bias=False)
        self.head = nn.Linear(2 * hidden_size, 1)
        self.dropout = Dropout(dropout)

    def _attend(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The recurrent net's last state, its mean over steps by attention, both `[S, H]`, and the weights `[S, T]`."""
        outputs, state = self.rnn(torch.tanh(self.embed(x)))
        last = state[0][-1] if isinstance(state, tuple) else state[-1]
        return last, *attend(outputs, self.attention, self.attention_score, self.dropout)

    def forward(self, x: Windows, *, day: Days | None = None, concepts: Membership | None = None) -> Scores:
        last, context, _ = self._attend(x)
        return self.head(torch.cat([last, context], dim=1))[:, 0]

    @torch.no_grad()
    def explain(self, batch: Batch) -> dict[str, Tensor]:
        """`time [S, T]`: the attention each step receives; rows sum to 1."""
        return {"time": self._attend(batch.x)[2]}
