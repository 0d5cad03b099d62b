"""Local: the last three days reverse."""

from __future__ import annotations

import numpy as np

from zoo.data.sources.planted.parts import FADE, three_returns, weighted
from zoo.data.sources.planted.registry import register_market
from zoo.data.sources.planted.world import World


@register_market(
    "local",
    reads="weighted reversal of the last 3 days' returns",
    tests="plain time-series prediction",
    order=10,
    own_history=True,
    own=three_returns(0),
)
def local(world: World, t: int, lookback: int) -> np.ndarray:
    """Fading weights on the last three returns, against their sign."""
    return -weighted(world.returns, t, 0, FADE)
