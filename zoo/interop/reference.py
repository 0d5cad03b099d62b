"""Weights that were trained in the reference implementation (qlib 0.9.7), loaded into ours.

The renaming rules of a model stand in its own file, as two optional class attributes:

- `reference_keys`: regular expression -> replacement, or None for tensors without counterpart (dead layers,
  duplicates). The first that matches the start of a key applies; a key that none matches keeps its name.
- `reference_structure(state)`: static method; constructor arguments, beyond `num_layers`, that decide which
  tensors there are, read off a state in the reference's names.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo.errors import ModelError, did_you_mean
from zoo.registry import ModelSpec, build, get_spec

Arrays = Mapping[str, Tensor | np.ndarray]


def load_reference_state(name: str, arrays: Arrays | str | Path, **params: Any) -> dict[str, Tensor]:
    """The state of model `name` for `load_state_dict`, floats as float32, from one in the reference's names.

    Args:
        arrays: tensors or numpy arrays by key, or the path of an .npz or .safetensors file of them. If some
            keys begin with `state:`, the others are left out. Sizes are not compared: `load_state_dict` does that.
        params: hyper-parameters that decide which tensors there are and cannot be seen from their names.

    Raises:
        ModelError: unknown model; a tensor too many or missing, or without the axes it must have; a file that
            cannot be read.
    """
    spec = get_spec(name)
    state = {key: _tensor(key, value) for key, value in _state_only(_read(arrays)).items()}
    renamed = _renamed(spec, state)
    expected = _expected_keys(spec, set(renamed), {**_structure(spec, renamed), **params})
    origin = {new: key for key in state if (new := reference_key(name, key)) is not None}
    if unknown := sorted(renamed.keys() - expected):
        raise ModelError(
            f"model '{name}' has no tensor for {', '.join(repr(origin[key]) for key in unknown[:5])}"
            f"{did_you_mean(unknown[0], expected - renamed.keys())}{_more(unknown)}"
        )
    if missing := sorted(expected - renamed.keys()):
        raise ModelError(f"the state lacks what model '{name}' keeps as {', '.join(missing[:5])}{_more(missing)}")
    return renamed


def reference_key(name: str, key: str) -> str | None:
    """Our name of the tensor that the reference calls `key`; None where we have no such tensor."""
    rules: Mapping[str, str | None] = getattr(get_spec(name).cls, "reference_keys", {})
    for pattern, replacement in rules.items():
        if found := re.match(pattern, key):
            return None if replacement is None else found.expand(replacement) + key[found.end() :]
    return key


def _renamed(spec: ModelSpec, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    pairs = ((reference_key(spec.name, key), value) for key, value in state.items())
    return {key: value for key, value in pairs if key is not None}


def _structure(spec: ModelSpec, state: Mapping[str, Tensor]) -> dict[str, Any]:
    read: Callable[[Mapping[str, Tensor]], dict[str, Any]] = getattr(spec.cls, "reference_structure", lambda _: {})
    try:
        return read(state)
    except (IndexError, TypeError) as error:  # what torch raises where an axis is missing
        raise ModelError(
            f"the state has a tensor with fewer axes than model '{spec.name}' has there: {error}"
        ) from error


def _expected_keys(spec: ModelSpec, given: set[str], params: dict[str, Any]) -> set[str]:
    """State keys of the network that fits best, over the number of layers unless `params` decides it."""

    def keys_with(**depth: int) -> set[str]:
        with torch.device("meta"):
            return set(build(spec.name, **{"n_features": 1, "lookback": 1, **params, **depth}).state_dict())

    if "num_layers" not in spec.parameters.keys() - params.keys():
        return keys_with()
    best = keys = keys_with(num_layers=1)
    for num_layers in itertools.count(2):
        smaller, keys = keys, keys_with(num_layers=num_layers)
        if len(keys ^ given) < len(best ^ given):
            best = keys
        if len(keys) > len(given) or keys == smaller:
            return best
    return best


def _read(arrays: Arrays | str | Path) -> Arrays:
    if not isinstance(arrays, (str, Path)):
        return arrays
    path = Path(arrays)
    if not path.is_file():
        raise ModelError(f"state file {path} does not exist")
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return dict(archive)
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
    except Exception as error:
        raise ModelError(f"state file {path} cannot be read: {type(error).__name__}: {error}") from error
    raise ModelError(f"state file {path} must be .npz or .safetensors (pickles are never loaded)")


def _state_only(arrays: Arrays) -> Arrays:
    marked = {key.removeprefix("state:"): value for key, value in arrays.items() if key.startswith("state:")}
    return marked or arrays


def _tensor(key: str, value: Tensor | np.ndarray) -> Tensor:
    if not isinstance(value, Tensor) and value.dtype.kind not in "fiub":
        raise ModelError(f"tensor '{key}' of the state is not numeric: {value.dtype}")
    tensor = value.detach().clone() if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
    return tensor.float() if tensor.is_floating_point() else tensor


def _more(keys: list[str]) -> str:
    return f" and {len(keys) - 5} more" if len(keys) > 5 else ""
