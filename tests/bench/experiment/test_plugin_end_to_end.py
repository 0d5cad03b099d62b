"""CONTRIBUTING's "Add a model" and "Add a market", carried out: files and commands, outside the package."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_runs import run_cli

from bench.experiment.config import load_config
from bench.experiment.plan import entry_of, models_of
from bench.records.store import RunStore
from bench.speed.scaling import Sweep, measure_scaling
from zoo import registry
from zoo.data.sources.planted import registry as markets

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MODEL = GUIDE.partition("## Add a model\n")[2].partition("\n## ")[0]


MARKET = GUIDE.partition("## Add a market\n")[2].partition("\n## ")[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Holds the guide's Python blocks as they stand; the registries forget what a test loads from them."""
    registry.list_models()
    markets.list_markets()
    monkeypatch.setattr(registry, "_specs", dict(registry._specs))
    monkeypatch.setattr(markets, "_markets", dict(markets._markets))
    monkeypatch.chdir(tmp_path)
    for text in (MODEL, MARKET):
        (file,) = re.findall(r"^1\. Write `(\w+\.py)`", text, re.MULTILINE)
        (block,) = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        (tmp_path / file).write_text(block, encoding="utf-8")
    return tmp_path


def printed_arguments(verb: str, text: str = MODEL) -> list[str]:
    """Those of the guide's command of this verb."""
    (line,) = re.findall(rf"`python -m bench ({verb} [^`]*)`", text)
    return shlex.split(line)


@pytest.mark.parametrize("text", [MODEL, MARKET])
def test_the_guide_has_five_steps_and_stays_short(text: str) -> None:
    assert re.findall(r"^(\d)\. ", text, re.MULTILINE) == ["1", "2", "3", "4", "5"]
    assert len(text.splitlines()) <= 60


def test_the_printed_model_runs_end_to_end_by_the_printed_command(folder: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "bench", *printed_arguments("run")]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    store = RunStore.open(folder / "results", "planted-local-stocks-20-days-200")
    keys = store.keys()
    records = [record for key in keys if (record := store.record(key)) is not None]
    mine = [record for record in records if record["model"] == "my_model"]
    assert sorted(record["seed"] for record in mine) == [0, 1, 2]
    assert mine[0]["params"] == {"hidden_size": 16}, "as declared for the quick size"
    scores = pd.read_parquet(store.trial_folder(mine[0]["key"]) / "scores.parquet")
    assert np.isfinite(scores["score"].to_numpy()).all()
    assert "my_model" in (folder / "results" / "comparison.md").read_text(encoding="utf-8")


def test_the_printed_model_is_described_by_the_printed_command(folder: Path) -> None:
    described = run_cli(*printed_arguments("describe"), "--figure", "my_model.svg")
    assert described.code == 0, described.err
    assert (folder / "my_model.svg").is_file()
    listed = run_cli("list", "my_model", "--plugin", "my_model.py")
    assert "width of a day's embedding" in listed.out


def test_the_printed_model_passes_the_tests_of_every_model(folder: Path) -> None:
    tests = ROOT / "tests" / "zoo" / "test_every_model.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)]
    command += ["--plugin", str(folder / "my_model.py"), "-k", "my_model"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) > 20, "learning, no look-ahead, same bits, any shape, ..."


def test_the_printed_files_are_in_the_capture_matrix_without_an_entry_and_say_their_cost(folder: Path) -> None:
    for file in ("my_model.py", "gap.py"):
        registry.load_plugin(folder / file)
    config = load_config("planted")
    assert config.markets[-2:] == ["null", "peer_volume"]
    assert "my_model" in models_of(config)
    assert entry_of("my_model", config)[0] == {"hidden_size": 16}
    assert "Cost of a day in theory: T in the lookback T, N in N stocks." in run_cli("describe", "my_model").out
    sizes = Sweep(lookbacks=(5, 10), stocks=(10, 20), rounds=1, seconds=0.0)
    entries = measure_scaling(load_config("quick"), ["my_model"], "cpu", sizes, call_here, print)
    assert [(label, entry["complexity"]) for label, entry in entries] == [("my_model", ("T", "N"))]


def call_here(function: Any, *arguments: Any) -> Any:
    return function(*arguments)


def test_the_printed_market_runs_end_to_end_by_the_printed_commands(folder: Path) -> None:
    checked = run_cli(*printed_arguments("check", MARKET))
    assert checked.code == 0, checked.err
    ran = run_cli(*printed_arguments("run", MARKET))
    assert ran.code == 0, ran.err
    run = RunStore.open(folder / "results", "gap").run()
    assert run["market"]["tests"] == "relations seen through volume"
    report = (folder / "results" / "runs" / "gap" / "comparison.md").read_text(encoding="utf-8")
    assert "planted:peer_volume" in report
    assert "capture" in report
    listed = run_cli("data", "plant", "--plugin", "gap.py")
    assert "peer_volume: reads yesterday's change of volume of the concept peers; tests relations" in listed.out
    assert listed.out.startswith("local: reads ")
