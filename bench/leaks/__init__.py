"""Leak checks: the pieces of a configuration are tried on data that differ where they must not look.

Order: data, features, labels, models. A leak in an early piece shows in later ones too: read the first failure first.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench.leaks import concepts, features, fitting, labels, metrics, relabelled, scores, segments, universe
from bench.leaks.subject import Pieces, Subject, make_subject

__all__ = ["CHECKS", "Finding", "Pieces", "Subject", "make_subject", "run_checks"]

Check = Callable[[Subject], Iterator[str]]
"""Yields a sentence per offending piece. Its docstring says what holds where there is none."""

CHECKS: dict[str, Check] = {
    name: function
    for module in (segments, universe, concepts, features, labels, fitting, scores, relabelled, metrics)
    for name, function in vars(module).items()
    if inspect.isgeneratorfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")
}
"""Every public generator of these files, by its name."""


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


def run_checks(subject: Subject, on_check: Callable[[str], None] = lambda name: None) -> list[Finding]:
    """All checks in the order of `CHECKS`; `on_check` is told the name of each before it runs."""
    findings = []
    for name, check in CHECKS.items():
        on_check(name)
        findings.append(Finding(name, (check.__doc__ or "").strip(), _offences(check, subject)))
    return findings


def _offences(check: Check, subject: Subject) -> tuple[str, ...]:
    try:
        return tuple(check(subject))
    except Exception as error:  # noqa: BLE001 - plugins may raise anything; what could not be checked has not passed
        return (f"could not be checked: {type(error).__name__}: {error}",)
