from __future__ import annotations

import mmap
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from source_files import long_frame, write_qlib

from bench.cli import main
from zoo.data import cache
from zoo.data.panel import Panel
from zoo.data.sources import load_panel, paths

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for this test, which takes sources of any size."""
    path = tmp_path / "cache"
    monkeypatch.setenv(cache.VARIABLE, str(path))
    monkeypatch.setattr(cache, "SMALLEST", 0)
    return path


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by the source whenever one is parsed."""
    seen: list[str] = []
    parse = paths.path_panel

    def spy(source: str | Path, **options: str | None) -> Panel:
        seen.append(str(source))
        return parse(source, **options)

    monkeypatch.setattr(paths, "path_panel", spy)
    return seen


def write_csv(path: Path, seed: int = 0, **columns: object) -> Path:
    long_frame(seed=seed).assign(**columns).to_csv(path, index=False, float_format="%.4f")
    return path


def is_mapped(array: np.ndarray) -> bool:
    """Whether the memory behind an array is that of a file."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap.mmap)


def versions(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/v-*"))


def assert_equal(a: Panel, b: Panel) -> None:
    np.testing.assert_array_equal(a.values, b.values)
    np.testing.assert_array_equal(a.member, b.member)
    np.testing.assert_array_equal(a.days, b.days)
    np.testing.assert_array_equal(a.symbols, b.symbols)
    assert a.symbols.dtype == b.symbols.dtype
    assert (a.fields, a.name, a.notes, a.fingerprint) == (b.fields, b.name, b.notes, b.fingerprint)
    assert (a.concepts is None) == (b.concepts is None)
    if a.concepts is not None and b.concepts is not None:
        np.testing.assert_array_equal(a.concepts.start, b.concepts.start)
        np.testing.assert_array_equal(a.concepts.end, b.concepts.end)
        assert (a.concepts.names, a.concepts.snapshot) == (b.concepts.names, b.concepts.snapshot)


def test_a_second_load_parses_nothing_and_is_the_same_panel(tmp_path, folder, parsed):
    source = write_csv(tmp_path / "a.csv", sector=["X", "Y", "Z"] * 30)
    plain = load_panel(source, cache=False)
    assert not folder.exists()
    for _ in range(3):
        panel = load_panel(source)
        assert_equal(panel, plain)
        assert is_mapped(panel.values)
        assert is_mapped(panel.member)
    assert len(parsed) == 2


def test_the_stored_fingerprint_is_that_of_the_values(tmp_path, folder):
    load_panel(source := write_csv(tmp_path / "a.csv"))
    panel = load_panel(source)
    assert "fingerprint" in vars(panel), "hashing hundreds of MB at every load is what the cache saves"
    assert panel.fingerprint == replace(panel).fingerprint


def test_a_cached_panel_may_be_written_to_without_changing_the_cache(tmp_path, folder):
    load_panel(source := write_csv(tmp_path / "a.csv"))
    panel = load_panel(source)
    tensor = torch.from_numpy(panel.stock_major)  # Warns of memory that is read-only, and warnings are errors.
    before = float(tensor[0, 0, 0])
    tensor[0, 0, 0] = -1
    assert float(load_panel(source).stock_major[0, 0, 0]) == before


def test_touching_the_source_has_it_parsed_again(tmp_path, folder, parsed):
    load_panel(source := write_csv(tmp_path / "a.csv"))
    os.utime(source, ns=(1, source.stat().st_mtime_ns + 1))
    load_panel(source)
    assert len(parsed) == 2
    load_panel(source)
    assert len(parsed) == 2
    assert len(versions(folder)) == 1, "the version it replaces is removed"


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path, folder):
    source = write_csv(tmp_path / "a.csv")
    load_panel(source)
    before = source.stat()
    text = source.read_text()
    source.write_text(text.replace("2020-01-01,AAA", "2020-01-01,AAB"))
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert source.stat().st_size == before.st_size
    assert "AAB" in load_panel(source).symbols


def test_a_change_of_permissions_alone_keeps_the_cache_once_the_content_is_checked(tmp_path, folder, parsed):
    source = write_csv(tmp_path / "a.csv")
    load_panel(source)
    (version,) = versions(folder)
    before = (version / cache.HEADER).read_text()
    source.chmod(0o600)
    load_panel(source)
    assert len(parsed) == 1
    assert (version / cache.HEADER).read_text() != before, "else every later load would hash the file again"


def test_a_file_that_had_settled_when_it_was_hashed_is_not_hashed_again(tmp_path, folder, monkeypatch):
    source = write_csv(tmp_path / "a.csv")
    monkeypatch.setattr("zoo.data.stamp.SETTLED", -(10**15))
    load_panel(source)
    monkeypatch.setattr(cache, "content_hash", lambda files: pytest.fail("hashed"))
    assert is_mapped(load_panel(source).values)


def test_reading_options_are_kept_apart(tmp_path, folder, parsed):
    source = write_csv(tmp_path / "a.csv", sector=["X", "Y", "Z"] * 30, theme=["T", "T", "U"] * 30)
    for _ in range(2):
        assert "vwap" not in load_panel(source).fields
        assert "vwap" in load_panel(source, vwap="typical").fields
        groups = load_panel(source, concepts="theme").concepts
        assert groups is not None
        assert groups.names == ("T", "U")
    assert len(parsed) == 3


def test_a_change_of_the_file_of_concepts_is_seen(tmp_path, folder, parsed):
    source = write_csv(tmp_path / "a.csv")
    file = tmp_path / "groups.csv"
    file.write_text("symbol,concept\nAAA,X\n")
    load_panel(source, concepts=file)
    file.write_text("symbol,concept\nAAA,Y\n")
    groups = load_panel(source, concepts=str(file)).concepts
    assert groups is not None
    assert groups.names == ("Y",)
    assert len(parsed) == 2


def test_a_directory_is_read_again_when_a_file_of_it_changes_comes_or_goes(tmp_path, folder, parsed):
    source = tmp_path / "prices"
    source.mkdir()
    frame = long_frame()
    for symbol in ("AAA", "BBB"):
        frame[frame["symbol"] == symbol].to_csv(source / f"{symbol}.csv", index=False)
    assert load_panel(source).n_stocks == 2
    (source / "readme.txt").write_text("no data")
    assert load_panel(source).n_stocks == 2
    assert len(parsed) == 1
    frame[frame["symbol"] == "CCC"].to_csv(source / "CCC.csv", index=False)
    assert load_panel(source).n_stocks == 3
    (source / "AAA.csv").unlink()
    assert load_panel(source).symbols.tolist() == ["BBB", "CCC"]
    half = frame[frame["symbol"] == "CCC"].iloc[:10]
    half.to_csv(source / "CCC.csv", index=False)
    assert int(np.isfinite(load_panel(source).field("close")[:, 1]).sum()) == 10
    assert len(parsed) == 4


def test_markets_of_a_qlib_directory_are_kept_apart_and_follow_their_files(tmp_path, folder, parsed):
    days = ["2020-01-01", "2020-01-02", "2020-01-03"]
    source = write_qlib(
        tmp_path / "q",
        days,
        {"a": {"close": (0, [1, 2, 3])}, "b": {"close": (0, [4, 5, 6])}},
        {"all": ["A\t2020-01-01\t2020-01-03", "B\t2020-01-01\t2020-01-03"], "one": ["A\t2020-01-01\t2020-01-03"]},
    )
    for _ in range(2):
        assert load_panel(source).n_stocks == 2
        assert load_panel(f"{source}?market=one").n_stocks == 1
        assert load_panel(f"{source}#one").n_stocks == 1
    assert len(parsed) == 2
    (source / "instruments" / "one.txt").write_text("B\t2020-01-01\t2020-01-03\n")
    assert load_panel(f"{source}#one").symbols.tolist() == ["B"]
    np.array([0, 7, 8, 9], dtype="<f4").tofile(source / "features" / "b" / "close.day.bin")
    assert load_panel(source).field("close")[:, 1].tolist() == [7, 8, 9]


def test_another_version_of_the_reader_parses_again(tmp_path, folder, parsed, monkeypatch):
    load_panel(source := write_csv(tmp_path / "a.csv"))
    monkeypatch.setattr(cache, "_reader", lambda: "other")
    load_panel(source)
    assert len(parsed) == 2


def truncate(version: Path) -> None:
    with (version / "values.npy").open("r+b") as stream:
        stream.truncate(300)


def overwrite(version: Path) -> None:
    with (version / "values.npy").open("r+b") as stream:
        stream.seek(-40, os.SEEK_END)
        stream.write(b"\x7f" * 8)


def flip_a_bit(version: Path) -> None:
    """One bit of a price, and the times set back: what a failing disk does."""
    file = version / "values.npy"
    before, content = file.stat(), bytearray(file.read_bytes())
    content[-9] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def edit_header(version: Path) -> None:
    file = version / cache.HEADER
    file.write_text(file.read_text().replace("AAA", "AAB"))


DAMAGES = {
    "values cut off": truncate,
    "values overwritten": overwrite,
    "values with one bit flipped": flip_a_bit,
    "values gone": lambda version: (version / "values.npy").unlink(),
    "header edited": edit_header,
    "header cut off": lambda version: (version / cache.HEADER).write_text('{"checksum": "'),
    "header empty": lambda version: (version / cache.HEADER).write_bytes(b""),
    "header no text": lambda version: (version / cache.HEADER).write_bytes(b"\xff\xfe\x00"),
    "header a list": lambda version: (version / cache.HEADER).write_text("[]"),
    "header gone": lambda version: (version / cache.HEADER).unlink(),
    "a pickle": lambda version: np.save(version / "values.npy", np.array([{}]), allow_pickle=True),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_written_anew_and_says_so_once(tmp_path, folder, parsed, damage):
    source = write_csv(tmp_path / "a.csv")
    whole = load_panel(source)
    (version,) = versions(folder)
    DAMAGES[damage](version)
    again = load_panel(source)
    assert again.notes == (*whole.notes, "the panel cache of this source was damaged and is written anew")
    assert again.fingerprint == whole.fingerprint
    assert_equal(load_panel(source), load_panel(source, cache=False))
    assert len(parsed) == 3, "first, after the damage, and without the cache"


def test_a_cache_that_cannot_be_written_costs_a_note_and_nothing_else(tmp_path, folder):
    folder.write_text("a file where the folder should be")
    source = write_csv(tmp_path / "a.csv")
    panel, plain = load_panel(source), load_panel(source, cache=False)
    assert panel.notes[-1].startswith("the panel cache cannot be written (")
    assert_equal(replace(panel, notes=plain.notes), plain)


def test_a_write_that_fails_half_way_leaves_nothing(tmp_path, folder, monkeypatch):
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    panel = load_panel(write_csv(tmp_path / "a.csv"))
    assert panel.notes[-1].startswith("the panel cache cannot be written (No space left on device)")
    assert [path for path in folder.rglob("*") if path.is_file() or path.name.startswith(("v-", "half-"))] == []


def test_what_a_killed_writer_left_is_removed_after_a_day(tmp_path, folder):
    load_panel(source := write_csv(tmp_path / "a.csv"))
    entry = versions(folder)[0].parent
    old, young = entry / "half-old", entry / "half-young"
    old.mkdir()
    young.mkdir()
    os.utime(old, (time.time() - 100_000,) * 2)
    os.utime(source, (1, 1))
    load_panel(source)
    assert young.exists()
    assert not old.exists()


def test_panels_whose_source_is_gone_make_room_at_the_next_write(tmp_path, folder):
    gone, kept = write_csv(tmp_path / "gone.csv"), write_csv(tmp_path / "kept.csv")
    load_panel(gone)
    load_panel(kept)
    gone.unlink()
    (folder / "factors").mkdir()
    load_panel(write_csv(tmp_path / "new.csv"))
    names = {cache._header(version)["name"] for version in versions(folder)}
    assert names == {"kept.csv", "new.csv"}
    assert len(list(folder.iterdir())) == 3


def test_a_source_that_changes_while_it_is_read_is_not_kept(tmp_path, folder, monkeypatch):
    source = write_csv(tmp_path / "a.csv")
    parse = paths.path_panel

    def slow(given: str | Path, **options: str | None) -> Panel:
        panel = parse(given, **options)
        write_csv(source, seed=1)
        return panel

    monkeypatch.setattr(paths, "path_panel", slow)
    load_panel(source)
    assert not versions(folder)


def test_small_sources_frames_and_planted_markets_are_not_kept(tmp_path, folder, monkeypatch):
    load_panel(long_frame())
    load_panel("planted:local?stocks=5&days=40")
    monkeypatch.undo()
    monkeypatch.setenv(cache.VARIABLE, str(folder))
    load_panel(write_csv(tmp_path / "a.csv"))
    assert not folder.exists()


def test_the_cache_can_be_turned_off(tmp_path, folder, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, "OFF")
    assert not is_mapped(load_panel(write_csv(tmp_path / "a.csv")).values)
    assert not folder.exists()


def test_the_default_folder_is_the_users_own(monkeypatch):
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache.cache_folder() == Path("/somewhere/alpha-zoo")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.cache_folder() == Path.home() / ".cache" / "alpha-zoo"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache.cache_folder() == Path.home() / "Library" / "Caches" / "alpha-zoo"


def test_processes_that_start_together_agree_and_leave_one_version(tmp_path, folder):
    source = write_csv(tmp_path / "a.csv")
    code = (
        "import sys; from zoo.data import cache; from zoo.data.sources import load_panel; cache.SMALLEST = 0\n"
        "sys.stdin.readline(); print(load_panel(sys.argv[1]).fingerprint)"
    )
    command = [sys.executable, "-c", code, str(source)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    started = [subprocess.Popen(command, cwd=ROOT, **pipes) for _ in range(3)]
    time.sleep(1)
    answers = [process.communicate("\n", timeout=60)[0].strip() for process in started]
    assert answers == [load_panel(source, cache=False).fingerprint] * 3
    assert len(versions(folder)) == 1
    assert not list(folder.glob("*/half-*"))


def test_readers_never_see_a_mixture_while_the_source_changes(tmp_path, folder):
    """Threads load while the source is replaced by turns: each panel is wholly the one or the other."""
    source = tmp_path / "a.csv"
    known = {load_panel(write_csv(source, seed=seed), cache=False).fingerprint for seed in (0, 1)}
    found, problems = [], []
    end = time.monotonic() + 2

    def read() -> None:
        while time.monotonic() < end:
            try:
                panel = load_panel(source)
                found.append((panel.fingerprint, replace(panel).fingerprint))
            except BaseException as error:  # noqa: BLE001 - reported by the test
                problems.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    turn = 0
    while time.monotonic() < end:
        turn += 1
        os.replace(write_csv(tmp_path / "next.csv", seed=turn % 2), source)
        time.sleep(0.05)
    for thread in threads:
        thread.join()
    assert problems == []
    assert len(found) > 10
    assert {stored for stored, _ in found} == known
    assert all(stored == computed for stored, computed in found)


def test_turning_the_cache_off_reaches_processes_started_afterwards(folder):
    command = [sys.executable, "-c", "from zoo.data.cache import cache_folder; print(cache_folder())"]
    for expected in (folder, None):
        answer = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
        assert answer.strip() == str(expected)
        cache.disable_cache()


@pytest.mark.parametrize("option", ["--no-cache", None])
def test_the_command_line_keeps_panels_unless_told_not_to(tmp_path, folder, monkeypatch, option):
    source = write_csv(tmp_path / "a.csv")
    arguments = ["check", "--data", str(source), "--models", "linear", "--set", "data.lookback=2"]
    monkeypatch.setattr(sys, "argv", ["bench", *arguments, *filter(None, [option])])
    with suppress(SystemExit):
        main()
    assert len(versions(folder)) == (0 if option else 1)
    assert (cache.cache_folder() is None) == bool(option)


@pytest.mark.parametrize(
    "command", ["inspect A", "validate A", "convert A DST/a.parquet", "features raw A -o DST/f.parquet"]
)
@pytest.mark.parametrize("option", ["--no-cache", None])
def test_so_do_the_data_commands(tmp_path, folder, monkeypatch, command, option):
    source = write_csv(tmp_path / "a.csv")
    words = command.replace("DST", str(tmp_path)).replace(" A", f" {source}").split(" ")
    monkeypatch.setattr(sys, "argv", ["bench", "data", *words, *filter(None, [option])])
    with suppress(SystemExit):
        main()
    assert bool(versions(folder)) == (option is None)


def test_versions_written_at_once_leave_the_last_one(tmp_path, folder):
    panel = load_panel(write_csv(tmp_path / "a.csv"))
    (first,) = versions(folder)
    header = cache._header(first)
    state = {key: header[key] for key in ("first", "stamp", "content", "hashed_at")}
    later = first.parent / "v-later"
    later.mkdir()
    (later / cache.HEADER).write_text("{}")
    os.utime(later / cache.HEADER, (time.time() + 100,) * 2)
    own = cache._write(first.parent, panel, state)
    assert versions(folder) == sorted([later, own]), "older ones go, a later one of another process stays"


def test_dates_keep_their_order_and_type(tmp_path, folder):
    frame = long_frame()
    frame.sample(frac=1, random_state=0).to_parquet(tmp_path / "a.parquet")
    panel = [load_panel(tmp_path / "a.parquet") for _ in range(2)][1]
    assert panel.days.dtype == np.dtype("datetime64[D]")
    assert panel.days.tolist() == sorted(pd.to_datetime(frame["date"].unique()).date.tolist())
