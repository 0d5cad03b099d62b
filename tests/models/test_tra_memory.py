"""TRA's memory and stages: what is remembered when, what a score may know, and what the loss makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import pytest
import torch
from torch import Tensor

import zoo.registry
from zoo.models._transport import min_max, squared_errors, transport
from zoo.models.tra import TRA
from zoo.network import Batch, EpochContext
from zoo.training.losses import mse


def build(**params) -> TRA:
    torch.manual_seed(0)
    model = zoo.registry.build("tra", **{"n_features": 3, "lookback": 6, "hidden_size": 7, **params})
    assert isinstance(model, TRA)
    return model


def same(found: Tensor, expected: Tensor, atol: float = 1e-6) -> None:
    torch.testing.assert_close(found.detach(), expected.detach(), atol=atol, rtol=0)


class Days:
    """`n_days` x `n_stocks` random rows; one batch a day, in date order."""

    def __init__(self, n_days: int = 12, n_stocks: int = 5, lookback: int = 6, n_features: int = 3) -> None:
        draw = torch.Generator().manual_seed(1)
        self.x = torch.randn(n_days, n_stocks, lookback, n_features, generator=draw)
        self.label = torch.randn(n_days, n_stocks, generator=draw)
        self.n_days, self.n_stocks = n_days, n_stocks

    def batch(self, day: int) -> Batch:
        stock = torch.arange(self.n_stocks)
        return Batch(self.x[day], self.label[day], torch.full_like(stock, day), stock)

    def context(
        self,
        purpose: Literal["train", "evaluate", "predict"] = "predict",
        *,
        reach: int = 2,
        stage: str = "main",
        last: int | None = None,
    ) -> EpochContext:
        def replay() -> Iterator[Batch]:
            return (self.batch(day) for day in range(self.n_days if last is None else last + 1))

        return EpochContext(stage, 0, purpose, replay, reach, self.n_days, self.n_stocks)


def memory_of(model: TRA) -> Tensor:
    assert model.memory is not None
    return model.memory


@pytest.mark.parametrize("reach", [0, 1, 2, 4])
def test_the_router_reads_the_days_from_lookback_to_reach_oldest_first(reach):
    model, days = build(), Days()
    model.on_epoch(days.context(reach=reach))
    memory = memory_of(model)
    for day in (0, 2, 5, 11):
        past = model._recall(days.batch(day))
        assert past.shape == (5, 6 - reach, 3)
        for i, t in enumerate(range(day - 5, day - reach + 1)):
            same(past[:, i], memory[t] if t >= 0 else torch.zeros(5, 3), atol=0)


def test_a_replayed_row_is_remembered_by_its_scaled_errors_and_an_unlabelled_one_by_ones():
    model, days = build(), Days()
    days.label[4, 1] = torch.nan
    model.on_epoch(days.context(last=8))
    memory = memory_of(model)
    predictions = model.predictors(model.backbone(days.x[3])[0])
    errors = (predictions - days.label[3].unsqueeze(1)).square()
    low, high = errors.amin(1, keepdim=True), errors.amax(1, keepdim=True)
    same(memory[3], (errors - low) / (high - low))
    assert memory[4, 1].tolist() == [1, 1, 1]
    assert memory[8].any(1).all()
    assert not memory[9:].any()


@pytest.mark.parametrize("reach", [1, 2, 3])
def test_a_score_depends_on_labels_up_to_reach_days_before_and_on_none_later(reach):
    days, day = Days(), 9
    model = build().eval()

    def routing() -> Tensor:
        model.on_epoch(days.context(reach=reach))
        batch = days.batch(day)
        return torch.cat([model.score(batch).unsqueeze(1), model.explain(batch)["routing"]], dim=1).detach()

    before = routing()
    days.label[day - reach + 1 :] = torch.randn(days.n_days - day + reach - 1, days.n_stocks) * 5
    assert torch.equal(routing(), before)
    days.label[day - reach] = torch.randn(days.n_stocks) * 5
    assert not torch.equal(routing(), before)


def test_scoring_neither_reads_the_labels_of_its_rows_nor_writes_the_memory():
    model, days = build().eval(), Days()
    model.on_epoch(days.context())
    batch, memory = days.batch(9), memory_of(model).clone()
    unlabelled = Batch(batch.x, torch.full_like(batch.label, torch.nan), batch.day, batch.stock)
    assert torch.equal(model.score(batch), model.score(unlabelled))
    assert torch.equal(memory_of(model), memory)


def test_replay_runs_in_eval_mode_and_restores_the_mode():
    model, days = build(dropout=0.9), Days()
    model.train()
    model.on_epoch(days.context())
    assert model.training
    first = memory_of(model).clone()
    model.on_epoch(days.context())
    assert torch.equal(memory_of(model), first)


def test_a_training_batch_rewrites_its_rows_only():
    model, days = build(dropout=0.5).train(), Days()
    model.on_stage("main")
    model.on_epoch(days.context("train"))
    before = memory_of(model).clone()
    days.label[7] *= -3
    model.training_loss(days.batch(7), mse).backward()
    changed = (memory_of(model) != before).any(2).any(1).nonzero().flatten().tolist()
    assert changed == [7]


def test_training_epochs_continue_with_the_memory_and_evaluations_rebuild_it():
    model, days = build(), Days()
    model.on_stage("main")
    model.on_epoch(days.context("train"))
    rebuilt = memory_of(model).clone()
    memory_of(model)[3] = 0.5
    model.on_epoch(days.context("train"))
    assert (memory_of(model)[3] == 0.5).all()
    model.on_epoch(days.context("evaluate"))
    assert torch.equal(memory_of(model), rebuilt)


def test_the_first_stage_writes_memory_by_training_only_and_the_second_starts_anew():
    model, days = build(), Days()
    assert model.stages == ("pretrain", "main")
    model.on_stage("pretrain")
    model.on_epoch(days.context("train", stage="pretrain"))
    assert not memory_of(model).any()
    model.training_loss(days.batch(4), mse)
    written = memory_of(model).clone()
    assert written[4].any()
    model.on_epoch(days.context("evaluate", stage="pretrain"))
    assert torch.equal(memory_of(model), written)
    model.on_stage("main")
    assert model.memory is None
    model.on_epoch(days.context("train"))
    assert memory_of(model).any(2).all()


def test_first_stage_scores_are_the_mean_of_the_predictors():
    model, days = build().eval(), Days()
    model.on_stage("pretrain")
    model.on_epoch(days.context("evaluate", stage="pretrain"))
    batch = days.batch(9)
    same(model.score(batch), model.predictors(model.backbone(batch.x)[0]).mean(1))


def test_without_pretraining_there_is_one_stage():
    assert build(pretrain=False).stages == ("main",)


def test_memory_follows_the_panel_it_is_asked_about():
    model = build()
    model.on_epoch(Days().context())
    longer = Days(n_days=20, n_stocks=8)
    model.on_epoch(longer.context("train"))
    assert memory_of(model).shape == (20, 8, 3)
    assert memory_of(model).any(2).all()
    assert "memory" not in model.state_dict()


@pytest.mark.parametrize("reach", [5, 6, 9])
def test_a_window_not_longer_than_the_reach_leaves_one_or_no_remembered_day(reach):
    model, days = build(), Days()
    model.on_epoch(days.context(reach=reach))
    batch = days.batch(11)
    assert model._recall(batch).any() == (reach < 6)
    model.training_loss(batch, mse).backward()
    assert model.score(batch).isfinite().all()
    assert all(p.grad is not None for p in model.parameters())


def test_rows_without_label_count_in_the_transport_but_not_in_the_error():
    model, days = build(lamb=0.0), Days()
    labelled = days.batch(3)
    both = Batch(
        torch.cat([labelled.x, days.x[4]]),
        torch.cat([labelled.label, torch.full((5,), torch.nan)]),
        torch.cat([labelled.day, torch.full((5,), 4)]),
        torch.cat([labelled.stock, torch.arange(5)]),
    )
    model.eval()
    same(model.training_loss(both, mse), model.training_loss(labelled, mse))
    model.lamb = 1.0
    assert (model.training_loss(both, mse) - model.training_loss(labelled, mse)).abs() > 1e-4
    model.stage = "pretrain"
    predictions = model.predictors(model.backbone(both.x)[0])
    errors = squared_errors(predictions, both.label)
    plan = transport(min_max(errors), torch.zeros(10, 4, 3), 0.5)
    assert not errors[5:].any()
    same(model.training_loss(both, mse), (errors * plan).sum() / 10)


def test_the_transport_term_decays_every_hundred_steps():
    model, days = build(rho=0.5).eval(), Days()
    model.on_stage("main")
    batch = days.batch(3)
    values = torch.stack([model.training_loss(batch, mse).detach() for _ in range(201)])
    chosen = mse(model.score(batch), batch.label).detach()
    terms = values - chosen
    same(terms[:100], terms[0].expand(100))
    same(terms[100:200], terms[0].expand(100) / 2)
    same(terms[200], terms[0] / 4)
    model.on_stage("main")
    same(model.training_loss(batch, mse), values[0])


def test_only_training_draws_noise_and_it_follows_the_seed():
    model, days = build().eval(), Days()
    state = torch.get_rng_state()
    model.score(days.batch(9))
    model(days.x[9])
    assert torch.equal(torch.get_rng_state(), state)
    model.train()

    def chosen() -> Tensor:
        torch.manual_seed(5)
        return torch.stack([model._choose(torch.zeros(50, 3)).detach() for _ in range(20)])

    assert torch.equal(chosen(), chosen())
    same(chosen().mean((0, 1)), torch.full((3,), 1 / 3), atol=0.06)


def test_forward_alone_scores_as_an_empty_memory_does():
    model, days = build().eval(), Days()
    batch = days.batch(1)
    expected = model(batch.x)
    same(model.score(batch), expected)
    model.memory = torch.zeros(days.n_days, days.n_stocks, 3)
    same(model.score(batch), expected)


def test_explanations_are_weights_of_predictors_and_of_days():
    model, days = build().eval(), Days()
    model.on_epoch(days.context())
    found = model.explain(days.batch(9))
    assert {key: tuple(value.shape) for key, value in found.items()} == {"routing": (5, 3), "time": (5, 6)}
    for weights in found.values():
        same(weights.sum(1), torch.ones(5))
        assert (weights >= 0).all()


def test_the_memory_tells_stocks_apart_that_their_windows_cannot():
    """Half of the stocks revert what the others continue; only their past errors say which is which."""
    days = Days(n_days=60, n_stocks=40, lookback=8, n_features=1)
    sign = torch.ones(40)
    sign[::2] = -1
    days.label = sign * days.x[:, :, -1, 0]
    model = build(n_features=1, lookback=8, num_states=2, hidden_size=8, num_layers=1)
    for stage, steps in (("pretrain", 60), ("main", 100)):
        model.on_stage(stage)
        model.on_epoch(days.context("train", stage=stage))
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        model.train()
        for step in range(steps):
            optimizer.zero_grad()
            batches = [days.batch(8 + (step * 7 + i) % 40) for i in range(5)]
            parts = [torch.cat([getattr(b, key) for b in batches]) for key in ("x", "label", "day", "stock")]
            model.training_loss(Batch(*parts), mse).backward()
            optimizer.step()
    model.eval()
    model.on_epoch(days.context())
    found = torch.cat([model.score(days.batch(day)).detach() for day in range(50, 60)])
    expected = days.label[50:].flatten()
    blind = torch.cat([model(days.x[day]).detach() for day in range(50, 60)])
    assert torch.corrcoef(torch.stack([found, expected]))[0, 1] > 0.9
    assert torch.corrcoef(torch.stack([blind, expected]))[0, 1].abs() < 0.3
