"""CONTRIBUTING's "Add a model", carried out: its file, its commands, from a folder outside the package."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_runs import run_cli

from bench.records.store import RunStore
from zoo import registry

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MODEL = GUIDE.partition("## Add a model\n")[2].partition("\n## ")[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Holds the guide's Python block as `my_model.py`; the registry forgets what a test loads from it."""
    registry.list_models()
    monkeypatch.setattr(registry, "_specs", dict(registry._specs))
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```python\n(.*?)^```$", MODEL, re.MULTILINE | re.DOTALL)
    (tmp_path / "my_model.py").write_text(block, encoding="utf-8")
    return tmp_path


def printed_arguments(verb: str) -> list[str]:
    """Those of the guide's command of this verb."""
    (line,) = re.findall(rf"`python -m bench ({verb} [^`]*)`", MODEL)
    return shlex.split(line)


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


def test_the_guide_stays_short() -> None:
    assert len(MODEL.splitlines()) <= 60
