"""What happens while trials run; every executor tells it through the same events. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from bench.experiment.trial import Trial
    from bench.records.store import RunStore
    from zoo.trainer import Epoch


@dataclass(frozen=True)
class Started:
    trial: Trial


@dataclass(frozen=True)
class EpochDone:
    trial: Trial
    epoch: Epoch


@dataclass(frozen=True)
class Done:
    trial: Trial
    record: dict[str, Any]


@dataclass(frozen=True)
class Failed:
    """`error` is one sentence; `details` a traceback, or empty where the sentence says all."""

    trial: Trial
    error: str
    details: str


@dataclass(frozen=True)
class Limits:
    """What one trial may take; one that takes more fails alone.

    Attributes:
        seconds: wall time; None = any.
        memory: bytes resident in the process that trains it; None = any.
    """

    seconds: float | None = None
    memory: int | None = None


Event = Started | EpochDone | Done | Failed
Emit = Callable[[Event], None]


class Executor(Protocol):
    def __call__(self, trials: list[Trial], store: RunStore, plugins: list[str], emit: Emit) -> None:
        """Run trials and emit what happens; one trial's failure never stops the others."""
        ...
