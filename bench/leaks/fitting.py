"""Fits: weights come from the train segment, the choice among them from valid, nothing from test."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from bench.leaks.perturb import Watched, changed
from bench.leaks.subject import Subject, fit
from zoo.network import Network


def models_run(subject: Subject) -> Iterator[str]:
    """every model can be fitted, and so be checked"""
    if not subject.contenders:
        yield f"no model of the experiment can run: {'; '.join(subject.skipped.values())}"
    for name, result in subject.fits.items():
        if isinstance(result, str):
            yield f"{name} cannot be fitted: {result}"


def fit_reads_test(subject: Subject) -> Iterator[str]:
    """a fit asks for no row after the valid segment, and its weights do not change with the test segment"""
    first = subject.fold.test.start
    other = subject.of(changed(subject.sample, first))
    for contender, model in subject.fitted:
        watched = Watched(other)
        weights = fit(subject, contender, watched).state_dict()
        if watched.latest >= subject.fold.valid.stop:
            yield f"{contender.name}: its fit reads rows of {subject.date(watched.latest)}, which is after valid"
        elif key := _different(model, weights):
            yield f"{contender.name}: '{key}' of its fit changes with data from {subject.date(first)} on, the test days"


def fit_on_valid(subject: Subject) -> Iterator[str]:
    """the weights after one epoch do not change with the valid segment, which only selects"""
    first = subject.fold.valid.start
    other = subject.of(changed(subject.sample, first, members=False))
    for contender, _ in subject.fitted:
        if not contender.gradient_trained:
            continue  # They choose a penalty, or a number of trees, by the valid segment.
        model = fit(subject, contender, subject.dataset, epochs=1)
        key = _different(model, fit(subject, contender, other, epochs=1).state_dict())
        if key:
            since = subject.date(first)
            yield f"{contender.name}: '{key}' after one epoch changes with data from {since} on, the valid segment"


def _different(model: Network, other: dict[str, torch.Tensor]) -> str:
    """Name of the first weight that is not bit for bit the same; empty if all are."""
    return next((key for key, value in model.state_dict().items() if not torch.equal(value, other[key])), "")
