"""One rule tells data of survivors, wherever it is asked: by `inspect` and by `leaks`."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from bench.data.inspect import inspect_panel
from bench.data.survivorship import survivorship_of
from bench.leaks import CHECKS
from zoo.data.panel import Panel


def market(stocks: int, days: int, left: int) -> Panel:
    """Daily closes; the first `left` stocks end half way."""
    close = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.02, (days, stocks)), axis=0)).astype(np.float32)
    close[days // 2 :, :left] = np.nan
    return Panel(
        days=np.busday_offset("2015-01-01", np.arange(days), roll="forward"),
        symbols=np.array([f"S{k:03d}" for k in range(stocks)]),
        fields=("close",),
        values=close[..., None],
        member=np.isfinite(close),
        name="market",
    )


def told_by_both(panel: Panel) -> tuple[str, tuple[str, ...]]:
    subject = SimpleNamespace(base=panel, data=SimpleNamespace(source="market.parquet"))
    return inspect_panel(panel).survivorship, tuple(CHECKS["survivorship"](cast(Any, subject)))


@pytest.mark.parametrize(
    ("stocks", "days", "left", "suspected"),
    [
        (200, 1000, 0, True),
        (200, 1000, 2, True),  # 0.25 % a year
        (200, 1000, 10, False),
        (200, 300, 1, True),  # 0.4 % a year
        (200, 300, 3, False),
        (20, 300, 0, True),
        (9, 1000, 0, False),  # too few, too short
        (200, 200, 0, False),
    ],
)
def test_inspect_and_leaks_suspect_the_same_data(stocks, days, left, suspected):
    inspected, offences = told_by_both(market(stocks, days, left))
    assert inspected.startswith(f"survivorship: {left} of {stocks} stocks")
    assert ("probably chosen at the end" in inspected) == suspected
    assert len(offences) == suspected
    for text in offences:
        assert text == inspected.replace("survivorship: ", "market: ")


def test_leaving_an_index_is_no_exit_for_either():
    panel = market(100, 600, 0)
    member = panel.member.copy()
    member[300:, :30] = False
    inspected, (offence,) = told_by_both(replace(panel, member=member))
    assert "0 of 100 stocks (0.0 %) end" in inspected
    assert "0 of 100 stocks (0.0 %) end" in offence


def test_the_cost_of_those_that_are_missing_is_told_and_falls_with_those_that_are_not():
    nobody, two, ten = (survivorship_of(market(200, 1000, left)) for left in (0, 2, 10))
    # 0.5 % of the stocks a year at -30 % each.
    assert nobody.cost == pytest.approx(0.005 * 0.30)
    assert "cost an equally weighted portfolio 0.15 % a year; at 4 % of the stocks a year, 1.2 %" in nobody.sentence
    assert two.cost == pytest.approx((0.005 - 2 / two.stock_years) * 0.30)
    assert 0 < two.cost < nobody.cost
    assert ten.cost == 0
    assert "cost" not in ten.sentence
