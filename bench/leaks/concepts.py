"""Concepts: dated, and each row given those of its own day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch

from bench.leaks.subject import SEED, Subject, untrained


def future_concepts(subject: Subject) -> Iterator[str]:
    """no concept of a row changes with memberships that begin later"""
    panel = subject.sample
    for day in subject.days:
        rows = torch.arange(max(day - 10, 0) * panel.n_stocks, (day + 1) * panel.n_stocks)
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
    dataset = subject.dataset
    rows = dataset.test.rows
    batch = dataset.batch(torch.from_numpy(rows[rows // dataset.panel.n_stocks == subject.days[-1]]))
    if batch.concepts is None:
        return
    chance = torch.Generator().manual_seed(SEED)
    other = replace(batch, concepts=torch.randint(2, batch.concepts.shape, generator=chance).float())
    for contender in subject.contenders:
        model = untrained(contender, dataset).eval()
        with torch.no_grad():
            reads = not torch.equal(model.score(batch), model.score(other))
        if reads:
            yield (
                f"{contender.name} reads {len(concepts.names)} concepts that have no dates: those of the last day "
                f"stand for all of history (data.concepts needs columns start and end)"
            )
