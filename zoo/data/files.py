"""Files and directories that appear under their name only when they are complete."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo.errors import DataError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to beside `path`, which takes its place at the end; nothing is left behind after an error.

    What processes that were killed have left of this file is removed.

    Raises:
        DataError: `path` is a directory or cannot be written.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a directory; give a file name")
    temporary = _beside(path)
    _sweep(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        _flush(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def whole_directory(path: Path) -> Iterator[Path]:
    """As `whole_file` for an empty directory to fill; what lay at `path` is removed once the new one is complete.

    Where the system can swap two directories (Linux, macOS), one or the other lies at `path` at every moment; elsewhere
    a process killed between two renames leaves the old one beside it, and the next call puts it back first.
    """
    temporary, old = _beside(path), _beside(path, "old")
    _sweep(path)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if not path.exists():
            os.rename(temporary, path)
        elif not _swapped(temporary, path):
            os.rename(path, old)
            os.rename(temporary, path)
            shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _beside(path: Path, what: str = "part") -> Path:
    # The ending stays, so that what is half done can be read back before it takes its place.
    return path.with_name(f".{what}-{os.getpid()}-{path.name}")


def _swapped(a: Path, b: Path) -> bool:
    """Whether two paths could be exchanged in one step."""
    at, swap = (-100, 2) if sys.platform.startswith("linux") else (-2, 2)  # AT_FDCWD; RENAME_EXCHANGE, RENAME_SWAP
    name = {"linux": "renameat2", "darwin": "renameatx_np"}.get(sys.platform, "")
    try:
        exchange = getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):
        return False
    return exchange(at, os.fsencode(a), at, os.fsencode(b), ctypes.c_uint(swap)) == 0


def _sweep(path: Path) -> None:
    """Remove what killed processes have left beside `path`; an old directory that nothing has replaced goes back."""
    pattern = re.compile(rf"\.(part|old)-(\d+)-{re.escape(path.name)}")
    with suppress(OSError):
        for name in os.listdir(path.parent):
            left = pattern.fullmatch(name)
            if left is None or _lives(int(left[2])):
                continue
            if left[1] == "old" and not path.exists():
                os.rename(path.parent / name, path)
            elif (path.parent / name).is_dir():
                shutil.rmtree(path.parent / name, ignore_errors=True)
            else:
                (path.parent / name).unlink(missing_ok=True)


def _lives(pid: int) -> bool:
    if sys.platform == "win32":
        return True  # There asking is killing.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # Somebody else's, but there.
    return True


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def file_size(path: Path, where: str) -> int:
    """Bytes of a file that can be read; to be asked before it is opened, as opening a pipe waits for ever.

    Raises:
        DataError: it is gone, a link to nothing, no plain file, or its permissions forbid reading.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        reason = "it is a link to nothing" if path.is_symlink() else "it was there and is gone"
        raise DataError(f"{where}: cannot be read ({reason}); put it back or remove its name") from None
    except OSError as error:
        raise DataError(f"{where}: cannot be read ({error.strerror})") from None
    if not stat.S_ISREG(status.st_mode):
        kind = "folder" if stat.S_ISDIR(status.st_mode) else "pipe, socket or device"
        raise DataError(f"{where}: cannot be read (it is a {kind}, not a file); move it away")
    if not os.access(path, os.R_OK):
        raise DataError(f"{where}: cannot be read, its permissions forbid it")
    return status.st_size
