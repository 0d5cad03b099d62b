"""What sources do differently: decided from the data, made alike, and told.

Each convention has a file: what is stored as `change`, whether volume is adjusted as prices are, how a day without
trade looks, whether indices stand among the stocks. Where the data cannot tell, they are left as they are.
"""

from __future__ import annotations

from typing import Literal

from zoo.data.panel import Panel
from zoo.data.sources.conventions.change import settle_change
from zoo.data.sources.conventions.indices import set_aside
from zoo.data.sources.conventions.suspended import settle_suspended
from zoo.data.sources.conventions.volume import settle_volume

__all__ = ["settle"]


def settle(
    panel: Panel,
    *,
    volume: Literal["auto", "raw", "adjusted"] = "auto",
    suspended: Literal["auto", "keep", "drop"] = "auto",
    indices: Literal["drop", "keep"] = "drop",
) -> Panel:
    """A panel in this project's conventions, with a note on each that was not met or could not be decided.

    Args:
        panel: as a reader has made it. It is not used again: its values may be changed in place.
        volume, suspended, indices: as in `DataConfig`.
    """
    if indices == "drop":
        panel = set_aside(panel)
    panel = settle_change(panel)
    panel = settle_suspended(panel, suspended)
    return settle_volume(panel, volume)
