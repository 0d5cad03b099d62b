"""The ways a network can be executed: as written, compiled, or replayed as a CUDA graph."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from zoo.errors import UnavailableError
from zoo.network import Batch, Loss, Network

Mode = Literal["eager", "compile", "graphs"]
MODES: tuple[Mode, ...] = get_args(Mode)
Score = Callable[[Batch], Tensor]
TrainingLoss = Callable[[Batch, Loss], Tensor]

_AGREEMENT = 1e-3
"""Largest difference of scores from eager ones, by the largest eager score."""


def default_modes(device: str) -> tuple[Mode, ...]:
    """All on CUDA; on a CPU compiling takes minutes and is left to those who ask for it."""
    return MODES if device.startswith("cuda") else ("eager",)


def executed(model: Network, mode: Mode, device: str) -> tuple[Score, TrainingLoss | None]:
    """`score` and `training_loss` of a model in a mode; None where the mode cannot train.

    Raises:
        UnavailableError: the mode needs what the device does not have.
    """
    if mode == "eager":
        return model.score, model.training_loss
    if mode == "compile":
        # Several models share one piece of code, `Network.score`; each counts against the limit of recompilations,
        # past which torch silently goes back to eager.
        torch._dynamo.config.recompile_limit = torch._dynamo.config.accumulated_recompile_limit = 10_000
        # Graph breaks are no news to the user: what cannot be compiled runs as written.
        logging.getLogger("torch._dynamo").setLevel(logging.ERROR)
        return torch.compile(model.score), torch.compile(model.training_loss)
    if not device.startswith("cuda"):
        raise UnavailableError("CUDA graphs need a CUDA device")
    # The losses select labelled rows, whose number the host must read: a training step cannot be captured.
    return Graphed(model), None


def check_agreement(model: Network, score: Score, batch: Batch) -> None:
    """Refuse a mode that computes something else.

    Raises:
        UnavailableError: its scores differ from those of eager execution.
    """
    with torch.no_grad():
        eager, other = model.score(batch).double(), score(batch).double()
    largest, difference = float(eager.abs().max()), float((eager - other).abs().max())
    if not difference <= _AGREEMENT * max(largest, 1e-6):
        raise UnavailableError(f"scores differ from eager ones by {difference:.2g}, of at most {largest:.2g}")


class Graphed:
    """Scores by replaying a CUDA graph, one captured for every number of rows."""

    def __init__(self, model: Network) -> None:
        self.model = model
        self._captured: dict[int, tuple[torch.cuda.CUDAGraph, Batch, Tensor]] = {}

    def __call__(self, batch: Batch) -> Tensor:
        if len(batch) not in self._captured:
            self._captured[len(batch)] = self._capture(batch)
        graph, static, scores = self._captured[len(batch)]
        for field in fields(batch):
            if (value := getattr(batch, field.name)) is not None:
                getattr(static, field.name).copy_(value)
        graph.replay()
        return scores

    def _capture(self, batch: Batch) -> tuple[torch.cuda.CUDAGraph, Batch, Tensor]:
        copies = {f.name: value.clone() for f in fields(batch) if (value := getattr(batch, f.name)) is not None}
        static = replace(batch, **copies)
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream), torch.no_grad():
            for _ in range(3):
                self.model.score(static)
        torch.cuda.current_stream().wait_stream(stream)
        self._refuse_waiting(static)
        graph = torch.cuda.CUDAGraph()
        with torch.no_grad(), torch.cuda.graph(graph):
            scores = self.model.score(static)
        return graph, static, scores

    def _refuse_waiting(self, batch: Batch) -> None:
        """A capture that fails half-way can leave CUDA unusable, so what would make it fail is looked for first."""
        with warnings.catch_warnings():
            # That it does not find every such operation is known; what it does find is enough.
            warnings.filterwarnings("ignore", message="Synchronization debug mode", category=UserWarning)
            torch.cuda.set_sync_debug_mode("error")
        try:
            with torch.no_grad():
                self.model.score(batch)
        except RuntimeError as error:
            first = str(error).partition("\n")[0]
            raise UnavailableError(f"cannot be captured: the host waits for the GPU while scoring ({first})") from None
        finally:
            torch.cuda.set_sync_debug_mode("default")
