"""Segments: which days are trained on, validated on and tested on, and the embargo between them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from zoo.config import FixedSplit, Split, WalkForwardSplit
from zoo.errors import ConfigError


@dataclass(frozen=True)
class DayRange:
    """Calendar positions `start <= day < stop`."""

    start: int
    stop: int

    def __len__(self) -> int:
        return max(self.stop - self.start, 0)


@dataclass(frozen=True)
class Fold:
    """One (train, valid, test) triple; `index` counts from 0. `note` says what became of days left at the end."""

    index: int
    train: DayRange
    valid: DayRange
    test: DayRange
    embargo: int
    note: str = ""

    def dates(self, days: np.ndarray) -> dict[str, tuple[str, str]]:
        """First and last date of each segment."""
        return {
            name: (str(days[r.start]), str(days[r.stop - 1]))
            for name, r in (("train", self.train), ("valid", self.valid), ("test", self.test))
        }


def make_folds(days: np.ndarray, split: Split, reach: int, first_day: int = 0) -> list[Fold]:
    """The folds of a split over a calendar.

    Days left at the end of a walk-forward plan, fewer than half a test segment, join the last one where they follow it
    and are left out otherwise; the last fold's `note` tells.

    The embargo is taken off the end of the train and valid segments, so that no label of an earlier segment reads a
    price of a later one: with reach 2 the last train day t has t + 2 before the first valid day.

    Args:
        days: `[D]` datetime64[D].
        split: fixed or walk-forward.
        reach: days from t to the last price label(t) reads.
        first_day: calendar position before which nothing is trained on.

    Raises:
        ConfigError: a segment is empty, out of order, overlapping, the embargo is shorter than `reach`, or folds
            would test the same days.
    """
    embargo = reach if split.embargo == "auto" else split.embargo
    if embargo < reach and not split.force:
        raise ConfigError(
            f"split.embargo of {embargo} days is shorter than the label's reach of {reach}: train labels would read "
            f"validation prices; use 'auto', or set split.force: true to do it all the same"
        )
    if isinstance(split, FixedSplit):
        return [_fold(0, _fixed_borders(days, split, first_day), embargo, days)]
    borders, note = _walk_forward_borders(days, split, first_day, reach)
    folds = [_fold(i, border, embargo, days) for i, border in enumerate(borders)]
    return [*folds[:-1], replace(folds[-1], note=note)]


Borders = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


def _fixed_borders(days: np.ndarray, split: FixedSplit, first_day: int) -> Borders:
    parts = (split.train, split.valid, split.test)
    if isinstance(split.train, tuple):
        spans = []
        for name, part in zip(("train", "valid", "test"), parts, strict=True):
            first, last = (np.datetime64(d, "D") for d in part)  # type: ignore[union-attr]
            start = int(np.searchsorted(days, first, side="left"))
            stop = int(np.searchsorted(days, last, side="right"))
            if start >= stop:
                raise ConfigError(f"split.{name} {first} .. {last} holds no day of the data ({days[0]} .. {days[-1]})")
            spans.append((start, stop))
        (a, b, c) = spans
        if a[1] > b[0] or b[1] > c[0]:
            raise ConfigError("split: train, valid and test must follow each other without overlap")
        return ((max(a[0], first_day), a[1]), b, c)
    usable = len(days) - first_day
    ends = first_day + np.round(np.cumsum([float(p) for p in parts]) * usable).astype(int)  # type: ignore[arg-type]
    return ((first_day, int(ends[0])), (int(ends[0]), int(ends[1])), (int(ends[1]), int(ends[2])))


def _walk_forward_borders(
    days: np.ndarray, split: WalkForwardSplit, first_day: int, reach: int
) -> tuple[list[Borders], str]:
    """Folds until the calendar ends, and what became of the days that are left; the last test segment may be cut off.

    Without a label in it, or with fewer than half the days of the one before, a cut-off segment is no fold.
    """
    folds: list[Borders] = []
    note = ""
    edges = [days[first_day]]
    for span in (split.train, split.valid, split.test):
        edges.append(_shift(days, edges[-1], span))
    while True:
        begin, train_stop, valid_stop, test_stop = (int(np.searchsorted(days, edge)) for edge in edges)
        if folds and valid_stop < folds[-1][2][1]:
            raise ConfigError(
                f"split.step {split.step} is shorter than split.test {split.test}: folds would test the same days "
                f"and the pooled result would count them twice; set step to at least {split.test}"
            )
        left = test_stop - valid_stop
        if test_stop == len(days) and (left <= reach or (folds and 2 * left < _length(folds[-1]))):
            if folds and left > 0:
                note = _left_over(folds, days, valid_stop, reach)
            break
        start = first_day if split.expanding else begin
        folds.append(((start, train_stop), (train_stop, valid_stop), (valid_stop, test_stop)))
        if test_stop == len(days):
            break
        # Every edge by itself: with step = test, the next test then starts where this one stops, whatever the units.
        edges = [_shift(days, edge, split.step) for edge in edges]
    if not folds:
        raise ConfigError(
            f"split: {len(days) - first_day} days ({days[first_day]} .. {days[-1]}) are too few for train "
            f"{split.train} + valid {split.valid} + test {split.test}"
        )
    return folds, note


def _length(borders: Borders) -> int:
    return borders[2][1] - borders[2][0]


def _left_over(folds: list[Borders], days: np.ndarray, first: int, reach: int) -> str:
    """Days from `first` on join the last fold where that is sound; which is told."""
    train, valid, (start, stop) = folds[-1]
    left = len(days) - first
    word = "day" if left == 1 else "days"
    span = f"the last {left} {word}, {days[first]} .. {days[-1]},"
    if left <= reach:
        return f"{span} have no label and are not tested"
    short = f"{span} are fewer than half of a test segment ({stop - start} days)"
    if first > stop:
        return f"{short} and are not tested"
    folds[-1] = train, valid, (start, len(days))
    return f"{short} and are tested with fold {len(folds) - 1}"


def _shift(days: np.ndarray, day: np.datetime64, span: str) -> np.datetime64:
    """The date `span` after `day`; `d` counts days of the panel's calendar, `m` and `y` calendar months.

    In months, days past the 28th count as the 28th, which every month has.
    """
    count, unit = int(span[:-1]), span[-1]
    if unit == "d":
        position = int(np.searchsorted(days, day)) + count
        return days[position] if position < len(days) else days[-1] + np.timedelta64(position - len(days) + 1, "D")
    month = day.astype("datetime64[M]")
    target = month + np.timedelta64(count * (12 if unit == "y" else 1), "M")
    return target.astype("datetime64[D]") + min(day - month.astype("datetime64[D]"), np.timedelta64(27, "D"))


def _fold(index: int, borders: Borders, embargo: int, days: np.ndarray) -> Fold:
    (train_start, train_stop), (valid_start, valid_stop), (test_start, test_stop) = borders
    fold = Fold(
        index,
        DayRange(train_start, min(train_stop, valid_start - embargo)),
        DayRange(valid_start, min(valid_stop, test_start - embargo)),
        DayRange(test_start, test_stop),
        embargo,
    )
    for name in ("train", "valid", "test"):
        if len(getattr(fold, name)) == 0:
            raise ConfigError(
                f"split: the {name} segment of fold {index} is empty after an embargo of {embargo} days "
                f"({len(days)} days in all)"
            )
    return fold
