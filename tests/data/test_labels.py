"""Labels: forward returns by hand, against the golden file, and their reach."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zoo.config import LabelConfig
from zoo.data.labels import raw_label, train_label
from zoo.data.panel import Panel
from zoo.data.sources.planted import planted_panel
from zoo.data.sources.qlib import qlib_panel
from zoo.errors import DataError

GOLDEN = Path(__file__).parents[1] / "golden"


def panel_of(close: list[list[float]], member: np.ndarray | None = None, **others: list[list[float]]) -> Panel:
    fields = {"close": close, **others}
    values = np.stack([np.array(v, dtype=np.float32) for v in fields.values()], axis=2)
    days = np.datetime64("2020-01-01") + np.arange(len(close))
    symbols = np.array([f"S{i}" for i in range(values.shape[1])])
    if member is None:
        member = np.ones(values.shape[:2], dtype=bool)
    return Panel(days, symbols, tuple(fields), values, member)


def test_the_golden_labels_are_met_bit_for_bit():
    with np.load(GOLDEN / "features.npz") as golden:
        raw, ranked = golden["label_raw"], golden["label_csranknorm"]
    panel = qlib_panel(GOLDEN / "qlib_dir")
    ours = raw_label(panel, LabelConfig())
    np.testing.assert_allclose(ours, np.where(panel.member, raw, np.nan), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(train_label(ours), ranked)


def test_the_golden_rank_label_is_met():
    with np.load(GOLDEN / "metrics_processors.npz") as golden:
        np.testing.assert_allclose(
            train_label(golden["label"].astype(np.float64)), golden["label_rank"], rtol=0, atol=1e-6
        )


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (LabelConfig(), [4 / 2 - 1, 8 / 4 - 1, np.nan, np.nan]),
        (LabelConfig(lag=0, horizon=1), [2 / 1 - 1, 4 / 2 - 1, 8 / 4 - 1, np.nan]),
        (LabelConfig(lag=1, horizon=2), [8 / 2 - 1, np.nan, np.nan, np.nan]),
        (LabelConfig(lag=0, horizon=4), [np.nan] * 4),
        (LabelConfig(lag=0, horizon=9), [np.nan] * 4),
        (LabelConfig(price="open"), [16 / 4 - 1, 64 / 16 - 1, np.nan, np.nan]),
    ],
)
def test_the_label_is_the_return_between_entry_and_exit(config: LabelConfig, expected: list[float]):
    panel = panel_of([[1], [2], [4], [8]], open=[[1], [4], [16], [64]])
    np.testing.assert_allclose(raw_label(panel, config)[:, 0], expected)


def test_a_missing_price_at_either_end_leaves_no_label_and_a_suspended_day_itself_keeps_it():
    nan = np.nan
    panel = panel_of([[nan, 1, 1], [2, nan, 2], [4, 4, nan], [8, 8, 8]])
    label = raw_label(panel, LabelConfig())
    np.testing.assert_array_equal(label[0], [1.0, nan, nan])
    np.testing.assert_array_equal(label[1], [1.0, 1.0, nan])


def test_only_members_of_the_day_have_a_label():
    member = np.array([[True, False], [False, True], [True, True], [True, True]])
    label = raw_label(panel_of([[1, 1], [2, 2], [4, 4], [8, 8]], member), LabelConfig())
    np.testing.assert_array_equal(np.isfinite(label), [[True, False], [False, True], [False, False], [False, False]])


def test_a_price_of_zero_gives_no_infinite_label():
    with np.errstate(divide="ignore", invalid="ignore"):
        label = raw_label(panel_of([[1], [0], [3], [0], [0]]), LabelConfig())
    assert not np.isinf(label).any()


def test_a_label_reads_exactly_as_far_as_its_reach_says():
    panel = planted_panel("planted:local?stocks=6&days=40")
    config = LabelConfig(lag=2, horizon=3)
    before = raw_label(panel, config)
    for distance, moves in ((config.reach, True), (config.reach + 1, False)):
        values = panel.values.copy()
        values[20 + distance :] *= 1.5
        after = raw_label(replace(panel, values=values), config)
        assert (after[20] != before[20]).all() == moves


def test_the_train_label_is_a_percentile_rank_of_unit_variance():
    raw = np.random.default_rng(0).standard_t(2, size=(3, 2000))
    raw[1, 500:] = np.nan
    ranked = train_label(raw)
    np.testing.assert_allclose(np.nanstd(ranked, axis=1), 1, atol=2e-3)
    assert np.isnan(ranked[1, 500:]).all()
    assert ranked[0].argmax() == raw[0].argmax()
    assert ranked[0].max() == pytest.approx(0.5 * 3.46)


def test_equal_returns_share_a_rank():
    ranked = train_label(np.array([[0.1, 0.3, 0.1, 0.2]]))
    np.testing.assert_allclose(ranked[0], (np.array([1.5, 4, 1.5, 3]) / 4 - 0.5) * 3.46)


def test_a_day_with_one_label_and_a_day_without_any_are_harmless():
    ranked = train_label(np.array([[np.nan, 0.2], [np.nan, np.nan]]))
    np.testing.assert_array_equal(ranked, [[np.nan, 1.73], [np.nan, np.nan]])


def test_a_label_of_a_price_the_panel_lacks_is_refused():
    with pytest.raises(DataError, match="label needs 'open' prices, the panel has none"):
        raw_label(panel_of([[1], [2], [3]]), LabelConfig(price="open"))
