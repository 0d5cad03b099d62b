"""The state of a fit on disk, so that a long one that is killed goes on with the same bits; nothing is unpickled.

    <folder>/state.safetensors    weights, best weights, buffers, the optimiser's averages, states of the generators
    <folder>/state.json           stage, epoch, history, plain attributes of the network; checksum of the tensors

Exact for networks whose state is parameters, buffers and plain attributes (numbers and texts); one that keeps state in
other objects is not stored, and starts anew.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo.data.files import whole_directory

FORMAT = 1
TENSORS, HEADER = "state.safetensors", "state.json"
PLAIN = (bool, int, float, str, type(None))


@dataclass
class Progress:
    """How far a fit is, between two epochs.

    Attributes:
        stage: index of the current stage.
        epoch, best_epoch: epochs done in it, and which was best.
        best: what the best epoch reached, higher being better.
        steps: optimiser steps in all stages.
        seconds: of earlier processes.
        history: the epochs of all stages, as dictionaries.
        best_state: the weights of the best epoch.
    """

    stage: int = 0
    epoch: int = 0
    best_epoch: int = 0
    best: float = -np.inf
    steps: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best_state: dict[str, Tensor] = field(default_factory=dict)


class Snapshots:
    """Where one fit keeps its state, at most once in `every` seconds; `clear` when it has ended."""

    def __init__(self, folder: Path, every: float = 180.0) -> None:
        self.folder, self.every = folder, every
        self._last = time.monotonic()

    def save(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, order: torch.Generator, progress: Progress
    ) -> None:
        """Store the state where the last time is long enough ago and the network's state can be stored."""
        if time.monotonic() - self._last < self.every or not _storable(model):
            return
        from safetensors.torch import save_file

        tensors = {f"model.{k}": v for k, v in _numbers(model).items()}
        tensors |= {f"best.{k}": v for k, v in progress.best_state.items()}
        for i, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{i}.{k}": torch.as_tensor(v) for k, v in state.items()}
        python: Any = random.getstate()
        numpy: Any = np.random.get_state()  # noqa: NPY002 - third-party models may draw from the global generator
        tensors |= {"rng.order": order.get_state(), "rng.torch": torch.get_rng_state()}
        tensors |= {"rng.numpy": torch.from_numpy(np.asarray(numpy[1]).astype(np.int64))}
        if torch.cuda.is_available():
            tensors |= {f"rng.cuda.{i}": state for i, state in enumerate(torch.cuda.get_rng_state_all())}
        header = {
            "format": FORMAT,
            "progress": {f.name: getattr(progress, f.name) for f in fields(Progress) if f.name != "best_state"},
            "attributes": _plain(model),
            "random": [python[0], list(python[1]), python[2]],
            "numpy": [str(numpy[0]), *numpy[2:]],
        }
        with whole_directory(self.folder) as folder:
            # Shared storage would be refused, so tied tensors are written out.
            save_file({k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}, folder / TENSORS)
            header["checksum"] = _digest(folder / TENSORS)
            # -inf is the best of a stage without epochs; JSON as Python writes it knows it.
            (folder / HEADER).write_text(json.dumps(header), encoding="utf-8")
        self._last = time.monotonic()

    def stored(self) -> tuple[Progress, dict[str, Any], dict[str, Tensor]] | None:
        """What was stored last; None where there is nothing whole."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            header = json.loads((self.folder / HEADER).read_text(encoding="utf-8"))
            if header["format"] != FORMAT or header["checksum"] != _digest(self.folder / TENSORS):
                return None
            tensors = load_file(self.folder / TENSORS)
            best = {k.removeprefix("best."): v for k, v in tensors.items() if k.startswith("best.")}
            return Progress(**header["progress"], best_state=best), header, tensors
        except (OSError, ValueError, KeyError, TypeError, SafetensorError):
            return None

    def clear(self) -> None:
        """Remove what is stored."""
        import shutil

        shutil.rmtree(self.folder, ignore_errors=True)


def restore(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    order: torch.Generator,
    header: dict[str, Any],
    tensors: dict[str, Tensor],
) -> None:
    """Put a stored state back, after the stage it belongs to was begun with `on_stage`."""
    for name, value in header["attributes"].items():
        setattr(model, name, value)
    here = _numbers(model)
    with torch.no_grad():
        for name, value in tensors.items():
            if not name.startswith("model."):
                continue
            name = name.removeprefix("model.")
            if name in here:
                here[name].copy_(value)
            else:
                # A buffer that the network makes while it trains.
                parent, _, own = name.rpartition(".")
                device = next(model.parameters()).device
                model.get_submodule(parent)._buffers[own] = value.to(device)
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, i, key = name.split(".", 2)
            state.setdefault(int(i), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    order.set_state(tensors["rng.order"])
    torch.set_rng_state(tensors["rng.torch"])
    version, numbers, gauss = header["random"]
    random.setstate((version, tuple(numbers), gauss))
    kind, *rest = header["numpy"]
    np.random.set_state((kind, tensors["rng.numpy"].numpy().astype(np.uint32), *rest))  # noqa: NPY002
    if torch.cuda.is_available():
        states = [tensors[f"rng.cuda.{i}"] for i in range(torch.cuda.device_count()) if f"rng.cuda.{i}" in tensors]
        torch.cuda.set_rng_state_all(states)


def _numbers(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, those that no checkpoint holds among them."""
    return dict(model.named_parameters()) | dict(model.named_buffers())


def _plain(model: nn.Module) -> dict[str, Any]:
    return {k: v for k, v in vars(model).items() if isinstance(v, PLAIN) and k != "training" and not k.startswith("_")}


def _storable(model: nn.Module) -> bool:
    """Whether all that the network's own attributes hold is plain, or settled when it is built."""
    settled = (nn.Module, tuple, torch.dtype, *PLAIN)
    return all(isinstance(v, settled) for k, v in vars(model).items() if not k.startswith("_"))


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
