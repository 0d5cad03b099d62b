"""The one optimiser and the one step, as training takes it and as timing measures it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from zoo.config import TrainConfig
from zoo.network import Batch, Loss


def make_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Adam over all parameters of a network, as the configuration has it."""
    return torch.optim.Adam(model.parameters(), lr=config.lr, weight_decay=config.weight_decay)


def optimizer_step(
    optimizer: torch.optim.Optimizer,
    training_loss: Callable[[Batch, Loss], Tensor],
    batch: Batch,
    loss: Loss,
    grad_clip: float | None,
) -> Tensor:
    """Descend once on a batch, gradients clipped elementwise; synchronises nothing.

    Args:
        training_loss: that of the network, or a compiled form of it.

    Returns:
        The loss, a scalar on the device, without its graph.
    """
    optimizer.zero_grad(set_to_none=True)
    value = training_loss(batch, loss)
    value.backward()
    if grad_clip is not None:
        parameters = (p for group in optimizer.param_groups for p in group["params"])
        torch.nn.utils.clip_grad_value_(parameters, grad_clip)
    optimizer.step()
    return value.detach()
