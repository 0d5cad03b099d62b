"""What the planted markets plant: one mechanism per ability, a signal of day t that reads nothing after t."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

Read = tuple[Literal["return", "volume_change", "range"], int]
"""What a signal of day t reads: a quantity of day t - lag (the second item)."""

FADE = (1.0, 0.7, 0.4)
HUMP = (0.6, 1.0, 0.6)
RANGE_LAGS = 5


@dataclass(frozen=True)
class World:
    """What happens in a market before any signal, over T days (burn-in included) and N stocks.

    Attributes:
        returns: `[T, N]` simple close-to-close returns; the simulation fills them forward in time.
        noise: `[T, N]` standard normal innovations of the returns.
        market: `[T]` standard normal common factor.
        volatility: `[T]` standard deviation of a stock's return around the market's on that day.
        stormy: `[T]` bool, the day is in the high-volatility regime.
        log_volume: `[T, N]`.
        group: `[N]` concept of each stock.
    """

    returns: np.ndarray
    noise: np.ndarray
    market: np.ndarray
    volatility: np.ndarray
    stormy: np.ndarray
    log_volume: np.ndarray
    group: np.ndarray


@dataclass(frozen=True)
class Mechanism:
    """One planted signal.

    Attributes:
        read: (world, t, lookback) -> `[N]` signal of day t, any scale, from days up to t.
        own: lookback -> what the signal reads of the stock itself.
        peers: lookback -> what it reads of the stock's concept peers.
    """

    read: Callable[[World, int, int], np.ndarray]
    own: Callable[[int], tuple[Read, ...]]
    peers: Callable[[int], tuple[Read, ...]] = lambda lookback: ()


def long_lag(lookback: int) -> int:
    """Centre of the three returns that `long` reads: 0.8 x lookback, less where the window is too short.

    The return of day t - d needs the close of t - d - 1, which must be inside the window.
    """
    return min(round(0.8 * lookback), lookback - 3)


def _weighted(returns: np.ndarray, t: int, lag: int, weights: tuple[float, ...]) -> np.ndarray:
    # Unequal weights: with equal ones the inner closes cancel and only the two outer ones would be read.
    return sum((w * returns[t - lag - k] for k, w in enumerate(weights)), start=np.zeros(returns.shape[1]))


def _returns(first: int) -> tuple[Read, ...]:
    return tuple(("return", first + k) for k in range(3))


def _local(world: World, t: int, lookback: int) -> np.ndarray:
    return -_weighted(world.returns, t, 0, FADE)


def _long(world: World, t: int, lookback: int) -> np.ndarray:
    return _weighted(world.returns, t, long_lag(lookback) - 1, HUMP)


def _interaction(world: World, t: int, lookback: int) -> np.ndarray:
    return np.sign(world.log_volume[t] - world.log_volume[t - 1]) * world.returns[t]


def _relation(world: World, t: int, lookback: int) -> np.ndarray:
    # Innovations, not returns: a peer's return contains its own planted signal, hence this stock's past.
    own, group = standardised(world.noise[t]), world.group
    size = np.bincount(group)[group]
    peers = (np.bincount(group, weights=own)[group] - own) / (size - 1)
    # Centring and scaling over few groups ties the peers' mean to the stock's own innovation (correlation
    # -0.06 with 100 stocks, -0.13 with 50), which its past shows; so the day's own part is taken out.
    return peers - np.mean(peers * own) * own


def _regime(world: World, t: int, lookback: int) -> np.ndarray:
    # Lags 3 .. 5 keep it apart from `local`, which reads lags 0 .. 2, so that `mixed` has equal shares.
    momentum = _weighted(world.returns, t, 3, FADE)
    return -momentum if world.stormy[t] else momentum


MECHANISMS: dict[str, Mechanism] = {
    "local": Mechanism(_local, lambda lookback: _returns(0)),
    "long": Mechanism(_long, lambda lookback: _returns(long_lag(lookback) - 1)),
    "interaction": Mechanism(_interaction, lambda lookback: (("return", 0), ("volume_change", 0))),
    "relation": Mechanism(_relation, lambda lookback: (), lambda lookback: (("return", 0),)),
    "regime": Mechanism(_regime, lambda lookback: (*_returns(3), *(("range", lag) for lag in range(RANGE_LAGS)))),
}

MARKETS: dict[str, tuple[str, ...]] = {
    **{n: (n,) for n in MECHANISMS},
    "mixed": tuple(MECHANISMS),
    "null": (),
}
"""The mechanisms of each market; several have equal shares of the signal's variance."""


def standardised(values: np.ndarray) -> np.ndarray:
    """`[N]` with mean 0 and standard deviation 1 (ddof 0) over the stocks."""
    centred = values - values.mean()
    return centred / np.sqrt(np.mean(centred * centred))


def signal_of(market: str, world: World, t: int, lookback: int) -> np.ndarray:
    """`[N]` standardised signal of day t in a market that has one."""
    parts = [standardised(MECHANISMS[name].read(world, t, lookback)) for name in MARKETS[market]]
    return parts[0] if len(parts) == 1 else standardised(np.sum(parts, axis=0))
