"""Speed of every registered model: a train step, one day's scores, and the fit of those fitted as a whole.

    pytest --benchmark-only
    pytest --benchmark-only -k 'cpu and (gru or tcn)'

All on one market of 300 stocks and windows of 20 days of 5 features, at the models' default sizes but a common
hidden size; one CPU thread. A train step is forward, backward, clip and Adam on a gathered batch of three days, 900
rows. One day's scores are what live use waits for: windows gathered and scored, 300 rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from zoo import trainer
from zoo.config import DataConfig, TrainConfig
from zoo.data.sources.planted import planted_panel
from zoo.data.split import DayRange, Fold
from zoo.data.windows import Dataset, Segment
from zoo.network import EpochContext, Network
from zoo.registry import build, get_spec, list_models
from zoo.training.losses import mse

STOCKS, LOOKBACK, DAYS_PER_STEP = 300, 20, 3
SIZES: dict[str, Any] = {"hidden_size": 64}
TRAIN = TrainConfig()
WHOLE = [name for name in list_models() if not get_spec(name).gradient_trained]
GRADIENT = [name for name in list_models() if get_spec(name).gradient_trained]

devices = pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            "cuda",
            marks=[
                pytest.mark.cuda,
                pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU is visible to torch"),
            ],
        ),
    ],
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@cache
def dataset(device: str) -> Dataset:
    panel = planted_panel(f"planted:mixed?stocks={STOCKS}&days=140")
    fold = Fold(0, DayRange(40, 100), DayRange(102, 118), DayRange(120, 140), 2)
    return Dataset(panel, DataConfig(lookback=LOOKBACK), fold, device=device)


def make(name: str, device: str) -> Network:
    """A model ready to train in its last stage."""
    trainer.seed_everything(0)
    params = {key: value for key, value in SIZES.items() if key in get_spec(name).parameters}
    data = dataset(device)
    model = build(name, n_features=data.n_features, lookback=LOOKBACK, **params).to(device)
    stage = model.stages[-1]
    model.on_stage(stage)
    size = {"n_days": data.panel.n_days, "n_stocks": data.panel.n_stocks}
    model.on_epoch(EpochContext(stage, 0, "train", lambda: iter(()), data.config.label.reach, **size))
    return model


def measure(benchmark: BenchmarkFixture, what: str, name: str, device: str, call: Callable[[], object]) -> None:
    """Time calls, after a warm-up where they are short, and fill in the table's group and name."""

    def finished() -> None:
        call()
        if device == "cuda":
            torch.cuda.synchronize()

    benchmark.group, benchmark.name = f"{what}, {device}", name
    machine = torch.cuda.get_device_name() if device == "cuda" else "cpu, 1 thread"
    benchmark.extra_info.update(model=name, device=machine, torch=torch.__version__, stocks=STOCKS, lookback=LOOKBACK)
    if name in GRADIENT:
        finished()
    benchmark(finished)


@devices
@pytest.mark.parametrize("name", GRADIENT)
@pytest.mark.benchmark(max_time=0.5, min_rounds=5, warmup=False)
def test_train_step(benchmark: BenchmarkFixture, name: str, device: str) -> None:
    data, model = dataset(device), make(name, device).train()
    batch = next(data.train.batches(DAYS_PER_STEP * STOCKS, scope="day", labelled=True))
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=TRAIN.lr)
    assert len(batch) == DAYS_PER_STEP * STOCKS

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        model.training_loss(batch, mse).backward()
        torch.nn.utils.clip_grad_value_(parameters, TRAIN.grad_clip or 1.0)
        optimizer.step()

    measure(benchmark, "train step", name, device, step)


@devices
@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.benchmark(max_time=0.5, min_rounds=3, warmup=False)
def test_whole_fit(benchmark: BenchmarkFixture, name: str, device: str) -> None:
    data = dataset(device)
    measure(
        benchmark,
        "whole fit",
        name,
        device,
        lambda: trainer.fit(make(name, device), data.train, data.valid, TRAIN, scope=get_spec(name).scope),
    )


@devices
@pytest.mark.parametrize("name", list_models())
@pytest.mark.benchmark(max_time=0.5, min_rounds=5, warmup=False)
def test_one_day(benchmark: BenchmarkFixture, name: str, device: str) -> None:
    data, model, scope = dataset(device), make(name, device), get_spec(name).scope
    if name in WHOLE:  # an unfitted one would have nothing to compute
        trainer.fit(model, data.train, data.valid, TRAIN, scope=scope)
    model.eval()
    day = Segment(data, DayRange(data.panel.n_days - 1, data.panel.n_days))

    @torch.no_grad()
    def scores() -> list[torch.Tensor]:
        return [model.score(batch) for batch in day.batches(STOCKS, scope=scope)]

    assert sum(map(len, scores())) == STOCKS
    measure(benchmark, "one day", name, device, scores)
