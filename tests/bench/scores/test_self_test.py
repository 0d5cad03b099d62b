"""A/A calibration: what is measured, what is read back, and that the tests keep their level."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.records.documents import write_json
from bench.report.tables.significance import calibration_table
from bench.scores.self_test import (
    FILE,
    CalibrationRow,
    CalibrationSettings,
    calibrate,
    calibration_frame,
)
from zoo.errors import ConfigError, ZooError

SMALL = CalibrationSettings(repeats=3, seeds=2, stocks=12, days=150, hidden_size=4, max_epochs=1)


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    calibrate(folder, SMALL)
    return folder


def recorded(folder: Path, **columns: list[float | bool | None]) -> Path:
    """A calibration with given figures, `null` only."""
    repeats = len(next(iter(columns.values())))
    usual = {
        "n_days": 70, "difference": 0.0, "low": -0.1, "high": 0.1, "p": 0.5, "rejected": False, "ic": 0.0,
        "ic_half": 0.1, "seed_sd": 0.01, "oracle_ic": 0.2, "oracle_ic_half": 0.1, "designed_ic": 0.25,
    }  # fmt: skip
    found = {name: columns.get(name, [value] * repeats) for name, value in usual.items()}
    record = {"format": 1, "settings": {"model": "mlp", "seeds": 3, "stocks": 60}, "level": 0.05}
    write_json((folder / FILE), {**record, "markets": {"null": found}})
    return folder


def test_a_calibration_is_one_row_per_market(results):
    frame = calibration_frame(results)
    assert list(frame.columns) == list(CalibrationRow.dtypes())
    assert list(frame["market"]) == ["null", "mixed"]
    assert list(frame["true_null"]) == [True, False]
    assert (frame["repeats"] == 3).all()
    # 20 % of 150 days, less what the label and the segments' gap take.
    assert frame["n_days"].between(20, 30).all()
    assert np.isnan(frame["misses"][1])
    assert frame["misses"][0] >= 0


def test_repeats_are_fresh_markets_with_fresh_networks_and_can_be_repeated(results, tmp_path):
    record = json.loads((results / FILE).read_text())
    for found in record["markets"].values():
        for name in ("difference", "ic", "seed_sd", "oracle_ic"):
            assert len(set(found[name])) == 3, name
        assert 0 not in found["difference"]
    assert record["versions"]["torch"]
    calibrate(tmp_path, SMALL)
    assert (tmp_path / FILE).read_text() == (results / FILE).read_text()


def test_the_two_names_have_seeds_of_their_own_on_the_same_market(results):
    found = json.loads((results / FILE).read_text())["markets"]
    # On both markets a repeat draws the same seeds, but the signal is another.
    assert found["null"]["designed_ic"] == [0.0] * 3
    assert min(found["mixed"]["designed_ic"]) > 0.2
    assert min(found["mixed"]["oracle_ic"]) > 0.05


def test_rates_are_counted_from_the_repeats(tmp_path):
    rejected = [True] * 10 + [False] * 190
    frame = calibration_frame(
        recorded(tmp_path, rejected=rejected, ic=[0.2] * 30 + [0.0] * 170, low=[0.01] * 4 + [-0.1] * 196)
    )
    row = frame.iloc[0]
    assert (row["rejections"], row["rate"], row["within"]) == (10, 0.05, True)
    # Binomial(200, .05): 4 .. 16. Clopper-Pearson of 10 in 200: 2.42 % .. 9.00 %.
    assert (row["expected_low"], row["expected_high"]) == pytest.approx((0.02, 0.08))
    assert (row["rate_low"], row["rate_high"]) == pytest.approx((0.0242, 0.0900), abs=1e-4)
    assert (row["interval_rejections"], row["misses"], row["miss_rate"]) == (4, 30, 0.15)
    assert not row["miss_within"]
    assert row["oracle_misses"] == 0


def test_a_rate_beyond_the_binomial_interval_is_called_so(tmp_path):
    frame = calibration_frame(recorded(tmp_path, rejected=[True] * 17 + [False] * 183))
    assert not frame["within"][0]
    table = calibration_table(frame)
    assert table is not None
    assert table.texts[0][4:8] == ["17 of 200", "8.5 [5.0, 13.3]", "[2.0, 8.0]", "no"]


def test_one_seed_has_no_spread_over_seeds(tmp_path):
    assert np.isnan(calibration_frame(recorded(tmp_path, seed_sd=[None, None]))["seed_sd"][0])


def test_no_calibration_is_an_empty_frame_without_a_table(tmp_path):
    frame = calibration_frame(tmp_path)
    assert frame.empty
    assert list(frame.columns) == list(CalibrationRow.dtypes())
    assert calibration_table(frame) is None


@pytest.mark.parametrize("text", ["", "[]", '{"format": 9}', '{"format": 1, "markets": {"null": {}}}'])
def test_a_damaged_calibration_is_refused(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError, match="bench calibrate"):
        calibration_frame(tmp_path)


def test_the_command_measures_and_prints_the_rates(tmp_path):
    options = ["--repeats", "1", "--seeds", "1", "--stocks", "10", "--days", "150", "--markets", "null"]
    done = CliRunner().invoke(app, ["calibrate", *options, "--results", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert list(calibration_frame(tmp_path)["market"]) == ["null"]


@pytest.mark.parametrize("bad", [{"repeats": 0}, {"seeds": 0}, {"markets": ("nul",)}, {"model": "mpl"}])
def test_impossible_settings_are_refused(tmp_path, bad):
    with pytest.raises(ZooError):
        calibrate(tmp_path, CalibrationSettings(**{"repeats": 1, "stocks": 10, "days": 150, **bad}))
    assert not (tmp_path / FILE).exists()


def test_reading_a_calibration_imports_no_torch(tmp_path):
    code = (
        "import sys; from pathlib import Path; from bench.scores.self_test import calibration_frame\n"
        f"calibration_frame(Path({str(recorded(tmp_path, p=[0.5]))!r}))\n"
        "print(sorted(set(sys.modules) & {'arch', 'torch', 'matplotlib'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr
