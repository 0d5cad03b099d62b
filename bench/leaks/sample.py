"""The data: segments in order and apart, no day twice; universes without hindsight."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np

from bench.data.survivorship import survivorship_of
from bench.leaks.perturb import changed
from bench.leaks.subject import Subject
from zoo.config import UniverseConfig
from zoo.data.panel import Panel
from zoo.data.sources.planted import PREFIX
from zoo.data.split import Fold

_SEGMENTS = ("train", "valid", "test")
_MOST_VALUES = 30_000_000  # of a panel that is copied


def segment_overlap(subject: Subject) -> Iterator[str]:
    """no row belongs to two segments, and no day is tested in two folds"""
    days = subject.panel.days
    for fold in subject.folds:
        for a, b in combinations(_SEGMENTS, 2):
            if both := _common_days(fold, a, b):
                yield f"fold {fold.index}: {a} and {b} share {len(both)} days, {days[both[0]]} .. {days[both[-1]]}"
    for one, other in pairwise(subject.folds):
        if other.test.start < one.test.stop:
            yield f"folds {one.index} and {other.index} both test {days[other.test.start]}"
    dataset = subject.dataset
    for a, b in combinations(_SEGMENTS, 2):
        shared = np.intersect1d(getattr(dataset, a).rows, getattr(dataset, b).rows)
        if len(shared) and not _common_days(subject.fold, a, b):
            at = int(shared[0]) // subject.sample.n_stocks
            yield f"the dataset gives {len(shared)} rows to both {a} and {b}, the first of {subject.date(at)}"


def label_reach(subject: Subject) -> Iterator[str]:
    """no label of a segment reads a price of a later segment"""
    reach, days = subject.data.label.reach, subject.panel.days
    for fold in subject.folds:
        for a, b in pairwise(_SEGMENTS):
            last, first = getattr(fold, a).stop - 1, getattr(fold, b).start
            if last < first <= last + reach:
                yield (
                    f"fold {fold.index}: the {a} label of {days[last]} reads {days[last + reach]}, {b} starts on "
                    f"{days[first]}; an embargo of {fold.embargo} is shorter than the reach of {reach} "
                    f"(split.embargo, split.force)"
                )


def repeated_days(subject: Subject) -> Iterator[str]:
    """no day repeats all values of another"""
    panel, seen = subject.panel, dict[bytes, int]()
    traded = np.isfinite(panel.field("close")).sum(axis=1)
    for day in np.flatnonzero(traded >= 2).tolist():
        # NaN has many bit patterns.
        values = np.nan_to_num(panel.values[day], nan=-1.0)
        digest = hashlib.blake2b(np.ascontiguousarray(values).data, digest_size=16).digest()
        before = seen.setdefault(digest, day)
        if before != day:
            yield f"{panel.days[day]} repeats every value of {panel.days[before]}"


def _common_days(fold: Fold, a: str, b: str) -> range:
    one, other = getattr(fold, a), getattr(fold, b)
    return range(max(one.start, other.start), min(one.stop, other.stop))


def future_members(subject: Subject) -> Iterator[str]:
    """no membership by a universe rule changes with values of later days"""
    if subject.data.universe is None:
        return
    base, universe = _thinned(subject.base, subject.data.universe)
    before = subject.pieces.universe(base, universe).member
    for share in (0.4, 0.7):
        day = int(share * base.n_days)
        after = subject.pieces.universe(changed(base, day + 1, members=False), universe).member
        moved = (before != after)[: day + 1]
        stocks = np.flatnonzero(moved.any(axis=0))
        if len(stocks):
            at = np.flatnonzero(moved[:, stocks[0]])[-1]
            yield (
                f"membership of {base.symbols[stocks[0]]} on {base.days[at]}, and of {len(stocks) - 1} other stocks, "
                f"changes with data after {base.days[day]} (data.universe)"
            )


def undated_universe(subject: Subject) -> Iterator[str]:
    """no list of members without dates stands for all of history"""
    universe, base = subject.data.universe, subject.base
    if universe is None or universe.file is None or base.n_days <= base.periods_per_year:
        return
    inside = subject.pieces.universe(replace(base, member=np.ones_like(base.member)), universe).member
    if not inside.all() and (inside == inside[0]).all():
        yield (
            f"{universe.file}: the same {int(inside[0].sum())} members on all {base.n_days} days; today's list stands "
            f"for all of history (data.universe.file needs the dates of each membership)"
        )


def survivorship(subject: Subject) -> Iterator[str]:
    """the data are not of survivors only, as far as the number of stocks and years can tell"""
    if subject.data.source.startswith(PREFIX):
        return  # also where the panel was renamed
    told = survivorship_of(subject.base)
    if told.suspected:
        yield f"{subject.base.name}: {told.sentence}"


def _thinned(base: Panel, universe: UniverseConfig) -> tuple[Panel, UniverseConfig]:
    """Of a large panel every k-th stock, and the size of the universe in proportion."""
    step = -(-base.values.size // _MOST_VALUES)
    if step == 1:
        return base, universe
    small = base.part(np.arange(0, base.n_stocks, step))
    if universe.top_liquidity is None:
        return small, universe
    return small, universe.model_copy(update={"top_liquidity": max(1, universe.top_liquidity // step)})
