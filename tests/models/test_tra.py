"""TRA against reference values, literal formulas, and the calendar: what a score may know."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import zoo.registry
from tests.models.golden import Golden
from zoo.errors import ModelError
from zoo.interop import load_reference_state, reference_key
from zoo.models._transport import min_max, squared_errors, transport
from zoo.models.tra import TRA
from zoo.network import Batch
from zoo.training.losses import mse


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden.load("TRA")


def build(**params) -> TRA:
    torch.manual_seed(0)
    model = zoo.registry.build("tra", **{"n_features": 3, "lookback": 6, "hidden_size": 7, **params})
    assert isinstance(model, TRA)
    return model


def renamed(golden: Golden, prefix: str) -> dict[str, np.ndarray]:
    """Arrays under a prefix by our names of them."""
    return {reference_key("tra", key) or "": value for key, value in golden.part(prefix).items()}


def reference(golden: Golden) -> tuple[TRA, Batch]:
    """The reference's model with its memory, and its rows, all on day 8 (lookback 9)."""
    model = build(n_features=5, lookback=9, hidden_size=12, router_hidden=7, tau=0.8)
    model.load_state_dict(load_reference_state("tra", golden.part("state:")))
    x, label, state = (torch.tensor(golden.arrays[f"in:{key}"]) for key in ("x", "y", "state"))
    model.memory = torch.zeros(9, len(x), 3)
    model.memory[:7] = state.transpose(0, 1)
    return model.eval(), Batch(x, label, torch.full((len(x),), 8), torch.arange(len(x)))


def same(found: Tensor, expected: np.ndarray | Tensor, atol: float = 1e-6) -> None:
    expected = torch.as_tensor(expected).to(found.dtype)
    torch.testing.assert_close(found.detach(), expected, atol=atol, rtol=0)


def same_gradients(model: TRA, expected: dict[str, np.ndarray]) -> None:
    assert set(expected) == dict(model.named_parameters()).keys()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        same(parameter.grad, expected[name])


def fixed_noise(model: TRA, golden: Golden, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = torch.tensor(golden.arrays["in:gumbel_exp"]).log()
    monkeypatch.setattr(model, "_draw_noise", lambda logits: noise)


def test_predictors_and_routing_equal_the_reference_with_their_gradients(golden):
    model, batch = reference(golden)
    predictions, logits, _ = model._states(batch.x, torch.tensor(golden.arrays["in:state"]))
    prob = (logits / model.tau).softmax(1)
    same(model.backbone(batch.x)[0], golden.arrays["out:hidden"])
    same(predictions, golden.arrays["out:preds"])
    same(logits, golden.arrays["out:logits"])
    same(prob, golden.arrays["out:prob"])
    same(model.explain(batch)["routing"], golden.arrays["out:prob"])
    loss = predictions.square().mean() + prob.square().mean()
    same(loss, golden.arrays["loss"])
    loss.backward()
    same_gradients(model, renamed(golden, "grad:"))


def test_inference_takes_the_likeliest_predictor_as_the_reference_does(golden):
    model, batch = reference(golden)
    same(model.score(batch), golden.arrays["out:router_eval_pred"])
    same(mse(model.score(batch), batch.label), golden.arrays["out:router_eval_loss"])


def test_transport_plan_equals_the_reference(golden):
    predictions, label, past = (torch.tensor(golden.arrays[k]) for k in ("out:preds", "in:y", "in:state"))
    losses = min_max(squared_errors(predictions, label))
    for mode in ("router_train", "router_eval", "oracle_train", "oracle_eval"):
        same(losses, golden.arrays[f"out:{mode}_L"])
        same(transport(losses, past, 0.5), golden.arrays[f"out:{mode}_P"])


def test_main_stage_loss_gradients_and_memory_equal_the_reference(golden, monkeypatch):
    model, batch = reference(golden)
    model.train()
    fixed_noise(model, golden, monkeypatch)
    same(model._choose(torch.tensor(golden.arrays["out:logits"])), golden.arrays["out:choice"])
    same(model.score(batch), golden.arrays["out:router_train_pred"])
    loss = model.training_loss(batch, mse)
    same(loss, golden.arrays["out:train_total_loss"])
    loss.backward()
    same_gradients(model, renamed(golden, "train_grad:"))
    assert model.memory is not None
    same(model.memory[8], golden.arrays["out:router_train_L"])
    same(model.memory[:7], golden.arrays["in:state"].swapaxes(0, 1), atol=0)


def test_the_two_terms_of_the_main_loss_equal_the_reference(golden, monkeypatch):
    model, batch = reference(golden)
    model.train()
    fixed_noise(model, golden, monkeypatch)
    model.lamb = 0.0
    chosen = model.training_loss(batch, mse)
    same(chosen, golden.arrays["out:router_train_loss"])
    model.lamb = 1.0
    same(model.training_loss(batch, mse) - chosen, -golden.arrays["out:train_reg"])


def test_first_stage_loss_equals_the_reference_and_leaves_the_router_alone(golden):
    model, batch = reference(golden)
    model.stage = "pretrain"
    loss = model.training_loss(batch, mse)
    same(loss, golden.arrays["out:oracle_train_loss"])
    loss.backward()
    assert model.predictors.weight.grad is not None
    assert all(p.grad is None for p in (*model.router.parameters(), *model.gate.parameters()))


def test_it_has_as_many_parameters_as_the_reference():
    model = zoo.registry.build("tra", n_features=6, lookback=60)
    assert sum(p.numel() for p in model.parameters()) == 61_542


def test_a_constant_row_scales_to_one_and_others_span_zero_to_one():
    found = min_max(torch.tensor([[0.3, 0.3, 0.3], [2.0, 6.0, 3.0], [0.0, 0.0, 0.0]]))
    same(found, torch.tensor([[1.0, 1.0, 1.0], [0.0, 1.0, 0.25], [1.0, 1.0, 1.0]]))


def test_transport_shares_rows_more_evenly_than_each_row_would_choose():
    losses = torch.rand(60, 3, generator=torch.Generator().manual_seed(0))
    losses[:, 0] *= 0.1
    cost = min_max(losses)
    plan = transport(cost, torch.zeros(60, 4, 3), 1.0)
    greedy = (-cost / 0.1).softmax(1)
    same(plan.sum(1), torch.ones(60))
    assert plan.sum(0).max() < 30 < 45 < greedy.sum(0).max()


def test_transport_counts_remembered_errors_as_much_as_alpha_leaves():
    losses = torch.tensor([[0.0, 1.0, 0.5], [1.0, 0.0, 0.5]])
    past = torch.tensor([[0.9, 0.1, 0.5], [0.2, 0.4, 0.9]]).unsqueeze(1).repeat(1, 4, 1)
    same(transport(losses, past, 1.0), transport(losses, torch.zeros_like(past), 1.0))
    same(transport(losses, past, 0.0), transport(torch.zeros_like(losses), past, 0.0))
    assert transport(losses, past, 0.3)[0, 1] > transport(losses, past, 0.7)[0, 1]


def test_a_choice_is_exactly_one_hot_and_its_gradient_that_of_the_softmax():
    model = build().eval()
    logits = torch.randn(200, 3, requires_grad=True)
    weight = torch.randn(200, 3)
    choice = model._choose(logits)
    assert torch.equal(choice.detach().sort(1).values, torch.tensor([0.0, 0.0, 1.0]).expand(200, 3))
    (found,) = torch.autograd.grad((choice * weight).sum(), logits)
    (expected,) = torch.autograd.grad((logits.softmax(1) * weight).sum(), logits)
    same(found, expected)


@pytest.mark.parametrize("mode", [True, False])
def test_one_row_one_feature_five_days_reaches_every_parameter(mode):
    model = build(n_features=1, lookback=5).train(mode)
    model(torch.randn(1, 5, 1)).sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize(("key", "value"), [("num_states", 0), ("tau", 0.0), ("alpha", 1.5)])
def test_parameters_out_of_range_are_named(key, value):
    with pytest.raises(ModelError, match=f"'tra'.*{key}.*{value}"):
        build(**{key: value})
