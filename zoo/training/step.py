"""The one optimiser and the one step, as training takes it and as timing measures it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from zoo.config import TrainConfig
from zoo.network import Batch, Loss, Network
from zoo.training.losses import LOSSES
from zoo.training.parts import backward, rows_per_part


def make_optimizer(model: Network, config: TrainConfig) -> torch.optim.Optimizer:
    """Adam over all parameters of a network, as the configuration has it."""
    return torch.optim.Adam(model.parameters(), lr=config.lr, weight_decay=config.weight_decay, fused=True)


class Step:
    """Descends once on a batch at every call, gradients clipped elementwise; synchronises nothing.

    Args:
        training_loss: a compiled form of the network's, which takes a batch as a whole; None: the network's own.
    """

    def __init__(
        self,
        model: Network,
        optimizer: torch.optim.Optimizer,
        config: TrainConfig,
        scope: Literal["sample", "day"],
        training_loss: Callable[[Batch, Loss], Tensor] | None = None,
    ) -> None:
        self.model, self.optimizer, self.training_loss = model, optimizer, training_loss
        self.loss, self.grad_clip = LOSSES[config.loss], config.grad_clip
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.in_parts, self.part_rows = scope == "sample" and model.rows_alone, None

    def __call__(self, batch: Batch) -> Tensor:
        """The loss, a scalar on the device, without its graph."""
        self.optimizer.zero_grad(set_to_none=True)
        loss = self._gradient(batch)
        if self.grad_clip is not None:
            torch.nn.utils.clip_grad_value_(self.parameters, self.grad_clip)
        self.optimizer.step()
        return loss

    def _gradient(self, batch: Batch) -> Tensor:
        if self.training_loss is not None:
            loss = self.training_loss(batch, self.loss)
            loss.backward()
            return loss.detach()
        if self.part_rows is None and self.in_parts:
            self.part_rows = rows_per_part(self.model, batch)
        return backward(self.model, batch, self.loss, self.part_rows or len(batch))
