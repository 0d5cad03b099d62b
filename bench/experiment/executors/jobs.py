"""How many trials at once: from the processors and the free memory of this machine."""

from __future__ import annotations

import os

from zoo.errors import ConfigError

AUTO = "auto"
BASE, PER_PANEL = 700_000_000, 2.5
"""Bytes of a process that trains, and times the bytes of its panel: the bounds that `bench_memory` holds stages to."""


def count_jobs(asked: str, panel_bytes: int, device: str) -> int:
    """Worker processes: the number asked for, or with `auto` as many as have a processor and memory each, at least one.

    On a GPU `auto` is one: what a second trial takes of its memory is not known before it runs.

    Raises:
        ConfigError: neither `auto` nor a number from 1.
    """
    if asked != AUTO:
        if not asked.isdecimal() or int(asked) < 1:
            raise ConfigError(f"--jobs {asked}: must be auto or a number from 1")
        return int(asked)
    if device == "cuda":
        return 1
    free = free_memory()
    fitting = processors() if free is None else int(free / (BASE + PER_PANEL * panel_bytes))
    return max(1, min(processors(), fitting))


def processors() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def free_memory() -> int | None:
    """Bytes that new processes can have without swapping; None where the system does not tell."""
    try:
        with open("/proc/meminfo", encoding="ascii") as stream:
            lines = dict(line.split(":", 1) for line in stream)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
