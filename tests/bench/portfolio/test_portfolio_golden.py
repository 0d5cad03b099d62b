from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from simulated import simulated

from bench.portfolio.orders import Costs

GOLDEN = Path(__file__).parents[2] / "golden"
MILD = np.load(GOLDEN / "backtest_topk.npz")
HARSH = np.load(GOLDEN / "backtest_harsh.npz")
RULES = json.loads(str(HARSH["meta"]))["rules"]
REPORTED = ("account", "return", "total_turnover", "turnover", "total_cost", "cost", "value", "cash", "bench")


def assert_reproduces(found: np.ndarray, expected: np.ndarray, column: str, money: float) -> None:
    if column == "return":
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    else:
        # An account spent to the last cent holds 1e-15 or 0, whichever way its sums were rounded.
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15 * money, err_msg=column)


@pytest.mark.parametrize("column", REPORTED)
def test_the_mild_reference_is_reproduced(column):
    result = simulated(
        MILD["pred"],
        MILD["close"],
        names=MILD["instruments"].tolist(),
        change=MILD["change"],
        factor=MILD["factor"],
        bench=MILD["rep_bench"],
    )
    assert_reproduces(result.column(column), MILD[f"rep_{column}"], column, money=1e8)


@pytest.mark.parametrize("case", range(len(RULES)))
def test_harsh_references_are_reproduced(case):
    """Missing scores and days, suspensions, a delisting, limits, splits, short cash, high minimum cost."""
    rules = {**RULES[case], "costs": Costs(*RULES[case]["costs"])}
    result = simulated(
        HARSH["score"][case],
        HARSH["close"][case],
        names=[f"SH{600000 + stock}" for stock in range(HARSH["close"].shape[2])],
        change=HARSH["change"][case],
        factor=HARSH["factor"][case],
        bench=HARSH["rep_bench"][case],
        **rules,
    )
    for column in REPORTED:
        assert_reproduces(result.column(column), HARSH[f"rep_{column}"][case], column, rules["initial"])
