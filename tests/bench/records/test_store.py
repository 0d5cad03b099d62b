from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import largest_file

from bench.records.documents import read_json, write_atomic
from bench.records.store import RunStore, key_of
from zoo.errors import ConfigError, DataError

KEY = "0123456789abcdef"


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "results", "a")


def put(store: RunStore, text: str = "numbers", key: str = KEY) -> None:
    """Store a trial of two files."""

    def fill(folder: Path) -> None:
        (folder / "daily.parquet").write_text(text)
        (folder / "scores.parquet").write_text(text)

    store.write_trial({"key": key, "model": "gru"}, fill)


def names(folder: Path) -> set[str]:
    """All names of a folder, hidden ones included."""
    return {p.name for p in folder.iterdir()}


def test_a_stored_trial_is_done_and_lists_the_checksum_of_each_file(store):
    put(store)
    assert store.is_done(KEY)
    assert store.keys() == [KEY]
    assert set(store.record(KEY)["files"]) == {"daily.parquet", "scores.parquet"}
    assert names(store.trials) == {KEY}


def test_a_stored_trial_can_be_read_by_others(store):
    put(store)
    assert store.trial_folder(KEY).stat().st_mode & 0o055 == 0o055


@pytest.mark.parametrize("file", ["daily.parquet", "scores.parquet"])
@pytest.mark.parametrize("damage", ["truncate", "alter", "delete"])
def test_a_damaged_file_makes_a_trial_undone(store, file, damage):
    put(store)
    path = store.trial_folder(KEY) / file
    if damage == "truncate":
        path.write_text("numb")
    elif damage == "alter":
        path.write_text("numberz")
    else:
        path.unlink()
    assert not store.is_done(KEY)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"key": "0123456789abcdef"}', '{"key": "ffff", "files": {}}', "\x00" * 40]
)
def test_a_damaged_record_makes_a_trial_undone(store, text):
    put(store)
    (store.trial_folder(KEY) / "record.json").write_text(text)
    assert not store.is_done(KEY)


def test_a_record_copied_under_another_key_is_not_that_trial(store):
    put(store)
    store.trial_folder(KEY).rename(store.trial_folder("f" * 16))
    assert not store.is_done("f" * 16)


def test_an_error_while_writing_leaves_nothing(store):
    def fill(folder: Path) -> None:
        (folder / "daily.parquet").write_text("numbers")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.write_trial({"key": KEY}, fill)
    assert names(store.trials) == set()


def test_a_full_disk_leaves_nothing_and_keeps_what_was_stored(store):
    put(store, "old")
    with largest_file(1000), pytest.raises(DataError, match="File too large"):
        put(store, "n" * 5000)
    assert names(store.trials) == {KEY}
    assert store.is_done(KEY)
    assert (store.trial_folder(KEY) / "daily.parquet").read_text() == "old"


def test_a_full_disk_at_the_record_itself_leaves_nothing(store):
    with largest_file(150), pytest.raises(DataError, match="File too large"):
        put(store, "n" * 100)
    assert names(store.trials) == set()


def test_storing_again_replaces_the_trial(store):
    put(store, "old")
    put(store, "new")
    assert store.is_done(KEY)
    assert (store.trial_folder(KEY) / "daily.parquet").read_text() == "new"


def test_success_removes_the_failure(store):
    store.write_failure(KEY, {"model": "gru", "error": "no luck"})
    assert store.failure(KEY)["error"] == "no luck"
    put(store)
    assert store.failure(KEY) is None


def test_a_process_killed_while_writing_leaves_no_trial_and_the_sweep_clears_its_remains(store):
    code = f"""
import os, signal
from pathlib import Path
from bench.records.store import RunStore
def fill(folder):
    (folder / "daily.parquet").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
RunStore(Path({str(store.results)!r}), "a").write_trial({{"key": {KEY!r}}}, fill)
"""
    root = str(Path(__file__).parents[3])
    died = subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": root}, check=False)
    assert died.returncode == -signal.SIGKILL
    assert len(names(store.trials)) == 1
    assert store.keys() == []
    assert not store.is_done(KEY)
    put(store, key="f" * 16)
    store.sweep()
    assert names(store.trials) == {"f" * 16}


def test_an_atomic_write_keeps_the_old_text_when_it_fails(tmp_path):
    path = tmp_path / "run.json"
    write_atomic(path, "old")
    with largest_file(100), pytest.raises(OSError, match="File too large"):
        write_atomic(path, "x" * 1000)
    assert path.read_text() == "old"
    assert names(tmp_path) == {"run.json"}


@pytest.mark.parametrize("text", ["", "{", "[1]", "7"])
def test_reading_damaged_json_finds_nothing(tmp_path, text):
    path = tmp_path / "run.json"
    assert read_json(path).state == "missing"
    path.write_text(text)
    assert read_json(path).state == "damaged"
    assert read_json(path).content is None


def test_text_that_is_not_utf8_is_damaged_json(tmp_path):
    (tmp_path / "run.json").write_bytes(b'{"a": "\xff"}')
    assert read_json(tmp_path / "run.json").state == "damaged"


def test_opening_names_the_nearest_run(store):
    store.write_run({"name": "a"})
    RunStore(store.results, "weekly").write_run({})
    with pytest.raises(ConfigError, match=r"no run 'weekyl'.*did you mean 'weekly'.*there are a, weekly"):
        RunStore.open(store.results, "weekyl")


@pytest.mark.parametrize("name", ["../a", "..", ".", "", "/etc"])
def test_a_run_outside_the_results_folder_cannot_be_opened(store, name):
    store.write_run({"name": "a"})
    with pytest.raises(ConfigError, match="no run"):
        RunStore.open(store.results, name)


def test_a_damaged_run_description_says_what_to_do(store):
    store.write_run({"name": "a"})
    (store.folder / "run.json").write_text("{")
    with pytest.raises(ConfigError, match=r"run\.json is damaged .*remove it and give the run's command again"):
        store.run()


def test_keys_do_not_depend_on_the_order_of_settings_but_on_every_value():
    assert key_of({"a": 1, "b": 2}) == key_of({"b": 2, "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 1.5})
    assert key_of("a", "b") != key_of("ab")
    assert len(key_of()) == 16
    assert int(key_of(), 16) >= 0
