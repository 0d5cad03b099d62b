"""Runs under real faults: processes killed, models that fail, disks that fill."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runs import SMALL, key_of_trial, largest_file, run_cli, scores_of, start_cli, wait_for

from bench.records.store import RunStore
from bench.report.markdown import escape

ONE_SEED = [SMALL, "--seeds", "1"]

# Waits inside a training step until the file `go` lies beside the plugin; `pid` says who waits.
WAITS = """
def training_loss(self, batch, loss):
    here = Path(__file__).parent
    (here / "pid.part").write_text(str(os.getpid()))
    (here / "pid.part").rename(here / "pid")
    while not (here / "go").exists():
        torch.randn(60, 60) @ torch.randn(60, 60)
        time.sleep(0.01)
    return super().training_loss(batch, loss)
"""


def waiting_pid(plugin_file: Path) -> int:
    """The process that waits in the plugin's training step; forgets it, for the next wait."""
    path = plugin_file.with_name("pid")
    wait_for(path.exists)
    pid = int(path.read_text())
    path.unlink()
    return pid


def trial_names(results: Path) -> list[str]:
    """All names in the run's trials folder, hidden ones included."""
    return sorted(p.name for p in RunStore.open(results, "small").trials.iterdir())


def test_a_killed_worker_fails_its_trial_only_and_leaves_the_others_the_scores_of_a_single_process(
    finished, plugin, tmp_path
):
    file = plugin("killed_worker", WAITS)
    results = tmp_path / "results"
    command = ["run", SMALL, "--models", "killed_worker,gru,tcn", "--plugin", file, "--results", results]

    def kill_the_first() -> None:
        pid = waiting_pid(file)
        os.kill(pid, signal.SIGKILL)
        file.with_name("go").touch()

    killer = threading.Thread(target=kill_the_first, daemon=True)
    killer.start()
    broken = run_cli(*command, "--jobs", "2")
    killer.join()
    assert broken.code == 1
    # Which of its two trials begins first is up to the two workers.
    died = re.search(r"failed: killed_worker seed ([01]): the worker process died \(SIGKILL", broken.out)
    assert died, broken.out
    assert "7 trained, 0 stored, 1 failed" in broken.out
    report = (results / "comparison.md").read_text()
    assert "killed_worker (incomplete: 1 of 2 trials)" in report
    assert "the worker process died (SIGKILL" in report
    assert key_of_trial(results, "killed_worker", int(died[1])) not in trial_names(results)

    in_two, in_one = scores_of(results), scores_of(finished)
    assert len(in_one) == 6
    assert {key: in_two[key] for key in in_one} == in_one

    resumed = run_cli(*command, "--jobs", "1")
    assert resumed.code == 0, resumed.out
    assert "7 trial(s) are stored" in resumed.out, resumed.out
    assert "1 trained, 7 stored, 0 failed" in resumed.out, resumed.out
    assert "## Failures" not in (results / "comparison.md").read_text()


def test_ctrl_c_exits_130_and_a_second_process_is_kept_out_meanwhile(plugin, tmp_path):
    file = plugin("interrupted_two", WAITS)
    results = tmp_path / "results"
    # Linear first: it is stored by the time the other is interrupted.
    command = ["run", *ONE_SEED, "--models", "linear,interrupted_two", "--plugin", file, "--results", results]
    process = start_cli(*command, "--jobs", "2")
    worker = waiting_pid(file)
    wait_for(lambda: RunStore.open(results, "small").keys())

    second = run_cli(*command)
    assert second.code == 2
    assert "run 'small' is being run by another process" in second.err

    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 130, err
    assert "interrupted; finished trials are stored" in out
    assert "Traceback" not in out + err
    assert worker != process.pid
    wait_for(lambda: not Path(f"/proc/{worker}").exists())

    file.with_name("go").touch()
    resumed = run_cli(*command, "--jobs", "1")
    assert resumed.code == 0, resumed.out
    assert "1 trained, 1 stored, 0 failed" in resumed.out, resumed.out


@pytest.mark.parametrize("asked", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_and_sighup_end_a_run_and_its_workers_as_ctrl_c_does(plugin, tmp_path, asked):
    file = plugin(f"asked_to_end_{asked.name.lower()}", WAITS)
    results = tmp_path / "results"
    models = f"linear,{file.stem.removesuffix('_plugin')}"
    command = ["run", *ONE_SEED, "--models", models, "--plugin", file, "--results", results]
    process = start_cli(*command, "--jobs", "2")
    worker = waiting_pid(file)
    wait_for(lambda: RunStore.open(results, "small").keys())
    process.send_signal(asked)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 128 + asked, err
    assert "interrupted; finished trials are stored, the same command goes on from here" in out
    assert "Traceback" not in out + err
    wait_for(lambda: not Path(f"/proc/{worker}").exists())
    file.with_name("go").touch()
    resumed = run_cli(*command, "--jobs", "1")
    assert "1 trained, 1 stored, 0 failed" in resumed.out, resumed.out


def test_a_command_that_keeps_nothing_says_so_when_it_is_asked_to_end(tmp_path):
    process = start_cli("data", "convert", "planted:local?stocks=400&days=3000", tmp_path / "converted/")
    # Files of its own appear once its signals are taken.
    wait_for(lambda: list(tmp_path.iterdir()))
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=100)
    assert process.returncode == 128 + signal.SIGTERM, out + err
    assert "interrupted; nothing is half written, the same command starts again" in out
    assert "Traceback" not in out + err
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_is_ignored_stays_ignored_and_others_are_given_back():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run_cli("list").code == 0
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_run_interrupted_and_then_killed_in_the_same_process_as_its_trials_resumes(plugin, tmp_path):
    file = plugin("interrupted_one", WAITS)
    results = tmp_path / "results"
    command = ["run", *ONE_SEED, "--models", "linear,interrupted_one", "--plugin", file, "--results", results]
    process = start_cli(*command, "--jobs", "1")
    assert waiting_pid(file) == process.pid
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 130, err
    assert "interrupted; finished trials are stored" in out
    assert "Traceback" not in out + err

    process = start_cli(*command, "--jobs", "1")
    waiting_pid(file)
    process.kill()
    process.communicate()
    assert trial_names(results) == [key_of_trial(results, "linear")]

    file.with_name("go").touch()
    resumed = run_cli(*command, "--jobs", "1")
    assert resumed.code == 0, resumed.out
    assert "1 trained, 1 stored, 0 failed" in resumed.out, resumed.out


def run_with(plugin: Callable[[str, str], Path], name: str, body: str, results: Path):
    """A run of a plugin model and the baseline; checks that it alone failed and that the report names it."""
    command = ["run", *ONE_SEED, "--models", name, "--plugin", plugin(name, body), "--results", results, "--jobs", "1"]
    answer = run_cli(*command)
    assert answer.code == 1, answer.out + answer.err
    assert "1 trained, 0 stored, 1 failed" in answer.out
    report = (results / "comparison.md").read_text()
    assert f"| {name} (failed: 0 of 1 trials)" in report
    assert "Linear has the highest mean Rank IC" in report
    assert "Traceback" not in answer.out + answer.err + report
    failure = RunStore.open(results, "small").failure(key_of_trial(results, name))
    assert failure is not None
    assert escape(failure["error"]) in report
    return failure


def test_a_model_that_raises_fails_alone_and_its_traceback_is_kept(plugin, tmp_path):
    body = "def training_loss(self, batch, loss):\n    raise KeyError('no such thing')"
    failure = run_with(plugin, "raises", body, tmp_path)
    assert failure["error"] == "KeyError: 'no such thing'"
    assert "raises_plugin.py" in failure["details"]


def test_a_model_that_leaves_the_program_fails_alone(plugin, tmp_path):
    body = "def training_loss(self, batch, loss):\n    sys.exit(3)"
    assert run_with(plugin, "leaves", body, tmp_path)["error"] == "SystemExit: 3"


def test_a_model_that_diverges_says_at_which_learning_rate(plugin, tmp_path):
    body = "def training_loss(self, batch, loss):\n    return super().training_loss(batch, loss) * float('nan')"
    failure = run_with(plugin, "diverges", body, tmp_path)
    assert "training loss became nan" in failure["error"]
    assert "train.lr 0.002" in failure["error"]
    assert failure["details"] == ""


def test_a_model_without_finite_scores_is_not_ranked_among_those_that_have(plugin, tmp_path):
    body = """
def score(self, batch):
    scores = super().score(batch)
    return scores if self.training else torch.where(batch.stock % 2 == 0, scores, torch.nan)
"""
    assert run_with(plugin, "half_silent", body, tmp_path)["error"].endswith("test scores are not finite numbers")


def test_a_model_of_the_wrong_output_shape_fails_alone(plugin, tmp_path):
    body = "def score(self, batch):\n    return torch.zeros(len(batch) + 1, requires_grad=True)"
    run_with(plugin, "wrong_shape", body, tmp_path)


def test_a_constant_model_is_reported_without_a_correlation(plugin, tmp_path):
    body = "def forward(self, x, *, day=None, concepts=None):\n    return self.head(x[:, -1])[:, 0] * 0"
    command = ["run", *ONE_SEED, "--models", "constant", "--plugin", plugin("constant", body), "--jobs", "1"]
    answer = run_cli(*command, "--results", tmp_path)
    assert answer.code == 0, answer.err
    report = (tmp_path / "comparison.md").read_text()
    assert "Linear has the highest mean Rank IC" in report
    assert "nan" not in report


def test_a_full_disk_fails_the_trial_with_a_clear_message_and_leaves_no_part_of_it(tmp_path):
    command = ["run", *ONE_SEED, "--models", "gru", "--jobs", "1", "--results", tmp_path]
    with largest_file(4500):
        answer = run_cli(*command)
    assert answer.code in (1, 2)
    assert "gru seed 0: FAILED: " in answer.out
    assert "File too large" in answer.out
    assert "Traceback" not in answer.out + answer.err
    assert trial_names(tmp_path) == []
    resumed = run_cli(*command)
    assert resumed.code == 0
    assert "2 trained, 0 stored, 0 failed" in resumed.out, resumed.out


def test_a_disk_too_full_to_begin_is_one_message(tmp_path):
    with largest_file(100):
        answer = run_cli("run", *ONE_SEED, "--models", "linear", "--jobs", "1", "--results", tmp_path)
    assert answer.code == 2
    assert answer.err.startswith("error: ")
    assert "File too large" in answer.err
    assert "Traceback" not in answer.err
