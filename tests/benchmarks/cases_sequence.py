"""Train steps of TCN and Transformer, fast and literal, for `bench_exact_forms.py`.

A step is forward, mean square, backward and Adam: batch 512, lookback 60, 6 features, default parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from tests.models import oracles
from zoo.registry import build

Step = Callable[[], object]


def train_step(name: str, literal: Callable[[Any, Tensor], Tensor] | None = None) -> Step:
    torch.manual_seed(0)
    network = build(name, n_features=6, lookback=60).train()
    optimizer = torch.optim.Adam(network.parameters())
    x = torch.randn(512, 60, 6)

    def step() -> None:
        optimizer.zero_grad()
        score = network(x) if literal is None else literal(network, x)
        score.square().mean().backward()
        optimizer.step()

    return step


CASES: list[tuple[str, Callable[[], Step], Callable[[], Step], float]] = [
    ("TCN train step", partial(train_step, "tcn"), partial(train_step, "tcn", oracles.tcn), 2.3),
    (
        "Transformer train step",
        partial(train_step, "transformer"),
        partial(train_step, "transformer", oracles.transformer),
        1.6,
    ),
]
"""(name, fast step, literal step, least ratio literal : fast)."""
