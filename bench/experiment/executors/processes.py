"""Trials in worker processes: spawned, one intra-op thread each, passive OpenMP waiting.

A worker is handed one trial at a time over a pipe. A worker that dies (killed, out of memory) fails its trial only;
another takes its place.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from bench.experiment.events import Done, Emit, Failed, Started
from bench.experiment.trial import Trial
from bench.records.store import RunStore

# Read by OpenMP and MKL when a worker imports torch; a waiting thread that spins takes the core of one that works.
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    trial: Trial | None = None


class ProcessExecutor:
    """See `Executor`; `jobs` workers, results identical whatever their number."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs

    def __call__(self, trials: list[Trial], store: RunStore, plugins: list[str], emit: Emit) -> None:
        waiting = list(reversed(trials))
        workers = [_start(store, plugins) for _ in range(min(self.jobs, len(trials)))]
        try:
            for worker in workers:
                _assign(worker, waiting, emit)
            while any(worker.trial for worker in workers):
                busy = [w for w in workers if w.trial]
                ready = wait([w.pipe for w in busy])
                for i, worker in enumerate(workers):
                    if worker.trial is None or worker.pipe not in ready:
                        continue
                    try:
                        event = worker.pipe.recv()
                    except (EOFError, OSError):
                        emit(_death(worker))
                        worker.trial = None
                        if waiting:
                            worker = workers[i] = _start(store, plugins)
                            _assign(worker, waiting, emit)
                        continue
                    emit(event)
                    if isinstance(event, (Done, Failed)):
                        worker.trial = None
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
        process.start()
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    theirs.close()
    return _Worker(process, ours)


def _assign(worker: _Worker, waiting: list[Trial], emit: Emit) -> None:
    if not waiting:
        return
    worker.trial = waiting.pop()
    emit(Started(worker.trial))
    try:
        worker.pipe.send(worker.trial)
    except OSError:
        # The worker died between trials; its end of the pipe says so at the next wait.
        return


def _death(worker: _Worker) -> Failed:
    worker.process.join(timeout=10)
    code: Any = worker.process.exitcode
    why = f"exit code {code}"
    if isinstance(code, int) and code < 0:
        name = signal.Signals(-code).name
        why = f"{name}, often a sign of too little memory" if name == "SIGKILL" else name
    assert worker.trial is not None
    return Failed(worker.trial, f"the worker process died ({why})", "")


def _work(pipe: Connection, store: RunStore, plugins: list[str]) -> None:
    """A worker's life: receive a trial, run it, send its events; ends when the pipe closes."""
    # Ctrl-C reaches the whole process group; the parent decides, workers only finish or are terminated.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
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
