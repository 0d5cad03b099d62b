"""Findings as a table and as a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.leaks import Finding
from bench.records.documents import write_atomic
from bench.text.tables import Table, word_table

_SHOWN = 4  # offences of a check; the file has all


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
    """One experiment: `name`, `source`, `config_hash`, `passed`, `checks` of `check, passed, holds, offences`."""
    return {
        "name": name,
        "source": source,
        "config_hash": config_hash,
        "passed": all(f.passed for f in findings),
        "checks": [
            {"check": f.check, "passed": f.passed, "holds": f.holds, "offences": list(f.offences)} for f in findings
        ],
    }


def write_findings(path: Path, records: list[dict[str, Any]]) -> None:
    """`{"passed": ..., "experiments": [...]}`, replaced as a whole."""
    text = {"passed": all(r["passed"] for r in records), "experiments": records}
    write_atomic(path, json.dumps(text, indent=1, allow_nan=False) + "\n")
