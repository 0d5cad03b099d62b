"""The markets: one file and one decorator add one; see `zoo.data.sources.planted.markets`.

A signal of day t reads nothing after t. `@register_market` makes it known to `--data planted:NAME`, the capture matrix,
the guide and the help; no other market changes by it. A file from elsewhere (`--plugin`) may register one as well.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from zoo.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from zoo.data.sources.planted.world import World

Read = tuple[Literal["return", "volume_change", "range"], int]
"""What a signal of day t reads: a quantity of day t - lag (the second item)."""

Reads = tuple[Read, ...]
Signal = Callable[["World", int, int], np.ndarray]
"""(world, t, lookback) -> `[N]` signal of day t, any scale, from days up to t."""

LAST = 1000
"""Order of a market that states none."""
_markets: dict[str, Market] = {}


@dataclass(frozen=True)
class Market:
    """A planted market as it is registered.

    Attributes:
        name: as in `planted:NAME`.
        reads: what the signal reads, in words.
        tests: the ability that a score on it means.
        order: place among the markets, in tables and lists.
        own_history: the signal is in a stock's own recent history: plain time-series prediction.
        parts: markets that share the signal's variance equally; a market with a signal of its own is its own part, one
            without any signal has none.
        own, peers: lookback -> what the signal reads of the stock itself, and of its concept peers.
        signal: of a market that is its own part.
        file: where it is registered.
    """

    name: str
    reads: str
    tests: str
    order: int
    own_history: bool
    parts: tuple[str, ...]
    own: Callable[[int], Reads]
    peers: Callable[[int], Reads]
    signal: Signal | None
    file: Path

    def describe(self) -> dict[str, Any]:
        """What a run on this market records of it."""
        return {key: getattr(self, key) for key in ("name", "reads", "tests", "order", "own_history")}


def register_market(
    name: str,
    *,
    reads: str,
    tests: str,
    order: int = LAST,
    own_history: bool = False,
    own: Reads | Callable[[int], Reads] = (),
    peers: Reads | Callable[[int], Reads] = (),
) -> Callable[[Signal], Signal]:
    """Decorator of a `Signal` that adds its market; arguments as in `Market`.

    Raises:
        ConfigError: the name is taken by another file, or is not lower-case letters, digits and `_`.
    """

    def register(signal: Signal) -> Signal:
        where = Path(inspect.getfile(signal))
        _add(Market(name, reads, tests, order, own_history, (name,), _reading(own), _reading(peers), signal, where))
        return signal

    return register


def register_mixture(
    name: str, *, parts: tuple[str, ...], reads: str, tests: str, order: int = LAST, file: str
) -> None:
    """Add a market whose signal is made of others in equal shares, or, without parts, of nothing.

    Args:
        file: `__file__` of the caller.

    Raises:
        ConfigError: as `register_market`.
    """

    def reading(of: Literal["own", "peers"]) -> Callable[[int], Reads]:
        return lambda lookback: tuple(read for part in parts for read in getattr(get_market(part), of)(lookback))

    _add(Market(name, reads, tests, order, False, parts, reading("own"), reading("peers"), None, Path(file)))


def list_markets() -> list[str]:
    """Names of the planted markets, in their order."""
    _scan()
    return sorted(_markets, key=lambda name: (_markets[name].order, name))


def get_market(name: str, where: str = "") -> Market:
    """A registered market.

    Raises:
        ConfigError: no such market; names the nearest.
    """
    _scan()
    if name not in _markets:
        known = list_markets()
        at = f"{where}: " if where else ""
        raise ConfigError(f"{at}no planted market '{name}'{did_you_mean(name, known)}; there are {', '.join(known)}")
    return _markets[name]


def _add(market: Market) -> None:
    if not market.name.replace("_", "").isalnum() or market.name != market.name.lower():
        raise ConfigError(f"market name {market.name!r} must be lower-case letters, digits and '_'")
    taken = _markets.get(market.name)
    if taken is not None and taken.file != market.file:
        raise ConfigError(f"market '{market.name}' is already registered by {taken.file}")
    _markets[market.name] = market


def _reading(reads: Reads | Callable[[int], Reads]) -> Callable[[int], Reads]:
    return reads if callable(reads) else lambda lookback: reads


def _scan() -> None:
    from zoo.data.sources.planted import markets

    for module in pkgutil.iter_modules(markets.__path__):
        importlib.import_module(f"{markets.__name__}.{module.name}")
