"""What is opened need not be what was listed: every such case is one error that names the file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from source_files import long_frame

from zoo.data.sources import load_panel
from zoo.data.sources import paths as paths_module
from zoo.data.sources.folders import Entry
from zoo.data.sources.planted import planted_market
from zoo.data.stamp import Stamp
from zoo.data.writers import write_panel
from zoo.errors import DataError

NAMES = ["S00.csv", "S01.csv", "S02.csv"]


def folder_of(tmp_path: Path, ending: str = ".csv") -> Path:
    """A file per stock."""
    folder = tmp_path / "market"
    folder.mkdir()
    for name in NAMES:
        frame = long_frame(symbols=["X"]).drop(columns="symbol")
        path = folder / name.replace(".csv", ending)
        frame.to_parquet(path) if ending == ".parquet" else frame.to_csv(path, index=False)
    return folder


def break_link(path: Path) -> None:
    path.symlink_to(path.with_name("nowhere.csv"))


def loop(path: Path) -> None:
    path.symlink_to(path)


KINDS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link to nothing": (break_link, "link to nothing"),
    "a link to itself": (loop, "symbolic links"),
    "a pipe": (os.mkfifo, "pipe, socket or device"),
    "an empty folder": (Path.mkdir, "it is a folder"),
}


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".txt", ".csv.gz", ".zip"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_file_is_named_and_can_be_left_out(tmp_path, kind, ending):
    put, reason = KINDS[kind]
    folder = folder_of(tmp_path)
    put(folder / f"BAD{ending}")
    began = time.monotonic()
    with pytest.raises(DataError, match=rf"BAD{ending}: cannot be read .*{reason}.*skip_bad_files"):
        load_panel(folder)
    panel = load_panel(folder, skip_bad_files=True)
    assert panel.symbols.tolist() == ["S00", "S01", "S02"]
    assert any("1 of 4 file that cannot be read is left out: BAD" in note for note in panel.notes), panel.notes
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".csv.gz"])
@pytest.mark.parametrize("kind", ["a link to itself", "a pipe"])
def test_what_is_no_file_is_refused_alone_too(tmp_path, kind, ending):
    KINDS[kind][0](tmp_path / f"a{ending}")
    with pytest.raises(DataError, match=rf"a{ending}: (cannot be read|no such file)"):
        load_panel(tmp_path / f"a{ending}")


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.parametrize("step", ["before it is looked at", "before it is opened"])
def test_files_that_vanish_while_their_folder_is_read_are_gathered(tmp_path, monkeypatch, ending, step):
    folder = folder_of(tmp_path, ending)
    late = "_open" if step == "before it is looked at" else "open_table"
    plain = getattr(paths_module, late)

    def read(what: Entry | Path, *given: object, **options: object) -> object:
        path = what.path if isinstance(what, Entry) else what
        if not path.name.startswith("S00"):
            path.unlink()
        return plain(what, *given, **options)

    monkeypatch.setattr(paths_module, late, read)
    with pytest.raises(DataError, match=rf"2 of 3 files cannot be read: S01{ending}: .*gone.*; S02{ending}: .*gone"):
        load_panel(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_and_a_folder_without_permission_are_named(tmp_path):
    folder = folder_of(tmp_path)
    (folder / NAMES[1]).chmod(0)
    with pytest.raises(DataError, match=r"S01.csv: cannot be read, its permissions forbid it"):
        load_panel(folder)
    (folder / NAMES[1]).unlink()
    (folder / "more").mkdir(mode=0)
    with pytest.raises(DataError, match=r"more: this folder cannot be read \(Permission denied\)"):
        load_panel(folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["features/*/close.day.bin", "calendars/day.txt", "instruments/all.txt"])
def test_what_is_no_file_in_a_folder_of_qlib_is_named(tmp_path, name, kind):
    put, reason = KINDS[kind]
    folder = tmp_path / "market"
    write_panel(planted_market("null", stocks=4, days=40).panel, f"{folder}/")
    path = min(folder.glob(name))
    path.unlink()
    put(path)
    with pytest.raises(DataError, match=rf"{path.name}: cannot be read .*{reason}"):
        load_panel(folder)


def test_a_pipe_among_large_files_has_no_stamp_that_would_be_hashed(tmp_path):
    os.mkfifo(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_bytes(np.zeros(1000).tobytes())
    assert Stamp.of([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]) is None
    assert Stamp.of([str(tmp_path / "b.csv")]) is not None
