"""A trial over its limit fails alone, and says which limit."""

from __future__ import annotations

import pytest
from cli_runs import SMALL, key_of_trial, run_cli

from bench.records.store import RunStore

BODIES = {
    "sleeper": ("def on_epoch(self, context):\n    time.sleep(600)", "--trial-timeout", 20, "s (--trial-timeout)"),
    "glutton": (
        "def on_epoch(self, context):\n    self.held = bytearray(os.urandom(1 << 20) * 1500)\n    time.sleep(600)",
        *("--trial-memory", 1.2, "--trial-memory"),
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_trial_over_a_limit_fails_alone(plugin, tmp_path, name):
    body, option, limit, why = BODIES[name]
    file = plugin(name, body)
    results = tmp_path / "results"
    chosen = ("--models", f"{name},linear", "--plugin", file, "--seeds", "1", "--jobs", "1", option, limit)
    answer = run_cli("run", SMALL, *chosen, "--results", results)
    assert answer.code == 1, answer.err
    assert "1 trained, 0 stored, 1 failed" in answer.out
    failure = RunStore.open(results, "small").failure(key_of_trial(results, name))
    assert failure is not None
    assert why in failure["error"]
