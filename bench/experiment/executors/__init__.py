"""Where trials run: in this process, or in several."""

from __future__ import annotations

from bench.experiment.events import Executor


def make_executor(jobs: int) -> Executor:
    """In-process for one job, else `jobs` worker processes."""
    if jobs <= 1:
        from bench.experiment.executors.inline import run_inline

        return run_inline
    from bench.experiment.executors.processes import ProcessExecutor

    return ProcessExecutor(jobs)
