"""Peak memory of one call: growth of what is resident (CPU) or allocated (CUDA) while it runs.

On Linux the kernel keeps the highest resident size of a process and resets it on request. A call is made once so that
code is loaded and caches are filled; then memory that is free but still mapped is given back, the mark is reset, and
the second call must map anew all that it ever holds at one time. What was there before does not count.

That needs a process of its own, in which malloc maps every larger tensor by itself: in the heap of a process that has
worked for a while the peak would depend on the gaps that others left.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bench.experiment.executors.life import deaf_to_interrupts, end_with_parent
from bench.records.machine import torch_threads

MIB = 2**20
_MMAP_THRESHOLD = -3  # of mallopt
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")

Remote = Callable[..., Any]
"""(function, *arguments) -> its result; runs it where memory can be measured."""


@contextmanager
def memory_process(device: str, threads: int, plugins: Sequence[Path] = ()) -> Iterator[Remote]:
    """A fresh process, or this one for CUDA, whose allocator keeps exact counts."""
    if device.startswith("cuda"):
        yield lambda function, *arguments: function(*arguments)
        return
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_begin, initargs=(list(plugins),)) as pool:
        with deaf_to_interrupts():
            pool.submit(int)  # starts the process
        yield lambda function, *arguments: pool.submit(_call, threads, function, *arguments).result()


def _begin(plugins: list[Path]) -> None:
    end_with_parent()
    with suppress(AttributeError, OSError, TypeError):  # Not glibc; `peak_mib` will say so.
        ctypes.CDLL(None).mallopt(_MMAP_THRESHOLD, 1 << 16)
    from zoo.registry import load_plugin

    for path in plugins:
        load_plugin(path)


def _call(threads: int, function: Callable[..., Any], *arguments: Any) -> Any:
    with torch_threads(threads):
        return function(*arguments)


def peak_mib(call: Callable[[], Any], device: str) -> float | None:
    """MiB that a call adds to the peak, results included; None where the system does not tell.

    Not counted on CUDA: memory of captured graphs, which belongs to them.
    """
    call()
    gc.collect()
    if device.startswith("cuda"):
        return _cuda_peak(call)
    try:
        ctypes.CDLL(None).malloc_trim(0)
        _RESET.write_text("5")
        before = _resident("VmRSS")
        call()
        return max(_resident("VmHWM") - before, 0.0)
    except (AttributeError, OSError, TypeError):
        return None


def _resident(key: str) -> float:
    """MiB; the kernel gives kB."""
    return int(_STATUS.read_text().split(f"{key}:")[1].split()[0]) / 1024


def _cuda_peak(call: Callable[[], Any]) -> float:
    import torch

    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / MIB


def check_memory(device: str, expected: int = 64) -> dict[str, Any]:
    """The measurement applied to four tensors of `expected` MiB of which one lives at a time."""
    import torch

    def call() -> None:
        for _ in range(4):
            torch.ones(expected * MIB // 4, device=device)

    measured = peak_mib(call, device)
    error = None if measured is None else measured / expected - 1
    operation = f"four tensors of {expected} MiB, one at a time"
    return {"operation": operation, "expected": expected, "measured": measured, "relative_error": error}
