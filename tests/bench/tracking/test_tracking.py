"""Runs told to trackers: each trial once, whatever happens, and never at the cost of the run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_runs import SMALL, Answer, key_of_trial, run_cli

import bench
from bench.records.store import RunStore
from bench.tracking import Tracker, find_trackers, list_trackers, register_tracker, registry
from bench.tracking.content import RunContent, TrialContent, flat, trial_content
from bench.tracking.session import Session
from zoo.errors import ConfigError


class Diary(Tracker):
    """Writes down all that it is told, a line each, in `diary.jsonl` of the results folder."""

    def note(self, what: str, **more: Any) -> None:
        with (self.results / "diary.jsonl").open("a") as stream:
            stream.write(json.dumps({"what": what, **more}) + "\n")

    def open(self, run: RunContent) -> None:
        self.note("open", run=run.name, parameters=run.parameters)

    def knows(self, key: str, checksum: str) -> bool:
        return any(n.get("key") == key and n.get("checksum") == checksum for n in notes(self.results))

    def log_trial(self, trial: TrialContent) -> None:
        self.note("trial", key=trial.key, checksum=trial.checksum, name=trial.name, error=trial.error)

    def finish(self, run: RunContent) -> None:
        files = [path.name for path in run.files]
        self.note("finish", files=files, metrics={f"{m}/{n}": v for (m, n), v in run.metrics.items()})

    def stop(self) -> None:
        self.note("stop")


def notes(results: Path, *kinds: str) -> list[dict[str, Any]]:
    path = results / "diary.jsonl"
    told = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [note for note in told if not kinds or note["what"] in kinds]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Registers a tracker for the time of a test."""
    list_trackers()
    monkeypatch.setattr(registry, "_trackers", dict(registry._trackers))

    def add(name: str, tracker: type[Tracker], packages: tuple[str, ...] = ()) -> None:
        register_tracker(name, packages=packages)(type(tracker.__name__, (tracker,), {}))

    return add


def run_small(results: Path, *more: Any, seeds: int = 1, track: str = "diary") -> Answer:
    command = ("run", SMALL, "--models", "linear", "--jobs", "1", "--seeds", seeds, "--track", track)
    return run_cli(*command, "--results", results, *more)


def test_every_trial_is_told_once_and_a_resumed_run_tells_what_is_new(register, tmp_path):
    register("diary", Diary)
    assert run_small(tmp_path).code == 0
    assert [n["what"] for n in notes(tmp_path)] == ["open", "trial", "finish"]
    assert run_small(tmp_path).code == 0
    assert run_small(tmp_path, seeds=2).code == 0
    assert [n["name"] for n in notes(tmp_path, "trial")] == ["linear fold 0 seed 0", "linear fold 0 seed 1"]
    first = notes(tmp_path, "open")[0]
    assert first["parameters"]["train.max_epochs"] == 2
    last = notes(tmp_path, "finish")[-1]
    assert "comparison.md" in last["files"]
    store = RunStore.open(tmp_path, "small")
    table = bench.open("small", tmp_path).table
    assert last["metrics"]["linear/rank_ic"] == pytest.approx(table.loc["linear", "rank_ic"])
    assert last["metrics"]["linear/rank_ic_half"] == pytest.approx(table.loc["linear", "rank_ic_half"])
    assert {n["key"] for n in notes(tmp_path, "trial")} == set(store.keys())


def test_a_run_that_was_not_tracked_is_told_when_it_is_resumed_with_a_tracker(register, tmp_path):
    register("diary", Diary)
    command = ("run", SMALL, "--models", "linear", "--jobs", "1", "--seeds", "2", "--results", tmp_path)
    assert run_cli(*command).code == 0
    assert not notes(tmp_path)
    assert run_small(tmp_path, seeds=2).code == 0
    assert len(notes(tmp_path, "trial")) == 2


def test_a_trial_trained_anew_is_told_anew(register, tmp_path):
    register("diary", Diary)
    run_small(tmp_path)
    run_small(tmp_path, "--fresh")
    told = notes(tmp_path, "trial")
    assert len(told) == 2
    assert told[0]["key"] == told[1]["key"]


@pytest.mark.parametrize("method", ["open", "knows", "log_trial", "finish"])
def test_a_tracker_that_fails_is_one_warning_and_the_run_goes_on(register, tmp_path, method):
    def fail(self: Tracker, *_: Any) -> None:
        raise RuntimeError("the server is down\nsecond line")

    register("diary", Diary)
    register("broken", type("Broken", (Diary,), {method: fail}))
    answer = run_small(tmp_path, seeds=2, track="broken,diary")
    assert answer.code == 0, answer.err
    warnings = [line for line in answer.out.splitlines() if "warning: tracker" in line]
    assert len(warnings) == 1
    assert "tracker broken failed" in warnings[0]
    assert "RuntimeError: the server is down)" in warnings[0]
    assert "second line" not in answer.out
    assert len(RunStore.open(tmp_path, "small").keys()) == 2
    assert "finish" in [n["what"] for n in notes(tmp_path)], "the other tracker is told all"


def test_a_trial_that_fails_is_told_with_its_error_once_and_replaced_when_it_succeeds(register, plugin, tmp_path):
    register("diary", Diary)
    body = "def score(self, batch):\n    raise ValueError('no luck')"
    file = plugin("unlucky_tracked", body)
    command = ("--plugin", file, "--models", "unlucky_tracked,linear")
    results = tmp_path / "results"
    answer = run_small(results, *command)
    assert answer.code == 1
    told = {n["name"]: n["error"] for n in notes(results, "trial")}
    assert "no luck" in told["unlucky_tracked fold 0 seed 0"]
    assert told["linear fold 0 seed 0"] == ""


def test_an_interrupted_run_is_stopped_and_its_stored_trials_are_told(register, finished, tmp_path):
    register("diary", Diary)
    told: list[str] = []
    # The diary lies in the results folder, and that of the shared run is read only.
    results = Path(shutil.copytree(finished, tmp_path / "results"))
    session = Session(find_trackers("diary"), results, "small", told.append)

    def interrupted() -> None:
        with session:
            session.begin()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [n["what"] for n in notes(results)] == ["open", *["trial"] * 6, "stop"]
    assert told == []


def test_a_missing_package_is_one_line_with_the_command_that_installs_it_before_any_work(register, tmp_path):
    register("diary", Diary, ("no_such_package_here",))
    answer = run_small(tmp_path / "results")
    assert answer.code == 2
    assert answer.err.strip().endswith("pip install 'alpha-zoo[diary]'")
    assert "no_such_package_here" in answer.err
    assert len(answer.err.strip().splitlines()) == 1
    assert not (tmp_path / "results").exists()


def test_an_unknown_tracker_names_the_nearest(tmp_path):
    answer = run_small(tmp_path / "results", track="mlfow")
    assert answer.code == 2
    assert "no tracker 'mlfow' (did you mean 'mlflow'?)" in answer.err
    assert not (tmp_path / "results").exists()
    with pytest.raises(ConfigError, match="there are mlflow, tensorboard"):
        bench.compare("planted:local", ["linear"], track="wandb", results=tmp_path / "results")


def test_the_python_interface_tells_trackers_too(register, tmp_path):
    register("diary", Diary)
    data = "planted:local?stocks=20&days=200"
    bench.compare(
        data, ["linear"], config=SMALL, seeds=1, jobs=1, figures=False, progress=False, track="diary", results=tmp_path
    )
    assert len(notes(tmp_path, "trial")) == 1


def test_what_is_told_of_a_trial_is_what_its_record_says(finished):
    store = RunStore.open(finished, "small")
    key = key_of_trial(finished, "gru", 1)
    record, told = store.record(key), trial_content(store, key)
    assert record is not None
    assert told is not None
    history = record["fit"]["history"]
    assert told.epochs["train_loss"] == [(i, e["train_loss"]) for i, e in enumerate(history, 1)]
    assert told.epochs["valid_ic"] == [(i, e["valid_ic"]) for i, e in enumerate(history, 1)]
    assert told.metrics["rank_ic"] == pytest.approx(record["metrics"]["rank_ic"])
    assert told.metrics["rank_ic_low"] < told.metrics["rank_ic"] < told.metrics["rank_ic_high"]
    assert told.parameters["params.hidden_size"] == 4
    assert told.parameters["data.lookback"] == 5
    assert {"trial_key": key, "fold": "0", "seed": "1", "device": "cpu"}.items() <= told.tags.items()
    assert told.tags["version.torch"] == record["versions"]["torch"]
    assert trial_content(store, "0" * 16) is None


def test_nested_settings_become_dotted_keys():
    nested = {"a": {"b": 1, "c": {"d": "x"}}, "e": [1, 2], "f": None, "g": {}}
    assert dict(flat(nested)) == {"a.b": 1, "a.c.d": "x", "e": "[1, 2]", "f": "null", "g": "{}"}
