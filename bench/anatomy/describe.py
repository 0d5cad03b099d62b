"""What a model is: layers, cost, memory, reach and settings, measured or resolved without any data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from bench.anatomy import cost
from bench.anatomy.cost import Layer
from bench.anatomy.dataflow import Edges, dataflow, has_circle
from bench.experiment.config import ExperimentConfig, load_config
from bench.experiment.entries.names import models_of, network_of, seen_by
from bench.experiment.plan import entry_of
from bench.experiment.presets import experiments
from zoo import registry
from zoo.config import TrainConfig
from zoo.data.features import make_feature_set
from zoo.network import Network

STOCKS = 100
"""Stocks of the day on which day-scope networks are measured; their cost by row depends on it."""


@dataclass(frozen=True)
class Description:
    """One model of an experiment.

    Attributes:
        spec, params, train: what it is, with all parameters and training settings resolved.
        features: name of the feature set; n_features, lookback: its size.
        layers: see `bench.anatomy.cost.Layer`; empty for models fitted as a whole.
        parts: the layers by the part of the network that they belong to; edges: which part feeds which.
        n_parameters: numbers that are fitted; 0 where the fit decides how many (LightGBM).
        flops, step_flops: by row, of a score and of a training step; None for models fitted as a whole.
        activation_bytes: by row, kept for the backward pass.
        reach: days back, today included, of the oldest day that moves the score.
        half_reach: days back that half of the gradient comes from, before training.
        built_reach: how far back the architecture could see with a longer lookback, where it has a limit.
    """

    spec: registry.ModelSpec
    params: dict[str, Any]
    train: TrainConfig
    features: str
    n_features: int
    lookback: int
    n_parameters: int
    layers: list[Layer] = field(default_factory=list)
    parts: dict[str, list[Layer]] = field(default_factory=dict)
    edges: Edges = field(default_factory=dict)
    flops: float | None = None
    step_flops: float | None = None
    activation_bytes: float = 0.0
    reach: int | None = None
    half_reach: int | None = None
    built_reach: int | None = None

    @property
    def step_rows(self) -> int:
        """Rows of a training step: the batch size, but no less than one whole day where the scope is a day."""
        return max(self.train.batch_size, STOCKS) if self.spec.scope == "day" else self.train.batch_size

    @property
    def training_bytes(self) -> float:
        """Bytes of a training step: weights, gradients and Adam's two averages, and what the batch keeps."""
        return 4 * 4 * self.n_parameters + self.activation_bytes * self.step_rows


def describe_model(name: str, config: ExperimentConfig) -> Description:
    """Measure one model of an experiment on random rows, on the CPU.

    Raises:
        ZooError: the model or its parameters do not exist, or it needs a package that is missing.
    """
    spec = registry.get_spec(network_of(name, config.models))
    chosen, train = entry_of(name, config)
    config = seen_by(name, config)
    data = make_feature_set(config.data.features, config.data.lookback)
    size = (data.lookback, data.n_features)
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        model = registry.build(spec.name, n_features=data.n_features, lookback=data.lookback, **chosen)
        if spec.gradient_trained:
            measured: dict[str, Any] = _measure(model, spec, size)
        else:
            measured = {"n_parameters": sum(b.numel() for b in model.buffers() if b.is_floating_point())}
    params = {**{p.name: p.default for p in spec.parameters.values()}, **chosen}
    if name != spec.name:
        spec = replace(spec, name=name, title=f"{spec.title} ({name})")
    return Description(spec, params, train, ", ".join(config.data.entries), data.n_features, data.lookback, **measured)


def _measure(model: Network, spec: registry.ModelSpec, size: tuple[int, int]) -> dict[str, Any]:
    model.on_stage(model.stages[-1])
    rows = STOCKS if spec.scope == "day" else 8
    layers = cost.layers_of(model, *size)
    parts, edges = _parts(model, layers, size)
    flops, step_flops = cost.flops_per_row(model, *size, rows=rows)
    activation_bytes = cost.activation_bytes_per_row(model, *size, rows=rows)
    by_lag = cost.gradient_by_lag(model, *size).flip(0)
    seen = by_lag.nonzero().flatten()
    half = (by_lag.cumsum(0) >= by_lag.sum() / 2).nonzero().flatten()
    return {
        "layers": layers,
        "parts": parts,
        "edges": edges,
        "n_parameters": sum(p.numel() for p in model.parameters()),
        "flops": flops,
        "step_flops": step_flops,
        "activation_bytes": activation_bytes,
        "reach": int(seen[-1]) + 1 if len(seen) else 0,
        "half_reach": int(half[0]) + 1 if len(seen) else 0,
        "built_reach": getattr(model, "receptive_field", None),
    }


def _parts(model: Network, layers: list[Layer], size: tuple[int, int]) -> tuple[dict[str, list[Layer]], Edges]:
    """Layers by direct child of the network, each element of a list for itself, and which part feeds which.

    One level deeper where that gives few parts, unless these share layers: a graph in circles explains nothing.
    """
    shallow, deep = (_grouped(layers, depth) for depth in (1, 2))
    flows = [dataflow(model, *size, part_of=lambda name, p=p: _part_of(name, p)) for p in (shallow, deep)]
    return (deep, flows[1]) if len(shallow) < 3 and not has_circle(flows[1]) else (shallow, flows[0])


def _grouped(layers: list[Layer], depth: int) -> dict[str, list[Layer]]:
    groups: dict[str, list[Layer]] = {}
    for layer in layers:
        if layer.parameters:
            pieces = layer.name.split(".")
            length = min(depth, len(pieces))
            while length < len(pieces) and pieces[length].isdigit():
                length += 1
            groups.setdefault(".".join(pieces[:length]), []).append(layer)
    return groups


def _part_of(name: str, parts: dict[str, list[Layer]]) -> str:
    """The part that a parameter or module belongs to; modules that hold several parts belong to none."""
    pieces = name.split(".")
    return next((part for n in range(len(pieces), 0, -1) if (part := ".".join(pieces[:n])) in parts), "")


def resolve(target: str, overrides: dict[str, Any]) -> tuple[list[str], ExperimentConfig, bool]:
    """(models, experiment, whether the target is one model) of `describe TARGET`; a model is taken as in uniform.yaml.

    Raises:
        ZooError: neither a configuration file nor a model.
    """
    if target.endswith((".yaml", ".yml")) or target in experiments() or Path(target).is_file():
        config = load_config(target, overrides)
        return models_of(config), config, False
    names = registry.find_models(target)
    return names, load_config("uniform", overrides), len(names) == 1
