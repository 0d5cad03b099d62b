"""HIST: what a stock shares with its concepts, with similar stocks, and what is its own.

Xu et al. 2021, "HIST: A Graph-based Framework for Stock Trend Forecasting via Mining Concept-Oriented Shared
Information".
The reference leaves out three parts of the paper, here parameters: market values as weights
(`concept_weight`), the correction of concepts (`correct_concepts`) and several hidden neighbours
(`hidden_neighbours`). It carries six layers that are never used and drops empty rows one day at a time;
here many days go in one step as masked matrix products, and neighbours are found outside the gradient.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo.errors import ModelError, UnavailableError
from zoo.layers import RnnType, pack_days, recurrent, unpack_days
from zoo.models._cosine import EPS, cosine_mean, cosine_weights, most_similar, norm
from zoo.network import Batch, Days, Membership, Network, Scores, Windows
from zoo.registry import register_model


@register_model(
    "hist",
    title="HIST",
    paper="Xu et al. 2021, HIST: A Graph-based Framework for Stock Trend Forecasting via Mining "
    "Concept-Oriented Shared Information",
    scope="day",
    needs_concepts=True,
    complexity=("T", "N^2"),
    quick={"hidden_size": 32},
    published={"hidden_size": 64, "num_layers": 2},
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

    reference_keys: ClassVar[dict[str, str | None]] = {
        r"fc_(es|is)_middle\.": None,
        r"fc_indi_fore\.": None,
        r"fc_out_(es|is|indi)\.": None,
    }

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
            raise ModelError(f"model 'hist', parameter 'hidden_neighbours': must be >= 1, got {hidden_neighbours}")
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

    def forward(self, x: Windows, *, day: Days | None = None, concepts: Membership | None = None) -> Scores:
        """Scores `[S]` of rows `x [S, T, F]` with `concepts [S, C]`.

        Raises:
            UnavailableError: there are no concepts.
        """
        state, member, mask, index = self._pack(x, day, concepts)
        return unpack_days(self.head(state, member, mask), index)

    def head(self, state: Tensor, member: Tensor, mask: Tensor) -> Tensor:
        """Scores `[B, N]` of states `[B, N, H]` and concepts `[B, N, C]`, both 0 where not `mask [B, N]`."""
        shared = self.fc_es(cosine_mean(state, *self._predefined(state, member, mask)))
        rest = state - self.fc_es_back(shared)
        similar = self.fc_is(self._hidden(rest * mask.unsqueeze(2)))
        own = rest - self.fc_is_back(similar)
        parts = self.fc_es_fore(shared), self.fc_is_fore(similar), self.fc_indi(own)
        total = sum(functional.leaky_relu(part) for part in parts)
        return self.fc_out(total).squeeze(2)

    @torch.no_grad()
    def explain(self, batch: Batch) -> dict[str, Tensor]:
        """`concepts [S, C]`: weight of each concept in a stock's shared information, 0 for concepts that are
        empty that day; rows sum to 1 unless all are.
        """
        state, member, mask, index = self._pack(batch.x, batch.day, batch.concepts)
        weights = cosine_weights(state, *self._predefined(state, member, mask))
        return {"concepts": unpack_days(weights, index)}

    def _pack(self, x: Tensor, day: Tensor | None, concepts: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """States `[B, N, H]`, concepts `[B, N, C]`, mask `[B, N]` and the index that unpacks them."""
        if concepts is None:
            raise UnavailableError(
                "model 'hist' needs concepts and the data has none: name a file or a column of them (data.concepts)"
            )
        state = self.rnn(x, last=True)
        packed, mask, index = pack_days(torch.cat([state, concepts.to(state)], dim=1), day)
        return packed[..., : state.shape[1]], packed[..., state.shape[1] :], mask, index

    def _predefined(self, state: Tensor, member: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """The concepts `[B, C, H]`, and `[B, C]` which of them have stocks."""
        size = member.sum(dim=1, keepdim=True)
        kept = size != 0
        if self.concept_weight == "none":
            weight = member / (member * size + 1)
        else:
            weight = member / torch.where(kept, size, 1.0)
        concept = weight.transpose(1, 2) @ state
        if self.correct_concepts:
            concept = cosine_mean(concept, state, mask)
        return concept, kept.squeeze(1)

    def _hidden(self, rest: Tensor) -> Tensor:
        """Shared information `[B, N, H]` with similar stocks, from what concepts left, 0 at absent rows."""
        value, nearest = most_similar(rest, self.hidden_neighbours)
        flat = nearest.flatten(1).unsqueeze(2)

        def of_nearest(rows: Tensor) -> Tensor:
            return rows.gather(1, flat.expand(-1, -1, rows.shape[2])).unflatten(1, nearest.shape[1:])

        length = norm(rest)
        dot = (rest.unsqueeze(2) * of_nearest(rest)).sum(dim=3)
        cosine = dot / (length * of_nearest(length).squeeze(3) + EPS) * (value > 0)
        sent = (cosine.unsqueeze(3) * rest.unsqueeze(2)).flatten(1, 2)
        concept = torch.zeros_like(rest).scatter_add(1, flat.expand_as(sent), sent)
        chosen = torch.zeros_like(length).scatter_add(1, flat, cosine.flatten(1).unsqueeze(2)).squeeze(2) != 0
        square = rest.square().sum(dim=2, keepdim=True)
        concept = concept + square / (square + EPS) * rest
        # Most stocks are nobody's nearest: leave them out before the large products.
        most = max(1, int(chosen.sum(dim=1).max()))
        kept, where = chosen.to(torch.uint8).sort(dim=1, descending=True, stable=True)
        concept = concept.gather(1, where[:, :most].unsqueeze(2).expand(-1, -1, rest.shape[2]))
        return cosine_mean(rest, concept, kept[:, :most].bool())
