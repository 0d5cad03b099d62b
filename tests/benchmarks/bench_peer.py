"""Our networks against the reference's: train step and scoring, one thread, CPU time, measured in turns.

    python -m tests.benchmarks.bench_peer [--only gru,lstm] [--rounds 7] [--rows 2048] [--peer reference]

Ours is what the trainer does: batches in parts, fused Adam, the recurrent kernel. The peer is the literal form of the
reference's network (`peer_forms`; TRA: ours on torch's own LSTM) with its step: masked mean square, elementwise clip at
3, torch's default Adam; with `--peer reference` it is pyqlib's own class. Each side has a process of
its own and both take turns, so that neither profits from memory that the other has touched. The ratio is the median
over rounds of peer : ours; a share is FLOPs of the matrix products over those of the fastest float32 product of
2048 x 2048 matrices measured in turns with them (above 100 the kernel is faster than that). Exit status 1 if a ratio is
below its bar.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from tests.benchmarks import peer_forms, peer_reference
from zoo import kernels
from zoo.network import Batch, Network
from zoo.registry import build, get_spec
from zoo.training import parts
from zoo.training.losses import mse

LOOKBACK, FEATURES, CONCEPTS = 60, 6, 60


@dataclass(frozen=True)
class Case:
    """One model at its published size; bars are the least ratios wanted, rows those of a step."""

    name: str
    model: str
    rows: int
    train: float
    score: float
    params: tuple[tuple[str, Any], ...] = ()


ENCODER = (("ffn_size", 2048),)
CASES = (
    Case("GRU", "gru", 800, 3.0, 2.0),
    Case("LSTM", "lstm", 800, 3.0, 2.0),
    Case("ALSTM", "alstm", 800, 3.0, 2.0),
    Case("TRA", "tra", 1024, 2.5, 2.0),
    Case("HIST, 300 stocks", "hist", 300, 2.5, 2.0),
    Case("GATs, 300 stocks", "gats", 300, 2.5, 2.0, (("dropout", 0.7),)),
    Case("GATs, 800 stocks", "gats", 800, 5.0, 2.0, (("dropout", 0.7),)),
    Case("TCN", "tcn", 800, 5.0, 1.0),
    Case("Transformer", "transformer", 512, 3.0, 1.0, ENCODER),
    Case("LocalFormer", "localformer", 512, 2.5, 2.0, ENCODER),
)


def _batch(rows: int) -> Batch:
    torch.manual_seed(1)
    return Batch(
        torch.randn(rows, LOOKBACK, FEATURES),
        torch.randn(rows),
        torch.full((rows,), 100),
        torch.arange(rows),
        (torch.rand(rows, CONCEPTS) < 0.05).float(),
    )


def _network(case: Case) -> Network:
    torch.manual_seed(0)
    network = build(case.model, n_features=FEATURES, lookback=LOOKBACK, **dict(case.params))
    network.on_stage(network.stages[-1])
    return network


def our_side(case: Case) -> dict[str, Callable[[], object]]:
    network, batch = _network(case), _batch(case.rows)
    parameters = list(network.parameters())
    optimizer = torch.optim.Adam(parameters, lr=1e-4, fused=True)
    whole = get_spec(case.model).scope == "day"
    train_rows = len(batch) if whole or not network.rows_alone else parts.rows_per_part(network.train(), batch)
    score_rows = len(batch) if whole else parts.rows_per_part(network.eval(), batch)

    def step() -> None:
        network.train()
        optimizer.zero_grad(set_to_none=True)
        parts.backward(network, batch, mse, train_rows)
        torch.nn.utils.clip_grad_value_(parameters, 3.0)
        optimizer.step()

    @torch.no_grad()
    def score() -> None:
        network.eval()
        parts.score_parts(network, batch, score_rows)

    return {"train": step, "score": score}


def peer_side(case: Case) -> dict[str, Callable[[], object]]:
    os.environ[kernels.VARIABLE] = "torch"
    network, batch = _network(case), _batch(case.rows)
    form = peer_forms.FORMS.get(case.model)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)

    def step() -> None:
        network.train()
        loss = mse(form(network, batch), batch.label) if form else network.training_loss(batch, mse)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_value_(network.parameters(), 3.0)
        optimizer.step()

    @torch.no_grad()
    def score() -> None:
        network.eval()
        _ = form(network, batch) if form else network.score(batch)

    return {"train": step, "score": score}


def reference_side(case: Case) -> dict[str, Callable[[], object]]:
    os.environ[kernels.VARIABLE] = "torch"
    batch = _batch(case.rows)
    network, scores, loss = peer_reference.reference(case.model, _network(case), batch)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-4)

    def step() -> None:
        network.train()
        found = loss() if loss else mse(scores(), batch.label)
        optimizer.zero_grad()
        found.backward()
        torch.nn.utils.clip_grad_value_(network.parameters(), 3.0)
        optimizer.step()

    @torch.no_grad()
    def score() -> None:
        network.eval()
        scores()

    return {"train": step, "score": score}


PEERS = {"literal": peer_side, "reference": reference_side}


def products(case: Case) -> dict[str, float]:
    """FLOPs of the matrix products of our step and score, as torch counts them without the kernel."""
    from torch.utils.flop_counter import FlopCounterMode

    network, batch = _network(case), parts.part(_batch(case.rows), 0, case.rows)
    with torch.backends.mkldnn.flags(enabled=False):
        with FlopCounterMode(display=False) as train:
            network.train().training_loss(batch, mse).backward()
        with torch.no_grad(), FlopCounterMode(display=False) as score:
            network.eval().score(batch)
    return {"train": train.get_total_flops(), "score": score.get_total_flops()}


def _peak_flops() -> dict[str, Callable[[], object]]:
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    return {"train": lambda: torch.mm(a, b)}


def _serve(make: Callable[..., dict[str, Callable[[], object]]], arguments: tuple, line: Connection) -> None:
    """Run what is asked for and answer with its CPU seconds and this process's peak memory in MiB."""
    torch.set_num_threads(1)
    calls = make(*arguments)
    while (asked := line.recv()) is not None:
        began = time.process_time()
        calls[asked]()
        status = Path("/proc/self/status").read_text() if sys.platform == "linux" else "VmHWM: 0"
        line.send((time.process_time() - began, int(status.split("VmHWM:")[1].split()[0]) / 1024))


class Side:
    """A process that runs one side's calls on request."""

    def __init__(self, make: Callable[..., dict[str, Callable[[], object]]], *arguments: object) -> None:
        context = multiprocessing.get_context("spawn")
        self.line, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(make, arguments, other), daemon=True)
        self.process.start()
        other.close()
        self.peak = 0.0

    def run(self, what: str) -> float:
        self.line.send(what)
        seconds, self.peak = self.line.recv()
        return seconds

    def end(self) -> None:
        self.line.send(None)
        self.process.join()


def compare(case: Case, rounds: int, peer: Callable[..., Any], peaks: list[float]) -> bool:
    ours, theirs, product = Side(our_side, case), Side(peer, case), Side(_peak_flops)
    flops, good = products(case), True
    for what, bar in (("train", case.train), ("score", case.score)):
        times: list[tuple[float, float, float]] = []
        for i in range(rounds + 2):
            pair = (ours.run(what), theirs.run(what), product.run("train"))
            times += [pair] if i > 1 else []
        ratios = [b / a for a, b, _ in times]
        ratio, peak = statistics.median(ratios), 2 * 2048**3 / min(t for *_, t in times)
        mine, other = (statistics.median(t[k] for t in times) for k in (0, 1))
        shares = [100 * flops[what] / seconds / peak for seconds in (mine, other)]
        good &= ratio >= bar
        print(
            f"{case.name:18} {what:6} {1e3 * mine:9.1f} {1e3 * other:9.1f} {ratio:7.2f} {min(ratios):7.2f} "
            f"{max(ratios):7.2f} {bar:5.1f}  {shares[0]:5.0f} {shares[1]:5.0f}"
            f" {ours.peak:8.0f} {theirs.peak:8.0f}  {'ok' if ratio >= bar else 'BELOW'}",
            flush=True,
        )
        peaks.append(peak)
    for side in (ours, theirs, product):
        side.end()
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", default="", help="models, separated by commas")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", choices=PEERS, default="literal", help="literal forms, or pyqlib's own classes")
    parser.add_argument("--rows", type=int, help="rows of a step instead of each case's own")
    options = parser.parse_args()
    if options.peer == "reference" and (why := peer_reference.missing()):
        print(f"skipped: {why}")
        return 0
    chosen = [c for c in CASES if not options.only or c.model in options.only.split(",")]
    print(f"torch {torch.__version__}, one thread, {options.rounds} rounds, {kernels.recurrent_backend()}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; times in ms of CPU, share in % of peak, peak MiB")
    print(
        f"{'case':18} {'what':6} {'ours':>9} {'peer':>9} {'ratio':>7} {'least':>7} {'most':>7} {'bar':>5}  "
        f"{'share':>5} {'peer':>5} {'peak':>8} {'peer':>8}"
    )
    results, peaks = [], []
    for case in chosen:
        rows = options.rows or case.rows
        results.append(compare(Case(**{**case.__dict__, "rows": rows}), options.rounds, PEERS[options.peer], peaks))
    print(f"the fastest float32 product of this machine: {max(peaks, default=0) / 1e9:.0f} GFLOP/s")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
