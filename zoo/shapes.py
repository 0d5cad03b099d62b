"""Shapes in signatures, as in `score: Num[np.ndarray, "days stocks"]`: checked at every call where jaxtyping is loaded
before this package, as the tests do; elsewhere the names cost nothing and need nothing."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or sys.modules.get("jaxtyping"):
    from jaxtyping import Bool, Float, Int, Num
else:

    class _Any:
        """The array type alone, its shape being left to the reader."""

        def __class_getitem__(cls, what: tuple[Any, str]) -> Any:
            return what[0]

    Bool = Float = Int = Num = _Any

__all__ = ["Bool", "Float", "Int", "Num"]
