"""Leak checks: the pieces of a configuration are tried on data that differ where they must not look.

A leak in an early piece shows in later ones too: read the first failure first.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.leaks import features, fitting, labels, own, sample, scores
from bench.leaks.subject import Pieces, Subject, make_subject, make_subjects
from bench.records.documents import write_atomic
from bench.text.tables import Table, word_table

__all__ = ["CHECKS", "Finding", "Pieces", "Subject", "make_subject", "make_subjects", "run_all", "run_checks"]

Check = Callable[[Subject], Iterator[str]]
"""Yields a sentence per offending piece. Its docstring says what holds where there is none."""

CHECKS: dict[str, Check] = {
    name: function
    for module in (sample, features, own, labels, fitting, scores)
    for name, function in vars(module).items()
    if inspect.isgeneratorfunction(function) and function.__module__ == module.__name__ and not name.startswith("_")
}
"""Every public generator of these files, by its name."""
_SHOWN = 4  # offences of a check; the file has all


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


def run_checks(subject: Subject) -> list[Finding]:
    """All checks in the order of `CHECKS`."""
    return [Finding(name, (check.__doc__ or "").strip(), _offences(check, subject)) for name, check in CHECKS.items()]


def run_all(subjects: list[Subject]) -> list[Finding]:
    """All checks on several subjects; an offence names the data it was found in, where they see them differently."""
    found = [run_checks(subject) for subject in subjects]
    if len(found) == 1:
        return found[0]
    views = [f"features {s.data.features}, lookback {s.data.lookback}: " for s in subjects]
    merged = []
    for same in zip(*found, strict=True):
        offences = tuple(view + text for view, one in zip(views, same, strict=True) for text in one.offences)
        merged.append(Finding(same[0].check, same[0].holds, offences))
    return merged


def _offences(check: Check, subject: Subject) -> tuple[str, ...]:
    try:
        return tuple(check(subject))
    except Exception as error:  # noqa: BLE001 - plugins may raise anything
        return (f"could not be checked: {type(error).__name__}: {error}",)


def findings_table(findings: list[Finding]) -> Table:
    """check | result | what: a row per passed check, and one per offence of a failed one."""
    rows = []
    for finding in findings:
        if finding.passed:
            rows.append([finding.check, "pass", finding.holds])
            continue
        rows += [[finding.check, "FAIL", text] for text in finding.offences[:_SHOWN]]
        if len(finding.offences) > _SHOWN:
            rows.append([finding.check, "FAIL", f"and {len(finding.offences) - _SHOWN} more (--json lists all)"])
    return word_table(["check", "result", "what"], rows)


def findings_record(name: str, source: str, config_hash: str, findings: list[Finding]) -> dict[str, Any]:
    """The findings of one experiment, for JSON."""
    checks = [{"check": f.check, "passed": f.passed, "holds": f.holds, "offences": f.offences} for f in findings]
    passed = all(f.passed for f in findings)
    return {"name": name, "source": source, "config_hash": config_hash, "passed": passed, "checks": checks}


def write_findings(path: Path, records: list[dict[str, Any]]) -> None:
    """`{"passed": ..., "experiments": [...]}`, replaced as a whole."""
    document = {"passed": all(r["passed"] for r in records), "experiments": records}
    write_atomic(path, json.dumps(document, indent=1, allow_nan=False) + "\n")
