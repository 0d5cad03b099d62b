"""`bench.compare`: the same trials as the command, from files, frames and panels."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from cli_runs import SMALL, run_cli, write_prices

import bench
import zoo
from bench.records.store import RunStore
from zoo.errors import ZooError

ROOT = Path(__file__).parents[3]
QUICKLY: dict[str, Any] = {"seeds": 1, "jobs": 1, "figures": False, "progress": False}


def planned(results: Path, name: str) -> set[str]:
    """The keys of the trials that a run consists of."""
    return {trial["key"] for trial in RunStore.open(results, name).run()["trials"]}


def written(results: Path, name: str) -> dict[str, int]:
    """When each trial was stored, by key."""
    return {p.parent.name: p.stat().st_mtime_ns for p in results.glob(f"runs/{name}/trials/*/record.json")}


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_prices(tmp_path_factory.mktemp("prices") / "prices.csv")


@pytest.fixture(scope="module")
def from_file(prices: Path) -> Path:
    """Results folder of a run of the command on the file. Read only."""
    results = prices.parent / "by_command"
    answer = run_cli("run", "--data", prices, "--models", "linear", "--seeds", "1", "--jobs", "1", "--results", results)
    assert answer.code == 0, answer.err
    return results


def test_the_same_settings_are_the_same_trials_as_those_of_the_command(own_copy):
    before = written(own_copy, "small")
    result = bench.compare(config=SMALL, models=["gru", "tcn"], results=own_copy, jobs=1, figures=False, progress=False)
    assert result.name == "small"
    assert written(own_copy, "small") == before


def test_keywords_change_what_the_same_keys_change_in_the_command(tmp_path):
    settings = ["train.max_epochs=1", "data.lookback=4", "data.label.horizon=2", "baseline=mlp", "portfolio.topk=3"]
    answer = run_cli(
        *("run", SMALL, "--models", "linear", "--seeds", "0,3", "--jobs", "1", "--results", tmp_path),
        *(part for setting in settings for part in ("--set", setting)),
    )
    assert answer.code == 0, answer.err
    before = written(tmp_path, "small")
    assert len(before) == 4
    keywords: dict[str, Any] = {"train": {"max_epochs": 1}, "lookback": 4, "label": {"horizon": 2}, "baseline": "mlp"}
    keywords |= {"portfolio": {"topk": 3}, "results": tmp_path}
    bench.compare(config=SMALL, models="linear", **{**QUICKLY, **keywords, "seeds": [0, 3]})
    assert written(tmp_path, "small") == before


@pytest.mark.parametrize(
    "given",
    [
        lambda file: file,
        lambda file: pd.read_csv(file),
        lambda file: pd.read_csv(file, parse_dates=["date"]).set_index(["date", "symbol"]),
        zoo.load_panel,
    ],
    ids=["path", "frame", "indexed frame", "panel"],
)
def test_a_file_and_what_is_read_from_it_are_the_same_trials(prices, from_file, tmp_path, given):
    result = bench.compare(given(prices), "linear", results=tmp_path, **QUICKLY)
    assert planned(tmp_path, result.name) == planned(from_file, "prices")
    assert result.table["rank_ic"].tolist() == bench.open("prices", from_file).table["rank_ic"].tolist()


def test_a_frame_is_kept_once_and_its_trials_too(prices, tmp_path):
    frame = pd.read_csv(prices).assign(mood=0.5)
    first = bench.compare(frame, "linear", name="mine", results=tmp_path, **QUICKLY)
    before = written(tmp_path, "mine")
    again = bench.compare(frame.copy(), "linear", name="mine", results=tmp_path, **QUICKLY)
    (kept,) = (tmp_path / "data").iterdir()
    assert kept.name.startswith("mine-")
    # Columns that nobody reads today are kept, too.
    assert pd.read_parquet(kept)["mood"].eq(0.5).all()
    assert (first.name, again.name, written(tmp_path, "mine")) == ("mine", "mine", before)


def test_other_data_under_the_name_of_a_run_are_refused(prices, tmp_path):
    frame = pd.read_csv(prices)
    bench.compare(frame, "linear", name="mine", results=tmp_path, **QUICKLY)
    with pytest.raises(ZooError, match="holds other data"):
        bench.compare(frame[frame["symbol"] != "S0"], "linear", name="mine", results=tmp_path, **QUICKLY)


def test_a_panel_keeps_the_members_that_it_states(prices, tmp_path):
    panel = zoo.load_panel(prices)
    member = panel.member.copy()
    member[::2, :3] = False
    result = bench.compare(zoo.Panel(panel.days, panel.symbols, panel.fields, panel.values, member), "linear",
                           name="few", results=tmp_path, **QUICKLY)  # fmt: skip
    scored = result.predictions.index
    place = (
        np.searchsorted(panel.days, scored.get_level_values(0).values.astype("datetime64[D]")),
        np.searchsorted(panel.symbols, scored.get_level_values(1).to_numpy(dtype=str)),
    )
    assert member[place].all()
    assert result.models["linear"].predict(panel, start=str(panel.days[-1])).size == panel.n_stocks


def test_the_recorded_command_finds_every_trial_stored(prices, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models = {"linear": None, "gru": {"params": {"hidden_size": 4}, "train": {"max_epochs": 1}}}
    frame = pd.read_csv(prices)
    result = bench.compare(frame, models, lookback=5, start="2020-01-06", train={"lr": 1e-5}, note="a note", **QUICKLY)
    python, dash, package, *arguments = shlex.split(RunStore.open(Path("results"), result.name).run()["command"])
    assert (python, dash, package) == ("python", "-m", "bench")
    answer = run_cli(*arguments)
    assert answer.code == 0, answer.err
    assert "nothing to train" in answer.out


SCRIPT = """
import numpy as np, pandas as pd
import bench
noise = np.random.default_rng(0).normal(0, 0.02, (600, 50))
days, names = pd.bdate_range("2020-01-01", periods=600), [f"S{i:02}" for i in range(50)]
close = pd.DataFrame(50 * np.exp(noise.cumsum(axis=0)), days, names)
result = bench.compare(close, models=["linear", "gru"], seeds=1, train={"max_epochs": 1}, figures=False, jobs=2)
print("VERDICT", result.verdict)
print(result.table["rank_ic"])
"""


def test_ten_lines_of_a_script_lead_from_a_frame_to_verdict_and_table(tmp_path):
    # Not guarded by `if __name__ == "__main__"`, and yet with workers.
    script = tmp_path / "ten.py"
    script.write_text(SCRIPT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    before, _, after = done.stdout.partition("VERDICT ")
    assert "[2/2]" in before
    assert "has the highest mean Rank IC" in after
    assert "linear" in after


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"lookbak": 5}, "unknown setting 'lookbak' (did you mean 'lookback'?)"),
        ({"train": {"lrr": 1}}, "compare(): unknown key 'train.lrr' (did you mean 'lr'?)"),
        ({"lookback": 0}, "compare(): 'data.lookback'"),
        ({"models": ["grru"]}, "no model 'grru' (did you mean 'gru'?)"),
        ({"models": {"grru": {"params": {"hidden_size": 4}}}}, "no model 'grru' (did you mean 'gru'?)"),
        ({"seeds": 0}, "at least one seed"),
        ({"seeds": 1.5}, "must be a count (3) or a list"),
        ({"jobs": "many"}, "must be auto or a number"),
        ({"plugins": "missing.py"}, "plugin missing.py does not exist"),
        ({"config": "ful"}, "(did you mean 'full'?)"),
        ({"data": [1, 2]}, "data is a list"),
        ({"data": "missing.csv"}, "missing.csv"),
        ({"data": pd.DataFrame({"date": ["2020-01-01"], "symbol": ["A"]})}, "frame"),
        ({"executor": "threads"}, "executor 'threads'"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_do(keywords, message, tmp_path):
    with pytest.raises(ZooError) as refused:
        bench.compare(**{**QUICKLY, "results": tmp_path, **keywords})
    assert message in str(refused.value)
    assert "Traceback" not in str(refused.value)
    assert not (tmp_path / "runs").exists()


def test_a_plugin_that_was_changed_is_trained_anew(plugin, tmp_path):
    keywords = {**QUICKLY, "config": SMALL, "models": "edited", "results": tmp_path}
    file = plugin("edited", "half = 0.5")
    for body in ("half = 0.5", "half = 0.25"):
        plugin("edited", body)
        bench.compare(plugins=file, **keywords)
    # Two of the model; the baseline is trained once.
    assert len(written(tmp_path, "small")) == 3
