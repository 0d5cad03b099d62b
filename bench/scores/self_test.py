"""A/A calibration: how often a model differs from itself, by the tests that the report prints.

Each repeat draws a fresh planted market, trains one model under two names with seeds of their own, and compares the
two as the report compares any pair (`bench.stats.pairs.pair_frame` of daily Rank IC, mean over seeds). On `null`
nothing can be predicted, so the true difference is exactly 0 and the test must reject at its level. On a market with a
signal two networks of different seeds truly differ a little: a test over days asks about these trained networks, not
about their architecture, so it finds such differences more often than its level. Both rates are measured; only the
first tells whether the test is right, the second what a difference of two trained networks says about two models.

The same repeats tell how often the printed interval of one model's mean IC misses the truth (0 on `null`), and that of
the oracle its designed IC, on every market.

    results/calibration.json      settings, versions and, by market, one figure a repeat
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bench.columns import FrameRow, Real, means
from bench.records.documents import read_json, write_json
from bench.records.machine import cpu_name, torch_threads, versions
from bench.stats.bootstrap import bootstrap_means, half_width
from bench.stats.inference import false_positive_interval
from bench.stats.pairs import DIFFERENT, LEVEL, pair_frame
from zoo.errors import ConfigError

FILE = "calibration.json"
TRUE_NULL = "null"
"""The market on which the two names truly do not differ."""


class CalibrationRow(FrameRow):
    """A market on which one model was compared with itself under two names, or the true null."""

    key = ("market",)
    market: str = means("planted market")
    true_null: bool = means("the market holds no signal")
    model: str = means("registry name of what was trained under both names")
    repeats: int = means("fresh markets")
    n_seeds: int = means("seeds under each name")
    n_days: int = means("test days")
    n_stocks: int = means("stocks")
    level: Real = means("of the test")
    rejections: int = means("repeats whose verdict is different")
    rate: Real = means("rejections / repeats")
    rate_low: Real = means("lower end of its exact (Clopper-Pearson) 95 % interval")
    rate_high: Real = means("upper end")
    expected_low: Real = means("lower end of where the rate of a test of exact size falls in 95 % of calibrations")
    expected_high: Real = means("upper end")
    within: bool = means("the rate is there")
    interval_rejections: int = means("repeats whose 95 % interval of the difference leaves out 0")
    interval_rate: Real = means("interval_rejections / repeats")
    ic: Real = means("mean IC of the model")
    seed_sd: Real = means("mean over repeats of the standard deviation over seeds of its mean Rank IC")
    difference_sd: Real = means("standard deviation over repeats of the difference")
    misses: Real = means("intervals of one model's mean IC that leave out 0; null where the truth is not known")
    miss_rate: Real = means("misses / repeats")
    miss_within: bool = means("that rate is where it is expected")
    oracle_misses: int = means("intervals of the true signal's IC that leave out the designed IC")
    oracle_miss_rate: Real = means("oracle_misses / repeats")
    oracle_within: bool = means("that rate is where it is expected")


@dataclass(frozen=True)
class CalibrationSettings:
    """What a calibration does; defaults take one core under ten minutes.

    Attributes:
        repeats: fresh markets, of each kind.
        model, seeds: what is trained under each of the two names; `seeds` networks are averaged as in a report.
        markets: planted markets.
        stocks, days, lookback: size of each, and the window that the model sees.
        hidden_size, max_epochs, batch_size, lr: a budget that learns the signal, not one that exhausts it.
        seed: of everything.
    """

    repeats: int = 200
    model: str = "mlp"
    seeds: int = 3
    markets: tuple[str, ...] = ("null", "mixed")
    stocks: int = 60
    days: int = 400
    lookback: int = 6
    hidden_size: int = 32
    max_epochs: int = 3
    batch_size: int = 2048
    lr: float = 1e-2
    seed: int = 0


def calibrate(
    results: Path, settings: CalibrationSettings, on_repeat: Callable[[str, int], None] | None = None
) -> pd.DataFrame:
    """Measure, write `calibration.json`, return its `calibration_frame`.

    Args:
        on_repeat: called with the market and the number of finished repeats.

    Raises:
        ZooError: an unknown model or market, or settings that leave no day to score.
    """
    if settings.repeats < 1 or settings.seeds < 1:
        raise ConfigError(f"calibrate: needs repeats and seeds of at least 1, got {settings.repeats}, {settings.seeds}")
    measured: dict[str, dict[str, list[float]]] = {}
    for market in settings.markets:
        repeats = []
        for repeat in range(settings.repeats):
            with torch_threads(1):
                repeats.append(_repeat(market, repeat, settings))
            if on_repeat is not None:
                on_repeat(market, repeat + 1)
        measured[market] = {name: [figures[name] for figures in repeats] for name in repeats[0]}
    record = {
        "settings": asdict(settings),
        "level": LEVEL,
        "machine": cpu_name(),
        "versions": versions(),
        "markets": measured,
    }
    write_json(results / FILE, record)
    return calibration_frame(results)


def _repeat(market: str, repeat: int, settings: CalibrationSettings) -> dict[str, Any]:
    """The figures of one fresh market."""
    from bench.experiment.trial import dataset_of
    from bench.metrics.daily import daily_scores
    from zoo.config import DataConfig
    from zoo.data.sources.planted import planted_market

    draw = np.random.SeedSequence([settings.seed, repeat]).generate_state(1 + 2 * settings.seeds).tolist()
    planted = planted_market(market, stocks=settings.stocks, days=settings.days, seed=draw[0])
    data = DataConfig(source=planted.panel.name, lookback=settings.lookback)
    dataset = dataset_of(planted.panel, data, 0, "cpu")
    test = slice(dataset.fold.test.start, dataset.fold.test.stop)
    label = dataset.raw_label[test], dataset.train_label[test]
    daily = [daily_scores(_trained(dataset, settings, seed), *label) for seed in draw[1:]]
    half = settings.seeds
    rank_ic = pd.DataFrame(
        {name: _over_seeds(frames, "rank_ic") for name, frames in (("a", daily[:half]), ("b", daily[half:]))}
    )
    pairs = pair_frame(rank_ic)
    if pairs.empty:
        raise ConfigError(
            f"calibrate: {settings.model} on {planted.panel.name} leaves fewer than two test days on which both names "
            f"have scores that differ between stocks; raise days or stocks, or take another model"
        )
    pair = pairs.iloc[0]
    ic, ic_half = _with_half(_over_seeds(daily[:half], "ic"))
    oracle, oracle_half = _with_half(daily_scores(planted.signal[test], *label)["ic"].to_numpy())
    by_seed = [np.nanmean(frame["rank_ic"]) for frame in daily[:half]]
    return {
        "n_days": int(pair["n_days"]),
        "difference": float(pair["difference"]),
        "low": float(pair["low"]),
        "high": float(pair["high"]),
        "p": float(pair["p"]),
        "rejected": bool(pair["verdict"] == DIFFERENT),
        "ic": ic,
        "ic_half": ic_half,
        "seed_sd": float(np.std(by_seed, ddof=1)) if half > 1 else None,
        "oracle_ic": oracle,
        "oracle_ic_half": oracle_half,
        "designed_ic": float(planted.oracle_ic),
    }


def _trained(dataset: Any, settings: CalibrationSettings, seed: int) -> np.ndarray:
    """Test scores `[days, N]` of one network."""
    from bench.experiment.training import train_and_score
    from zoo import registry
    from zoo.config import TrainConfig

    known = registry.get_spec(settings.model).parameters
    width = {"hidden_size": settings.hidden_size} if "hidden_size" in known else {}
    config = TrainConfig(
        lr=settings.lr, batch_size=settings.batch_size, max_epochs=settings.max_epochs, patience=settings.max_epochs
    )
    return train_and_score(settings.model, width, config, dataset, seed).scores


def _over_seeds(frames: list[pd.DataFrame], column: str) -> np.ndarray:
    """Mean over seeds of each day's figure, as the leaderboard takes it."""
    return pd.concat([frame[column] for frame in frames], axis=1).mean(axis=1).to_numpy()


def _with_half(daily: np.ndarray) -> tuple[float, float]:
    """Mean over days and the half-width that is printed after it."""
    return float(np.nanmean(daily)), float(half_width(bootstrap_means(daily, draws=2000))[0])


def calibration_frame(results: Path) -> pd.DataFrame:
    """`calibration.json` as one row per market; empty where there is none.

    Raises:
        ConfigError: the file is damaged.
    """
    record = read_json(results / FILE).unless_damaged() or {"markets": {}}
    try:
        rows = [_summary(market, found, record) for market, found in record["markets"].items()]
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{results / FILE}: not a calibration ({error}); measure it again with python -m bench calibrate"
        ) from None
    return CalibrationRow.frame(rows)


def _summary(market: str, found: dict[str, list[Any]], record: dict[str, Any]) -> dict[str, Any]:
    settings, level = record["settings"], float(record["level"])
    values = {name: np.array(column, dtype=float) for name, column in found.items()}
    repeats = len(values["rejected"])
    rejections = int(values["rejected"].sum())
    expected = false_positive_interval(repeats, level)
    low, high = _exact_interval(rejections, repeats)
    null = market == TRUE_NULL
    misses = float((np.abs(values["ic"]) > values["ic_half"]).sum()) if null else float("nan")
    oracle_misses = int((np.abs(values["oracle_ic"] - values["designed_ic"]) > values["oracle_ic_half"]).sum())
    outside = int(((values["low"] > 0) | (values["high"] < 0)).sum())

    def within(count: float) -> bool:
        return bool(expected[0] <= count / repeats <= expected[1])

    return {
        "market": market,
        "true_null": null,
        "model": settings["model"],
        "repeats": repeats,
        "n_seeds": settings["seeds"],
        "n_days": int(np.median(values["n_days"])),
        "n_stocks": settings["stocks"],
        "level": level,
        "rejections": rejections,
        "rate": rejections / repeats,
        "rate_low": low,
        "rate_high": high,
        "expected_low": expected[0],
        "expected_high": expected[1],
        "within": within(rejections),
        "interval_rejections": outside,
        "interval_rate": outside / repeats,
        "ic": values["ic"].mean(),
        "seed_sd": values["seed_sd"].mean(),
        "difference_sd": values["difference"].std(ddof=1) if repeats > 1 else float("nan"),
        "misses": misses,
        "miss_rate": misses / repeats,
        "miss_within": within(misses),
        "oracle_misses": oracle_misses,
        "oracle_miss_rate": oracle_misses / repeats,
        "oracle_within": within(oracle_misses),
    }


def _exact_interval(count: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of a probability after `count` of `n` (Clopper & Pearson 1934)."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = betaincinv(count, n - count + 1, tail) if count else 0.0
    high = betaincinv(count + 1, n - count, 1 - tail) if count < n else 1.0
    return float(low), float(high)
