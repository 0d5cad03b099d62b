"""Every rule of the TopkDropout portfolio on a market small enough to work out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from simulated import Simulated, simulated

from bench.portfolio.benchmark import universe_return
from bench.portfolio.orders import Costs, choose, within_limit
from zoo.errors import DataError

NONE = float("nan")
FREE = Costs(0.0, 0.0, 0.0)


def run(score, close, **changed) -> Simulated:
    """One name held, one compared, no costs, limits or lots, all of 1000 invested, names A, B, ..."""
    settings = {
        "names": "ABCDEFGH"[: len(close[0])],
        "topk": 1,
        "n_drop": 1,
        "costs": FREE,
        "limit": None,
        "lot": None,
        "risk_degree": 1.0,
        "initial": 1000.0,
        **changed,
    }
    return simulated(np.array(score, dtype=float), np.array(close, dtype=float), **settings)


def shares(result: Simulated) -> np.ndarray:
    return result.shares


# ---- when ----


def test_scores_are_traded_at_the_close_of_the_next_day():
    # Day 1 buys 100 A at 10. Day 2 sells them at 20 and buys 100 B at 20: bought at t, sold at t + 1.
    found = run([[2, 1], [1, 2], [9, 0]], [[10, 10], [10, 20], [20, 20]])
    np.testing.assert_allclose(shares(found), [[0, 0], [100, 0], [0, 100]])
    np.testing.assert_allclose(found.column("account"), [1000, 1000, 2000])
    np.testing.assert_allclose(found.column("return"), [0, 0, 1])
    np.testing.assert_allclose(found.column("total_turnover"), [0, 1000, 5000])
    np.testing.assert_allclose(found.column("turnover"), [0, 1, 4])
    assert found.trades[["day", "stock", "value"]].to_numpy().tolist() == [
        [1, 0, 1000],
        [2, 0, -2000],
        [2, 1, 2000],
    ]


def test_a_day_after_a_day_without_scores_places_no_orders():
    found = run([[2, 1], [NONE, NONE], [1, 2], [0, 0]], [[10, 10]] * 4)
    np.testing.assert_allclose(shares(found), [[0, 0], [100, 0], [100, 0], [0, 100]])


def test_earlier_scores_trade_on_the_first_day():
    # Only rows from `start` count. 500 bought for 100, parts of the initial 1000, not of the 900 left.
    found = run([[2, 1], [2, 1]], [[10, 10], [20, 20]], start=1, risk_degree=0.5, costs=Costs(0.0, 0.0, 100.0))
    np.testing.assert_allclose(shares(found), [[25, 0]])
    assert found.column("account").tolist() == [900]
    assert found.column("turnover").tolist() == [0.5]
    assert found.column("cost").tolist() == [0.1]
    assert found.column("return").tolist() == [0]
    assert found.daily.index.tolist() == [1]


def test_positions_of_days_label_the_rows():
    found = run([[2, 1], [2, 1]], [[10, 10], [20, 20]], start=1)
    assert found.daily.index.tolist() == [1]


# ---- which ----


def test_ties_go_to_the_alphabetically_first_whatever_the_columns():
    found = run([[1, 1, 1]] * 3, [[10, 10, 10]] * 3, names=["B", "C", "A"], topk=2)
    # A and B bought; C ties with them and ranks last, so nothing is replaced.
    np.testing.assert_allclose(shares(found)[1:], [[50, 0, 50], [50, 0, 50]])


def test_a_held_name_loses_a_tie_to_an_earlier_name():
    # B and C held; on equal scores A ranks first and C last.
    found = run([[2, 2, 1], [1, 1, 1], [0, 0, 0]], [[10, 10, 10]] * 3, names=["B", "C", "A"], topk=2)
    np.testing.assert_allclose(shares(found)[1:], [[50, 50, 0], [50, 0, 50]])


def test_a_name_without_score_is_never_bought():
    # Three wanted, two scored: two bought, with half the cash each. Day 2 compares A and C alone: A, last,
    # goes, and no one comes.
    found = run([[1, NONE, 2, NONE]] * 3, [[10, 10, 10, 10]] * 3, topk=3)
    np.testing.assert_allclose(shares(found)[1:], [[50, 0, 50, 0], [0, 0, 50, 0]])


def test_held_names_without_score_rank_below_all_scores_the_later_name_lowest():
    # A, B, C held. Ranked on day 1: C, D, A, B. B goes, D comes.
    found = run([[3, 3, 3, 0], [NONE, NONE, -5, -9], [0, 0, 0, 0]], [[10, 10, 10, 10]] * 3, topk=3, initial=900.0)
    np.testing.assert_allclose(shares(found)[1:], [[30, 30, 30, 0], [30, 0, 30, 30]])


def test_a_name_that_loses_its_score_is_sold_only_when_it_is_among_the_last():
    # Only the last one is compared and the candidate C is the last: A stays though C has no better standing.
    found = choose(np.array([NONE, 5.0, NONE]), np.array([0, 1]), topk=2, n_drop=1)
    assert [part.tolist() for part in found] == [[0], []]
    # Two free places: the sale of A makes a third, but only one name has a score.
    found = choose(np.array([NONE, 5.0, 1.0]), np.array([0]), topk=3, n_drop=1)
    assert [part.tolist() for part in found] == [[0], [1, 2]]


def test_a_better_candidate_replaces_and_a_worse_one_does_not():
    held = np.array([0, 1])
    better = choose(np.array([3.0, 1.0, 2.0]), held, topk=2, n_drop=1)
    worse = choose(np.array([3.0, 2.0, 1.0]), held, topk=2, n_drop=1)
    assert [part.tolist() for part in better] == [[1], [2]]
    assert [part.tolist() for part in worse] == [[], []]


def test_fewer_names_than_compared_are_all_sold_and_the_best_bought():
    # comb = A, B: both among the last three. A is sold, and to buy = 1 + 1 - 1 = 1: B.
    found = choose(np.array([2.0, 1.0]), np.array([0]), topk=1, n_drop=3)
    assert [part.tolist() for part in found] == [[0], [1]]


@pytest.mark.parametrize("seed", range(20))
def test_choosing_agrees_with_a_full_sort(seed):
    rng = np.random.default_rng(seed)
    score = np.where(rng.random(80) < 0.2, NONE, rng.integers(0, 12, 80).astype(float))
    topk, n_drop = int(rng.integers(1, 20)), int(rng.integers(1, 8))
    held = np.sort(rng.choice(80, size=int(rng.integers(0, topk + n_drop + 1)), replace=False))

    def rank(names):
        return sorted(names, key=lambda name: (np.isnan(score[name]), -np.nan_to_num(score[name]), name))

    candidates = rank([i for i in range(80) if i not in held and not np.isnan(score[i])])
    candidates = candidates[: n_drop + topk - len(held)]
    last = rank([*held.tolist(), *candidates])[-n_drop:]
    sell = [name for name in held.tolist() if name in last]
    found = choose(score, held, topk, n_drop)
    assert [part.tolist() for part in found] == [sell, candidates[: len(sell) + topk - len(held)]]


def test_infinite_scores_are_scores():
    found = choose(np.array([np.inf, 0.0, -np.inf]), np.array([], dtype=int), topk=3, n_drop=1)
    assert found[1].tolist() == [0, 1, 2]


# ---- whether it can trade ----


def test_an_unsold_name_stays_and_its_replacement_is_still_bought():
    # Day 1: a quarter of 1000 each in A and B. Day 2: A, the last, is suspended; C takes half the 500 cash.
    # Day 3: three held where two are wanted, so no candidates; B, now last, is sold and nothing bought.
    score = [[2, 1.5, 1], [0, 5, 3], [4, 1, 5], [0, 0, 0]]
    close = [[10, 10, 10], [10, 10, 10], [NONE, 10, 10], [10, 10, 10]]
    found = run(score, close, topk=2, risk_degree=0.5)
    np.testing.assert_allclose(shares(found)[1:], [[25, 25, 0], [25, 25, 25], [25, 0, 25]])


def test_nothing_replaces_a_candidate_that_cannot_trade_and_its_budget_stays_cash():
    found = run([[3, 2, 1], [0, 0, 0]], [[10, 10, 10], [NONE, 10, 10]], topk=2)
    np.testing.assert_allclose(shares(found)[1], [0, 50, 0])
    assert found.column("cash")[1] == 500


def test_the_sale_for_a_candidate_that_cannot_trade_goes_ahead():
    found = run([[2, 1], [1, 2], [0, 0]], [[10, 10], [10, 10], [10, NONE]])
    np.testing.assert_allclose(shares(found), [[0, 0], [100, 0], [0, 0]])
    assert found.column("cash")[2] == 1000


@pytest.mark.parametrize(
    ("change", "trades"),
    [(0.0949, True), (0.095, False), (-0.0949, True), (-0.095, False), (0.3, False), (NONE, True)],
)
def test_either_limit_blocks_buying_and_selling(change, trades):
    flat = [[10, 10]] * 3
    bought = run([[2, 1]] * 3, flat, change=np.array([[0, 0], [change, 0], [0, 0]]), limit=0.095)
    assert (shares(bought)[1, 0] > 0) == trades
    sold = run([[2, 1], [1, 2], [0, 0]], flat, change=np.array([[0, 0], [0, 0], [change, 0]]), limit=0.095)
    assert (shares(sold)[2, 0] == 0) == trades


def test_limits_are_compared_in_float32():
    # In float32 .095 is .0949999988 and so is .094999997; .09499999 is the one below.
    change = np.array([0.094999997, -0.094999997, 0.09499999])
    assert within_limit(change, 0.095).tolist() == [False, False, True]


def test_a_market_without_limits_trades_at_any_change():
    found = run([[2, 1]] * 2, [[10, 10], [20, 10]], limit=None)
    assert shares(found)[1, 0] == 50


@pytest.mark.parametrize(("price", "trades"), [(10.94, True), (10.96, False), (9.06, True), (9.04, False)])
def test_without_stored_changes_the_last_present_close_counts(price, trades):
    found = run([[2, 1]] * 3, [[10, 10], [NONE, 10], [price, 10]], limit=0.095, topk=2)
    assert (shares(found)[2, 0] > 0) == trades


def test_a_close_before_the_start_counts_for_the_change():
    found = run([[2, 1]] * 3, [[10, 10], [NONE, 10], [11, 10]], limit=0.095, start=2)
    assert shares(found)[0].tolist() == [0, 0]


def test_a_first_close_has_no_change_and_is_not_blocked():
    found = run([[2, 1]] * 2, [[NONE, 10], [50, 10]], limit=0.095)
    assert shares(found)[1, 0] == 20


def test_stored_changes_win_over_computed_ones():
    found = run([[2, 1]] * 2, [[10, 10], [20, 10]], limit=0.095, change=np.zeros((2, 2)))
    assert shares(found)[1, 0] == 50


# ---- how much ----


def test_each_buy_has_the_same_part_of_95_per_cent_of_the_cash_after_the_sells():
    # Day 1: .95 * 1000 / 2 = 475 each, 50 left. Day 2: B doubles and is sold for 950: .95 * 1000 for C.
    found = run(
        [[3, 2, 1], [3, 1, 2], [0, 0, 0]],
        [[10, 10, 10], [10, 10, 10], [10, 20, 10]],
        topk=2,
        risk_degree=0.95,
    )
    np.testing.assert_allclose(shares(found)[1:], [[47.5, 47.5, 0], [47.5, 0, 95]])
    np.testing.assert_allclose(found.column("cash"), [1000, 50, 50])


def test_shares_come_in_whole_lots_of_real_shares():
    # 10000 / 7 = 1428.57 adjusted = 714.29 real -> 700 real = 1400 adjusted, worth 9800.
    found = run([[2, 1]] * 2, [[7, 7]] * 2, lot=100, factor=np.full((2, 2), 0.5), initial=10000.0)
    np.testing.assert_allclose(shares(found)[1], [1400, 0])
    np.testing.assert_allclose(found.column("cash")[1], 200)


@pytest.mark.parametrize(("cash", "bought"), [(1999.0, 100), (1997.8, 0)])
def test_a_tenth_of_a_share_is_forgiven_in_a_lot(cash, bought):
    # Half of it buys 99.95 or 99.89 shares at 10; only the first plus 0.1 is a lot. Zero shares cost nothing.
    costs = Costs(0.0, 0.0, 5.0)
    ones = np.ones((2, 2))
    found = run([[2, 1]] * 2, [[10, 10]] * 2, lot=100, factor=ones, initial=cash, risk_degree=0.5, costs=costs)
    assert shares(found)[1, 0] == bought
    assert found.column("total_cost")[1] == (5 if bought else 0)
    assert found.column("account")[1] == pytest.approx(cash - (5 if bought else 0))


def test_a_name_that_was_not_affordable_is_not_held():
    # The lot of A is out of reach on day 1; on day 2 it is still a candidate, and no holding of zero is sold.
    found = run([[2, 1]] * 3, [[20, 10]] * 3, lot=100, factor=np.ones((3, 2)), initial=1500.0)
    assert len(found.trades) == 0
    assert found.column("account").tolist() == [1500] * 3


def test_a_sale_is_the_whole_holding_whatever_the_lot():
    # 150 adjusted shares are 3 lots at factor 2; at factor 1.5 they are 225 real shares, and all are sold.
    factor = np.array([[2.0, 1], [2, 1], [1.5, 1]])
    found = run([[2, 1], [1, 2], [0, 0]], [[10, 10], [10, 10], [10, 1e6]], lot=100, factor=factor, initial=1500.0)
    np.testing.assert_allclose(shares(found)[1:], [[150, 0], [0, 0]])
    assert found.column("cash")[2] == 1500


def test_one_close_without_factor_turns_off_all_lots():
    close = np.array([[7.0, 7.0], [7.0, NONE]])
    whole = np.ones((2, 2))
    holed, unneeded = whole.copy(), whole.copy()
    holed[0, 1] = NONE
    unneeded[1, 1] = NONE
    score = [[2, 1]] * 2
    assert shares(run(score, close, lot=100, factor=whole))[1, 0] == 100
    assert shares(run(score, close, lot=100, factor=holed))[1, 0] == pytest.approx(1000 / 7)
    assert shares(run(score, close, lot=100, factor=unneeded))[1, 0] == 100
    assert shares(run(score, close, lot=100, factor=None))[1, 0] == pytest.approx(1000 / 7)
    assert shares(run(score, close, lot=None, factor=whole))[1, 0] == pytest.approx(1000 / 7)
    # The period begins with `start`: a hole before it is no reason.
    assert shares(run(score, close, lot=100, factor=holed, start=1))[0, 0] == 100


# ---- at what cost ----


def test_costs_are_rates_above_the_minimum():
    # Buy 900000 * 5e-4 = 450, sell 900000 * 15e-4 = 1350.
    costs = Costs(5e-4, 15e-4, 5.0)
    found = run(
        [[2, NONE], [NONE, 2], [0, 0]],
        [[10, 10], [10, 10], [10, NONE]],
        costs=costs,
        initial=1e6,
        risk_degree=0.9,
    )
    np.testing.assert_allclose(found.column("total_cost"), [0, 450, 1800])
    np.testing.assert_allclose(found.column("cash"), [1e6, 99550, 998200])
    np.testing.assert_allclose(found.column("cost"), [0, 450 / 1e6, 1350 / 999550])


def test_small_orders_pay_the_minimum():
    # 900 * 5e-4 is under 5, so is 900 * 15e-4. `return` is before costs: nothing moved, so 0.
    costs = Costs(5e-4, 15e-4, 5.0)
    found = run([[2, NONE], [NONE, 2], [0, 0]], [[10, 10], [10, 10], [10, NONE]], costs=costs, risk_degree=0.9)
    np.testing.assert_allclose(found.column("total_cost"), [0, 5, 10])
    np.testing.assert_allclose(found.column("account"), [1000, 995, 990])
    np.testing.assert_allclose(found.column("cost"), [0, 5 / 1000, 5 / 995])
    np.testing.assert_allclose(found.column("return"), 0, atol=1e-15)


@pytest.mark.parametrize(
    ("price", "left"),
    [
        # 99.5 shares * .02 = 1.99 and no cash do not pay the 5: kept. 19.9 do: sold for 14.9 net.
        (0.02, [99.5, 0]),
        (0.2, [0, 0.99]),
    ],
)
def test_a_sale_that_cannot_pay_its_cost_is_not_made(price, left):
    # Day 1: .995 * 1000 in A and 5 for it: no cash left. Day 2: B gets .995 * 14.9 = 14.8255 at 10, but with
    # its cost of 5 only 9.9 is covered: .99 shares.
    found = run(
        [[2, 1], [1, 2], [0, 0]],
        [[10, 10], [10, 10], [price, 10]],
        costs=Costs(0.0, 0.0, 5.0),
        risk_degree=0.995,
    )
    assert found.column("cash")[1] == pytest.approx(0)
    np.testing.assert_allclose(shares(found)[2], left)


def test_short_cash_buys_what_it_covers_with_the_cost():
    # 1100 at 10 % cost: 1100 / 1.1 = 1000.
    found = run([[2, 1]] * 2, [[10, 10]] * 2, costs=Costs(0.1, 0.0, 0.0), initial=1100.0)
    np.testing.assert_allclose(shares(found)[1], [100, 0])
    np.testing.assert_allclose(found.column("total_cost")[1], 100)
    assert found.column("cash")[1] == pytest.approx(0, abs=1e-9)


def test_short_cash_is_cut_to_lots_again():
    # 215 -> 200 shares = 2000 + 200 > 2150; 2150 / 1.1 / 10 = 195.5 -> 100 shares = 1000 + 100.
    found = run(
        [[2, 1]] * 2,
        [[10, 10]] * 2,
        costs=Costs(0.1, 0.0, 0.0),
        initial=2150.0,
        lot=100,
        factor=np.ones((2, 2)),
    )
    np.testing.assert_allclose(shares(found)[1], [100, 0])
    np.testing.assert_allclose(found.column("cash")[1], 1050)


@pytest.mark.parametrize("costs", [Costs(0.0, 0.0, 1000.5), Costs(1.5, 0.0, 0.0)])
def test_cash_below_the_cost_buys_nothing(costs):
    # Neither the minimum of 1000.5 nor 1.5 * 1000 is covered, though at that rate 400 would be.
    found = run([[2, 1]] * 2, [[10, 10]] * 2, costs=costs)
    assert len(found.trades) == 0
    assert found.column("account").tolist() == [1000, 1000]


def test_the_best_is_bought_first_when_cash_runs_short():
    # 500 each: B takes 500 + 5, A the 495 that are left, less 5.
    found = run([[1, 2]] * 2, [[10, 10]] * 2, topk=2, costs=Costs(0.0, 0.0, 5.0))
    np.testing.assert_allclose(shares(found)[1], [49, 50])
    assert found.trades["stock"].tolist() == [1, 0]


# ---- what it is worth ----


def test_a_suspended_or_delisted_holding_keeps_its_last_close_and_is_kept():
    # B is better from day 1 on, but A never trades again after its close of 12.
    close = [[10, 10], [10, 10], [12, 10], [NONE, 10], [NONE, 10]]
    found = run([[2, 1], [2, 1], [1, 2], [1, 2], [1, 2]], close)
    np.testing.assert_allclose(found.column("value"), [0, 1000, 1200, 1200, 1200])
    np.testing.assert_allclose(shares(found)[-1], [100, 0])
    np.testing.assert_allclose(found.column("return"), [0, 0, 0.2, 0, 0], atol=1e-15)


def test_a_resumed_holding_is_sold_at_its_new_close():
    found = run([[2, 1], [1, 2], [1, 2], [0, 0]], [[10, 10], [10, 10], [NONE, 10], [5, 10]])
    np.testing.assert_allclose(shares(found)[2:], [[100, 0], [0, 50]])


def test_excess_is_return_less_bench_and_cost():
    found = run(
        [[2, 1]] * 3,
        [[10, 10], [10, 10], [11, 10]],
        bench=np.array([NONE, 0.01, 0.02]),
        costs=Costs(0.01, 0, 0),
    )
    np.testing.assert_allclose(found.column("bench"), [0, 0.01, 0.02])
    expected = found.column("return") - [0, 0.01, 0.02] - found.column("cost")
    np.testing.assert_allclose(found.column("excess"), expected, atol=1e-15)
    assert found.column("return")[2] == pytest.approx(0.1)


def test_the_benchmark_is_the_equal_weight_universe_unless_given():
    found = run([[2, 1]] * 2, [[10, 10], [11, 13]])
    np.testing.assert_allclose(found.column("bench"), [0, 0.2])


def random_market(seed: int, n_days: int = 60, n_stocks: int = 30):
    rng = np.random.default_rng(seed)
    close = 10 * np.exp(np.cumsum(0.04 * rng.normal(size=(n_days, n_stocks)), axis=0))
    close[rng.random(close.shape) < 0.1] = NONE
    score = rng.normal(size=close.shape)
    score[rng.random(close.shape) < 0.2] = NONE
    return score, close, [f"S{i:02d}" for i in range(n_stocks)]


@pytest.mark.parametrize("seed", range(3))
def test_accounts_add_up(seed):
    score, close, names = random_market(seed)
    found = simulated(score, close, names=names, topk=8, n_drop=3, initial=1e5, lot=None)
    account, before = found.column("account"), np.concatenate([[1e5], found.column("account")[:-1]])
    np.testing.assert_allclose(found.column("value") + found.column("cash"), account, rtol=1e-15)
    np.testing.assert_allclose(found.net, account / before - 1, rtol=0, atol=1e-12)
    # Before costs the account moves by what yesterday's shares gained, no more and no less.
    last = np.full(len(names), NONE)
    held = np.zeros(len(names))
    for t, price in enumerate(close):
        now = np.where(np.isfinite(price), price, last)
        gained = np.nansum(held * (now - last))
        assert found.column("return")[t] == pytest.approx(gained / before[t], abs=1e-12)
        last, held = now, shares(found)[t]
    by_day = found.trades.groupby("day")
    np.testing.assert_allclose(by_day["cost"].sum(), (found.column("cost") * before)[sorted(by_day.groups)])
    np.testing.assert_allclose(found.trades["value"].abs().sum(), found.column("total_turnover")[-1])


def test_the_order_of_columns_does_not_matter():
    score, close, names = random_market(5)
    score = np.round(score)  # many ties
    mixed = np.random.default_rng(0).permutation(len(names))
    settings = {"topk": 6, "n_drop": 2, "lot": 100}
    straight = simulated(score, close, names=names, factor=np.ones_like(close), **settings)
    shuffled = simulated(
        score[:, mixed],
        close[:, mixed],
        names=[names[i] for i in mixed],
        factor=np.ones_like(close),
        **settings,
    )
    np.testing.assert_allclose(shuffled.daily, straight.daily, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(shares(shuffled), shares(straight)[:, mixed])


def test_inputs_are_left_alone():
    score, close, names = random_market(6)
    before = score.copy(), close.copy()
    simulated(score, close, names=names)
    np.testing.assert_array_equal(score, before[0])
    np.testing.assert_array_equal(close, before[1])


# ---- benchmarks ----


def test_the_universe_is_what_was_a_member_the_day_before():
    close = np.array([[10.0, 10, 10], [11, 12, NONE], [11, 12, 15]])
    member = np.array([[True, False, True], [True, True, False], [True, True, True]])
    # All: (.1 + .2) / 2; then 0, 0 and the 50 % that C jumped over its suspension.
    np.testing.assert_allclose(universe_return(close, np.ones((3, 3), dtype=bool)), [NONE, 0.15, 0.5 / 3])
    # Members of the day before: A alone; then A and B.
    np.testing.assert_allclose(universe_return(close, member), [NONE, 0.1, 0.0], atol=1e-15)


# ---- what is refused ----


def test_a_price_that_is_none_is_refused_with_its_place():
    with pytest.raises(DataError, match=r"close of B on day 1 is 0\.0"):
        run([[2, 1]] * 2, [[10, 10], [10, 0]])
    with pytest.raises(DataError, match=r"factor of A on day 0 is -1\.0"):
        run([[2, 1]] * 2, [[10, 10]] * 2, factor=np.array([[-1.0, 1], [1, 1]]))
