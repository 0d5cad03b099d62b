"""CONTRIBUTING's "Add a metric", carried out: its file, its commands, from a folder outside the package."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cli_runs import run_cli

from bench.metrics import Scored, list_metrics, metric, registry
from bench.records.store import RunStore
from zoo.registry import load_plugin

ROOT = Path(__file__).parents[3]
GUIDE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Add a metric\n")[2].partition("\n## ")[0]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Holds the guide's Python block as `hit_rate.py`; the registry forgets what a test loads from it."""
    list_metrics()
    monkeypatch.setattr(registry, "_metrics", dict(registry._metrics))
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    (tmp_path / "hit_rate.py").write_text(block, encoding="utf-8")
    return tmp_path


def printed(verb: str) -> list[str]:
    """The arguments of the guide's command of this verb."""
    (line,) = re.findall(rf"`python -m bench ({verb} [^`]*)`", GUIDE)
    return shlex.split(line)


def test_the_guide_has_five_steps():
    assert re.findall(r"^(\d)\. ", GUIDE, re.MULTILINE) == ["1", "2", "3", "4", "5"]


def test_the_printed_metric_is_right_on_a_day_by_hand(folder: Path):
    load_plugin("hit_rate.py")
    # Means 2.5 and 0: the first two names are on the same side of both, the last two are not; two have no label.
    score, label = np.array([[1.0, 4, 2, 3, 9, 9]]), np.array([[-1.0, 2, 1, -2, np.nan, np.nan]])
    assert metric("hit_rate").series(Scored(score, label, label)).tolist() == [0.5]
    assert np.isnan(metric("hit_rate").series(Scored(score[:, 3:], label[:, 3:], label[:, 3:]))[0])


def test_the_printed_metric_is_in_the_frame_the_report_the_page_and_the_json_by_the_printed_commands(folder: Path):
    ran = run_cli(*printed("run"))
    assert ran.code == 0, ran.err
    for lang in ("en", "zh"):
        answer = run_cli(*printed("report"), "--no-figures", "--lang", lang)
        assert answer.code == 0, answer.err
        definition = metric("hit_rate").definition
        report, page = (
            Path("results", "runs", "hits", f"comparison.{kind}").read_text(encoding="utf-8") for kind in ("md", "html")
        )
        assert definition in report
        assert "hit rate" in page
    store = RunStore.open(folder / "results", "hits")
    frame = pd.read_parquet(store.folder / "leaderboard.parquet").set_index("model")
    assert {"hit_rate", "hit_rate_half", "hit_rate_seed_sd"} < set(frame)
    assert frame.loc["linear", "hit_rate"] > 0.5
    document = json.loads((store.folder / "final_report.json").read_text(encoding="utf-8"))
    (row,) = [r for r in document["results"] if r["model"] == "linear"]
    assert row["hit_rate"] == pytest.approx(frame.loc["linear", "hit_rate"])
    assert all("hit_rate" in trial["metrics"] for model in document["models"] for trial in model["trials"])
    verified = run_cli(*printed("report"), "--verify", "--lang", "zh")
    assert "every statement holds" in verified.out, verified.out
    trial = run_cli("show", f"hits/{store.keys()[0]}")
    assert re.search(r"^hit rate +\+?0\.\d{4} \[", trial.out, re.MULTILINE), trial.out
