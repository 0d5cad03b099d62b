"""TCN: Bai et al. 2018, "An empirical evaluation of generic convolutional and recurrent networks".

The reference (qlib 0.9.7, `pytorch_tcn`) pads both ends and trims, and initialises from N(0, 0.01), which
takes effect on its 1x1 skips only; here torch's default initialisation holds throughout. Only the last
step is scored, so every block computes the steps that lead to it and no others: the same function for 174
of 600 convolution positions at a lookback of 60.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.errors import ModelError
from zoo.kernels.observed import hooked
from zoo.kernels.residual import Dropped, Steps, residual, serves
from zoo.layers import Dropout, convolve
from zoo.network import Days, Membership, Network, Scores, Windows
from zoo.registry import register_model


class _WeightNormConv(nn.Module):
    """Causal convolution, weight = g v / norm(v) with one g and one norm per output channel."""

    def __init__(self, n_in: int, n_out: int, kernel_size: int) -> None:
        super().__init__()
        start = nn.Conv1d(n_in, n_out, kernel_size)
        self.weight_v, self.bias = start.weight, start.bias
        self.weight_g = nn.Parameter(torch.linalg.vector_norm(start.weight.detach(), dim=(1, 2), keepdim=True))

    @property
    def weight(self) -> Tensor:
        return self.weight_g * self.weight_v / torch.linalg.vector_norm(self.weight_v, dim=(1, 2), keepdim=True)

    def forward(self, x: Tensor, steps: int, stride: int) -> Tensor:
        """`[S, n, C]` -> `[S, steps, C']`, the last outputs `stride` apart; before its start x is zero."""
        needed = (steps - 1) * stride + self.weight_v.shape[2]
        x = F.pad(x, (0, 0, needed - x.shape[1], 0))  # a negative pad cuts
        return convolve(x, self.weight, self.bias, stride)


class _Block(nn.Module):
    """Two convolutions and a skip.

    Its input holds every d-th step up to the last, d its dilation: on it the convolution is a plain one.
    Its output holds every 2d-th, all that the next block reads: the second convolution has stride 2.
    """

    def __init__(self, n_in: int, n_out: int, kernel_size: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = _WeightNormConv(n_in, n_out, kernel_size)
        self.conv2 = _WeightNormConv(n_out, n_out, kernel_size)
        self.skip = nn.Identity() if n_in == n_out else nn.Conv1d(n_in, n_out, 1)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, inner_steps: int, steps: int) -> Tensor:
        """`[S, n, C]` -> `[S, steps, C']`; `inner_steps` of the first convolution are needed for them."""
        if self._on_kernel(x, wanted := Steps(inner_steps, steps)):
            return self._by_kernel(x, wanted)
        h = self.dropout(F.relu(self.conv1(x, inner_steps, stride=1)))
        h = self.dropout(F.relu(self.conv2(h, steps, stride=2)))
        skip = x[:, x.shape[1] - 1 - 2 * (steps - 1) :: 2]
        if isinstance(self.skip, nn.Conv1d):
            skip = convolve(skip, self.skip.weight, self.skip.bias)
        return F.relu(h + skip)

    def _on_kernel(self, x: Tensor, steps: Steps) -> bool:
        # Who has hooks on a layer sees it called; and what is dropped always or next to never, torch drops.
        odd = self.dropout.training and self.dropout.p > 0 and self.dropout.share in (0, 2**16)
        return not (odd or any(map(hooked, (self.conv1, self.conv2, self.dropout)))) and serves(
            x, self._in_order(), steps
        )

    def _by_kernel(self, x: Tensor, steps: Steps) -> Tensor:
        """Draws what `forward` would draw, in the same order."""
        dropped = None
        if share := self.dropout.share:
            inner, outer = (self.dropout.draw(len(x), n, len(self.conv1.weight_v)) for n in steps)
            dropped = Dropped(inner, outer, share)
        return residual(x, self._in_order(), steps, dropped)

    def _in_order(self) -> list[Tensor]:
        """The parameters as `residual` takes them."""
        named = [f"{conv}.{name}" for conv in ("conv1", "conv2") for name in ("weight_v", "weight_g", "bias")]
        return [*map(self.get_parameter, named), *self.skip.parameters()]


@register_model(
    "tcn",
    title="TCN",
    paper="Bai et al. 2018, An empirical evaluation of generic convolutional and recurrent networks",
    complexity=("min(T, reach)", "N"),
    quick={"hidden_size": 32, "num_layers": 3},
    published={"hidden_size": 128, "num_layers": 5, "kernel_size": 3},
    # Only the days within the receptive field are computed; 8 blocks of kernel 3 reach 1021 days.
    variants=({"num_layers": 8},),
)
class TCN(Network):
    """Residual blocks with dilations 1, 2, 4, ...; `receptive_field` is the number of days that they reach.

    Args:
        hidden_size: channels of every block.
        num_layers: blocks.
        channels: the width of each block, in place of `hidden_size` and `num_layers`.
    """

    rows_alone: ClassVar[bool] = True
    reference_keys: ClassVar[dict[str, str | None]] = {
        r"tcn\.network\.(\d+)\.net\.[04]\.": None,
        r"tcn\.network\.(\d+)\.downsample\.": r"blocks.\1.skip.",
        r"tcn\.network\.": "blocks.",
        r"linear\.": "head.",
    }

    def __init__(
        self,
        *,
        n_features: int,
        lookback: int,
        hidden_size: int = 128,
        num_layers: int = 5,
        kernel_size: int = 3,
        dropout: float = 0.5,
        channels: list[int] | None = None,
    ) -> None:
        super().__init__()
        widths = [hidden_size] * num_layers if channels is None else channels
        if not widths or min(widths) < 1 or kernel_size < 1:
            raise ModelError(f"tcn needs blocks, widths and a kernel of at least 1, got {widths}, kernel {kernel_size}")
        self.blocks = nn.ModuleList(
            _Block(n_in, n_out, kernel_size, dropout)
            for n_in, n_out in zip([n_features, *widths], widths, strict=False)
        )
        self.head = nn.Linear(widths[-1], 1)
        self.needed = _needed_steps(lookback, len(widths), kernel_size)
        self.receptive_field = 1 + 2 * (kernel_size - 1) * (2 ** len(widths) - 1)

    def forward(self, x: Windows, *, day: Days | None = None, concepts: Membership | None = None) -> Scores:
        h = x
        for block, (inner_steps, steps) in zip(self.blocks, self.needed, strict=True):
            h = block(h, inner_steps, steps)
        return self.head(h[:, -1])[:, 0]

    @staticmethod
    def reference_structure(state: Mapping[str, Tensor]) -> dict[str, Any]:
        """The widths, which decide where there is a 1x1 skip."""
        blocks = []
        while (weight := state.get(f"blocks.{len(blocks)}.conv1.weight_v")) is not None:
            blocks.append(weight)
        return {"n_features": blocks[0].shape[1], "channels": [len(weight) for weight in blocks]} if blocks else {}


def _needed_steps(lookback: int, num_layers: int, kernel_size: int) -> list[tuple[int, int]]:
    """Steps of the first and second convolution of each block that the last block's last step depends on."""
    steps, needed = 1, []
    for dilation in (2**i for i in reversed(range(num_layers))):
        available = -(-lookback // dilation)
        inner = min(available, 2 * (steps - 1) + kernel_size)
        needed.append((inner, steps))
        steps = min(available, inner + kernel_size - 1)
    return needed[::-1]
