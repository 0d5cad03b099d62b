"""Small runs through the command line, in this process, shared by the tests of `bench`."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runs import SMALL, Answer, run_cli

from bench.experiment.presets import CONFIGS
from bench.metrics import list_metrics
from bench.metrics import registry as metric_registry
from zoo import registry


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answer]:
    """Results folder and output of run `small`: gru, tcn and the baseline linear, seeds 0 and 1, one job. Read only."""
    results = tmp_path_factory.mktemp("finished")
    answer = run_cli("run", SMALL, "--models", "gru,tcn", "--jobs", "1", "--results", results)
    assert answer.code == 0, answer.err
    return results, answer


@pytest.fixture(scope="session")
def finished(finished_once: tuple[Path, Answer]) -> Path:
    """The results folder of run `small`. Read only."""
    return finished_once[0]


@pytest.fixture
def own_copy(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished results folder, to damage."""
    return Path(shutil.copytree(finished, tmp_path / "results"))


@pytest.fixture(scope="session")
def planted_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results folder of a capture matrix of linear and lightgbm on all planted markets, small. Read only."""
    results = tmp_path_factory.mktemp("planted")
    config = CONFIGS / "planted.yaml"
    source = "data.source=planted:mixed?stocks=20&days=240"
    answer = run_cli(
        *("run", config, "--models", "linear,lightgbm", "--set", source, "--seeds", "1"),
        # Each of the seven runs would start workers of its own, which take longer to start than to train.
        *("--jobs", "1", "--results", results),
    )
    assert answer.code == 0, answer.err
    return results


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Writes a plugin model of the given name and class body; the registry forgets it after the test.

    A name must be used by one test only: the source hash of a model is kept for the life of the process.
    """
    registry.list_models()
    monkeypatch.setattr(registry, "_specs", dict(registry._specs))

    def write(name: str, body: str) -> Path:
        lines = "".join(f"    {line}\n" if line else "\n" for line in body.strip("\n").splitlines())
        file = tmp_path / f"{name}_plugin.py"
        file.write_text(HEADER.format(name=name) + lines)
        return file

    return write


@pytest.fixture
def plugin_metric(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Writes (again) a plugin metric of the given name and formula; the registry forgets it after the test."""
    list_metrics()
    monkeypatch.setattr(metric_registry, "_metrics", dict(metric_registry._metrics))

    def write(name: str, formula: str) -> Path:
        file = tmp_path / f"{name}_metric.py"
        file.write_text(METRIC.format(name=name, formula=formula))
        return file

    return write


METRIC = """
from __future__ import annotations

import numpy as np

from bench.metrics import Scored, register_metric


@register_metric("{name}", title="my {name}", definition="what {name} is.", unit="%")
def daily(day_scores: Scored) -> np.ndarray:
    return {formula}
"""

HEADER = """
from __future__ import annotations

import os, signal, sys, time
from pathlib import Path

import torch

from zoo.network import Network
from zoo.registry import register_model


@register_model("{name}", title="{name}", paper="a test")
class Plugin(Network):
    def __init__(self, *, n_features: int, lookback: int) -> None:
        super().__init__()
        self.head = torch.nn.Linear(n_features, 1)

    def forward(self, x, *, day=None, concepts=None):
        return self.head(x[:, -1])[:, 0]

"""
