"""Panels that differ from another on chosen days only: what must not move then is a leak where it does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from zoo.data.panel import Concepts, Panel

_SHOCK = 0.3  # sd of the logarithm: far outside of what a day does, so that no robust statistic shrugs it off
_GONE = 0.1  # share of the (day, stock) cells that lose their values


def changed(panel: Panel, start: int, stop: int | None = None, *, members: bool = True, seed: int = 0) -> Panel:
    """The panel with other values on days `start .. stop - 1` (None: to the end).

    Values are multiplied by log-normal factors, a tenth of the cells is emptied, empty ones are filled. In the last
    stocks of a random order, one in five, all values go: they are delisted. From `start` on stocks swap concepts.

    Args:
        members: also turn a fifth of the memberships of these days.
    """
    rng = np.random.default_rng([seed, start])
    values, member = panel.values.copy(), panel.member.copy()
    part = values[start:stop]
    typical = np.ones(len(panel.fields), dtype=np.float32)
    for f in range(len(panel.fields)):
        finite = part[:, :, f][np.isfinite(part[:, :, f])]
        typical[f] = np.median(finite) if len(finite) else 1.0
    filled = np.where(np.isfinite(part), part, typical)
    filled = (filled * np.exp(rng.normal(0, _SHOCK, part.shape))).astype(np.float32)
    gone = rng.random(part.shape[:2]) < _GONE
    if stop is None:
        gone[:, rng.permutation(panel.n_stocks)[: panel.n_stocks // 5]] = True
    filled[gone] = np.nan
    values[start:stop] = filled
    if members:
        member[start:stop] ^= rng.random(part.shape[:2]) < 0.2
    concepts = panel.concepts
    if concepts is not None and start < panel.n_days:
        concepts = _swapped(concepts, start, rng.permutation(panel.n_stocks))
    return replace(panel, values=values, member=member, concepts=concepts)


def _swapped(concepts: Concepts, day: int, other: np.ndarray) -> Concepts:
    """Concepts in which from `day` on each stock has those of another."""
    return replace(
        concepts,
        start=np.concatenate([concepts.start, np.maximum(concepts.start[:, other], day)]).astype(np.int32),
        end=np.concatenate([np.minimum(concepts.end, day - 1), concepts.end[:, other]]).astype(np.int32),
    )


def holed(panel: Panel, days: tuple[int, ...], *, seed: int = 0) -> Panel:
    """The panel with suspensions: single days anywhere, and a week around each of `days`.

    Without them, filling missing values from the future would go unseen on data that miss none.
    """
    rng = np.random.default_rng(seed)
    values = panel.values.copy()
    values[rng.random(panel.member.shape) < 0.01] = np.nan
    some = max(1, panel.n_stocks // 8)
    for day in days:
        values[max(day - 2, 0) : day + 4, rng.permutation(panel.n_stocks)[:some]] = np.nan
    return replace(panel, values=values)


def cut(panel: Panel, days: slice, stocks: np.ndarray) -> Panel:
    """Some days and stocks of a panel; concepts keep their dates."""
    concepts = panel.concepts
    if concepts is not None:
        first = days.start or 0
        concepts = replace(
            concepts,
            start=(concepts.start[:, stocks] - first).astype(np.int32),
            end=(concepts.end[:, stocks] - first).astype(np.int32),
        )
    return replace(
        panel,
        days=panel.days[days],
        symbols=panel.symbols[stocks],
        values=panel.values[days][:, stocks],
        member=panel.member[days][:, stocks],
        concepts=concepts,
    )
