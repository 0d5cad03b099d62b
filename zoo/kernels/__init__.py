"""Recurrent nets on one CPU core, several times faster than torch's: a small C library, and torch where it cannot be.

`$ZOO_RECURRENT` chooses: `auto` (the default) takes the library where a compiler is found, `torch` never does,
`kernel` raises where it is missing. Both compute the same function; sums are taken in another order, so the last
bits of a score depend on which one ran.
"""

from __future__ import annotations

import os
import platform
from functools import lru_cache

from zoo.errors import UnavailableError, did_you_mean
from zoo.folders import cache_folder
from zoo.kernels.build import BuildError, Built, build

VARIABLE = "ZOO_RECURRENT"
CHOICES = ("auto", "kernel", "torch")
SOURCE_DIGEST = "6e381bd0680c603d"
"""`zoo.kernels.build.source_digest()`: through this line a trial's key changes with the C source."""
_VECTORS = {16: "avx512", 8: "avx2"}


def choice() -> str:
    """What `$ZOO_RECURRENT` asks for.

    Raises:
        UnavailableError: it is none of `CHOICES`.
    """
    chosen = os.environ.get(VARIABLE) or "auto"
    if chosen not in CHOICES:
        raise UnavailableError(
            f"{VARIABLE}={chosen}: must be one of {', '.join(CHOICES)}{did_you_mean(chosen, CHOICES)}"
        )
    return chosen


def library() -> Built | None:
    """The library, or None where torch computes recurrent nets.

    Raises:
        UnavailableError: the environment asks for the kernel and it cannot be built.
    """
    chosen = choice()
    if chosen == "torch":
        return None
    found = _attempt()
    if isinstance(found, Built):
        return found
    if chosen == "kernel":
        raise UnavailableError(f"{VARIABLE}=kernel: {found}; install gcc or clang, or set {VARIABLE}=auto")
    return None


def recurrent_backend() -> str:
    """What computes recurrent nets on the CPU, for reports: `own kernel (gcc 12, avx512, amx)`, `torch (...)`."""
    found = library()
    if found is not None:
        vectors = _VECTORS.get(found.library.zoo_lanes(), "128-bit vectors")
        return f"own kernel ({found.compiler}, {vectors}{', amx' if found.library.zoo_has_unit() else ''})"
    why = _attempt() if choice() == "auto" else None
    return f"torch ({why})" if isinstance(why, str) else f"torch ({VARIABLE}=torch)"


@lru_cache(maxsize=1)
def _attempt() -> Built | str:
    """The library, or why there is none; asked for once a process."""
    folder = cache_folder()
    try:
        built = build(folder / "kernels" if folder else None)
    except BuildError as error:
        return str(error)
    narrow = built.library.zoo_lanes() == 4 and platform.machine().lower() in ("x86_64", "amd64")
    return "no AVX" if narrow else built  # torch has kernels for such CPUs, ours would be slower
