"""Literal forms of the two day-scope heads, one day at a time, as one would write them down from the papers.

Slow on purpose: every pair of stocks is concatenated, weights are expanded, empty rows are cut out.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from zoo.models.gats import GATs
from zoo.models.hist import HIST


def gats_attention(model: GATs, hidden: Tensor) -> Tensor:
    """Weights `[S, S]` of the stocks of one day, by concatenating all pairs; `hidden [S, H]`."""
    w = model.transformation(hidden)
    n, h = w.shape
    attended = w.expand(n, n, h)
    attending = attended.transpose(0, 1)
    pairs = torch.cat([attended, attending], dim=2).reshape(n * n, 2 * h)
    scores = functional.leaky_relu(model.a.t().mm(pairs.t()).reshape(n, n), model.negative_slope)
    return torch.softmax(scores, dim=1)


def gats_attend(model: GATs, hidden: Tensor) -> Tensor:
    """States `[S, H]` after attention over the stocks of one day."""
    weights = gats_attention(model, hidden)
    if model.aggregate == "transformed":
        return functional.elu(weights.mm(model.transformation(hidden)))
    return weights.mm(hidden) + hidden


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    lengths = a.square().sum(1).sqrt().reshape(-1, 1).mm(b.square().sum(1).sqrt().reshape(1, -1))
    return a.mm(b.t()) / (lengths + 1e-6)


def hist_concept_weights(x: Tensor, member: Tensor) -> tuple[Tensor, Tensor]:
    """Weights `[S, C']` of the C' concepts that have stocks, and these concepts `[C', H]`."""
    size = member.sum(0).reshape(1, -1).repeat(len(member), 1)
    share = member / (member * size + torch.ones_like(member))
    concept = share.t().mm(x)[member.sum(0) != 0]
    return torch.softmax(_cosine(x, concept), dim=1), concept


def hist_hidden_concepts(u: Tensor) -> Tensor:
    """The hidden concepts `[K, H]` of one day that some stock belongs to; `u [S, H]`."""
    n = len(u)
    similarity = _cosine(u, u)
    diagonal = similarity.diagonal(0)
    similarity = similarity * (torch.ones(n, n) - torch.eye(n))
    value, column = similarity.max(1)
    row = torch.arange(n)
    nearest = torch.zeros(n, n)
    nearest[row, column] = 1
    similarity = similarity * nearest
    similarity[row, column] = value
    similarity = similarity + torch.diag_embed((similarity.sum(0) != 0).float() * diagonal)
    hidden = u.t().mm(similarity).t()
    return hidden[hidden.abs().sum(1) != 0]


def hist_head(model: HIST, x: Tensor, member: Tensor) -> Tensor:
    """Scores `[S]` of one day from states `x [S, H]` and `member [S, C]`, parameters at reference values."""
    weights, concept = hist_concept_weights(x, member)
    e = model.fc_es(weights.mm(concept))
    u = x - model.fc_es_back(e)
    hidden = hist_hidden_concepts(u)
    i = model.fc_is(torch.softmax(_cosine(u, hidden), dim=1).mm(hidden))
    own = model.fc_indi(u - model.fc_is_back(i))
    parts = functional.leaky_relu(model.fc_es_fore(e)) + functional.leaky_relu(model.fc_is_fore(i))
    return model.fc_out(parts + functional.leaky_relu(own)).squeeze(1)
