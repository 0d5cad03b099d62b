"""Planted markets: the truth they state is the truth they simulate."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from zoo.crosssection import pearson_rows
from zoo.data.sources.planted import (
    PlantedMarket,
    expected_ic,
    list_markets,
    planted_market,
    planted_market_from_spec,
    planted_panel,
    planted_params,
    registry,
)
from zoo.errors import ConfigError
from zoo.registry import load_plugin

LAGS = 20
TRAIN_SHARE = 0.6


@cache
def market(name: str, seed: int = 0) -> PlantedMarket:
    return planted_market(name, seed=seed)


def label_of(planted: PlantedMarket) -> np.ndarray:
    """`[D, N]` close(t+2) / close(t+1) - 1, NaN on the last two days."""
    close = planted.panel.field("close").astype(np.float64)
    label = np.full(close.shape, np.nan)
    label[:-2] = close[2:] / close[1:-1] - 1
    return label


def day_relative(values: np.ndarray) -> np.ndarray:
    """Mean 0 and sd 1 over the stocks of each day."""
    centred = values - values.mean(axis=1, keepdims=True)
    scale = centred.std(axis=1, keepdims=True)
    return np.divide(centred, scale, out=np.zeros_like(centred), where=scale > 0)


def changes(values: np.ndarray) -> np.ndarray:
    """Day-to-day change of logs, 0 on the first day."""
    return np.diff(np.log(values.astype(np.float64)), axis=0, prepend=np.nan_to_num(np.log(values[:1])))


def returns_of(planted: PlantedMarket) -> np.ndarray:
    return changes(planted.panel.field("close"))


def volume_change_of(planted: PlantedMarket) -> np.ndarray:
    return changes(planted.panel.field("volume"))


def range_of(planted: PlantedMarket) -> np.ndarray:
    return np.log(planted.panel.field("high") / planted.panel.field("low")).astype(np.float64)


def peer_mean(planted: PlantedMarket, values: np.ndarray) -> np.ndarray:
    """Mean of `values` over the other stocks of the same concept, whatever the market reads."""
    stocks = np.arange(planted.panel.n_stocks)
    assert planted.panel.concepts is not None
    belongs = planted.panel.concepts.at(np.zeros_like(stocks), stocks)
    same = belongs @ belongs.T - np.eye(len(stocks))
    return values @ (same / same.sum(axis=1, keepdims=True)).T


def lagged(values: np.ndarray) -> np.ndarray:
    """`[D, N]` -> `[D, N, LAGS]`: entry k is the day-relative value of day t - k, 0 before the first day."""
    relative = day_relative(values)
    padded = np.concatenate([np.zeros((LAGS - 1, values.shape[1])), relative])
    return np.stack([padded[LAGS - 1 - k : LAGS - 1 - k + len(values)] for k in range(LAGS)], axis=-1)


def own_history(planted: PlantedMarket) -> np.ndarray:
    """Everything a linear model can see of a stock itself: lagged returns, volume changes and ranges."""
    return np.concatenate([lagged(f(planted)) for f in (returns_of, volume_change_of, range_of)], axis=-1)


def ridge_ic(planted: PlantedMarket, features: np.ndarray) -> np.ndarray:
    """Daily IC on the last 40 % of days of a ridge fitted on the first 60 %, two days dropped between."""
    label = label_of(planted)
    target = np.nan_to_num(day_relative(label))
    border = int(TRAIN_SHARE * len(label))
    x = features[LAGS : border - 2].reshape(-1, features.shape[-1])
    y = target[LAGS : border - 2].ravel()
    weights = np.linalg.solve(x.T @ x + 10.0 * np.eye(x.shape[1]), x.T @ y)
    return pearson_rows(features[border:-2] @ weights, label[border:-2])


def capture(planted: PlantedMarket, features: np.ndarray) -> float:
    """IC of the ridge over that of the oracle on the same days."""
    oracle = pearson_rows(planted.signal, label_of(planted))[int(TRAIN_SHARE * planted.panel.n_days) : -2]
    return float(ridge_ic(planted, features).mean() / oracle.mean())


def standard_error(daily: np.ndarray) -> float:
    return float(daily.std(ddof=1) / np.sqrt(len(daily)))


def realised(planted: PlantedMarket) -> np.ndarray:
    return pearson_rows(planted.signal, label_of(planted))[:-2]


# ---- the oracle


@pytest.mark.parametrize("name", list_markets())
def test_the_oracle_earns_the_ic_it_was_designed_to(name: str) -> None:
    default = realised(market(name))
    assert abs(default.mean() - market(name).oracle_ic) < 2 * standard_error(default)
    pooled = np.concatenate([realised(market(name, seed)) for seed in range(4)])
    assert abs(pooled.mean() - market(name).oracle_ic) < 2 * standard_error(pooled)


def test_the_designed_ic_accounts_for_few_stocks() -> None:
    rng, rho, stocks = np.random.default_rng(0), 0.5, 10
    signal = day_relative(rng.standard_normal((200_000, stocks)))
    label = rho * signal + np.sqrt(1 - rho**2) * rng.standard_normal(signal.shape)
    daily = pearson_rows(signal, label)
    assert abs(daily.mean() - expected_ic(rho, stocks)) < 0.002
    assert abs(daily.mean() - rho) > 0.01
    assert planted_market("local", stocks=stocks, days=5, rho=rho).oracle_ic == expected_ic(rho, stocks)


def test_the_signal_is_standardised_over_the_stocks_of_each_day() -> None:
    signal = market("mixed").signal
    assert np.abs(signal.mean(axis=1)).max() < 1e-12
    assert np.abs(signal.std(axis=1) - 1).max() < 1e-12


def test_the_signal_of_the_last_days_exists_before_its_label_does() -> None:
    planted = market("mixed")
    assert np.isfinite(planted.signal).all()
    assert planted.signal.shape == planted.panel.member.shape


# ---- each market tests one ability


def test_a_linear_model_captures_local() -> None:
    planted = market("local")
    assert capture(planted, own_history(planted)) > 0.9


def test_a_linear_model_captures_long_when_its_window_is_long_enough() -> None:
    planted = market("long")
    assert capture(planted, own_history(planted)) > 0.85
    recent = lagged(returns_of(planted))[..., : LAGS // 2]
    assert abs(capture(planted, recent)) < 0.1


def test_interaction_needs_the_product_of_volume_and_return() -> None:
    planted = market("interaction")
    product = lagged(np.sign(volume_change_of(planted)) * returns_of(planted))
    assert abs(capture(planted, own_history(planted))) < 0.1
    assert capture(planted, product) > 0.8


def test_relation_needs_the_peers() -> None:
    planted = market("relation")
    peers = lagged(peer_mean(planted, returns_of(planted)))
    assert abs(capture(planted, own_history(planted))) < 0.15
    assert capture(planted, peers) > 0.4


@pytest.mark.parametrize("stocks", [40, 100])
def test_relation_does_not_show_in_the_return_of_the_stock_itself(stocks: int) -> None:
    shows = []
    for seed in range(4):
        planted = planted_market("relation", stocks=stocks, seed=seed)
        shows.append(pearson_rows(returns_of(planted)[1:], planted.signal[1:]))
    assert abs(np.concatenate(shows).mean()) < 0.02


def test_relation_cannot_be_read_from_the_own_past_even_by_products() -> None:
    planted = market("relation")
    lags = lagged(returns_of(planted))
    assert abs(capture(planted, np.concatenate([lags**2, lags[..., 1:] * lags[..., :-1]], axis=-1))) < 0.15


def test_regime_needs_to_see_the_volatility() -> None:
    planted = market("regime")
    ranges = range_of(planted).mean(axis=1, keepdims=True)
    switch = np.where(ranges > np.median(ranges[: int(TRAIN_SHARE * len(ranges))]), -1.0, 1.0)
    lags = lagged(returns_of(planted))
    assert capture(planted, own_history(planted)) < 0.4
    assert capture(planted, lags * switch[..., None]) > 0.8


def test_mixed_gives_a_linear_model_its_two_linear_parts_of_five() -> None:
    planted = market("mixed")
    assert 0.5 < capture(planted, own_history(planted)) < 0.75


@pytest.mark.parametrize("seed", range(3))
def test_null_teaches_nothing(seed: int) -> None:
    planted = market("null", seed)
    peers = lagged(peer_mean(planted, returns_of(planted)))
    product = lagged(np.sign(volume_change_of(planted)) * returns_of(planted))
    for features in (own_history(planted), peers, product):
        daily = ridge_ic(planted, features)
        assert abs(daily.mean()) < 3 * standard_error(daily)


# ---- the stated truth


@pytest.mark.parametrize("name", ["local", "long"])
def test_the_stated_lags_are_those_whose_returns_make_the_signal(name: str) -> None:
    planted = market(name)
    x = lagged(returns_of(planted))[LAGS:].reshape(-1, LAGS)
    weights = np.linalg.lstsq(x, planted.signal[LAGS:].ravel(), rcond=None)[0]
    assert tuple(np.flatnonzero(np.abs(weights) > 0.1)) == planted.lags
    assert planted.fields == ("close",)
    assert not planted.peers.any()


def test_interaction_is_exactly_the_sign_of_the_volume_change_times_the_return() -> None:
    planted = market("interaction")
    product = np.sign(volume_change_of(planted)) * np.expm1(returns_of(planted))
    assert pearson_rows(product, planted.signal)[1:].min() > 1 - 1e-6
    assert planted.lags == (0,)
    assert planted.fields == ("close", "volume")


def test_the_stated_peers_are_the_stocks_whose_returns_the_signal_follows() -> None:
    planted = market("relation")
    assert not planted.peers.diagonal().any()
    relative = day_relative(returns_of(planted))
    together = planted.signal.T @ relative / len(relative)
    assert together[planted.peers].min() > together[~planted.peers].max()
    assert planted.own_reads == ()
    assert planted.peer_reads == (("return", 0),)


def test_regime_is_momentum_by_day_and_reversal_in_wide_range_spells() -> None:
    planted = market("regime")
    daily = np.expm1(returns_of(planted))
    momentum = daily[2:-3] + 0.7 * daily[1:-4] + 0.4 * daily[:-5]
    follows = pearson_rows(momentum, planted.signal[5:])[1:]
    assert np.abs(follows).min() > 1 - 1e-5
    wide = range_of(planted).mean(axis=1)[6:]
    assert wide[follows < 0].min() > wide[follows > 0].max()
    assert 0.3 < (follows < 0).mean() < 0.7


def test_cells_depend_on_how_prices_are_given() -> None:
    local = market("local")
    assert local.cells(day_relative=True) == {("close", 0), ("close", 1), ("close", 2)}
    assert local.cells(day_relative=False) == {("close", lag) for lag in range(4)}
    assert market("relation").cells(day_relative=True) == frozenset()
    assert market("relation").cells(of="peers", day_relative=True) == {("close", 0)}
    assert market("null").cells(day_relative=True) == frozenset()
    assert market("mixed").fields == ("high", "low", "close", "volume")


@pytest.mark.parametrize("lookback", [10, 11, 15, 20, 30, 60])
def test_long_reads_inside_the_window_it_is_built_for(lookback: int) -> None:
    planted = planted_market("mixed", stocks=20, days=5, lookback=lookback)
    assert max(lag for _, lag in planted.cells(day_relative=False)) <= lookback - 1
    long = planted_market("long", stocks=20, days=5, lookback=lookback)
    assert long.lags[0] > 5


# ---- simulation


@pytest.mark.parametrize("name", list_markets())
def test_more_days_only_append_so_nothing_reads_the_future(name: str) -> None:
    short, longer = (planted_market(name, days=days, stocks=40) for days in (400, 500))
    assert np.array_equal(short.panel.values, longer.panel.values[:400])
    assert np.array_equal(short.signal, longer.signal[:400])
    assert np.array_equal(short.panel.days, longer.panel.days[:400])


def test_the_same_spec_is_the_same_panel_in_another_process() -> None:
    spec = "planted:mixed?stocks=30&days=60&seed=7"
    code = (
        "import numpy as np, sys; np.random.seed(99)\n"
        "from zoo.data.sources.planted import planted_panel\n"
        "print(planted_panel(sys.argv[1]).fingerprint)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, spec],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "123", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.stdout.strip() == planted_panel(spec).fingerprint


def test_seeds_and_markets_draw_different_noise() -> None:
    prints = {
        planted_panel(f"planted:{name}?days=30&seed={seed}").fingerprint for name in list_markets() for seed in range(3)
    }
    assert len(prints) == 3 * len(list_markets())
    a, b = (returns_of(market("null", seed))[1:].ravel() for seed in (0, 1))
    assert abs(np.corrcoef(a, b)[0, 1]) < 0.05


@pytest.mark.parametrize("name", list_markets())
def test_prices_and_volumes_are_consistent(name: str) -> None:
    panel = market(name).panel
    low, high = panel.field("low"), panel.field("high")
    assert np.isfinite(panel.values).all()
    assert (panel.values > 0).all()
    for field in ("open", "close", "vwap"):
        assert (low <= panel.field(field)).all()
        assert (panel.field(field) <= high).all()
    assert panel.values.dtype == np.float32
    assert panel.member.all()
    assert 0.014 < np.expm1(returns_of(market(name)))[1:].std() < 0.021


def test_log_volume_persists_and_is_unrelated_to_returns() -> None:
    planted = market("null")
    volume = np.log(planted.panel.field("volume").astype(np.float64))
    volume -= volume.mean(axis=0)
    assert 0.2 < np.corrcoef(volume[1:].ravel(), volume[:-1].ravel())[0, 1] < 0.9
    assert abs(np.corrcoef(volume_change_of(planted).ravel(), returns_of(planted).ravel())[0, 1]) < 0.02


def test_every_stock_has_one_concept_on_every_day() -> None:
    planted = planted_market("null", stocks=25, days=9, concepts=4)
    concepts = planted.panel.concepts
    assert concepts is not None
    assert concepts.names == ("concept_00", "concept_01", "concept_02", "concept_03")
    assert not concepts.snapshot
    stocks = np.arange(25)
    for day in (0, 8):
        belongs = concepts.at(np.full(25, day), stocks)
        assert (belongs.sum(axis=1) == 1).all()
        assert belongs.sum(axis=0).min() >= 6


# ---- one file a market


TAKEN_BEFORE_ANY_OTHER_MARKET = {
    "local": ("7f5f4d4373f9fda3", "6b22cd56f20473c6"),
    "long": ("7c9e7de242fbb81b", "47f6edddd230171a"),
    "interaction": ("f1c45ffef6a25722", "bee37ca12af9b048"),
    "relation": ("fe84de68d418c0cb", "2e42081ec4f32b83"),
    "regime": ("889e1a9466fc90d2", "822ba1ef95e379e0"),
    "mixed": ("81aa08b25cc737b0", "c631541c7ae12cc6"),
    "null": ("276f652a69ba1fcd", "eec0dbb7e4c5114a"),
}
"""Fingerprint of the panel, and of the signal, of `SMALL`; a market's data never change."""
SMALL: dict[str, float] = {"stocks": 24, "days": 60, "seed": 3, "rho": 0.4, "lookback": 12, "concepts": 3}


def prints(name: str) -> tuple[str, str]:
    planted = planted_market(name, **SMALL)
    return planted.panel.fingerprint, sha256(planted.signal.tobytes()).hexdigest()[:16]


@pytest.fixture
def another_market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of the market of CONTRIBUTING, registered from its block as it stands; forgotten after the test."""
    list_markets()
    monkeypatch.setattr(registry, "_markets", dict(registry._markets))
    guide = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```python\n(.*?)^```$", section(guide, "Add a market"), re.MULTILINE | re.DOTALL)
    (tmp_path / "gap.py").write_text(block, encoding="utf-8")
    load_plugin(tmp_path / "gap.py")
    (name,) = set(list_markets()) - set(TAKEN_BEFORE_ANY_OTHER_MARKET)
    return name


def section(guide: str, title: str) -> str:
    return guide.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_every_market_has_the_data_that_it_always_had() -> None:
    assert {name: prints(name) for name in list_markets()} == TAKEN_BEFORE_ANY_OTHER_MARKET


def test_a_new_market_changes_the_data_of_no_other(another_market: str) -> None:
    assert {name: prints(name) for name in list_markets() if name != another_market} == TAKEN_BEFORE_ANY_OTHER_MARKET


def test_a_new_market_from_a_file_outside_the_package_is_known_wherever_markets_are(another_market: str) -> None:
    assert list_markets() == [*TAKEN_BEFORE_ANY_OTHER_MARKET, another_market]
    with pytest.raises(ConfigError, match=f"did you mean '{another_market}'.*there are local, .*, {another_market}$"):
        planted_params(f"planted:{another_market[:-1]}")


def test_a_new_market_holds_to_what_it_states(another_market: str) -> None:
    default, longer = (planted_market(another_market, days=days) for days in (1000, 1100))
    assert np.array_equal(default.signal, longer.signal[:1000])
    daily = realised(default)
    assert abs(daily.mean() - default.oracle_ic) < 3 * standard_error(daily)
    assert abs(capture(default, own_history(default))) < 0.15, "it states that it reads nothing of the stock itself"
    assert capture(default, lagged(peer_mean(default, volume_change_of(default)))) > 0.8


def test_a_market_may_not_take_the_name_of_another(tmp_path: Path) -> None:
    text = (
        "from zoo.data.sources.planted import register_market\n\n\n@register_market({name!r}, reads='x', tests='x')\n"
    )
    (tmp_path / "thief.py").write_text(text.format(name="local") + "def f(world, t, lookback):\n    return 0\n")
    with pytest.raises(ConfigError, match=r"market 'local' is already registered by .*local\.py"):
        load_plugin(tmp_path / "thief.py")
    (tmp_path / "loud.py").write_text(text.format(name="Lo-ud") + "def f(world, t, lookback):\n    return 0\n")
    with pytest.raises(ConfigError, match="must be lower-case letters"):
        load_plugin(tmp_path / "loud.py")


# ---- source strings


def test_a_source_string_gives_the_market_its_panel_came_from() -> None:
    planted = planted_market("local", stocks=12, days=40, rho=0.3, lookback=15, seed=5, concepts=3)
    again = planted_market_from_spec(planted.panel.name)
    assert again.params == planted.params
    assert again.panel.fingerprint == planted.panel.fingerprint
    assert np.array_equal(again.signal, planted.signal)
    assert planted_market("local", days=40).panel.name == "planted:local?days=40"


@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("planted:locale", "did you mean 'local'"),
        ("planted:", "there are local, long"),
        ("planted:local?stock=3", "did you mean 'stocks'"),
        ("planted:local?days=many", "days must be a whole number"),
        ("planted:local?days=10.5", "days must be a whole number"),
        ("planted:local?days", "days must be a whole number"),
        ("planted:local?rho=high", "rho must be a number"),
        ("planted:local?rho=1.5", "rho must be between 0 and 0.99"),
        ("planted:local?rho=nan", "rho must be between 0 and 0.99"),
        ("planted:local?lookback=5", "lookback must be between 10 and 1000"),
        ("planted:local?seed=-1", "seed must be between"),
        ("planted:local?stocks=10&concepts=6", "6 concepts need at least 12 stocks"),
        ("planted:local?concepts=1", "concepts must be between 2"),
        ("planted:local?days=40&days=50", "'days' is given twice"),
    ],
)
def test_a_bad_source_string_says_what_is_wrong(spec: str, part: str) -> None:
    with pytest.raises(ConfigError) as error:
        planted_params(spec)
    assert part in str(error.value)
    assert spec in str(error.value)


def test_a_bad_argument_says_what_is_wrong() -> None:
    with pytest.raises(ConfigError, match="days must be a whole number"):
        planted_market("local", days=10.5)
    with pytest.raises(ConfigError, match="did you mean 'null'"):
        planted_market("nul")
    with pytest.raises(ConfigError, match="did you mean 'seed'"):
        planted_market("local", seeds=1)
