"""Trials at once: as many as have a processor and memory."""

from __future__ import annotations

import pytest

from bench.experiment.executors import jobs
from bench.experiment.executors.jobs import count_jobs
from zoo.errors import ConfigError

GB = 10**9


@pytest.mark.parametrize(
    ("free", "panel", "expected"),
    [(64 * GB, GB // 10, 8), (3 * GB, GB // 10, 3), (GB, 2 * GB, 1), (None, GB, 8)],
    ids=["a processor each", "memory for three", "a panel larger than memory", "memory unknown"],
)
def test_auto_gives_every_trial_a_processor_and_memory(monkeypatch, free, panel, expected):
    monkeypatch.setattr(jobs, "processors", lambda: 8)
    monkeypatch.setattr(jobs, "free_memory", lambda: free)
    assert count_jobs("auto", panel, "cpu") == expected
    assert count_jobs("auto", panel, "cuda") == 1


def test_a_number_is_taken_as_it_is_and_anything_else_refused():
    assert count_jobs("3", 10**15, "cuda") == 3
    for wrong in ("0", "many", "-1", "1.5"):
        with pytest.raises(ConfigError, match="--jobs"):
            count_jobs(wrong, 0, "cpu")


def test_this_machine_has_memory_and_processors():
    assert jobs.processors() >= 1
    assert jobs.free_memory() is None or 10**7 < jobs.free_memory() < 10**15
