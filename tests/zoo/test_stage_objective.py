"""What a training stage's best epoch is chosen by."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from zoo import trainer
from zoo.config import DataConfig, TrainConfig
from zoo.data.sources import load_panel
from zoo.data.split import make_folds
from zoo.data.windows import Dataset
from zoo.models.tabnet import TabNet
from zoo.network import Batch, Loss, Network, StageObjective

CONFIG = TrainConfig(lr=2e-2, batch_size=200, max_epochs=5, patience=2)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    config = DataConfig(source="planted:local?stocks=20&days=120", lookback=5)
    panel = load_panel(config.source)
    (fold,) = make_folds(panel.days, config.split, config.label.reach, 4)
    return Dataset(panel, config, fold)


class Staged(Network):
    """Its one weight counts the epochs of stage `first`, whose losses over the valid segment are given."""

    stages = ("first", "main")

    def __init__(self, losses: list[float]) -> None:
        super().__init__()
        self.losses, self.stage = losses, ""
        self.epochs: list[tuple[str, str]] = []
        self.started_with: dict[str, float] = {}
        self.weight = nn.Parameter(torch.zeros(()))

    def on_stage(self, stage: str) -> None:
        self.stage = stage
        self.started_with[stage] = self.weight.item()

    def stage_objective(self, stage: str) -> StageObjective:
        return "training_loss" if stage == "first" else "valid_ic"

    def forward(self, x: Tensor, *, day: Tensor | None = None, concepts: Tensor | None = None) -> Tensor:
        assert self.stage == "main", "scored in a stage whose objective needs no score"
        return x[:, -1, 0] * (1 + self.weight)

    def training_loss(self, batch: Batch, loss: Loss) -> Tensor:
        if not self.training:
            assert not torch.is_grad_enabled()
            return torch.tensor(self.losses[round(self.weight.item()) - 1])
        return self.weight * 0.0

    def on_epoch(self, context: trainer.EpochContext) -> None:
        self.epochs.append((context.stage, context.purpose))
        if context.purpose == "train" and self.stage == "first":
            self.weight.data += 1


def test_a_stage_without_scores_keeps_the_epoch_of_the_lowest_loss_on_valid_rows(dataset: Dataset) -> None:
    model = Staged([3.0, 1.0, 2.0, 1.5, 0.5])
    result = trainer.fit(model, dataset.train, dataset.valid, CONFIG, scope="sample")
    first = [e for e in result.history if e.stage == "first"]
    assert [e.valid_loss for e in first] == [3.0, 1.0, 2.0, 1.5], "two epochs of patience after the second"
    assert model.started_with["main"] == 2.0, "the second epoch's weights go on"
    assert {e.valid_ic for e in first} == {None}
    assert ("first", "evaluate") in model.epochs


def test_a_stage_with_scores_is_judged_by_valid_ic(dataset: Dataset) -> None:
    result = trainer.fit(Staged([1.0] * 5), dataset.train, dataset.valid, CONFIG, scope="sample")
    main = [e for e in result.history if e.stage == "main"]
    assert all(e.valid_loss is None and e.valid_ic is not None and math.isfinite(e.valid_ic) for e in main)


def test_tabnet_pretraining_is_judged_by_reconstruction_and_ends_at_its_best_epoch(dataset: Dataset) -> None:
    trainer.seed_everything(0)
    model = TabNet(n_features=dataset.n_features, lookback=5, hidden_size=8, n_d=8, n_a=8, n_steps=2, pretrain=True)
    result = trainer.fit(model, dataset.train, dataset.valid, CONFIG, scope="sample")
    found = [e.valid_loss for e in result.history if e.stage == "pretrain"]
    losses = [loss for loss in found if loss is not None]
    assert len(losses) == len(found) > 1
    assert min(losses) < losses[0]


def test_the_loss_on_valid_rows_is_the_same_at_every_call_and_draws_nothing_from_the_trial(dataset: Dataset) -> None:
    model = TabNet(n_features=dataset.n_features, lookback=5, hidden_size=8, n_d=8, n_a=8, n_steps=2, pretrain=True)
    model.on_stage("pretrain")
    before = torch.get_rng_state()

    def loss() -> float:
        return trainer.mean_training_loss(model, dataset.valid, 200, CONFIG, scope="sample", stage="pretrain")

    assert loss() == loss()
    assert torch.equal(before, torch.get_rng_state())
    assert all(p.grad is None for p in model.parameters())
