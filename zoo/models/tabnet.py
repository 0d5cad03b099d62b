"""TabNet: sequential sparse attention over the columns of a flat row.

Arik & Pfister 2019, "TabNet: Attentive Interpretable Tabular Learning", AAAI 2021. Sparsemax: Martins &
Astudillo 2016. Ghost batch norm: Hoffer et al. 2017.

The reference never updates the prior (`update_prior=False` does as it does), never trains its output head,
computes its sparsity loss without using it, swaps the arguments of its pre-training loss and reads missing
labels as 0. Here the prior follows the paper, everything is trained, rows without a label do not count in
the loss, and sparsity loss and pre-training are parameters, off by default so that every network is treated
alike. The reference's published run pre-trains for 50 epochs, with batches of 4096 rows.

The flat row is feature-major: column f * T + t holds feature f on day t of the window, oldest first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from zoo.errors import ModelError
from zoo.models._tabnet import Decoder, Encoder, reconstruction_loss, sparsity
from zoo.network import Batch, Days, Loss, Membership, Network, Scores, StageObjective, Windows
from zoo.registry import register_model

_TRANSFORMERS = {
    r"model\.first_step\.": "encoder.first.",
    r"model\.steps\.(?P<step>\d+)\.fea_tran\.": r"encoder.transforms.\g<step>.",
    r"decoder\.steps\.(?P<step>\d+)\.fea_tran\.": r"decoder.transforms.\g<step>.",
}
_BLOCKS = {
    r"shared\.(?P<block>\d+)\.bn\.bn\.": r"shared_norms.\g<block>.",
    r"independ\.(?P<block>\d+)\.bn\.bn\.": r"own_norms.\g<block>.",
    r"independ\.(?P<block>\d+)\.fc\.": r"own.\g<block>.",
}


@register_model(
    "tabnet",
    title="TabNet",
    paper="Arik & Pfister 2019, TabNet: Attentive Interpretable Tabular Learning",
    complexity=("T", "N"),
    quick={"hidden_size": 32, "n_d": 16, "n_a": 16, "n_steps": 3, "virtual_batch_size": 250},
    published={"n_d": 64, "n_a": 64, "n_steps": 5},
)
class TabNet(Network):
    """Encoder of `n_steps` steps, the first without a mask, and a Linear head.

    Args:
        hidden_size: width of the encoder's summary.
        n_d, n_a: columns of a step's output that decide the score / the next mask.
        n_steps: steps, at least 2.
        n_shared, n_ind: gated blocks of a step whose Linear all steps share / that are its own.
        relax: how freely a column may be read by several steps; 1 is the least.
        update_prior: whether a column read by one step is less available to the next.
        virtual_batch_size: rows normalised together in training, see `GhostBatchNorm`; a batch of one row is
            normalised by the running statistics.
        sparsity_weight: weight of the masks' entropy in the loss.
        pretrain: add a stage `pretrain` that reconstructs entries hidden from the encoder; reads no label.
        pretrain_hidden: probability that an entry is hidden.
        pretrain_target: what is reconstructed and measures a column's spread: the `input`, or as in the
            reference its `hidden` part, 0 elsewhere.
    """

    reference_keys: ClassVar[dict[str, str | None]] = {
        **{t + b: ours + block for t, ours in _TRANSFORMERS.items() for b, block in _BLOCKS.items()},
        # The shared layers once more, under every step.
        **dict.fromkeys(t + r"shared\.\d+\.fc\." for t in _TRANSFORMERS),
        r"model\.steps\.(\d+)\.atten_tran\.fc\.": r"encoder.masks.\1.linear.",
        r"model\.steps\.(\d+)\.atten_tran\.bn\.bn\.": r"encoder.masks.\1.norm.",
        r"model\.shared\.": "encoder.shared.",
        r"model\.bn\.": "encoder.norm.",
        r"model\.fc\.": "encoder.summary.",
        r"decoder\.steps\.(\d+)\.fc\.": r"decoder.outputs.\1.",
        r"fc\.": "head.",
    }

    def __init__(
        self,
        *,
        n_features: int,
        lookback: int,
        hidden_size: int = 64,
        n_d: int = 64,
        n_a: int = 64,
        n_steps: int = 5,
        n_shared: int = 2,
        n_ind: int = 2,
        relax: float = 1.3,
        update_prior: bool = True,
        virtual_batch_size: int = 2048,
        sparsity_weight: float = 0.0,
        pretrain: bool = False,
        pretrain_hidden: float = 0.3,
        pretrain_target: Literal["input", "hidden"] = "input",
    ) -> None:
        super().__init__()
        if n_steps < 2:
            raise ModelError(f"model 'tabnet': n_steps must be at least 2, the first has no mask; got {n_steps}")
        if n_shared + n_ind < 1:
            raise ModelError("model 'tabnet': n_shared + n_ind must be at least 1")
        if virtual_batch_size < 1:
            raise ModelError(f"model 'tabnet': virtual_batch_size must be at least 1, got {virtual_batch_size}")
        self.n_features, self.lookback = n_features, lookback
        self.sparsity_weight = sparsity_weight
        self.pretrain_hidden, self.pretrain_target = pretrain_hidden, pretrain_target
        n = n_features * lookback
        blocks = (n_shared, n_ind, virtual_batch_size)
        self.encoder = Encoder(n, hidden_size, n_d, n_a, n_steps, blocks, relax, update_prior)
        self.head = nn.Linear(hidden_size, 1)
        self.decoder = Decoder(hidden_size, n, n_steps, blocks) if pretrain else None
        self.stages = ("pretrain", "main") if pretrain else ("main",)
        self.stage = "main"
        self.register_load_state_dict_pre_hook(_drop_unused_decoder)

    def forward(self, x: Windows, *, day: Days | None = None, concepts: Membership | None = None) -> Scores:
        """Scores `[S]` of `x [S, T, F]`."""
        return self.head(self.encoder(_flat(x)).summary).squeeze(1)

    def training_loss(self, batch: Batch, loss: Loss) -> Tensor:
        """The shared loss plus weighted sparsity; in stage `pretrain` the reconstruction loss instead."""
        x = _flat(batch.x)
        if self.stage == "pretrain":
            hidden = torch.bernoulli(torch.full_like(x, self.pretrain_hidden))
            return self.pretraining_loss(x, hidden)
        encoded = self.encoder(x)
        value = loss(self.head(encoded.summary).squeeze(1), batch.label)
        return value + self.sparsity_weight * sparsity(encoded.masks) if self.sparsity_weight else value

    def pretraining_loss(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Error on what is hidden of flat rows `x [S, F*T]`; `hidden [S, F*T]` is 1 there, else 0."""
        target = x if self.pretrain_target == "input" else x * hidden
        return reconstruction_loss(self.reconstruct(x, hidden), target, hidden)

    def reconstruct(self, x: Tensor, hidden: Tensor) -> Tensor:
        """`[S, F*T]` from the entries of `x [S, F*T]` that `hidden` leaves.

        Raises:
            ModelError: the model was built without pre-training.
        """
        if self.decoder is None:
            raise ModelError("model 'tabnet' has no decoder: build it with pretrain=True")
        return self.decoder(self.encoder(x * (1 - hidden), 1 - hidden).summary)

    def on_stage(self, stage: str) -> None:
        self.stage = stage

    def stage_objective(self, stage: str) -> StageObjective:
        """The head is not trained in stage `pretrain`, so its scores say nothing there."""
        return "training_loss" if stage == "pretrain" else "valid_ic"

    @torch.no_grad()
    def explain(self, batch: Batch) -> dict[str, Tensor]:
        """`mask [S, T, F]`: the steps' masks weighted by their shares of the decision; a row sums to 1."""
        _, masks, decisions = self.encoder(_flat(batch.x))
        shares = torch.stack([decision.sum(1) for decision in decisions])
        total = shares.sum(0)
        shares = torch.where(total > 0, shares / total, 1 / len(masks))
        mask = (shares.unsqueeze(2) * torch.stack(masks)).sum(0)
        return {"mask": mask.unflatten(1, (self.n_features, self.lookback)).transpose(1, 2)}

    @staticmethod
    def reference_structure(state: Mapping[str, Tensor]) -> dict[str, Any]:
        """How many steps and blocks there are, and whether a decoder."""

        def count(layers: str) -> int:
            return len([key for key in state if re.fullmatch(layers + r"\.weight", key)])

        masks = count(r"encoder\.masks\.\d+\.linear")
        n_shared, n_ind = count(r"encoder\.shared\.\d+"), count(r"encoder\.first\.own\.\d+")
        if masks == 0 or n_shared + n_ind == 0:
            return {}
        decoder = any(key.startswith("decoder.") for key in state)
        return {"n_steps": masks + 1, "n_shared": n_shared, "n_ind": n_ind, "pretrain": decoder}


def _flat(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(1)


def _drop_unused_decoder(model: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Let a state that was pre-trained load into a model without decoder."""
    if getattr(model, "decoder", None) is None:
        for key in [key for key in state if key.startswith(f"{prefix}decoder.")]:
            del state[key]
