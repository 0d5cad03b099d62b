"""The short form of `tests.faults.kills`: 25 kills."""

from __future__ import annotations

import random
import sys
from math import ceil

import pytest
from kills import SCENARIOS, Forks, kill_again_and_again

KILLS = 25


@pytest.fixture(scope="module")
def forks():
    started = Forks()
    yield started
    started.end()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are counted in /proc")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", SCENARIOS)
def test_nothing_is_lost_and_nobody_lives_on_however_often_it_is_killed(name, tmp_path, forks):
    scenario = SCENARIOS[name]
    tally = kill_again_and_again(scenario, ceil(scenario.share * KILLS), random.Random(name), tmp_path, forks)
    assert tally.kills >= scenario.share * KILLS
    assert not tally.faults
