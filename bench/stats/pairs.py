"""What the daily scores of a run can tell apart: one row per model, one row per pair of models.

Models are compared on equal sets of days only: those of the set that most models share (of equally frequent ones the
longest). A model with other days has its own figures, but no pair and no place in the confidence set.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import pandas as pd

from bench.columns import FrameRow, Real, means
from bench.stats.bootstrap import block_length, bootstrap_means, interval
from bench.stats.inference import (
    holm,
    model_confidence_set,
    newey_west_t,
    overlap_lags,
    pvalues_of,
    relative_block,
    variance_split,
)
from zoo.shapes import Float

DIFFERENT, NO_EVIDENCE = "different", "no evidence of a difference"


class PairRow(FrameRow):
    """Two ranked models, compared on the days both have."""

    key = ("a", "b")
    a: str = means("registry name")
    b: str = means("registry name")
    difference: Real = means("Rank IC of a minus b, mean of daily differences")
    low: Real = means("2.5 % point of its paired bootstrap")
    high: Real = means("97.5 % point; an interval that holds 0 is no evidence of a difference")
    p: Real = means("two-sided bootstrap p-value of this pair alone")
    p_holm: Real = means("the same after Holm's correction for all pairs")
    detectable: Real = means("smallest true difference that this test finds four times in five")
    verdict: Literal["different", "no evidence of a difference"] = means("different where p_holm is at most 0.05")
    n_days: int = means("days that both have")


class SignificanceRow(FrameRow):
    """What the daily Rank IC of a model can tell apart."""

    model: str = means("registry name")
    comparable: bool = means("has the days that most models share; else it has no pair")
    n_days: int = means("days with a Rank IC")
    n_seeds: int = means("seeds with daily scores")
    rank_ic: Real = means("mean over days")
    nw_t: Real = means("its Newey-West t")
    mcs_p: Real = means("smallest size at which the model confidence set would leave it out")
    mcs_included: bool = means("in the 90 % model confidence set")
    sd_seeds: Real = means("standard deviation of one seed's mean that seeds explain")
    sd_days: Real = means("the same that days explain")
    sd_rest: Real = means("the same that neither explains")
    best_pair_difference: Real = means("best comparable model minus this one; null for the best itself")
    best_pair_p: Real = means("p-value of that pair alone")
    best_pair_holm: Real = means("the same after Holm's correction")
    better_than: int = means("models it is better than after Holm's correction")
    worse_than: int = means("models it is worse than after Holm's correction")


LEVEL, POWER, MCS_SIZE = 0.05, 0.8, 0.10
DRAWS = 10_000
"""With fewer, the smallest p-value that Holm multiplies by the number of pairs could not get below 5 %: 13 models make
78 pairs, 78 / 10,001 = 0.8 %."""


def comparable_models(daily: pd.DataFrame) -> list[str]:
    """The models (columns of `daily`, day x model) that share one set of scored days, in the order of the columns."""
    days = {str(name): np.isfinite(daily[name].to_numpy(dtype=float)).tobytes() for name in daily.columns}
    counts = Counter(found for found in days.values() if any(found))
    if not counts:
        return []
    shared = max(counts, key=lambda found: (counts[found], sum(found)))
    return [name for name, found in days.items() if found == shared]


@dataclass(frozen=True)
class PairedDraws:
    """Bootstrap means of comparable models on the days they share.

    Attributes:
        models: M comparable models, in the order of the columns they came from.
        columns: `[D, M]`, their daily scores.
        means: `[B, M]`, the same resampled days for all: a difference of two columns is a draw of their difference.
    """

    models: list[str]
    columns: Float[np.ndarray, "D M"]
    means: Float[np.ndarray, "B M"]

    def difference(self, a: str, b: str | None) -> tuple[float, float, float]:
        """Mean daily difference a - b with its 95 % interval; NaN where the two share no set of days."""
        if a not in self.models or b not in self.models:
            return float("nan"), float("nan"), float("nan")
        i, j = self.models.index(a), self.models.index(b)
        low, high = interval((self.means[:, i] - self.means[:, j])[:, None], 1 - LEVEL)
        return float((self.columns[:, i] - self.columns[:, j]).mean()), float(low[0]), float(high[0])


def paired_draws(daily: pd.DataFrame, *, draws: int = DRAWS, seed: int = 0, least: float = 1.0) -> PairedDraws:
    """Draws of the comparable models of `daily` (day x model, NaN = skipped day); none for fewer than two of either.

    One block length serves all: that of the models relative to each other, and no less than `least` days.
    """
    models, columns = _shared(daily)
    if len(models) < 2 or len(columns) < 2:
        return PairedDraws([], np.empty((0, 0)), np.empty((draws, 0)))
    means = bootstrap_means(columns, draws=draws, seed=seed, block=relative_block(columns, least))
    return PairedDraws(models, columns, means)


def pair_frame(daily: pd.DataFrame, *, drawn: PairedDraws | None = None) -> pd.DataFrame:
    """Every pair of comparable models, in the order of the columns of `daily` (day x model, NaN = skipped day).

    One day makes no pair.

    Args:
        drawn: the `paired_draws` of `daily`, where they are there already.
    """
    drawn = paired_draws(daily) if drawn is None else drawn
    if not drawn.models:
        return PairRow.frame([])
    first, second = np.triu_indices(len(drawn.models), 1)
    difference = drawn.means[:, first] - drawn.means[:, second]
    mean = (drawn.columns[:, first] - drawn.columns[:, second]).mean(axis=0)
    low, high = interval(difference, 1 - LEVEL)
    pvalues = pvalues_of(mean, difference)
    adjusted = holm(pvalues)
    quantile = NormalDist().inv_cdf
    return PairRow.frame(
        {
            "a": [drawn.models[i] for i in first],
            "b": [drawn.models[i] for i in second],
            "difference": mean,
            "low": low,
            "high": high,
            "p": pvalues,
            "p_holm": adjusted,
            "detectable": (quantile(1 - LEVEL / 2) + quantile(POWER)) * difference.std(axis=0, ddof=1),
            "verdict": np.where(adjusted <= LEVEL, DIFFERENT, NO_EVIDENCE),
            "n_days": len(drawn.columns),
        }
    )


def significance_frame(
    daily: pd.DataFrame,
    by_seed: Mapping[str, pd.DataFrame],
    *,
    pairs: pd.DataFrame | None = None,
    least: float = 1.0,
) -> pd.DataFrame:
    """One row per model (column of `daily`, day x model: mean over seeds), in their order.

    Args:
        by_seed: per model its daily scores, day x seed; a model without any has no variance split.
        pairs: the `pair_frame` of `daily`, where it is there already.
        least: days that labels overlap; no block is shorter, and errors look as far.
    """
    pairs = pair_frame(daily) if pairs is None else pairs
    models, columns = _shared(daily)
    # Left to itself where labels do not overlap.
    block = relative_block(columns, least) if least > 1 and models and len(columns) else None
    chosen = model_confidence_set(columns, MCS_SIZE, draws=DRAWS, block=block) if models else None
    best = models[int(columns.mean(axis=0).argmax())] if models else None
    rows = []
    for model in map(str, daily.columns):
        series = daily[model].to_numpy(dtype=float)
        seeds = by_seed.get(model, pd.DataFrame()).to_numpy(dtype=float).T
        both = seeds[:, np.isfinite(seeds).all(axis=0)].T if seeds.size else seeds
        split = variance_split(seeds, block=block_length(both, least) if len(both) else None) if seeds.size else None
        place = models.index(model) if model in models else None
        finite = series[np.isfinite(series)]
        rows.append(
            {
                "model": model,
                "comparable": place is not None,
                "n_days": len(finite),
                "n_seeds": len(seeds) if seeds.size else 0,
                "rank_ic": finite.mean() if len(finite) else np.nan,
                "nw_t": newey_west_t(series, overlap_lags(len(finite), least)),
                "mcs_p": np.nan if chosen is None or place is None else chosen.pvalues[place],
                "mcs_included": chosen is not None and place is not None and bool(chosen.included[place]),
                "sd_seeds": split.seeds if split else np.nan,
                "sd_days": split.days if split else np.nan,
                "sd_rest": split.rest if split else np.nan,
                **_against(model, best, pairs),
            }
        )
    return SignificanceRow.frame(rows)


def _shared(daily: pd.DataFrame) -> tuple[list[str], Float[np.ndarray, "D M"]]:
    """The comparable models and their scores `[D, M]` on the days they share."""
    models = comparable_models(daily)
    columns = daily[models].to_numpy(dtype=float)
    return models, columns[np.isfinite(columns).all(axis=1)]


def _against(model: str, best: str | None, pairs: pd.DataFrame) -> dict[str, float]:
    """The pair with the best model, and the number of models it is better and worse than."""
    mine = pairs[(pairs["a"] == model) | (pairs["b"] == model)]
    # The difference as seen from this model.
    lead = np.where(mine["a"] == model, mine["difference"], -mine["difference"])
    told = (mine["verdict"] == DIFFERENT).to_numpy()
    with_best = np.flatnonzero(((mine["a"] == best) | (mine["b"] == best)).to_numpy()) if model != best else []
    nearest = mine.iloc[int(with_best[0])] if len(with_best) else None
    return {
        "best_pair_difference": np.nan if nearest is None else -float(lead[with_best[0]]),
        "best_pair_p": np.nan if nearest is None else nearest["p"],
        "best_pair_holm": np.nan if nearest is None else nearest["p_holm"],
        "better_than": int((told & (lead > 0)).sum()),
        "worse_than": int((told & (lead < 0)).sum()),
    }
