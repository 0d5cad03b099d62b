"""Long: returns of long ago come back."""

from __future__ import annotations

import numpy as np

from zoo.data.sources.planted.parts import HUMP, long_lag, three_returns, weighted
from zoo.data.sources.planted.registry import register_market
from zoo.data.sources.planted.world import World


@register_market(
    "long",
    reads="three returns around a lag of 0.8 x lookback",
    tests="long memory",
    order=20,
    own=lambda lookback: three_returns(long_lag(lookback) - 1),
)
def long(world: World, t: int, lookback: int) -> np.ndarray:
    """A hump of three returns around `long_lag`."""
    return weighted(world.returns, t, long_lag(lookback) - 1, HUMP)
