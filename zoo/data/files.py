"""Files and directories that appear under their name only when they are complete."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from zoo.errors import DataError


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to beside `path`, which takes its place at the end; nothing is left behind after an error.

    Raises:
        DataError: `path` is a directory or cannot be written.
    """
    if path.is_dir():
        raise DataError(f"{path}: is a directory; give a file name")
    temporary = _beside(path)
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
    """As `whole_file` for an empty directory to fill; what lay at `path` is removed once the new one is complete."""
    temporary, old = _beside(path), _beside(path, "old")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if path.exists():
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


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
