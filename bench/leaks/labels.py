"""Labels: of the days they declare, ranked within their own, and given to their rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from bench.leaks.perturb import changed
from bench.leaks.subject import Subject
from zoo.config import ColumnLabel
from zoo.data.windows import Dataset


def label_days(subject: Subject) -> Iterator[str]:
    """the label of a day reads the prices of its lag and of its reach, and of no other day"""
    label = subject.data.label
    # A given label is of its own day: which prices it was made of no check can know.
    declared = {0} if isinstance(label, ColumnLabel) else {label.lag, label.reach}
    found: dict[int, str] = {}
    for day in subject.days:
        moved = _moved(subject.dataset.raw_label, _on(subject, day).raw_label)
        for at in np.flatnonzero(moved.any(axis=1)):
            found.setdefault(day - int(at), f"the label of {subject.date(int(at))} reads {subject.date(day)}")
    for ahead in sorted(found.keys() - declared):
        where = f"{ahead} days ahead" if ahead >= 0 else f"{-ahead} days back"
        yield f"{found[ahead]}, {where}; it is declared as {label.definition} (data.label)"
    for ahead in sorted(declared - found.keys()):
        yield f"no label changes with prices {ahead} days ahead; it is declared as {label.definition} (data.label)"


def label_ranking(subject: Subject) -> Iterator[str]:
    """the train label of a day is ranked among the stocks of that day only"""
    for day in subject.days:
        after = _on(subject, day)
        raw = _moved(subject.dataset.raw_label, after.raw_label).any(axis=1)
        ranked = _moved(subject.dataset.train_label, after.train_label).any(axis=1)
        if (ranked & ~raw).any():
            at = int(np.flatnonzero(ranked & ~raw)[0])
            yield (
                f"the train label of {subject.date(at)} changes with data of {subject.date(day)}, "
                f"although no return of its own day does"
            )


def label_alignment(subject: Subject) -> Iterator[str]:
    """networks are given the label of their row, and one where there is a return to rank"""
    dataset = subject.dataset
    rows = torch.from_numpy(np.concatenate([dataset.train.rows, dataset.valid.rows, dataset.test.rows]))
    given = dataset.batch(rows).label.numpy()
    due = dataset.train_label.astype(np.float32).ravel()[rows.numpy()]
    wrong = ~((given == due) | (np.isnan(given) & np.isnan(due)))
    if wrong.any():
        at = int(rows[int(wrong.argmax())]) // dataset.panel.n_stocks
        yield f"{int(wrong.sum())} of {len(rows)} rows have another label than theirs, the first on {subject.date(at)}"
    unlike = np.isfinite(dataset.train_label) != np.isfinite(dataset.raw_label)
    if unlike.any():
        at = int(np.flatnonzero(unlike.any(axis=1))[0])
        yield f"train label and return are not missing at the same places, first on {subject.date(at)}"


def _on(subject: Subject, day: int) -> Dataset:
    """The sample with the values of one day changed."""
    return subject.of(changed(subject.sample, day, day + 1, members=False))


def _moved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return ~((before == after) | (np.isnan(before) & np.isnan(after)))
