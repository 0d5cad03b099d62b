"""Interaction: what a return means depends on the volume."""

from __future__ import annotations

import numpy as np

from zoo.data.sources.planted.registry import register_market
from zoo.data.sources.planted.world import World


@register_market(
    "interaction",
    reads="sign of the day's change of volume x the day's return",
    tests="non-linear feature use",
    order=30,
    own_history=True,
    own=(("return", 0), ("volume_change", 0)),
)
def interaction(world: World, t: int, lookback: int) -> np.ndarray:
    """Continuation on rising volume, reversal on falling."""
    return np.sign(world.log_volume[t] - world.log_volume[t - 1]) * world.returns[t]
