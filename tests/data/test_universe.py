from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from source_files import long_frame, write_qlib

from bench.experiment.config import load_config
from bench.experiment.plan import make_plan
from bench.experiment.trial import _dataset
from bench.records.store import RunStore
from bench.runner import execute_plan
from zoo import checkpoint
from zoo.config import DataConfig, UniverseConfig
from zoo.data.panel import Panel
from zoo.data.sources import load_panel, open_panel
from zoo.data.split import DayRange, Fold
from zoo.data.universe import apply_universe, most_liquid
from zoo.data.windows import Dataset
from zoo.errors import ConfigError, DataError

DAYS = np.busday_offset("2020-01-01", np.arange(30), roll="forward")


def panel_of(symbols: tuple[str, ...] = ("AAA", "BBB", "CCC"), n_days: int = 30) -> Panel:
    return load_panel(long_frame(n_days, symbols))


def listed(tmp_path: Path, name: str, text: str, panel: Panel | None = None) -> Panel:
    file = tmp_path / name
    file.write_text(text)
    return apply_universe(panel or panel_of(), UniverseConfig(file=str(file)))


def member_days(panel: Panel, symbol: str) -> list[str]:
    inside = panel.member[:, panel.symbols.tolist().index(symbol)]
    return [str(day) for day in panel.days[inside]]


def between(first: str, last: str) -> list[str]:
    return [str(day) for day in DAYS if np.datetime64(first) <= day <= np.datetime64(last)]


def random_market(n_days: int = 130, n_stocks: int = 12, seed: int = 0) -> Panel:
    """Random prices and volumes with gaps, and stocks that come late or leave early."""
    rng = np.random.default_rng(seed)
    values = rng.lognormal(0, 1, (n_days, n_stocks, 2)).astype(np.float32)
    values[rng.random((n_days, n_stocks)) < 0.2] = np.nan
    values[: n_days // 2, 0] = np.nan
    values[n_days // 3 :, 1] = np.nan
    first = np.isfinite(values[:, :, 0]).argmax(axis=0)
    last = n_days - np.isfinite(values[::-1, :, 0]).argmax(axis=0)
    day = np.arange(n_days)[:, None]
    return Panel(
        days=np.busday_offset("2020-01-01", np.arange(n_days), roll="forward"),
        symbols=np.array([f"S{i:02d}" for i in range(n_stocks)]),
        fields=("close", "volume"),
        values=values,
        member=(first <= day) & (day < last),
    )


def test_instruments_restrict_membership_and_leave_history_whole(tmp_path):
    panel = panel_of()
    found = listed(
        tmp_path, "u.txt", "aaa\t2020-01-08\t2020-01-15\nAAA\t2020-01-20\t2020-01-21\nBBB 2019-01-01 2099-01-01\n"
    )
    assert member_days(found, "AAA") == [*between("2020-01-08", "2020-01-15"), "2020-01-20", "2020-01-21"]
    assert found.member[:, 1].all()
    assert not found.member[:, 2].any()
    np.testing.assert_array_equal(found.values, panel.values)
    assert "universe restricted to u.txt: 1 to 2 of 3 stocks a day" in found.notes


def test_the_first_window_of_a_new_member_is_filled_with_its_history(tmp_path):
    found = listed(tmp_path, "u.txt", "AAA\t2020-01-29\t2020-12-31\nBBB\t2020-01-01\t2020-12-31\n")
    start = int(found.member[:, 0].argmax())
    config = DataConfig(features="raw", lookback=5)
    fold = Fold(0, DayRange(5, 15), DayRange(15, start), DayRange(start, 30), 0)
    dataset = Dataset(found, config, fold)
    stocks = {int(row) % 3 for row in dataset.train.rows}
    assert stocks == {1}, "before its membership AAA is not trained on"
    first_day = next(iter(dataset.test.batches(2, scope="day")))
    assert first_day.stock.tolist() == [0, 1]
    whole = Dataset(panel_of(), config, fold, stats=dataset.stats)
    expected = next(iter(whole.test.batches(3, scope="day")))
    np.testing.assert_array_equal(first_day.x.numpy(), expected.x[:2].numpy())
    assert (first_day.x[0, :4].abs() > 0).any(dim=1).all(), "the days before membership are in the window"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_spans_of_a_table_have_both_ends_and_may_be_open(tmp_path, kind):
    frame = pd.DataFrame(
        {
            "Ticker": ["AAA", "BBB", "CCC", "AAA"],
            "start": ["2020-01-06", None, "2020-02-01", "2020-01-20"],
            "end": ["2020-01-10", "2020-01-07", None, "2020-01-20"],
        }
    )
    file = tmp_path / f"members.{kind}"
    frame.to_csv(file, index=False) if kind == "csv" else frame.to_parquet(file)
    found = apply_universe(panel_of(), UniverseConfig(file=str(file)))
    assert member_days(found, "AAA") == [*between("2020-01-06", "2020-01-10"), "2020-01-20"]
    assert member_days(found, "BBB") == between("2020-01-01", "2020-01-07")
    assert member_days(found, "CCC") == between("2020-02-03", "2020-12-31")


def test_lists_by_date_hold_until_the_next_list(tmp_path):
    # The second and third list fall on a weekend: the later one of both is the one that counts on Monday.
    text = "date,symbol\n2020-01-06,AAA\n2020-01-06,BBB\n2020-01-18,CCC\n2020-01-19,BBB\n2020-01-28,CCC\n"
    found = listed(tmp_path, "members.csv", text)
    assert member_days(found, "AAA") == between("2020-01-06", "2020-01-17")
    assert member_days(found, "BBB") == between("2020-01-06", "2020-01-27")
    assert member_days(found, "CCC") == between("2020-01-28", "2020-12-31")
    assert any("the last one is of 2020-01-28" in note for note in found.notes)
    assert any(note.startswith("3 days have no member; those that have: 2020-01-06 ..") for note in found.notes)


def test_a_stock_is_a_member_only_where_the_source_has_it_too(tmp_path):
    frame = long_frame()
    late = load_panel(frame[(frame["symbol"] != "AAA") | (frame["date"] >= "2020-01-15")])
    found = listed(tmp_path, "u.txt", "AAA\t2020-01-01\t2020-12-31\n", late)
    assert member_days(found, "AAA") == between("2020-01-15", "2020-12-31")


def test_case_counts_where_it_tells_symbols_apart(tmp_path):
    found = listed(tmp_path, "u.csv", "symbol,start\nABC,2020-01-01\n", panel_of(("ABC", "abc")))
    assert found.member.all(axis=0).tolist() == [True, False]


def test_symbols_the_data_do_not_have_are_counted(tmp_path):
    found = listed(tmp_path, "u.csv", "symbol,start\nAAA,2020-01-01\nXXX,2020-01-01\nYYY,2020-01-01\n")
    assert "2 of the 3 symbols of u.csv are not in the data and are left out" in found.notes


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("u.csv", "symbol,start\nXXX,2020-01-01\n", "none of its symbols is in the data; the file has 'XXX'"),
        ("u.csv", "symbol,start\nAAA,2021-01-01\n", r"no member on any day of the data, 2020-01-01 \.\. 2020-02-11"),
        ("u.csv", "symbol,start,end\nAAA,2020-01-05,2020-01-04\n", "row 2, column 'end'.* lies before 'start'"),
        ("u.csv", "symbol,start\nAAA,soon\n", "row 2, column 'start': 'soon' is no date"),
        ("u.csv", "symbol,weight\nAAA,1\n", "no start column.* give symbol, start, end or date, symbol"),
        ("u.csv", "start,end\n2020-01-01,2020-01-02\n", "no symbol column"),
        ("u.txt", "AAA\t2020-01-01\n", "line 1: 2 cells; symbol, first and last day are needed"),
        ("u.txt", "AAA\t2021-01-01\t2021-12-31\n", "no span touches the calendar"),
        ("u.json", "{}", "its ending says no format that can be read"),
    ],
)
def test_a_file_that_names_no_member_is_an_error_that_says_where(tmp_path, name, text, reason):
    with pytest.raises(DataError, match=reason):
        listed(tmp_path, name, text)


def test_a_missing_file_is_answered_with_the_nearest_name(tmp_path):
    (tmp_path / "csi300.txt").write_text("")
    with pytest.raises(DataError, match=r"csi30\.txt: no such file of members \(did you mean 'csi300\.txt'\?\)"):
        apply_universe(panel_of(), UniverseConfig(file=str(tmp_path / "csi30.txt")))


@pytest.mark.parametrize("rebalance", ["day", "month"])
@pytest.mark.parametrize("window", [1, 7, 60])
def test_the_most_liquid_are_those_a_plain_computation_finds(rebalance, window):
    panel = random_market()
    found = most_liquid(panel, 4, window, rebalance)
    dollars = pd.DataFrame(panel.field("close").astype(float) * panel.field("volume")).fillna(0.0)
    mean = dollars.rolling(window, min_periods=1).sum()
    months = pd.DatetimeIndex(panel.days).to_period("M")
    chosen: set[int] = set()
    for day in range(panel.n_days):
        if rebalance == "day" or day == 0 or months[day] != months[day - 1]:
            rank = mean.iloc[day][panel.member[day]].sort_values(ascending=False)
            chosen = set(rank[rank > 1e-6].index[:4])
        assert set(np.flatnonzero(found[day])) == chosen


@pytest.mark.parametrize("rebalance", ["day", "month"])
def test_no_later_value_changes_who_is_chosen(rebalance):
    panel = random_market()
    whole = most_liquid(panel, 4, 20, rebalance)
    moved = 0
    for t in (0, 1, 40, 75, 128):
        values = panel.values.copy()
        values[t + 1 :] = np.random.default_rng(t).lognormal(3, 2, values[t + 1 :].shape)
        changed = most_liquid(Panel(panel.days, panel.symbols, panel.fields, values, panel.member), 4, 20, rebalance)
        np.testing.assert_array_equal(changed[: t + 1], whole[: t + 1])
        moved += int((changed[t + 1 :] != whole[t + 1 :]).sum())
    assert moved > 0


def constant_market(volume: np.ndarray) -> Panel:
    """Close 1 everywhere and the given volume `[D, N]`."""
    values = np.stack([np.ones_like(volume), volume], axis=2).astype(np.float32)
    member = np.ones(volume.shape, dtype=bool)
    days = np.busday_offset("2020-01-01", np.arange(len(volume)), roll="forward")
    symbols = np.array([f"S{i}" for i in range(volume.shape[1])])
    return Panel(days, symbols, ("close", "volume"), values, member)


def test_one_busy_day_does_not_make_a_newcomer_liquid():
    volume = np.full((20, 3), np.nan)
    volume[:, 0], volume[:, 1], volume[19, 2] = 10, 9, 50
    assert most_liquid(constant_market(volume), 2, 20, "day")[19].tolist() == [True, True, False]


def test_who_has_not_traded_in_the_window_is_not_chosen_even_where_there_is_room():
    volume = np.full((20, 2), 1e9)
    volume[5:, 1] = np.nan
    volume[5:, 0] = 1e-3
    chosen = most_liquid(constant_market(volume), 2, 4, "day")
    assert chosen[7].all()
    assert chosen[8].tolist() == [True, False]


def test_ties_go_by_symbol():
    assert most_liquid(constant_market(np.ones((3, 4))), 2, 5, "day").tolist() == [[True, True, False, False]] * 3


def test_a_monthly_choice_stays_for_the_month():
    panel = random_market()
    chosen = most_liquid(panel, 4, 5, "month")
    changes = np.flatnonzero((chosen[1:] != chosen[:-1]).any(axis=1)) + 1
    months = panel.days.astype("datetime64[M]")
    assert len(changes) >= 4
    assert (months[changes] != months[changes - 1]).all()


def test_ranking_by_volume_needs_volume():
    panel = load_panel(long_frame().drop(columns="volume"))
    with pytest.raises(DataError, match="top_liquidity ranks by close x volume, but the data have no volume"):
        apply_universe(panel, UniverseConfig(top_liquidity=2))


def test_a_text_is_a_file_and_a_configuration_survives_json():
    for given in ("members.csv", {"top_liquidity": 300, "window": 20, "rebalance": "day"}, {"top_liquidity": 5}, None):
        config = DataConfig.model_validate({"universe": given})
        assert DataConfig.model_validate(config.model_dump(mode="json")) == config
    text = DataConfig.model_validate({"universe": "members.csv"}).universe
    assert text == UniverseConfig(file="members.csv")


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"file": "a.csv", "top_liquidity": 3}, "one of the two"),
        ({}, "one of the two"),
        ({"file": "a.csv", "window": 20}, "belong to top_liquidity"),
        ({"top_liqidity": 3}, r"unknown key 'data\.universe\.top_liqidity' \(did you mean 'top_liquidity'\?\)"),
        ({"top_liquidity": 0}, r"'data\.universe\.top_liquidity'"),
    ],
)
def test_a_universe_that_is_neither_file_nor_rule_is_refused(given, reason):
    with pytest.raises(ConfigError, match=reason):
        load_config(None, {"data.universe": given})


def test_the_fingerprint_is_that_of_who_is_a_member_and_not_of_the_file(tmp_path):
    panel = panel_of()
    text = "symbol,start,end\nAAA,2020-01-08,2020-01-15\nBBB,,\n"
    one = listed(tmp_path, "one.csv", text, panel)
    same = listed(tmp_path, "two.txt", "AAA\t2020-01-08\t2020-01-15\nBBB\t2000-01-01\t2099-01-01\n", panel)
    other = listed(tmp_path, "one.csv", text.replace("15", "16"), panel)
    assert one.fingerprint == same.fingerprint
    assert len({panel.fingerprint, one.fingerprint, other.fingerprint}) == 3


SYMBOLS = tuple(f"S{i}" for i in range(8))


def settings(prices: Path, universe: object) -> dict[str, object]:
    return {
        "name": "u",
        "data.source": str(prices),
        "data.lookback": 3,
        "data.universe": universe,
        "models": {},
        "seeds": [0],
        "device": "cpu",
    }


@pytest.fixture
def prices(tmp_path: Path) -> Path:
    path = tmp_path / "prices.csv"
    long_frame(160, SYMBOLS).to_csv(path, index=False)
    return path


def test_plan_trial_and_prediction_see_the_same_universe(prices, tmp_path):
    plan = make_plan(load_config(None, settings(prices, {"top_liquidity": 3, "window": 10})), "linear")
    member = plan.panel.member
    assert set(member.sum(axis=1)) == {3}
    (trial,) = plan.trials
    np.testing.assert_array_equal(_dataset(trial).panel.member, member)
    assert execute_plan(plan, tmp_path, ["run"]).failed == 0
    store = RunStore.open(tmp_path, "u")
    record = store.record(trial.key)
    assert record is not None
    assert record["fingerprint"] == plan.panel.fingerprint
    scores = pd.read_parquet(store.trial_folder(trial.key) / "scores.parquet")
    assert set(scores.groupby("datetime").size()) == {3}
    forecaster = checkpoint.load(store.trial_folder(trial.key))
    again = forecaster.predict(prices, start=str(scores["datetime"].min().date()))
    np.testing.assert_array_equal(again.to_numpy(), scores["score"].to_numpy())
    assert again.index.get_level_values("instrument").tolist() == scores["instrument"].tolist()
    everyone = forecaster.predict(load_panel(prices), start="2020-06-01")
    assert set(everyone.groupby("datetime").size()) == {8}, "a panel is taken as it is"


def test_a_trial_is_known_by_its_members_wherever_they_are_written(prices, tmp_path):
    text = "symbol,start\nS0,\nS1,\nS2,\n"
    keys = []
    for name, content in (("a.csv", text), ("b.csv", text), ("c.csv", text + "S3,\n")):
        (tmp_path / name).write_text(content)
        keys.append(make_plan(load_config(None, settings(prices, str(tmp_path / name))), "linear").trials[0].key)
    assert keys[0] == keys[1] != keys[2]


def test_a_segment_without_a_member_is_refused_before_any_work(prices, tmp_path):
    file = tmp_path / "members.csv"
    file.write_text("symbol,start,end\nS0,,2020-04-30\nS1,,2020-04-30\n")
    with pytest.raises(ConfigError, match=r"no stock is a member on any (valid|test) day of fold 0.*data\.universe"):
        make_plan(load_config(None, settings(prices, str(file))), "linear")


def test_a_market_of_a_qlib_directory_and_a_universe_meet(tmp_path):
    days = ["2020-01-01", "2020-01-02", "2020-01-03"]
    source = write_qlib(
        tmp_path / "q",
        days,
        {name: {"close": (0, [1, 2, 3])} for name in ("a", "b", "c")},
        {"all": [f"{name}\t2020-01-01\t2020-01-03" for name in "ABC"], "two": ["A\t2020-01-02\t2020-01-03"]},
    )
    config = DataConfig(source=str(source), universe=UniverseConfig(file=str(source / "instruments" / "two.txt")))
    panel = open_panel(config)
    assert panel.symbols.tolist() == ["A"]
    assert panel.member.tolist() == [[False], [True], [True]]
    assert panel.field("close")[0, 0] == 1, "history before membership stays"
    assert "2 of 3 stocks are never members and are left out" in panel.notes
