"""How models are measured; the Python interface of the benchmark.

>>> result = bench.compare("prices.parquet", models=["linear", "gru", "alstm"], seeds=3)
>>> print(result.verdict)
>>> scores = result.models["gru"].predict("new.parquet")
>>> bench.open("prices").table

Names are imported on first use, so that `import bench` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.interface.compare import compare
    from bench.interface.result import Result
    from bench.interface.result import open_run as open

__all__ = ["Result", "compare", "open"]
_HOMES = {"Result": ("result", "Result"), "compare": ("compare", "compare"), "open": ("result", "open_run")}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'bench' has no attribute '{name}'")
    module, attribute = _HOMES[name]
    return getattr(import_module(f"bench.interface.{module}"), attribute)


def __dir__() -> list[str]:
    return list(__all__)
