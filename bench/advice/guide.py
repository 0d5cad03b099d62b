"""The selection guide: per use a ranking by one stated measurement, its margin, and when the advice changes.

Every sentence is generated from cells; where nothing was measured the guide says what to run.
"""

from __future__ import annotations

from bench.advice.facts import Facts
from bench.advice.use import Advice, Use
from bench.advice.uses import interpretability, long_sequences, prediction, real_time, relations

USES: dict[str, Use] = {
    module.USE.id: module.USE for module in (prediction, real_time, relations, long_sequences, interpretability)
}
"""Every use by its id, in the order of the report."""


def advise(facts: Facts) -> list[Advice]:
    """What the facts say about every use."""
    return [use.advice(facts) for use in USES.values()]
