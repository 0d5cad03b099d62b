"""Scores: of a day they read neither later days, nor other days of their batch, nor labels that are not theirs.

`shuffled_label`: a model is fitted to labels permuted among the stocks of each day and scored on such labels. The
correlation of a day of N stocks then has mean 0 and variance 1 / (N - 1), whatever model and data (Pitman 1937), so
z = sum IC / sqrt(sum 1 / (N - 1)) is standard normal.

`shifted_label`: Newey-West t of the daily IC with the label of day t + k over the IC with that of day t. The scores are
those of a ridge regression: a network of a few steps is a random function. Labels of earlier days are left out: they
are known on day t, so honest scores may correlate with them more than with their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from bench.leaks.perturb import Shuffled
from bench.leaks.subject import SEED, Contender, Subject, fit, untrained
from bench.stats.inference import newey_west_t
from zoo import registry
from zoo.config import TrainConfig
from zoo.crosssection import pearson_rows
from zoo.data.split import DayRange
from zoo.data.windows import Dataset, Segment
from zoo.network import Network

TOLERANCE = 1e-4
"""Of a day's sd of scores: the shape of a batch moves the last bits of a product."""
_BEFORE, _AFTER = 6, 6
LARGEST_Z = 4.0
"""One false alarm in 16,000 models."""
_PROBE = "linear"
_BEYOND = 3


def future_scores(subject: Subject) -> Iterator[str]:
    """no score of a day changes with values, labels or concepts of later days, before or after a fit"""
    for contender, model, state in _models(subject):
        for day in subject.days[1:]:
            span = _span(subject, day)
            before = _predict(subject, contender, model, span)
            after = _predict(subject, contender, model, span, subject.after(day, members=False))
            upto = day + 1 - span.start
            moved = _moved(before[:upto], after[:upto])
            if moved is not None:
                at = subject.date(span.start + moved)
                yield f"{contender.name} ({state}): the scores of {at} change with data after {subject.date(day)}"
                break


def other_days(subject: Subject) -> Iterator[str]:
    """the scores of a day are the same whether it is scored alone or beside other days"""
    for contender, model, state in _models(subject):
        day = subject.days[-1]
        span = _span(subject, day)
        beside = _predict(subject, contender, model, span)[day - span.start : day - span.start + 1]
        alone = _predict(subject, contender, model, DayRange(day, day + 1))
        if _moved(beside, alone) is not None:
            yield (
                f"{contender.name} ({state}, scope {contender.scope}): the scores of {subject.date(day)} depend on "
                f"which other days are scored with it"
            )


def labels_in_scores(subject: Subject) -> Iterator[str]:
    """no score changes with the labels that its batch carries"""
    day = subject.days[-1]
    batch = subject.test_batch
    for contender, model, state in _models(subject):
        _predict(subject, contender, model, DayRange(day, day + 1))  # leaves the state that scoring finds
        with torch.no_grad():
            before = model.score(batch).cpu().numpy()[None]
            for label in (-batch.label.flip(0), torch.full_like(batch.label, torch.nan)):
                after = model.score(replace(batch, label=label)).cpu().numpy()[None]
                if _moved(before, after) is not None:
                    yield f"{contender.name} ({state}): the scores of {subject.date(day)} change with their labels"
                    break


def shuffled_label(subject: Subject) -> Iterator[str]:
    """no model predicts labels that are shuffled within each day"""
    for contender, _ in subject.fitted:
        z, ic, days = shuffled_z(subject, contender)
        if abs(z) > LARGEST_Z:
            yield (
                f"{contender.name}: IC {ic:+.3f} with shuffled labels on {days} test days, where chance gives "
                f"0 ± {abs(ic / z) * LARGEST_Z:.3f}"
            )


def shuffled_z(subject: Subject, contender: Contender) -> tuple[float, float, int]:
    """z, mean IC and the days behind it, of a model fitted to shuffled labels and scored on them."""
    dataset = Shuffled(subject.dataset, SEED)
    model = fit(subject, contender, dataset)
    scores = subject.pieces.predict(model, dataset.test, scope=contender.scope)
    label = dataset.raw_label[dataset.test.days.start : dataset.test.days.stop]
    daily = pearson_rows(scores, label)
    names = (np.isfinite(scores) & np.isfinite(label)).sum(axis=1)
    there = np.isfinite(daily)
    if not there.any():
        return 0.0, 0.0, 0
    z = daily[there].sum() / math.sqrt((1 / (names[there] - 1)).sum())
    return float(z), float(daily[there].mean()), int(there.sum())


def shifted_label(subject: Subject) -> Iterator[str]:
    """scores predict the label of their own day better than labels of later days"""
    dataset, spec = subject.dataset, registry.get_spec(_PROBE)
    probe = Contender(_PROBE, _PROBE, spec.scope, {}, TrainConfig(), spec.gradient_trained)
    model = fit(subject, probe, dataset)
    days = DayRange(dataset.valid.days.start, dataset.test.days.stop)
    scores = subject.pieces.predict(model, Segment(dataset, days), scope=probe.scope)
    label = dataset.raw_label
    aligned = pearson_rows(scores, label[days.start : days.stop])
    for shift in range(1, subject.data.label.reach + _BEYOND + 1):
        later = label[days.start + shift : days.stop + shift]
        daily = pearson_rows(scores[: len(later)], later)
        t = newey_west_t(daily - aligned[: len(later)])
        if t > LARGEST_Z and np.nanmean(daily) > 0:
            yield (
                f"{_PROBE} predicts the label {shift} days later (IC {np.nanmean(daily):+.3f}) better than that of its "
                f"own day ({np.nanmean(aligned):+.3f}): features, labels or scores are dated wrongly"
            )


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


def _models(subject: Subject) -> Iterator[tuple[Contender, Network, str]]:
    for contender, fitted in subject.fitted:
        yield contender, untrained(contender, subject.dataset), "untrained"
        yield contender, fitted, "fitted"


def _span(subject: Subject, day: int) -> DayRange:
    return DayRange(max(day - _BEFORE, subject.fold.train.start), min(day + _AFTER, subject.sample.n_days))


def _predict(
    subject: Subject, contender: Contender, model: Network, days: DayRange, dataset: Dataset | None = None
) -> np.ndarray:
    return subject.pieces.predict(model, Segment(dataset or subject.dataset, days), scope=contender.scope)


def _moved(before: np.ndarray, after: np.ndarray) -> int | None:
    """The last day, row of `[D, N]`, on which two sets of scores differ."""
    spread = np.nanstd(before) if np.isfinite(before).any() else 0.0
    with np.errstate(invalid="ignore"):
        apart = np.abs(before - after) > TOLERANCE * spread
    apart |= np.isfinite(before) != np.isfinite(after)
    return int(np.flatnonzero(apart.any(axis=1))[-1]) if apart.any() else None
