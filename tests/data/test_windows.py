"""Windows, datasets and segments, against a literal row-by-row reference."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.zoo.small import FEATURES, lookback_of, small_dataset, small_panel
from zoo.config import DataConfig, LabelConfig
from zoo.data.labels import train_label
from zoo.data.panel import Concepts, Panel
from zoo.data.split import DayRange, Fold
from zoo.data.windows import Dataset, Segment
from zoo.network import Batch


def literal_row(dataset: Dataset, day: int, stock: int) -> np.ndarray:
    """`[T, F]`: the days of the window one after the other, missing where there is none, then normalised."""
    feature_set = dataset.feature_set
    source, present = feature_set.source(dataset.panel)[stock], feature_set.present(dataset.panel)
    days = list(range(day - feature_set.lookback + 1, day + 1))
    if present is not None:  # missing rows are filled forward, then backward
        there = [d for d in days if d >= 0 and present[stock, d]]
        days = [max([e for e in there if e <= d], default=there[0] if there else -1) for d in days]
    missing = np.full(source.shape[1], np.nan, np.float32)
    window = torch.from_numpy(np.stack([source[d] if d >= 0 else missing for d in days]))
    raw = feature_set.window_to_features(window[None].clone())[0].numpy()
    scaled = np.clip((raw - dataset.stats.center) / dataset.stats.scale, -3, 3)
    return np.nan_to_num(scaled, nan=0.0)


@pytest.fixture(scope="module", params=FEATURES)
def dataset(request: pytest.FixtureRequest) -> Dataset:
    return small_dataset(request.param)


@pytest.fixture(scope="module")
def plain() -> Dataset:
    return small_dataset()


def rows_of(batches: list[Batch], dataset: Dataset) -> torch.Tensor:
    return torch.cat([b.day * dataset.panel.n_stocks + b.stock for b in batches])


def test_gathered_windows_equal_the_literal_ones(dataset: Dataset):
    rng = np.random.default_rng(0)
    day = np.concatenate([rng.integers(0, dataset.panel.n_days, 60), [0, 0, 1, dataset.panel.n_days - 1]])
    stock = np.concatenate([rng.integers(0, dataset.panel.n_stocks, 60), [0, 5, 9, 9]])
    found = dataset.windows.gather(torch.from_numpy(day), torch.from_numpy(stock)).numpy()
    for i, (d, n) in enumerate(zip(day, stock, strict=True)):
        np.testing.assert_allclose(
            found[i], literal_row(dataset, d, n), rtol=0, atol=1e-6, err_msg=f"day {d} stock {n}"
        )


def test_a_gathered_window_is_a_copy(dataset: Dataset):
    row = torch.tensor([50]), torch.tensor([3])
    before = dataset.windows.gather(*row).clone()
    dataset.windows.gather(*row).fill_(99)
    assert torch.equal(dataset.windows.gather(*row), before)


def test_the_panel_is_left_as_it_was(dataset: Dataset):
    before = small_panel().values.copy()
    Dataset(dataset.panel, dataset.config, dataset.fold)
    np.testing.assert_array_equal(dataset.panel.values, before)


def test_a_batch_holds_the_labels_days_and_stocks_of_its_rows(plain: Dataset):
    rows = torch.tensor([731, 402, 799])
    batch = plain.batch(rows)
    assert torch.equal(batch.day * plain.panel.n_stocks + batch.stock, rows)
    expected = plain.train_label.ravel()[rows.numpy()].astype(np.float32)
    np.testing.assert_array_equal(batch.label.numpy(), expected)
    assert batch.x.dtype == torch.float32
    assert batch.x.isfinite().all()


@pytest.mark.parametrize("scope", ["sample", "day"])
@pytest.mark.parametrize("rows", [1, 7, 33, 10**6])
def test_every_member_row_comes_once_in_order(plain: Dataset, scope, rows: int):
    batches = list(plain.test.batches(rows, scope=scope))
    member = plain.panel.member[plain.fold.test.start :]
    expected = np.flatnonzero(member) + plain.fold.test.start * plain.panel.n_stocks
    np.testing.assert_array_equal(rows_of(batches, plain).numpy(), expected)
    assert plain.test.n_rows == len(expected)
    if scope == "sample":
        assert {len(b) for b in batches[:-1]} <= {rows}


@pytest.mark.parametrize("scope", ["sample", "day"])
def test_a_generator_shuffles_without_loss_and_repeats_itself(plain: Dataset, scope):
    def order(seed: int) -> torch.Tensor:
        generator = torch.Generator().manual_seed(seed)
        return rows_of(list(plain.train.batches(30, scope=scope, generator=generator)), plain)

    assert not torch.equal(order(0), order(1))
    assert torch.equal(order(0), order(0))
    np.testing.assert_array_equal(order(0).sort().values.numpy(), plain.train.rows)


def test_labelled_leaves_out_rows_without_a_label_and_nothing_else(plain: Dataset):
    batches = list(plain.test.batches(30, labelled=True))
    assert torch.cat([b.label for b in batches]).isfinite().all()
    np.testing.assert_array_equal(rows_of(batches, plain).numpy(), plain.test.labelled_rows)
    inside = plain.raw_label[plain.fold.test.start :]
    assert len(plain.test.labelled_rows) == np.isfinite(inside).sum() < plain.test.n_rows


def test_day_batches_hold_whole_days_next_to_each_other(plain: Dataset):
    counts = plain.panel.member.sum(axis=1)
    generator = torch.Generator().manual_seed(0)
    for batch in plain.train.batches(30, scope="day", generator=generator):
        day, count = torch.unique_consecutive(batch.day, return_counts=True)
        assert len(day) == len(day.unique())
        np.testing.assert_array_equal(count.numpy(), counts[day.numpy()])


@pytest.mark.parametrize(
    ("batch_size", "days_per_step"), [(1, 1), (9, 1), (14, 1), (16, 2), (100, 10), (104, 10), (106, 11)]
)
def test_rows_of_a_step_are_whole_days_closest_to_the_batch_size(batch_size: int, days_per_step: int):
    panel = small_panel()
    full = replace(panel, values=np.nan_to_num(panel.values, nan=1.0), member=np.ones_like(panel.member))
    train = small_dataset(panel=full).train
    assert train.rows_per_step(batch_size) == 10 * days_per_step
    steps = [len(list(train.batches(10 * days_per_step, scope=scope, labelled=True))) for scope in ("sample", "day")]
    assert steps[0] == steps[1]


def test_a_segment_of_no_days_has_no_batches(plain: Dataset):
    empty = Segment(plain, DayRange(40, 40))
    assert empty.n_rows == 0
    for scope in ("sample", "day"):
        assert list(empty.batches(10, scope=scope)) == []  # type: ignore[arg-type]
    assert empty.rows_per_step(100) == 100


def test_concepts_of_a_batch_are_those_of_its_day():
    panel = small_panel()
    start = np.zeros((2, panel.n_stocks, 3), np.int32)
    end = np.full_like(start, -1)
    end[0, :, 0] = panel.n_days - 1  # all, always
    start[0, :4, 1], end[0, :4, 1] = 60, 79  # four stocks, from 60 to 79 ...
    start[1, :2, 1], end[1, :2, 1] = 90, 99  # ... two of them again later
    concepts = Concepts(("all", "some", "none"), start, end, snapshot=False)
    dataset = small_dataset(panel=replace(panel, concepts=concepts))
    for day, count in ((59, 0), (60, 4), (79, 4), (80, 0), (90, 2), (99, 2), (100, 0)):
        rows = torch.arange(panel.n_stocks) + day * panel.n_stocks
        batch = dataset.batch(rows)
        assert batch.concepts is not None
        assert batch.concepts.sum(dim=0).tolist() == [panel.n_stocks, count, 0]
        np.testing.assert_array_equal(batch.concepts.numpy(), concepts.at(batch.day.numpy(), batch.stock.numpy()))


def test_a_panel_without_concepts_has_batches_without(plain: Dataset):
    dataset = small_dataset(panel=replace(small_panel(), concepts=None))
    assert dataset.batch(torch.tensor([500])).concepts is None


def test_given_statistics_are_taken_and_not_fitted(plain: Dataset):
    other = Dataset(plain.panel, plain.config, replace(plain.fold, train=DayRange(30, 31)), stats=plain.stats)
    assert other.stats is plain.stats
    fitted = Dataset(plain.panel, plain.config, replace(plain.fold, train=DayRange(30, 31)))
    assert not np.array_equal(fitted.stats.center, plain.stats.center)


def test_the_label_configuration_reaches_the_batches():
    panel = small_panel()
    near = small_dataset()
    config = DataConfig(features="raw", lookback=lookback_of("raw"), label=LabelConfig(lag=1, horizon=5))
    far = Dataset(panel, config, near.fold)
    close = panel.field("close")
    expected = close[50 + 6] / close[50 + 1] - 1
    np.testing.assert_array_equal(far.raw_label[50], np.where(panel.member[50], expected, np.nan))


def test_one_stock_and_one_day_are_enough():
    panel = small_panel()
    one = Panel(panel.days, panel.symbols[6:7], panel.fields, panel.values[:, 6:7], panel.member[:, 6:7])
    day = DayRange(80, 81)
    dataset = Dataset(one, DataConfig(features="raw", lookback=5), Fold(0, day, day, day, 0))
    (batch,) = dataset.test.batches(10, scope="day")
    assert batch.x.shape == (1, 5, 5)
    assert batch.stock.tolist() == [0]


def test_a_dataset_leaves_the_panel_and_its_labels_as_they_are():
    panel = small_panel()
    before = panel.values.copy()
    for features, lookback in (("raw", 5), ("alpha360", 60), ("alpha158", 1)):
        config = DataConfig(features=features, lookback=lookback)
        dataset = Dataset(panel, config, Fold(0, DayRange(62, 70), DayRange(72, 80), DayRange(82, 90), 2))
        np.testing.assert_array_equal(panel.values, before)
        np.testing.assert_array_equal(dataset.train_label, train_label(dataset.raw_label))
