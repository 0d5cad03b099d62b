"""Whether the kernel can be tested here."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

from zoo import kernels


def usable() -> bool:
    return kernels.library() is not None


@contextmanager
def computed_by(means: str) -> Iterator[bool]:
    """Within it `unit`, the CPU's matrix unit, or `loops` computes; yields whether that can be had here."""
    built = kernels.library()
    assert built is not None
    can = bool(built.library.zoo_has_unit())
    state = ctypes.c_int.in_dll(built.library, "zoo_unit")
    before, state.value = state.value, state.value if means == "unit" else 2
    try:
        yield can or means == "loops"
    finally:
        state.value = before
