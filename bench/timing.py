"""How long things take: raw samples first, summaries on read."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

UNSTABLE_SPREAD = 0.25
"""A timing is called unstable when half the distance of its quartiles exceeds this share of its median."""


@dataclass(frozen=True)
class Timing:
    """Seconds of repeated calls.

    Attributes:
        samples: one per call, in order, warm-up left out.
    """

    samples: tuple[float, ...]

    @property
    def median(self) -> float:
        return float(np.median(self.samples))

    def percentile(self, q: float) -> float:
        return float(np.percentile(self.samples, q))

    @property
    def spread(self) -> float:
        """Half the interquartile range over the median."""
        low, high = np.percentile(self.samples, [25, 75])
        return float((high - low) / 2 / self.median)

    @property
    def unstable(self) -> bool:
        return self.spread > UNSTABLE_SPREAD


def time_calls(calls: dict[str, Callable[[], Any]], *, rounds: int = 30, warmup: int = 3) -> dict[str, Timing]:
    """Time several calls interleaved: every round runs each once, so that a slow moment of the machine meets all.

    On CUDA the queue is drained before the clock starts and before it stops.
    """
    synchronize = torch.cuda.synchronize if torch.cuda.is_available() else (lambda: None)
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(warmup + rounds):
        for name, call in calls.items():
            synchronize()
            start = time.perf_counter()
            call()
            synchronize()
            if turn >= warmup:
                samples[name].append(time.perf_counter() - start)
    return {name: Timing(tuple(values)) for name, values in samples.items()}
