"""Trials one after the other in this process."""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable, Iterator

import torch

from bench.executors import Done, EpochDone, Event, Failed, Started
from bench.store import RunStore
from bench.trial import Trial, run_trial
from zoo.errors import ZooError


def run_inline(trials: list[Trial], store: RunStore, plugins: list[str]) -> Iterator[Event]:
    """See `Executor`. One intra-op thread on the CPU, so that numbers do not depend on how trials are spread."""
    del plugins  # Loaded already in this process.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for trial in trials:
            yield from _events(trial, store)
    finally:
        torch.set_num_threads(threads)


def _events(trial: Trial, store: RunStore) -> Iterator[Event]:
    """The events of one trial as they happen; the trial itself runs in a thread so that epochs can be yielded."""
    events: queue.Queue[Event] = queue.Queue()
    thread = threading.Thread(target=execute, args=(trial, store, events.put), daemon=True)
    yield Started(trial)
    thread.start()
    while True:
        event = events.get()
        yield event
        if isinstance(event, (Done, Failed)):
            thread.join()
            return


def execute(trial: Trial, store: RunStore, emit: Callable[[Event], None]) -> None:
    """Run one trial and emit its epochs and its end; never raises on a trial's own failure."""
    torch.set_num_threads(1)
    try:
        record = run_trial(trial, store, lambda epoch: emit(EpochDone(trial, epoch)))
    except ZooError as error:
        emit(Failed(trial, str(error), ""))
    except MemoryError:
        emit(Failed(trial, "out of memory; lower train.batch_size or --jobs", traceback.format_exc()))
    except Exception as error:  # noqa: BLE001 - a model's own code may raise anything; the run goes on
        emit(Failed(trial, f"{type(error).__name__}: {error}", traceback.format_exc()))
    else:
        emit(Done(trial, record))
