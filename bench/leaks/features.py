"""Inputs: no later day in windows or concepts, no fit outside train, no label among them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch

from bench.leaks.perturb import changed
from bench.leaks.subject import SEED, Subject, untrained
from zoo.crosssection import pearson_rows
from zoo.data.sources.planted import PREFIX, planted_market_from_spec

LARGEST_IC = 0.5
"""Mean daily |correlation| that only the label can have with the label."""
_RECENT, _STRIDE = 30, 7
_DAYS = 40


def future_concepts(subject: Subject) -> Iterator[str]:
    """no concept of a row changes with memberships that begin later"""
    panel = subject.sample
    for day in subject.days:
        rows = subject.rows(np.arange(max(day - 10, 0), day + 1))
        before = subject.dataset.batch(rows).concepts
        after = subject.after(day, members=False).batch(rows).concepts
        if before is None or after is None or panel.concepts is None:
            return
        moved = before != after
        if moved.any():
            row, concept = moved.nonzero()[-1].tolist()
            at, stock = divmod(int(rows[row]), panel.n_stocks)
            name = panel.concepts.names[concept]
            yield (
                f"concept '{name}' of {panel.symbols[stock]} on {subject.date(at)} changes with memberships after "
                f"{subject.date(day)}"
            )
            return


def snapshot_concepts(subject: Subject) -> Iterator[str]:
    """no model reads concepts without dates"""
    concepts = subject.sample.concepts
    if concepts is None or not concepts.snapshot:
        return
    batch = subject.test_batch
    if batch.concepts is None:
        return
    chance = torch.Generator().manual_seed(SEED)
    other = replace(batch, concepts=torch.randint(2, batch.concepts.shape, generator=chance).float())
    for contender in subject.contenders:
        model = untrained(contender, subject.dataset).eval()
        with torch.no_grad():
            reads = not torch.equal(model.score(batch), model.score(other))
        if reads:
            yield (
                f"{contender.name} reads {len(concepts.names)} concepts that have no dates: those of the last day "
                f"stand for all of history (data.concepts needs columns start and end)"
            )


def future_features(subject: Subject) -> Iterator[str]:
    """no feature of a day changes with values or members of later days"""
    seen: set[str] = set()
    for day in subject.days:
        rows = _rows(subject, day)
        before, after = subject.dataset.batch(rows).x, subject.after(day, members=True).batch(rows).x
        row, _, column = np.nonzero((before != after).numpy())
        for c in np.unique(column):
            name = subject.dataset.feature_set.columns[c]
            if name not in seen:
                seen.add(name)
                at = subject.date(int(rows[row[column == c].max()]) // subject.sample.n_stocks)
                yield f"column '{name}' of {at} changes with data after {subject.date(day)}"


def normalisation(subject: Subject) -> Iterator[str]:
    """the statistics of the features stay as they are whatever happens after the train segment"""
    stop = subject.fold.train.stop
    before = subject.dataset.stats
    after = subject.of(changed(subject.sample, stop), refit=True).stats
    moved = (before.center != after.center) | (before.scale != after.scale)
    names = np.asarray(subject.dataset.feature_set.columns)
    for name in dict.fromkeys(names[np.nonzero(moved)[-1]].tolist()):
        yield f"column '{name}': its median or scale changes with data after {subject.date(stop - 1)}, the end of train"


def label_in_features(subject: Subject) -> Iterator[str]:
    """no single input correlates with the label as only the label could"""
    dataset, fold = subject.dataset, subject.fold
    candidates = np.arange(fold.train.start, fold.test.stop)
    days = np.unique(candidates[np.linspace(0, len(candidates) - 1, _DAYS).astype(int)])
    stocks = subject.sample.n_stocks
    x = dataset.batch(subject.rows(days)).x.double().numpy().reshape(len(days), stocks, -1)
    label = np.where(subject.sample.member[days], dataset.raw_label[days], np.nan)
    limit, columns = _limit(subject), dataset.feature_set.columns
    for k in range(x.shape[2]):
        daily = pearson_rows(x[:, :, k], label)
        daily = daily[np.isfinite(daily)]
        ic = abs(float(daily.mean())) if len(daily) else 0.0
        if ic > limit:
            lag = dataset.lookback - 1 - k // len(columns)
            yield f"column '{columns[k % len(columns)]}', lag {lag}: correlates {ic:.2f} with the label of its day"


def _limit(subject: Subject) -> float:
    """A planted market may be told to be more predictable than any real one."""
    return max(LARGEST_IC, (1 + planted_limit(subject)) / 2)


def planted_limit(subject: Subject) -> float:
    """The IC that a planted market is told to allow; 0 for other data."""
    source = subject.data.source
    return planted_market_from_spec(source).oracle_ic if source.startswith(PREFIX) else 0.0


def _rows(subject: Subject, day: int) -> torch.Tensor:
    """All stocks on the days before `day`: every recent one, of older ones some."""
    recent, older = np.arange(max(day - _RECENT, 0), day + 1), np.arange(day % _STRIDE, day, _STRIDE)
    return subject.rows(np.union1d(recent, older))
