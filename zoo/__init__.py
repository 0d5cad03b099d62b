"""Alpha Zoo: networks that forecast stock returns, trained alike.

>>> panel = zoo.load_panel("prices.parquet")
>>> model = zoo.build("gru", n_features=6, lookback=60)
>>> scores = zoo.load("quick", model="gru", seed=0).predict(panel)
>>> model.load_state_dict(zoo.interop.load_reference_state("gru", "weights.npz"))

Names are imported on first use, so that `import zoo` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo import interop
    from zoo.checkpoint import Forecaster, load
    from zoo.data.export import compute_features
    from zoo.data.panel import Panel
    from zoo.data.sources import load_panel
    from zoo.errors import ZooError
    from zoo.registry import build, list_models, register_model

__version__ = "0.1.0"
__all__ = [
    "Forecaster",
    "Panel",
    "ZooError",
    "build",
    "compute_features",
    "interop",
    "list_models",
    "load",
    "load_panel",
    "register_model",
]
_HOMES = {
    "Forecaster": "zoo.checkpoint",
    "Panel": "zoo.data.panel",
    "ZooError": "zoo.errors",
    "build": "zoo.registry",
    "compute_features": "zoo.data.export",
    "list_models": "zoo.registry",
    "load": "zoo.checkpoint",
    "load_panel": "zoo.data.sources",
    "register_model": "zoo.registry",
}


def __getattr__(name: str) -> Any:
    if name == "interop":
        return import_module("zoo.interop")
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
