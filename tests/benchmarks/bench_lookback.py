"""Cost of LocalFormer against lookback: full attention and a window, time and peak memory of a train step.

    python -m tests.benchmarks.bench_lookback [--lookbacks 60,...] [--rows N] [--rounds N] [--threads N] [--device cuda]

Measured are one attention layer and the whole network, forward and backward, hidden size 64, 2 heads, window 16.
Each form has a process of its own and goes through the lookbacks from short to long, so that the peak of memory
so far is that of the current one. Time on a CPU is CPU time, summed over threads; memory "kept" is what autograd
holds for the backward pass, "peak" the growth of resident memory (CPU) or of allocated memory (CUDA). An exponent is
the slope of log cost on log lookback over the upper half of the lookbacks: 1 is linear, 2 quadratic.

torch's own full attention keeps no matrix of weights either, so its memory is linear as well: there the window saves
time, and its overlapping blocks cost some memory.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tests.benchmarks.bench_exact_forms import _peak_mib, alone
from zoo.layers import SelfAttention
from zoo.registry import build

HIDDEN, HEADS, WINDOW, FEATURES = 64, 2, 16, 6


@dataclass(frozen=True)
class Cost:
    """Of one train step: median milliseconds, MiB of peak, MiB kept for the backward pass."""

    ms: float
    peak: float
    kept: float


def attention(steps: int, window: int | None, device: str) -> tuple[nn.Module, int]:
    return SelfAttention(HIDDEN, HEADS, window=window).to(device), HIDDEN


def network(steps: int, window: int | None, device: str) -> tuple[nn.Module, int]:
    kind = {"attention": "full"} if window is None else {"attention": "window", "window_size": window}
    sizes = {"hidden_size": HIDDEN, "num_heads": HEADS}
    return build("localformer", n_features=FEATURES, lookback=steps, **sizes, **kind).to(device), FEATURES


WHAT: dict[str, Callable[[int, int | None, str], tuple[nn.Module, int]]] = {
    "attention layer": attention,
    "whole network": network,
}


def measure(what: str, window: int | None, lookbacks: list[int], options: argparse.Namespace) -> tuple[Cost, ...]:
    """The costs by lookback; runs in a process of its own."""
    torch.set_num_threads(options.threads)
    # Seconds of work, so that what else runs on the machine does not count.
    clock = time.perf_counter if options.device == "cuda" else time.process_time
    _train_step(*WHAT[what](lookbacks[0], window, options.device), options.rows, lookbacks[0])
    before = _peak(options.device)
    costs = []
    for steps in lookbacks:
        module, width = WHAT[what](steps, window, options.device)
        kept = _train_step(module, width, options.rows, steps)
        times = []
        for _ in range(options.rounds):
            start = clock()
            _train_step(module, width, options.rows, steps, count=False)
            times.append(clock() - start)
        costs.append(Cost(1e3 * statistics.median(times), _peak(options.device) - before, kept))
    return tuple(costs)


def _train_step(module: nn.Module, width: int, rows: int, steps: int, count: bool = True) -> float:
    """One forward and backward pass; MiB of the storages kept in between, if counted."""
    device = next(module.parameters()).device
    kept: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    x = torch.randn(rows, steps, width, device=device)
    if count:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            loss = module(x).square().mean()
    else:
        loss = module(x).square().mean()
    size = sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) / 2**20
    kept.clear()
    loss.backward()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return size


def _peak(device: str) -> float:
    return torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else _peak_mib()


def exponent(lookbacks: list[int], values: list[float]) -> float:
    """Slope of log value on log lookback, least squares."""
    half = len(lookbacks) // 2
    x = [math.log(t) for t in lookbacks[half:]]
    y = [math.log(max(v, 1e-9)) for v in values[half:]]
    mean_x, mean_y = statistics.fmean(x), statistics.fmean(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / sum((a - mean_x) ** 2 for a in x)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--lookbacks", default="60,120,240,480,960,1920")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options = parser.parse_args()
    lookbacks = sorted(int(text) for text in options.lookbacks.split(","))
    if len(lookbacks) < 4:
        parser.error("--lookbacks: an exponent needs at least 4")
    where = f"{options.threads} thread(s)" if options.device == "cpu" else torch.cuda.get_device_name()
    print(f"torch {torch.__version__}, {options.device}, {where}, {options.rows} rows, {options.rounds} rounds")
    linear = True
    for what in WHAT:
        full = alone(measure, what, None, lookbacks, options)
        window = alone(measure, what, WINDOW, lookbacks, options)
        linear &= _report(what, lookbacks, full, window)
    return 0 if linear else 1


def _report(what: str, lookbacks: list[int], full: tuple[Cost, ...], window: tuple[Cost, ...]) -> bool:
    """Print one table; whether time and kept memory of the window grow linearly, to 0.2 in the exponent."""
    names = ("time ms", "peak MiB", "kept MiB")
    print(f"\n{what:>8}" + "".join(f"{f'{name} full':>15}{'window':>10}" for name in names))
    series = [([getattr(c, f) for c in full], [getattr(c, f) for c in window]) for f in ("ms", "peak", "kept")]
    for i, steps in enumerate(lookbacks):
        print(f"T = {steps:<{max(len(what) - 4, 4)}}" + "".join(f"{a[i]:15.1f}{b[i]:10.1f}" for a, b in series))
    slopes = [(exponent(lookbacks, a), exponent(lookbacks, b)) for a, b in series]
    print(f"{'exponent':{max(len(what), 8)}}" + "".join(f"{a:15.2f}{b:10.2f}" for a, b in slopes))
    return slopes[0][1] <= 1.2 and slopes[2][1] <= 1.2


if __name__ == "__main__":
    sys.exit(main())
