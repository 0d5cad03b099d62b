"""Whether the kernel can be tested here."""

from __future__ import annotations

from zoo import kernels


def usable() -> bool:
    return kernels.library() is not None
