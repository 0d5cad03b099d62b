"""The short form of `tests.faults.fuzz` for what is stored; `tests/data/test_cases_fuzz.py` is that of the readers."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

import pytest

from bench.records.documents import KINDS, kind_of, read_json
from bench.records.store import RunStore
from tests.faults import fuzz, fuzz_records

INPUTS = {"records": 5, "documents": 6}
UNCHANGED = ("format", "settings")


@pytest.fixture
def watch():
    seen = fuzz.Watch()
    yield seen
    seen.folder = None


@pytest.mark.parametrize("name", INPUTS)
def test_any_stored_file_is_named_or_refused_and_nothing_else_is_written(name, watch):
    tally = fuzz.Tally()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for k in range(INPUTS[name]):
            fuzz.try_one(name, f"suite-{k}", watch, tally)
    assert not tally.faults
    assert tally.read


def test_the_stored_files_that_are_damaged_are_of_every_kind():
    paths = [p for p in fuzz_records.template().rglob("*.json") if p.name != "checkpoint.json"]
    assert {kind_of(path) for path in paths} == set(KINDS)
    assert all(read_json(path).state == "whole" for path in paths)
    assert RunStore(fuzz_records.template(), fuzz_records.RUN).damages() == []


@pytest.mark.parametrize("part", ["title", "fit", "fit.seconds", "fit.history", "seed", "formulas", "n_parameters"])
def test_a_record_without_a_checksum_lacks_no_part_that_a_report_reads(tmp_path, part):
    results = Path(shutil.copytree(fuzz_records.template(), tmp_path / "results"))
    path = next(results.rglob("record.json"))
    document = json.loads(path.read_text())
    del document["checksum"]
    *above, last = part.split(".")
    inner = document[above[0]] if above else document
    for wrong in ([[1]], None):
        inner[last] = wrong
        path.write_text(json.dumps(document))
        (why,) = RunStore(results, fuzz_records.RUN).damages()
        assert f"no usable '{part}" in why


@pytest.mark.parametrize("name", ["timing/*/cpu.json", "runs/*/attribution.json", "runs/*/portfolio.json"])
def test_a_report_that_a_file_without_a_checksum_breaks_names_the_file(tmp_path, name):
    from zoo.errors import ConfigError

    results = Path(shutil.copytree(fuzz_records.template(), tmp_path / "results"))
    path = min(results.glob(name))
    document = json.loads(path.read_text())
    del document["checksum"]
    path.write_text(json.dumps(broken(document)))
    assert read_json(path).state == "older"
    with pytest.raises(ConfigError, match=rf"without a checksum is not as it was written, one of {path}; put a copy"):
        fuzz_records.gathered(results)


def broken(part: object) -> object:
    """The same with every number at some depth a text."""
    if isinstance(part, dict):
        return {key: inner if key in UNCHANGED else broken(inner) for key, inner in part.items()}
    if isinstance(part, list):
        return [broken(inner) for inner in part]
    return {} if isinstance(part, float) else part


@pytest.mark.parametrize(("one", "other"), [("cpu", "cpu-scaling"), ("cpu-scaling", "cpu")])
def test_timings_under_the_name_of_scaling_are_damage(tmp_path, one, other):
    results = Path(shutil.copytree(fuzz_records.template(), tmp_path / "results"))
    path = min(results.glob(f"timing/*/{one}.json"))
    shutil.copyfile(path.with_stem(other), path)
    assert read_json(path).state == "damaged"
    assert any(str(path) in why for why in RunStore(results, fuzz_records.RUN).damages())


@pytest.mark.parametrize("place", ["../another-machine/cpu.json", "cuda.json"])
def test_timings_of_another_machine_or_device_are_damage(tmp_path, place):
    results = Path(shutil.copytree(fuzz_records.template(), tmp_path / "results"))
    path = min(results.glob("timing/*/cpu.json"))
    there = path.parent / place
    (results / "timing" / "another-machine").mkdir()
    shutil.copyfile(path, there)
    stored = read_json(there.resolve())
    assert stored.state == "damaged"
    assert "it holds what was measured on" in stored.why


def test_a_damaged_oracle_of_a_run_that_knows_no_checksum_of_it_is_refused(tmp_path):
    from zoo.errors import ConfigError

    results = Path(shutil.copytree(fuzz_records.template(), tmp_path / "results"))
    store = RunStore(results, fuzz_records.RUN)
    run = store.run()
    del run["oracle"]
    store.write_run(run)
    fuzz_records.gathered(results)
    (store.folder / "oracle.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ConfigError, match=r"oracle.parquet is damaged .*run's command writes it again"):
        fuzz_records.gathered(results)


def test_the_watch_sees_what_is_written_outside_and_not_what_is_removed_inside(watch, tmp_path):
    inside, outside = tmp_path / "a", tmp_path / "ab"
    inside.mkdir()
    watch.folder = str(inside)
    (inside / "deep" / "deeper").mkdir(parents=True)
    (inside / "deep" / "deeper" / "x").write_text("x")
    (inside / "deep" / "deeper" / "x").rename(inside / "deep" / "y")
    shutil.rmtree(inside / "deep")
    assert watch.seen == []
    (inside / "z").touch()
    outside.mkdir()
    (inside / "z").rename(outside / "z")
    (outside / "x").write_text("x")
    shutil.rmtree(outside)
    told = {event.split()[0] for event in watch.seen}
    assert told >= {"os.mkdir", "os.rename", "open", "os.rmdir"}
    assert all(str(outside) in event for event in watch.seen)
