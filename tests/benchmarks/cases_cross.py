"""Train steps of the day-scope heads, fast and literal, for `bench_exact_forms.py`.

A step is forward, mean square and backward, one day of stocks in tanh states as a recurrent net gives them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from tests.models.oracles_cross import gats_attend, hist_head
from zoo.models.gats import GATs
from zoo.models.hist import HIST
from zoo.registry import build

Step = Callable[[], object]
CONCEPTS = 60


def _states(stocks: int) -> Tensor:
    torch.manual_seed(0)
    return torch.tanh(torch.randn(stocks, 64)).requires_grad_()


def _step(stocks: int, forward: Callable[[Tensor], Tensor], network: torch.nn.Module) -> Step:
    states = _states(stocks)

    def step() -> None:
        network.zero_grad()
        states.grad = None
        forward(states).square().mean().backward()

    return step


def gats_step(stocks: int, *, literal: bool) -> Step:
    """Attention block of GATs at H = 64 on one day."""
    network = build("gats", n_features=6, lookback=60)
    assert isinstance(network, GATs)
    if literal:
        return _step(stocks, lambda states: gats_attend(network, states), network)
    mask = torch.ones(1, stocks, dtype=torch.bool)
    return _step(stocks, lambda states: network.attend(states[None], mask), network)


def hist_step(stocks: int, *, literal: bool) -> Step:
    """All of HIST behind the recurrent net at H = 64 on one day, a stock in 3 of 60 concepts on average."""
    network = build("hist", n_features=6, lookback=60)
    assert isinstance(network, HIST)
    torch.manual_seed(1)
    member = (torch.rand(stocks, CONCEPTS) < 0.05).float()
    if literal:
        return _step(stocks, lambda states: hist_head(network, states, member), network)
    mask = torch.ones(1, stocks, dtype=torch.bool)
    return _step(stocks, lambda states: network.head(states[None], member[None], mask), network)


CASES: list[tuple[str, Callable[[], Step], Callable[[], Step], float]] = [
    (name, partial(step, stocks, literal=False), partial(step, stocks, literal=True), bar)
    for name, step, stocks, bar in (
        ("GATs attention, 300 stocks", gats_step, 300, 20.0),
        ("GATs attention, 800 stocks", gats_step, 800, 60.0),
        ("HIST head, 3000 stocks", hist_step, 3000, 2.0),
    )
]
"""(name, fast step, literal step, least ratio literal : fast)."""

LIMITS: list[tuple[str, Callable[[], Step], float, float]] = [
    ("GATs attention, 3000 stocks", partial(gats_step, 3000, literal=False), 1.0, 1024.0),
]
"""(name, step, most seconds, most MiB a step adds to peak resident memory); the literal form needs 4.6 GB."""
