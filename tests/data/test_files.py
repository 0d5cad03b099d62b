"""Files and directories that are replaced: whole at every moment, and nothing left by those who were killed."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from zoo.data import files
from zoo.data.files import whole_directory, whole_file


def dead_pid() -> int:
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def fill(path: Path, text: str) -> None:
    with whole_directory(path) as folder:
        (folder / "a").write_text(text)


def test_a_directory_that_is_replaced_is_never_absent(tmp_path):
    if not sys.platform.startswith(("linux", "darwin")):
        pytest.skip("this system cannot exchange two directories")
    path, absent, done = tmp_path / "data", [], threading.Event()
    fill(path, "0")

    def look() -> None:
        while not done.is_set():
            if not (path / "a").exists():
                absent.append(1)

    looking = threading.Thread(target=look)
    looking.start()
    for k in range(300):
        fill(path, str(k))
    done.set()
    looking.join()
    assert not absent
    assert (path / "a").read_text() == "299"
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_where_directories_cannot_be_exchanged_they_are_replaced_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_swapped", lambda a, b: False)
    fill(tmp_path / "data", "old")
    fill(tmp_path / "data", "new")
    assert (tmp_path / "data" / "a").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["data"]


def test_what_killed_writers_have_left_goes_and_what_living_ones_write_stays(tmp_path):
    dead, living = dead_pid(), subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    (tmp_path / f".part-{dead}-x.csv").write_text("half")
    (tmp_path / f".part-{dead}-other.csv").write_text("half of another file")
    (tmp_path / f".part-{living.pid}-x.csv").write_text("half")
    with whole_file(tmp_path / "x.csv") as temporary:
        temporary.write_text("all")
    living.communicate()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        ["x.csv", f".part-{dead}-other.csv", f".part-{living.pid}-x.csv"]
    )


def test_an_old_directory_whose_successor_never_came_is_put_back_first(tmp_path):
    (tmp_path / f".old-{dead_pid()}-data").mkdir()
    (tmp_path / next(tmp_path.iterdir()).name / "a").write_text("old")
    with pytest.raises(ValueError, match="stopped"), whole_directory(tmp_path / "data"):
        raise ValueError("stopped")
    assert (tmp_path / "data" / "a").read_text() == "old"
