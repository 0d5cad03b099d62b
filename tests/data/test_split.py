"""Segments: fractions, dates, walk-forward folds, and the embargo between them."""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.config import FixedSplit, LabelConfig, Split, WalkForwardSplit
from zoo.data.labels import raw_label
from zoo.data.panel import Panel
from zoo.data.split import DayRange, Fold, make_folds
from zoo.errors import ConfigError

DAYS = np.busday_offset(np.datetime64("2015-01-01"), np.arange(1000), roll="forward")


def bounds(fold: Fold) -> list[tuple[int, int]]:
    return [(r.start, r.stop) for r in (fold.train, fold.valid, fold.test)]


def walk(**given: object) -> WalkForwardSplit:
    return WalkForwardSplit.model_validate({"mode": "walk_forward", **given})


def test_fractions_divide_the_days_that_have_a_full_window():
    (fold,) = make_folds(DAYS, FixedSplit(), reach=2, first_day=100)
    assert bounds(fold) == [(100, 640 - 2), (640, 820 - 2), (820, 1000)]
    assert fold.embargo == 2


def test_fractions_that_leave_days_unused_end_early():
    (fold,) = make_folds(DAYS, FixedSplit(train=0.2, valid=0.1, test=0.1), reach=2)
    assert bounds(fold) == [(0, 198), (200, 298), (300, 400)]


def test_dates_are_inclusive_and_need_not_be_trading_days():
    split = FixedSplit(
        train=("2015-01-01", "2015-12-31"), valid=("2016-01-01", "2016-06-30"), test=("2016-07-02", "2016-09-30")
    )
    (fold,) = make_folds(DAYS, split, reach=2)
    assert fold.dates(DAYS) == {
        "train": ("2015-01-01", "2015-12-29"),
        "valid": ("2016-01-01", "2016-06-29"),
        "test": ("2016-07-04", "2016-09-30"),
    }


def test_days_before_a_full_window_are_not_trained_on():
    split = FixedSplit(
        train=("2015-01-01", "2015-12-31"), valid=("2016-01-01", "2016-06-30"), test=("2016-07-01", "2016-09-30")
    )
    (fold,) = make_folds(DAYS, split, reach=2, first_day=30)
    assert fold.train.start == 30


def test_a_gap_between_segments_already_serves_as_embargo():
    split = FixedSplit(
        train=("2015-01-01", "2015-06-30"), valid=("2016-01-01", "2016-06-30"), test=("2016-07-01", "2016-09-30")
    )
    (fold,) = make_folds(DAYS, split, reach=5)
    assert str(DAYS[fold.train.stop - 1]) == "2015-06-30"


@given(
    reach=st.integers(1, 30),
    extra=st.integers(0, 5),
    first_day=st.integers(0, 80),
    split=st.sampled_from([FixedSplit(), walk(train="1y", valid="3m", test="3m", step="3m"), walk(train="300d")]),
)
@settings(max_examples=60, deadline=None)
def test_no_label_of_a_segment_reads_a_price_of_a_later_one(reach: int, extra: int, first_day: int, split: Split):
    split = split.model_copy(update={"embargo": reach + extra})
    for fold in make_folds(DAYS, split, reach, first_day):
        assert fold.train.stop - 1 + reach < fold.valid.start
        assert fold.valid.stop - 1 + reach < fold.test.start
        assert first_day <= fold.train.start < fold.train.stop
        assert fold.valid.start < fold.valid.stop
        assert fold.test.start < fold.test.stop <= len(DAYS)


def test_the_embargo_is_exactly_what_the_label_needs():
    """The last train label is known on the day before validation begins, and it is the last such label."""
    close = np.random.default_rng(0).uniform(1, 2, (1000, 3, 1)).astype(np.float32)
    config = LabelConfig(lag=1, horizon=4)
    (fold,) = make_folds(DAYS, FixedSplit(), config.reach)

    def labels(values: np.ndarray) -> np.ndarray:
        panel = Panel(DAYS, np.array(["A", "B", "C"]), ("close",), values, np.ones((1000, 3), dtype=bool))
        return raw_label(panel, config)

    changed = close.copy()
    changed[fold.valid.start :] *= np.random.default_rng(1).uniform(1, 2, changed[fold.valid.start :].shape)
    same = (labels(close) == labels(changed)).all(axis=1)
    assert same[: fold.train.stop].all()
    assert not same[fold.train.stop]


def test_an_embargo_shorter_than_the_label_is_refused_unless_forced():
    with pytest.raises(ConfigError, match=r"embargo of 1 days is shorter than the label's reach of 2.*force: true"):
        make_folds(DAYS, FixedSplit(embargo=1), reach=2)
    (fold,) = make_folds(DAYS, FixedSplit(embargo=0, force=True), reach=2)
    assert bounds(fold) == [(0, 600), (600, 800), (800, 1000)]


def test_walk_forward_folds_follow_the_calendar_and_tile_the_test_days():
    folds = make_folds(DAYS, walk(train="1y", valid="6m", test="6m", step="6m"), reach=2)
    assert [f.index for f in folds] == list(range(len(folds)))
    assert folds[0].dates(DAYS) == {
        "train": ("2015-01-01", "2015-12-29"),
        "valid": ("2016-01-01", "2016-06-28"),
        "test": ("2016-07-01", "2016-12-30"),
    }
    assert folds[1].dates(DAYS)["train"] == ("2015-07-01", "2016-06-28")
    for earlier, later in pairwise(folds):
        assert later.test.start == earlier.test.stop
    assert folds[-1].test.stop == len(DAYS), "the last fold takes what is left"


def test_expanding_folds_train_from_the_first_day_on():
    options = {"train": "1y", "valid": "6m", "test": "6m", "step": "6m"}
    rolling = make_folds(DAYS, walk(**options), reach=2, first_day=10)
    expanding = make_folds(DAYS, walk(**options, expanding=True), reach=2, first_day=10)
    assert len(rolling) == len(expanding) > 2
    for a, b in zip(rolling, expanding, strict=True):
        assert b.train == DayRange(10, a.train.stop)
        assert bounds(a)[1:] == bounds(b)[1:]
    assert rolling[-1].train.start > 10


def test_spans_in_days_count_days_of_the_panel():
    folds = make_folds(DAYS, walk(train="400d", valid="100d", test="150d", step="150d"), reach=2)
    assert bounds(folds[0]) == [(0, 398), (400, 498), (500, 650)]
    assert bounds(folds[1]) == [(150, 548), (550, 648), (650, 800)]
    assert bounds(folds[2])[2] == (800, 1000)


def test_a_step_shorter_than_the_test_span_is_refused():
    with pytest.raises(
        ConfigError, match=r"split\.step 50d is shorter than split\.test 100d.* set step to at least 100d"
    ):
        make_folds(DAYS, walk(train="400d", valid="100d", test="100d", step="50d"), reach=2)


def test_a_step_longer_than_the_test_span_leaves_days_between_untested():
    folds = make_folds(DAYS, walk(train="400d", valid="100d", test="100d", step="150d"), reach=2)
    assert [bounds(f)[2] for f in folds] == [(500, 600), (650, 750), (800, 900), (950, 1000)]


@pytest.mark.parametrize(
    "spans",
    [
        {"train": "300d", "valid": "6m", "test": "6m", "step": "6m"},
        {"train": "1y", "valid": "60d", "test": "3m", "step": "3m"},
        {"train": "1y", "valid": "3m", "test": "50d", "step": "50d"},
    ],
)
@pytest.mark.parametrize("first_day", [0, 17, 43])
def test_days_and_months_may_be_mixed_and_the_test_days_still_tile(spans: dict[str, str], first_day: int):
    folds = make_folds(DAYS, walk(**spans), reach=2, first_day=first_day)
    assert len(folds) > 2
    for earlier, later in pairwise(folds):
        assert later.test.start == earlier.test.stop
    assert folds[-1].test.stop == len(DAYS)


def test_a_last_fold_without_a_label_is_left_out():
    """Two days are left for it, and the label of neither is known."""
    folds = make_folds(DAYS[:902], walk(train="400d", valid="100d", test="100d", step="100d"), reach=2)
    assert bounds(folds[-1])[2] == (800, 900)
    assert folds[-1].note == f"the last 2 days, {DAYS[900]} .. {DAYS[901]}, have no label and are not tested"
    assert not any(fold.note for fold in folds[:-1])


@pytest.mark.parametrize(
    ("n_days", "step", "last", "told"),
    [
        (900, "100d", (800, 900), None),
        (
            903,
            "100d",
            (800, 903),
            "the last 3 days, .* fewer than half of a test segment .100 days. and are tested",
        ),
        (949, "100d", (800, 949), "the last 49 days"),
        (950, "100d", (900, 950), None),
        (939, "120d", (860, 939), None),
        (900, "120d", (740, 840), "the last 40 days, .* and are not tested"),
    ],
)
def test_a_remainder_shorter_than_half_a_test_segment_is_no_fold_and_is_told(n_days, step, last, told):
    folds = make_folds(DAYS[:n_days], walk(train="400d", valid="100d", test="100d", step=step), reach=2)
    assert bounds(folds[-1])[2] == last
    assert re.match(told or "$", folds[-1].note)


def test_a_single_fold_may_be_cut_off_anywhere():
    (fold,) = make_folds(DAYS[:503], walk(train="400d", valid="100d", test="100d", step="100d"), reach=2)
    assert bounds(fold)[2] == (500, 503)


@pytest.mark.parametrize(
    ("split", "reason"),
    [
        (walk(train="9y"), r"1000 days .* are too few for train 9y \+ valid 6m \+ test 6m"),
        (FixedSplit(embargo=300), "train|valid"),
        (FixedSplit(train=0.001, valid=0.4, test=0.4), "the train segment of fold 0 is empty after an embargo of 2"),
    ],
)
def test_too_few_days_are_an_error_that_says_which_segment(split: Split, reason: str):
    with pytest.raises(ConfigError, match=reason):
        make_folds(DAYS, split, reach=2)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"train": ("2001-01-01", "2002-01-01")}, r"split\.train 2001-01-01 .. 2002-01-01 holds no day of the data"),
        ({"test": ("2016-06-01", "2016-12-31")}, "must follow each other without overlap"),
        ({"train": ("2017-01-01", "2017-12-31")}, "must follow each other without overlap"),
    ],
)
def test_dates_out_of_order_overlapping_or_outside_the_data_are_refused(parts: dict, reason: str):
    dates = {
        "train": ("2015-01-01", "2015-12-31"),
        "valid": ("2016-01-01", "2016-06-30"),
        "test": ("2016-07-01", "2016-12-31"),
        **parts,
    }
    with pytest.raises(ConfigError, match=reason):
        make_folds(DAYS, FixedSplit(**dates), reach=2)


def test_months_of_different_length_do_not_shift_the_calendar():
    days = np.datetime64("2016-01-31") + np.arange(800)
    folds = make_folds(days, walk(train="1m", valid="1m", test="1m", step="1m"), reach=2)
    tests = [f.test for f in folds]
    assert all(a.stop == b.start for a, b in pairwise(tests))
