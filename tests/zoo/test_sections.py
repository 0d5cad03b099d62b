"""Configuration sections: what they accept, what they refuse, and that they do not change."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from zoo.config import DataConfig, FixedSplit, LabelConfig, TrainConfig, WalkForwardSplit


@pytest.mark.parametrize("section", [LabelConfig, FixedSplit, DataConfig, TrainConfig])
def test_defaults_are_valid_and_survive_json(section: type[Any]):
    config = section()
    assert section.model_validate(config.model_dump(mode="json")) == config
    assert section.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize("section", [LabelConfig, FixedSplit, DataConfig, TrainConfig])
def test_an_unknown_key_is_an_error_naming_it(section: type[Any]):
    with pytest.raises(ValidationError, match="learning_rates"):
        section(learning_rates=1)


def test_sections_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        TrainConfig().lr = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    "wrong",
    [
        {"lr": 0},
        {"lr": -1e-3},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"batch_size": 0},
        {"max_epochs": 0},
        {"patience": 0},
        {"max_steps_per_epoch": 0},
        {"weight_decay": -1},
        {"grad_clip": 0},
        {"loss": "huber"},
        {"max_epochs": 1.5},
        {"lr": "fast"},
    ],
    ids=str,
)
def test_a_training_value_out_of_range_is_refused(wrong: dict[str, Any]):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        TrainConfig(**wrong)


@pytest.mark.parametrize(
    ("lag", "horizon", "price", "reach", "definition"),
    [
        (1, 1, "close", 2, "close(t+2)/close(t+1) - 1"),
        (0, 5, "close", 5, "close(t+5)/close(t) - 1"),
        (1, 10, "open", 11, "open(t+11)/open(t+1) - 1"),
    ],
)
def test_a_label_knows_its_reach_and_says_what_it_is(lag: int, horizon: int, price: Any, reach: int, definition: str):
    label = LabelConfig(lag=lag, horizon=horizon, price=price)
    assert (label.reach, label.definition) == (reach, definition)


def test_the_split_is_told_by_its_mode():
    assert isinstance(DataConfig.model_validate({"split": {"train": 0.5}}).split, FixedSplit)
    walk = DataConfig.model_validate({"split": {"mode": "walk_forward", "train": "2y"}}).split
    assert isinstance(walk, WalkForwardSplit)
    assert walk.train == "2y"
    with pytest.raises(ValidationError, match="split"):
        DataConfig.model_validate({"split": {"mode": "walkforward"}})
    with pytest.raises(ValidationError, match="step"):
        DataConfig.model_validate({"split": {"mode": "fixed", "step": "1y"}})


def test_dates_may_be_texts_or_dates_as_yaml_reads_them():
    import yaml

    text = "train: [2015-01-01, '2016-12-31']\nvalid: ['2017-01-01', 2017-06-30]\ntest: ['2017-07-01', '2017-12-31']\n"
    split = FixedSplit.model_validate(yaml.safe_load(text))
    assert split.train == ("2015-01-01", "2016-12-31")
    assert split.valid == ("2017-01-01", "2017-06-30")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"train": ("2015-01-01", "2016-01-01")}, "all fractions or all date pairs"),
        ({"train": 0.9, "valid": 0.2, "test": 0.2}, "sum to at most 1"),
        ({"train": 0.0}, "must be positive"),
        ({"train": -0.5}, "must be positive"),
        ({"embargo": -1}, "embargo"),
        ({"embargo": "some"}, "embargo"),
        ({"train": ("2015-1-1", "2016"), "valid": ("a", "b"), "test": ("c", "d")}, "YYYY-MM-DD"),
        ({"train": ("2015-01-01", "2015-02-31")}, "YYYY-MM-DD"),
        ({"train": ("2015-01-01",)}, "fraction such as 0.6, or two dates"),
        ({"train": True}, "fraction such as 0.6, or two dates"),
    ],
)
def test_a_split_that_makes_no_sense_is_refused(given: dict[str, Any], reason: str):
    with pytest.raises(ValidationError, match=reason):
        FixedSplit(**given)


def test_fractions_may_leave_days_unused():
    assert FixedSplit(train=0.3, valid=0.1, test=0.1).test == 0.1


@pytest.mark.parametrize("span", ["0d", "3", "y", "-1m", "1.5y", "3 y", "3w", 250])
def test_a_span_is_a_positive_count_of_days_months_or_years(span: Any):
    with pytest.raises(ValidationError, match=r"train\n.*such as 250d, 6m or 3y"):
        WalkForwardSplit(mode="walk_forward", train=span)
    assert WalkForwardSplit(mode="walk_forward", train="250d", valid="12m", test="1y").step == "6m"
