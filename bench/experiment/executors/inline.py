"""Trials one after the other in this process."""

from __future__ import annotations

import traceback

from bench.experiment.events import Done, Emit, EpochDone, Failed, Started
from bench.experiment.trial import Trial, forget_dataset, run_trial
from bench.records.machine import torch_threads
from bench.records.store import RunStore
from zoo.errors import ZooError


def run_inline(trials: list[Trial], store: RunStore, plugins: list[str], emit: Emit) -> None:
    """See `Executor`. One intra-op thread on the CPU, so that numbers do not depend on how trials are spread."""
    del plugins  # Loaded already in this process.
    for trial in trials:
        emit(Started(trial))
        execute(trial, store, emit)
    forget_dataset()  # What is measured on the trials afterwards needs its memory.


def execute(trial: Trial, store: RunStore, emit: Emit) -> None:
    """Run one trial and emit its epochs and its end; raises nothing of a trial's own, only KeyboardInterrupt."""
    try:
        with torch_threads(1):
            record = run_trial(trial, store, lambda epoch: emit(EpochDone(trial, epoch)))
    except ZooError as error:
        end = Failed(trial, str(error), "")
    except MemoryError:
        end = Failed(trial, "out of memory; lower train.batch_size or --jobs", traceback.format_exc())
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a model's own code may raise anything; the run goes on
        end = Failed(trial, f"{type(error).__name__}: {error}", traceback.format_exc())
    else:
        end = Done(trial, record)
    emit(end)
