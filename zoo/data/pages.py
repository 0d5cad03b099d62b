"""Arrays mapped from files: made, let go of, and read without becoming resident."""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from zoo.folders import cache_folder

IN_MEMORY = 64 << 20  # bytes; what is larger is mapped where it can be
_BLOCK = 32 << 20  # bytes of a panel that are worked on at once
_files: weakref.WeakKeyDictionary[mmap.mmap, tuple[int, int]] = weakref.WeakKeyDictionary()


def map_file(stream: BinaryIO, start: int, shape: tuple[int, ...], *, shared: bool = False) -> np.ndarray:
    """float32 values of a file from byte `start` on.

    Args:
        shared: what is written to the array goes to the file. By default it goes nowhere: such a mapping is chosen as
            torch warns of memory that it may not write to, and is to be read only.
    """
    values = np.memmap(stream, dtype="<f4", mode="r+" if shared else "c", offset=start, shape=shape)
    pages = _map_of(values)
    if pages is not None and hasattr(os, "pread"):
        own = os.dup(stream.fileno())
        _files[pages] = own, start
        weakref.finalize(pages, os.close, own)
    return values


def room_like(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """New float32 memory; where `values` are mapped and it is large, mapped too, from a file without a name."""
    size, folder = 4 * int(np.prod(shape)), cache_folder()
    if is_mapped(values) and size > IN_MEMORY and folder is not None:
        with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder) as stream:
            os.posix_fallocate(stream.fileno(), 0, size) if hasattr(os, "posix_fallocate") else stream.truncate(size)
            return map_file(stream, 0, shape, shared=True)  # type: ignore[arg-type]
    return np.empty(shape, dtype=np.float32)


def is_mapped(values: np.ndarray) -> bool:
    return _map_of(values) is not None


def release(values: np.ndarray) -> None:
    """Let go of the memory that a mapped array has come to occupy; does nothing to others."""
    pages = _map_of(values)
    if pages is not None and hasattr(pages, "madvise"):
        pages.madvise(mmap.MADV_DONTNEED)


def read_runs(values: np.ndarray, first: np.ndarray, length: int) -> np.ndarray:
    """`[S, length, F]`: `length` rows from row `first [S]` on of a whole mapped array `[..., F]`, seen as rows of F.

    Read from the file, nothing becomes resident: a page fault brings in up to 2 MiB around what was asked for.
    """
    pages = _map_of(values)
    width = values.shape[-1]
    if pages is None or pages not in _files:
        rows = values.reshape(-1, width)
        return np.stack([rows[at : at + length] for at in first])
    file, start = _files[pages]
    size = 4 * length * width
    found = bytearray().join([os.pread(file, size, at) for at in (first * (4 * width) + start).tolist()])
    return np.frombuffer(found, dtype="<f4").reshape(len(first), length, width)


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
