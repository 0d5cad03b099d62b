"""When a computation must stay in torch's own operations."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack


def observed(x: Tensor) -> bool:
    """Whether somebody looks at the operations themselves: tracing, compiling, counting, torch.func, autocast."""
    return bool(
        type(x) not in (Tensor, torch.nn.Parameter)
        or _get_current_dispatch_mode_stack()
        or torch.jit.is_tracing()  # pyright: ignore[reportPrivateImportUsage]
        or torch.compiler.is_compiling()
        or torch.is_autocast_enabled("cpu")
        or torch._C._functorch.peek_interpreter_stack() is not None  # pyright: ignore[reportAttributeAccessIssue]
        or torch.autograd.forward_ad._current_level >= 0
    )


def hooked(module: nn.Module) -> bool:
    """Whether somebody waits for this module to be called."""
    m = module
    return bool(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks or m._backward_pre_hooks)
