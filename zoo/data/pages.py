"""Mapped files in memory: which arrays are such, how much of them is resident, and letting go of it."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

import numpy as np

_BLOCK = 32 << 20  # bytes of a panel that are worked on at once


def is_mapped(values: np.ndarray) -> bool:
    return _map_of(values) is not None


def release(values: np.ndarray) -> None:
    """Let go of the memory that a mapped array has come to occupy; does nothing to others."""
    pages = _map_of(values)
    if pages is not None and hasattr(pages, "madvise"):
        pages.madvise(mmap.MADV_DONTNEED)


def resident_files() -> int:
    """Bytes of mapped files that this process has in memory; 0 where the system does not say. Linux does."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[2]) * mmap.PAGESIZE
    except OSError:
        return 0


def stock_blocks(stock_major: np.ndarray) -> Iterator[slice]:
    """Slices of `[N, D, ...]`, some stocks at a time; a mapped array is let go of after each."""
    per_stock = max(stock_major[:1].nbytes, 1)
    size = max(1, _BLOCK // per_stock)
    for first in range(0, len(stock_major), size):
        yield slice(first, min(first + size, len(stock_major)))
        release(stock_major)


def _map_of(values: np.ndarray) -> mmap.mmap | None:
    base: object = values
    while isinstance(base, np.ndarray):
        base = base.base
    return base if isinstance(base, mmap.mmap) else None
