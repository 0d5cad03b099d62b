"""Configurations that try to cost more than they are worth."""

from __future__ import annotations

import resource

import pytest
from cli_runs import run_cli

from bench.records import strict_yaml
from zoo.errors import ConfigError

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 25)
)
HOSTILE = {
    "25 lines that say 9^25 values": BOMB,
    "one section within itself": "data: &d\n  train: *d\n",
    "ten thousand levels": "[" * 10_000,
    "three hundred levels of sections": "".join(f"{'  ' * k}a:\n" for k in range(300)),
    "two megabytes": "#" * 2_000_000,
    "a hundred thousand values": "seeds: [" + "1, " * 100_000 + "1]",
    "an object of Python": "name: !!python/object/apply:os.system [true]",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_configuration_is_refused_at_once(what, tmp_path):
    file = tmp_path / "hostile.yaml"
    file.write_text(HOSTILE[what])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    with pytest.raises(ConfigError, match=r"hostile\.yaml"):
        strict_yaml.read_yaml(file)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 5


def test_aliases_of_reasonable_size_are_read(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("a: &a {x: 1}\nb: *a\n")
    assert strict_yaml.read_yaml(file) == {"a": {"x": 1}, "b": {"x": 1}}


def test_values_on_the_command_line_are_bounded_too():
    answer = run_cli("check", "--set", "data.source=" + "[" * 5000)
    assert answer.code == 2
    assert "--set data.source" in answer.err
    assert "Traceback" not in answer.err
