"""Segments: in order, apart, as far from each other as the label reaches, and without a day that comes twice."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np

from bench.leaks.subject import Subject

_NAMES = ("train", "valid", "test")


def segment_overlap(subject: Subject) -> Iterator[str]:
    """no row belongs to two segments, and no day is tested in two folds"""
    days = subject.panel.days
    for fold in subject.folds:
        for (a, one), (b, other) in combinations(((n, getattr(fold, n)) for n in _NAMES), 2):
            first, last = max(one.start, other.start), min(one.stop, other.stop)
            if first < last:
                yield f"fold {fold.index}: {a} and {b} share {last - first} days, {days[first]} .. {days[last - 1]}"
    for one, other in pairwise(subject.folds):
        if other.test.start < one.test.stop:
            yield f"folds {one.index} and {other.index} both test {days[other.test.start]}"
    dataset = subject.dataset
    for a, b in combinations(_NAMES, 2):
        shared = np.intersect1d(getattr(dataset, a).rows, getattr(dataset, b).rows)
        if len(shared) and not _overlap(subject, a, b):
            at = int(shared[0]) // subject.sample.n_stocks
            yield f"the dataset gives {len(shared)} rows to both {a} and {b}, the first of {subject.date(at)}"


def label_reach(subject: Subject) -> Iterator[str]:
    """no label of a segment reads a price of a later segment"""
    reach, days = subject.data.label.reach, subject.panel.days
    for fold in subject.folds:
        for a, b in pairwise(_NAMES):
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


def _overlap(subject: Subject, a: str, b: str) -> bool:
    one, other = getattr(subject.fold, a), getattr(subject.fold, b)
    return max(one.start, other.start) < min(one.stop, other.stop)
