"""HIST: what a stock shares with its concepts, with similar stocks, and what is its own.

Xu et al. 2021, "HIST: A Graph-based Framework for Stock Trend Forecasting via Mining Concept-Oriented Shared
Information".
The reference leaves out three parts of the paper, here parameters: market values as weights
(`concept_weight`), the correction of concepts (`correct_concepts`) and several hidden neighbours
(`hidden_neighbours`). It carries six layers that are never used and drops empty rows one day at a time;
here many days go in one step as masked matrix products, and neighbours are found outside the gradient.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import ModelError, UnavailableError
from zoo.layers import RnnType, pack_days, recurrent, unpack_days
from zoo.network import Batch, Network
from zoo.registry import register_model

_EPS = 1e-6


def _norm(rows: Tensor) -> Tensor:
    """Length `[B, N, 1]` of rows `[B, N, H]`, with gradient 0 instead of NaN at a zero row."""
    square = rows.square().sum(dim=2, keepdim=True)
    return torch.where(square > 0, square, 1.0).sqrt() * (square > 0)


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine `[B, N, K]` of rows `a [B, N, H]` and `b [B, K, H]`; 0 at zero rows."""
    return a @ b.transpose(1, 2) / (_norm(a) @ _norm(b).transpose(1, 2) + _EPS)


def _softmax(logits: Tensor, keep: Tensor) -> Tensor:
    """Softmax over the last axis where `keep`, 0 elsewhere, also where nothing is kept."""
    return logits.masked_fill(~keep, torch.finfo(logits.dtype).min).softmax(dim=-1) * keep


@register_model(
    "hist",
    title="HIST",
    paper="Xu et al. 2021, HIST: A Graph-based Framework for Stock Trend Forecasting via Mining "
    "Concept-Oriented Shared Information",
    scope="day",
    needs_concepts=True,
)
class HIST(Network):
    """Concept-oriented shared information.

    Args:
        rnn_type: the encoder of each stock's window.
        concept_weight: `none` sums the member states of a concept, divided by its size + 1 (reference);
            `share` takes entries of `concepts` as weights, for example market values, divided by their sum
            over the concept (paper); with 0/1 entries that is the mean.
        correct_concepts: replace each concept by the mean of all stocks, weighted by a softmax over their
            cosines with it (paper; the reference does not).
        hidden_neighbours: the most similar stocks, of positive cosine, whose hidden concept a stock joins;
            reference 1, paper 3.
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
        concept_weight: Literal["none", "share"] = "none",
        correct_concepts: bool = False,
        hidden_neighbours: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if hidden_neighbours < 1:
            raise ModelError(
                f"model 'hist', parameter 'hidden_neighbours': must be >= 1, got {hidden_neighbours}"
            )
        self.concept_weight, self.correct_concepts = concept_weight, correct_concepts
        self.hidden_neighbours = hidden_neighbours
        self.rnn = recurrent(rnn_type, n_features, hidden_size, num_layers, dropout)

        def square() -> nn.Linear:
            layer = nn.Linear(hidden_size, hidden_size)
            nn.init.xavier_uniform_(layer.weight)
            return layer

        self.fc_es, self.fc_es_fore, self.fc_es_back = square(), square(), square()
        self.fc_is, self.fc_is_fore, self.fc_is_back = square(), square(), square()
        self.fc_indi = square()
        self.fc_out = nn.Linear(hidden_size, 1)

    def forward(self, x: Tensor, *, day: Tensor | None = None, concepts: Tensor | None = None) -> Tensor:
        """Scores `[S]` of rows `x [S, T, F]` with `concepts [S, C]`.

        Raises:
            UnavailableError: there are no concepts.
        """
        state, member, mask, index = self._pack(x, day, concepts)
        return unpack_days(self.head(state, member, mask), index)

    def head(self, state: Tensor, member: Tensor, mask: Tensor) -> Tensor:
        """Scores `[B, N]` of states `[B, N, H]` and concepts `[B, N, C]`, both 0 where not `mask [B, N]`."""
        weights, concept = self._predefined(state, member, mask)
        shared = self.fc_es(weights @ concept)
        rest = state - self.fc_es_back(shared)
        similar = self.fc_is(self._hidden(rest * mask.unsqueeze(2)))
        own = rest - self.fc_is_back(similar)
        parts = self.fc_es_fore(shared), self.fc_is_fore(similar), self.fc_indi(own)
        total = sum(functional.leaky_relu(part) for part in parts)
        return self.fc_out(total).squeeze(2)

    def explain(self, batch: Batch) -> dict[str, Tensor]:
        """`concepts [S, C]`: weight of each concept in a stock's shared information, 0 for concepts that are
        empty that day; rows sum to 1 unless all are.
        """
        state, member, mask, index = self._pack(batch.x, batch.day, batch.concepts)
        return {"concepts": unpack_days(self._predefined(state, member, mask)[0], index)}

    def _pack(
        self, x: Tensor, day: Tensor | None, concepts: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """States `[B, N, H]`, concepts `[B, N, C]`, mask `[B, N]` and the index that unpacks them."""
        if concepts is None:
            raise UnavailableError(
                "model 'hist' needs concepts and the data has none: name a file or a column of them "
                "(data.concepts)"
            )
        state = self.rnn(x)[0][:, -1]
        packed, mask, index = pack_days(torch.cat([state, concepts.to(state)], dim=1), day)
        return packed[..., : state.shape[1]], packed[..., state.shape[1] :], mask, index

    def _predefined(self, state: Tensor, member: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Weights `[B, N, C]` of concepts in stocks, and the concepts `[B, C, H]`."""
        size = member.sum(dim=1, keepdim=True)
        kept = size != 0
        if self.concept_weight == "none":
            weight = member / (member * size + 1)
        else:
            weight = member / torch.where(kept, size, 1.0)
        concept = weight.transpose(1, 2) @ state
        if self.correct_concepts:
            concept = _softmax(_cosine(concept, state), mask.unsqueeze(1)) @ state
        return _softmax(_cosine(state, concept), kept), concept

    def _hidden(self, rest: Tensor) -> Tensor:
        """Shared information `[B, N, H]` with similar stocks, from what concepts left, 0 at absent rows."""
        norm = _norm(rest)
        with torch.no_grad():
            similarity = _cosine(rest, rest)
            similarity.diagonal(dim1=1, dim2=2).zero_()
            most = min(self.hidden_neighbours, rest.shape[1])
            value, nearest = similarity.topk(most, dim=2)
        flat = nearest.flatten(1).unsqueeze(2)

        def of_nearest(rows: Tensor) -> Tensor:
            return rows.gather(1, flat.expand(-1, -1, rows.shape[2])).unflatten(1, nearest.shape[1:])

        dot = (rest.unsqueeze(2) * of_nearest(rest)).sum(dim=3)
        cosine = dot / (norm * of_nearest(norm).squeeze(3) + _EPS) * (value > 0)
        sent = (cosine.unsqueeze(3) * rest.unsqueeze(2)).flatten(1, 2)
        concept = torch.zeros_like(rest).scatter_add(1, flat.expand_as(sent), sent)
        chosen = torch.zeros_like(norm).scatter_add(1, flat, cosine.flatten(1).unsqueeze(2)) != 0
        square = rest.square().sum(dim=2, keepdim=True)
        concept = concept + chosen * square / (square + _EPS) * rest
        return _softmax(_cosine(rest, concept), chosen.transpose(1, 2)) @ concept
