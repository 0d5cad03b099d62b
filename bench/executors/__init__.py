"""Where trials run: in this process, or in several. All report through the same events.

Imports no torch: reports print with what prints events.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from bench.store import RunStore
    from bench.trial import Trial
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


Event = Started | EpochDone | Done | Failed
Emit = Callable[[Event], None]


class Executor(Protocol):
    def __call__(self, trials: list[Trial], store: RunStore, plugins: list[str], emit: Emit) -> None:
        """Run trials and emit what happens; one trial's failure never stops the others."""
        ...


def make_executor(jobs: int) -> Executor:
    """In-process for one job, else `jobs` worker processes."""
    if jobs <= 1:
        from bench.executors.inline import run_inline

        return run_inline
    from bench.executors.processes import ProcessExecutor

    return ProcessExecutor(jobs)
