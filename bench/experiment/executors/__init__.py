"""Where trials run: in this process, in several, or on the machines of a Ray cluster."""

from __future__ import annotations

from typing import Literal

from bench.experiment.events import Executor, Limits
from zoo.errors import ConfigError

Kind = Literal["processes", "ray"]


def make_executor(
    kind: Kind = "processes", jobs: int = 1, limits: Limits | None = None, address: str | None = None
) -> Executor:
    """In-process for one job without limits, else `jobs` worker processes, which can be stopped from outside; or Ray.

    Args:
        jobs: trials at once; with Ray those of a cluster that is started here.
        address: of a running Ray cluster.

    Raises:
        ConfigError: settings that go with the other kind, or Ray is not installed.
    """
    limits = limits or Limits()
    if kind == "ray":
        if limits != Limits():
            raise ConfigError(
                "--trial-timeout and --trial-memory go with --executor processes; Ray has limits of its own"
            )
        from bench.experiment.executors.ray import RayExecutor

        return RayExecutor(jobs, address)
    if address is not None:
        raise ConfigError(f"--address {address}: goes with --executor ray")
    if jobs <= 1 and limits == Limits():
        from bench.experiment.executors.inline import run_inline

        return run_inline
    from bench.experiment.executors.processes import ProcessExecutor

    return ProcessExecutor(max(jobs, 1), limits)
