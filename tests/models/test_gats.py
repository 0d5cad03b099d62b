"""GATs: the fast attention against the literal one, days kept apart, paper variants."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import zoo.models.gats
from tests.models.oracles_cross import gats_attend
from zoo.errors import ModelError, UnavailableError
from zoo.models._attention import dense_weights, sorted_mean
from zoo.models.gats import GATs
from zoo.network import Batch
from zoo.registry import build

DAY = torch.tensor([4] * 5 + [2] * 9 + [7])


def model(**params) -> GATs:
    torch.manual_seed(0)
    network = build("gats", n_features=3, lookback=6, **{"hidden_size": 8, **params})
    assert isinstance(network, GATs)
    return network.eval()


def batch(concepts: int = 4) -> Batch:
    torch.manual_seed(1)
    x = torch.randn(len(DAY), 6, 3)
    member = (torch.rand(len(DAY), concepts) < 0.3).float()
    return Batch(x, torch.randn(len(DAY)), DAY, torch.arange(len(DAY)), member)


@pytest.fixture(params=["dense", "sorted"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(zoo.models.gats, "_SORT_FROM", 0 if request.param == "sorted" else 10**9)
    return request.param


@pytest.mark.parametrize("stocks", [1, 2, 40, 300])
@pytest.mark.parametrize("params", [{}, {"negative_slope": 0.2, "aggregate": "transformed"}])
@pytest.mark.usefixtures("form")
def test_attention_and_gradients_equal_the_literal_concatenation(params: dict, stocks: int) -> None:
    network = model(**params)
    hidden = torch.randn(stocks, 8)
    found, literal = [], []
    for out, attend in (
        (found, lambda h: network.attend(h[None], torch.ones(1, stocks, dtype=torch.bool))[0]),
        (literal, lambda h: gats_attend(network, h)),
    ):
        network.zero_grad()
        leaf = hidden.clone().requires_grad_()
        mixed = attend(leaf)
        mixed.square().mean().backward()
        grads = [p.grad for n, p in network.named_parameters() if n.startswith(("a", "trans"))]
        out += [mixed, leaf.grad, *grads]
    for ours, theirs in zip(found, literal, strict=True):
        torch.testing.assert_close(ours, theirs, atol=4e-6, rtol=0)


@pytest.mark.parametrize("spread", [0.0, 1.0, 40.0, 400.0])
def test_sorted_form_is_exact_for_flat_and_for_extreme_scores(spread: float) -> None:
    """Scores of several hundred overflow an unshifted exponential; at 0 all are ties."""
    torch.manual_seed(0)
    p, q = spread * torch.randn(2, 3, 50)
    value = torch.randn(3, 50, 4)
    mask = torch.arange(50) < torch.tensor([[50], [17], [1]])
    for slope in (0.0, 0.01, 1.0):
        leaves = [t.clone().requires_grad_() for t in (p, q, value)]
        mean = sorted_mean(*leaves, mask, slope)
        mean[mask].square().sum().backward()
        twins = [t.double().requires_grad_() for t in (p, q, value)]
        expected = dense_weights(twins[0], twins[1], mask, slope) @ twins[2]
        expected[mask].square().sum().backward()
        torch.testing.assert_close(mean[mask].double(), expected[mask], atol=4e-6, rtol=0)
        for ours, theirs in zip(leaves, twins, strict=True):
            assert ours.grad is not None
            torch.testing.assert_close(ours.grad.double(), theirs.grad, atol=1e-4, rtol=1e-4)


def test_sorted_form_passes_a_numerical_gradient_check() -> None:
    torch.manual_seed(0)
    p, q, value = torch.randn(2, 6), torch.randn(2, 6), torch.randn(2, 6, 3)
    inputs = [t.double().requires_grad_() for t in (p, q, value)]
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    assert torch.autograd.gradcheck(lambda *t: sorted_mean(*t, mask, 0.1)[mask], inputs)


@pytest.mark.parametrize("params", [{}, {"aggregate": "transformed"}, {"graph": "concept"}])
@pytest.mark.usefixtures("form")
def test_each_day_scores_and_trains_as_if_it_were_alone(params: dict) -> None:
    network, rows = model(**params), batch()
    assert rows.concepts is not None
    together = network.score(rows)
    together.square().sum().backward()
    gradient = {name: p.grad for name, p in network.named_parameters()}
    network.zero_grad()
    for day in DAY.unique():
        i = day == DAY
        alone = network(rows.x[i], concepts=rows.concepts[i])
        torch.testing.assert_close(together[i], alone, atol=1e-6, rtol=0)
        alone.square().sum().backward()
    for name, parameter in network.named_parameters():
        torch.testing.assert_close(parameter.grad, gradient[name], atol=4e-6, rtol=1e-5, msg=name)


@pytest.mark.usefixtures("form")
def test_scores_follow_a_permutation_of_the_rows() -> None:
    network, rows, order = model(), batch(), torch.randperm(len(DAY))
    permuted = network(rows.x[order], day=DAY[order])
    torch.testing.assert_close(permuted, network(rows.x, day=DAY)[order], atol=1e-6, rtol=0)


@pytest.mark.parametrize("graph", ["complete", "concept"])
def test_explained_attention_is_what_mixes_the_states(graph: str) -> None:
    network, rows = model(graph=graph), batch()
    attention = network.explain(rows)["attention"]
    torch.testing.assert_close(attention.sum(1), torch.ones(len(DAY)))
    assert (attention[DAY[:, None] != DAY] == 0).all()
    hidden = network.rnn(rows.x)[0][:, -1]
    mixed = attention @ hidden + hidden
    score = network.fc_out(torch.nn.functional.leaky_relu(network.fc(mixed))).squeeze(1)
    torch.testing.assert_close(score, network.score(rows), atol=1e-6, rtol=0)


def test_concept_graph_joins_only_a_stock_itself_and_its_peers() -> None:
    network, rows = model(graph="concept"), batch()
    member = rows.concepts
    assert member is not None
    joined = ((member @ member.T > 0) | torch.eye(len(DAY), dtype=torch.bool)) & (DAY[:, None] == DAY)
    assert ((network.explain(rows)["attention"] > 0) == joined).all()
    assert not joined.all()


def test_concept_graph_without_concepts_says_so() -> None:
    with pytest.raises(UnavailableError, match=r"'gats'.*needs concepts.*graph: complete"):
        model(graph="concept")(batch().x)


def test_a_slope_outside_0_to_1_is_refused() -> None:
    with pytest.raises(ModelError, match=r"'negative_slope'.*got 1\.5"):
        model(negative_slope=1.5)


def gradients(network: GATs, x: Tensor) -> dict[str, Tensor | None]:
    network(x).square().sum().backward()
    return {name: p.grad for name, p in network.named_parameters()}


@pytest.mark.parametrize("aggregate", ["hidden", "transformed"])
@pytest.mark.parametrize("stocks", [1, 6])
@pytest.mark.usefixtures("form")
def test_odd_sizes_train(stocks: int, aggregate: str) -> None:
    torch.manual_seed(0)
    network = build("gats", n_features=1, lookback=5, hidden_size=7, aggregate=aggregate)
    assert isinstance(network, GATs)
    found = gradients(network, torch.randn(stocks, 5, 1))
    assert all(g is not None and g.isfinite().all() for g in found.values())


def test_3000_stocks_need_no_matrix_of_pairs() -> None:
    hidden = torch.randn(1, 3000, 8, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: sizes.append(t.numel()) or t, lambda t: t):
        sizes: list[int] = []
        model().attend(hidden, torch.ones(1, 3000, dtype=torch.bool))
    assert max(sizes) < 3000 * 16
