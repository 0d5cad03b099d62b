"""The world of the planted markets: regimes, volumes, returns forward in time, and prices built from them."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

from zoo.data.panel import FIELDS
from zoo.data.sources.planted.parts import standardised
from zoo.data.sources.planted.registry import get_market

LABEL_REACH = 2
CALM, STORM = 0.010, 0.020
MARKET_SHARE = 0.5
SPELL = (10, 25)
VOLUME_PERSISTENCE, VOLUME_DRIFT, VOLUME_SHOCK = 0.95, 0.08, 0.35
_STREAMS = ("noise", "market", "spells", "volume", "drift", "level", "open", "high", "low", "vwap", "null")


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


def streams(market: str, seed: int) -> dict[str, np.random.Generator]:
    """Independent generators, one per purpose, so that a longer simulation begins with the shorter one."""
    key = zlib.crc32(market.encode())
    return {
        name: np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, key, i])))
        for i, name in enumerate(_STREAMS)
    }


def draw_world(rng: dict[str, np.random.Generator], n_days: int, group: np.ndarray) -> World:
    """All that does not depend on the planted signal; returns are zero, to be filled by `simulate`.

    Regimes alternate in spells of 10 to 25 days (uniform) rather than by a Markov chain: just as persistent,
    but no segment is nearly all of one kind, which would let a model without the switch score by luck.
    """
    shape = (n_days, len(group))
    spells = rng["spells"].integers(SPELL[0], SPELL[1] + 1, size=n_days // SPELL[0] + 1)
    stormy = np.repeat(np.arange(len(spells)) % 2 == 1, spells)[:n_days]
    drift = rng["drift"].standard_normal(shape) * VOLUME_DRIFT
    for t in range(1, n_days):
        drift[t] += VOLUME_PERSISTENCE * drift[t - 1]
    level = rng["level"].normal(np.log(1e6), 0.8, size=shape[1])
    return World(
        returns=np.zeros(shape),
        noise=rng["noise"].standard_normal(shape),
        market=rng["market"].standard_normal(n_days),
        volatility=np.where(stormy, STORM, CALM),
        stormy=stormy,
        log_volume=level + drift + rng["volume"].standard_normal(shape) * VOLUME_SHOCK,
        group=group,
    )


def simulate(
    market: str, *, n_days: int, group: np.ndarray, rho: float, lookback: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Run a market forward.

    Returns:
        values `[n_days, N, 6]` float32 in the order of `FIELDS`, and signal `[n_days, N]` float64.
    """
    burn_in = 60 + 2 * lookback
    total = burn_in + n_days
    rng = streams(market, seed)
    world = draw_world(rng, total, group)
    parts = [part for name in get_market(market).parts if (part := get_market(name).signal) is not None]
    planted = bool(parts)
    strength = rho if planted else 0.0
    # What the oracle of a market without signal scores: a draw unrelated to everything.
    signal = np.zeros(world.noise.shape) if planted else rng["null"].standard_normal(world.noise.shape)
    rest = MARKET_SHARE * world.market[:, None] + np.sqrt(1 - strength**2) * world.noise
    world.returns[:] = world.volatility[:, None] * rest
    for t in range(lookback if planted else total, total):
        shares = [standardised(part(world, t, lookback)) for part in parts]
        signal[t] = shares[0] if len(shares) == 1 else standardised(np.sum(shares, axis=0))
        if t + LABEL_REACH < total:
            world.returns[t + LABEL_REACH] += world.volatility[t + LABEL_REACH] * strength * signal[t]
    return _values(world, rng)[burn_in:], signal[burn_in:]


def _values(world: World, rng: dict[str, np.random.Generator]) -> np.ndarray:
    """`[T, N, 6]` float32 with low <= open, close, vwap <= high; ranges scale with the volatility."""
    shape = world.returns.shape
    scale = world.volatility[:, None]
    first = np.exp(rng["level"].normal(np.log(40.0), 0.5, size=shape[1]))
    close = first * np.cumprod(1 + world.returns, axis=0)
    before = close / (1 + world.returns)
    gap = 0.3 * np.log1p(world.returns) + 0.25 * scale * rng["open"].standard_normal(shape)
    opening = before * np.exp(gap)
    high = np.maximum(opening, close) * np.exp(0.4 * scale * np.abs(rng["high"].standard_normal(shape)))
    low = np.minimum(opening, close) * np.exp(-0.4 * scale * np.abs(rng["low"].standard_normal(shape)))
    vwap = low + (high - low) * rng["vwap"].uniform(0.3, 0.7, size=shape)
    by_name = {"open": opening, "high": high, "low": low, "close": close, "vwap": vwap}
    by_name["volume"] = np.exp(world.log_volume)
    return np.stack([by_name[name] for name in FIELDS], axis=-1).astype(np.float32)
