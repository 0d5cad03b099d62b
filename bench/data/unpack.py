"""Archives unpacked without trusting them."""

from __future__ import annotations

import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path, PurePosixPath
from typing import IO, cast

from bench.data.download import MOST_BYTES, OnBytes, check_space
from zoo.data.files import whole_directory
from zoo.errors import DataError

ENDINGS = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".tar", ".zip")
MOST_GROWTH = 200
MOST_FILES = 2_000_000
_COPY = 1 << 20
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)


class BadArchive(DataError):
    """An archive that is broken or that must not be unpacked; keeping it would help nobody."""


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    is_folder: bool
    refusal: str
    open: Callable[[], IO[bytes]]


def archive_stem(name: str) -> str:
    """The name without its archive ending; empty where it has none."""
    lower = name.lower()
    return next((name[: -len(ending)] for ending in ENDINGS if lower.endswith(ending)), "")


def unpack(
    archive: Path,
    target: Path,
    *,
    most_bytes: int = MOST_BYTES,
    most_files: int = MOST_FILES,
    on_bytes: OnBytes = lambda done, total: None,
) -> int:
    """Unpack a zip or tar archive as the directory `target`, all of it or nothing.

    A single directory at the top becomes `target` itself. All members are looked at before the first is written.

    Args:
        most_bytes, most_files: what an archive may hold; never more than `MOST_GROWTH` times its size.
        on_bytes: told how far into the archive it is.

    Returns:
        The number of files.

    Raises:
        BadArchive: broken, encrypted, too large, or with links, devices or names outside `target`.
        DataError: `target` cannot be written, or there is no space for it.
    """
    with whole_directory(target) as folder:
        try:
            n_bytes, n_files = _measure(archive, most_bytes, most_files)
            check_space(target.parent, n_bytes)
            _extract(archive, folder, on_bytes)
        except _BROKEN as error:
            raise BadArchive(f"{archive.name}: broken archive ({error}); download it again") from None
        except RuntimeError as error:  # what zipfile raises for a password
            raise BadArchive(f"{archive.name}: cannot be unpacked ({error})") from None
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            raise BadArchive(f"{archive.name}: holds a file and a directory of one name") from None
        _lift_single(folder)
    return n_files


def _measure(archive: Path, most_bytes: int, most_files: int) -> tuple[int, int]:
    """Bytes, which no reader exceeds, and number of the files, once every member is found to be fine."""
    size, n_bytes, n_files = archive.stat().st_size, 0, 0
    with archive.open("rb") as stream, _members(archive, stream) as members:
        for member in members:
            _safe(archive, member)
            n_bytes, n_files = n_bytes + member.size, n_files + (not member.is_folder)
            if n_files > most_files:
                raise BadArchive(f"{archive.name}: more than {most_files:,} files; not unpacked")
            if n_bytes > most_bytes:
                raise BadArchive(f"{archive.name}: holds more than {most_bytes:,} bytes; not unpacked (--max-gb)")
            if n_bytes > MOST_GROWTH * size:
                raise BadArchive(
                    f"{archive.name}: holds more than {MOST_GROWTH} times its own {size:,} bytes, as no data do; "
                    f"not unpacked"
                )
    if not n_files:
        raise BadArchive(f"{archive.name}: holds no files")
    return n_bytes, n_files


def _extract(archive: Path, folder: Path, on_bytes: OnBytes) -> None:
    """Write every member below `folder`."""
    size = archive.stat().st_size
    with archive.open("rb") as stream, _members(archive, stream) as members:
        for member in members:
            path = folder / _safe(archive, member)
            if member.is_folder:
                path.mkdir(parents=True, exist_ok=True)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, path.open("wb") as copy:
                shutil.copyfileobj(source, copy, _COPY)
            on_bytes(min(stream.tell(), size), size)


def _lift_single(folder: Path) -> None:
    """Where a single directory holds everything, put what it holds in its place."""
    held = list(folder.iterdir())
    if len(held) != 1 or not held[0].is_dir():
        return
    # Its own name may occur again inside.
    free = next(name for name in map(str, count()) if not (held[0] / name).exists())
    top = held[0].rename(folder / free)
    for path in list(top.iterdir()):
        path.rename(folder / path.name)
    top.rmdir()


def _safe(archive: Path, member: _Member) -> PurePosixPath:
    """The path of a member inside the target."""
    name = member.name.replace("\\", "/")
    path = PurePosixPath(name)
    if path.is_absolute() or re.match(r"[A-Za-z]:", name) or ".." in path.parts or "\0" in name:
        raise BadArchive(f"{archive.name}: member {member.name!r} would lie outside the target; nothing is unpacked")
    if member.refusal:
        raise BadArchive(f"{archive.name}: member {member.name!r} {member.refusal}; nothing is unpacked")
    return path


@contextmanager
def _members(archive: Path, stream: IO[bytes]) -> Iterator[Iterator[_Member]]:
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(stream) as file:
            yield (_zipped(file, info) for info in file.infolist())
    else:
        with tarfile.open(fileobj=stream, mode="r:*") as file:
            yield (_tarred(file, info) for info in file)


def _zipped(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    kind = stat.S_IFMT(info.external_attr >> 16)
    refusal = "" if kind in (0, stat.S_IFREG, stat.S_IFDIR) else "is a link or a device"
    return _Member(info.filename, info.file_size, info.is_dir(), refusal, lambda: file.open(info))


def _tarred(file: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    refusal = ""
    if info.issym() or info.islnk():
        refusal = f"is a link to {info.linkname!r}"
    elif not (info.isreg() or info.isdir()):
        refusal = "is a device"
    # extractfile gives None only for what is refused, and for directories.
    return _Member(info.name, info.size, info.isdir(), refusal, lambda: cast("IO[bytes]", file.extractfile(info)))
