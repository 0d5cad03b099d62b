"""Where trials run: in this process, or in several."""

from __future__ import annotations

from bench.experiment.events import Executor, Limits


def make_executor(jobs: int, limits: Limits | None = None) -> Executor:
    """In-process for one job without limits, else `jobs` worker processes, which can be stopped from outside."""
    limits = limits or Limits()
    if jobs <= 1 and limits == Limits():
        from bench.experiment.executors.inline import run_inline

        return run_inline
    from bench.experiment.executors.processes import ProcessExecutor

    return ProcessExecutor(max(jobs, 1), limits)
