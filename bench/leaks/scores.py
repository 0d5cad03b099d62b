"""Scores: of a day they read neither later days, nor other days of their batch, nor labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from bench.leaks.subject import Contender, Subject, untrained
from zoo.data.split import DayRange
from zoo.data.windows import Segment
from zoo.network import Network

TOLERANCE = 1e-4
"""Of a day's sd of scores. The shape of a batch moves the last bits of a float32 product, a leak moves far more."""
_BEFORE, _AFTER = 6, 6


def future_scores(subject: Subject) -> Iterator[str]:
    """no score of a day changes with values, labels or concepts of later days, before or after a fit"""
    for contender, model, state in _models(subject):
        for day in subject.days[1:]:
            before = _predict(subject, contender, model, _span(subject, day))
            after = _predict(subject, contender, model, _span(subject, day), changed_after=day)
            upto = day + 1 - _span(subject, day).start
            moved = _moved(before[:upto], after[:upto])
            if moved is not None:
                at = subject.date(_span(subject, day).start + moved)
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
    rows = subject.dataset.test.rows
    batch = subject.dataset.batch(torch.from_numpy(rows[rows // subject.sample.n_stocks == day]))
    for contender, model, state in _models(subject):
        _predict(subject, contender, model, DayRange(day, day + 1))  # leaves the state that scoring finds
        with torch.no_grad():
            before = model.score(batch).cpu().numpy()[None]
            for label in (-batch.label.flip(0), torch.full_like(batch.label, torch.nan)):
                after = model.score(replace(batch, label=label)).cpu().numpy()[None]
                if _moved(before, after) is not None:
                    yield f"{contender.name} ({state}): the scores of {subject.date(day)} change with their labels"
                    break


def _models(subject: Subject) -> Iterator[tuple[Contender, Network, str]]:
    for contender, fitted in subject.fitted:
        yield contender, untrained(contender, subject.dataset), "untrained"
        yield contender, fitted, "fitted"


def _span(subject: Subject, day: int) -> DayRange:
    return DayRange(max(day - _BEFORE, subject.fold.train.start), min(day + _AFTER, subject.sample.n_days))


def _predict(
    subject: Subject, contender: Contender, model: Network, days: DayRange, changed_after: int | None = None
) -> np.ndarray:
    dataset = subject.dataset if changed_after is None else subject.after(changed_after, members=False)
    return subject.pieces.predict(model, Segment(dataset, days), scope=contender.scope)


def _moved(before: np.ndarray, after: np.ndarray) -> int | None:
    """The last day, row of `[D, N]`, on which two sets of scores differ."""
    spread = np.nanstd(before) if np.isfinite(before).any() else 0.0
    with np.errstate(invalid="ignore"):
        apart = np.abs(before - after) > TOLERANCE * spread
    apart |= np.isfinite(before) != np.isfinite(after)
    return int(np.flatnonzero(apart.any(axis=1))[-1]) if apart.any() else None
