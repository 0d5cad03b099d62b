"""Robust z-score: golden values, fitted on train rows alone, columns that have no spread."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.zoo.small import FEATURES, changed_after, small_dataset, small_panel
from zoo.data.normalize import CLIP, RobustStats, fit_robust

GOLDEN = Path(__file__).parents[1] / "golden"


def fit(*columns: list[float]) -> RobustStats:
    return fit_robust((np.array(c, dtype=np.float32) for c in columns), (len(columns),))


def normalised(stats: RobustStats, values: np.ndarray) -> np.ndarray:
    return stats.to("cpu").apply(torch.from_numpy(values.copy())).numpy()


def test_the_golden_processor_is_met():
    """The first 8 of 12 days of 20 stocks are fitted on."""
    with np.load(GOLDEN / "metrics_processors.npz") as golden:
        features, expected, median, mad = (golden[key] for key in ("feat", "feat_norm", "med", "mad"))
    fitted = features[: 8 * 20]
    stats = fit_robust((fitted[:, i].copy() for i in range(3)), (3,))
    np.testing.assert_allclose(stats.center, median, rtol=0, atol=1e-6)
    np.testing.assert_allclose(stats.scale, mad, rtol=1e-6)
    np.testing.assert_allclose(normalised(stats, features), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 100, 101, 4096])
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_center_and_scale_are_median_and_mad_of_what_is_present(n: int, missing: float):
    rng = np.random.default_rng(n)
    column = rng.standard_t(2, n).astype(np.float32).round(2)
    column[rng.random(n) < missing] = np.nan
    column[0] = 0.25
    stats = fit(column.tolist())
    median = np.nanmedian(column)
    assert stats.center[0] == median
    mad = np.nanmedian(np.abs(column - median))
    assert stats.scale[0] == mad * np.float32(1.4826) + np.float32(1e-12)


def test_a_column_without_values_becomes_zero_also_where_later_days_have_some():
    nan, inf = np.nan, np.inf
    stats = fit([nan, nan], [1, 2])
    later = np.array([[nan, nan], [0.3, nan], [-7, nan], [inf, nan]], np.float32)
    np.testing.assert_array_equal(normalised(stats, later), np.zeros((4, 2)))


def test_a_constant_column_becomes_zero_and_another_value_of_it_the_limit():
    stats = fit([7.0] * 5)
    found = normalised(stats, np.array([[7.0], [7.1], [-9.0]], np.float32))
    np.testing.assert_array_equal(found[:, 0], [0, CLIP, -CLIP])


def test_values_are_clipped_and_missing_ones_become_the_median():
    stats = fit([-1, 0, 1, 2, 3])
    found = normalised(stats, np.array([[1e9], [-np.inf], [np.nan], [1.0], [np.inf]], np.float32))
    np.testing.assert_allclose(found[:, 0], [3, -3, 0, 0, 3])
    assert found.dtype == np.float32


def test_one_outlier_moves_nothing():
    calm, wild = fit([1, 2, 3, 4, 5]), fit([1, 2, 3, 4, 5e9])
    np.testing.assert_array_equal(calm.center, wild.center)
    np.testing.assert_array_equal(calm.scale, wild.scale)


def test_statistics_have_the_shape_asked_for():
    columns = (np.arange(5, dtype=np.float32) + i for i in range(6))
    stats = fit_robust(columns, (2, 3))
    np.testing.assert_array_equal(stats.center, [[2, 3, 4], [5, 6, 7]])


@pytest.mark.parametrize("features", FEATURES)
def test_statistics_read_no_valid_or_test_day(features: str):
    dataset = small_dataset(features)
    last = dataset.fold.train.stop - 1
    other = small_dataset(features, panel=changed_after(dataset.panel, last))
    np.testing.assert_array_equal(dataset.stats.center, other.stats.center)
    np.testing.assert_array_equal(dataset.stats.scale, other.stats.scale)
    earlier = small_dataset(features, panel=changed_after(dataset.panel, last - 5))
    assert not np.array_equal(dataset.stats.center, earlier.stats.center), "the last train days do count"


@pytest.mark.parametrize("features", FEATURES)
def test_statistics_read_members_only_and_their_suspended_days_too(features: str):
    panel = small_panel()
    member = panel.member.copy()
    member[:, 8:] = False
    inside = small_dataset(features, panel=replace(panel, member=member))
    values = panel.values.copy()
    values[:, 8:] *= np.random.default_rng(0).uniform(0.2, 4, values[:, 8:].shape).astype(np.float32)
    outside = small_dataset(features, panel=replace(panel, member=member, values=values))
    np.testing.assert_array_equal(inside.stats.center, outside.stats.center)
    np.testing.assert_array_equal(inside.stats.scale, outside.stats.scale)


@pytest.mark.parametrize("features", FEATURES)
def test_train_rows_are_centred_and_of_unit_spread(features: str):
    dataset = small_dataset(features)
    x = torch.cat([b.x for b in dataset.train.batches(100)]).flatten(0, 1 if dataset.stats.center.ndim == 1 else 0)
    assert x.abs().max() <= CLIP
    assert x.isfinite().all()
    share_below = (x < 0).float().mean(dim=0)
    varied = x.std(dim=0) > 0
    assert varied.float().mean() > 0.7
    assert (share_below[varied].median() - 0.5).abs() < 0.06
