"""Planted markets: simulated panels whose predictable part is known, so a score can be read as an ability.

The label of day t is

    close(t+2) / close(t+1) - 1 = v(t+2) * (0.5 * m(t+2) + rho * signal(t) + sqrt(1 - rho^2) * noise(t+2))

with `signal(t)` standardised over the stocks of day t and read from days up to t only. The common factor m
and the day's volatility v are the same for all stocks, so neither changes a daily correlation: the attainable
IC is rho. The markets stand in `markets/`, one file each.

All markets share one world, only the signal differs: Gaussian innovations, one volatility for all stocks
(unequal ones would lower the attainable IC), calm days of 1 % and stormy days of 2 % in alternating spells of
10 to 25 days, volumes persistent and independent of returns, daily ranges in proportion to the volatility.
"""

from __future__ import annotations

from zoo.data.sources.planted.market import (
    PlantedMarket,
    expected_ic,
    planted_market,
    planted_market_from_spec,
    planted_panel,
)
from zoo.data.sources.planted.params import PREFIX, PlantedParams, canonical_spec, planted_params
from zoo.data.sources.planted.registry import LAST, Market, get_market, list_markets, register_market, register_mixture

__all__ = [
    "LAST",
    "PREFIX",
    "Market",
    "PlantedMarket",
    "PlantedParams",
    "canonical_spec",
    "expected_ic",
    "get_market",
    "list_markets",
    "planted_market",
    "planted_market_from_spec",
    "planted_panel",
    "planted_params",
    "register_market",
    "register_mixture",
]
