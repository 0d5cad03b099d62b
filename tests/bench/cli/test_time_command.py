from __future__ import annotations

import fcntl
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cli_runs import SMALL
from typer.testing import CliRunner

from bench.cli import app
from bench.report.tables.timing import repeat_line, scaling_table, timing_table
from bench.speed import clock, frames, scaling_frames
from bench.text.tables import models_of
from zoo.errors import ConfigError, ZooError

ROOT = Path(__file__).parents[3]
QUICK = ("--stocks", "10", "--rounds", "2", "--seconds", "0")


def time_cli(results: Path, *arguments: str) -> str:
    small = [f"models.{name}.params.hidden_size=8" for name in ("gats", "localformer")]
    arguments = (*arguments, *(part for text in small for part in ("--set", text)))
    answer = CliRunner().invoke(app, ["time", str(SMALL), "--results", str(results), "--device", "cpu", *arguments])
    if isinstance(answer.exception, ZooError):
        raise answer.exception
    assert answer.exit_code == 0, answer.output
    return answer.output


@pytest.fixture(autouse=True, scope="module")
def short_clock_check():
    """The check of the clock takes a second each time and has tests of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock.check_clock, "__kwdefaults__", {"rounds": 1})
        yield


@pytest.fixture(scope="module")
def timed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    results = tmp_path_factory.mktemp("timed")
    return results, time_cli(results, "--models", "linear,gru,gats", "--modes", "eager,graphs", *QUICK)


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    results = tmp_path_factory.mktemp("scaled")
    sizes = ("--lookbacks", "20,40,80,160", "--stock-counts", "20,40,80", "--rounds", "2", "--seconds", "0")
    return results, time_cli(results, "--scaling", "--models", "linear,gats,localformer", *sizes)


def row(frame: pd.DataFrame, model: str, mode: str = "eager") -> dict[str, Any]:
    found = frame[frame["model"].eq(model) & (frame["mode"].eq(mode) if "mode" in frame else True)]
    assert len(found) == 1
    return found.iloc[0].to_dict()


def test_every_model_and_mode_has_a_row_with_figures_or_the_reason_why_not(timed):
    frame = frames.timing_frame(timed[0])
    assert list(frame.columns) == list(frames.TimingRow.dtypes())
    assert sorted(zip(frame["model"], frame["mode"], strict=True)) == [
        (model, mode) for model in ("gats", "gru", "linear") for mode in ("eager", "graphs")
    ]
    gru = row(frame, "gru")
    for key in ("train_step_p50_ms", "one_day_p99_ms", "one_stock_p50_ms", "train_samples_per_s", "flops_step"):
        assert gru[key] > 0
    assert gru["reason"] == ""
    assert gru["stocks"] == 10
    assert gru["one_day_p50_ms"] <= gru["one_day_p90_ms"] <= gru["one_day_p99_ms"]
    linear = row(frame, "linear")
    assert linear["one_day_p50_ms"] > 0
    assert math.isnan(linear["train_step_p50_ms"])
    assert "train_step, train_epoch: fitted as a whole" in linear["reason"]
    assert "CUDA" in row(frame, "gru", "graphs")["reason"]


def test_the_output_names_checks_repeat_spread_and_what_is_missing(timed):
    for text in ("known duration, spin 5 ms", "known memory", "Repeat-run spread", "not measured, gru graphs"):
        assert text in timed[1]


def test_a_record_holds_raw_samples_checks_and_settings(timed):
    path = next(timed[0].glob("timing/*/cpu.json"))
    record = json.loads(path.read_text())
    entry = record["entries"]["gru"]["eager"]
    counts = [len(samples) for samples in entry["scenarios"]["one_day"]["samples"]]
    assert len(counts) == 2
    assert min(counts) >= 2
    assert entry["settings"]["threads"] == 1
    assert entry["settings"]["versions"]["torch"]
    assert entry["settings"]["omp_wait_policy"] == "PASSIVE"
    assert {check["operation"] for check in record["checks"]["clock"]} >= {"sleep 5 ms", "spin 20 ms"}
    # Numbers of a list stand on one line.
    assert len(path.read_text().splitlines()) < 700


def test_a_second_run_replaces_what_it_measured_and_nothing_else(timed, tmp_path: Path):
    results = tmp_path / "results"
    stored = next(timed[0].glob("timing/*/cpu.json"))
    path = results / stored.relative_to(timed[0])
    path.parent.mkdir(parents=True)
    path.write_text(stored.read_text())
    before = json.loads(path.read_text())["entries"]
    time_cli(results, "--models", "gru", "--scenarios", "one_stock", *QUICK)
    after = json.loads(path.read_text())["entries"]
    assert after["gats"] == before["gats"]
    assert after["gru"]["graphs"] == before["gru"]["graphs"]
    old, new = before["gru"]["eager"]["scenarios"], after["gru"]["eager"]["scenarios"]
    assert new["one_day"] == old["one_day"]
    assert new["one_stock"] != old["one_stock"]
    # Of other settings, so nothing of it may stand beside the older figures.
    time_cli(
        results, "--models", "gru", "--scenarios", "one_stock", "--rounds", "2", "--seconds", "0", "--stocks", "12"
    )
    assert set(json.loads(path.read_text())["entries"]["gru"]["eager"]["scenarios"]) == {"one_stock"}


def test_the_table_has_a_row_per_model_and_mode(timed):
    table = timing_table(frames.timing_frame(timed[0]))
    assert table is not None
    assert len(table.texts) == 6


def test_percentiles_spread_and_repeat_come_from_the_samples():
    passes = [[0.001] * 8 + [0.002] * 2, [0.0011] * 10]
    found = frames.summary(passes)
    assert found["p50_ms"] == pytest.approx(1.1)
    assert found["p99_ms"] == pytest.approx(2.0)
    assert found["repeat"] == pytest.approx(0.1 / 1.05)
    assert not found["unstable"]
    assert frames.summary([[0.001] * 5, [0.002] * 5])["unstable"]


def test_repeat_line_names_the_worst_and_the_unstable(timed):
    frame = frames.timing_frame(timed[0]).head(1).copy()
    frame[[c for c in frame.columns if c.endswith("_repeat")]] = 0.01
    frame["offline_repeat"], frame["unstable"], frame["model"] = 0.4, True, "slow"
    line = repeat_line(frame)
    assert "largest 40.0% (slow eager, offline)" in line
    assert "UNSTABLE" in line


def test_scaling_has_a_row_per_network_variant_and_attention(scaled):
    frame = scaling_frames.scaling_frame(scaled[0])
    assert list(frame.columns) == list(scaling_frames.ScalingRow.dtypes())
    assert list(frame["model"]) == [
        "gats",
        "gats.attention",
        "gats.attention[dense]",
        "linear",
        "localformer",
        "localformer.attention",
        "localformer[attention=window]",
        "localformer[attention=window].attention",
    ]
    whole = row(frame, "localformer")
    for key in ("time_exponent_lookback", "time_exponent_stocks", "time_exponent_lookback_end"):
        assert whole[f"{key}_low"] <= whole[key] <= whole[f"{key}_high"]
    assert (whole["largest_lookback"], whole["largest_stocks"]) == (160, 80)
    assert (whole["fixed_stocks"], whole["fixed_lookback"]) == (50, 5)
    assert "fitted as a whole" in row(frame, "linear")["reason"]
    table = scaling_table(frame)
    assert table is not None
    assert len(table.texts) == 7
    assert models_of(table.rows[1]) == ("gats",)


def test_points_of_scaling_are_the_sizes_asked_for(scaled):
    points = scaling_frames.scaling_points(scaled[0])
    gats = points[points["model"] == "gats"]
    assert gats.groupby("axis")["size"].apply(list).to_dict() == {"lookback": [20, 40, 80, 160], "stocks": [20, 40, 80]}
    assert (gats["time_p25_ms"] <= gats["time_p50_ms"]).all()


def test_a_damaged_record_is_named(tmp_path: Path):
    path = frames.record_path(tmp_path, "machine", "cpu")
    path.parent.mkdir(parents=True)
    path.write_text("{")
    with pytest.raises(ConfigError, match=r"cpu\.json is damaged"):
        frames.timing_frame(tmp_path)


def test_no_records_give_empty_frames(tmp_path: Path):
    assert frames.timing_frame(tmp_path).empty
    assert scaling_frames.scaling_frame(tmp_path).empty
    assert scaling_frames.scaling_points(tmp_path).empty


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--modes", "eagre"], "did you mean 'eager'"),
        (["--scenarios", "one_dya"], "did you mean 'one_day'"),
        (["--scaling", "--lookbacks", "30,x"], "--lookbacks 30,x"),
        (["--models", "grru"], "did you mean 'gru'"),
        (["--set", "models.gru.params.hiden_size=3", "--models", "gru"], "hidden_size"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_stored(tmp_path: Path, arguments: list[str], message: str):
    with pytest.raises(ZooError, match=message):
        time_cli(tmp_path, *QUICK, *arguments)
    assert not list(tmp_path.glob("timing/*/*.json"))


def test_a_second_measurement_waits_for_the_first(tmp_path: Path):
    said: list[str] = []
    with frames.alone(tmp_path, said.append):
        other = os.open(tmp_path / "timing", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(other)
    with frames.alone(tmp_path, said.append):
        pass
    assert said == []
    assert list((tmp_path / "timing").iterdir()) == []


def loaded_after(code: str) -> set[str]:
    code += "\nimport sys; print('LOADED', *{'torch', 'pandas', 'scipy', 'arch', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.rpartition("LOADED")[2].split())


def test_reading_records_loads_no_torch_and_the_command_nothing_heavy():
    assert loaded_after("import bench.cli.commands.time") == set()
    code = "import bench.speed.scaling_frames, bench.speed.frames, bench.report.tables.timing"
    assert "torch" not in loaded_after(code)
