"""GATs: a recurrent net per stock, then one graph attention layer across the stocks of a day.

Velickovic et al. 2018, "Graph Attention Networks".
The reference differs from the paper: LeakyReLU slope 0.01 instead of 0.2 (`negative_slope`), the mean of the
untransformed states plus the state itself instead of the ELU of the mean of the transformed ones
(`aggregate`). It concatenates every pair of stocks, `[S, S, 2H]`. The score of a pair is a sum of two
numbers, so here nothing of that size exists, and on large days the mean over all stocks is computed by
sorting, exactly, in O(S log S). Many days go in one step.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import ModelError, UnavailableError
from zoo.layers import RnnType, pack_days, recurrent, unpack_days
from zoo.models._attention import dense_weights, sorted_mean
from zoo.network import Batch, Days, Membership, Network, Scores, Windows
from zoo.registry import register_model

_SORT_FROM = 400
"""Rows a day from which sorting is faster: on one CPU thread, between 300 and 500 (train step, H = 64)."""


@register_model(
    "gats",
    title="GATs",
    paper="Velickovic et al. 2018, Graph Attention Networks",
    scope="day",
    complexity=("T", "N log N"),
    quick={"hidden_size": 32},
    published={"hidden_size": 64, "num_layers": 2},
)
class GATs(Network):
    """Graph attention across the stocks of a day.

    Args:
        rnn_type: the encoder of each stock's window.
        negative_slope: of the LeakyReLU on attention scores, 0 .. 1; paper 0.2.
        aggregate: `hidden` adds the attention-weighted mean of the states to the state (reference);
            `transformed` replaces the state by the ELU of the mean of the transformed states (paper).
        graph: `complete`, or `concept` where a stock attends to itself and those it shares a concept with.
        dropout: between the layers of the recurrent net.
    """

    def __init__(
        self,
        *,
        n_features: int,
        lookback: int,
        hidden_size: int = 64,
        num_layers: int = 2,
        rnn_type: RnnType = "lstm",
        negative_slope: float = 0.01,
        aggregate: Literal["hidden", "transformed"] = "hidden",
        graph: Literal["complete", "concept"] = "complete",
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not 0 <= negative_slope <= 1:
            raise ModelError(f"model 'gats', parameter 'negative_slope': must be 0 .. 1, got {negative_slope}")
        self.negative_slope, self.aggregate, self.graph = negative_slope, aggregate, graph
        self.rnn = recurrent(rnn_type, n_features, hidden_size, num_layers, dropout)
        self.transformation = nn.Linear(hidden_size, hidden_size)
        self.a = nn.Parameter(torch.randn(2 * hidden_size, 1))
        self.fc = nn.Linear(hidden_size, hidden_size)
        self.fc_out = nn.Linear(hidden_size, 1)

    def forward(self, x: Windows, *, day: Days | None = None, concepts: Membership | None = None) -> Scores:
        """Scores `[S]` of rows `x [S, T, F]`.

        Raises:
            UnavailableError: `graph` is `concept` and there are no concepts.
        """
        hidden, mask, index = pack_days(self.rnn(x, last=True), day)
        mixed = unpack_days(self.attend(hidden, mask, self._neighbours(concepts, day)), index)
        return self.fc_out(functional.leaky_relu(self.fc(mixed))).squeeze(1)

    def attend(self, hidden: Tensor, mask: Tensor, neighbours: Tensor | None = None) -> Tensor:
        """States `[B, N, H]` after attention, from those before; B days of up to N stocks, `mask [B, N]`."""
        transformed, p, q = self._scores(hidden)
        value = hidden if self.aggregate == "hidden" else transformed
        if neighbours is None and hidden.shape[1] >= _SORT_FROM:
            mean = sorted_mean(p, q, value, mask, self.negative_slope)
        else:
            mean = dense_weights(p, q, mask, self.negative_slope, neighbours) @ value
        return mean + hidden if self.aggregate == "hidden" else functional.elu(mean)

    @torch.no_grad()
    def explain(self, batch: Batch) -> dict[str, Tensor]:
        """`attention [S, S]`: weight of column j in row i; zero between days, rows sum to 1."""
        hidden, mask, index = pack_days(self.rnn(batch.x, last=True), batch.day)
        _, p, q = self._scores(hidden)
        neighbours = self._neighbours(batch.concepts, batch.day)
        weights = dense_weights(p, q, mask, self.negative_slope, neighbours)
        group, slot = index // mask.shape[1], index % mask.shape[1]
        same_day = group.unsqueeze(1) == group
        return {"attention": weights[group.unsqueeze(1), slot.unsqueeze(1), slot] * same_day}

    def _scores(self, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Transformed states `[B, N, H]`; attended part p and attending part q of the scores, `[B, N]`."""
        transformed = self.transformation(hidden)
        p, q = (transformed @ self.a.view(2, -1).T).unbind(dim=2)
        return transformed, p, q

    def _neighbours(self, concepts: Tensor | None, day: Tensor | None) -> Tensor | None:
        """`[B, N, N]`, True where two stocks are the same or share a concept; None on the complete graph."""
        if self.graph == "complete":
            return None
        if concepts is None:
            raise UnavailableError(
                "model 'gats' with graph 'concept' needs concepts and the data has none: name a file or a "
                "column of them (data.concepts), or set graph: complete"
            )
        member, _, _ = pack_days(concepts, day)
        alike = member @ member.transpose(1, 2) > 0
        return alike | torch.eye(alike.shape[1], dtype=torch.bool, device=alike.device)
