"""Comparison of a network with the reference implementation's numbers (`tests/golden/*.npz`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.interop import load_reference_state, reference_key
from zoo.network import Network
from zoo.registry import build
from zoo.training.losses import mse

FOLDER = Path(__file__).parents[1] / "golden"
CLIP = 3.0
Forward = Callable[[Network, dict[str, Tensor]], Tensor]
"""(network, inputs by name) -> scores `[S]`."""


@dataclass(frozen=True)
class Golden:
    """One file: `meta`, and arrays under `state:`, `in:`, `out:`, `grad:` and `grad_in:` keys."""

    meta: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @classmethod
    def load(cls, stem: str) -> Golden:
        with np.load(FOLDER / f"{stem}_small.npz", allow_pickle=False) as archive:
            arrays = dict(archive)
        return cls(json.loads(str(arrays.pop("meta"))), arrays)

    def part(self, prefix: str) -> dict[str, np.ndarray]:
        """Arrays whose key begins with `prefix`, by the rest of the key."""
        return {k.removeprefix(prefix): v for k, v in self.arrays.items() if k.startswith(prefix)}

    def inputs(self, *, requires_grad: bool = False) -> dict[str, Tensor]:
        """Float inputs by name, without the label `y`."""
        floats = {k: torch.tensor(v) for k, v in self.part("in:").items() if k != "y"}
        return {k: v.requires_grad_(requires_grad) for k, v in floats.items()}


def feature_major(flat: Tensor, n_features: int) -> Tensor:
    """`[S, F*T]`, F blocks of T values, -> `[S, T, F]`."""
    return flat.unflatten(1, (n_features, -1)).transpose(1, 2)


def default_forward(network: Network, inputs: dict[str, Tensor]) -> Tensor:
    n_features = inputs["x"].shape[1] // LOOKBACK
    return network(feature_major(inputs["x"], n_features), concepts=inputs.get("concept"))


LOOKBACK = 9
"""Days in the input of every small file that holds windows."""


def reference_network(golden: Golden, name: str, **params: Any) -> Network:
    """Our network with the reference's weights, in eval mode."""
    n_features = golden.arrays["in:x"].shape[-1] // LOOKBACK
    network = build(name, n_features=n_features, lookback=LOOKBACK, **params)
    network.load_state_dict(load_reference_state(name, golden.part("state:")))
    return network.eval()


def assert_same(found: Tensor, expected: np.ndarray, what: str, atol: float) -> None:
    error = np.abs(found.detach().numpy() - expected).max()
    assert error <= atol, f"{what}: off by {error:.2e}"


def assert_scores_and_gradients(
    golden: Golden, name: str, network: Network, forward: Forward = default_forward, atol: float = 1e-5
) -> None:
    """Scores, loss mean(score^2) and its gradients for every parameter and input."""
    inputs = golden.inputs(requires_grad=True)
    score = forward(network, inputs)
    loss = score.square().mean()
    loss.backward()
    assert_same(score, golden.arrays["out"], "score", atol)
    assert_same(loss, golden.arrays["loss"], "loss", atol)
    assert_parameter_gradients(golden, name, network, atol=atol)
    for key, expected in golden.part("grad_in:").items():
        gradient = inputs[key].grad
        assert gradient is not None, key
        assert_same(gradient, expected, f"gradient of input {key}", atol)


def assert_parameter_gradients(
    golden: Golden, name: str, network: Network, prefix: str = "grad:", atol: float = 1e-5
) -> None:
    parameters, compared = dict(network.named_parameters()), set()
    for key, expected in golden.part(prefix).items():
        ours = reference_key(name, key)
        assert ours is not None, f"{key} has a gradient but no counterpart"
        gradient = parameters[ours].grad
        assert gradient is not None, ours
        assert_same(gradient, expected, f"gradient of {ours}", atol)
        compared.add(ours)
    assert compared == parameters.keys()


def assert_training_steps(
    golden: Golden, network: Network, forward: Forward = default_forward, atol: float = 1e-5
) -> None:
    """The loss before each of five Adam steps in eval mode: masked MSE, elementwise clip, coupled L2."""
    label, inputs, losses = torch.tensor(golden.arrays["in:y"]), golden.inputs(), []
    optimizer = torch.optim.Adam(network.parameters(), lr=golden.meta["lr"], weight_decay=golden.meta["weight_decay"])
    for _ in golden.arrays["steps_loss"]:
        loss = mse(forward(network, inputs), label)
        losses.append(loss.detach())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(network.parameters(), CLIP)
        optimizer.step()
    assert_same(torch.stack(losses), golden.arrays["steps_loss"], "losses of the steps", atol)
