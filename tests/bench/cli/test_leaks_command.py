"""`python -m bench leaks`: what it prints, writes and exits with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from bench.cli import app
from bench.leaks import CHECKS
from zoo import registry
from zoo.data.features import FEATURE_SETS
from zoo.data.features.raw import Raw
from zoo.errors import ConfigError

SMALL = Path(__file__).parents[1] / "small.yaml"
PLUGIN = """
import numpy as np
from zoo.data.features import FEATURE_SETS
from zoo.data.features.raw import Raw


class Tomorrow(Raw):
    def source(self, panel):
        return np.roll(super().source(panel), -1, axis=1)


FEATURE_SETS["tomorrow"] = Tomorrow
"""


def leaks(*arguments: Any) -> Result:
    return CliRunner().invoke(app, ["leaks", *map(str, arguments)])


def test_a_clean_experiment_passes_every_check_and_exits_0(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "leaks.json"
    done = leaks(SMALL, "--models", "linear,gru", "--json", file)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    for check in CHECKS:
        assert sum(line.split()[:2] == [check, "pass"] for line in lines) == 1
    assert f"{len(CHECKS)} of {len(CHECKS)} checks pass; 2 model(s)" in done.output
    record = json.loads(file.read_text())
    assert record["passed"]
    (experiment,) = record["experiments"]
    assert (experiment["name"], experiment["source"]) == ("small", "planted:local?stocks=20&days=200")
    assert [c["check"] for c in experiment["checks"]] == list(CHECKS)


def test_a_leak_exits_1_and_is_named_in_table_and_file(tmp_path: Path) -> None:
    file = tmp_path / "leaks.json"
    options = ("--set", "data.split.embargo=1", "--set", "data.split.force=true", "--json", file)
    done = leaks(SMALL, "--models", "linear", *options)
    assert done.exit_code == 1
    assert "label_reach" in done.output.partition("failed: ")[2]
    failed = {c["check"]: c for c in json.loads(file.read_text())["experiments"][0]["checks"] if not c["passed"]}
    assert len(failed["label_reach"]["offences"]) == 2
    for text in failed["label_reach"]["offences"]:
        assert any(line.startswith("label_reach") and f"FAIL      {text}" in line for line in done.output.splitlines())


def test_a_feature_set_of_a_plugin_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FEATURE_SETS, "tomorrow", Raw)
    file = tmp_path / "tomorrow.py"
    file.write_text(PLUGIN)
    done = leaks(SMALL, "--models", "linear", "--plugin", file, "--set", "data.features=tomorrow")
    assert done.exit_code == 1
    assert "column 'close' of" in done.output


def test_each_market_of_a_matrix_is_checked(tmp_path: Path) -> None:
    file = tmp_path / "leaks.json"
    done = leaks(SMALL, "--models", "linear", "--set", "markets=[local, long]", "--json", file)
    assert done.exit_code == 0, done.output
    names = [e["name"] for e in json.loads(file.read_text())["experiments"]]
    assert names == ["small-local", "small-long"]


def test_models_that_cannot_run_are_said_not_to_be_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = registry.get_spec("hist")
    monkeypatch.setitem(registry._specs, "hist", spec.__class__(**{**vars(spec), "packages": ("no_such_package",)}))
    done = leaks(SMALL, "--models", "linear,hist")
    assert done.exit_code == 0, done.output
    assert "not checked: hist: hist needs no_such_package" in done.output


@pytest.mark.parametrize(
    "arguments",
    [
        ("missing.yaml",),
        (SMALL, "--models", "grru"),
        (SMALL, "--set", "data.lokback=3"),
        (SMALL, "--data", "planted:x"),
    ],
)
def test_a_bad_configuration_is_refused_before_any_check(arguments: tuple[Any, ...]) -> None:
    done = leaks(*arguments)
    # What `main` prints as one line and exits 2 for.
    assert isinstance(done.exception, ConfigError) or "no model 'grru'" in str(done.exception)
    assert "pass" not in done.output
