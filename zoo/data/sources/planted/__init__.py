"""Planted markets: simulated panels whose predictable part is known, so a score can be read as an ability.

The label of day t is

    close(t+2) / close(t+1) - 1 = v(t+2) * (0.5 * m(t+2) + rho * signal(t) + sqrt(1 - rho^2) * noise(t+2))

with `signal(t)` standardised over the stocks of day t and read from days up to t only. The common factor m
and the day's volatility v are the same for all stocks, so neither changes a daily correlation: the attainable
IC is rho.

| market | the signal reads | what it tests |
|---|---|---|
| `local` | weighted reversal of the last 3 days' returns | plain time-series prediction |
| `long` | three returns around a lag of 0.8 x lookback | long memory |
| `interaction` | sign of the day's change of volume x the day's return | non-linear feature use |
| `relation` | the day's innovations (the noise part of returns) of concept peers | multi-asset relations |
| `regime` | momentum (lags 3 .. 5), its sign flipped in the stormy regime | switching patterns |
| `mixed` | all five, equal shares | overall |
| `null` | nothing | calibration |

All markets share one world, only the signal differs: Gaussian innovations, one volatility for all stocks
(unequal ones would lower the attainable IC), calm days of 1 % and stormy days of 2 % in alternating spells of
10 to 25 days, volumes persistent and independent of returns, daily ranges in proportion to the volatility.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from zoo.data.panel import FIELDS, Concepts, Panel
from zoo.data.sources.planted.signals import MARKETS, MECHANISMS, Read
from zoo.data.sources.planted.world import simulate
from zoo.errors import ConfigError, did_you_mean

PREFIX = "planted:"
FIRST_DAY = "2010-01-04"
_BOUNDS: dict[str, tuple[float, float]] = {
    "stocks": (4, 20_000),
    "days": (3, 50_000),
    "rho": (0.0, 0.99),
    "lookback": (10, 1_000),
    "seed": (0, 2**63 - 1),
    "concepts": (2, 10_000),
}


@dataclass(frozen=True)
class PlantedParams:
    """Parameters of a planted market.

    Attributes:
        stocks, days: size of the panel. With the defaults and a test segment of 20 % of the days, a mean IC
            has a standard error of 1 / sqrt(100 * 200) = 0.007: 3 % of capture at the default rho.
        rho: correlation of signal and label within a day; unused by `null`.
        lookback: window that a model needs to see all that `long` (and `mixed`) read.
        seed: same parameters and seed, same panel, bit for bit; more days only append.
        concepts: number of equally large groups of stocks; 0 = one per ten stocks.
    """

    stocks: int = 100
    days: int = 1000
    rho: float = 0.25
    lookback: int = 20
    seed: int = 0
    concepts: int = 0


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


def list_markets() -> list[str]:
    """Names of the planted markets."""
    return list(MARKETS)


def planted_params(spec: str) -> tuple[str, PlantedParams]:
    """Market and parameters of a source string `planted:NAME[?key=value&key=value]`.

    Raises:
        ConfigError: unknown market or parameter (names the nearest), a malformed value or one out of range.
    """
    name, _, query = spec.removeprefix(PREFIX).partition("?")
    _check_market(spec, name)
    types = {f.name: float if f.name == "rho" else int for f in fields(PlantedParams)}
    given: dict[str, float] = {}
    for entry in filter(None, query.split("&")):
        key, _, value = entry.partition("=")
        _check_key(spec, key)
        if key in given:
            raise ConfigError(f"{spec}: parameter '{key}' is given twice")
        try:
            given[key] = types[key](value)
        except ValueError:
            kind = "a number" if types[key] is float else "a whole number"
            raise ConfigError(f"{spec}: {key} must be {kind}, as in {key}=10; got '{entry}'") from None
    return name, _checked(spec, name, given)


def _check_market(where: str, name: str) -> None:
    if name not in MARKETS:
        near = did_you_mean(name, MARKETS)
        raise ConfigError(f"{where}: no planted market '{name}'{near}; there are {', '.join(MARKETS)}")


def _check_key(where: str, key: str) -> None:
    known = [f.name for f in fields(PlantedParams)]
    if key not in known:
        raise ConfigError(f"{where}: no parameter '{key}'{did_you_mean(key, known)}; there are {', '.join(known)}")


def _checked(where: str, name: str, given: dict[str, float]) -> PlantedParams:
    _check_market(where, name)
    for key, value in given.items():
        _check_key(where, key)
        low, high = _BOUNDS[key]
        if not low <= value <= high and not (key == "concepts" and value == 0):
            raise ConfigError(f"{where}: {key} must be between {low:g} and {high:g}, got {value:g}")
        if key != "rho" and value != int(value):
            raise ConfigError(f"{where}: {key} must be a whole number, got {value:g}")
    params = PlantedParams(**{key: v if key == "rho" else int(v) for key, v in given.items()})  # type: ignore[arg-type]
    if 2 * params.concepts > params.stocks:
        raise ConfigError(
            f"{where}: {params.concepts} concepts need at least {2 * params.concepts} stocks (two each), "
            f"got {params.stocks}"
        )
    return params


def planted_market(name: str, **params: float) -> PlantedMarket:
    """Simulate a market; `params` are the fields of `PlantedParams`.

    Raises:
        ConfigError: unknown market or parameter (names the nearest), or a value out of range.
    """
    return _build(name, _checked(f"{PREFIX}{name}", name, params))


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


def canonical_spec(name: str, params: PlantedParams) -> str:
    """The source string of a market, stating only what differs from the defaults."""
    default = PlantedParams()
    pairs = [(f.name, getattr(params, f.name)) for f in fields(PlantedParams)]
    stated = [f"{key}={value}" for key, value in pairs if value != getattr(default, key)]
    return f"{PREFIX}{name}" + ("?" + "&".join(stated) if stated else "")


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
    parts = [MECHANISMS[part] for part in MARKETS[name]]
    own = dict.fromkeys(read for part in parts for read in part.own(params.lookback))
    peer = dict.fromkeys(read for part in parts for read in part.peers(params.lookback))
    same = (group[:, None] == group[None, :]) & ~np.eye(len(group), dtype=bool)
    return PlantedMarket(
        name=name,
        params=params,
        panel=panel,
        signal=signal,
        oracle_ic=expected_ic(params.rho, params.stocks) if parts else 0.0,
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
