from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cli_runs import SMALL, write_prices

from bench.experiment.config import load_config
from bench.experiment.plan import Plan, make_plan
from zoo.errors import ConfigError, DataError, ModelError


def plan_of(patterns: str | None = "gru", **overrides: Any) -> Plan:
    """The plan of the small experiment; `data__lookback=3` overrides `data.lookback`."""
    return make_plan(load_config(SMALL, {k.replace("__", "."): v for k, v in overrides.items()}), patterns)


def keys(plan: Plan) -> dict[tuple[str, int], str]:
    return {(t.model, t.seed): t.key for t in plan.trials}


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of()


def test_the_baseline_joins_the_models_asked_for(plan):
    assert plan.models == ["gru", "linear"]
    assert plan_of(baseline=None).models == ["gru"]
    assert plan_of("linear,gru").models == ["linear", "gru"]


def test_without_names_the_models_of_the_experiment_run():
    assert plan_of(None).models == ["linear", "gru", "tcn"]


def test_all_models_of_a_seed_come_before_the_next_seed(plan):
    assert [(t.model, t.seed) for t in plan.trials] == [("gru", 0), ("linear", 0), ("gru", 1), ("linear", 1)]


def test_every_trial_has_a_key_of_its_own_and_planning_again_finds_the_same(plan):
    assert len(set(keys(plan).values())) == 4
    assert keys(plan_of()) == keys(plan)
    assert plan_of().config_hash == plan.config_hash


@pytest.mark.parametrize("change", [{"name": "other"}, {"note": "words"}, {"protocol": "other"}, {"device": "auto"}])
def test_what_decides_no_number_changes_no_key(plan, change):
    assert plan.device == "cpu"
    if change == {"device": "auto"} and plan_of(**change).device != "cpu":
        pytest.skip("auto is a GPU here")
    assert keys(plan_of(**change)) == keys(plan)


@pytest.mark.parametrize(
    "change",
    [
        {"data__lookback": 6},
        {"data__label": {"horizon": 2}},
        {"data__split": {"train": 0.5, "valid": 0.2, "test": 0.3}},
        {"data__source": "planted:local?stocks=20&days=200&seed=1"},
        {"train__lr": 0.5},
        {"train__loss": "mae"},
    ],
)
def test_what_decides_numbers_changes_every_key(plan, change):
    changed = plan_of(**change)
    assert not set(keys(changed).values()) & set(keys(plan).values())
    assert changed.config_hash != plan.config_hash


def test_the_settings_of_one_model_change_its_keys_only(plan):
    for change in ({"models__gru__params": {"hidden_size": 5}}, {"models__gru__train": {"lr": 0.5}}):
        changed = keys(plan_of(**change))
        assert changed["linear", 0] == keys(plan)["linear", 0]
        assert changed["gru", 0] != keys(plan)["gru", 0]


def test_the_same_data_elsewhere_gives_the_same_keys(tmp_path):
    first = write_prices(tmp_path / "prices.csv")
    (tmp_path / "copy").mkdir()
    second = shutil.copy(first, tmp_path / "copy" / "prices.csv")
    assert keys(plan_of(data__source=str(first))) == keys(plan_of(data__source=str(second)))


def test_one_changed_price_changes_every_key(tmp_path):
    first = write_prices(tmp_path / "prices.csv")
    lines = first.read_text().splitlines()
    cells = lines[50].split(",")
    cells[2] = str(float(cells[2]) * 1.01)
    second = tmp_path / "changed.csv"
    second.write_text("\n".join([*lines[:50], ",".join(cells), *lines[51:]]) + "\n")
    assert not set(keys(plan_of(data__source=str(first))).values()) & set(
        keys(plan_of(data__source=str(second))).values()
    )


def test_training_overrides_are_kept_apart_from_the_shared_settings():
    trial = next(t for t in plan_of("tcn").trials if t.model == "tcn")
    assert trial.overrides == {"lr": 1e-3}
    assert (trial.train.lr, trial.train.batch_size) == (1e-3, 1000)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"models__alstmm": {}}, ConfigError, "no model 'alstmm' (did you mean 'alstm'?)"),
        ({"baseline": "linaer"}, ModelError, "no model 'linaer' (did you mean 'linear'?)"),
        (
            {"models__gru__params": {"hiden_size": 4}},
            ModelError,
            "models.gru.params: model 'gru' has no parameter 'hiden_size' (did you mean 'hidden_size'?)",
        ),
        ({"models__gru__params": {"hidden_size": "big"}}, ModelError, "parameter 'hidden_size'"),
        ({"models__gru__train": {"lrr": 1}}, ConfigError, "models.gru.train: unknown key 'lrr' (did you mean 'lr'?)"),
        ({"models__gru__train": {"lr": -1}}, ConfigError, "models.gru.train.lr: input should be greater than 0"),
        ({"data__features": "alpha36"}, ConfigError, "alpha360"),
        ({"data__lookback": 500}, ConfigError, "200 days, but one row reads"),
        ({"data__split": {"embargo": 1}}, ConfigError, "embargo of 1 days is shorter than the label's reach of 2"),
        ({"data__source": "planted:locl"}, ConfigError, "did you mean 'local'"),
        ({"data__source": "nowhere.csv"}, DataError, "nowhere.csv"),
    ],
)
def test_what_would_keep_a_trial_from_starting_is_found_before_any_work(change, error, message):
    with pytest.raises(error) as found:
        plan_of(**change)
    assert message in str(found.value)


def test_a_label_of_prices_that_the_data_lack_is_found_before_any_work(tmp_path):
    prices = write_prices(tmp_path / "p.csv")
    pd.read_csv(prices)[["date", "symbol", "close", "volume"]].to_csv(tmp_path / "closes.csv", index=False)
    with pytest.raises(ConfigError, match=r"data\.label\.price: .* open prices, but closes.csv has only close, volume"):
        plan_of("linear", data__source=str(tmp_path / "closes.csv"), data__label__price="open")


def test_a_test_segment_without_any_label_is_refused_before_any_work(tmp_path):
    prices = write_prices(tmp_path / "prices.csv", n_days=120)
    days = sorted(set(pd.read_csv(prices)["date"]))
    spans = {"train": [days[30], days[80]], "valid": [days[85], days[100]], "test": [days[118], days[119]]}
    with pytest.raises(
        ConfigError, match=f"no member has a label on any test day of fold 0, {days[118]} .. {days[119]}"
    ):
        plan_of("linear", data__source=str(prices), data__split=spans)


def test_walk_forward_gives_a_trial_for_every_fold():
    split = {"mode": "walk_forward", "train": "80d", "valid": "20d", "test": "20d", "step": "40d"}
    plan = plan_of("linear", data__split=split)
    assert len(plan.folds) > 1
    assert [t.fold for t in plan.trials] == [f.index for f in plan.folds for _ in range(2)]
    assert len({t.key for t in plan.trials}) == 2 * len(plan.folds)


def test_days_left_at_the_end_are_told_with_the_last_fold():
    split = {"mode": "walk_forward", "train": "80d", "valid": "20d", "test": "35d", "step": "35d"}
    plan = plan_of("linear", data__split=split)
    *others, last = plan.describe([])["folds"]
    assert last["note"] == plan.folds[-1].note != ""
    assert all("note" not in fold for fold in others)


def test_the_description_holds_what_a_report_prints(plan):
    run = plan.describe(["run", "--data", "a b.csv"])
    assert run["command"] == "python -m bench run --data 'a b.csv'"
    assert run["data"]["stocks_per_day"] == [20, 20, 20]
    assert run["data"]["label"] == "close(t+2)/close(t+1) - 1"
    assert run["folds"][0]["embargo"] == 2
    assert [t["key"] for t in run["trials"]] == [t.key for t in plan.trials]
    assert Path(run["data"]["source"]).name == "planted:local?stocks=20&days=200"
