"""Peak memory of one call: growth of what is resident (CPU) or allocated (CUDA) while it runs.

On Linux the kernel keeps the highest resident size of a process and resets it on request. A call is made once so that
code is loaded and caches are filled; then memory that is free but still mapped is given back, the mark is reset, and
the second call must map anew all that it ever holds at one time. What was there before does not count.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

MIB = 2**20
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


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
    """MiB of a line of the process's status, which the kernel gives in kB."""
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
    """The measurement applied to a tensor of `expected` MiB that is filled and let go of."""
    import torch

    measured = peak_mib(lambda: torch.ones(expected * MIB // 4, device=device), device)
    error = None if measured is None else measured / expected - 1
    return {
        "operation": f"a tensor of {expected} MiB",
        "expected": expected,
        "measured": measured,
        "relative_error": error,
    }
