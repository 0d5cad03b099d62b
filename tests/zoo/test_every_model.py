"""What holds for every registered model, whatever it is; a new model is covered by being registered."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.zoo.small import (
    DAY,
    FEATURES,
    GRADIENT,
    MODELS,
    QUICK,
    SAMPLE,
    WHOLE,
    changed_after,
    fit_small,
    fitted,
    same_state,
    shared_dataset,
    small_dataset,
    small_model,
    small_panel,
    small_params,
)
from zoo import checkpoint, trainer
from zoo.config import TrainConfig
from zoo.crosssection import pearson_rows
from zoo.data.panel import Panel
from zoo.data.sources.planted import planted_market
from zoo.data.split import DayRange
from zoo.data.windows import Dataset, Segment
from zoo.errors import ModelError
from zoo.network import Batch, Network
from zoo.registry import build, get_spec
from zoo.training.losses import mse

SHAPES = [(1, 5, 3), (7, 5, 1), (6, 1, 2), (9, 12, 4)]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def random_batch(rows: int, steps: int, features: int, day: list[int] | None = None, seed: int = 0) -> Batch:
    """Rows of the given days (default: all of one), in two concepts."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, steps, features, generator=generator)
    label = torch.randn(rows, generator=generator)
    concepts = (torch.arange(rows)[:, None] % 2 == torch.arange(2)).float()
    return Batch(x, label, torch.tensor(day or [3] * rows), torch.arange(rows), concepts)


def scores_of(model: Network, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(batch.x, day=batch.day, concepts=batch.concepts)


def random_weights(name: str, n_features: int, lookback: int, **params: object) -> Network:
    """A model whose scores differ between rows: fresh where weights start at random, else fitted on noise."""
    model = small_model(name, n_features=n_features, lookback=lookback, **params)
    if name in WHOLE:
        panel = Panel(
            small_panel().days,
            small_panel().symbols,
            ("close",),
            np.random.default_rng(1).uniform(1, 2, (*small_panel().member.shape, 1)).astype(np.float32),
            np.ones_like(small_panel().member),
        )
        dataset = small_dataset(panel=panel, lookback=lookback)
        columns = torch.arange(n_features) % dataset.n_features
        model.fit(_Columns(dataset.train, columns), _Columns(dataset.valid, columns), QUICK)  # type: ignore[operator]
    return model.eval()


@torch.no_grad()
def amplified(model: Network) -> Network:
    """A copy with four times the weights: what it reads a little of, it now reads loudly (TRA's memory, for one)."""
    loud = copy.deepcopy(model)
    for p in loud.parameters():
        p.mul_(4)
    return loud


class _Columns:
    """A segment with other columns: noise of the shape a model was built for."""

    def __init__(self, segment: Segment, columns: torch.Tensor) -> None:
        self.segment, self.columns = segment, columns
        self.n_rows = segment.n_rows

    def batches(self, rows: int, **options):
        for batch in self.segment.batches(rows, **options):
            x = torch.randn(len(batch), batch.x.shape[1], len(self.columns), generator=torch.Generator().manual_seed(2))
            yield replace(batch, x=x)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_scores_are_one_finite_float32_per_row(name: str, shape: tuple[int, int, int]):
    batch = random_batch(*shape)
    scores = scores_of(small_model(name, n_features=shape[2], lookback=shape[1]), batch)
    assert scores.shape == (shape[0],)
    assert scores.dtype == torch.float32
    assert scores.isfinite().all()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", GRADIENT)
def test_a_step_can_be_taken_on_any_shape(name: str, shape: tuple[int, int, int]):
    model = small_model(name, n_features=shape[2], lookback=shape[1]).train()
    model.on_stage(model.stages[-1])
    loss = model.training_loss(random_batch(*shape), mse)
    loss.backward()
    assert loss.shape == ()
    assert loss.isfinite()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.parametrize("name", GRADIENT)
def test_odd_hidden_size_trains(name: str):
    done = fit_small(name, small_dataset(), hidden_size=7, num_heads=None)
    assert done.result.steps > 0
    assert np.isfinite(done.result.history[-1].train_loss)


@pytest.mark.parametrize("name", GRADIENT)
def test_every_parameter_receives_a_gradient(name: str):
    done = fitted(name)
    model = done.model
    reached = {key: False for key, _ in model.named_parameters()}
    # the last stage, in the state a fit leaves, so that TRA routes by a memory that is filled
    model.eval()
    for batch in done.dataset.train.batches(40, scope=get_spec(name).scope, labelled=True):
        model.zero_grad()
        model.training_loss(batch, mse).backward()
        for key, p in model.named_parameters():
            reached[key] |= p.grad is not None and bool(p.grad.abs().max() > 0)
    model.zero_grad()
    assert reached
    assert [key for key, found in reached.items() if not found] == []


@pytest.mark.parametrize("name", WHOLE)
def test_a_model_fitted_as_a_whole_has_nothing_for_an_optimiser(name: str):
    assert list(fitted(name).model.parameters()) == []


@pytest.mark.parametrize("name", MODELS)
def test_the_same_seed_gives_bit_identical_weights_and_scores(name: str):
    again = fit_small(name, small_dataset())
    assert same_state(fitted(name).model, again.model)
    scope = get_spec(name).scope
    first = trainer.predict(fitted(name).model, fitted(name).dataset.test, scope=scope)
    np.testing.assert_array_equal(first, trainer.predict(again.model, again.dataset.test, scope=scope))


@pytest.mark.parametrize("name", GRADIENT)
def test_another_seed_gives_other_weights(name: str):
    assert not same_state(fitted(name).model, fit_small(name, small_dataset(), seed=1).model)


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("name", MODELS)
def test_a_stored_model_predicts_what_it_predicted_before(name: str, features: str, tmp_path: Path):
    done = fitted(name, features)
    checkpoint.save(tmp_path, done.model, name, small_params(name), done.dataset)
    before = trainer.predict(done.model, done.dataset.test, scope=get_spec(name).scope)
    panel = done.dataset.panel
    after = checkpoint.load(tmp_path).predict(panel, start=str(panel.days[done.dataset.fold.test.start]))
    np.testing.assert_array_equal(after.to_numpy(), before[panel.member[-len(before) :]])


@pytest.mark.parametrize("features", FEATURES)
@pytest.mark.parametrize("name", MODELS)
def test_no_score_of_a_day_reads_anything_after_it(name: str, features: str):
    done = fitted(name, features)
    loud, scope = amplified(done.model), get_spec(name).scope
    first = done.dataset.fold.test.start

    def scores_until(day: int, changed: int | None = None, model: Network = loud) -> np.ndarray:
        segment = Segment(shared_dataset(features, changed), DayRange(first, day + 1))
        return trainer.predict(model, segment, scope=scope)

    for t in (first, first + 2, first + 3, first + 5):
        np.testing.assert_array_equal(scores_until(t), scores_until(t, changed=t))
    kept = np.logical_and(*(shared_dataset(features, changed).panel.member[t] for changed in (None, t - 1)))
    # As trained: loud masks (TabNet's) are closed to all but a few inputs, which need not be of the last day.
    now, other = (scores_until(t, changed, done.model)[-1, kept] for changed in (None, t - 1))
    assert (now != other).any(), "the day itself must matter, or this test shows nothing"


@pytest.mark.parametrize("name", MODELS)
def test_test_data_leave_no_trace_in_the_weights(name: str):
    dataset = small_dataset()
    other = small_dataset(panel=changed_after(dataset.panel, dataset.fold.test.start - 1))
    assert not np.array_equal(dataset.raw_label, other.raw_label, equal_nan=True)
    assert same_state(fitted(name).model, fit_small(name, other).model)


@pytest.mark.parametrize("name", GRADIENT)
def test_valid_data_choose_the_epoch_and_nothing_else(name: str):
    config = QUICK.model_copy(update={"max_epochs": 1})
    dataset = small_dataset()
    other = small_dataset(panel=changed_after(dataset.panel, dataset.fold.valid.start - 1))
    assert other.fold == dataset.fold
    ours, theirs = fit_small(name, dataset, config), fit_small(name, other, config)
    assert ours.result.history[-1].valid_ic != theirs.result.history[-1].valid_ic
    if len(ours.model.stages) == 1:
        assert same_state(ours.model, theirs.model)
    else:  # the epoch kept of an earlier stage may differ, its training not
        assert ours.result.history[0].train_loss == theirs.result.history[0].train_loss


@pytest.mark.parametrize("name", MODELS)
def test_every_member_is_scored_and_the_last_partial_batch_counts(name: str, monkeypatch: pytest.MonkeyPatch):
    done = fitted(name)
    scope, test = get_spec(name).scope, done.dataset.test
    whole = trainer.predict(done.model, test, scope=scope)
    monkeypatch.setattr(trainer, "EVALUATION_ROWS", 7)
    assert test.n_rows % 7
    chunked = trainer.predict(done.model, test, scope=scope)
    np.testing.assert_array_equal(np.isfinite(whole), done.dataset.panel.member[test.days.start : test.days.stop])
    np.testing.assert_allclose(chunked, whole, rtol=0, atol=2e-6)


@pytest.mark.parametrize("name", MODELS)
def test_one_day_and_one_stock_a_day_train_and_predict(name: str):
    panel = small_panel()
    member = np.zeros_like(panel.member)
    member[:, 6] = True
    member[::2, 7] = True
    lonely = replace(panel, member=member)
    dataset = small_dataset(panel=lonely)
    assert np.isfinite(dataset.raw_label[dataset.fold.train.start]).sum() in (1, 2)
    done = fit_small(name, dataset)
    scores = trainer.predict(done.model, dataset.test, scope=get_spec(name).scope)
    np.testing.assert_array_equal(np.isfinite(scores), member[dataset.fold.test.start :])

    whole = small_dataset()
    day = DayRange(whole.fold.train.start + 5, whole.fold.train.start + 6)
    one = Dataset(panel, whole.config, replace(whole.fold, train=day, valid=day), stats=whole.stats)
    fit_small(name, one)


@pytest.mark.parametrize("name", SAMPLE)
def test_a_sample_scope_score_does_not_depend_on_other_rows(name: str):
    model = random_weights(name, 3, 6)
    batch = random_batch(12, 6, 3, day=[1] * 5 + [2] * 7)
    others = random_batch(12, 6, 3, day=[1] * 5 + [2] * 7, seed=9)
    mixed = replace(batch, x=torch.cat([batch.x[:4], others.x[4:]]))
    found, changed = scores_of(model, batch), scores_of(model, mixed)
    torch.testing.assert_close(found[:4], changed[:4], atol=1e-6, rtol=0)
    assert not torch.equal(found[4:], changed[4:])
    torch.testing.assert_close(scores_of(model, batch)[:1], model(batch.x[:1]).detach(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", DAY)
def test_a_day_scope_score_follows_its_row_wherever_it_stands(name: str):
    model = random_weights(name, 3, 6)
    batch = random_batch(12, 6, 3, day=[1] * 5 + [2] * 7)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    assert batch.concepts is not None
    moved = Batch(batch.x[order], batch.label[order], batch.day[order], batch.stock[order], batch.concepts[order])
    found = scores_of(model, batch)
    torch.testing.assert_close(scores_of(model, moved), found[order], atol=2e-6, rtol=0)
    assert found.unique().numel() == 12


@pytest.mark.parametrize("name", DAY)
def test_a_day_scope_score_reads_its_own_day_only(name: str):
    model = random_weights(name, 3, 6)
    batch = random_batch(12, 6, 3, day=[1] * 5 + [2] * 7)
    other = random_batch(12, 6, 3, seed=9)
    mixed = replace(batch, x=torch.cat([batch.x[:5], other.x[5:]]))
    found, changed = scores_of(model, batch), scores_of(model, mixed)
    torch.testing.assert_close(found[:5], changed[:5], atol=2e-6, rtol=0)
    peer = batch.x.clone()
    peer[0] += 1
    assert (scores_of(model, replace(batch, x=peer)) != found)[1:5].any(), "stocks of a day should see each other"


@pytest.mark.parametrize("name", MODELS)
def test_an_unknown_parameter_is_refused_with_the_nearest_name(name: str):
    key = next(iter(get_spec(name).parameters))
    wrong = key + key[-1]
    with pytest.raises(ModelError, match=rf"'{name}' has no parameter '{wrong}' \(did you mean '{key}'\?\)"):
        build(name, n_features=3, lookback=5, **{wrong: 1})


@pytest.mark.parametrize("name", MODELS)
def test_defaults_are_valid_values_of_typed_keyword_parameters(name: str):
    spec = get_spec(name)
    defaults = {key: p.default for key, p in spec.parameters.items()}
    assert spec.check_params(defaults) == defaults
    assert "Any" not in {p.type_name for p in spec.parameters.values()}
    with pytest.raises(TypeError, match="positional"):
        spec.cls(3, 5)  # type: ignore[misc]


@pytest.mark.parametrize("name", MODELS)
def test_the_head_of_the_file_names_title_and_paper(name: str):
    spec = get_spec(name)
    text = spec.source_file.read_text(encoding="utf-8")
    assert len(text.splitlines()[0]) > 10
    assert text.startswith('"""')
    assert spec.title
    assert spec.paper


@pytest.mark.parametrize("name", MODELS)
def test_explanations_are_finite_and_leave_the_model_as_it_was(name: str):
    done = fitted(name)
    batch = next(done.dataset.test.batches(20, scope=get_spec(name).scope))
    before = {key: value.clone() for key, value in done.model.state_dict().items()}
    for key, value in done.model.explain(batch).items():
        assert value.isfinite().all(), key
        if key == "cells":
            assert value.shape == batch.x.shape[1:], "the same for every row"
            continue
        rows = value.flatten(1).sum(1) / (value.shape[1] if value.ndim == 3 and key == "attention" else 1)
        torch.testing.assert_close(rows, torch.ones(len(batch)), atol=1e-5, rtol=0, msg=key)
    assert all(torch.equal(value, before[key]) for key, value in done.model.state_dict().items())


@pytest.mark.parametrize("name", MODELS)
def test_the_planted_signal_is_learnt(name: str):
    market = planted_market("local", stocks=30, days=330, rho=0.8, seed=2)
    dataset = small_dataset(panel=market.panel, lookback=6)
    config = TrainConfig(batch_size=250, max_epochs=6, lr=1e-2)
    sizes = {"hidden_size": 16, "num_layers": 1, "dropout": 0.0, "n_d": 8, "n_a": 8, "n_steps": 3}
    trees = {"num_rounds": 60, "min_data_in_leaf": 20, "learning_rate": 0.1}
    done = fit_small(name, dataset, config, **sizes, **trees)
    test = slice(dataset.fold.test.start, dataset.fold.test.stop)
    scores = trainer.predict(done.model, dataset.test, scope=get_spec(name).scope)
    reached = np.nanmean(pearson_rows(scores, dataset.raw_label[test]))
    attainable = np.nanmean(pearson_rows(market.signal[test], dataset.raw_label[test]))
    assert reached >= 0.8 * attainable
