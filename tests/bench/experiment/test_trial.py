"""A trial in a process of its own: killed in the middle it goes on, and its clock starts warm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from bench.records.store import RunStore

ROOT = Path(__file__).parents[3]
PROGRAM = """
import json, os, signal, sys
from pathlib import Path
from bench.experiment.config import load_config
from bench.experiment.plan import make_plan
from bench.experiment.trial import run_trial
from bench.records.machine import torch_threads
from bench.records.store import RunStore

folder, model, epochs_to_live, times = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
data = {"data.source": "planted:local?stocks=12&days=240", "data.lookback": 8, "train.max_epochs": 4}
trial = make_plan(load_config(None, data), model).trials[0]
epochs = []

def on_epoch(epoch):
    epochs.append(epoch.epoch)
    if len(epochs) > epochs_to_live:
        os.kill(os.getpid(), signal.SIGKILL)

with torch_threads(1):
    for _ in range(times):
        record = run_trial(trial, RunStore(Path(folder), "one"), on_epoch, snapshot_every=0)
        print(json.dumps({"key": trial.key, "seconds": record["fit"]["seconds"], "here": epochs}))
"""


def run(folder: Path, model: str, *, epochs_to_live: int = 99, times: int = 1) -> subprocess.CompletedProcess[str]:
    """Run a trial of four epochs in a process that kills itself after some of them."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder), model, str(epochs_to_live), str(times)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_trial_killed_between_two_epochs_goes_on_from_the_last_and_ends_with_the_same_bits(tmp_path):
    model = "gru"  # That the state of every network is whole is tested of the trainer.
    undisturbed = json.loads(run(tmp_path / "whole", model).stdout)
    killed = run(tmp_path / "killed", model, epochs_to_live=1)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    store = RunStore(tmp_path / "killed", "one")
    assert [p.name for p in store.unfinished.iterdir()] == [undisturbed["key"]]
    again = json.loads(run(tmp_path / "killed", model).stdout)
    # The epoch that the kill cut off before its state was stored is trained again; those before it are not.
    assert again["here"] == undisturbed["here"][1:]
    assert not list(store.unfinished.iterdir())
    scores = [tmp_path / name / "runs/one/trials" / again["key"] / "scores.parquet" for name in ("whole", "killed")]
    assert scores[0].read_bytes() == scores[1].read_bytes()


def test_the_first_trial_of_a_process_takes_no_longer_than_the_second(tmp_path):
    answer = run(tmp_path, "gru", times=2)
    assert answer.returncode == 0, answer.stderr
    first, second = (json.loads(line)["seconds"] for line in answer.stdout.splitlines())
    # Without the warm-up: 1.8 s and 0.2 s. Wide, as the machine may be busy.
    assert first < 3 * second + 0.3
