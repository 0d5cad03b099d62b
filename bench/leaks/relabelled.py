"""Labels that are not theirs: no model may predict shuffled ones, none better those of other days.

`shuffled_label`: the labels of every day are permuted among its stocks, in all segments; a model is fitted to those of
train and scored on those of test. Whatever the model, and whatever the data, the correlation of a day of N stocks then
has mean 0 and variance 1 / (N - 1), independently over days (Pitman 1937), so z = sum IC / sqrt(sum 1 / (N - 1)) is
standard normal: no assumption on returns, and no chance alignment of an unlucky network with a real signal.

`shifted_label`: scores of day t against the label of day t + k, k from 1 to beyond its reach, on valid and test days.
The labels of later days are other days' business; what predicts them better than its own is dated wrongly. Statistic:
Newey-West t of the daily difference to the aligned IC. The scores are those of a ridge regression, which finds what is
linear in few rows; a network of a few steps is a random function, which may do anything. Labels of earlier days are
left out: they are known on day t, or reverse, so honest scores may correlate with them more than with their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from bench.leaks.perturb import Shuffled
from bench.leaks.subject import SEED, Contender, Subject, fit
from bench.stats.inference import newey_west_t
from zoo import registry
from zoo.config import TrainConfig
from zoo.crosssection import pearson_rows
from zoo.data.split import DayRange
from zoo.data.windows import Segment

LARGEST_Z = 4.0
"""One false alarm in 16,000 models."""
_PROBE = "linear"
_BEYOND = 3


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
    probe = Contender(_PROBE, spec.scope, {}, TrainConfig(), spec.gradient_trained)
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
