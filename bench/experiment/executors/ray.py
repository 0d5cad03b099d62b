"""Trials as Ray tasks, on this machine or on a cluster (extra `ray`).

The panel is put into the object store once, for all nodes. A task hands back the files of its trial; this process
writes them, so that records, resume and report are those of any other run. The trials of a node that is lost are run
again on others; after Ctrl-C the same command goes on with what is not stored yet.
"""

from __future__ import annotations

import os
import tempfile
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.experiment.events import Done, Emit, Event, Failed, Started
from bench.records.store import RECORD
from zoo.errors import ConfigError

if TYPE_CHECKING:
    from bench.experiment.trial import Trial
    from bench.records.store import RunStore
    from zoo.data.panel import Panel

RETRIES = 3
"""How often a trial is begun anew whose node or process was lost."""

Result = Failed | tuple[dict[str, Any], dict[str, bytes]]
"""How a trial failed, or its record and the content of its other files."""


class RayExecutor:
    """See `Executor`; on the cluster at `address`, or on one of `jobs` processors that is started here.

    Raises:
        ConfigError: Ray is not installed.
    """

    def __init__(self, jobs: int, address: str | None = None) -> None:
        self.jobs, self.address = jobs, address
        # Before it is imported: no dashboard, nothing sent to anybody.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            self._ray: Any = import_module("ray")
        except ImportError:
            raise ConfigError("--executor ray needs Ray: pip install 'alpha-zoo[ray]'") from None

    def __call__(self, trials: list[Trial], store: RunStore, plugins: list[str], emit: Emit) -> None:
        from bench.experiment.trial import panel_of

        ray = self._ray
        self._connect()
        try:
            panel = ray.put(panel_of(trials[0].reading))
            sources = {Path(file).name: Path(file).read_text(encoding="utf-8") for file in plugins}
            tasks = {gpus: ray.remote(num_cpus=1, num_gpus=gpus, max_retries=RETRIES)(_train) for gpus in (0, 1)}
            waiting, running = list(reversed(trials)), {}
            while waiting or running:
                while waiting and len(running) < self._slots():
                    trial = waiting.pop()
                    emit(Started(trial))
                    running[tasks[int(trial.device == "cuda")].remote(trial, panel, sources)] = trial
                for reference in ray.wait(list(running), timeout=1.0)[0]:
                    emit(_end(running.pop(reference), self._result(reference), store))
        finally:
            ray.shutdown()

    def _connect(self) -> None:
        # A cluster gets the code of this process; one that is started here runs in its environment.
        code = (
            {"py_modules": [str(Path(package.__path__[0])) for package in map(import_module, ("zoo", "bench"))]}
            if self.address
            else {}
        )
        own = {} if self.address else {"num_cpus": self.jobs, "include_dashboard": False}
        try:
            self._ray.init(self.address, runtime_env=code, log_to_driver=False, logging_level="ERROR", **own)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise ConfigError(f"--address {self.address}: no Ray cluster answers there ({error})") from None

    def _slots(self) -> int:
        """Trials that the cluster can run now; nodes may come and go."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def _result(self, reference: Any) -> Result | str:
        """What a task handed back, or why it did not."""
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return f"Ray lost the trial {RETRIES + 1} times ({type(error).__name__})"


def _end(trial: Trial, result: Result | str, store: RunStore) -> Event:
    """Store what a trial handed back."""
    if isinstance(result, str):
        return Failed(trial, result, "")
    if isinstance(result, Failed):
        return result
    record, files = result

    def fill(folder: Path) -> None:
        for name, content in files.items():
            (folder / name).write_bytes(content)

    store.write_trial(record, fill)
    return Done(trial, record)


def _train(trial: Trial, panel: Panel, plugins: dict[str, str]) -> Result:
    """On a node: run a trial in a folder that is thrown away."""
    from bench.experiment.executors.inline import execute
    from bench.experiment.trial import keep_panel
    from bench.records.store import RunStore

    _load(tuple(plugins.items()))
    keep_panel(trial.reading, panel)
    events: list[Event] = []
    with tempfile.TemporaryDirectory() as here:
        store = RunStore(Path(here), "ray")
        execute(trial, store, events.append)
        end = events[-1]
        if isinstance(end, Failed):
            return end
        assert isinstance(end, Done)
        folder = store.trial_folder(trial.key)
        return end.record, {p.name: p.read_bytes() for p in folder.iterdir() if p.name != RECORD}


@lru_cache
def _load(plugins: tuple[tuple[str, str], ...]) -> None:
    """Register plugins once in the life of a process; the files stay there, as formulas are read from them."""
    from zoo.registry import load_plugin

    folder = Path(tempfile.mkdtemp(prefix="plugins-"))
    for name, text in plugins:
        (folder / name).write_text(text, encoding="utf-8")
        load_plugin(folder / name)
