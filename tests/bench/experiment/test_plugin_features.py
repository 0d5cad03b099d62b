"""CONTRIBUTING's "Add a feature set", carried out: its file and its commands, from a folder outside the package."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runs import run_cli

from bench.experiment.config import load_config
from bench.experiment.plan import make_plan
from zoo.config import DataConfig
from zoo.data.features import FEATURE_SETS, make_feature_set, own_sources, register_feature_set
from zoo.errors import ConfigError
from zoo.registry import load_plugin

GUIDE = (
    (Path(__file__).parents[3] / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## Add a feature set\n")[2]
)
SETTINGS = {"data.source": "planted:local?stocks=20&days=300", "data.features": ["momentum", "raw"], "seeds": [0]}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (file,) = re.findall(r"^1\. Write `(\w+\.py)`", GUIDE, re.MULTILINE)
    (block,) = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    (tmp_path / file).write_text(block, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    before = dict(FEATURE_SETS)
    yield tmp_path
    FEATURE_SETS.clear()
    FEATURE_SETS.update(before)


def test_the_commands_of_the_guide_run_and_find_no_leak(folder):
    commands = [shlex.split(c)[3:] for c in re.findall(r"`(python -m bench [^`]*)`", GUIDE)]
    assert [command[0] for command in commands] == ["run", "leaks"]
    run, leaks = (run_cli(*command, "--results", folder) for command in commands)
    assert run.code == 0, run.err
    assert "linear on planted:local" in run.out
    assert not [line for line in leaks.out.splitlines() if " fail " in line]


def test_an_edited_file_of_features_is_another_trial(folder):
    load_plugin(folder / "momentum.py")
    before = [t.key for t in make_plan(load_config(None, SETTINGS), "linear").trials]
    assert own_sources(DataConfig(features=("momentum", "raw"))) == [folder / "momentum.py"]
    text = (folder / "momentum.py").read_text(encoding="utf-8")
    (folder / "momentum.py").write_text(text.replace("(5, 21, 63)", "(5, 21, 42)"), encoding="utf-8")
    from bench.experiment.code_hash import forget_sources

    forget_sources()
    load_plugin(folder / "momentum.py")
    assert make_feature_set("momentum", 20).warmup == 19 + 42
    assert [t.key for t in make_plan(load_config(None, SETTINGS), "linear").trials] != before


@pytest.mark.parametrize("name", ["raw", "close", "Big", "", None])
def test_a_name_that_is_taken_or_none_is_refused(folder, name):
    load_plugin(folder / "momentum.py")
    other = type("Other", (FEATURE_SETS["momentum"],), {"name": name})
    with pytest.raises(ConfigError, match="feature set Other: "):
        register_feature_set(other)
