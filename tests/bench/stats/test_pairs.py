"""What can be told apart: model and pair frames, the confidence set against arch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from bench.report.tables.significance import pair_significance_table, significance_table
from bench.stats import inference
from bench.stats.bootstrap import bootstrap_means
from bench.stats.inference import model_confidence_set, range_pvalues, relative_block
from bench.stats.pairs import (
    DIFFERENT,
    NO_EVIDENCE,
    PairRow,
    SignificanceRow,
    comparable_models,
    pair_frame,
    significance_frame,
)
from zoo.errors import ZooError

DAYS = pd.bdate_range("2020-01-01", periods=300)
MEANS = {"good": 0.05, "twin": 0.05, "bad": -0.05}


def seeds_of(model: str, n_seeds: int = 3, n_days: int = 300) -> pd.DataFrame:
    """Day x seed: a market shared by all models, some luck of each day and seed."""
    market = 0.05 * np.random.default_rng(0).normal(size=(n_days, 1))
    rng = np.random.default_rng([2, list(MEANS).index(model)])
    return pd.DataFrame(
        MEANS[model] + market + 0.03 * rng.normal(size=(n_days, n_seeds)), index=DAYS[:n_days], columns=range(n_seeds)
    )


@pytest.fixture(scope="module")
def by_seed() -> dict[str, pd.DataFrame]:
    return {model: seeds_of(model) for model in MEANS}


@pytest.fixture(scope="module")
def daily(by_seed) -> pd.DataFrame:
    return pd.DataFrame({model: table.mean(axis=1) for model, table in by_seed.items()})


@pytest.fixture(scope="module")
def pairs(daily) -> pd.DataFrame:
    return pair_frame(daily)


@pytest.fixture(scope="module")
def models(daily, by_seed, pairs) -> pd.DataFrame:
    return significance_frame(daily, by_seed, pairs=pairs).set_index("model", drop=False)


def test_pairs_are_all_pairs_in_the_order_of_the_models(pairs):
    assert list(zip(pairs["a"], pairs["b"], strict=True)) == [("good", "twin"), ("good", "bad"), ("twin", "bad")]
    assert {name: str(kind) for name, kind in pairs.dtypes.items() if kind.kind in "fi"} == {
        name: kind for name, kind in PairRow.dtypes().items() if kind != "str"
    }


def test_a_clear_difference_is_found_and_equals_are_not_told_apart(pairs):
    assert list(pairs["verdict"]) == [NO_EVIDENCE, DIFFERENT, DIFFERENT]
    assert ((pairs["low"] < pairs["difference"]) & (pairs["difference"] < pairs["high"])).all()
    assert pairs["low"][0] < 0 < pairs["high"][0]
    assert pairs["low"][1] > 0
    assert pairs["difference"][1] == pytest.approx(0.1, abs=0.01)
    assert (pairs["n_days"] == 300).all()


def test_pairs_hold_the_figures_of_the_statistics_they_name(daily, pairs):
    columns = daily.to_numpy()
    first, second = np.triu_indices(3, 1)
    difference = columns[:, first] - columns[:, second]
    draws = bootstrap_means(difference, draws=10_000, block=relative_block(columns))
    pvalues = inference.pvalues_of(difference.mean(axis=0), draws)
    np.testing.assert_array_equal(pairs["p"], pvalues)
    np.testing.assert_array_equal(pairs["p_holm"], inference.holm(pvalues))
    # 1.960 + 0.842 standard errors: what a test at 5 % finds four times in five.
    np.testing.assert_allclose(pairs["detectable"], 2.80158 * draws.std(axis=0, ddof=1), rtol=1e-5)


def test_thirteen_models_can_still_be_told_apart_after_holm():
    rng = np.random.default_rng(3)
    daily = pd.DataFrame(rng.normal(size=(200, 13)), columns=[f"m{i}" for i in range(13)])
    daily["m0"] += 3.0
    found = pair_frame(daily)
    assert len(found) == 78
    assert (found.loc[found["a"] == "m0", "verdict"] == DIFFERENT).all()


def test_models_carry_their_statistics(models, by_seed, daily):
    row = models.loc["good"]
    split = inference.variance_split(by_seed["good"].to_numpy().T)
    assert row["nw_t"] == pytest.approx(inference.newey_west_t(daily["good"].to_numpy()))
    assert (row["sd_seeds"], row["sd_days"], row["sd_rest"]) == pytest.approx((split.seeds, split.days, split.rest))
    assert row["rank_ic"] == pytest.approx(daily["good"].mean())
    assert (row["n_seeds"], row["n_days"]) == (3, 300)
    assert list(models.columns) == list(SignificanceRow.dtypes())


def test_the_best_and_its_equal_are_in_the_confidence_set_and_the_worst_is_not(models):
    assert models["mcs_included"].to_dict() == {"good": True, "twin": True, "bad": False}
    assert models.loc["bad", "mcs_p"] <= 0.10
    assert models["mcs_p"].max() == 1.0


def test_a_model_is_set_against_the_best_one(models, daily, pairs):
    best = daily.mean().idxmax()
    assert np.isnan(models.loc[best, "best_pair_holm"])
    assert models.loc["bad", "best_pair_difference"] == pytest.approx(daily[best].mean() - daily["bad"].mean())
    of_pair = pairs[(pairs["a"] == best) & (pairs["b"] == "bad")].iloc[0]
    assert models.loc["bad", "best_pair_holm"] == of_pair["p_holm"]
    assert models["better_than"].to_dict() == {"good": 1, "twin": 1, "bad": 0}
    assert models["worse_than"].to_dict() == {"good": 0, "twin": 0, "bad": 2}


def test_models_with_other_days_are_not_compared(daily, by_seed):
    holed = daily.assign(late=daily["good"] + 1)
    holed.loc[holed.index[:1], "late"] = np.nan
    assert comparable_models(holed) == ["good", "twin", "bad"]
    assert set(pair_frame(holed)["a"]) | set(pair_frame(holed)["b"]) == {"good", "twin", "bad"}
    row = significance_frame(holed, by_seed).set_index("model").loc["late"]
    assert not row["comparable"]
    assert not row["mcs_included"]
    assert np.isnan(row["mcs_p"])
    assert np.isnan(row["best_pair_holm"])
    assert (row["better_than"], row["worse_than"], row["n_seeds"], row["n_days"]) == (0, 0, 0, 299)
    assert row["nw_t"] > 50


def test_of_equally_frequent_sets_of_days_the_longest_is_compared():
    daily = pd.DataFrame({"short": [0.1, np.nan, 0.2], "long": [0.1, 0.2, 0.3]})
    assert comparable_models(daily) == ["long"]


@pytest.mark.parametrize(
    "daily",
    [
        pd.DataFrame({"only": [0.1, 0.2, 0.4]}),
        pd.DataFrame({"a": [np.nan] * 3, "b": [np.nan] * 3}),
        pd.DataFrame(index=[0, 1]),
        pd.DataFrame({"a": [0.1], "b": [0.2]}),
    ],
    ids=["one model", "no scores", "no model", "one day"],
)
def test_too_little_to_compare_gives_frames_without_figures(daily):
    pairs, models = pair_frame(daily), significance_frame(daily, {})
    assert list(models["model"]) == list(daily.columns)
    assert list(pairs.columns) == list(PairRow.dtypes())
    assert (pairs["verdict"] != DIFFERENT).all()
    assert models["better_than"].sum() == models["worse_than"].sum() == 0
    assert list(models["mcs_included"]) == [name in comparable_models(daily) for name in daily.columns]


def test_a_report_of_significance_imports_neither_arch_nor_torch():
    code = (
        "import numpy as np, pandas as pd, sys\n"
        "from bench.stats.pairs import significance_frame\n"
        "daily = pd.DataFrame(np.random.default_rng(0).normal(size=(60, 3)), columns=list('abc'))\n"
        "significance_frame(daily, {'a': daily})\n"
        "print(sorted(set(sys.modules) & {'arch', 'torch', 'statsmodels', 'matplotlib'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


# ---- confidence set ----


def test_the_confidence_set_is_that_of_arch_on_the_same_draws():
    arch = pytest.importorskip("arch.bootstrap")
    rng = np.random.default_rng(5)
    for repeat in range(8):
        scores = rng.normal(size=(150, 6)) + 0.1 * rng.normal(size=6)
        theirs = arch.MCS(-scores, size=0.1, reps=200, block_size=4, method="R", seed=repeat)
        theirs.compute()
        resampled = np.stack([scores[days].mean(axis=0) for days in theirs._bootstrap_indices])
        expected = theirs.pvalues["Pvalue"].sort_index().to_numpy()
        np.testing.assert_allclose(range_pvalues(scores.mean(axis=0), resampled), expected, atol=1e-12)


def test_models_a_constant_apart_are_told_apart_and_copies_are_not():
    base = np.random.default_rng(19).integers(0, 8, 300) / 8
    found = model_confidence_set(np.column_stack([base, base - 1.0, base]))
    np.testing.assert_array_equal(found.pvalues, [1.0, 0.0, 1.0])


def test_a_model_without_scores_is_outside_the_confidence_set():
    daily = np.random.default_rng(20).normal(size=(60, 3))
    daily[:, 1] = np.nan
    daily[:10, 2] = np.nan
    found = model_confidence_set(daily)
    assert np.isnan(found.pvalues[1])
    assert not found.included[1]
    assert found.n_days == 50
    with pytest.raises(ZooError, match="size"):
        model_confidence_set(daily, size=10)


def test_the_confidence_set_holds_the_best_models_as_often_as_promised():
    rng = np.random.default_rng(21)
    better = np.array([0.1, 0.1, 0.0, 0.0])
    held = [
        model_confidence_set(rng.normal(size=(200, 4)) + better, draws=200, seed=repeat).included[:2].all()
        for repeat in range(100)
    ]
    # Nominally at least 90 of 100 keep both equals; 3 standard deviations below is 81.
    assert np.sum(held) >= 81


# ---- tables ----


def test_tables_show_every_model_and_pair(models, pairs):
    table = significance_table(models)
    assert table is not None
    assert [row[0] for row in table.texts] == ["good", "twin", "bad"]
    assert table.texts[2][3].startswith("no (")
    shown = pair_significance_table(pairs)
    assert shown is not None
    assert shown.texts[1][0] == "good − bad"
    assert shown.texts[1][-1] == DIFFERENT
    assert {len(row) for row in shown.texts} == {len(shown.headers)} == {len(shown.alignment)}


def test_an_empty_frame_has_no_table():
    assert significance_table(significance_frame(pd.DataFrame(index=[0]), {})) is None
    assert pair_significance_table(pair_frame(pd.DataFrame({"only": [0.1]}))) is None


def test_a_model_with_other_days_is_shown_as_such(daily):
    holed = daily.assign(late=daily["good"].where(daily.index > DAYS[5]))
    table = significance_table(significance_frame(holed, {}))
    assert table is not None
    assert table.texts[3][3] == "other days"
    assert table.texts[3][6] == "–"
