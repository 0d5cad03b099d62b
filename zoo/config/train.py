"""How networks are fitted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from zoo.config.section import Section

Size = Literal["default", "quick", "published"]
"""Sizes of a network that a model may declare."""


class TrainConfig(Section):
    """How every gradient-trained model of an experiment is fitted."""

    lr: float = Field(default=1e-3, gt=0, description="learning rate of Adam")
    batch_size: int = Field(
        default=1024, ge=1, le=10_000_000, description="rows per optimiser step, for sample and day scope alike"
    )
    max_epochs: int = Field(default=20, ge=1, description="epochs after which training ends in any case")
    patience: int = Field(default=5, ge=1, description="epochs without a better valid IC before stopping")
    max_steps_per_epoch: int | None = Field(
        default=None, ge=1, description="optimiser steps after which an epoch ends; default: when all rows were seen"
    )
    weight_decay: float = Field(default=0.0, ge=0, description="coupled L2, as torch.optim.Adam")
    grad_clip: float | None = Field(default=3.0, gt=0, description="elementwise gradient clip")
    loss: Literal["mse", "mae"] = Field(default="mse", description="of the scores against the train label")
