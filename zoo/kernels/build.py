"""Compiles the C source with the system's compiler, once per machine and user, and loads it.

The library lies in the cache under a name that is a hash of source, flags, compiler and CPU, so that a home
directory shared by different machines, or a changed source, never meets a wrong one. It is written beside and
renamed, so that any number of processes may build it at once.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parent / "csrc"
FLAGS = (
    *("-std=gnu11", "-O3", "-shared", "-fPIC", "-w"),
    # A product and a sum in one rounding; nothing reorders a sum or assumes away NaN.
    *("-ffp-contract=fast", "-fno-math-errno", "-fno-trapping-math"),
)
TUNE = ("-march=native", "-mcpu=native", "")
"""Tried in turn: not every compiler knows the first on every architecture."""
SECONDS = 120  # a compiler that takes longer hangs


class BuildError(Exception):
    """Why there is no library; a few words."""


@dataclass(frozen=True)
class Built:
    """The loaded library, and who compiled it: `gcc 12`."""

    library: ctypes.CDLL
    compiler: str


def build(folder: Path | None) -> Built:
    """Load the library from `folder`, compiling it first where it is not there yet; None: compile for this process.

    Raises:
        BuildError: there is no compiler, or it fails.
    """
    command, version = _compiler()
    name = f"kernels-{_key(command, version)}.so"
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / name
            if not path.is_file():
                _compile(command, path)
            return Built(_load(path), _short(command, version))
        except OSError:
            pass  # a read-only home, or one whose files may not be executed: no reason to do without
    with tempfile.TemporaryDirectory(prefix="zoo-kernels-") as temporary:
        path = Path(temporary) / name
        try:
            _compile(command, path)
            return Built(_load(path), _short(command, version))
        except OSError as error:
            raise BuildError(str(error.strerror or error)) from None


def source_digest() -> str:
    """Hash of the C files, which a trial's key reaches through `zoo.kernels.SOURCE_DIGEST`."""
    digest = hashlib.sha256()
    for file in sorted(SOURCE.glob("*.[ch]")):
        digest.update(file.name.encode() + b"\0" + file.read_bytes().replace(b"\r\n", b"\n") + b"\0")
    return digest.hexdigest()[:16]


def _compiler() -> tuple[list[str], str]:
    """The command and the first line of its version: `$CC`, else the first of cc, gcc and clang."""
    chosen = os.environ.get("CC", "").split()
    for command in [chosen] if chosen else [["cc"], ["gcc"], ["clang"]]:
        if shutil.which(command[0]):
            try:
                done = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=SECONDS)
            except (OSError, subprocess.TimeoutExpired):
                continue
            if done.returncode == 0 and done.stdout:
                return command, done.stdout.splitlines()[0]
    raise BuildError(f"compiler {' '.join(chosen)} not found or without a version" if chosen else "no compiler found")


def _short(command: list[str], version: str) -> str:
    name = "clang" if "clang" in version else "gcc" if re.search(r"gcc|^cc |Free Software", version) else command[0]
    number = re.search(r"(\d+)\.\d+", version)
    return f"{name} {number[1]}" if number else name


def _key(command: list[str], version: str) -> str:
    parts = [source_digest(), *command, *FLAGS, *TUNE, version, platform.system(), platform.machine(), _cpu()]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _cpu() -> str:
    """Model and features of the CPU, as far as the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor()
    wanted = ("model name", "flags", "Features", "CPU part", "CPU implementer")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))


def _compile(command: list[str], path: Path) -> None:
    """Raises BuildError where no flag of TUNE works, OSError where the folder cannot be written."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        for tune in TUNE:
            flags = [*FLAGS, *([tune] if tune else []), "-o", temporary, *map(str, sorted(SOURCE.glob("*.c"))), "-lm"]
            try:
                done = subprocess.run([*command, *flags], capture_output=True, text=True, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                raise BuildError(f"{command[0]} did not finish within {SECONDS} s") from None
            if done.returncode == 0:
                os.chmod(temporary, 0o755)
                os.replace(temporary, path)
                return
        raise BuildError(f"{command[0]} failed")
    finally:
        Path(temporary).unlink(missing_ok=True)


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    for name in (
        "zoo_lanes",
        "zoo_stash_floats",
        "zoo_forward_floats",
        "zoo_backward_floats",
        "zoo_feed_forward_floats",
        "zoo_attention_floats",
        "zoo_residual_floats",
    ):
        getattr(library, name).restype = ctypes.c_int64
    return library
