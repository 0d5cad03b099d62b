"""Regime: momentum that turns round in storms."""

from __future__ import annotations

import numpy as np

from zoo.data.sources.planted.parts import FADE, three_returns, weighted
from zoo.data.sources.planted.registry import register_market
from zoo.data.sources.planted.world import World

RANGE_LAGS = 5


@register_market(
    "regime",
    reads="momentum (lags 3 .. 5), its sign flipped in the stormy regime",
    tests="switching patterns",
    order=45,
    own_history=True,
    own=(*three_returns(3), *(("range", lag) for lag in range(RANGE_LAGS))),
)
def regime(world: World, t: int, lookback: int) -> np.ndarray:
    """Momentum in calm days, its reverse in stormy ones; the ranges of the last days show which it is."""
    # Lags 3 .. 5 keep it apart from `local`, which reads lags 0 .. 2, so that `mixed` has equal shares.
    momentum = weighted(world.returns, t, 3, FADE)
    return -momentum if world.stormy[t] else momentum
