"""How tensors are handed to the library: by the address of their first element."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from zoo.kernels import library


def loaded() -> ctypes.CDLL:
    """The library, where a computation on it has begun."""
    built = library()
    assert built is not None, "the environment changed between forward and backward"
    return built.library


def at(tensor: Tensor | None) -> ctypes.c_void_p:
    return ctypes.c_void_p(None if tensor is None else tensor.data_ptr())


def all_at(tensors: Sequence[Tensor]) -> Any:
    """An array of addresses."""
    return (ctypes.c_void_p * len(tensors))(*(tensor.data_ptr() for tensor in tensors))
