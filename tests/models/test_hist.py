"""HIST: masked days against the literal head, empty concepts, paper variants."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from tests.models.oracles_cross import hist_concept_weights, hist_head
from zoo.errors import ModelError, UnavailableError
from zoo.models import _cosine
from zoo.models._cosine import cosine_mean, cosine_weights, most_similar
from zoo.models.hist import HIST
from zoo.network import Batch
from zoo.registry import build

DAY = torch.tensor([4] * 6 + [2] * 12 + [7] + [9] * 3)
VARIANTS = [
    {},
    {"concept_weight": "share"},
    {"correct_concepts": True},
    {"hidden_neighbours": 3},
    {"concept_weight": "share", "correct_concepts": True, "hidden_neighbours": 3, "rnn_type": "gru"},
]


def model(**params) -> HIST:
    torch.manual_seed(0)
    network = build("hist", n_features=3, lookback=6, **{"hidden_size": 8, **params})
    assert isinstance(network, HIST)
    return network.eval()


def batch() -> Batch:
    """Concept 1 is always empty, row 2 is in none, and day 9 has no concept at all."""
    torch.manual_seed(1)
    member = (torch.rand(len(DAY), 5) < 0.4).float()
    member[:, 1], member[2], member[DAY == 9] = 0, 0, 0
    return Batch(torch.randn(len(DAY), 6, 3), torch.randn(len(DAY)), DAY, torch.arange(len(DAY)), member)


def members(rows: Batch) -> Tensor:
    assert rows.concepts is not None
    return rows.concepts


@pytest.mark.parametrize("block", [7, 1 << 17])
@pytest.mark.parametrize("stocks", [1, 2, 30, 300])
def test_head_and_gradients_equal_the_literal_form(stocks: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cosine, "_CPU_BLOCK", block * stocks)
    network = model()
    torch.manual_seed(2)
    state, member = torch.tanh(torch.randn(stocks, 8)), (torch.rand(stocks, 6) < 0.3).float()
    found, literal = [], []
    for out, head in (
        (found, lambda s, m: network.head(s[None], m[None], torch.ones(1, stocks, dtype=torch.bool))[0]),
        (literal, lambda s, m: hist_head(network, s, m)),
    ):
        network.zero_grad()
        leaves = [state.clone().requires_grad_(), member.clone().requires_grad_()]
        score = head(*leaves)
        score.square().mean().backward()
        grads = [p.grad for n, p in network.named_parameters() if n.startswith("fc")]
        out += [score, *(leaf.grad for leaf in leaves), *grads]
    for ours, theirs in zip(found, literal, strict=True):
        torch.testing.assert_close(ours, theirs, atol=4e-6, rtol=0)


@pytest.mark.parametrize("params", VARIANTS)
def test_each_day_scores_and_trains_as_if_it_were_alone(params: dict) -> None:
    network, rows = model(**params), batch()
    together = network.score(rows)
    together.square().sum().backward()
    gradient = {name: p.grad for name, p in network.named_parameters()}
    network.zero_grad()
    for day in DAY.unique():
        i = day == DAY
        alone = network(rows.x[i], concepts=members(rows)[i])
        torch.testing.assert_close(together[i], alone, atol=1e-6, rtol=0)
        alone.square().sum().backward()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.grad, gradient[name], atol=4e-6, rtol=1e-5, msg=name)


@pytest.mark.parametrize("params", VARIANTS)
def test_scores_follow_a_permutation_of_the_rows_and_ignore_that_of_concepts(params: dict) -> None:
    network, rows, order = model(**params), batch(), torch.randperm(len(DAY))
    shuffled = members(rows)[order][:, torch.randperm(5)]
    permuted = network(rows.x[order], day=DAY[order], concepts=shuffled)
    torch.testing.assert_close(permuted, network.score(rows)[order], atol=1e-6, rtol=0)


def test_concepts_of_a_day_are_its_own() -> None:
    network, rows = model(), batch()
    changed = members(rows).clone()
    changed[DAY == 2] = 1 - changed[DAY == 2]
    differs = network(rows.x, day=DAY, concepts=changed) != network.score(rows)
    assert differs[DAY == 2].all()
    assert not differs[DAY != 2].any()


def test_explained_concept_weights_are_those_of_the_literal_form() -> None:
    network, rows = model(), batch()
    weights = network.explain(rows)["concepts"]
    state = network.rnn(rows.x)[0][:, -1]
    for day in (2, 4, 7):
        i = day == DAY
        kept = members(rows)[i].sum(0) > 0
        literal, _ = hist_concept_weights(state[i], members(rows)[i])
        torch.testing.assert_close(weights[i][:, kept], literal, atol=1e-6, rtol=0)
        torch.testing.assert_close(weights[i].sum(1), torch.ones(int(i.sum())))
        assert (weights[i][:, ~kept] == 0).all()
    assert (weights[DAY == 9] == 0).all(), "no stock of that day has a concept"


def test_share_weighs_members_by_their_entries() -> None:
    network = model(concept_weight="share")
    state, mask = torch.randn(1, 3, 8), torch.ones(1, 3, dtype=torch.bool)
    value = torch.tensor([[[3.0, 0.0], [1.0, 0.0], [0.0, 0.0]]])
    concept, kept = network._predefined(state, value, mask)
    torch.testing.assert_close(concept[0, 0], 0.75 * state[0, 0] + 0.25 * state[0, 1])
    assert kept.tolist() == [[True, False]]


def test_corrected_concepts_are_means_over_all_stocks_of_the_day() -> None:
    network = model(correct_concepts=True)
    torch.manual_seed(3)
    mask = torch.tensor([[True] * 4 + [False]])
    state, member = torch.randn(1, 5, 8) * mask.unsqueeze(2), torch.ones(1, 5, 1) * mask.unsqueeze(2)
    plain = state[0, :4].sum(0) / 5
    cosine = torch.nn.functional.cosine_similarity(state[0, :4], plain.expand(4, 8))
    concept, _ = network._predefined(state, member, mask)
    torch.testing.assert_close(concept[0, 0], cosine.softmax(0) @ state[0, :4], atol=1e-5, rtol=0)


def test_more_hidden_neighbours_change_only_the_hidden_part() -> None:
    one, three, rows = model(), model(hidden_neighbours=3), batch()
    three.load_state_dict(one.state_dict())
    differs = one.score(rows) != three.score(rows)
    assert differs[DAY == 2].any()
    assert not differs[DAY == 7].any(), "a stock alone has no neighbour"


def test_most_similar_leaves_out_the_row_itself() -> None:
    rows = torch.tensor([[[1.0, 0.0], [0.9, 0.1], [-1.0, 0.2], [0.0, 0.0]]])
    value, nearest = most_similar(rows, 1)
    assert nearest[0, :2, 0].tolist() == [1, 0]
    assert value[0, 2, 0] == 0, "only the absent row is not opposed to it"


def test_cosine_mean_passes_a_numerical_gradient_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_cosine, "_CPU_BLOCK", 16)
    torch.manual_seed(0)
    a, b = (torch.randn(2, n, 3, dtype=torch.float64, requires_grad=True) for n in (5, 4))
    keep = torch.tensor([[True, False, True, True], [False] * 4])
    assert torch.autograd.gradcheck(lambda a, b: cosine_mean(a, b, keep), (a, b))
    torch.testing.assert_close(cosine_mean(a, b, keep), cosine_weights(a, b, keep) @ b)


def test_no_concepts_is_an_error_that_says_so() -> None:
    with pytest.raises(UnavailableError, match=r"'hist' needs concepts and the data has none"):
        model()(batch().x)


def test_no_hidden_neighbour_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'hidden_neighbours'.*got 0"):
        model(hidden_neighbours=0)


@pytest.mark.parametrize("params", VARIANTS)
def test_every_parameter_gets_a_gradient(params: dict) -> None:
    network, rows = model(**params), batch()
    network.score(rows).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("concepts", [0, 1, 3])
@pytest.mark.parametrize("stocks", [1, 4])
def test_odd_sizes_train(stocks: int, concepts: int) -> None:
    torch.manual_seed(0)
    network = build("hist", n_features=1, lookback=5, hidden_size=7)
    network(torch.randn(stocks, 5, 1), concepts=torch.ones(stocks, concepts)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_identical_and_zero_states_keep_gradients_finite() -> None:
    network = model()
    state = torch.zeros(1, 4, 8, requires_grad=True)
    network.head(state, torch.ones(1, 4, 2), torch.ones(1, 4, dtype=torch.bool)).sum().backward()
    assert state.grad is not None
    assert state.grad.isfinite().all()
