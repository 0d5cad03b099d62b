"""A planted market, simulated: what a model sees, and the truth about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from zoo.data.panel import FIELDS, Concepts, Panel
from zoo.data.sources.planted.params import PREFIX, PlantedParams, canonical_spec, checked_params, planted_params
from zoo.data.sources.planted.registry import Read, get_market
from zoo.data.sources.planted.world import simulate

FIRST_DAY = "2010-01-04"


@dataclass(frozen=True)
class PlantedMarket:
    """A planted panel and the truth about it.

    Attributes:
        name: key of `list_markets()`.
        params: as given, defaults filled in.
        panel: what a model sees; its name is the canonical source string.
        signal: `[D, N]` float64, what the oracle scores: known at day t, standardised over stocks. In `null`
            an unrelated draw, so that even the oracle's IC is 0 up to chance.
        oracle_ic: expected daily IC of `signal` against the default label; 0 in `null`.
        own_reads: (quantity, lag) of the stock itself that the signal of day t reads on day t - lag: `return`
            (close over previous close), `volume_change` (over the previous day), `range` (high and low; the
            regime is listed as the ranges of the last 5 days, which show it).
        peer_reads: the same of the stock's peers.
        peers: `[N, N]` bool, `peers[i, j]`: stock i's signal reads stock j. Never itself; all False
            where the signal reads no other stock.
    """

    name: str
    params: PlantedParams
    panel: Panel
    signal: np.ndarray
    oracle_ic: float
    own_reads: tuple[Read, ...]
    peer_reads: tuple[Read, ...]
    peers: np.ndarray

    def cells(self, *, of: Literal["own", "peers"] = "own", day_relative: bool) -> frozenset[tuple[str, int]]:
        """The (field, lag) inputs a model has to use: the truth of an attribution.

        `day_relative`: prices are given over the previous close, as in `raw`, so a return is one cell; else
        over the window's last close, as in `alpha360`, where a return needs the closes of two days.
        """
        found = set[tuple[str, int]]()
        for quantity, lag in self.own_reads if of == "own" else self.peer_reads:
            if quantity == "return":
                found |= {("close", lag)} if day_relative else {("close", lag), ("close", lag + 1)}
            elif quantity == "volume_change":
                found |= {("volume", lag), ("volume", lag + 1)}
            else:
                found |= {("high", lag), ("low", lag)}
        return frozenset(found)

    @property
    def lags(self) -> tuple[int, ...]:
        """Sorted lags d such that the signal of day t reads a return, volume change or range of day t - d."""
        return tuple(sorted({lag for _, lag in self.own_reads + self.peer_reads}))

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields the signal reads, of the stock or of its peers, in the panel's order."""
        read = {name for of in ("own", "peers") for name, _ in self.cells(of=of, day_relative=True)}
        return tuple(name for name in FIELDS if name in read)


def planted_market(name: str, **params: float) -> PlantedMarket:
    """Simulate a market; `params` are the fields of `PlantedParams`.

    Raises:
        ConfigError: unknown market or parameter (names the nearest), or a value out of range.
    """
    return _build(name, checked_params(f"{PREFIX}{name}", name, params))


def planted_market_from_spec(spec: str) -> PlantedMarket:
    """The market behind a source string, for example `planted:local?stocks=50&seed=3`.

    Raises:
        ConfigError: as `planted_params`.
    """
    return _build(*planted_params(spec))


def planted_panel(spec: str) -> Panel:
    """The panel of a source string `planted:NAME[?key=value&key=value]`; see `PlantedParams` for the keys.

    Raises:
        ConfigError: as `planted_params`.
    """
    return planted_market_from_spec(spec).panel


def expected_ic(rho: float, n_stocks: int) -> float:
    """Expected within-day Pearson correlation of N stocks with y = rho * s + q * noise, q^2 = 1 - rho^2.

    For s standardised over those N stocks and Gaussian noise, to second order in 1 / sqrt(N):
    rho * (1 + (q^2 - 3/4 q^4) / N), from a Taylor expansion of slope / sqrt(slope^2 + residual variance).
    """
    q2 = 1 - rho**2
    return rho * (1 + (q2 - 0.75 * q2**2) / n_stocks)


def _build(name: str, params: PlantedParams) -> PlantedMarket:
    n_concepts = params.concepts or max(2, params.stocks // 10)
    group = np.arange(params.stocks) % n_concepts
    values, signal = simulate(
        name, n_days=params.days, group=group, rho=params.rho, lookback=params.lookback, seed=params.seed
    )
    width = len(str(params.stocks - 1))
    days = np.busday_offset(np.datetime64(FIRST_DAY), np.arange(params.days))
    panel = Panel(
        days=days,
        symbols=np.array([f"P{i:0{width}d}" for i in range(params.stocks)]),
        fields=FIELDS,
        values=values,
        member=np.ones(signal.shape, dtype=bool),
        concepts=_concepts(group, params.days),
        name=canonical_spec(name, params),
    )
    market = get_market(name)
    own = dict.fromkeys(market.own(params.lookback))
    peer = dict.fromkeys(market.peers(params.lookback))
    same = (group[:, None] == group[None, :]) & ~np.eye(len(group), dtype=bool)
    return PlantedMarket(
        name=name,
        params=params,
        panel=panel,
        signal=signal,
        oracle_ic=expected_ic(params.rho, params.stocks) if market.parts else 0.0,
        own_reads=tuple(own),
        peer_reads=tuple(peer),
        peers=same if peer else np.zeros_like(same),
    )


def _concepts(group: np.ndarray, n_days: int) -> Concepts:
    n_concepts = int(group.max()) + 1
    belongs = group[:, None] == np.arange(n_concepts)
    return Concepts(
        names=tuple(f"concept_{i:02d}" for i in range(n_concepts)),
        start=np.zeros((1, *belongs.shape), dtype=np.int32),
        end=np.where(belongs, n_days - 1, -1).astype(np.int32)[None],
        snapshot=False,
    )
