"""Panels read before, kept in a form that is memory-mapped: the second load of a source parses nothing.

    <cache>/<key>/v-<random>/    panel.json, values.npy, member.npy, days.npy; start.npy, end.npy of concepts

The key is a hash of path and reading options. A version serves as long as its files prove to be unchanged (`Stamp`);
otherwise the source is read again and the new version replaces it. Versions are written whole under a name of their
own, so that any number of processes may read and write at once. Nothing is ever unpickled.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from zoo.data.panel import Concepts, Panel
from zoo.data.stamp import Stamp, content_hash, short_hash
from zoo.errors import DataError
from zoo.folders import OFF, VARIABLE, cache_folder

FORMAT = 2
SMALLEST = 5_000_000  # bytes of source; what is smaller is parsed in a fraction of a second
ABANDONED = 86_400  # s after which a half-written version has no writer any more
HEADER = "panel.json"
BLOCK = 1 << 22  # bytes summed at a time
DAMAGE = (ValueError, KeyError, TypeError, EOFError, DataError)
"""What reading a damaged version may raise; JSON and Unicode errors are ValueErrors."""


def disable_cache() -> None:
    """Neither read nor write the cache, in this process and those it starts."""
    os.environ[VARIABLE] = OFF


def through_cache(files: Sequence[str], options: Mapping[str, str | None], read: Callable[[], Panel]) -> Panel:
    """The panel of `read()`, from the cache where `files` are as they were when it was written.

    Args:
        files: everything that `read` reads.
        options: everything else its result depends on.
        read: parses the source.

    Returns:
        A panel whose values are memory-mapped; parsed and in memory where the cache is off or cannot be written
        (a note says so) and where the source is small.
    """
    folder = cache_folder()
    stamp = Stamp.of(files) if folder is not None else None
    if folder is None or stamp is None or stamp.bytes < SMALLEST:
        return read()
    entry = folder / short_hash(json.dumps([FORMAT, *sorted(options.items())]))
    found, damaged = _find(entry, stamp, files)
    if found is not None:
        return found
    hashed_at, content = time.time_ns(), content_hash(files)
    panel = read()
    if not stamp.settled(hashed_at):
        # Hashed again, a young file counts as settled from now on if reading it took long.
        hashed_at, before, content = time.time_ns(), content, content_hash(files)
        if content != before:
            return panel
    if content is None or stamp != Stamp.of(files):
        return panel
    try:
        state = {"first": files[0], "stamp": asdict(stamp), "hashed_at": hashed_at, "content": content}
        version = _write(entry, panel, state)
        told = ("the panel cache of this source was damaged and is written anew",) if damaged else ()
        return _open(version, _header(version), (*panel.notes, *told))
    except FileNotFoundError:
        # A process that was as quick has replaced this version by its own.
        return panel
    except (OSError, *DAMAGE) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return panel.with_notes(f"the panel cache cannot be written ({why}): the source is parsed at every load")


def _find(entry: Path, stamp: Stamp, files: Sequence[str]) -> tuple[Panel | None, bool]:
    """The panel of a version that is proven fresh, and whether one was found damaged."""
    damaged = False
    for version in _versions(entry):
        try:
            header = _header(version)
            if header["reader"] == _reader() and _fresh(version, header, stamp, files):
                return _open(version, header, tuple(header["notes"])), False
        except DAMAGE:
            damaged = True
        except OSError:
            # Replaced by another process between two steps here; where the folder is still there, a file is missing.
            damaged |= version.is_dir()
    return None, damaged


def _fresh(version: Path, header: dict[str, Any], stamp: Stamp, files: Sequence[str]) -> bool:
    proof = Stamp(**header["stamp"]).proves(stamp, header["hashed_at"])
    if proof is not None:
        return proof
    now = time.time_ns()
    if content_hash(files) != header["content"]:
        return False
    with contextlib.suppress(OSError):
        _write_header(version, {**header, "stamp": asdict(stamp), "hashed_at": now})
    return True


@lru_cache
def _reader() -> str:
    """Hash of the code that reads sources, so that a corrected reader is not answered by its old result."""
    here = Path(__file__).parent
    code = [here / "panel.py", *(file for part in ("own", "sources") for file in sorted((here / part).rglob("*.py")))]
    return short_hash(*(file.read_text(encoding="utf-8") for file in code if file.is_file()))


def _versions(entry: Path) -> list[Path]:
    try:
        return sorted(path for path in entry.iterdir() if path.name.startswith("v-"))
    except OSError:
        return []


def _open(version: Path, header: dict[str, Any], notes: tuple[str, ...]) -> Panel:
    """The panel of a version, arrays memory-mapped: copy-on-write, as torch warns of read-only memory."""
    arrays = {}
    for name, written in header["arrays"].items():
        file = version / f"{name}.npy"
        if _block_sums(file) != written:
            raise ValueError(f"{file} is not as it was written")
        arrays[name] = np.load(file, mmap_mode="c", allow_pickle=False)
    groups = header["concepts"]
    panel = Panel(
        days=np.array(arrays["days"]),
        symbols=np.array(header["symbols"], dtype=np.str_),
        fields=tuple(header["fields"]),
        values=arrays["values"].transpose(1, 0, 2),
        member=arrays["member"],
        concepts=groups and Concepts(tuple(groups["names"]), arrays["start"], arrays["end"], groups["snapshot"]),
        name=header["name"],
        notes=notes,
    )
    panel.__dict__["fingerprint"] = header["fingerprint"]
    return panel


def _write(entry: Path, panel: Panel, state: dict[str, Any]) -> Path:
    """A new version, whole or not at all; those it replaces are removed, and panels whose source is gone."""
    entry.mkdir(mode=0o700, parents=True, exist_ok=True)
    half = Path(tempfile.mkdtemp(dir=entry, prefix="half-"))
    version = entry / half.name.replace("half-", "v-", 1)
    groups = panel.concepts
    arrays = {"values": panel.stock_major, "member": panel.member, "days": panel.days}
    if groups is not None:
        arrays |= {"start": groups.start, "end": groups.end}
    try:
        header = {
            **state,
            "reader": _reader(),
            "fingerprint": panel.fingerprint,
            "name": panel.name,
            "notes": list(panel.notes),
            "fields": list(panel.fields),
            "symbols": panel.symbols.tolist(),
            "concepts": groups and {"names": list(groups.names), "snapshot": groups.snapshot},
            "arrays": {name: _write_array(half / f"{name}.npy", array) for name, array in arrays.items()},
        }
        _write_header(half, header)
        half.rename(version)
    except BaseException:
        shutil.rmtree(half, ignore_errors=True)
        raise
    for path in (*_older(entry, version), *_abandoned(entry), *_orphans(entry.parent)):
        shutil.rmtree(path, ignore_errors=True)
    return version


def _write_array(file: Path, array: np.ndarray) -> list[int]:
    with file.open("wb") as stream:
        np.save(stream, array, allow_pickle=False)
        stream.flush()
        os.fsync(stream.fileno())
    return _block_sums(file)


def _block_sums(file: Path) -> list[int]:
    """The size of a file and the sum of every block as 64-bit numbers, modulo 2^64: any one changed bit shows.

    Read, not mapped, so that it adds nothing to what the process holds. 300 MB take 0.06 s: a tenth of a strong hash,
    and little more than one `sum()` of the values, of which training makes hundreds.
    """
    buffer, sums = bytearray(BLOCK), []
    words = np.frombuffer(buffer, dtype=np.uint64)
    with file.open("rb") as stream:
        while n := stream.readinto(buffer):
            buffer[n : -(-n // 8) * 8] = bytes(-n % 8)
            sums.append(int(words[: -(-n // 8)].sum()))
    return [file.stat().st_size, *sums]


def _write_header(version: Path, header: dict[str, Any]) -> None:
    handle, temporary = tempfile.mkstemp(dir=version, prefix=f".{HEADER}.")
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump({"checksum": _checksum(header), "header": header}, stream)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, version / HEADER)


def _header(version: Path) -> dict[str, Any]:
    stored = json.loads((version / HEADER).read_text(encoding="utf-8"))
    if stored["checksum"] != _checksum(stored["header"]):
        raise ValueError(f"{version / HEADER} is not as it was written")
    return stored["header"]


def _checksum(header: dict[str, Any]) -> str:
    return short_hash(json.dumps(header, sort_keys=True))


def _older(entry: Path, version: Path) -> list[Path]:
    """The versions before this one, in an order that is the same for every process, so that the last one stays."""

    def age(path: Path) -> tuple[int, str]:
        try:
            return (path / HEADER).stat().st_mtime_ns, path.name
        except OSError:
            return 0, path.name

    return [path for path in _versions(entry) if age(path) < age(version)]


def _abandoned(entry: Path) -> list[Path]:
    """What writers that were killed have left behind."""
    found = []
    for path in entry.glob("half-*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > ABANDONED:
                found.append(path)
    return found


def _orphans(folder: Path) -> list[Path]:
    """Entries of sources that no longer exist."""
    found = []
    for header in folder.glob(f"*/v-*/{HEADER}"):
        with contextlib.suppress(OSError, *DAMAGE):
            if not os.path.exists(_header(header.parent)["first"]):
                found.append(header.parent.parent)
    return found
