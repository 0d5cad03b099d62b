"""Metrics: those of a day read its scores and labels only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.leaks.subject import SEED, Subject


def daily_metrics(subject: Subject) -> Iterator[str]:
    """no daily metric changes with scores or labels of other days"""
    days = slice(subject.fold.test.start, subject.fold.test.stop)
    raw, ranked = subject.dataset.raw_label[days], subject.dataset.train_label[days]
    rng = np.random.default_rng(SEED)
    score = rng.normal(size=raw.shape)
    keep = len(raw) // 2
    before = subject.pieces.metrics(score, raw, ranked)
    parts = []
    for part in (score, raw, ranked):
        other = part * rng.uniform(1.5, 3, part.shape)
        other[keep] = part[keep]
        parts.append(other)
    after = subject.pieces.metrics(*parts)
    for column in before.columns:
        if not np.array_equal(before[column].to_numpy()[keep], after[column].to_numpy()[keep], equal_nan=True):
            yield f"'{column}' of {subject.date(days.start + keep)} changes with scores or labels of other days"
