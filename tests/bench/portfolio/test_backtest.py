from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_runs import SMALL, key_of_trial, run_cli, write_prices
from simulated import simulated

from bench.experiment.config import PortfolioConfig, load_config
from bench.experiment.evidence import Evidence, read_evidence, read_scores, refresh, write_evidence
from bench.experiment.plan import Plan, make_plan
from bench.portfolio.backtest import (
    STORED_AS,
    backtest,
    backtest_settings,
    check_benchmark,
    measure_backtests,
)
from bench.portfolio.benchmark import benchmark_return, universe_return
from bench.portfolio.frames import (
    PortfolioRow,
    portfolio_daily,
    portfolio_frame,
    portfolio_settings,
)
from bench.portfolio.orders import Costs
from bench.portfolio.risk import performance, published_periods, risk
from bench.records.documents import write_json
from bench.records.store import RunStore, digest
from bench.report.tables.portfolio import cost_table, portfolio_setup_table, portfolio_table
from bench.stats.bootstrap import bootstrap_means, interval, stationary_days
from zoo.data.panel import FIELDS, Panel
from zoo.data.sources import load_panel
from zoo.data.split import DayRange
from zoo.data.writers import write_panel
from zoo.errors import ConfigError, DataError, ZooError


def plan_of(models: str = "gru,linear", **changes: Any) -> Plan:
    """The plan of the run `small`, with changes like `portfolio__topk`."""
    return make_plan(load_config(SMALL, {key.replace("__", "."): value for key, value in changes.items()}), models)


@pytest.fixture(scope="module")
def plan() -> Plan:
    return plan_of("gru,tcn")


def market(n_days: int = 60, n_stocks: int = 12, seed: int = 0) -> Panel:
    """A panel with suspended days, late listings and members that come and go."""
    rng = np.random.default_rng(seed)
    close = 10 * np.exp(np.cumsum(rng.normal(0, 0.04, (n_days, n_stocks)), axis=0))
    close[rng.random(close.shape) < 0.1] = np.nan
    close[:20, 3] = np.nan
    values = np.repeat(close[:, :, None], len(FIELDS), axis=2)
    values[:, :, 5] = rng.uniform(1e5, 2e5, close.shape)
    days = np.arange(n_days) + np.datetime64("2020-01-01")
    member = rng.random(close.shape) < 0.9
    return Panel(days, np.array([f"S{i:02d}" for i in range(n_stocks)]), FIELDS, values, member)


def test_a_run_stores_the_portfolio_of_every_trial_and_the_reader_shows_it(finished):
    store = RunStore.open(finished, "small")
    frame = portfolio_frame(store, store.run())
    assert frame.dtypes.astype(str).to_dict() == PortfolioRow.dtypes()
    assert sorted(frame["model"]) == ["gru", "linear", "tcn"]
    assert (frame["status"] == "ok").all()
    assert frame["ranked"].all()
    # 20 names: a fifth of them is held, and at least one replaced.
    assert set(zip(frame["topk"], frame["n_drop"], strict=True)) == {(4, 1)}
    assert frame["annual_excess"].is_monotonic_decreasing
    assert np.isfinite(frame.drop(columns=["model", "status"]).to_numpy(dtype=float)).all()
    assert (frame["annual_excess_low"] < frame["annual_excess"]).all()
    assert (frame["annual_excess"] < frame["annual_excess_high"]).all()


def test_the_figures_follow_from_the_stored_scores(finished, plan):
    store = RunStore.open(finished, "small")
    key, test = key_of_trial(finished, "gru"), plan.folds[0].test
    panel = plan.panel
    score = np.full(panel.member.shape, np.nan)
    score[test.start : test.stop] = read_scores(store, key, panel, test)
    close = panel.field("close")[: test.stop]
    bench = universe_return(panel.field("close"), panel.member)[: test.stop]
    whole = simulated(
        score[: test.stop],
        close,
        names=panel.symbols,
        bench=bench,
        start=test.start,
        topk=4,
        n_drop=1,
        limit=None,
        lot=None,
    )
    evidence = read_evidence(store, STORED_AS)
    stored = evidence.daily[evidence.daily["key"] == key]
    for name in ("return", "bench", "cost", "turnover", "excess"):
        np.testing.assert_allclose(stored[name], whole.column(name), rtol=1e-12, atol=1e-15)
    assert stored["excess"].iloc[0] == -stored["bench"].iloc[0]
    entry = evidence.trials[key]
    alone = store.run() | {"trials": [{"key": key, "model": "gru", "fold": 0, "seed": 0}]}
    row = portfolio_frame(store, alone).set_index("model").loc["gru"]
    assert row["annual_excess"] == pytest.approx(risk(whole.column("excess")).annualised, rel=1e-9)
    assert row["compounded_annual_return"] == pytest.approx(performance(whole.net).annual_return, rel=1e-9)
    assert entry["days"] == len(test) == len(stored)


def test_limits_and_lots_know_what_came_before_the_first_day():
    panel, days = market(), DayRange(30, 60)
    factor = np.full((60, 12, 1), 2.0, np.float32)
    panel = Panel(
        panel.days,
        panel.symbols,
        (*FIELDS, "factor"),
        np.concatenate([panel.values, factor], axis=2),
        panel.member,
    )
    score = np.random.default_rng(1).normal(size=(60, 12))
    score[:30] = np.nan
    bench = universe_return(panel.field("close"), panel.member)
    config = PortfolioConfig(limit=0.05, lot=100, initial=1e5)
    _, daily = backtest(score[30:], panel, days, bench, config, 3, 1)
    whole = simulated(
        score,
        panel.field("close"),
        names=panel.symbols,
        factor=panel.field("factor"),
        bench=bench,
        start=30,
        initial=1e5,
        topk=3,
        n_drop=1,
        limit=0.05,
        lot=100,
    )
    free = backtest(score[30:], panel, days, bench, PortfolioConfig(initial=1e5), 3, 1)[1]
    for name in ("return", "cost", "turnover", "excess"):
        np.testing.assert_allclose(daily[name], whole.column(name), rtol=1e-9, atol=1e-15)
    assert not np.allclose(daily["return"], free["return"])


def test_costs_capacity_and_the_rates_of_the_sensitivity_are_those_asked_for():
    panel, days = market(), DayRange(30, 60)
    score = np.random.default_rng(1).normal(size=(30, 12))
    bench = universe_return(panel.field("close"), panel.member)
    config = PortfolioConfig(cost_open=0.002, cost_close=0.002, cost_minimum=0)
    figures, daily = backtest(score, panel, days, bench, config, 3, 1)
    np.testing.assert_allclose(daily["cost"], 0.002 * daily["turnover"], atol=1e-15)
    assert [case["rate"] for case in figures["sensitivity"]] == [0, 5e-4, 15e-4, 30e-4]
    free, dear = (figures["sensitivity"][k]["excess"]["annualised"] for k in (0, 3))
    year = published_periods(panel.periods_per_year)  # all days of the week
    assert free > risk(daily["excess"].to_numpy(), periods=year).annualised > dear
    assert 0 < figures["capacity"] < 1e8
    without = Panel(panel.days, panel.symbols, ("close",), panel.values[:, :, 3:4], panel.member)
    assert np.isnan(backtest(score, without, days, bench, config, 3, 1)[0]["capacity"])


@pytest.mark.parametrize(
    ("names", "changes", "topk", "n_drop"),
    [
        (4, {}, 1, 1),
        (20, {}, 4, 1),
        (100, {}, 20, 2),
        (249, {}, 49, 4),
        (250, {}, 50, 5),
        (3000, {}, 50, 5),
        (100, {"topk": 30}, 30, 3),
        (100, {"topk": 50, "n_drop": 5}, 50, 5),
    ],
)
def test_small_universes_hold_a_fifth_unless_told_otherwise(names, changes, topk, n_drop):
    member = np.zeros((10, 3000), dtype=bool)
    member[5:, :names] = True
    member[5, :names] = False
    fake: Any = SimpleNamespace(
        config=SimpleNamespace(portfolio=PortfolioConfig(**changes), data=SimpleNamespace(source="planted:mixed")),
        panel=SimpleNamespace(member=member, periods_per_year=252.0),
        folds=[SimpleNamespace(test=DayRange(5, 10))],
    )
    settings = backtest_settings(fake)
    assert (settings["topk"], settings["n_drop"], settings["median_names"]) == (topk, n_drop, names)


def test_portfolio_settings_change_no_trial_key(plan):
    changed = plan_of("gru,tcn", portfolio__topk=3, portfolio__limit=True)
    assert [t.key for t in changed.trials] == [t.key for t in plan.trials]
    assert changed.config_hash != plan.config_hash


def test_true_switches_limits_and_lots_on():
    config = PortfolioConfig.model_validate({"limit": True, "lot": True})
    assert (config.limit, config.lot) == (0.095, 100)
    config = PortfolioConfig.model_validate({"limit": False, "lot": 10})
    assert (config.limit, config.lot) == (None, 10)


@pytest.mark.parametrize("wrong", [{"topk": 0}, {"n_drop": 0}, {"limit": -0.1}, {"lot": 0}, {"risk_degree": 1.5}])
def test_a_portfolio_out_of_range_is_refused_by_name(wrong):
    (key, value), *_ = wrong.items()
    with pytest.raises(ConfigError, match=f"portfolio.{key}"):
        load_config(None, {f"portfolio.{key}": value})


def state(store: RunStore) -> dict[str, tuple[int, bytes]]:
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in store.folder.glob("portfolio.*")}


def test_measuring_again_does_nothing(own_copy, plan):
    store = RunStore.open(own_copy, "small")
    before = state(store)
    measure_backtests(plan, store, [t["key"] for t in store.run()["trials"]])
    assert state(store) == before


def test_other_settings_and_other_scores_are_measured_anew(own_copy, plan):
    store = RunStore.open(own_copy, "small")
    keys = [t["key"] for t in store.run()["trials"]]
    before = read_evidence(store, STORED_AS)
    measure_backtests(plan_of("gru,tcn", portfolio__topk=2), store, keys)
    after = read_evidence(store, STORED_AS)
    assert portfolio_settings(store)["topk"] == 2
    assert all(after.trials[key]["sensitivity"] != before.trials[key]["sensitivity"] for key in keys)
    folder = store.trial_folder(keys[0])
    scores = pd.read_parquet(folder / "scores.parquet")
    scores.assign(score=-scores["score"]).to_parquet(folder / "scores.parquet", index=False)
    record = json.loads((folder / "record.json").read_text())
    record["files"]["scores.parquet"] = digest(folder / "scores.parquet")
    write_json((folder / "record.json"), record)
    measure_backtests(plan_of("gru,tcn", portfolio__topk=2), store, keys)
    turned = read_evidence(store, STORED_AS)
    changed = [key for key in keys if turned.trials[key] != after.trials[key]]
    assert changed == [keys[0]]
    assert len(turned.daily) == len(before.daily)


def test_trials_without_scores_keep_their_figures_and_trials_of_another_plan_go(own_copy):
    store = RunStore.open(own_copy, "small")
    keys = [t["key"] for t in store.run()["trials"]]
    before = read_evidence(store, STORED_AS)
    for key in keys:
        (store.trial_folder(key) / "scores.parquet").unlink()
    unchanged = state(store)
    measure_backtests(plan_of("gru,tcn", portfolio__topk=2), store, keys)
    assert state(store) == unchanged
    measure_backtests(plan_of("gru"), store, keys)
    after = read_evidence(store, STORED_AS)
    assert {entry["model"] for entry in after.trials.values()} == {"gru", "linear"}
    assert all(after.trials[key] == before.trials[key] for key in after.trials)
    assert set(after.daily["key"]) == set(after.trials)


def test_figures_of_other_settings_are_not_mixed_with_the_current_ones(own_copy):
    store = RunStore.open(own_copy, "small")
    key = key_of_trial(own_copy, "gru", seed=1)
    (store.trial_folder(key) / "scores.parquet").unlink()
    measure_backtests(plan_of("gru,tcn", portfolio__topk=2), store, [t["key"] for t in store.run()["trials"]])
    frame = portfolio_frame(store, store.run()).set_index("model")
    assert frame.loc["gru", ["status", "n_trials"]].tolist() == ["incomplete", 1]
    assert frame.loc["tcn", ["status", "n_trials", "topk"]].tolist() == ["ok", 2, 2]
    assert read_evidence(store, STORED_AS).trials[key]["settings"]["topk"] == 4


@pytest.mark.parametrize("damage", ["portfolio.json", "portfolio.parquet"])
def test_a_damaged_file_is_no_evidence_and_is_measured_again(own_copy, plan, damage):
    store = RunStore.open(own_copy, "small")
    before = read_evidence(store, STORED_AS)
    path = store.folder / damage
    path.write_bytes(path.read_bytes()[:-9])
    frame = portfolio_frame(store, store.run())
    assert (frame["status"] == "missing").all()
    assert frame["annual_excess"].isna().all()
    assert portfolio_daily(store, store.run()).empty
    measure_backtests(plan, store, [t["key"] for t in store.run()["trials"]])
    assert read_evidence(store, STORED_AS).trials == before.trials


def test_a_trial_that_cannot_be_simulated_is_stored_with_the_reason_and_the_others_go_on(own_copy, plan):
    store = RunStore.open(own_copy, "small")
    keys = [t["key"] for t in store.run()["trials"]]

    def prepare():
        def measure(trial, scores):
            if trial.key == keys[0]:
                raise ZooError("the account is lost")
            days = plan.panel.days[-len(scores) :].astype("datetime64[ns]")
            return {"figure": float("nan")}, pd.DataFrame({"datetime": days, "x": 1.0})

        return measure

    refresh(plan, store, keys, "portfolio", {"a": float("inf")}, prepare)
    text = (store.folder / "portfolio.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    found = read_evidence(store, "portfolio")
    assert found.trials[keys[0]]["error"] == "the account is lost"
    assert list(found.current(store.run())) == keys[1:]
    assert set(found.daily["key"]) == set(keys[1:])


def test_stored_scores_of_another_market_are_refused(own_copy, plan):
    store = RunStore.open(own_copy, "small")
    key, test = key_of_trial(own_copy, "gru"), plan.folds[0].test
    with pytest.raises(DataError, match="no stock and day"):
        read_scores(store, key, plan.panel, DayRange(test.start, test.stop - 1))
    path = store.trial_folder(key) / "scores.parquet"
    frame = pd.read_parquet(path)
    frame.loc[7, "instrument"] = "NOPE"
    frame.to_parquet(path, index=False)
    with pytest.raises(DataError, match="row 8 scores NOPE"):
        read_scores(store, key, plan.panel, test)


# The benchmark


@pytest.fixture
def index_file(tmp_path: Path, plan: Plan):
    """Writes an index that gains 1 % a day over the panel's days, changed by `edit(frame)`."""

    def write(edit: Any = lambda frame: frame, name: str = "index.csv") -> Path:
        days = plan.panel.days.astype(str)
        close = 100 * 1.01 ** np.arange(len(days))
        frame = edit(pd.DataFrame({"date": days, "close": close, "other": 2.0}))
        frame.to_csv(tmp_path / name, index=False)
        return tmp_path / name

    return write


def test_the_excess_is_taken_to_a_given_index(own_copy, index_file):
    store = RunStore.open(own_copy, "small")
    keys = [t["key"] for t in store.run()["trials"]]
    before = read_evidence(store, STORED_AS).daily
    measure_backtests(plan_of("gru,tcn", portfolio__benchmark=str(index_file())), store, keys)
    daily = read_evidence(store, STORED_AS).daily
    np.testing.assert_allclose(daily["bench"], 0.01)
    np.testing.assert_array_equal(daily["return"], before["return"])
    np.testing.assert_allclose(daily["excess"], daily["return"] - 0.01 - daily["cost"], atol=1e-15)
    assert portfolio_settings(store)["benchmark"] == "index.csv"
    # Another column of the file is another benchmark, and so is another content.
    flat = f"{index_file()}#other"
    measure_backtests(plan_of("gru,tcn", portfolio__benchmark=flat), store, keys)
    assert (read_evidence(store, STORED_AS).daily["bench"] == 0).all()
    index_file(lambda frame: frame.assign(other=frame["close"]))
    measure_backtests(plan_of("gru,tcn", portfolio__benchmark=flat), store, keys)
    np.testing.assert_allclose(read_evidence(store, STORED_AS).daily["bench"], 0.01)


def test_an_index_need_only_cover_the_test_days(index_file, plan):
    start, n_days = plan.folds[0].test.start, len(plan.folds[0].test)
    path = index_file(lambda frame: frame.iloc[start - 1 :])
    check_benchmark(plan_of("gru", portfolio__benchmark=str(path)))
    path = index_file(lambda frame: frame.iloc[start:])
    with pytest.raises(DataError, match=f"no close on {plan.panel.days[start - 1]} \\(1 of the {n_days + 1} days"):
        check_benchmark(plan_of("gru", portfolio__benchmark=str(path)))


@pytest.mark.parametrize(
    ("edit", "suffix", "message"),
    [
        (lambda f: f.rename(columns={"close": "level"}), "", "no close column"),
        (lambda f: f.drop(columns="date"), "", "no date column"),
        (lambda f: f, "#oter", "no column 'oter' .did you mean 'other'"),
        (lambda f: pd.concat([f, f.iloc[-1:]]), "", "several rows"),
        (lambda f: f.assign(close=f["close"] - 100), "", "must be above 0"),
    ],
)
def test_a_file_that_is_no_index_is_refused(index_file, edit, suffix, message):
    with pytest.raises(DataError, match=message):
        check_benchmark(plan_of("gru", portfolio__benchmark=f"{index_file(edit)}{suffix}"))


def test_a_benchmark_that_is_not_there_ends_the_run_before_any_work(index_file, tmp_path):
    path = index_file().with_name("indes.csv")
    answer = run_cli(
        "run", SMALL, "--models", "gru", "--results", tmp_path / "r", "--set", f"portfolio.benchmark={path}"
    )
    assert answer.code == 2
    assert "no such file (did you mean 'index.csv'?)" in answer.err
    assert not (tmp_path / "r").exists()


def test_an_index_of_the_folder_that_is_run_on_is_a_benchmark_by_its_symbol(tmp_path):
    symbols = [f"SH60000{i}" for i in range(8)]
    prices = pd.read_csv(write_prices(tmp_path / "prices.csv", n_days=160))
    prices["symbol"] = prices["symbol"].map(dict(zip(sorted(set(prices["symbol"])), symbols, strict=True)))
    index = prices[prices["symbol"] == symbols[0]].assign(symbol="SH000300")
    pd.concat([prices, index]).to_csv(tmp_path / "prices.csv", index=False)
    write_panel(load_panel(tmp_path / "prices.csv", indices="keep"), f"{tmp_path / 'folder'}/")
    source = str(tmp_path / "folder")
    plan = plan_of("linear", data__source=source, portfolio__benchmark="sh000300")
    assert "SH000300" not in plan.panel.symbols
    close = plan.panel.field("close")[:, plan.panel.symbols.tolist().index(symbols[0])]
    found = benchmark_return("SH000300", source, plan.panel, plan.folds)
    np.testing.assert_allclose(found[1:], close[1:] / close[:-1] - 1, atol=1e-6)
    settings = backtest_settings(plan)
    assert settings["benchmark"] == "sh000300"
    assert len(settings["benchmark_digest"]) == 64
    with pytest.raises(
        DataError, match=r"SH000301: neither a symbol with closes in .*folder .did you mean .* nor a file"
    ):
        check_benchmark(plan_of("linear", data__source=source, portfolio__benchmark="SH000301"))
    file = tmp_path / "index.csv"
    index[["date", "close"]].to_csv(file, index=False)
    check_benchmark(plan_of("linear", data__source=source, portfolio__benchmark=str(file)))


# The readers


def entry(model: str, fold: int, seed: int, days: int, **changes: Any) -> dict[str, Any]:
    case = {"excess": {"annualised": 0.1 * (1 + fold)}, "rate": 0}
    found = {"model": model, "fold": fold, "seed": seed, "settings": {"topk": 4, "n_drop": 1}, "error": None}
    return found | {"days": days, "block_days": 1.0, "capacity": 1e6, "sensitivity": [case] * 4} | changes


@pytest.fixture
def written(tmp_path: Path):
    """Writes a run of the given entries and daily excess by (model, fold, seed); None = planned, not measured."""

    def write(
        trials: dict[tuple[str, int, int], tuple[dict[str, Any], np.ndarray] | None],
        settings: dict[str, Any] | None = None,
    ) -> RunStore:
        store = RunStore(tmp_path, "a")
        planned, entries, daily = [], {}, []
        for (model, fold, seed), found in trials.items():
            key = f"{model}{fold}{seed}"
            planned.append({"key": key, "model": model, "fold": fold, "seed": seed})
            if found is None:
                continue
            entries[key], excess = found
            days = pd.date_range("2020-01-01", periods=len(excess)).as_unit("ns") + pd.Timedelta(days=1000 * fold)
            columns = {"bench": 0.001, "cost": 0.0005, "turnover": 0.2, "excess": excess, "key": key}
            daily.append(pd.DataFrame({"datetime": days, "return": excess + 0.0015, **columns}))
        store.write_run({"models": list(dict.fromkeys(m for m, _, _ in trials)), "trials": planned})
        write_evidence(store, STORED_AS, Evidence(settings or {"topk": 4, "n_drop": 1}, entries, pd.concat(daily)))
        return store

    return write


def test_folds_follow_each_other_within_a_seed_and_seeds_are_averaged(written):
    rng = np.random.default_rng(0)
    series = {(f, s): rng.normal(0.001, 0.01, 30 + 60 * f) for f in (0, 1) for s in (0, 1)}
    capacities = {(0, 0): 3e6, (1, 0): 1e6, (0, 1): 5e6, (1, 1): 9e6}
    store = written(
        {
            ("gru", f, s): (entry("gru", f, s, len(excess), capacity=capacities[f, s]), excess)
            for (f, s), excess in series.items()
        }
    )
    row = portfolio_frame(store, store.run()).iloc[0]
    seeds = [np.concatenate([series[0, s], series[1, s]]) for s in (0, 1)]
    annual = [risk(excess).annualised for excess in seeds]
    assert row["annual_excess"] == pytest.approx(np.mean(annual))
    assert row["seed_sd"] == pytest.approx(np.std(annual, ddof=1))
    assert row["information_ratio"] == pytest.approx(np.mean([risk(excess).ratio for excess in seeds]))
    assert row["max_drawdown"] == pytest.approx(np.mean([risk(excess).max_drawdown for excess in seeds]))
    net = [performance(excess + 0.001) for excess in seeds]
    assert row["compounded_annual_return"] == pytest.approx(np.mean([p.annual_return for p in net]))
    assert row["wealth_drawdown"] == pytest.approx(np.mean([p.max_drawdown for p in net]))
    assert row["annual_excess_before_costs"] == pytest.approx(row["annual_excess"] + 238 * 0.0005)
    assert row["break_even_bp"] == pytest.approx(1e4 * np.mean([(e + 0.0005).mean() for e in seeds]) / 0.2)
    assert row["excess_at_5bp"] == pytest.approx((30 * 0.1 + 90 * 0.2) / 120)
    assert row["capacity"] == pytest.approx((1e6 + 5e6) / 2)
    assert (row["n_days"], row["n_trials"], row["turnover"]) == (120, 4, pytest.approx(0.2))
    daily = portfolio_daily(store, store.run())
    np.testing.assert_allclose(daily["excess"], np.mean(seeds, axis=0))
    np.testing.assert_allclose(daily["net"], np.mean(seeds, axis=0) + 0.001)


@pytest.mark.parametrize("periods", [None, 252, 365, 52])
def test_a_year_is_that_of_the_data_and_the_published_one_in_proportion(written, periods):
    excess = np.random.default_rng(0).normal(0.001, 0.01, 80)
    settings = {"topk": 4, "n_drop": 1} | ({"periods_per_year": periods} if periods else {})
    store = written({("gru", 0, 0): (entry("gru", 0, 0, 80, settings=settings), excess)}, settings)
    row, year = portfolio_frame(store, store.run()).iloc[0], periods or 252
    assert row["annual_excess"] == pytest.approx(238 * year / 252 * excess.mean())
    assert row["information_ratio"] == pytest.approx(np.sqrt(238 * year / 252) * excess.mean() / excess.std(ddof=1))
    assert row["annual_excess_low"] < row["annual_excess"] < row["annual_excess_high"]
    assert row["information_ratio_low"] < row["information_ratio"] < row["information_ratio_high"]
    account = performance(excess + 0.001, year)
    assert (row["compounded_annual_return"], row["sharpe"]) == (account.annual_return, account.sharpe)
    table = portfolio_table(portfolio_frame(store, store.run()), year)
    told = next(column.definition.text for column in table.columns if column.key == "annual_excess")
    assert told.startswith("238 x" if year == 252 else "mean return of a bar")


def test_weekly_prices_have_52_bars_a_year_in_run_and_portfolio(tmp_path):
    prices = pd.read_csv(write_prices(tmp_path / "daily.csv", n_days=160))
    prices["date"] = pd.to_datetime(
        prices["date"].map({d: i for i, d in enumerate(sorted(set(prices["date"])))}), unit="D"
    )
    prices["date"] = pd.Timestamp("2015-01-02") + 7 * (prices["date"] - pd.Timestamp(0))
    prices.to_csv(tmp_path / "weekly.csv", index=False)
    weekly = plan_of("linear", data__source=str(tmp_path / "weekly.csv"))
    assert weekly.describe([])["data"]["periods_per_year"] == 52 == backtest_settings(weekly)["periods_per_year"]
    assert ["bars a year", "52"] in portfolio_setup_table(backtest_settings(weekly)).texts
    assert "bars a year" not in str(portfolio_setup_table(backtest_settings(plan_of("linear"))).texts)


def test_the_interval_of_the_excess_resamples_its_mean_over_seeds(written):
    rng = np.random.default_rng(1)
    series = [rng.normal(0.001, 0.01, 50) for _ in range(2)]
    store = written({("gru", 0, s): (entry("gru", 0, s, 50, block_days=3.0), x) for s, x in enumerate(series)})
    row = portfolio_frame(store, store.run()).iloc[0]
    low, high = interval(238 * bootstrap_means(np.mean(series, axis=0), draws=2000, seed=0, block=3.0))
    assert row["annual_excess_low"] == pytest.approx(low[0], rel=1e-9)
    assert row["annual_excess_high"] == pytest.approx(high[0], rel=1e-9)


def test_the_interval_of_the_information_ratio_is_that_of_resampled_ratios(written):
    rng = np.random.default_rng(1)
    # Skewed, so that a good day moves mean and spread together.
    series = [0.01 * (rng.exponential(size=400) - 0.8) for _ in range(2)]
    store = written({("gru", 0, s): (entry("gru", 0, s, 400, block_days=3.0), x) for s, x in enumerate(series)})
    row = portfolio_frame(store, store.run()).iloc[0]
    days = stationary_days(400, 2000, 3.0, np.random.default_rng(5))
    ratios = np.mean([[risk(x[d]).ratio for d in days] for x in series], axis=0)
    low, high = np.quantile(ratios, [0.025, 0.975])
    assert row["information_ratio_low"] == pytest.approx(low, abs=0.08 * (high - low))
    assert row["information_ratio_high"] == pytest.approx(high, abs=0.08 * (high - low))
    # The spread of the mean alone would be another: skewed days move both.
    naive = 238 * np.mean([bootstrap_means(x, draws=2000, seed=0, block=3.0) / risk(x).std for x in series], axis=0)
    assert np.ptp(np.quantile(naive / np.sqrt(238), [0.025, 0.975])) > 1.1 * (high - low)


def test_a_constant_excess_has_no_information_ratio(written):
    store = written({("gru", 0, 0): (entry("gru", 0, 0, 30), np.full(30, 0.001))})
    row = portfolio_frame(store, store.run()).iloc[0]
    assert row[["information_ratio", "information_ratio_low", "information_ratio_high"]].isna().all()
    assert row["annual_excess_low"] == pytest.approx(0.238) == row["annual_excess_high"]


def test_a_model_without_a_fold_is_not_ranked_and_a_failed_one_is_empty(written):
    excess = np.random.default_rng(2).normal(0.001, 0.01, 40)
    store = written(
        {
            ("gru", 0, 0): (entry("gru", 0, 0, 40), excess - 0.01),
            ("gru", 1, 0): (entry("gru", 1, 0, 40), excess - 0.01),
            ("tcn", 0, 0): (entry("tcn", 0, 0, 40), excess),
            ("tcn", 1, 0): None,
            ("mlp", 0, 0): None,
        }
    )
    frame = portfolio_frame(store, store.run())
    assert frame["model"].tolist() == ["gru", "tcn", "mlp"]
    assert frame["ranked"].tolist() == [True, False, False]
    assert frame["status"].tolist() == ["ok", "incomplete", "missing"]
    assert frame["n_days"].tolist() == [80, 40, 0]
    assert np.isnan(frame["annual_excess"].iloc[2])
    assert np.isnan(frame["seed_sd"].iloc[0])
    table = portfolio_table(frame)
    assert table is not None
    assert [row[0] for row in table.texts] == [
        "gru",
        "tcn (incomplete: 1 of 2 trials)",
        "mlp (missing: 0 of 1 trials)",
    ]
    assert set(table.texts[2][1:-1]) == {"–"}


def test_an_account_that_is_lost_shows_no_compounded_figures(written):
    excess = np.array([0.01, -1.5, 0.01, 0.02])
    store = written({("gru", 0, 0): (entry("gru", 0, 0, 4), excess)})
    row = portfolio_frame(store, store.run()).iloc[0]
    assert np.isnan(row["sharpe"])
    assert row["annual_excess"] == pytest.approx(238 * excess.mean())


def test_the_tables_print_what_was_measured(finished):
    store = RunStore.open(finished, "small")
    frame = portfolio_frame(store, store.run())
    first = frame.iloc[0]
    table, costs = portfolio_table(frame), cost_table(frame)
    setup = portfolio_setup_table(portfolio_settings(store))
    assert table is not None
    assert costs is not None
    assert setup is not None
    assert table.texts[0][0] == first["model"]
    assert table.texts[0][1].startswith(f"{100 * first['annual_excess']:+.1f} [")
    assert table.texts[0][-1] == "4 / 1"
    assert costs.headers[1:5] == [f"excess % at {rate} bp" for rate in (0, 5, 15, 30)]
    assert costs.texts[0][5] == f"{first['break_even_bp']:.1f}"
    assert ["names held", "4 of 20 (median)"] in setup.texts
    assert all(len(row) == len(t.headers) == len(t.alignment) for t in (table, costs, setup) for row in t.texts)


def test_without_figures_there_are_no_tables(tmp_path):
    store = RunStore(tmp_path, "a")
    store.write_run({"models": ["gru"], "trials": [{"key": "k", "model": "gru", "fold": 0, "seed": 0}]})
    frame = portfolio_frame(store, store.run())
    assert portfolio_table(frame) is None
    assert cost_table(frame) is None
    assert portfolio_setup_table(portfolio_settings(store)) is None


def test_reading_needs_neither_torch_nor_arch(finished):
    code = """
import sys
from pathlib import Path
from bench.scores.frames import decile_frame, histogram_frame, score_frame
from bench.portfolio.frames import portfolio_daily, portfolio_frame
from bench.report.tables.portfolio import cost_table, portfolio_table
from bench.records.store import RunStore
store = RunStore.open(Path(sys.argv[1]), "small")
run = store.run()
frames = [f(store, run) for f in (portfolio_daily, portfolio_frame, decile_frame, histogram_frame, score_frame)]
assert all(len(frame) for frame in frames)
assert portfolio_table(frames[1]) and cost_table(frames[1])
print(sorted({"torch", "arch", "matplotlib"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(finished)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_costs_of_the_configuration_reach_the_simulation():
    config = PortfolioConfig()
    assert Costs(config.cost_open, config.cost_close, config.cost_minimum) == Costs()
