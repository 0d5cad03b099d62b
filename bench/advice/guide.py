"""The selection guide: per use a ranking by one stated measurement, its margin, and when the advice changes.

Every sentence is generated from cells; where nothing was measured the guide says what to run.
"""

from __future__ import annotations

from bench.advice.captures import LONG, PREDICTION, RELATIONS
from bench.advice.facts import Facts
from bench.advice.interpretability import INTERPRETABILITY
from bench.advice.real_time import REAL_TIME
from bench.advice.use import Advice, Use

USES: dict[str, Use] = {use.id: use for use in (PREDICTION, REAL_TIME, RELATIONS, LONG, INTERPRETABILITY)}
"""Every use by its id, in the order of the report."""


def advise(facts: Facts) -> list[Advice]:
    """What the facts say about every use."""
    return [use.advice(facts) for use in USES.values()]
