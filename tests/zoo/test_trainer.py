"""The training loop, seen through networks that record or script what happens to them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.zoo.small import small_dataset, small_panel
from zoo import trainer
from zoo.config import TrainConfig
from zoo.crosssection import pearson_rows
from zoo.data.split import DayRange
from zoo.data.windows import Dataset, Segment
from zoo.errors import ModelError, UnavailableError
from zoo.network import Batch, EpochContext, Loss, Network, Rows, WholeModel
from zoo.registry import Scope
from zoo.training.losses import LOSSES


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return small_dataset()


class Affine(Network):
    """One weight per cell of the window; the smallest network that trains."""

    def __init__(self, dataset: Dataset) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((dataset.lookback * dataset.n_features,), 0.01))

    def forward(self, x: Tensor, *, day: Tensor | None = None, concepts: Tensor | None = None) -> Tensor:
        return x.flatten(1) @ self.weight


class Scripted(Network):
    """Scores whose valid IC is `quality[epoch]`: knows the label, which a network must not, and the epoch."""

    current: Tensor

    def __init__(self, quality: list[float]) -> None:
        super().__init__()
        self.quality = quality
        self.weight = nn.Parameter(torch.zeros(()))
        self.register_buffer("current", torch.tensor(0.0))

    def on_epoch(self, context: EpochContext) -> None:
        if context.purpose == "train":
            self.current.fill_(self.quality[context.epoch])

    def training_loss(self, batch: Batch, loss: Loss) -> Tensor:
        return self.weight.square()

    def score(self, batch: Batch) -> Tensor:
        noise = torch.sin(1e3 * batch.stock + 7.0 * batch.day)
        return self.current * batch.label.nan_to_num() + (1 - self.current.abs()) * noise


class Recorder(Affine):
    """Writes down every hook and every training batch."""

    stages = ("first", "second")

    def __init__(self, dataset: Dataset) -> None:
        super().__init__(dataset)
        self.calls: list[str] = []
        self.contexts: list[EpochContext] = []
        self.batches: list[Batch] = []

    def on_stage(self, stage: str) -> None:
        self.calls.append(f"stage {stage}")

    def on_epoch(self, context: EpochContext) -> None:
        self.contexts.append(context)
        self.calls.append(f"epoch {context.stage} {context.epoch} {context.purpose}")

    def training_loss(self, batch: Batch, loss: Loss) -> Tensor:
        assert self.training
        self.batches.append(batch)
        self.calls.append("loss")
        return super().training_loss(batch, loss)

    def score(self, batch: Batch) -> Tensor:
        if not torch.is_grad_enabled():
            assert not self.training
            self.calls.append("score")
        return super().score(batch)


def config(**given: Any) -> TrainConfig:
    return TrainConfig(**{"batch_size": 24, "max_epochs": 3, "lr": 1e-3, **given})


def fit(model: Network, data: Dataset, *, scope: Scope = "sample", seed: int = 0, **given: Any) -> trainer.FitResult:
    return trainer.fit(model, data.train, data.valid, config(**given), scope=scope, seed=seed)


def test_the_best_epoch_is_kept_and_patience_counts_from_it(dataset: Dataset):
    model = Scripted([0.1, 0.6, 0.5, 0.4, 0.9])
    result = fit(model, dataset, max_epochs=5, patience=2)
    assert result.best_epoch == 2
    assert [e.epoch for e in result.history] == [1, 2, 3, 4]
    assert model.current.item() == pytest.approx(0.6)
    assert not model.training


def test_an_equal_epoch_is_not_a_better_one(dataset: Dataset):
    model = Scripted([0.5, 0.5, 0.5, 0.5])
    assert fit(model, dataset, max_epochs=4, patience=2).best_epoch == 1


def test_patience_never_ends_a_fit_that_improves(dataset: Dataset):
    model = Scripted([0.1, 0.2, 0.3, 0.4, 0.5])
    result = fit(model, dataset, max_epochs=5, patience=1)
    assert (result.best_epoch, len(result.history)) == (5, 5)


def test_negative_valid_ic_still_has_a_best_epoch(dataset: Dataset):
    model = Scripted([-0.9, -0.5, -0.7])
    assert fit(model, dataset, patience=5).best_epoch == 2
    assert model.current.item() == pytest.approx(-0.5)


def test_valid_ic_is_the_mean_daily_correlation_with_the_raw_label(dataset: Dataset):
    model = Affine(dataset)
    result = fit(model, dataset, max_epochs=1)
    scores = trainer.predict(model, dataset.valid, scope="sample")
    label = dataset.raw_label[dataset.fold.valid.start : dataset.fold.valid.stop]
    assert result.history[0].valid_ic == pytest.approx(np.nanmean(pearson_rows(scores, label)), abs=1e-12)
    nothing = Segment(dataset, DayRange(dataset.panel.n_days - 1, dataset.panel.n_days))
    assert trainer.mean_daily_ic(model, nothing, scope="sample") == -math.inf


def test_the_train_loss_is_the_mean_over_steps_and_steps_are_adam(dataset: Dataset):
    """The loop written out by hand on the same batches reaches the same weights bit for bit."""
    model, twin = Affine(dataset), Affine(dataset)
    result = fit(model, dataset, max_epochs=2, weight_decay=0.01, grad_clip=0.05, lr=0.01, patience=9)
    optimizer = torch.optim.Adam(twin.parameters(), lr=0.01, weight_decay=0.01)
    order, snapshots = torch.Generator().manual_seed(0), []
    for epoch in range(2):
        losses = []
        for batch in dataset.train.batches(result.rows_per_step, generator=order, labelled=True):
            optimizer.zero_grad()
            loss = (twin(batch.x) - batch.label).square().mean()
            loss.backward()
            assert twin.weight.grad is not None
            twin.weight.grad.clamp_(-0.05, 0.05)
            optimizer.step()
            losses.append(loss.item())
        assert result.history[epoch].train_loss == pytest.approx(np.mean(losses), rel=1e-6)
        snapshots.append(twin.weight.detach().clone())
    torch.testing.assert_close(model.weight.detach(), snapshots[result.best_epoch - 1], atol=1e-7, rtol=0)


@pytest.mark.parametrize(("batch_size", "days_per_step"), [(1, 1), (24, 3), (60, 7), (10**6, None)])
def test_sample_and_day_scope_take_the_same_steps_of_the_same_size(
    dataset: Dataset, batch_size: int, days_per_step: int | None
):
    rows, steps = {}, {}
    for scope in ("sample", "day"):
        model = Recorder(dataset)
        result = fit(model, dataset, scope=scope, batch_size=batch_size, max_epochs=1)
        rows[scope], steps[scope] = result.rows_per_step, result.steps // len(Recorder.stages)
        sizes = [len(b) for b in model.batches]
        assert sum(sizes) == 2 * len(dataset.train.labelled_rows), "every labelled row, the last partial batch too"
    assert rows["sample"] == rows["day"]
    assert abs(steps["sample"] - steps["day"]) <= 1
    days = len(dataset.train.days)
    assert steps["day"] == math.ceil(days / (days_per_step or days))


def test_day_scope_steps_hold_whole_days(dataset: Dataset):
    model = Recorder(dataset)
    fit(model, dataset, scope="day", max_epochs=1)
    labelled = np.isfinite(dataset.raw_label).sum(axis=1)
    for batch in model.batches:
        day, count = torch.unique_consecutive(batch.day, return_counts=True)
        assert len(day.unique()) == len(day)
        np.testing.assert_array_equal(count.numpy(), labelled[day.numpy()])


def test_training_never_sees_an_unlabelled_row_nor_a_day_outside_the_train_segment(dataset: Dataset):
    model = Recorder(dataset)
    fit(model, dataset, max_epochs=1)
    seen = torch.cat([b.day for b in model.batches])
    assert torch.cat([b.label for b in model.batches]).isfinite().all()
    assert seen.min() >= dataset.fold.train.start
    assert seen.max() < dataset.fold.train.stop


def test_every_network_of_a_seed_sees_the_rows_in_the_same_order_and_each_epoch_in_another(dataset: Dataset):
    def order(seed: int, lr: float) -> list[Tensor]:
        model = Recorder(dataset)
        torch.manual_seed(int(1e6 * lr))
        fit(model, dataset, seed=seed, lr=lr, max_epochs=1)
        rows = torch.cat([b.day * dataset.panel.n_stocks + b.stock for b in model.batches])
        return list(rows.chunk(len(Recorder.stages)))

    first, second = order(3, 1e-3)
    assert torch.equal(first, order(3, 5e-2)[0])
    assert not torch.equal(first, second)
    assert not torch.equal(first, order(4, 1e-3)[0])


def test_hooks_come_in_the_documented_order(dataset: Dataset):
    model = Recorder(dataset)
    result = fit(model, dataset, max_epochs=2, max_steps_per_epoch=2, patience=5)
    trainer.predict(model, dataset.test, scope="sample")
    epochs = [
        [f"epoch {stage} {n} train", "loss", "loss", f"epoch {stage} {n + 1} evaluate", "score"]
        for stage in Recorder.stages
        for n in range(2)
    ]
    first, second = [*epochs[0], *epochs[1]], [*epochs[2], *epochs[3]]
    assert model.calls == ["stage first", *first, "stage second", *second, "epoch second 0 predict", "score"]
    assert result.steps == 8
    assert [(e.stage, e.epoch) for e in result.history] == [("first", 1), ("first", 2), ("second", 1), ("second", 2)]


def test_the_context_replays_all_days_up_to_those_at_hand_in_date_order(dataset: Dataset):
    model = Recorder(dataset)
    fit(model, dataset, max_epochs=1)
    trainer.predict(model, dataset.test, scope="sample")
    stops = {"train": dataset.fold.train.stop, "evaluate": dataset.fold.valid.stop, "predict": dataset.fold.test.stop}
    for context in model.contexts:
        assert (context.n_days, context.n_stocks) == dataset.panel.member.shape
        assert context.reach == 2
        rows = torch.cat([b.day * context.n_stocks + b.stock for b in context.replay()])
        member = dataset.panel.member[: stops[context.purpose]].copy()
        member[: dataset.fold.train.start] = False
        np.testing.assert_array_equal(rows.numpy(), np.flatnonzero(member))


def test_epochs_are_reported_as_they_end(dataset: Dataset):
    seen: list[trainer.Epoch] = []
    result = trainer.fit(Affine(dataset), dataset.train, dataset.valid, config(), scope="sample", on_epoch=seen.append)
    assert tuple(seen) == result.history


def test_a_stage_starts_from_the_best_weights_of_the_stage_before(dataset: Dataset):
    class Two(Scripted):
        stages = ("first", "second")
        begun: float | None = None

        def on_stage(self, stage: str) -> None:
            if stage == "second":
                self.begun = self.current.item()

    model = Two([0.3, 0.8, 0.1])
    fit(model, dataset, patience=9)
    assert model.begun == pytest.approx(0.8)


def test_a_diverging_fit_names_the_learning_rate(dataset: Dataset):
    with pytest.raises(
        ModelError, match=r"loss became (inf|nan) within \d+ steps at train\.lr 1e\+25; lower train\.lr"
    ):
        fit(Affine(dataset), dataset, lr=1e25)


def test_a_train_segment_without_labels_is_refused(dataset: Dataset):
    last = DayRange(dataset.panel.n_days - 2, dataset.panel.n_days)
    with pytest.raises(ModelError, match="train segment has no row with a label"):
        trainer.fit(Affine(dataset), Segment(dataset, last), dataset.valid, config(), scope="sample")


def test_a_whole_model_gets_both_segments_once_and_takes_no_steps(dataset: Dataset):
    class Mean(WholeModel):
        given: tuple[Rows, Rows, Any] | None = None

        def fit(self, train: Rows, valid: Rows, config: Any) -> dict[str, Any]:
            assert self.given is None
            self.given = train, valid, config
            return {"level": 3}

    model, settings = Mean().train(), config()
    result = trainer.fit(model, dataset.train, dataset.valid, settings, scope="sample")
    assert model.given == (dataset.train, dataset.valid, settings)
    assert (result.history, result.best_epoch, result.steps, result.facts) == ((), 0, 0, {"level": 3})
    assert not model.training


def test_predictions_have_the_shape_of_the_segment_and_are_missing_for_non_members(dataset: Dataset):
    scores = trainer.predict(Affine(dataset), dataset.test, scope="sample")
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(np.isfinite(scores), dataset.panel.member[dataset.fold.test.start :])


def test_the_learning_rate_reaches_the_optimiser_and_the_loss_is_the_one_chosen(dataset: Dataset):
    start = Affine(dataset).weight.detach()
    moved = {}
    for lr in (1e-4, 1e-2):
        model = Affine(dataset)
        fit(model, dataset, lr=lr, max_epochs=1, max_steps_per_epoch=1)
        moved[lr] = (model.weight.detach() - start).abs().max().item()
    assert moved[1e-2] == pytest.approx(100 * moved[1e-4], rel=1e-2)
    squared, absolute = (fit(Affine(dataset), dataset, loss=loss, max_epochs=1).history[0] for loss in LOSSES)
    assert squared.train_loss != absolute.train_loss


@pytest.mark.parametrize(("loss", "expected"), [("mse", (1 + 9) / 2), ("mae", (1 + 3) / 2)])
def test_losses_are_means_over_labelled_rows(loss: str, expected: float):
    score, label = torch.tensor([1.0, 2.0, 5.0]), torch.tensor([0.0, math.nan, 2.0])
    assert LOSSES[loss](score, label).item() == pytest.approx(expected)
    nothing = LOSSES[loss](score.requires_grad_(), torch.full((3,), math.nan))
    nothing.backward()
    assert nothing.item() == 0
    assert score.grad is not None
    assert score.grad.abs().max() == 0


def test_requirements_are_named_before_any_work():
    with pytest.raises(UnavailableError, match="hist needs concepts: name a file with --concepts"):
        trainer.check_requirements("hist", dataset_has_concepts=False)
    trainer.check_requirements("hist", dataset_has_concepts=True)
    trainer.check_requirements("gru", dataset_has_concepts=False)


def test_seeding_covers_every_generator_a_model_may_draw_from():
    import random

    def draws() -> tuple[float, float, float]:
        trainer.seed_everything(7)
        return random.random(), float(np.random.rand()), torch.rand(()).item()  # noqa: NPY002

    assert draws() == draws()


def test_small_panel_is_ragged_enough_for_these_tests():
    per_day = small_panel().member.sum(axis=1)
    assert per_day.min() < per_day.max()
