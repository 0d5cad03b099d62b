"""Blocks shared by several networks."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo.errors import ModelError
from zoo.kernels.feed_forward import feed_forward
from zoo.kernels.recurrent import GRU, LSTM

RnnType = Literal["gru", "lstm"]


def recurrent(rnn_type: RnnType, n_features: int, hidden_size: int, num_layers: int, dropout: float) -> LSTM | GRU:
    """Recurrent encoder of `[S, T, n_features]`; call it as `outputs [S, T, hidden_size], _ = rnn(x)`.

    Where only the last step is read, `rnn(x, last=True)` `[S, hidden_size]` costs less. State keys are torch's,
    `weight_ih_l0` and so on. `dropout` acts between layers only: with one layer there is nowhere to drop.
    """
    kind = LSTM if rnn_type == "lstm" else GRU
    between = dropout if num_layers > 1 else 0.0
    return kind(n_features, hidden_size, num_layers, batch_first=True, dropout=between)


def pack_days(rows: Tensor, day: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Group rows by day: B days, N rows on the fullest of them.

    Args:
        rows: `[S, ...]`; those of one day need not be adjacent.
        day: `[S]` integers that say which rows share a day, or None where all of them do.

    Returns:
        packed `[B, N, ...]`, days ascending, rows of a day in the given order, zeros behind them;
        mask `[B, N]`, True at rows; index for `unpack_days`.
    """
    if day is None:
        index = torch.arange(len(rows), device=rows.device)
        return rows[None], torch.ones(1, len(rows), dtype=torch.bool, device=rows.device), index
    _, group, counts = torch.unique(day, return_inverse=True, return_counts=True)
    order = torch.argsort(group, stable=True)
    first = torch.cumsum(counts, 0) - counts
    slot = torch.empty_like(group)
    slot[order] = torch.arange(len(group), device=group.device) - first[group[order]]
    shape = (len(counts), int(counts.max()))
    index = group * shape[1] + slot
    packed = rows.new_zeros(shape[0] * shape[1], *rows.shape[1:]).index_copy(0, index, rows)
    mask = torch.zeros(shape[0] * shape[1], dtype=torch.bool, device=rows.device)
    mask[index] = True
    return packed.unflatten(0, shape), mask.view(shape), index


def unpack_days(packed: Tensor, index: Tensor) -> Tensor:
    """Rows `[S, ...]` in the order given to `pack_days`, from `packed [B, N, ...]`."""
    return packed.flatten(0, 1).index_select(0, index)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, stride: int = 1) -> Tensor:
    """Convolution over time without padding: `[S, T, C]` -> `[S, (T - k) // stride + 1, C']`.

    `weight [C', C, k]` as in `nn.Conv1d`. One matrix product over the k neighbours side by side; on CPU this
    trains faster than `nn.Conv1d`, which wants time last.
    """
    kernel_size = weight.shape[2]
    span = x.shape[1] - kernel_size + 1
    taps = torch.cat([x[:, k : k + span : stride] for k in range(kernel_size)], dim=2)
    return F.linear(taps, weight.transpose(1, 2).flatten(1), bias)


def sinusoids(steps: int, size: int) -> Tensor:
    """Positions `[steps, size]` of Vaswani et al. 2017: sine in even columns, cosine in odd, base 10000."""
    rate = torch.exp(torch.arange(0, size, 2) * (-math.log(10000.0) / size))
    angle = torch.arange(steps)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)[:, :size]


class Dropout(nn.Dropout):
    """`nn.Dropout` whose mask takes 16 random bits an element on CPU; torch's own draw costs six times that.

    The probability is rounded to a multiple of 2^-16; the mean is kept exactly.
    """

    @property
    def share(self) -> int:
        """What is dropped of 2^16; 0 in eval mode."""
        return round(self.p * 2**16) if self.training else 0

    def draw(self, *shape: int) -> Tensor:
        """Random 16 bits an element; an element is dropped where they are below `share` - 2^15."""
        count = math.prod(shape)
        words = torch.empty(-(-count // 4), dtype=torch.int64).random_(-(2**63), None)
        return words.view(torch.int16)[:count].view(shape)

    def forward(self, input: Tensor) -> Tensor:
        dropped = self.share
        if input.device.type != "cpu" or torch.compiler.is_compiling() or dropped in (0, 2**16):
            return super().forward(input)
        kept = self.draw(*input.shape) >= dropped - 2**15
        return input * (kept.to(input.dtype) * (2**16 / (2**16 - dropped)))


class SelfAttention(nn.Module):
    """Multi-head attention over time with the state keys and initialisation of `nn.MultiheadAttention`.

    With a `window`, step i attends to steps j with |i - j| <= window only, in time and memory linear in T.

    Raises:
        ModelError: the heads do not divide the width, or the window is below 1.
    """

    def __init__(
        self, hidden_size: int, num_heads: int | None = None, dropout: float = 0.0, window: int | None = None
    ) -> None:
        """`num_heads` None means 2, or 1 for an odd width."""
        super().__init__()
        num_heads = 2 - hidden_size % 2 if num_heads is None else num_heads
        if num_heads < 1 or hidden_size % num_heads:
            raise ModelError(
                f"hidden_size {hidden_size} is not a multiple of num_heads {num_heads}: change one of them"
            )
        if window is not None and window < 1:
            raise ModelError(f"window_size {window} must be at least 1")
        self.num_heads, self.window = num_heads, window
        self.dropout = Dropout(dropout)
        self.in_proj_weight = nn.Parameter(torch.empty(3 * hidden_size, hidden_size))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * hidden_size))
        self.out_proj = nn.Linear(hidden_size, hidden_size)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, h: Tensor) -> Tensor:
        """`[S, T, D]` -> `[S, T, D]`."""
        projected = F.linear(h, self.in_proj_weight, self.in_proj_bias)
        query, key, value = projected.unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        dropout = self.dropout.p if self.training else 0.0
        if self.window is None or self.window >= h.shape[1] - 1:
            mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
        else:
            mixed = _banded_attention(query, key, value, self.window, dropout)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))

    def last_weights(self, h: Tensor) -> Tensor:
        """What the last step of `h [S, T, D]` attends to: `[S, heads, T]`, rows sum to 1.

        The key projection is moved to the query's side, so no step of h is projected; the key's bias shifts
        all logits of a row alike and drops out of the softmax.
        """
        query_weight, key_weight, _ = self.in_proj_weight.chunk(3)
        query = F.linear(h[:, -1], query_weight, self.in_proj_bias.chunk(3)[0])
        query = query.unflatten(1, (self.num_heads, -1)) / math.sqrt(h.shape[2] // self.num_heads)
        probe = torch.einsum("shd,hdc->shc", query, key_weight.unflatten(0, (self.num_heads, -1)))
        seen = h if self.window is None else h[:, -self.window - 1 :]
        weights = torch.softmax(probe @ seen.transpose(1, 2), dim=2)
        return F.pad(weights, (h.shape[1] - seen.shape[1], 0))

    def last(self, h: Tensor) -> Tensor:
        """`forward(h)[:, -1]` for a fraction of the work: values are mixed, then projected."""
        weights = self.dropout(self.last_weights(h))
        value_weight = self.in_proj_weight.chunk(3)[2].unflatten(0, (self.num_heads, -1))
        value_bias = self.in_proj_bias.chunk(3)[2].unflatten(0, (self.num_heads, -1))
        mixed = torch.einsum("shc,hdc->shd", weights @ h, value_weight)
        return self.out_proj((mixed + weights.sum(2, keepdim=True) * value_bias).flatten(1))


def _banded_attention(query: Tensor, key: Tensor, value: Tensor, window: int, dropout: float) -> Tensor:
    """Attention of `[S, heads, T, d]` in |i - j| <= window: blocks of queries, each on its span of keys."""
    heads, steps = query.shape[1:3]
    block = max(window, 16)  # below 16 steps a block costs more in overhead than it saves
    blocks = -(-steps // block)
    span, tail = block + 2 * window, blocks * block - steps
    query = F.pad(query, (0, 0, 0, tail)).unflatten(2, (blocks, block)).flatten(1, 2)
    key, value = (
        F.pad(side, (0, 0, window, window + tail)).unfold(2, span, block).transpose(3, 4).flatten(1, 2)
        for side in (key, value)
    )
    i = torch.arange(blocks * block, device=query.device).view(blocks, block, 1)
    j = i[:, :1] + torch.arange(-window, block + window, device=query.device)
    # padded queries may attend to padded keys: a row without any key would turn the gradient into NaN
    mask = ((i - j).abs() <= window) & (((j >= 0) & (j < steps)) | (i >= steps))
    mixed = F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask.repeat(heads, 1, 1)[None], dropout_p=dropout
    )
    return mixed.unflatten(1, (heads, blocks)).flatten(2, 3)[:, :, :steps]


class EncoderLayer(nn.Module):
    """Post-norm Transformer layer with ReLU, state keys and dropout as in `nn.TransformerEncoderLayer`."""

    def __init__(
        self,
        hidden_size: int,
        num_heads: int | None = None,
        ffn_size: int | None = None,
        dropout: float = 0.0,
        window: int | None = None,
    ) -> None:
        """`num_heads` None means 2, or 1 for an odd width; `ffn_size` None means 4 * hidden_size."""
        super().__init__()
        ffn_size = 4 * hidden_size if ffn_size is None else ffn_size
        self.self_attn = SelfAttention(hidden_size, num_heads, dropout, window)
        self.linear1, self.linear2 = nn.Linear(hidden_size, ffn_size), nn.Linear(ffn_size, hidden_size)
        self.norm1, self.norm2 = nn.LayerNorm(hidden_size), nn.LayerNorm(hidden_size)
        self.dropout = Dropout(dropout)

    def forward(self, h: Tensor) -> Tensor:
        """`[S, T, D]` -> `[S, T, D]`."""
        return self._feed_forward(h, self.self_attn(h))

    def last(self, h: Tensor) -> Tensor:
        """`forward(h)[:, -1]` `[S, D]`, computed for that step only."""
        return self._feed_forward(h[:, -1], self.self_attn.last(h))

    def _feed_forward(self, h: Tensor, attended: Tensor) -> Tensor:
        h = self.norm1(h + self.dropout(attended))
        if self.training and self.dropout.p:
            outer = self.linear2(self.dropout(F.relu(self.linear1(h))))
        else:
            outer = feed_forward(h, self.linear1, self.linear2)
        return self.norm2(h + self.dropout(outer))
