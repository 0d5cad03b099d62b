"""Columns too large to compute twice or to hold in memory: computed once into a file of the cache, and mapped.

    <cache>/factors/<name>-<key>.npy    `[N, D, F]` float32, then 8 bytes each: the sum of each stock's bits, the time

The key is a hash of the panel's values and of the code that computes the columns. A file is written under another name
and renamed when it is whole. Its modification time is set to the time in it, so that whoever changes it is found out;
then the sums are compared, and where they are off it is computed anew. Without a cache that can be written the file has
no name and is gone with its last user.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

import numpy as np

from zoo.data.cache import cache_folder
from zoo.data.pages import IN_MEMORY, map_file
from zoo.errors import DataError

UNUSED = 30 * 86_400  # s after which a file that nobody has opened is removed
_BLOCK = 64 << 20  # bytes computed, written or checked at a time

_mapped: WeakValueDictionary[str, np.ndarray] = WeakValueDictionary()


def mapped_columns(
    name: str, key: Callable[[], str], shape: tuple[int, int, int], compute: Callable[[slice], np.ndarray]
) -> np.ndarray:
    """`compute(all stocks)`, in memory where it is small, else mapped from a file.

    Args:
        name: of the columns, part of the file's name.
        key: gives a text that changes with everything `compute` depends on; asked for only if there is a file.
        shape: N stocks, D days, F columns.
        compute: `[n, D, F]` float32 of a slice of stocks, independent of how they are sliced.

    Raises:
        DataError: there is no room for the file.
    """
    if 4 * int(np.prod(shape)) <= IN_MEMORY:
        return compute(slice(0, shape[0]))
    stem = f"{name}-{key()}"
    found = _mapped.get(stem)
    if found is None:
        try:
            found = _from_cache(stem, shape, compute)
        except OSError as error:
            size = 4 * int(np.prod(shape)) >> 20
            raise DataError(
                f"{name}: its columns take a file of {size:,} MiB in {error.filename or tempfile.gettempdir()} "
                f"({error.strerror}); make room, or set ALPHA_ZOO_CACHE to a folder that has it"
            ) from None
        _mapped[stem] = found
    return found


def _from_cache(stem: str, shape: tuple[int, int, int], compute: Callable[[slice], np.ndarray]) -> np.ndarray:
    folder = _folder()
    if folder is None:
        with tempfile.TemporaryFile() as stream:
            return map_file(stream, _write(stream, shape, compute), shape)
    file = folder / f"{stem}.npy"
    with _one_at_a_time(folder / f"{stem}.lock"):
        found = _open(file, shape)
        if found is None:
            _remove_unused(folder)
            handle, half = tempfile.mkstemp(dir=folder, prefix="half-")
            try:
                with os.fdopen(handle, "wb") as stream:
                    _write(stream, shape, compute)
                    os.fsync(stream.fileno())
                _mark(Path(half))
                os.replace(half, file)
            except BaseException:
                Path(half).unlink(missing_ok=True)
                raise
            found = _open(file, shape)
    if found is None:
        raise OSError(0, "what was written cannot be read back", str(file))
    return found


def _folder() -> Path | None:
    """Where files are kept; None where the cache is off or cannot be written."""
    folder = cache_folder()
    if folder is None:
        return None
    folder = folder / "factors"
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder if os.access(folder, os.W_OK) else None


def _write(stream: BinaryIO, shape: tuple[int, int, int], compute: Callable[[slice], np.ndarray]) -> int:
    """The file, a block of stocks at a time; returns where its values start."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    start, sums = stream.tell(), []
    size = _stocks_at_once(shape)
    for at in range(0, shape[0], size):
        block = compute(slice(at, min(at + size, shape[0])))
        stream.write(np.ascontiguousarray(block, dtype="<f4").data)
        sums.append(_sums(block))
    # An even second, which every file system can store.
    stream.write(np.append(np.concatenate(sums), np.uint64(time.time() // 2 * 2)).data)
    stream.flush()
    return start


def _mark(file: Path) -> None:
    """Set the modification time to the one in the file, and the time of access to now."""
    with file.open("rb") as stream:
        stream.seek(-8, os.SEEK_END)
        os.utime(file, (time.time(), int.from_bytes(stream.read(8), sys.byteorder)))


def _open(file: Path, shape: tuple[int, int, int]) -> np.ndarray | None:
    """The mapped columns of a file; None where it is missing or not as it was written."""
    try:
        with file.open("rb") as stream:
            if np.lib.format.read_magic(stream) != (1, 0):
                return None
            if np.lib.format.read_array_header_1_0(stream) != (shape, False, np.dtype("<f4")):
                return None
            start, status = stream.tell(), os.fstat(stream.fileno())
            if status.st_size != start + 4 * int(np.prod(shape)) + 8 * (shape[0] + 1):
                return None
            stream.seek(-8, os.SEEK_END)
            if status.st_mtime_ns != int.from_bytes(stream.read(8), sys.byteorder) * 10**9:
                stream.seek(start)
                if not _sound(stream, shape):
                    return None
            with contextlib.suppress(OSError):  # of another user, who lets us read it
                _mark(file)
            return map_file(stream, start, shape)
    except (FileNotFoundError, ValueError):  # ValueError: no header of an array
        return None


def _sound(stream: BinaryIO, shape: tuple[int, int, int]) -> bool:
    """Whether the values from here on have the sums that follow them."""
    width, sums = shape[1] * shape[2], []
    size = _stocks_at_once(shape)
    for at in range(0, shape[0], size):
        n = min(size, shape[0] - at)
        sums.append(_sums(np.fromfile(stream, dtype="<f4", count=n * width).reshape(n, width)))
    return np.array_equal(np.concatenate(sums), np.fromfile(stream, dtype=np.uint64, count=shape[0]))


def _sums(block: np.ndarray) -> np.ndarray:
    """The sum of the bits of each stock, modulo 2^64; no single change of a value leaves it as it was."""
    return block.reshape(len(block), -1).view(np.uint32).sum(axis=1, dtype=np.uint64)


def _stocks_at_once(shape: tuple[int, int, int]) -> int:
    return max(1, _BLOCK // (4 * shape[1] * shape[2]))


def _remove_unused(folder: Path) -> None:
    for file in folder.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - file.stat().st_atime > UNUSED:
                file.unlink()


@contextlib.contextmanager
def _one_at_a_time(lock: Path) -> Iterator[None]:
    """Let other processes wait for the one that computes; where the system has no such lock, all compute."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with lock.open("w") as stream:
        with contextlib.suppress(OSError):  # a network file system without locks
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
