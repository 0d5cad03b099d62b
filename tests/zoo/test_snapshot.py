"""A fit that is interrupted and goes on, in a new process as far as it can tell, ends with the same bits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small import GRADIENT, QUICK, small_dataset, small_model

from zoo import trainer
from zoo.network import Network
from zoo.registry import get_spec
from zoo.training.snapshot import HEADER, TENSORS, Snapshots

CONFIG = QUICK.model_copy(update={"max_epochs": 4, "patience": 2})


class Stop(Exception):
    """What ends a fit here."""


def fitted(name: str, snapshots: Snapshots | None, *, stop_after: int = 99) -> tuple[Network, trainer.FitResult]:
    """A model trained from seed 0; Stop is raised after `stop_after` epochs of this process."""
    dataset, epochs = small_dataset(), []

    def on_epoch(epoch: trainer.Epoch) -> None:
        epochs.append(epoch)
        if len(epochs) > stop_after:
            raise Stop

    model = small_model(name, n_features=dataset.n_features, lookback=dataset.lookback, dropout=0.3)
    result = trainer.fit(
        model,
        dataset.train,
        dataset.valid,
        CONFIG,
        scope=get_spec(name).scope,
        on_epoch=on_epoch,
        snapshots=snapshots,
    )
    return model, result


def told(result: trainer.FitResult) -> list[tuple[str, int, float, float | None, float | None]]:
    return [(e.stage, e.epoch, e.train_loss, e.valid_ic, e.valid_loss) for e in result.history]


@pytest.mark.parametrize("name", GRADIENT)
def test_an_interrupted_fit_goes_on_with_the_bits_of_one_that_was_not(name, tmp_path):
    whole, expected = fitted(name, None)
    with pytest.raises(Stop):
        fitted(name, Snapshots(tmp_path / "state", every=0), stop_after=1)
    # Another process would not have these generators as they were left.
    trainer.seed_everything(99)
    with pytest.raises(Stop):
        fitted(name, Snapshots(tmp_path / "state", every=0), stop_after=1)
    model, result = fitted(name, Snapshots(tmp_path / "state", every=0))
    assert told(result) == told(expected)
    assert (result.best_epoch, result.steps) == (expected.best_epoch, expected.steps)
    here, there = model.state_dict(), whole.state_dict()
    assert all(torch.equal(here[key], there[key]) for key in there)


def test_nothing_is_stored_before_it_is_time(tmp_path):
    fitted("gru", Snapshots(tmp_path / "state", every=3600))
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("damage", ["cut off", "another", "no json", "gone"])
def test_a_damaged_state_is_not_gone_on_from(tmp_path, damage):
    state = tmp_path / "state"
    with pytest.raises(Stop):
        fitted("mlp", Snapshots(state, every=0), stop_after=1)
    DAMAGES[damage](state)
    assert Snapshots(state).stored() is None
    _, result = fitted("mlp", Snapshots(state, every=0))
    assert told(result) == told(fitted("mlp", None)[1])


DAMAGES = {
    "cut off": lambda state: (state / TENSORS).write_bytes((state / TENSORS).read_bytes()[:-1]),
    "another": lambda state: (state / TENSORS).write_bytes((state / TENSORS).read_bytes()[:-4] + b"abcd"),
    "no json": lambda state: (state / HEADER).write_text("[1"),
    "gone": lambda state: (state / TENSORS).unlink(),
}


def test_a_network_that_keeps_state_in_objects_is_not_stored(tmp_path):
    model = small_model("mlp", n_features=2, lookback=3)
    model.seen: Path | list[int] = []
    optimizer = torch.optim.Adam(model.parameters())
    Snapshots(tmp_path / "state", every=0).save(model, optimizer, torch.Generator(), trainer.Progress())
    assert not (tmp_path / "state").exists()
