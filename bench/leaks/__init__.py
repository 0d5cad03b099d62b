"""Leak checks: the pieces of a configuration are tried on data that differ where they must not look.

Order: data, features, labels, models. A leak in an early piece shows in later ones too: read the first failure first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.leaks.concepts import future_concepts, snapshot_concepts
from bench.leaks.features import future_features, label_in_features, normalisation
from bench.leaks.fitting import fit_on_valid, fit_reads_test, models_run
from bench.leaks.labels import label_alignment, label_days, label_ranking
from bench.leaks.metrics import daily_metrics
from bench.leaks.relabelled import shifted_label, shuffled_label
from bench.leaks.scores import future_scores, labels_in_scores, other_days
from bench.leaks.segments import label_reach, repeated_days, segment_overlap
from bench.leaks.subject import Pieces, Subject, make_subject
from bench.leaks.universe import future_members, survivorship, undated_universe

__all__ = ["CHECKS", "Finding", "Pieces", "Subject", "make_subject", "run_checks"]

Check = Callable[[Subject], Iterator[str]]
"""Yields a sentence per offending piece. Its docstring says what holds where there is none."""

CHECKS: dict[str, Check] = {
    check.__name__: check
    for check in (
        segment_overlap,
        label_reach,
        repeated_days,
        survivorship,
        undated_universe,
        future_members,
        snapshot_concepts,
        future_concepts,
        future_features,
        normalisation,
        label_in_features,
        label_days,
        label_ranking,
        label_alignment,
        shifted_label,
        models_run,
        future_scores,
        other_days,
        labels_in_scores,
        fit_reads_test,
        fit_on_valid,
        shuffled_label,
        daily_metrics,
    )
}


@dataclass(frozen=True)
class Finding:
    """Outcome of one check.

    Attributes:
        check: key of `CHECKS`.
        holds: what is so where the check passes.
        offences: the offending pieces, one sentence each; none where it passes.
    """

    check: str
    holds: str
    offences: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.offences


def run_checks(subject: Subject, on_check: Callable[[str], None] | None = None) -> list[Finding]:
    """All checks in the order of `CHECKS`; `on_check` is told the name of each before it runs."""
    findings = []
    for name, check in CHECKS.items():
        if on_check is not None:
            on_check(name)
        findings.append(Finding(name, (check.__doc__ or "").strip(), _offences(check, subject)))
    return findings


def _offences(check: Check, subject: Subject) -> tuple[str, ...]:
    try:
        return tuple(check(subject))
    except Exception as error:  # noqa: BLE001 - plugins may raise anything; what could not be checked has not passed
        return (f"could not be checked: {type(error).__name__}: {error}",)
