"""What one network costs and sees, measured on a real forward and backward pass of random rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from zoo.network import Batch, Network
from zoo.training.losses import mse

CONCEPTS = 11
"""Concepts assumed where a network reads them: the sectors of a market."""


@dataclass(frozen=True)
class Layer:
    """One module with parameters of its own, or a direct part of the network.

    Attributes:
        name: path in the network, as in its state dict.
        kind: class name.
        output: shape of its last output, rows as `S`; empty where the module is not called itself, because its
            parent uses its weights.
        parameters: of the module itself, without its children; each tensor counts once.
    """

    name: str
    kind: str
    output: tuple[int | str, ...]
    parameters: int


def random_batch(rows: int, lookback: int, n_features: int) -> Batch:
    """Random rows of one day, every fifth row without a concept."""
    concepts = (torch.rand(rows, CONCEPTS) < 0.2).float()
    concepts[::5] = 0
    return Batch(
        torch.randn(rows, lookback, n_features),
        torch.randn(rows),
        torch.full((rows,), lookback, dtype=torch.int64),
        torch.arange(rows),
        concepts,
    )


@torch.no_grad()
def layers_of(model: Network, lookback: int, n_features: int) -> list[Layer]:
    """The layers in the order in which the network holds them, with the shapes that they give out."""
    few, many = (_output_shapes(model, rows, lookback, n_features) for rows in (4, 6))
    counted: set[int] = set()
    found = []
    for name, module in model.named_modules():
        own = [p for p in module.parameters(recurse=False) if id(p) not in counted]
        counted |= {id(p) for p in own}
        direct = "." not in name and name in few
        if name and (own or direct):
            shape = tuple(_dimension(a, b) for a, b in zip(few.get(name, ()), many.get(name, ()), strict=True))
            found.append(Layer(name, type(module).__name__, shape, sum(p.numel() for p in own)))
    own = model.named_parameters(recurse=False)
    return found + [Layer(name, "Parameter", (), parameter.numel()) for name, parameter in own]


def _dimension(few: int, many: int) -> int | str:
    """The size of an axis, in terms of S where it grows with the rows (4 and 6 of them)."""
    if few == many:
        return few
    per_row = (many - few) / 2
    return "S" if per_row == 1 else f"{per_row:g}·S"


def _output_shapes(model: Network, rows: int, lookback: int, n_features: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}

    def remember(name: str, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        if isinstance(first, Tensor):
            shapes[name] = tuple(first.shape)

    with watched({name: module for name, module in model.named_modules() if name}, remember):
        model.eval().score(random_batch(rows, lookback, n_features))
    return shapes


@contextmanager
def watched(modules: Mapping[str, nn.Module], on_output: Callable[[str, Any], None]) -> Iterator[None]:
    """Within the block `on_output` is told what each module gives out, by name."""

    def hook(name: str) -> Any:
        return lambda module, inputs, output: on_output(name, output)

    handles = [module.register_forward_hook(hook(name)) for name, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def flops_per_row(model: Network, lookback: int, n_features: int, rows: int) -> tuple[float, float]:
    """FLOPs of a score, and of a training step, divided by the `rows` of one day that are computed together.

    A multiply-add is 2. Counted are matrix products, convolutions and attention; element-wise work is not.
    """
    batch = random_batch(rows, lookback, n_features)
    with _every_product_visible():
        with torch.no_grad(), _counter() as forward:
            model.eval().score(batch)
        with _counter() as step:
            model.train().training_loss(batch, mse).backward()
    model.zero_grad(set_to_none=True)
    return forward.get_total_flops() / rows, step.get_total_flops() / rows


def _counter() -> FlopCounterMode:
    aten = torch.ops.aten

    def matrix_vector(matrix: Any, *_: Any, **__: Any) -> int:
        return 2 * matrix[0] * matrix[1]

    return FlopCounterMode(display=False, custom_mapping={aten.mv: matrix_vector})


@contextmanager
def _every_product_visible() -> Iterator[None]:
    """Keep recurrent nets and attention from running as one kernel that the counter does not know."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    with warnings.catch_warnings():
        # torch warns of an Intel GPU setting that this one merely passes on.
        warnings.filterwarnings("ignore", message="TF32 acceleration on top of oneDNN")
        with torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
            yield


def activation_bytes_per_row(model: Network, lookback: int, n_features: int, rows: int) -> float:
    """Bytes that autograd keeps for the backward pass of a training step, each storage once, by rows.

    Parameters and the batch itself do not count.
    """
    batch = random_batch(rows, lookback, n_features)
    known = {p.untyped_storage().data_ptr() for p in model.parameters()} | {batch.x.untyped_storage().data_ptr()}
    saved: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            # Holding the tensor keeps its address from being used again.
            saved[storage.data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = model.train().training_loss(batch, mse)
    total = sum(tensor.untyped_storage().nbytes() for tensor in saved.values())
    del loss
    return total / rows


def gradient_by_lag(model: Network, lookback: int, n_features: int, rows: int = 16) -> Tensor:
    """Sum of |d score / d x| over rows and features, `[T]`, oldest day first; of untrained weights, in eval mode."""
    batch = random_batch(rows, lookback, n_features)
    batch.x.requires_grad_()
    score = model.eval().score(batch)
    (gradient,) = torch.autograd.grad(score.sum(), batch.x)
    return gradient.double().abs().sum(dim=(0, 2))
