"""Trials in worker processes: spawned, one intra-op thread each, passive OpenMP waiting.

A worker is handed one trial at a time over a pipe. One that dies (killed, out of memory) or goes over a limit fails its
trial only; another takes its place. Workers end with this process.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from bench.experiment.events import Done, Emit, Event, Failed, Limits, Started
from bench.experiment.executors.life import deaf_to_interrupts, end_with_parent, resident_bytes

# A worker imports this file before it can be asked to end with its parent, so it must be light: no torch.
if TYPE_CHECKING:
    from bench.experiment.trial import Trial
    from bench.records.store import RunStore

# Read by OpenMP and MKL when a worker imports torch; a waiting thread that spins takes the core of one that works.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
_LOOK_EVERY = 0.25
"""Seconds between two looks at what limited trials take."""


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    trial: Trial | None = None
    began: float = 0.0


class ProcessExecutor:
    """See `Executor`; `jobs` workers, results identical whatever their number."""

    def __init__(self, jobs: int, limits: Limits | None = None) -> None:
        self.jobs, self.limits = jobs, limits or Limits()

    def __call__(self, trials: list[Trial], store: RunStore, plugins: list[str], emit: Emit) -> None:
        waiting = list(reversed(trials))
        workers = [_start(store, plugins) for _ in range(min(self.jobs, len(trials)))]
        try:
            for worker in workers:
                _assign(worker, waiting, emit)
            while any(worker.trial for worker in workers):
                busy = [w for w in workers if w.trial]
                ready = wait([w.pipe for w in busy], None if self.limits == Limits() else _LOOK_EVERY)
                for i, worker in enumerate(workers):
                    event = _next(worker, worker.pipe in ready, self.limits)
                    if event is None:
                        continue
                    emit(event)
                    if isinstance(event, (Done, Failed)):
                        worker.trial = None
                        if waiting and not worker.process.is_alive():
                            worker = workers[i] = _start(store, plugins)
                        _assign(worker, waiting, emit)
        finally:
            for worker in workers:
                if worker.trial is not None:
                    worker.process.terminate()
                worker.pipe.close()
            for worker in workers:
                worker.process.join(timeout=10)
                if worker.process.is_alive():
                    worker.process.kill()


def _start(store: RunStore, plugins: list[str]) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, store, plugins), daemon=True)
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    try:
        with _without_main(), deaf_to_interrupts():
            process.start()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    theirs.close()
    return _Worker(process, ours)


@contextmanager
def _without_main() -> Iterator[None]:
    """Workers started within the block do not run the main script once more: it may be one without a guard."""
    main: Any = sys.modules["__main__"]
    hidden = {name: main.__dict__[name] for name in ("__spec__", "__file__") if name in main.__dict__}
    main.__spec__ = None
    main.__dict__.pop("__file__", None)
    try:
        yield
    finally:
        main.__dict__.update(hidden)


def _assign(worker: _Worker, waiting: list[Trial], emit: Emit) -> None:
    if not waiting:
        return
    worker.trial, worker.began = waiting.pop(), time.monotonic()
    emit(Started(worker.trial))
    try:
        worker.pipe.send(worker.trial)
    except OSError:
        # The worker died between trials; its end of the pipe says so at the next wait.
        return


def _next(worker: _Worker, told: bool, limits: Limits) -> Event | None:
    """What a worker has told, or how its trial ended; None where there is nothing yet."""
    if worker.trial is None:
        return None
    if why := _excess(worker, limits):
        worker.process.kill()
        worker.process.join()
        return Failed(worker.trial, why, "")
    try:
        return worker.pipe.recv() if told else None
    except (EOFError, OSError):
        return Failed(worker.trial, _death(worker), "")


def _excess(worker: _Worker, limits: Limits) -> str:
    """Which limit the trial of a worker is over; empty where it is within all."""
    took = time.monotonic() - worker.began
    if limits.seconds is not None and took > limits.seconds:
        return f"stopped after {took:.0f} s: over the limit of {limits.seconds:g} s (--trial-timeout)"
    if limits.memory is not None and (resident_bytes(worker.process.pid or 0) or 0) > limits.memory:
        return f"stopped: its process held more than the {limits.memory / 2**20:.0f} MiB of --trial-memory"
    return ""


def _death(worker: _Worker) -> str:
    worker.process.join(timeout=10)
    code: Any = worker.process.exitcode
    why = f"exit code {code}"
    if isinstance(code, int) and code < 0:
        name = signal.Signals(-code).name
        why = f"{name}, often a sign of too little memory" if name == "SIGKILL" else name
    return f"the worker process died ({why})"


def _work(pipe: Connection, store: RunStore, plugins: list[str]) -> None:
    """A worker's life: receive a trial, run it, send its events; ends when the pipe closes."""
    end_with_parent()
    from bench.experiment.executors.inline import execute
    from zoo.registry import load_plugin

    for plugin in plugins:
        load_plugin(plugin)
    while True:
        try:
            trial = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            execute(trial, store, pipe.send)
        except BrokenPipeError:
            return  # The parent is gone, and nobody is left to tell.
